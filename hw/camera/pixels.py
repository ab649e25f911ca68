"""From a camera's bytes to RGB: YUYV and Motion JPEG.

Knows two ways in which webcams code a frame. What is short, damaged or of another size is refused:
half a frame is none. Does not know where the bytes come from.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from hw.errors import DeviceFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

JPEG_BEGIN, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PADDING: Final = b"\0"
"""What some cameras fill the rest of a buffer with, behind the end of a JPEG file."""
FIXED_BITS: Final = 14
_BLACK, _MIDDLE = 16, 128
_Y, _RV, _GU, _GV, _BU = (
    round(each * (1 << FIXED_BITS)) for each in (1.164384, 1.596027, -0.391762, -0.812968, 2.017232)
)
"""Of BT.601 with luma 16..235 and chroma 16..240, what a webcam's YUYV is unless it says more."""


class TornFrame(DeviceFailed):
    """A frame did not come whole; the next one may."""

    def __init__(self) -> None:
        super().__init__("camera", "a torn frame")


def from_yuyv(raw: bytes, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """Convert a frame of Y U Y V: two pixels in four bytes.

    Args:
        raw: the rows, one after the other.
        width: in pixels, even.
        height: in pixels.
        stride: bytes from one row to the next, at least 2 * width.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        TornFrame: bytes are missing.
    """
    if width % 2 or stride < 2 * width or len(raw) < stride * (height - 1) + 2 * width:
        raise TornFrame
    padded = raw[: stride * height].ljust(stride * height, b"\0")
    rows = np.frombuffer(padded, dtype=np.uint8).reshape(height, stride)[:, : 2 * width]
    pairs = rows.reshape(height, width // 2, 4).astype(np.int32)
    luma = (pairs[..., 0::2] - _BLACK) * _Y + (1 << (FIXED_BITS - 1))
    u, v = pairs[..., 1:2] - _MIDDLE, pairs[..., 3:4] - _MIDDLE
    rgb = np.stack([luma + v * _RV, luma + u * _GU + v * _GV, luma + u * _BU], axis=-1)
    flat = np.clip(rgb >> FIXED_BITS, 0, 255).astype(np.uint8)
    return np.asarray(flat, dtype=np.uint8).reshape(height, width, 3)


def from_mjpeg(raw: bytes, *, width: int, height: int) -> NDArray[np.uint8]:
    """Decode a frame of Motion JPEG.

    Args:
        raw: a JPEG file, which may leave the usual Huffman tables out, and padding behind it.
        width: that was agreed on, in pixels.
        height: likewise.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        TornFrame: it is damaged, cut short, or of another size.
    """
    if not raw.startswith(JPEG_BEGIN) or not raw.rstrip(PADDING).endswith(JPEG_END):
        raise TornFrame
    # Hostile files raise nearly anything in Pillow; the size is known before a pixel is decoded.
    try:
        with Image.open(io.BytesIO(raw), formats=("JPEG",)) as opened:
            fits = opened.size == (width, height)
            rgb = np.asarray(opened.convert("RGB"), dtype=np.uint8) if fits else None
    except Exception as error:
        raise TornFrame from error
    if rgb is None:
        raise TornFrame
    return rgb
