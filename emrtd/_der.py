"""The few ASN.1 types that security infos are made of, read from TLV.

Knows universal types only, and bounds each. Does not write, and asks for no canonical form where a
card may be careless: what is signed is always the raw file.

Spec: [X.690].
"""

from __future__ import annotations

from emrtd.errors import ChipMalformed
from emrtd.tlv import TLV, parse

INTEGER = 0x02
OID = 0x06
SEQUENCE = 0x30
SET = 0x31

MAX_OID_BYTES = 32
MAX_INTEGER_BYTES = 1024


def sequence(item: TLV, least: int, most: int | None = None) -> tuple[TLV, ...]:
    """Return the members of a sequence that must have so many.

    Raises:
        ChipMalformed: not a sequence, or another number of members.
    """
    members = parse(_value(item, SEQUENCE))
    if not least <= len(members) <= (least if most is None else most):
        raise ChipMalformed("ASN.1", f"a sequence of {len(members)}")
    return members


def integer(item: TLV) -> int:
    """Return a non-negative integer. Raises ChipMalformed."""
    value = _value(item, INTEGER)
    if not 1 <= len(value) <= MAX_INTEGER_BYTES or value[0] >= 0x80:
        raise ChipMalformed("ASN.1", "an integer out of bounds")
    return int.from_bytes(value, "big")


def oid(item: TLV) -> str:
    """Return an object identifier, dotted. Raises ChipMalformed."""
    value = _value(item, OID)
    if not 1 <= len(value) <= MAX_OID_BYTES or value[-1] >= 0x80:
        raise ChipMalformed("ASN.1", "an object identifier out of bounds")
    arcs, arc = [], 0
    for byte in value:
        arc = arc << 7 | byte & 0x7F
        if byte < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def oid_value(dotted: str) -> bytes:
    """Return an object identifier's value field, as commands carry it."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(groups))
    return bytes(encoded)


def _value(item: TLV, tag: int) -> bytes:
    if item.tag != tag:
        raise ChipMalformed("ASN.1", f"tag {item.tag:X} where {tag:X} must be")
    return item.value
