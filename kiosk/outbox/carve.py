"""SQLite's file format, as far as finding rows needs it: page by page, nothing trusted.

Knows leaf pages, overflow chains, records and the frames of a write-ahead log ([sqlite-format]).
Reads what SQLite itself gives up on: a file without its first page, cut off, with a torn log, on
a disk that refuses some of its blocks. Everything is bounded by a page or by the longest row; what
is no row is left out, and whether a row is true is for the caller to find out by a signature or a
checksum. Does not write, and does not know what is in a row.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

Value = int | float | bytes | str | None
Row = tuple[Value, ...]

PAGE_BYTES: Final = 4_096
MAX_ROW_BYTES: Final = 131_072

_TABLE_LEAF: Final = 0x0D
_INDEX_LEAF: Final = 0x0A
_FIRST_PAGE_HEADER: Final = 100
_MAX_LOCAL: Final = {_TABLE_LEAF: PAGE_BYTES - 35, _INDEX_LEAF: (PAGE_BYTES - 12) * 64 // 255 - 23}
_MIN_LOCAL: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_MAX_VALUES: Final = 32
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_LOG_HEADER: Final = struct.Struct(">8I")
_FRAME_HEADER: Final = struct.Struct(">6I")
_LOG_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
_U32: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was found, to be read again."""

    view: int
    page: int
    cell: int


@dataclass(frozen=True, slots=True)
class _Log:
    """The frames of a log: those that SQLite would believe, and all that there are."""

    believed: dict[int, int] = field(default_factory=dict)
    all: dict[int, int] = field(default_factory=dict)


