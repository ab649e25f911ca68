"""Find the minutiae of a picture of a finger, with LEADER.

Knows how a picture becomes the net's input, and which places of its outputs are minutiae. Does not
know how the picture came (models.finger.picture), whether it is good enough (models.finger.quality)
nor what minutiae are compared with. One extractor serves a live picture and a stored one alike.

Net: Cappelli and Ferrara, LEADER, arXiv 2602.15493.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from models.finger.minutiae import minutiae
from models.finger.picture import MAX_SIDE_PX, MIN_SIDE_PX, FingerPictureError
from models.finger.segment import BLOCK_PX, LEAST_CONTRAST, Segment, segment
from models.manifest import load_verified
from models.runtime import ModelError, Net, load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.finger.minutiae import Minutiae

Precision = Literal["fp16", "int8"]
NAMES: Final[dict[Precision, str]] = {"fp16": "leader.fp16", "int8": "leader.int8"}
MULTIPLE_PX: Final = 32
"""The net halves its sides five times."""
MIN_QUALITY: Final = 0.2
MAX_FOUND: Final = 100
APART_PX: Final = 3
"""A minutia is surer than all places within this distance, across and down."""
FAINT: Final = 12.0
"""Grey levels of contrast (`Segment.strength`) under which the net begins to miss minutiae."""
RAISED: Final = 48.0
"""To what a faint picture's contrast is raised: that of a common sensor."""
MIDDLE: Final = 128.0
"""Its mean is moved here: contrast is nothing to the net, pictures that are black are."""
MAX_NETS: Final = 2
"""So many shapes are kept ready: a kiosk's one sensor, and one reference. The runtime takes 1.5 kB
a pixel for each."""
WINDOW_PX: Final = 512
"""A picture with a longer side is looked at in windows of this."""
SHARED_PX: Final = 96
"""At least so much of a window its neighbour sees too: the outer half of that counts in neither."""
MAX_WINDOWS: Final = 2
"""Across and down: 928 pixels, 47 mm. What lies further from the middle of the finger is left
out."""
CHANNELS: Final = (1, 2, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Impression:
    """What the extractor makes of one picture.

    Attributes:
        minutiae: at most `MAX_FOUND`, the surest first, each of at least `MIN_QUALITY`.
        segment: where the finger is.
    """

    minutiae: Minutiae = field(repr=False)
    segment: Segment = field(repr=False)


class Extractor:
    """LEADER, ready to run. It belongs to the thread that uses it."""

    def __init__(self, directory: Path, *, precision: Precision = "int8", threads: int = 1) -> None:
        """Take the net from the folder of model files.

        Args:
            directory: where they are.
            precision: how the weights are kept.
            threads: as for `models.runtime.load`.

        Raises:
            ModelError: the file is missing, altered, or another net.
        """
        self._content = load_verified(directory, NAMES[precision])
        self._threads = threads
        self._nets: OrderedDict[tuple[int, int], Net] = OrderedDict()

    def extract(self, grey: NDArray[np.uint8]) -> Impression:
        """Find the minutiae of one finger.

        Args:
            grey: (H, W) uint8 at 500 dpi, ridges dark, origin top left; sides of `MIN_SIDE_PX` to
                `MAX_SIDE_PX` pixels. Any turn of the finger; it need not fill the picture.

        Raises:
            FingerPictureError: the array is another one.
            ModelError: the runtime failed.
        """
        if grey.dtype != np.uint8 or grey.ndim != 2:
            raise FingerPictureError("format")
        if not MIN_SIDE_PX <= min(grey.shape) <= max(grey.shape) <= MAX_SIDE_PX:
            raise FingerPictureError("size")
        where = segment(grey)
        sure, direction, ending = self._maps(_raised(grey, where.strength), where)
        return Impression(found_in(sure, direction, ending, where), where)

    def _maps(self, grey: NDArray[np.float32], where: Segment) -> list[NDArray[np.float32]]:
        """Return the net's outputs, each (H, W, channels) as its input lies; 0: not looked at."""
        if max(grey.shape) <= WINDOW_PX:
            return self._window(grey)
        maps = [np.zeros((*grey.shape, each), np.float32) for each in CHANNELS]
        down, across = (
            _spans(np.flatnonzero(where.blocks.any(axis=1 - axis)), side)
            for axis, side in enumerate(grey.shape)
        )
        for seen_rows, rows in down:
            for seen_columns, columns in across:
                found = self._window(grey[seen_rows, seen_columns])
                for whole, part in zip(maps, found, strict=True):
                    top, left = seen_rows.start, seen_columns.start
                    whole[rows, columns] = part[
                        rows.start - top : rows.stop - top,
                        columns.start - left : columns.stop - left,
                    ]
        return maps

    def _window(self, grey: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the net's outputs for a picture of at most `WINDOW_PX` a side."""
        height, width = grey.shape
        rows, columns = (-(-side // MULTIPLE_PX) * MULTIPLE_PX for side in grey.shape)
        top, left = (rows - height) // 2, (columns - width) // 2
        # The net was trained with the corner's grey around its pictures.
        padded = np.full((1, rows, columns, 1), grey[0, 0], np.float32)
        padded[0, top : top + height, left : left + width, 0] = grey
        found = self._net(rows, columns).run([padded])
        return [each[0, top : top + height, left : left + width] for each in found]

    def _net(self, rows: int, columns: int) -> Net:
        if (rows, columns) in self._nets:
            self._nets.move_to_end((rows, columns))
            return self._nets[rows, columns]
        net = load(self._content, threads=self._threads, shape=(1, rows, columns, 1))
        if net.outputs != tuple((1, rows, columns, each) for each in CHANNELS):
            raise ModelError("", "failed", "another net than one of minutiae")
        while len(self._nets) >= MAX_NETS:
            self._nets.popitem(last=False)
        self._nets[rows, columns] = net
        return net


def _spans(blocks: NDArray[np.intp], side: int) -> list[tuple[slice, slice]]:
    """Return the windows along one side of a picture: what each sees, and what counts of it.

    Args:
        blocks: those with a finger, rising; without any there is nothing to look at.
        side: of the picture, pixels.
    """
    if not len(blocks):
        return []
    if side <= WINDOW_PX:
        return [(slice(0, side), slice(0, side))]
    begin = max((int(blocks[0]) - 1) * BLOCK_PX, 0)
    end = min((int(blocks[-1]) + 2) * BLOCK_PX, side)
    step = WINDOW_PX - SHARED_PX
    count = min(max(-(-(end - begin - SHARED_PX) // step), 1), MAX_WINDOWS)
    length = min(max(end - begin, WINDOW_PX), WINDOW_PX + (count - 1) * step)
    first = min(max((begin + end - length) // 2, 0), side - length)
    starts = [first + (length - WINDOW_PX) * each // max(count - 1, 1) for each in range(count)]
    edges = [
        starts[0],
        *((before + WINDOW_PX + after) // 2 for before, after in pairwise(starts)),
        starts[-1] + WINDOW_PX,
    ]
    return [
        (slice(start, start + WINDOW_PX), slice(low, high))
        for start, (low, high) in zip(starts, pairwise(edges), strict=True)
    ]


def _raised(grey: NDArray[np.uint8], strength: float) -> NDArray[np.float32]:
    """Return grey with contrast enough for the net, which knows no black or white to stop at."""
    wide: NDArray[np.float32] = grey.astype(np.float32)
    if LEAST_CONTRAST <= strength < FAINT:
        wide = (wide - wide.mean()) * np.float32(RAISED / strength) + np.float32(MIDDLE)
    return wide


def found_in(
    sure: NDArray[np.float32],
    direction: NDArray[np.float32],
    ending: NDArray[np.float32],
    where: Segment | None = None,
) -> Minutiae:
    """Return the minutiae in the net's outputs.

    Args:
        sure: (H, W, 1), how sure a minutia is there, 0..1.
        direction: (H, W, 2), cosine and sine of its direction, of any length.
        ending: (H, W, 1), how sure it is that the ridge ends.
        where: which part of the picture counts; None: all.
    """
    rows, columns = _peaks(sure[..., 0])
    if where is not None:
        inside = where.contains(rows, columns)
        rows, columns = rows[inside], columns[inside]
    order = np.argsort(-sure[rows, columns, 0], kind="stable")[:MAX_FOUND]
    rows, columns = rows[order], columns[order]
    cosine, sine = direction[rows, columns].T
    return minutiae(
        columns,
        rows,
        np.arctan2(sine, cosine),
        np.clip(sure[rows, columns, 0], 0, 1),
        np.clip(ending[rows, columns, 0], 0, 1),
    )


def _peaks(sure: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the places that are surest of all around them."""
    rows, columns = np.nonzero(sure >= MIN_QUALITY)
    framed = np.pad(sure, APART_PX, constant_values=-np.inf)
    window = np.arange(2 * APART_PX + 1)
    around = framed[rows[:, None, None] + window[:, None], columns[:, None, None] + window[None, :]]
    highest = around.max(axis=(1, 2), initial=-np.inf) <= sure[rows, columns]
    return rows[highest], columns[highest]
