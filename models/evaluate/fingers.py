"""Extract the fingers of a set once, and score pairs of them.

Knows the product's own way: the same pictures at 500 dpi, extractor, matcher and joining of
touches, with no gate on quality, so that a bad picture counts as what it is. A picture of which
nothing can be extracted is kept: it matches nobody, which is an error where it is compared with its
own finger. Does not know who anybody is, and keeps no picture.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.evaluate.finger_touch import Window, seen_by
from models.evaluate.pictures import FORMATS, PictureFileError, hash_of, raw_of
from models.finger.extract import NAMES, Extractor
from models.finger.match import Evidence
from models.finger.minutiae import none
from models.finger.picture import FingerPictureError, from_coded
from models.finger.prepared import MIN_COMPARED
from models.finger.quality import assess
from models.finger.touches import compare_each, ready, score_of_each
from models.manifest import manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.finger.extract import Impression, Precision
    from models.finger.fusion import Weights
    from models.finger.minutiae import Minutiae
    from models.finger.quality import Quality
    from models.finger.touches import Ready
    from models.manifest import Manifest

    Grey = NDArray[np.uint8]

LIVE, KEPT = 0, 1
"""Which side of a comparison a simulated touch is for: each has chance of its own."""


class Tools(NamedTuple):
    """What looks at fingers. One thread's.

    Attributes:
        extractor: finds minutiae.
        manifest: of its net.
        weights: of the evidence.
    """

    extractor: Extractor
    manifest: Manifest
    weights: Weights


class Simulated(NamedTuple):
    """Which module takes the place of the set's sensor.

    Attributes:
        window: what it sees.
        touches: how many of each finger, live; at least 1.
        seed: of chance.
        whole_reference: whether the reference is the set's own picture, as that on a chip is; else
            as many touches of the module, as at an enrolment.
    """

    window: Window
    touches: int = 1
    seed: int = 0
    whole_reference: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """The pictures of a set as fingers.

    Attributes:
        live: of each picture, its touches as they are compared live.
        kept: of each picture, as a reference.
        seen: of each picture, the figures of its first live touch; None where nothing can be looked
            for in it.
        failed: (N,) bool: whether of one of both sides too little was found to compare.
        hashes: of each picture's file.
        median_ms: from pixels to minutiae, of one touch; processor time.
    """

    live: tuple[Ready, ...] = field(repr=False)
    kept: tuple[Ready, ...] = field(repr=False)
    seen: tuple[Quality | None, ...] = field(repr=False)
    failed: NDArray[np.bool_] = field(repr=False)
    hashes: tuple[str, ...] = field(repr=False)
    median_ms: float


class Compared(NamedTuple):
    """What comparisons found.

    Attributes:
        evidence: (K, T, 6) float64: of each pair and its T comparisons, `Evidence`'s fields; T is 1
            where both sides have one touch, else as `models.finger.touches.compare_each` says.
        mean_ms: of one touch with another; processor time.
    """

    evidence: NDArray[np.float64]
    mean_ms: float


def open_tools(models: Path, *, precision: Precision, weights: Weights, threads: int = 1) -> Tools:
    """Load the net. Raises ModelError."""
    return Tools(
        Extractor(models, precision=precision, threads=threads),
        manifests()[NAMES[precision]],
        weights,
    )


def hashes_of(files: Iterable[tuple[Path, str]]) -> tuple[str, ...]:
    """Return what calibrations and weights call each file. Raises PictureFileError."""
    return tuple(hash_of(raw_of(path, where=where)) for path, where in files)


def extract(
    files: Iterable[tuple[Path, str, float]],
    tools: Tools,
    *,
    simulated: Simulated | None,
    tick: Callable[[], None],
    made: Callable[[Grey, np.random.Generator], Grey] | None = None,
) -> Prints:
    """Extract each picture's finger.

    Args:
        files: each picture's path, how an error names it, and its resolution, whatever it says.
        tools: what looks at them.
        simulated: the module, or None for the pictures as they are.
        tick: called after each picture.
        made: makes each picture worse before anything looks at it, by chance that is the picture's
            own.

    Raises:
        PictureFileError: a file is no picture.
        ModelError: the net failed.
    """
    live, kept, seen, failed, hashes = [], [], [], [], []
    took_ms: list[float] = []
    for path, where, dpi in files:
        raw = raw_of(path, where=where)
        hashes.append(hash_of(raw))
        grey = _grey(raw, dpi, where)
        if made is not None and grey is not None:
            grey = made(grey, np.random.default_rng(int(hashes[-1], 16)))
        shown = _touches(grey, simulated, hashes[-1], LIVE)
        found = [_extracted(each, tools, took_ms) for each in shown]
        live.append(ready([_minutiae(each) for each in found], weights=tools.weights))
        seen.append(_quality(shown[0], found[0]))
        kept.append(_reference(grey, simulated, hashes[-1], tools, live[-1], took_ms))
        failed.append(min(len(live[-1].joined), len(kept[-1].joined)) < MIN_COMPARED)
        tick()
    return Prints(
        live=tuple(live),
        kept=tuple(kept),
        seen=tuple(seen),
        failed=np.array(failed, dtype=np.bool_),
        hashes=tuple(hashes),
        median_ms=float(np.median(took_ms)) if took_ms else 0.0,
    )


def compared(
    prints: Prints, a: NDArray[np.intp], b: NDArray[np.intp], *, tick: Callable[[], None]
) -> Compared:
    """Compare pairs, each touch of one side with each of the other, and what they make joined.

    Args:
        prints: of the set.
        a: (K,): the place of each reference.
        b: (K,): of each live picture.
        tick: called after each pair.
    """
    found = []
    begun_ns = time.process_time_ns()
    for reference, live in zip(a.tolist(), b.tolist(), strict=True):
        found.append(compare_each(prints.live[live], prints.kept[reference]))
        tick()
    took_ms = (time.process_time_ns() - begun_ns) / 1e6
    evidence = np.array(found, dtype=np.float64)
    return Compared(evidence, took_ms / max(evidence.size // len(Evidence._fields), 1))


def scores_of(evidence: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return (K,) scores of -1..1, by all touches of a pair.

    Args:
        evidence: (K, T, 6), as `compared` returns it.
        weights: of its terms.
    """
    return np.array(
        [score_of_each([Evidence(*each) for each in pair], weights) for pair in evidence.tolist()],
        dtype=np.float64,
    )


