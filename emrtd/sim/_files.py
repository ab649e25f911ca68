"""Where a card keeps its files: identifiers and tags, by the names the evidence uses.

Spec: [9303-10].
"""

from __future__ import annotations

from types import MappingProxyType

LDS_APPLICATION = bytes.fromhex("A0000002471001")
MASTER_FILE = 0x3F00

IN_MASTER_FILE = MappingProxyType({"ATRInfo": 0x2F01, "CardAccess": 0x011C, "CardSecurity": 0x011D})
"""What lies beside the application: name to file identifier."""

IN_APPLICATION = MappingProxyType(
    {"CVCA": 0x011C, "SOD": 0x011D, "COM": 0x011E} | {f"DG{n}": 0x0100 + n for n in range(1, 17)}
)
"""What lies in it; the short identifier is the low five bits."""

NAMES = frozenset(IN_MASTER_FILE) | frozenset(IN_APPLICATION)
ALWAYS_READABLE = frozenset({"ATRInfo", "CardAccess"})

DATA_GROUP_TAGS = MappingProxyType(
    {
        "DG1": 0x61,
        "DG2": 0x75,
        "DG3": 0x63,
        "DG4": 0x76,
        "DG7": 0x67,
        "DG11": 0x6B,
        "DG12": 0x6C,
        "DG13": 0x6D,
        "DG14": 0x6E,
        "DG15": 0x6F,
        "DG16": 0x70,
    }
)
COM_TAG = 0x60
SOD_TAG = 0x77

MAX_FILE_BYTES = 262_144
"""Ten finger images with everything around them."""
