"""Read the arrays of an HDF5 file, as Keras writes weights.

Knows the oldest form of that format: superblock 0, groups as symbol tables, version 1 of headers,
and arrays of little-endian float32 that lie in one piece. Does not know what the arrays are for.
Everything else (chunks, compression, attributes, links, newer forms) is refused or passed over.

Format: The HDF Group, HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
ROOT: Final = 56
"""Where the entry of the root group lies."""
ENTRY_BYTES: Final = 40
UNDEFINED: Final = 2**64 - 1
FLOAT32: Final = bytes.fromhex("11201f00 04000000 0000 2000 17 08 00 17 7f000000")
"""The whole datatype message of little-endian float32."""
DATASPACE, DATATYPE, LAYOUT, CONTINUATION, SYMBOL_TABLE = 0x01, 0x03, 0x08, 0x10, 0x11
CONTIGUOUS: Final = 1
MAX_DEPTH: Final = 8
MAX_OBJECTS: Final = 4096
MAX_MESSAGES: Final = 64
MAX_RANK: Final = 4
MAX_NAME_BYTES: Final = 128
MAX_TREE_DEPTH: Final = 4


class HDF5Error(ValueError):
    """A file is no HDF5 file of the one form that is read here."""


class _Header(NamedTuple):
    """The messages of an object that matter."""

    table: tuple[int, int] | None
    shape: tuple[int, ...] | None
    typed: bool
    place: tuple[int, int] | None


def read(raw: bytes) -> dict[str, NDArray[np.float32]]:
    """Return all arrays by their paths, such as "layers/conv2d/vars/0".

    Args:
        raw: the whole file.

    Raises:
        HDF5Error: it is no such file, an array is of another kind, or it is nested or branched
            beyond what weights need.
    """
    file = _File(raw)
    if file.take(0, 8) != SIGNATURE or file.take(8, 1) != b"\0" or file.take(13, 2) != b"\x08\x08":
        raise HDF5Error("another file, or another form of it")
    (base,) = file.numbers("Q", 24)
    if base:
        raise HDF5Error("the file does not begin at its beginning")
    _, header = file.numbers("QQ", ROOT)
    found: dict[str, NDArray[np.float32]] = {}
    file.walk(header, path="", into=found, depth=0)
    return found


class _File:
    """The file's bytes, and how many objects may still be looked at."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._left = MAX_OBJECTS

    def take(self, at: int, count: int) -> bytes:
        """Return some bytes, all of them inside the file."""
        if not 0 <= at <= len(self._raw) - count:
            raise HDF5Error("something lies outside the file")
        return self._raw[at : at + count]

    def numbers(self, form: str, at: int) -> tuple[Any, ...]:
        """Return little-endian numbers; the form is that of `struct`."""
        return struct.unpack(f"<{form}", self.take(at, struct.calcsize(f"<{form}")))

    def walk(
        self, header: int, *, path: str, into: dict[str, NDArray[np.float32]], depth: int
    ) -> None:
        """Collect the arrays under one object."""
        self._spend()
        if depth > MAX_DEPTH:
            raise HDF5Error("groups are nested too deeply")
        told = self._header(header)
        if told.table is None:
            into[path] = self._array(told)
            return
        tree, heap = told.table
        for name, child in self._children(tree, self._heap(heap), depth=0):
            there = f"{path}/{name}" if path else name
            if there in into:
                raise HDF5Error("a name occurs twice")
            self.walk(child, path=there, into=into, depth=depth + 1)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise HDF5Error("too many objects")

    def _children(self, node: int, names: bytes, *, depth: int) -> Iterator[tuple[str, int]]:
        """Yield name and header of each object that a group's tree leads to."""
        self._spend()
        if depth > MAX_TREE_DEPTH:
            raise HDF5Error("a tree is too deep")
        if self.take(node, 4) == b"SNOD":
            (count,) = self.numbers("H", node + 6)
            for number in range(count):
                self._spend()
                name, header = self.numbers("QQ", node + 8 + ENTRY_BYTES * number)
                yield _name(names, name), header
            return
        mark, kind, _level, count = self.numbers("4sBBH", node)
        if mark != b"TREE" or kind:
            raise HDF5Error("a group has no tree of names")
        for number in range(count):
            _key, child = self.numbers("QQ", node + 24 + 16 * number)
            yield from self._children(child, names, depth=depth + 1)

    def _heap(self, at: int) -> bytes:
        mark, _version, size, _free, data = self.numbers("4s4sQQQ", at)
        if mark != b"HEAP":
            raise HDF5Error("a group has no names")
        return self.take(data, size)

    def _header(self, at: int) -> _Header:
        version, _, count, _references, size = self.numbers("BBHII", at)
        if version != 1 or count > MAX_MESSAGES:
            raise HDF5Error("an object's header is of another form")
        table, shape, typed, place = None, None, False, None
        for kind, content in self._messages([(at + 16, size)], count):
            match kind:
                case 0x11:
                    table = _of("QQ", content)
                case 0x01:
                    shape = _shape(content)
                case 0x03:
                    typed = content.startswith(FLOAT32)
                case 0x08:
                    place = _place(content)
        return _Header(table, shape, typed, place)

    def _messages(self, blocks: list[tuple[int, int]], count: int) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of an object's messages, in all blocks that they are spread on."""
        while count and blocks:
            at, size = blocks.pop(0)
            end = at + size
            while count and at + 8 <= end:
                kind, length = self.numbers("HH", at)
                content = self.take(at + 8, length)
                if kind == CONTINUATION:
                    blocks.append(_of("QQ", content))
                yield kind, content
                at, count = at + 8 + length, count - 1

    def _array(self, told: _Header) -> NDArray[np.float32]:
        if told.shape is None or not told.typed or told.place is None:
            raise HDF5Error("an object is neither a group nor an array of float32 in one piece")
        at, size = told.place
        if size != 4 * math.prod(told.shape):
            raise HDF5Error("an array has another size than its shape")
        return np.frombuffer(self.take(at, size), "<f4").reshape(told.shape).astype(np.float32)


def _of(form: str, content: bytes) -> tuple[Any, ...]:
    if len(content) < struct.calcsize(f"<{form}"):
        raise HDF5Error("a message is too short")
    return struct.unpack_from(f"<{form}", content)


def _shape(content: bytes) -> tuple[int, ...]:
    version, rank, _flags = _of("BBB", content)
    if version != 1 or rank > MAX_RANK:
        raise HDF5Error("an array's shape is of another form")
    return _of(f"8x{rank}Q", content)


def _place(content: bytes) -> tuple[int, int]:
    version, form, at, size = _of("BBQQ", content)
    if (version, form) != (3, CONTIGUOUS) or at == UNDEFINED:
        raise HDF5Error("an array does not lie in one piece")
    return at, size


def _name(names: bytes, at: int) -> str:
    end = names.find(b"\0", at, at + MAX_NAME_BYTES)
    if end < 0:
        raise HDF5Error("a name does not end")
    try:
        return names[at:end].decode("ascii")
    except UnicodeDecodeError as error:
        raise HDF5Error("a name is not plain") from error