def _grey(raw: bytes, dpi: float, where: str) -> Grey | None:
    """Return the pixels; None where they are too many or too few to look for a finger in."""
    try:
        return from_coded(raw, dpi=dpi, formats=FORMATS).grey
    except FingerPictureError as error:
        if error.why == "size":
            return None
        raise PictureFileError(where, error.why) from error


def _touches(
    grey: Grey | None, simulated: Simulated | None, name: str, side: int
) -> list[Grey | None]:
    if simulated is None or (side == KEPT and simulated.whole_reference):
        return [grey]
    chances = (
        np.random.default_rng([simulated.seed, int(name, 16), side, touch])
        for touch in range(simulated.touches)
    )
    return [None if grey is None else seen_by(simulated.window, grey, each) for each in chances]


def _extracted(grey: Grey | None, tools: Tools, took_ms: list[float]) -> Impression | None:
    """Return what a picture shows; None where nothing can be looked for in it."""
    if grey is None:
        return None
    begun_ns = time.process_time_ns()
    try:
        return tools.extractor.extract(grey)
    except FingerPictureError:
        return None
    finally:
        took_ms.append((time.process_time_ns() - begun_ns) / 1e6)


def _minutiae(found: Impression | None) -> Minutiae:
    return none() if found is None else found.minutiae


def _quality(grey: Grey | None, found: Impression | None) -> Quality | None:
    return None if grey is None or found is None else assess(grey, found)


def _reference(
    grey: Grey | None,
    simulated: Simulated | None,
    name: str,
    tools: Tools,
    live: Ready,
    took_ms: list[float],
) -> Ready:
    if simulated is None:
        return live
    shown = _touches(grey, simulated, name, KEPT)
    found = [_minutiae(_extracted(each, tools, took_ms)) for each in shown]
    return ready(found, weights=tools.weights)
