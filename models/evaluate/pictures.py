"""Pictures of an evaluation set: bounded files in, pixels and a hash out.

Knows any still format that Pillow reads, and limits. An evaluation set comes from outside like
everything else. Its file names can be names of people: an error says which row or which place in
order of name, and never the name.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models import coded, files
from models.coded import Bounds, CodedError
from models.codestream import LARGE, ExcessError, is_busy, require_modest
from models.face.picture import MAX_SIDE_PX, MIN_SIDE_PX

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

FORMATS: Final = (
    "BMP", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""Decoders that start no other program, as that of EPS does, and hold one picture in a file."""
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
MAX_FILES: Final = 200_000
HASH_HEX_DIGITS: Final = 16
"""Of SHA-256: enough to tell the pictures of any set apart, short enough to keep thousands."""
MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
DEEP: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
"""Grey of 16 bits a pixel, of which the upper 8 are kept."""
BOUNDS: Final = Bounds(FORMATS, MODES | DEEP, MIN_SIDE_PX, MAX_SIDE_PX, MAX_PIXELS)


class PictureFileError(ValueError):
    """A file is no picture that can be evaluated.

    Attributes:
        where: the row or the place of the file, without its name.
        why: "missing" (or no regular file), "size" (or too much work), "format" or "damaged".
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: picture {why}")
        self.where = where
        self.why = why


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture of a set.

    Attributes:
        rgb: (H, W, 3) uint8, RGB, upright as its metadata says.
        hash: the first `HASH_HEX_DIGITS` of its file's SHA-256.
    """

    rgb: NDArray[np.uint8] = field(repr=False)
    hash: str


def hash_of(raw: bytes) -> str:
    """Return how calibrations name a picture: by the beginning of its file's SHA-256."""
    return hashlib.sha256(raw).hexdigest()[:HASH_HEX_DIGITS]


def raw_of(path: Path, *, where: str) -> bytes:
    """Return a picture's file, whatever is in it.

    Args:
        path: its file.
        where: how an error names it.

    Raises:
        PictureFileError: there is none, or it is larger than `MAX_BYTES`.
    """
    try:
        raw = files.read(path, limit=MAX_BYTES)
    except OSError as error:
        raise PictureFileError(where, "missing") from error
    if len(raw) > MAX_BYTES:
        raise PictureFileError(where, "size")
    return raw


def read(path: Path, *, where: str) -> Picture:
    """Read one picture.

    Args:
        path: its file.
        where: how an error names it.

    Raises:
        PictureFileError: there is none within bounds.
    """
    raw = raw_of(path, where=where)
    return Picture(decode(raw, where=where), hash_of(raw))


def decode(raw: bytes, *, where: str) -> NDArray[np.uint8]:
    """Decode one picture of any of `FORMATS`.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        PictureFileError: there is none within bounds.
    """
    try:
        opened = coded.opened(raw, BOUNDS)
        if is_busy(raw):
            require_modest(raw, LARGE)
        return _upper_bits(coded.upright(opened)) if opened.mode in DEEP else coded.rgb(opened)
    except CodedError as error:
        raise PictureFileError(where, error.why) from error
    except ExcessError as error:
        raise PictureFileError(where, "size") from error


def within(folder: Path, name: str) -> Path:
    """Return where a picture of a list lies, however its folder composes accents.

    Args:
        folder: of the set.
        name: as the list spells it. Without a file of that name, one whose name is the same text
            in another normal form is meant: systems differ in which they write.
    """
    for form in ("NFC", "NFD"):
        other = folder / unicodedata.normalize(form, name)
        if not os.path.lexists(folder / name) and os.path.lexists(other):
            return other
    return folder / name


def listed(folder: Path) -> list[Path]:
    """Return the files of a folder in order of name; hidden ones and folders are left out.

    Raises:
        PictureFileError: there is no such folder, it is empty, or it has too many.
    """
    try:
        found = sorted(
            each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")
        )
    except OSError as error:
        raise PictureFileError(str(folder), "missing") from error
    if not 0 < len(found) <= MAX_FILES:
        raise PictureFileError(str(folder), "missing" if not found else "size")
    return found


def _upper_bits(grey: Image.Image) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of a grey picture with 16 bits a pixel."""
    upper = (np.asarray(grey, dtype=np.int64).clip(0, 0xFFFF) >> 8).astype(np.uint8)
    return np.repeat(upper[..., None], 3, axis=2)
