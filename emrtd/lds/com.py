"""EF.COM: which data groups a chip says it has.

Nobody signs it, so nothing is decided by it: what a document has is what its EF.SOD hashes.

Spec: [9303-10] EF.COM.
"""

from __future__ import annotations

from dataclasses import dataclass

from emrtd import tlv
from emrtd.errors import ChipMalformed

TAG = 0x60
MAX_BYTES = 256
DATA_GROUP_TAGS = (
    0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70,
)  # fmt: skip
"""The tags of data groups 1 to 16, in that order."""

_LDS_VERSION, _UNICODE_VERSION, _TAG_LIST = 0x5F01, 0x5F36, 0x5C


@dataclass(frozen=True, slots=True)
class COM:
    """What the chip says it has, unsigned.

    Attributes:
        lds_version: four digits, e.g. "0107".
        unicode_version: six digits, e.g. "040000".
        data_groups: names in the order of the file; tags that no data group has are left out.
    """

    lds_version: str
    unicode_version: str
    data_groups: tuple[str, ...]


def parse(raw: bytes) -> COM:
    """Parse the file. Raises ChipMalformed."""
    parts = {
        part.tag: part.value for part in tlv.parse(tlv.parse_one(raw, TAG, limit=MAX_BYTES).value)
    }
    if not {_LDS_VERSION, _UNICODE_VERSION, _TAG_LIST} <= parts.keys():
        raise ChipMalformed("EF.COM", "a version or the list of tags is missing")
    return COM(
        _digits(parts[_LDS_VERSION], 4),
        _digits(parts[_UNICODE_VERSION], 6),
        tuple(
            f"DG{DATA_GROUP_TAGS.index(tag) + 1}"
            for tag in parts[_TAG_LIST]
            if tag in DATA_GROUP_TAGS
        ),
    )


def _digits(value: bytes, count: int) -> str:
    if len(value) != count or not value.isdigit():
        raise ChipMalformed("EF.COM", "a version is not digits")
    return value.decode("ascii")
