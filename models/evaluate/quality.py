"""What a measure of quality says about being matched: pictures made worse, against good ones.

Knows the protocol: every picture of a set is made worse by each amount of each series, and compared
with the untouched other pictures of the same person, at a threshold that was fixed elsewhere. Each
worse picture keeps its measures, so that false non-matches can be counted by series and amount, by
what was measured, and with or without what the gate refuses. Does not know where the limits are set
(`models.face.quality`) nor how a page shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.evaluate import pictures
from models.evaluate.degrade import SERIES
from models.evaluate.intervals import Interval, clopper_pearson
from models.face.acquire import acquire
from models.face.quality import PORTRAIT, Quality, assess
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.evaluate.faces import Eyes
    from models.face.mesh import Mesh
    from models.face.quality import Limits


@dataclass(frozen=True, slots=True)
class Tried:
    """One picture, made worse by one amount.

    Attributes:
        person: the number of its person.
        series: a key of `models.evaluate.degrade.SERIES`.
        amount: of it.
        quality: what was measured; None: no face was found.
        scores: (K,) with the person's other pictures as they are; none if no face was found.
    """

    person: int
    series: str
    amount: float
    quality: Quality | None
    scores: NDArray[np.float64] = field(repr=False)


class Misses(NamedTuple):
    """How often true pairs were missed.

    Attributes:
        pictures: with a face that was found.
        comparisons: of these.
        missed: whose score lay below the threshold.
    """

    pictures: int
    comparisons: int
    missed: int

    @property
    def fnmr(self) -> float:
        """The share that was missed; 0 of none."""
        return self.missed / self.comparisons if self.comparisons else 0.0

    @property
    def interval(self) -> Interval:
        """Of 95 %, as though every comparison were independent, which they are not."""
        if not self.comparisons:
            return Interval(0.0, 1.0)
        return clopper_pearson(self.missed, self.comparisons)


def try_all(
    people: Sequence[Sequence[Path]], eyes: Eyes, *, tick: Callable[[], None]
) -> list[Tried]:
    """Make every picture worse in every way, and compare it.

    Args:
        people: the pictures of each person; at least two of each.
        eyes: the nets.
        tick: called after each picture.

    Raises:
        PictureFileError: a file is no picture.
        ModelError: a net failed, or a picture as it is has no face.
    """
    found: list[Tried] = []
    for person, files in enumerate(people):
        stills = [pictures.read(path, where=f"person {person}").rgb for path in files]
        meshes = [_mesh(rgb, eyes) for rgb in stills]
        rows = np.stack([eyes.embedder.embed(*each) for each in zip(stills, meshes, strict=True)])
        for place, (rgb, mesh) in enumerate(zip(stills, meshes, strict=True)):
            others = np.delete(rows, place, axis=0)
            found += _worse(person, rgb, mesh, others, eyes)
            tick()
    return found


def misses(tried: Sequence[Tried], threshold: float) -> Misses:
    """Count what lay below a threshold."""
    scores = np.concatenate([np.empty(0), *(each.scores for each in tried)])
    return Misses(
        pictures=sum(each.quality is not None for each in tried),
        comparisons=len(scores),
        missed=int((scores < threshold).sum()),
    )


def kept(tried: Sequence[Tried], limits: Limits) -> list[Tried]:
    """Return those that a gate lets pass."""
    return [
        each
        for each in tried
        if each.quality is not None and each.quality.failure_within(limits) is None
    ]


def refused_for(tried: Sequence[Tried], code: str, limits: Limits = PORTRAIT) -> int:
    """Return how many a gate refuses for one reason first."""
    return sum(
        each.quality is not None and each.quality.failure_within(limits) == code for each in tried
    )


def _worse(
    person: int, rgb: NDArray[np.uint8], mesh: Mesh, others: NDArray[np.float32], eyes: Eyes
) -> list[Tried]:
    found = []
    for name, series in SERIES.items():
        for amount in series.amounts:
            worse = series.apply(rgb, mesh, amount)
            seen = acquire(worse, detector=eyes.detector, mesher=eyes.mesher).mesh
            if seen is None:
                found.append(Tried(person, name, amount, None, np.empty(0)))
                continue
            scores = eyes.embedder.closeness(others, eyes.embedder.embed(worse, seen))
            found.append(
                Tried(person, name, amount, assess(worse, seen), np.asarray(scores, np.float64))
            )
    return found


def _mesh(rgb: NDArray[np.uint8], eyes: Eyes) -> Mesh:
    found = acquire(rgb, detector=eyes.detector, mesher=eyes.mesher).mesh
    if found is None:
        raise ModelError("", "failed", "a picture as it is has no face")
    return found
