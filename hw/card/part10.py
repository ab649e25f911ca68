"""What a reader says of itself through PC/SC part 10: how large a command it passes.

Knows the two lists of data objects that drivers return; what is not well formed says nothing. Does
not know how they are asked for (`pcsc`).

Spec: [PCSC-10].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GET_TLV_PROPERTIES = 0x12
MAX_APDU_DATA_SIZE = 0x0A

MAX_SHORT_COMMAND_BYTES = 261
"""Header, Lc, 255 bytes of data, Le."""
MAX_EXTENDED_COMMAND_BYTES = 65_544
"""Header, three bytes of Lc, 65,535 bytes of data, two of Le."""
_EXTENDED_HEAD_BYTES = 9


def properties_control_code(features: bytes) -> int | None:
    """Return the control code that asks for a reader's properties, None if it has none."""
    for tag, value in _objects(features):
        if tag == GET_TLV_PROPERTIES and len(value) == 4:
            return int.from_bytes(value, "big")
    return None


def max_command_bytes(properties: bytes) -> int:
    """Return the largest command that a reader passes; 261 if it does not tell."""
    for tag, value in _objects(properties):
        if tag == MAX_APDU_DATA_SIZE and len(value) == 4:
            data_bytes = int.from_bytes(value, "little")
            if data_bytes > 256:
                return min(data_bytes + _EXTENDED_HEAD_BYTES, MAX_EXTENDED_COMMAND_BYTES)
    return MAX_SHORT_COMMAND_BYTES


def _objects(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield one-byte tags and their values, as far as they are whole."""
    at = 0
    while at + 2 <= len(raw):
        tag, size = raw[at], raw[at + 1]
        value = raw[at + 2 : at + 2 + size]
        if len(value) < size:
            return
        yield tag, value
        at += 2 + size
