"""The subbands of a WSQ picture: where each of them lies, and how they become the picture.

Knows the tree by which a picture is split, and the filters' arithmetic. Does not know how numbers
are coded. A picture is split into four, again and again but not everywhere; 64 bands come of it, of
which the last four are never sent. In the right and the lower half of what was split, high and low
change places ("spectral inversion").

All arithmetic is in single precision and in the order of NIST's decoder (NBIS 5), so that every
pixel comes out as there: the sum of the smooth taps in their order, then the others in theirs.

Spec: [IAFIS-IC-0110].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.wsq.errors import WSQError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from models.finger.wsq.segments import Bins, Filters

SENT_BANDS: Final = 60
_Shape = tuple[str, ...]
"""What becomes of the four quarters of a split: the name of a shape below, or "" for a band.

The last quarter of the picture is four bands to the standard; as none of them is sent, it is one.
"""
_SHAPES: Final[dict[str, _Shape]] = {
    "picture": ("inner", "four", "four", ""),
    "inner": ("core", "sixteen", "sixteen", ""),
    "core": ("heart", "four", "four", "four"),
    "heart": ("four", "", "", ""),
    "sixteen": ("four", "four", "four", "four"),
    "four": ("", "", "", ""),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A rectangle of the picture's plane: a band, or what four others are joined into.

    Attributes:
        rows: which of the plane.
        columns: which of the plane.
        inverted: whether high stands before low, (from top to bottom, from left to right).
        parts: none for a band, else four: top left, top right, bottom left, bottom right.
    """

    rows: slice
    columns: slice
    inverted: tuple[bool, bool]
    parts: tuple[Node, ...]

    def bands(self) -> Iterator[Node]:
        """Yield its bands in the order of their numbers."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.bands()


def tree(height: int, width: int) -> Node:
    """Return how a picture of that size is split."""
    return _node("picture", slice(0, height), slice(0, width), (False, False))


def _node(shape: str, rows: slice, columns: slice, inverted: tuple[bool, bool]) -> Node:
    if not shape:
        return Node(rows, columns, inverted, ())
    upper, lower = _halves(rows, inverted=inverted[0])
    left, right = _halves(columns, inverted=inverted[1])
    quarters = (upper, left), (upper, right), (lower, left), (lower, right)
    parts = tuple(
        _node(kind, *quarter, (at >= 2, at % 2 == 1))
        for at, (kind, quarter) in enumerate(zip(_SHAPES[shape], quarters, strict=True))
    )
    return Node(rows, columns, inverted, parts)


def _halves(side: slice, *, inverted: bool) -> tuple[slice, slice]:
    length = side.stop - side.start
    middle = side.start + (length // 2 if inverted else (length + 1) // 2)
    return slice(side.start, middle), slice(middle, side.stop)


def sent(root: Node, bins: Bins) -> list[tuple[int, Node]]:
    """Return the bands whose numbers are in the file, in its order, with their own numbers."""
    return [(at, band) for at, band in enumerate(root.bands())
            if at < SENT_BANDS and bins.width[at] != 0]  # fmt: skip


def size(band: Node) -> int:
    """Return how many numbers a band has."""
    rows, columns = band.rows, band.columns
    return int((rows.stop - rows.start) * (columns.stop - columns.start))


def fill(root: Node, bins: Bins, numbers: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the plane of all bands.

    Args:
        root: of the picture.
        bins: how the numbers were rounded.
        numbers: those of all bands that were sent, one after the other, row by row.
    """
    plane = np.zeros((root.rows.stop, root.columns.stop), dtype=np.float32)
    at = 0
    for number, band in sent(root, bins):
        part = plane[band.rows, band.columns]
        value = numbers[at : at + size(band)].reshape(part.shape).astype(np.float32)
        sign = np.sign(value)
        part[:] = bins.width[number] * (value - sign * bins.center)
        part += sign * (bins.zero[number] / np.float32(2))
        part[sign == 0] = 0
        at += size(band)
    return plane


def join(root: Node, filters: Filters, plane: NDArray[np.float32]) -> None:
    """Make of the plane of all bands the picture, in place.

    Raises:
        WSQError: a band is shorter than the filters reach.
    """
    for part in root.parts:
        join(part, filters, plane)
    if root.parts:
        piece = plane[root.rows, root.columns]
        down, across = root.inverted
        columns = _joined(piece, filters, inverted=down)
        piece[:] = _joined(np.ascontiguousarray(columns.T), filters, inverted=across).T


def _joined(bands: NDArray[np.float32], filters: Filters, *, inverted: bool) -> NDArray[np.float32]:
    """Join two bands that lie one above the other, (H, W), into (H, W)."""
    length = len(bands)
    middle = _halves(slice(0, length), inverted=inverted)[0].stop
    first, second = bands[:middle], bands[middle:]
    low, high = (second, first) if inverted else (first, second)
    out = np.zeros_like(bands)
    odd = len(filters.low) % 2
    if odd:
        low = _reach(low, length, len(filters.low), edges=(1, length % 2))
        high = _reach(high, length, len(filters.high), edges=(0, 1 - length % 2))
    else:
        low = _reach(low, length, len(filters.low), edges=(0, length % 2))
        high = _reach(high, length, len(filters.high), edges=(0, 2 * (length % 2)), sign=-1)
    late = (len(filters.low) - odd) // 2 % 2
    for band, taps in ((low, filters.low), (high, filters.high)):
        for phase in (0, 1):
            start = (late - phase) % 2
            place = out[start::2]
            begin = (start + phase - late) // 2
            for at, tap in enumerate(taps[phase::2]):
                place += band[begin + at : begin + at + len(place)] * tap
    return out


def _reach(
    band: NDArray[np.float32], length: int, taps: int, *, edges: tuple[int, int], sign: int = 1
) -> NDArray[np.float32]:
    """Return a band with as much before and after it as a filter reaches.

    Args:
        band: (N, W).
        length: of what it is joined into.
        taps: of the filter.
        edges: about what it is mirrored at its beginning and end: 0, its very edge; 1, the middle
            of its last row; 2, the middle of a row of zeros behind that.
        sign: of what is mirrored.
    """
    odd = taps % 2
    before = (taps - odd) // 4 if edges[0] else (taps + odd) // 4
    after = max((length - 1) // 2 + (taps + 1) // 2, length // 2 + taps // 2)
    places = np.arange(-before, after - before)
    signs = np.ones(len(places), dtype=np.float32)
    count = len(band)
    early, late = places < 0, places >= count
    places[early] = -places[early] - (1 - edges[0])
    middle = 2 * count - {0: 1, 1: 2, 2: 0}[edges[1]]
    gone = late & (places == count) if edges[1] == 2 else np.zeros_like(late)
    places[late] = middle - places[late]
    signs[early | late] = sign
    signs[gone] = 0
    places[gone] = 0
    if places.min() < 0 or places.max() >= count:
        raise WSQError("size")
    reached = band[places]
    return reached if sign == 1 else reached * signs[:, None]
