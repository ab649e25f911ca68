"""Fingers as bytes: coded pictures, raw pixels, records of minutiae, and those that are kept."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from models.evaluate import pictures
from models.finger import picture, quality, template, wsq
from wire.enrolment import open_sealed
from wire.errors import WireError
from wire.seal import OpeningKey

if TYPE_CHECKING:
    from models.finger.picture import FingerPicture

WSQ_BEGIN = b"\xff\xa0"
RECORD_BEGIN = b"FMR\x00 20\x00"
OPENING_KEY = OpeningKey("enrolment-1", bytes(range(96)))
PURPOSE, NOW = "collect-card", 1_790_000_000
RAW = struct.Struct(">HHBB")
"""Width, height, depth in bits, resolution in tens of dpi: before raw pixels."""


def raw_pixels(raw: bytes) -> FingerPicture:
    """Read numbers and the pixels they speak of."""
    if len(raw) < RAW.size:
        raise picture.FingerPictureError("size")
    width, height, depth, tens = RAW.unpack_from(raw)
    return picture.from_raw(
        raw[RAW.size :], width_px=width, height_px=height, depth_bits=depth, dpi=10.0 * tens
    )


def _record(raw: bytes) -> bytes:
    """Read a record, and write and scale what was read."""
    found = template.parse(raw)
    for each in found:
        each.minutiae()
    written = template.write(found)
    if written != raw:
        raise AssertionError("a record is written otherwise than it was read")
    return written


TARGETS = {
    "wire.enrolment": (
        lambda raw: open_sealed(raw, OPENING_KEY, purpose=PURPOSE, now=NOW),
        (WireError,),
    ),
    "models.finger.wsq": (wsq.decode, (wsq.WSQError,)),
    "models.finger.wsq.after_begin": (lambda raw: wsq.decode(WSQ_BEGIN + raw), (wsq.WSQError,)),
    "models.finger.picture": (picture.from_coded, (picture.FingerPictureError,)),
    "models.finger.picture.any": (
        lambda raw: picture.from_coded(raw, formats=pictures.FORMATS),
        (picture.FingerPictureError,),
    ),
    "models.finger.picture.raw": (raw_pixels, (picture.FingerPictureError,)),
    "models.finger.template": (_record, (template.TemplateError,)),
    "models.finger.template.after_begin": (
        lambda raw: _record(RECORD_BEGIN + struct.pack(">I", len(raw) + 12) + raw),
        (template.TemplateError,),
    ),
    "models.finger.quality": (quality.parse, (quality.GateError,)),
}
