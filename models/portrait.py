"""Decode the portrait of a chip: JPEG or JPEG 2000 bytes from outside, pixels within bounds.

Knows image formats and limits. Does not know the records around the image (emrtd), nor faces.
Whatever the bytes are, they end as a picture or as `PortraitError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models import coded
from models.coded import Bounds, CodedError
from models.codestream import ExcessError, require_modest
from models.face.picture import MAX_SIDE_PX, MIN_SIDE_PX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS: Final = ("JPEG", "JPEG2000")
MAX_BYTES: Final = 128 * 1024
MAX_PIXELS: Final = 4_000_000
MODES: Final = frozenset({"L", "RGB"})
"""Grey or colour, 8 bits a channel: nothing else stands in a portrait."""
BOUNDS: Final = Bounds(FORMATS, MODES, MIN_SIDE_PX, MAX_SIDE_PX, MAX_PIXELS)


class PortraitError(Exception):
    """The bytes are no portrait that may be looked at.

    Attributes:
        why: "size" (too many bytes or pixels, too few, or too much work), "format" or "damaged";
            of who looks at it, "faces" (none, or several) or "quality".
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"portrait: {why}")
        self.why = why


def decode(raw: bytes) -> NDArray[np.uint8]:
    """Decode a coded portrait.

    Args:
        raw: a JPEG file, a JP2 file or a JPEG 2000 code stream; at most `MAX_BYTES`.

    Returns:
        (H, W, 3) uint8, RGB, upright as its metadata says, read-only; H * W at most `MAX_PIXELS`.

    Raises:
        PortraitError: they are other bytes.
    """
    if len(raw) > MAX_BYTES:
        raise PortraitError("size")
    try:
        opened = coded.opened(raw, BOUNDS)
        require_modest(raw)
        rgb = coded.rgb(opened)
    except CodedError as error:
        raise PortraitError(error.why) from error
    except ExcessError as error:
        raise PortraitError("size") from error
    rgb.setflags(write=False)
    return rgb