class Carver:
    """A database and its logs, read without SQLite. Close it, or use it as a context."""

    def __init__(self, database: Path, logs: tuple[Path, ...]) -> None:
        """Open what there is; a missing file has no pages.

        Args:
            database: the file.
            logs: write-ahead logs of it, the one to be believed first.
        """
        self._files: list[int] = []
        self._database = self._opened(database)
        self._pages = -(-_size(self._database) // PAGE_BYTES)
        self._views: list[tuple[int, dict[int, int], bool]] = []
        for handle in [self._opened(path) for path in logs]:
            log = _read_log(handle)
            self._views += [(handle, log.believed, True), (handle, log.all, False)]
        self._views.append((-1, {}, True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._files:
            os.close(handle)
        self._files = []

    def rows(self) -> Iterator[tuple[Place, Row]]:
        """Yield every row of every leaf page, the view that SQLite would have first.

        A row may come several times: from several views, and from pages that are free.
        """
        for view, (_, overlay, whole) in enumerate(self._views):
            if view and not overlay and view != len(self._views) - 1:
                continue
            if view == len(self._views) - 1 and view and not any(one[1] for one in self._views):
                continue  # no log changes anything: the first view was the database alone
            numbers = range(1, self._pages + 1) if whole else ()
            beyond = sorted(number for number in overlay if number not in numbers)
            for number in (*numbers, *beyond):
                for cell in self._cells(view, number):
                    row = self.row(Place(view, number, cell))
                    if row is not None:
                        yield Place(view, number, cell), row

    def row(self, place: Place) -> Row | None:
        """Return the row at a place; None if there is none."""
        page = self._page(place.view, place.page)
        kind = _kind(page, place.page)
        if kind is None:
            return None
        payload = self._payload(page, place.cell, kind, place.view)
        return None if payload is None else _record(payload)

    def _opened(self, path: Path) -> int:
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            return -1
        self._files.append(handle)
        return handle

    def _page(self, view: int, number: int) -> bytes:
        """Return a page as a view has it; shorter or empty if the disk doesn't give it."""
        log, overlay, _ = self._views[view]
        if number in overlay:
            return _read(log, overlay[number], PAGE_BYTES)
        return _read(self._database, (number - 1) * PAGE_BYTES, PAGE_BYTES)

    def _cells(self, view: int, number: int) -> list[int]:
        page = self._page(view, number)
        if _kind(page, number) is None:
            return []
        base = _FIRST_PAGE_HEADER if number == 1 else 0
        count = int.from_bytes(page[base + 3 : base + 5], "big")
        begin = base + 8
        count = min(count, (len(page) - begin) // 2)
        found = struct.unpack_from(f">{count}H", page, begin)
        return [cell for cell in found if begin <= cell < len(page)]

    def _payload(self, page: bytes, cell: int, kind: int, view: int) -> bytes | None:
        """Return a cell's payload, its overflow chain followed."""
        size, at = _varint(page, cell)
        if kind == _TABLE_LEAF:
            _, at = _varint(page, at)
        if not 0 < size <= MAX_ROW_BYTES:
            return None
        local = _local(size, kind)
        payload = bytearray(page[at : at + local])
        following = int.from_bytes(page[at + local : at + local + 4], "big")
        for _ in range(MAX_ROW_BYTES // (PAGE_BYTES - 4) + 1):
            if len(payload) >= size:
                break
            overflow = self._page(view, following) if following else b""
            payload += overflow[4:][: size - len(payload)]
            following = int.from_bytes(overflow[:4], "big")
        return bytes(payload) if len(payload) == size else None


def _kind(page: bytes, number: int) -> int | None:
    base = _FIRST_PAGE_HEADER if number == 1 else 0
    kind = page[base] if len(page) >= base + 8 else 0
    return kind if kind in _MAX_LOCAL else None


def _local(size: int, kind: int) -> int:
    """Return how many bytes of a payload stand in the leaf itself."""
    most = _MAX_LOCAL[kind]
    if size <= most:
        return size
    surplus = _MIN_LOCAL + (size - _MIN_LOCAL) % (PAGE_BYTES - 4)
    return surplus if surplus <= most else _MIN_LOCAL


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return (value, where it ends); 0 where there is none."""
    value = 0
    for n, byte in enumerate(raw[at : at + 9]):
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    return 0, len(raw)


def _record(payload: bytes) -> Row | None:
    """Return the values of a record; None if its types and its length don't agree."""
    end, at = _varint(payload, 0)
    types: list[int] = []
    while at < end <= len(payload) and len(types) <= _MAX_VALUES:
        serial, at = _varint(payload, at)
        types.append(serial)
    if at != end or not 0 < len(types) <= _MAX_VALUES:
        return None
    values: list[Value] = []
    for serial in types:
        size = _bytes_of(serial)
        raw = payload[at : at + size]
        if len(raw) != size:
            return None
        values.append(_value(serial, raw))
        at += size
    return tuple(values) if at == len(payload) else None


def _bytes_of(serial: int) -> int:
    if serial >= 12:
        return (serial - 12) // 2
    return _INTEGER_BYTES.get(serial, 8 if serial == 7 else 0)


def _value(serial: int, raw: bytes) -> Value:
    match serial:
        case 0 | 10 | 11:
            return None
        case 8 | 9:
            return serial - 8
        case 7:
            return float(struct.unpack(">d", raw)[0])
        case _ if serial < 12:
            return int.from_bytes(raw, "big", signed=True)
        case _ if serial % 2:
            return raw.decode("utf-8", "replace")
        case _:
            return raw


def _read_log(handle: int) -> _Log:
    """Take a log apart: which offset holds a page's newest content, believed or at all."""
    log = _Log()
    raw = _read(handle, 0, _LOG_HEADER.size)
    if len(raw) < _LOG_HEADER.size:
        return log
    magic, _, page_bytes, _, *salts, _, _ = _LOG_HEADER.unpack(raw)
    order = _LOG_MAGIC.get(magic, ">")
    sums = _sums((0, 0), raw[:24], order)
    chained = (magic in _LOG_MAGIC and page_bytes == PAGE_BYTES) and (
        _LOG_HEADER.unpack(raw)[6:] == sums
    )
    step = _FRAME_HEADER.size + PAGE_BYTES
    pending: dict[int, int] = {}
    foreign: dict[int, int] = {}
    for at in range(_LOG_HEADER.size, _size(handle) - step + 1, step):
        head = _read(handle, at, _FRAME_HEADER.size)
        if len(head) < _FRAME_HEADER.size:
            chained = False
            continue
        number, commit, *frame_salts, first, second = _FRAME_HEADER.unpack(head)
        if chained:
            content = _read(handle, at + _FRAME_HEADER.size, PAGE_BYTES)
            sums = _sums(_sums(sums, head[:8], order), content, order)
            chained = number != 0 and frame_salts == salts and sums == (first, second)
        if chained:
            pending[number] = at + _FRAME_HEADER.size
            if commit:
                log.believed.update(pending)
                pending.clear()
        kept = log.all if frame_salts == salts else foreign
        kept[number] = at + _FRAME_HEADER.size
    for number, at in foreign.items():
        log.all.setdefault(number, at)
    return log


def _sums(before: tuple[int, int], raw: bytes, order: str) -> tuple[int, int]:
    """Go on with the log's checksum over a multiple of eight bytes."""
    first, second = before
    words = struct.unpack(f"{order}{len(raw) // 8 * 2}I", raw[: len(raw) // 8 * 8])
    for n in range(0, len(words), 2):
        first = first + words[n] + second & _U32
        second = second + words[n + 1] + first & _U32
    return first, second


def _size(handle: int) -> int:
    return os.fstat(handle).st_size if handle >= 0 else 0


def _read(handle: int, at: int, size: int) -> bytes:
    """Return what the disk gives of a range; a block that it refuses is as good as missing."""
    if handle < 0:
        return b""
    try:
        return os.pread(handle, size, at)
    except OSError:
        return b""
