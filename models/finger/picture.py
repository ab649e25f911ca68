"""Pictures of fingers: coded or raw bytes from outside, or a sensor's pixels, as grey at 500 dpi.

Knows codings, resolutions and bounds. Does not know the records around a picture (emrtd), nor
ridges: whether they are dark, as they should be, is the caller's to say (`light_ridges`), for no
rule tells every sensor's background from a finger that fills the picture. Whatever the bytes are,
they end as a picture or as `FingerPictureError`.

Spec: [19794-4], [IAFIS-IC-0110].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from models import coded
from models.codestream import ExcessError, is_busy, require_modest
from models.finger import wsq
from models.finger.minutiae import DPI

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SIDE_PX: Final = 50
MAX_SIDE_PX: Final = 1000
"""Both of what comes in and of what goes out: 5 cm at 500 dpi, 2.5 cm at 1000."""
MIN_DPI: Final = 250.0
MAX_DPI: Final = 1270.0
SAME_DPI: Final = 0.01
"""Resolutions this close, as a part, are the same: 197 pixels a centimetre are 500 dpi."""
MAX_BYTES: Final = 2 * MAX_SIDE_PX * MAX_SIDE_PX + 65_536
"""Sixteen bits a pixel and a header."""
FORMATS: Final = ("JPEG", "JPEG2000", "PNG")
"""What stands in records, besides WSQ and raw pixels."""
MODES: Final = frozenset(
    {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L", "I"}
)
PAPER: Final = 255
"""What shows through where a picture is transparent."""
_WSQ_BEGIN: Final = b"\xff\xa0"


class FingerPictureError(Exception):
    """The bytes or pixels are no picture of a finger that may be looked at.

    Attributes:
        why: "size" (too many bytes or pixels, too few, or too much work), "format", "damaged", or
            "dpi" (a resolution out of bounds was given).
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"finger picture: {why}")
        self.why = why


@dataclass(frozen=True, slots=True, eq=False)
class FingerPicture:
    """A picture to extract from.

    Attributes:
        grey: (H, W) uint8 at `DPI`, ridges dark, 0 black to 255 white, origin top left, read-only;
            sides of `MIN_SIDE_PX` to `MAX_SIDE_PX`.
        source_dpi: what it was resampled from, (horizontal, vertical).
        assumed: nobody said which resolution it has: `DPI` was assumed.
    """

    grey: NDArray[np.uint8] = field(repr=False)
    source_dpi: tuple[float, float]
    assumed: bool


def from_coded(
    raw: bytes,
    *,
    dpi: float | tuple[float, float] | None = None,
    formats: tuple[str, ...] = FORMATS,
    light_ridges: bool = False,
) -> FingerPicture:
    """Decode a coded picture: WSQ, or one of Pillow's formats.

    Args:
        raw: the file, at most `MAX_BYTES`.
        dpi: as the record around it says, both ways or (horizontal, vertical); None to go by the
            file, and where that says nothing within bounds, by `DPI`.
        formats: which of Pillow's formats may be tried.
        light_ridges: whether ridges are light in it.

    Raises:
        FingerPictureError: they are other bytes.
    """
    if len(raw) > MAX_BYTES:
        raise FingerPictureError("size")
    if raw.startswith(_WSQ_BEGIN):
        grey, own = _of_wsq(raw)
    else:
        grey, own = _of_pillow(raw, formats)
    return from_pixels(grey, dpi=_plausible(own) if dpi is None else dpi, light_ridges=light_ridges)


