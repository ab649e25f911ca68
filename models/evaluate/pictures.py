"""Pictures of an evaluation set: bounded files in, pixels and a hash out.

Knows any still format that Pillow reads, and limits. An evaluation set comes from outside like
everything else. Its file names can be names of people: an error says which row or which place in
order of name, and never the name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from models import coded
from models.coded import Bounds, CodedError
from models.face.picture import MAX_SIDE_PX, MIN_SIDE_PX

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FORMATS: Final = (
    "BMP", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""Decoders that start no other program, as that of EPS does, and hold one picture in a file."""
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
MAX_FILES: Final = 200_000
HASH_HEX_DIGITS: Final = 16
"""Of SHA-256: enough to tell the pictures of any set apart, short enough to keep thousands."""
MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})
BOUNDS: Final = Bounds(FORMATS, MODES, MIN_SIDE_PX, MAX_SIDE_PX, MAX_PIXELS)


class PictureFileError(ValueError):
    """A file is no picture that can be evaluated.

    Attributes:
        where: the row or the place of the file, without its name.
        why: "missing", "size", "format" or "damaged".
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


def read(path: Path, *, where: str) -> Picture:
    """Read one picture.

    Args:
        path: its file.
        where: how an error names it.

    Raises:
        PictureFileError: there is none within bounds.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureFileError(where, "missing") from error
    if len(raw) > MAX_BYTES:
        raise PictureFileError(where, "size")
    return Picture(decode(raw, where=where), hash_of(raw))


def decode(raw: bytes, *, where: str) -> NDArray[np.uint8]:
    """Decode one picture of any of `FORMATS`.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        PictureFileError: there is none within bounds.
    """
    try:
        return coded.rgb(coded.opened(raw, BOUNDS))
    except CodedError as error:
        raise PictureFileError(where, error.why) from error


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
