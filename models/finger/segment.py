"""Where in a picture the finger is.

Knows that ridges change from dark to light within a few pixels and a sensor's empty surface does
not. Does not know minutiae. It is coarse, in blocks: enough to leave out what is found beside the
finger, and to say how much of it was laid on and where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_PX: Final = 8
SPREAD_BLOCKS: Final = 1
"""Each block is judged with its neighbours up to here: together wider than a ridge and a valley."""
LEAST_OF_STRONG: Final = 0.25
"""A finger's blocks have at least this part of the contrast of the strongest tenth."""
STRONG_PERCENTILE: Final = 90.0
LEAST_CONTRAST: Final = 1.0
"""Grey levels; what varies less is no finger, however little else there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Where the finger is, in blocks of `BLOCK_PX`; those at the right and lower edge are cut off.

    Attributes:
        blocks: (ceil(H / BLOCK_PX), ceil(W / BLOCK_PX)) bool, true where it is.
        contrast: of the same shape, float32: standard deviation around each block, grey levels.
        strength: that of the tenth of the blocks that have most of it.
    """

    blocks: NDArray[np.bool_] = field(repr=False)
    contrast: NDArray[np.float32] = field(repr=False)
    strength: float = field(repr=False)

    def contains(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return for each pixel whether it lies on the finger or in a block beside one that does.

        The outermost ridges are faint, and as good as others.
        """
        near = _around(self.blocks.astype(np.float64), 1) > 0
        found: NDArray[np.bool_] = near[rows // BLOCK_PX, columns // BLOCK_PX]
        return found


def segment(grey: NDArray[np.uint8]) -> Segment:
    """Tell the finger from the rest.

    Args:
        grey: (H, W) uint8 at 500 dpi.
    """
    contrast = _contrast(grey)
    strength = float(np.percentile(contrast, STRONG_PERCENTILE))
    there = contrast >= max(LEAST_OF_STRONG * strength, LEAST_CONTRAST)
    # A block goes with the majority around it: specks vanish and holes close.
    smooth = _around(there.astype(np.float64), 1) >= 0.5
    return Segment(smooth, contrast, strength)


def _contrast(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the standard deviation around each block."""
    missing = [(0, -side % BLOCK_PX) for side in grey.shape]
    padded = np.pad(grey, missing, mode="edge").astype(np.float64)
    rows, columns = (side // BLOCK_PX for side in padded.shape)
    blocks = padded.reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    mean = _around(blocks.mean(axis=(1, 3)), SPREAD_BLOCKS)
    square = _around((blocks**2).mean(axis=(1, 3)), SPREAD_BLOCKS)
    return np.sqrt(np.maximum(square - mean**2, 0)).astype(np.float32)


def _around(blocks: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the mean of each block and its neighbours, those that there are."""
    rows, columns = (_band(side, reach) for side in blocks.shape)
    means: NDArray[np.float64] = rows @ blocks @ columns.T
    return means


def _band(count: int, reach: int) -> NDArray[np.float64]:
    """Return the matrix that takes the mean of each place and its neighbours."""
    places = np.arange(count)
    near = (np.abs(places[:, None] - places) <= reach).astype(np.float64)
    means: NDArray[np.float64] = near / near.sum(axis=1, keepdims=True)
    return means
