"""A mistake made on purpose, for the fuzzer to find: a run that misses it proves nothing.

A copy of the length parser of `emrtd.tlv` whose mistake lies behind five conditions, each of which
one byte in 256 passes. The seeds pass none of them, and what passes some is refused like all else;
only who notices that a condition was passed, and builds on it, gets there in any time.
"""

from __future__ import annotations

from tests.fuzz import Target

NAME = "a mistake made on purpose"
SEEDS = (bytes.fromhex("7F60050301020304"), bytes.fromhex("7F60820123"))
LEAST = 3_000_000
"""Executions that it may take, half a minute; the mean is a tenth of them."""
_MAX_LENGTH = 0x0001_0000


def parse(raw: bytes) -> int:
    """Return the length that a face template's head claims. Raises ValueError, or so it says."""
    if len(raw) < 4 or raw[0] != 0x7F or raw[1] != 0x60:
        raise ValueError("another tag")
    first = raw[2]
    if first < 0x80:
        return first
    if first == 0x80 or first > 0x84:
        raise ValueError("a length of no or too many bytes")
    size = first & 0x7F
    if size < 4:
        return int.from_bytes(raw[3 : 3 + size], "big")
    # Four bytes: only lengths that three could not hold are let through. The bytes are there only
    # if somebody looked, and nobody did.
    if raw[3] == 0x00:
        return _long(raw)
    raise ValueError("longer than any file")


def _long(raw: bytes) -> int:
    at = 4
    if len(raw) > at and raw[at] == 0x01:
        at += 1
    if len(raw) > at == 5 and raw[at] == 0x5F:
        at += 1
    if len(raw) > at == 6 and raw[at] == 0x2E:
        at += 1
    if at == 7:
        return raw[at + len(raw)]
    if int.from_bytes(raw[3:7], "big") > _MAX_LENGTH:
        raise ValueError("longer than any file")
    return 0


TARGET = Target(parse, (ValueError,))
