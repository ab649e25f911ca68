"""Coded images as data groups carry them: told apart by their first bytes, never decoded.

Knows signatures. What a record claims about an image's coding is believed only where a coding has
no signature of its own.

Spec: [9303-10] images of data groups 2, 3, 7, 11 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ImageFormat = Literal["jpeg", "jpeg2000"]
CodedFormat = Literal["jpeg", "jpeg2000", "png", "wsq"]

_FACES: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
)
_ALL: tuple[tuple[bytes, CodedFormat], ...] = (
    *_FACES,
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xa0", "wsq"),
)


@dataclass(frozen=True, slots=True)
class CodedImage:
    """An image of the holder or of the document.

    Attributes:
        format: by the image's own first bytes, None if they say nothing.
        data: the image file, coded.
    """

    format: ImageFormat | None
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, data: bytes) -> CodedImage:
        """Return an image with its format."""
        return cls(image_format(data), data)


def image_format(data: bytes) -> ImageFormat | None:
    """Return whether these bytes begin a JPEG or a JPEG 2000 image, None if neither."""
    return next((kind for signature, kind in _FACES if data.startswith(signature)), None)


def coded_format(data: bytes) -> CodedFormat | None:
    """Return which coded image these bytes begin, fingerprint codings included."""
    return next((kind for signature, kind in _ALL if data.startswith(signature)), None)
