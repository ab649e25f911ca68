"""Pictures of fingers as a sensor would give them: files read, cut to its window, in 16 greys.

Knows picture files and a sensor's size. What a file claims is bounded before it is decoded. The
middle of a picture is the middle of the window; nothing is scaled, whatever the picture's dpi.
"""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from hw.errors import DeviceMissing
from hw.finger.errors import DEVICE, BadPicture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMATS: Final = ("PNG", "BMP", "TIFF", "PPM")
SUFFIXES: Final = frozenset({".png", ".bmp", ".tif", ".tiff", ".pgm"})
MAX_FILES: Final = 200
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_PIXELS: Final = 1_000_000
WHITE: Final = 255


def load_folder(folder: Path) -> list[NDArray[np.uint8]]:
    """Return a folder's pictures, or one file's, in the order of their names.

    Returns:
        (H, W) uint8 arrays, 0 black to 255 white.

    Raises:
        DeviceMissing: there are none.
        BadPicture: one cannot be used, or there are too many.
    """
    try:
        found = [folder] if folder.is_file() else list(folder.iterdir())
        names = sorted(each for each in found if each.suffix.lower() in SUFFIXES)
        if len(names) > MAX_FILES:
            raise BadPicture("the folder has too many pictures")
        pictures = [parse_picture(_read(each)) for each in names]
    except OSError as error:
        raise DeviceMissing(DEVICE, f"the pictures: {error.strerror}") from error
    if not pictures:
        raise DeviceMissing(DEVICE, "the folder has no pictures")
    return pictures


def parse_picture(raw: bytes) -> NDArray[np.uint8]:
    """Decode a picture to grey.

    Returns:
        (H, W) uint8, 0 black to 255 white, at most `MAX_PIXELS`.

    Raises:
        BadPicture: it is none, or too large a one.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise BadPicture("a picture's file is too large")
    # Hostile files raise nearly anything in Pillow.
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as opened:
            fits = opened.width * opened.height <= MAX_PIXELS
            grey = np.asarray(opened.convert("L"), dtype=np.uint8) if fits else None
    except Exception as error:
        raise BadPicture("a file is no picture") from error
    if grey is None:
        raise BadPicture("a picture has too many pixels")
    return grey


def in_window(picture: NDArray[np.uint8], *, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the middle of a picture, with white where it is smaller than the window.

    Args:
        picture: (H, W) uint8.
        width_px: of the window.
        height_px: of the window.

    Returns:
        (height_px, width_px) uint8.
    """
    window = np.full((height_px, width_px), WHITE, dtype=np.uint8)
    rows, columns = (
        _overlap(have, want)
        for have, want in zip(picture.shape, (height_px, width_px), strict=True)
    )
    window[rows[1], columns[1]] = picture[rows[0], columns[0]]
    return window


def half_bytes(window: NDArray[np.uint8]) -> bytes:
    """Return the upper four bits of each pixel, two pixels a byte, the first in the upper half.

    Args:
        window: (H, W) uint8 with an even number of pixels.
    """
    flat = window.reshape(-1)
    return ((flat[0::2] & 0xF0) | (flat[1::2] >> 4)).astype(np.uint8).tobytes()


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    size = min(have, want)
    source, target = (have - size) // 2, (want - size) // 2
    return slice(source, source + size), slice(target, target + size)


def _read(path: Path) -> bytes:
    # Without the flag, to open a pipe is to wait for whoever writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadPicture("a picture is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
