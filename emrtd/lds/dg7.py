"""Data group 7: the holder's signature or usual mark, as coded images that nobody here decodes.

Spec: [9303-10] EF.DG7.
"""

from __future__ import annotations

from dataclasses import dataclass

from emrtd import tlv
from emrtd.errors import ChipMalformed
from emrtd.lds._images import CodedImage

__all__ = ["DG7", "CodedImage", "parse"]

TAG = 0x67
MAX_IMAGES = 9

_COUNT, _IMAGE = 0x02, 0x5F43


@dataclass(frozen=True, slots=True)
class DG7:
    """The signatures or marks, at least one, in the order of the file."""

    images: tuple[CodedImage, ...]


def parse(raw: bytes) -> DG7:
    """Parse the file. Raises ChipMalformed."""
    parts = tlv.parse(tlv.parse_one(raw, TAG).value)
    images = tuple(CodedImage.of(part.value) for part in parts if part.tag == _IMAGE)
    counts = [part.value for part in parts if part.tag == _COUNT]
    if not 1 <= len(images) <= MAX_IMAGES or counts != [bytes((len(images),))]:
        raise ChipMalformed("DG7", "not as many images as it says")
    if any(image.format is None for image in images):
        raise ChipMalformed("DG7", "neither a JPEG nor a JPEG 2000 image")
    return DG7(images)
