"""One value, one encoding: the deterministic CBOR of everything that is signed or sealed.

Knows a small part of CBOR: integers, byte and text strings, arrays, maps with text keys, booleans
and null; definite lengths, shortest forms, sorted keys ([8949] 4.2.1). No tags and no floats, so
that no decoder is ever asked for a date, a regular expression or a power of two. Does not know what
the values mean: the shape is a msgspec Struct that the caller names.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import cbor2
import msgspec

from wire.errors import Malformed, TooLarge, VersionUnsupported

MAX_ITEMS: Final = 2048
"""Values in one document, containers and map keys counted."""

MAX_DEPTH: Final = 6
"""Containers within containers."""

_T = TypeVar("_T")

_PATH = re.compile(r" - at `(?:key in )?\$\.([a-z0-9_.]+)[^`]*`$")
"""Where in a value the library found fault."""

_INTEGERS = (0, 1)
_STRINGS = (2, 3)
_TEXT = 3
_ARRAY = 4
_MAP = 5
_SIMPLE = 7
_FALSE_TRUE_NULL = (20, 21, 22)


def dump(value: object) -> bytes:
    """Encode builtins (int, bytes, str, list, tuple, dict, bool, None) deterministically."""
    return cbor2.dumps(value, canonical=True)


def load(raw: bytes, *, what: str, limit: int) -> object:
    """Decode builtins from exactly these bytes, with work bounded by their number.

    Raises:
        TooLarge: more than limit bytes.
        Malformed: not this part of CBOR, too many values, too deep, or not the deterministic form.
    """
    if len(raw) > limit:
        raise TooLarge(what, size=len(raw), limit=limit)
    _survey(raw, what)
    try:
        value: object = cbor2.loads(
            raw,
            max_depth=MAX_DEPTH + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except cbor2.CBORDecodeError:
        raise Malformed(what, "not CBOR") from None
    if dump(value) != raw:
        raise Malformed(what, "not the deterministic encoding")
    return value


def encode(value: msgspec.Struct, *, what: str, limit: int) -> bytes:
    """Encode a Struct, having checked it as strictly as its reader will.

    Raises:
        Malformed: a field breaks its own bounds.
        TooLarge: the encoding is longer than limit.
    """
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    _shape(plain, type(value), what, value)
    raw = dump(plain)
    if len(raw) > limit:
        raise TooLarge(what, size=len(raw), limit=limit)
    _survey(raw, what)
    return raw


def decode(raw: bytes, shape: type[_T], *, what: str, limit: int, version: int | None = None) -> _T:
    """Decode a Struct from its one encoding.

    Args:
        raw: the bytes, from anyone.
        shape: the Struct they must be.
        what: the name of the thing, for errors.
        limit: bytes allowed.
        version: if given, what the document's own "version" must say; asked before its shape.

    Raises:
        TooLarge: more than limit bytes.
        VersionUnsupported: another version.
        Malformed: anything else.
    """
    plain = load(raw, what=what, limit=limit)
    if version is not None and isinstance(plain, dict):
        stated = plain.get("version")
        if isinstance(stated, int) and stated != version:
            raise VersionUnsupported(what, f"version {stated} is not spoken here")
    value = _shape(plain, shape, what)
    if dump(msgspec.to_builtins(value, builtin_types=(bytes,))) != raw:
        raise Malformed(what, "not the one encoding of its value")
    return value


def _shape(plain: object, shape: type[_T], what: str, ours: object = None) -> _T:
    """Return the value of that shape; `ours`, if it is our own, lends its fields' names."""
    try:
        return msgspec.convert(plain, shape, builtin_types=(bytes,))
    except (msgspec.ValidationError, ValueError) as error:
        # The library's message may quote the value: it may be a person's.
        message, field = "a field is missing, unknown or out of bounds", _field(str(error), ours)
        raise Malformed(what, message, field=field) from None


def _field(message: str, value: object) -> str:
    """Return which field a message of the library ends with, as far as the value's type has it."""
    path = _PATH.search(message)
    names: list[str] = []
    for name in path[1].split(".") if path else ():
        if not isinstance(value, msgspec.Struct) or name not in value.__struct_fields__:
            break
        names.append(name)
        value = getattr(value, name)
    return ".".join(names)


def _survey(raw: bytes, what: str) -> None:
    """Walk the heads of every value without building one: count, depth, lengths, kinds."""
    position = 0
    # Of every open container: the values still to come, and whether it is a map. A map's next value
    # is a key while an even number is to come.
    open_containers = [(1, False)]
    for _ in range(MAX_ITEMS + 1):
        while open_containers and not open_containers[-1][0]:
            open_containers.pop()
        if not open_containers:
            break
        to_come, in_map = open_containers.pop()
        open_containers.append((to_come - 1, in_map))
        major, argument, position = _head(raw, position, what)
        if in_map and not to_come % 2 and major != _TEXT:
            raise Malformed(what, "a map's key is not a text")
        if major in _STRINGS:
            position += argument
            if position > len(raw):
                raise Malformed(what, "a string runs past the end")
        elif major in (_ARRAY, _MAP):
            open_containers.append((argument * 2, True) if major == _MAP else (argument, False))
            if len(open_containers) > MAX_DEPTH + 1:
                raise Malformed(what, "nested too deeply")
    else:
        raise Malformed(what, "too many values")
    if position != len(raw):
        raise Malformed(what, "bytes after the end")


def _head(raw: bytes, position: int, what: str) -> tuple[int, int, int]:
    """Return (major type, argument, position after the head)."""
    if position >= len(raw):
        raise Malformed(what, "it ends too early")
    major, info = raw[position] >> 5, raw[position] & 0x1F
    position += 1
    size = 0 if info < 24 else 1 << (info - 24)
    if info > 27 or len(raw) - position < size:
        raise Malformed(what, "a length is indefinite, reserved or cut off")
    if major == _SIMPLE and info not in _FALSE_TRUE_NULL:
        raise Malformed(what, "a float or a reserved simple value")
    if major not in (*_INTEGERS, *_STRINGS, _ARRAY, _MAP, _SIMPLE):
        raise Malformed(what, "a tag")
    argument = info if not size else int.from_bytes(raw[position : position + size], "big")
    return major, argument, position + size
