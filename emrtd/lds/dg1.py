"""Data group 1: the machine-readable zone.

Spec: [9303-10] EF.DG1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd import mrz, tlv
from emrtd.errors import ChipMalformed

TAG = 0x61
MAX_BYTES = 256
_ZONE = 0x5F1F


@dataclass(frozen=True, slots=True)
class DG1:
    """The zone that a chip holds."""

    mrz: mrz.MRZ = field(repr=False)


def parse(raw: bytes) -> DG1:
    """Parse the file. Raises ChipMalformed."""
    zone = tlv.parse_one(tlv.parse_one(raw, TAG, limit=MAX_BYTES).value, _ZONE).value
    if not zone.isascii():
        raise ChipMalformed("DG1", "not ASCII")
    return DG1(mrz.parse(zone.decode("ascii")))
