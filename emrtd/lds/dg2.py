"""Data group 2: the portrait, as coded images that nobody here decodes.

Knows the records of ISO/IEC 19794-5:2005 and of ISO/IEC 39794-5 as documents use them (ASN.1 with
two-dimensional images; every other block is passed over). Does not know pictures: the coded bytes
are returned untouched, for a process that may fail without harm.

Spec: [9303-10] EF.DG2; [19794-5]; [39794-5].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emrtd import tlv
from emrtd.errors import ChipMalformed
from emrtd.lds import _cbeff
from emrtd.lds._images import ImageFormat, image_format

__all__ = ["DG2", "MAX_FACES", "TAG", "FaceImage", "ImageFormat", "Standard", "parse"]

TAG = 0x75
MAX_FACES = 16

Standard = Literal["19794-5", "39794-5"]

_FORMAT = b"FAC\x00"
_RECORD_HEADER_BYTES = 14
_FACE_HEADER_BYTES = 20
_FEATURE_POINT_BYTES = 8
_IMAGE_HEADER_BYTES = 12

# Of ISO/IEC 39794-5; all tags but the outermost are implicit and count within their own sequence.
_CHOICE, _FACE_BLOCK = 0xA1, 0x65
_REPRESENTATIONS, _REPRESENTATION = 0xA1, 0x30
_TO_THE_IMAGE = (0xA1, 0xA0, 0xA0, 0x80)
"""Image representation, its base, that of two dimensions, and its coded bytes."""


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One coded portrait.

    Attributes:
        format: by the image's own first bytes; what the record claims is not looked at.
        data: the image file, coded.
        standard: the part of ISO/IEC whose record it lay in.
    """

    format: ImageFormat
    data: bytes = field(repr=False)
    standard: Standard = "19794-5"


@dataclass(frozen=True, slots=True)
class DG2:
    """The portraits, at least one, in the order of the file."""

    faces: tuple[FaceImage, ...]


def parse(raw: bytes) -> DG2:
    """Parse the file. Raises ChipMalformed."""
    blocks = _cbeff.data_blocks(raw, TAG, what="DG2", least=1)
    faces = [face for block in blocks for face in _faces(block)]
    if not 1 <= len(faces) <= MAX_FACES:
        raise ChipMalformed("DG2", f"{len(faces)} faces")
    return DG2(tuple(faces))


def _faces(block: bytes) -> list[FaceImage]:
    return _record(block) if block.startswith(_FORMAT) else _asn1_record(block)


def _record(record: bytes) -> list[FaceImage]:
    """Return the faces of one record, at most as many as its header says."""
    if len(record) < _RECORD_HEADER_BYTES:
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
    return _image(block[start:], "19794-5")


def _asn1_record(block: bytes) -> list[FaceImage]:
    """Return the faces of one face image data block, bare or under the tag of its choice."""
    outer = tlv.parse_one(block)
    if outer.tag == _CHOICE:
        outer = tlv.parse_one(outer.value)
    if outer.tag != _FACE_BLOCK:
        raise ChipMalformed("DG2", "a record of neither ISO/IEC 19794-5 nor 39794-5")
    representations = tlv.parse(_one(outer.value, _REPRESENTATIONS))
    if not 1 <= len(representations) <= MAX_FACES:
        raise ChipMalformed("DG2", f"{len(representations)} representations")
    return [_representation(each) for each in representations]


def _representation(item: tlv.TLV) -> FaceImage:
    if item.tag != _REPRESENTATION:
        raise ChipMalformed("DG2", "no representation block")
    value = item.value
    for tag in _TO_THE_IMAGE:
        value = _one(value, tag)
    return _image(value, "39794-5")


def _one(sequence: bytes, tag: int) -> bytes:
    """Return the one part with that tag; parts that are not known here are passed over."""
    found = [part.value for part in tlv.parse(sequence) if part.tag == tag]
    if len(found) != 1:
        raise ChipMalformed("DG2", "no image of two dimensions where one must be")
    return found[0]


def _image(data: bytes, standard: Standard) -> FaceImage:
    kind = image_format(data)
    if kind is None:
        raise ChipMalformed("DG2", "a face without a JPEG or JPEG 2000 image")
    return FaceImage(kind, data, standard)
