"""DER as the card's files are made of it: a few constructors over `emrtd.tlv`.

Knows how to write; does not read.
"""

from __future__ import annotations

from emrtd.tlv import encode


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of already encoded parts."""
    return encode(0x30, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """Return a SET OF in DER's order: ascending by encoding."""
    return encode(0x31, b"".join(sorted(parts)))


def integer(value: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid_value(dotted: str) -> bytes:
    """Return an object identifier's value without tag and length."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(arc & 0x7F | 0x80)
        out += bytes(reversed(digits))
    return bytes(out)


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    return encode(0x06, oid_value(dotted))


def octets(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    return encode(0x04, value)


def bits(value: bytes) -> bytes:
    """Return a BIT STRING without unused bits."""
    return encode(0x03, b"\0" + value)


def printable(text: str) -> bytes:
    """Return a PrintableString."""
    return encode(0x13, text.encode("ascii"))


def utf8(text: str) -> bytes:
    """Return a UTF8String."""
    return encode(0x0C, text.encode())
