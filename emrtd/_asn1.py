"""What asn1crypto may do with hostile bytes, made one typed error.

asn1crypto reads lazily: a broken field raises when it is first looked at, by many names.
Everything that touches such a value stands inside `reading()`. Some of what it does costs far more
than the bytes that ask for it: a long object identifier is read in quadratic time, and every member
of a sequence becomes an object. So `load()` walks the bytes first, and refuses what no card, state
or list needs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emrtd.errors import ChipMalformed

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OID_BYTES = 64
MAX_OBJECTS = 100_000
MAX_DEPTH = 32

_OID, _CONSTRUCTED, _INDEFINITE = 0x06, 0x20, 0x80
_END_OF_CONTENTS = b"\0\0"
_MAX_TAG_BYTES, _MAX_LENGTH_BYTES = 6, 4
_UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever asn1crypto raises in this block into one error.

    Args:
        what: the structure that is read, in the standard's words.

    Raises:
        ChipMalformed: the block met bytes that are not that structure.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise ChipMalformed(what, "not the structure it should be") from error


def load(kind: Any, raw: bytes, *, max_objects: int = MAX_OBJECTS) -> Any:
    """Return bytes as a structure of asn1crypto that fills them; call it inside `reading()`.

    Args:
        kind: the structure's class.
        raw: BER or DER.
        max_objects: how many objects may be in it, all depths counted.

    Raises:
        ValueError: not the structure, or it asks for more work than it is worth.
    """
    _walk(raw, max_objects)
    return kind.load(raw, strict=True)


def _walk(raw: bytes, left: int) -> None:
    """Look at every object's head once. Raises ValueError at one that is out of bounds."""
    held, at = [(len(raw), False)], 0
    while held:
        end, open_ended = held[-1]
        if open_ended and raw[at : at + 2] == _END_OF_CONTENTS:
            at += 2
            held.pop()
            continue
        if at == end and not open_ended:
            held.pop()
            continue
        left -= 1
        if left < 0 or len(held) > MAX_DEPTH:
            raise ValueError("too many objects, or too deep")
        tag, at, length = _head(raw, at, end)
        if tag & _CONSTRUCTED:
            held.append((end, True) if length is None else (at + length, False))
            continue
        if length is None or (tag == _OID and length > MAX_OID_BYTES):
            raise ValueError("a length out of bounds")
        at += length


def _head(raw: bytes, at: int, end: int) -> tuple[int, int, int | None]:
    """Return the tag's first byte, where the content starts, and how long it is; None: open."""
    if at >= end:
        raise ValueError("nothing where an object must be")
    tag, at = raw[at], at + 1
    if tag & 0x1F == 0x1F:
        last = next((n for n in range(at, min(at + _MAX_TAG_BYTES, end)) if raw[n] < 0x80), None)
        if last is None:
            raise ValueError("a tag out of bounds")
        at = last + 1
    if at >= end:
        raise ValueError("no length")
    length, at = raw[at], at + 1
    if length == _INDEFINITE:
        return tag, at, None
    if length > _INDEFINITE:
        count = length - _INDEFINITE
        if count > _MAX_LENGTH_BYTES:
            raise ValueError("a length out of bounds")
        length, at = int.from_bytes(raw[at : at + count], "big"), at + count
    if at + length > end:
        raise ValueError("longer than what holds it")
    return tag, at, length
