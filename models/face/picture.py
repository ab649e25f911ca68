"""Pictures as arrays: what counts as one, and the piece of it that a net looks at.

Knows sizes and plane transforms. Coordinates are pixels with the origin at the top left corner of
the top left pixel, so that the middle of that pixel is (0.5, 0.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SIDE_PX: Final = 16
MAX_SIDE_PX: Final = 8192


class PictureError(ValueError):
    """An array is no RGB picture of a size that can be worked on."""


def check(rgb: NDArray[np.uint8]) -> None:
    """Accept an (H, W, 3) uint8 array with sides of `MIN_SIDE_PX` to `MAX_SIDE_PX` pixels.

    Raises:
        PictureError: it is another array.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise PictureError("no RGB picture")
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in rgb.shape[:2]):
        raise PictureError("the picture is too small or too large")


def cut(rgb: NDArray[np.uint8], to_frame: NDArray[np.float64], *, side: int) -> NDArray[np.uint8]:
    """Return the square that a plane transform lays over a picture.

    What lies outside of the picture is black. Where the picture is much finer than the square, it
    is averaged first, so that nothing aliases.

    Args:
        rgb: (H, W, 3) uint8, a picture.
        to_frame: (2, 3), takes (x, y, 1) in the square to (x, y) in the picture, in pixels; finite.
        side: of the square, in pixels.

    Returns:
        (side, side, 3) uint8, RGB.
    """
    corners = to_frame @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]], float)
    height, width = rgb.shape[:2]
    left, top = np.floor(np.clip(corners.min(axis=1) - 2, 0, (width, height))).astype(int)
    right, bottom = np.ceil(np.clip(corners.max(axis=1) + 2, 0, (width, height))).astype(int)
    if right <= left or bottom <= top:
        return np.zeros((side, side, 3), dtype=np.uint8)
    piece = Image.fromarray(np.ascontiguousarray(rgb[top:bottom, left:right]))
    matrix = to_frame.copy()
    matrix[:, 2] -= left, top
    factor = int(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if factor > 1:
        piece = piece.reduce(factor)
        matrix /= factor
    square = piece.transform(
        (side, side),
        Image.Transform.AFFINE,
        tuple(matrix.ravel()),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(square, dtype=np.uint8)


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the turn, scale and shift that take one set of points closest to another.

    Args:
        source: (N, 2), at least two points apart.
        target: (N, 2).

    Returns:
        (2, 3) float64: takes (x, y, 1) of `source` to (x, y) of `target`, in the sense of least
        squares, without mirroring.
    """
    x, y = source[:, 0].astype(float), source[:, 1].astype(float)
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        [np.stack([x, -y, one, none], axis=1), np.stack([y, x, none, one], axis=1)]
    )
    values = np.concatenate([target[:, 0], target[:, 1]]).astype(float)
    (a, b, shift_x, shift_y), *_ = np.linalg.lstsq(rows, values, rcond=None)
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def turned_square(
    center: NDArray[np.floating], *, size_px: float, roll: float, side: int
) -> NDArray[np.float64]:
    """Return the transform for `cut` of a square of a given size, turned about its centre.

    Args:
        center: (2,), in the picture.
        size_px: the length of its side in the picture.
        roll: radians, clockwise as seen, of the square's own x axis.
        side: the length of its side when cut.
    """
    scale = size_px / side
    cosine, sine = scale * np.cos(roll), scale * np.sin(roll)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.asarray(center, dtype=float) - turn @ np.array([side / 2, side / 2])
    return np.column_stack([turn, shift])
