"""Coded pictures: opened and decoded by Pillow, within bounds, and with one kind of error.

Knows the header and the pixels of one still picture. Does not know what is on it, nor where its
bytes come from. No decoder starts work, and no memory is spent, before the header is within bounds.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray


class CodedError(ValueError):
    """The bytes are no picture within bounds.

    Attributes:
        why: "size", "format" or "damaged".
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"coded picture: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a picture may be.

    Attributes:
        formats: names of Pillow's formats.
        modes: Pillow's names of what a pixel is.
        min_side_px: of the shorter side.
        max_side_px: of the longer side.
        max_pixels: in all.
    """

    formats: tuple[str, ...]
    modes: Collection[str]
    min_side_px: int
    max_side_px: int
    max_pixels: int


def opened(raw: bytes, bounds: Bounds) -> Image.Image:
    """Return a picture of which no more than the header was read.

    Raises:
        CodedError: it is out of bounds.
    """
    with _refused_as("format"):
        picture = Image.open(io.BytesIO(raw), formats=bounds.formats)
    width, height = picture.size
    sides = min(width, height) >= bounds.min_side_px and max(width, height) <= bounds.max_side_px
    if not (sides and width * height <= bounds.max_pixels):
        raise CodedError("size")
    if picture.mode not in bounds.modes:
        raise CodedError("format")
    return picture


def upright(picture: Image.Image) -> Image.Image:
    """Return a picture decoded, turned as its metadata says.

    Raises:
        CodedError: it cannot be decoded.
    """
    with _refused_as("damaged"):
        picture.load()
        turned: Image.Image = ImageOps.exif_transpose(picture)
    return turned


def rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a picture's pixels: (H, W, 3) uint8, RGB, upright as its metadata says.

    Raises:
        CodedError: it cannot be decoded.
    """
    turned = upright(picture)
    with _refused_as("damaged"):
        return np.asarray(turned.convert("RGB"), dtype=np.uint8)


@contextmanager
def _refused_as(why: str) -> Iterator[None]:
    """Let no error of a decoder through; what it warns of is refused by bounds, or borne."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise CodedError(why) from error