def from_raw(
    data: bytes,
    *,
    width_px: int,
    height_px: int,
    depth_bits: int = 8,
    dpi: float | tuple[float, float] | None = None,
    light_ridges: bool = False,
) -> FingerPicture:
    """Read pixels that are not coded, row after row from the top left corner.

    Args:
        data: the pixels: exactly as many bytes as they need.
        width_px: of a row.
        height_px: the number of rows.
        depth_bits: of a pixel: 1, 2 or 4 (packed, the left pixel in the higher bits, rows of whole
            bytes), 8, or 16 (big-endian).
        dpi: as for `from_coded`.
        light_ridges: likewise.

    Raises:
        FingerPictureError: the numbers are out of bounds, or do not fit the bytes.
    """
    if not (_is_side(width_px) and _is_side(height_px)):
        raise FingerPictureError("size")
    if depth_bits not in {1, 2, 4, 8, 16} or width_px * depth_bits % 8:
        raise FingerPictureError("format")
    if len(data) != width_px * height_px * depth_bits // 8:
        raise FingerPictureError("damaged")
    bytes_ = np.frombuffer(data, dtype=np.uint8).reshape(height_px, -1)
    if depth_bits == 16:
        bytes_ = bytes_[:, ::2]
    elif depth_bits < 8:
        most = (1 << depth_bits) - 1
        shifts = np.arange(8 - depth_bits, -1, -depth_bits)
        pixels = bytes_[:, :, None] >> shifts & most
        bytes_ = (pixels.reshape(height_px, width_px) * (255 // most)).astype(np.uint8)
    return from_pixels(bytes_, dpi=dpi, light_ridges=light_ridges)


def from_pixels(
    grey: NDArray[np.uint8],
    *,
    dpi: float | tuple[float, float] | None,
    light_ridges: bool = False,
) -> FingerPicture:
    """Take a sensor's pixels.

    Args:
        grey: (H, W) uint8, 0 black to 255 white.
        dpi: as for `from_coded`; None if nobody knows.
        light_ridges: likewise.

    Raises:
        FingerPictureError: the sides are out of bounds, before or after resampling, or `dpi` is.
    """
    if grey.dtype != np.uint8 or grey.ndim != 2:
        raise FingerPictureError("format")
    if not all(_is_side(side) for side in grey.shape):
        raise FingerPictureError("size")
    assumed = dpi is None
    both = DPI if dpi is None else dpi
    across, down = both if isinstance(both, tuple) else (both, both)
    if not all(MIN_DPI <= each <= MAX_DPI for each in (across, down)):
        raise FingerPictureError("dpi")
    found = _resampled(255 - grey if light_ridges else grey, across, down)
    if not all(_is_side(side) for side in found.shape):
        raise FingerPictureError("size")
    found.setflags(write=False)
    return FingerPicture(found, (float(across), float(down)), assumed=assumed)


def _is_side(length: int) -> bool:
    return MIN_SIDE_PX <= length <= MAX_SIDE_PX


def _plausible(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a file's own resolution if a fingerprint may have it; 72 and 96 are said by habit."""
    if dpi is None or not all(MIN_DPI <= each <= MAX_DPI for each in dpi):
        return None
    return dpi


def _resampled(grey: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    """Return a picture at `DPI`: the scale is exact, a part of a pixel at the far edges is cut."""
    factors = [1.0 if abs(each / DPI - 1) <= SAME_DPI else each / DPI for each in (across, down)]
    if factors == [1.0, 1.0]:
        return grey.copy()
    height, width = grey.shape
    size = (math.floor(width / factors[0]), math.floor(height / factors[1]))
    box = (0.0, 0.0, min(size[0] * factors[0], width), min(size[1] * factors[1], height))
    if min(size) < MIN_SIDE_PX:
        raise FingerPictureError("size")
    found = Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS, box=box)
    return np.array(found, dtype=np.uint8)


def _of_wsq(raw: bytes) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    try:
        picture = wsq.decode(raw)
    except wsq.WSQError as error:
        raise FingerPictureError(error.why) from error
    dpi = picture.dpi
    return picture.grey, None if dpi is None else (float(dpi), float(dpi))


def _of_pillow(
    raw: bytes, formats: tuple[str, ...]
) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    bounds = coded.Bounds(formats, MODES, MIN_SIDE_PX, MAX_SIDE_PX, MAX_SIDE_PX**2)
    try:
        picture = coded.opened(raw, bounds)
        if is_busy(raw):
            require_modest(raw)
        turned = coded.upright(picture)
    except coded.CodedError as error:
        raise FingerPictureError(error.why) from error
    except ExcessError as error:
        raise FingerPictureError("size") from error
    try:
        return _grey(turned), _own_dpi(picture)
    except Exception as error:
        raise FingerPictureError("damaged") from error


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a decoded picture, whatever they are, as 8 bits of grey."""
    if picture.mode.startswith("I"):
        # Sixteen bits: Pillow would cut the upper ones off.
        wide = np.asarray(picture).astype(np.int64)
        return (np.clip(wide, 0, 0xFFFF) >> 8).astype(np.uint8)
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        paper = Image.new("RGBA", shown.size, (PAPER, PAPER, PAPER, 255))
        picture = Image.alpha_composite(paper, shown)
    return np.array(picture.convert("L"), dtype=np.uint8)


def _own_dpi(picture: Image.Image) -> tuple[float, float] | None:
    """Return what a file says of its resolution, if it says anything that is a number."""
    said = picture.info.get("dpi")
    if not (isinstance(said, tuple) and len(said) == 2):
        return None
    across, down = (float(each) for each in said)
    return across, down
