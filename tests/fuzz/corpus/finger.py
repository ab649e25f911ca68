"""Fingers as the targets of `tests.fuzz.finger` would have them, rendered here."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from msgspec.structs import replace
from PIL import Image

from models.finger import quality
from models.finger.minutiae import minutiae
from models.finger.template import of_minutiae, write
from tests.fuzz.finger import NOW, OPENING_KEY, PURPOSE, RAW, RECORD_BEGIN, WSQ_BEGIN
from tests.unit.models import wsq_material
from wire.enrolment import Consent, seal


def seeds() -> dict[str, list[bytes]]:
    """Return them by target."""
    wsqs = [wsq_material.small(96, 112), wsq_material.small(100, 90, seed=2)]
    coded = [_coded("PNG"), _coded("JPEG"), _coded("JPEG2000"), _coded("JPEG2000", no_jp2=True)]
    others = [_coded("BMP"), _coded("TIFF"), _coded("PPM")]
    records = [_record(12), _record(0), _extended()]
    consent = Consent(bytes(16), PURPOSE, NOW - 1, NOW + 1)
    return {
        "wire.enrolment": [
            seal(each, consent, OPENING_KEY.recipient(), randomness=bytes) for each in records
        ],
        "models.finger.wsq": wsqs,
        "models.finger.wsq.after_begin": [each[len(WSQ_BEGIN) :] for each in wsqs],
        "models.finger.picture": [*coded, *wsqs],
        "models.finger.picture.any": [*coded, *others],
        "models.finger.picture.raw": [
            RAW.pack(64, 60, 8, 50) + bytes(64 * 60),
            RAW.pack(64, 60, 4, 57) + bytes(32 * 60),
            RAW.pack(64, 60, 16, 50) + bytes(128 * 60),
        ],
        "models.finger.template": records,
        "models.finger.template.after_begin": [each[len(RECORD_BEGIN) + 4 :] for each in records],
        "models.finger.quality": [quality.encode(replace(quality.shipped(), pictures=()))],
    }


def _coded(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(wsq_material.ridges(60, 64)).save(out, kind, **options)
    return out.getvalue()


def _record(count: int) -> bytes:
    rng = np.random.default_rng(count)
    x, y, angle, quality = rng.random((4, count))
    found = minutiae(300 * x, 400 * y, 6 * angle, quality)
    return write([of_minutiae(found, width_px=301, height_px=401, position=2, quality=70)])


def _extended() -> bytes:
    """Return a record of two views, one with further data."""
    head = struct.pack(">IHHHHHBB", 24 + 6 + 14, 0, 300, 400, 197, 394, 2, 0)
    first = bytes([2, 0, 50, 0]) + b"\x00\x00"
    second = bytes([2, 16, 50, 0]) + struct.pack(">HHH4s", 8, 1, 8, b"abcd")
    return RECORD_BEGIN + head + first + second
