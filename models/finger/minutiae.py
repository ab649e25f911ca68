"""Minutiae: where ridges end or fork on a finger, as the extractor found them.

Knows what a set of minutiae is and its bounds. Does not know how it was found, how it is written
into a record, nor what it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DPI: Final = 500
"""Of all coordinates: 19.7 pixels a millimetre."""
MAX_MINUTIAE: Final = 1000
MAX_COORDINATE_PX: Final = 4096.0
TURN: Final = 2 * np.pi


class MinutiaeError(ValueError):
    """Numbers are no set of minutiae."""


@dataclass(frozen=True, slots=True, eq=False)
class Minutiae:
    """The minutiae of one picture of one finger; their order says nothing.

    Attributes:
        x: (N,) float32, pixels at `DPI` from the picture's left edge, growing to the right.
        y: (N,) float32, pixels from the upper edge, growing downwards.
        angle: (N,) float32, radians, 0..2 pi: the ridge's direction, counter-clockwise from the
            right as one sees the picture, as in [19794-2].
        quality: (N,) float32, 0..1: how sure the extractor is.
        ending: (N,) float32, 0..1: how sure it is that the ridge ends here and does not fork; 0.5
            where nobody said.
    """

    x: NDArray[np.float32] = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    angle: NDArray[np.float32] = field(repr=False)
    quality: NDArray[np.float32] = field(repr=False)
    ending: NDArray[np.float32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.x)

    def best(self, count: int) -> Minutiae:
        """Return the `count` of the highest quality, in their order; all where there are fewer."""
        if len(self) <= count:
            return self
        kept = np.sort(np.argsort(-self.quality, kind="stable")[:count])
        return self.where(kept)

    def where(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Minutiae:
        """Return those that are chosen, by place or by mask."""
        return Minutiae(
            self.x[chosen],
            self.y[chosen],
            self.angle[chosen],
            self.quality[chosen],
            self.ending[chosen],
        )


def minutiae(
    x: ArrayLike,
    y: ArrayLike,
    angle: ArrayLike,
    quality: ArrayLike,
    ending: ArrayLike | None = None,
) -> Minutiae:
    """Return a set of minutiae of numbers from outside.

    Args:
        x: (N,), -`MAX_COORDINATE_PX` to `MAX_COORDINATE_PX`; N is at most `MAX_MINUTIAE`.
        y: (N,), likewise.
        angle: (N,) radians, any turn.
        quality: (N,), 0..1.
        ending: (N,), 0..1; None: nobody said.

    Raises:
        MinutiaeError: the lengths differ, there are too many, or a number is out of range.
    """
    try:
        found = [np.asarray(each, dtype=np.float64) for each in (x, y, angle, quality)]
        kind = np.asarray(np.full_like(found[0], 0.5) if ending is None else ending, dtype=float)
    except (TypeError, ValueError) as error:
        raise MinutiaeError("no numbers") from error
    found.append(kind)
    if len({each.shape for each in found}) != 1 or found[0].ndim != 1:
        raise MinutiaeError("the lengths differ")
    if len(found[0]) > MAX_MINUTIAE:
        raise MinutiaeError("too many minutiae")
    if not all(np.isfinite(each).all() for each in found):
        raise MinutiaeError("a number is not finite")
    x_px, y_px, radians, sure, kind = found
    if len(x_px) and max(np.abs(x_px).max(), np.abs(y_px).max()) > MAX_COORDINATE_PX:
        raise MinutiaeError("a minutia is off the picture")
    if any(((each < 0) | (each > 1)).any() for each in (sure, kind)):
        raise MinutiaeError("a quality or an ending is not 0..1")
    turned = np.mod(radians, TURN).astype(np.float32)
    # What rounds up to a whole turn is none.
    turned[turned >= np.float32(TURN)] = 0
    return Minutiae(
        x=x_px.astype(np.float32),
        y=y_px.astype(np.float32),
        angle=turned,
        quality=sure.astype(np.float32),
        ending=kind.astype(np.float32),
    )


def none() -> Minutiae:
    """Return the set of no minutiae."""
    return minutiae([], [], [], [])
