"""Where a card keeps its files: identifiers and tags, by the names the evidence uses.

Spec: [9303-10].
"""

from __future__ import annotations

from types import MappingProxyType

LDS_APPLICATION = bytes.fromhex("A0000002471001")
MASTER_FILE = 0x3F00

FILE_IDS = MappingProxyType(
    {"CardAccess": 0x011C, "SOD": 0x011D, "COM": 0x011E}
    | {f"DG{n}": 0x0100 + n for n in range(1, 17)}
)
"""Name to file identifier; the short identifier is its low five bits."""

OF_MASTER_FILE = frozenset({"CardAccess"})
"""What lies beside the application, not in it."""

DATA_GROUP_TAGS = MappingProxyType(
    {"DG1": 0x61, "DG2": 0x75, "DG13": 0x6D, "DG14": 0x6E, "DG15": 0x6F}
)
COM_TAG = 0x60
SOD_TAG = 0x77

MAX_FILE_BYTES = 65_536 + 4_096
"""A portrait of 64 KiB with everything around it."""
