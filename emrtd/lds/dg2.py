"""Data group 2: the portrait, as coded images that nobody here decodes.

Knows CBEFF's nesting and the record of ISO/IEC 19794-5:2005. Does not know pictures: the coded
bytes are returned untouched, for a process that may fail without harm.

Spec: [9303-10] EF.DG2; [19794-5].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emrtd import tlv
from emrtd.errors import ChipMalformed

TAG = 0x75
MAX_FACES = 16
MAX_TEMPLATES = 16

_TEMPLATES, _COUNT, _TEMPLATE = 0x7F61, 0x02, 0x7F60
_DATA_BLOCKS = frozenset({0x5F2E, 0x7F2E})
_FORMAT = b"FAC\x00"
_RECORD_HEADER_BYTES = 14
_FACE_HEADER_BYTES = 20
_FEATURE_POINT_BYTES = 8
_IMAGE_HEADER_BYTES = 12

ImageFormat = Literal["jpeg", "jpeg2000"]
_SIGNATURES: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
)


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One coded portrait.

    Attributes:
        format: by the image's own first bytes; what the record claims is not looked at.
        data: the image file, coded.
    """

    format: ImageFormat
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DG2:
    """The portraits, at least one, in the order of the file."""

    faces: tuple[FaceImage, ...]


def parse(raw: bytes) -> DG2:
    """Parse the file. Raises ChipMalformed."""
    group = tlv.parse(tlv.parse_one(tlv.parse_one(raw, TAG).value, _TEMPLATES).value)
    templates = [part.value for part in group if part.tag == _TEMPLATE]
    counts = [part.value for part in group if part.tag == _COUNT]
    if not 1 <= len(templates) <= MAX_TEMPLATES or counts != [bytes((len(templates),))]:
        raise ChipMalformed("DG2", "not as many templates as it says")
    faces = [face for template in templates for face in _record(_data_block(template))]
    if not 1 <= len(faces) <= MAX_FACES:
        raise ChipMalformed("DG2", f"{len(faces)} faces")
    return DG2(tuple(faces))


def _data_block(template: bytes) -> bytes:
    blocks = [part.value for part in tlv.parse(template) if part.tag in _DATA_BLOCKS]
    if len(blocks) != 1:
        raise ChipMalformed("DG2", "not one data block in a template")
    return blocks[0]


def _record(record: bytes) -> list[FaceImage]:
    """Return the faces of one record, at most as many as its header says."""
    if len(record) < _RECORD_HEADER_BYTES or not record.startswith(_FORMAT):
        raise ChipMalformed("DG2", "no record of ISO/IEC 19794-5")
    end, count = int.from_bytes(record[8:12], "big"), int.from_bytes(record[12:14], "big")
    if end > len(record) or count > MAX_FACES:
        raise ChipMalformed("DG2", "a record longer than it is, or of too many faces")
    faces, at = [], _RECORD_HEADER_BYTES
    for _ in range(count):
        length = int.from_bytes(record[at : at + 4], "big")
        if length > end - at:
            raise ChipMalformed("DG2", "a face is cut short")
        faces.append(_face(record[at : at + length]))
        at += length
    return faces


def _face(block: bytes) -> FaceImage:
    points = int.from_bytes(block[4:6], "big")
    start = _FACE_HEADER_BYTES + points * _FEATURE_POINT_BYTES + _IMAGE_HEADER_BYTES
    image = block[start:]
    for signature, kind in _SIGNATURES:
        if image.startswith(signature):
            return FaceImage(kind, image)
    raise ChipMalformed("DG2", "a face without a JPEG or JPEG 2000 image")
