"""A finger made ready for comparison: minutiae in a frame of their own, and their cylinders.

Knows what can be computed of one finger alone, once, before any comparison. The frame's middle is
the minutiae's, its axis the one along which they spread most, their order that of the distance from
the middle, so that neither how the finger lay nor how minutiae were listed makes a difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.cylinders import Cylinders, cylinders_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.finger.minutiae import Minutiae

MAX_COMPARED: Final = 100
"""The best by quality; a comparison's time grows with the square."""
MIN_COMPARED: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One finger, ready to be compared.

    Attributes:
        place: (N,) complex128, pixels in the finger's own frame, imaginary part upwards.
        angle: (N,) float64, radians in that frame.
        quality: (N,) float64, 0..1.
        ending: (N,) float64, 0..1.
        cylinders: of each; None where there are fewer than `MIN_COMPARED` minutiae.
        rank: which of two fingers is laid over the other: a comparison has no first and second.
    """

    place: NDArray[np.complex128] = field(repr=False)
    angle: NDArray[np.float64] = field(repr=False)
    quality: NDArray[np.float64] = field(repr=False)
    ending: NDArray[np.float64] = field(repr=False)
    cylinders: Cylinders | None = field(repr=False)
    rank: tuple[int, float, float] = field(repr=False)

    def __len__(self) -> int:
        return len(self.place)


def prepare(minutiae: Minutiae) -> Prepared:
    """Make a finger ready for comparison; of its minutiae, the best `MAX_COMPARED` count."""
    found = minutiae.best(MAX_COMPARED)
    place = found.x.astype(np.float64) - 1j * found.y.astype(np.float64)
    if len(found):
        place -= place.mean()
    turn = np.exp(-0.5j * np.angle((place**2).sum()))
    place *= turn
    order = np.argsort(np.abs(place), kind="stable")
    place, angle = place[order], (found.angle.astype(np.float64) + np.angle(turn))[order]
    quality = found.quality.astype(np.float64)[order]
    enough = len(found) >= MIN_COMPARED
    return Prepared(
        place=place,
        angle=angle,
        quality=quality,
        ending=found.ending.astype(np.float64)[order],
        cylinders=cylinders_of(place, angle) if enough else None,
        rank=(len(found), round(float(quality.sum()), 4), round(float(np.abs(place).sum()), 2)),
    )
