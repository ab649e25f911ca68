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
from models.evaluate.pictures import FORMATS, MAX_BYTES, PictureFileError, hash_of
from models.finger import touches
from models.finger.extract import NAMES, Extractor
from models.finger.fusion import score_of
from models.finger.match import Evidence, compare
from models.finger.minutiae import none
from models.finger.picture import FingerPictureError, from_coded
from models.finger.prepared import MIN_COMPARED
from models.manifest import manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.finger.extract import Precision
    from models.finger.fusion import Weights
    from models.finger.minutiae import Minutiae
    from models.finger.prepared import Prepared
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
        live: for each picture, its touches as they are compared live, and joined where there are
            several.
        kept: for each picture, as a reference.
        failed: (N,) bool: whether of one of both sides too little was found to compare.
        hashes: of each picture's file.
        median_ms: from pixels to minutiae, of one touch; processor time.
    """

    live: tuple[tuple[Prepared, ...], ...] = field(repr=False)
    kept: tuple[Prepared, ...] = field(repr=False)
    failed: NDArray[np.bool_] = field(repr=False)
    hashes: tuple[str, ...] = field(repr=False)
    median_ms: float


class Compared(NamedTuple):
    """What comparisons found.

    Attributes:
        evidence: (K, T, 6) float64: of each pair and each of its T touches, `Evidence`'s fields.
        mean_ms: of one touch with one reference; processor time.
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
    live, kept, failed, hashes = [], [], [], []
    took_ms: list[float] = []
    for path, where, dpi in files:
        raw = _read(path, where)
        hashes.append(hash_of(raw))
        grey = _grey(raw, dpi, where)
        if made is not None and grey is not None:
            grey = made(grey, np.random.default_rng(int(hashes[-1], 16)))
        shown = _touches(grey, simulated, hashes[-1], LIVE)
        found = [_minutiae(each, tools, took_ms) for each in shown]
        live.append(touches.ready(found, weights=tools.weights))
        kept.append(_reference(grey, simulated, hashes[-1], tools, live[-1][-1], took_ms))
        failed.append(min(len(live[-1][-1]), len(kept[-1])) < MIN_COMPARED)
        tick()
    return Prints(
        live=tuple(live),
        kept=tuple(kept),
        failed=np.array(failed, dtype=np.bool_),
        hashes=tuple(hashes),
        median_ms=float(np.median(took_ms)) if took_ms else 0.0,
    )


def compared(
    prints: Prints, a: NDArray[np.intp], b: NDArray[np.intp], *, tick: Callable[[], None]
) -> Compared:
    """Compare pairs, each live touch with the reference.

    Args:
        prints: of the set.
        a: (K,): the place of each reference.
        b: (K,): of each live picture.
        tick: called after each pair.
    """
    touches_each = max(map(len, prints.live), default=1)
    found = np.zeros((len(a), touches_each, len(Evidence._fields)))
    begun_ns = time.process_time_ns()
    for place, (reference, live) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        kept = prints.kept[reference]
        for touch, each in enumerate(prints.live[live]):
            found[place, touch] = compare(each, kept)
        tick()
    took_ms = (time.process_time_ns() - begun_ns) / 1e6
    return Compared(found, took_ms / max(len(a) * touches_each, 1))


def scores_of(evidence: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return (K,) scores of -1..1; of several touches the one that is most alike counts.

    Args:
        evidence: (K, T, 6), as `compared` returns it.
        weights: of its terms.
    """
    return np.array(
        [max(score_of(Evidence(*touch), weights) for touch in pair) for pair in evidence.tolist()],
        dtype=np.float64,
    )


def _read(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureFileError(where, "missing") from error
    if len(raw) > MAX_BYTES:
        raise PictureFileError(where, "size")
    return raw


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


def _minutiae(grey: Grey | None, tools: Tools, took_ms: list[float]) -> Minutiae:
    if grey is None:
        return none()
    begun_ns = time.process_time_ns()
    try:
        return tools.extractor.extract(grey).minutiae
    except FingerPictureError:
        return none()
    finally:
        took_ms.append((time.process_time_ns() - begun_ns) / 1e6)


def _reference(
    grey: Grey | None,
    simulated: Simulated | None,
    name: str,
    tools: Tools,
    live: Prepared,
    took_ms: list[float],
) -> Prepared:
    if simulated is None:
        return live
    found = [_minutiae(each, tools, took_ms) for each in _touches(grey, simulated, name, KEPT)]
    return touches.ready(found, weights=tools.weights)[-1]
