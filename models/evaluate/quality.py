"""What a measure of quality says about being matched: pictures made worse, against good ones.

Knows the protocol: every picture of a set is made worse by each amount of each series, and compared
with the untouched other pictures of the same person and of all others, at a threshold that was
fixed elsewhere. Each worse picture keeps its measures, so that errors of both kinds can be counted
by series and amount, by what was measured, and with or without what the gate refuses. Does not know
where the limits are set (`models.face.quality`) nor how a page shows it.
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
        strangers: (L,) with everybody else's pictures as they are; likewise.
    """

    person: int
    series: str
    amount: float
    quality: Quality | None
    scores: NDArray[np.float64] = field(repr=False)
    strangers: NDArray[np.float32] = field(repr=False)


class Misses(NamedTuple):
    """How often true pairs were missed, and false ones taken.

    Attributes:
        pictures: with a face that was found.
        comparisons: of these with their own person.
        missed: whose score lay below the threshold.
        strangers: comparisons with other people.
        taken: whose score did not.
    """

    pictures: int
    comparisons: int
    missed: int
    strangers: int
    taken: int

    @property
    def fnmr(self) -> float:
        """The share that was missed; 0 of none."""
        return self.missed / self.comparisons if self.comparisons else 0.0

    @property
    def fmr(self) -> float:
        """The share of strangers that was taken for the person; 0 of none."""
        return self.taken / self.strangers if self.strangers else 0.0

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
        people: the pictures of each person; at least two of each. All are held in memory.
        eyes: the nets.
        tick: called after each picture.

    Raises:
        PictureFileError: a file is no picture.
        ModelError: a net failed, or a picture as it is has no face.
    """
    stills = [
        (person, pictures.read(path, where=f"person {person}").rgb)
        for person, files in enumerate(people)
        for path in files
    ]
    meshes = [_mesh(rgb, eyes) for _, rgb in stills]
    rows = np.stack(
        [eyes.embedder.embed(rgb, mesh) for (_, rgb), mesh in zip(stills, meshes, strict=True)]
    )
    whose = np.array([person for person, _ in stills])
    found: list[Tried] = []
    for place, ((person, rgb), mesh) in enumerate(zip(stills, meshes, strict=True)):
        own = whose == person
        strangers = rows[~own]
        own[place] = False
        found += _worse(person, rgb, mesh, rows[own], strangers, eyes)
        tick()
    return found


def misses(tried: Sequence[Tried], threshold: float) -> Misses:
    """Count what lay on the wrong side of a threshold."""
    return Misses(
        pictures=sum(each.quality is not None for each in tried),
        comparisons=sum(len(each.scores) for each in tried),
        missed=sum(int((each.scores < threshold).sum()) for each in tried),
        strangers=sum(len(each.strangers) for each in tried),
        taken=sum(int((each.strangers >= threshold).sum()) for each in tried),
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
    person: int,
    rgb: NDArray[np.uint8],
    mesh: Mesh,
    others: NDArray[np.float32],
    strangers: NDArray[np.float32],
    eyes: Eyes,
) -> list[Tried]:
    found = []
    for name, series in SERIES.items():
        for amount in series.amounts:
            worse = series.apply(rgb, mesh, amount)
            seen = acquire(worse, detector=eyes.detector, mesher=eyes.mesher).mesh
            if seen is None:
                nothing = np.empty(0)
                found.append(Tried(person, name, amount, None, nothing, nothing.astype(np.float32)))
                continue
            row = eyes.embedder.embed(worse, seen)
            found.append(
                Tried(
                    person,
                    name,
                    amount,
                    assess(worse, seen),
                    np.asarray(eyes.embedder.closeness(others, row), np.float64),
                    np.asarray(eyes.embedder.closeness(strangers, row), np.float32),
                )
            )
    return found


def _mesh(rgb: NDArray[np.uint8], eyes: Eyes) -> Mesh:
    found = acquire(rgb, detector=eyes.detector, mesher=eyes.mesher).mesh
    if found is None:
        raise ModelError("", "failed", "a picture as it is has no face")
    return found
