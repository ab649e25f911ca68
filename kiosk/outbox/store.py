"""The queue's file: SQLite in WAL mode, every commit on the disk before it is believed.

Knows the file, its quota, its transactions and what helps when the disk is full. Does not know
keys: it sees sealed groups and heads, never a record. Not for several threads at once; the Outbox
holds a lock around it. Whatever SQLite says but "full" or "busy" closes the file for good: after a
failed sync nobody knows what the disk holds, so it is opened again, never retried and trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from kiosk.outbox.errors import (
    OutboxError,
    QueueBroken,
    QueueDamaged,
    QueueFailed,
    QueueFull,
)
from kiosk.outbox.schema import migrate, recognise
from wire.canonical import dump
from wire.group import SealedGroup
from wire.record import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import UnionType

DEFAULT_QUOTA_BYTES: Final = 256 * 1024 * 1024
MIN_QUOTA_BYTES: Final = 256 * 1024
RESERVE_BYTES: Final = 512 * 1024
"""Of a file beside the database, given back to the disk when a full one would stop the draining."""

PRUNE_BYTES: Final = 128 * 1024
"""Of groups that one transaction deletes."""

_BLOCK_BYTES: Final = 4096
_WAL_PAGES: Final = 100
_SUM_BYTES: Final = 16
_DAMAGED: Final = (
    sqlite3.SQLITE_ERROR,  # a table or a column that a true file has isn't there
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_NOTADB,
)
_NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_BUSY_TIMEOUT_S: Final = 5.0
_PRAGMAS: Final = (
    "page_size = 4096",
    "journal_mode = WAL",
    "synchronous = FULL",
    f"wal_autocheckpoint = {_WAL_PAGES}",
    "journal_size_limit = 1048576",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose queue a file is.

    Attributes:
        device: the station's id.
        epoch: 16 random bytes, made with the file.
        station_key: SubjectPublicKeyInfo of the key that signs its groups.
    """

    device: str
    epoch: bytes
    station_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LaneState:
    """Where a lane stands.

    Attributes:
        lane: which.
        next_seq: the next record's number.
        acked_seq: the last number that the fleet holds without a gap.
        chain_head: after the last group.
        sound: the row is as it was written.
    """

    lane: Lane
    next_seq: int
    acked_seq: int
    chain_head: bytes = field(repr=False)
    sound: bool = True

    @property
    def waiting(self) -> int:
        """Numbers that the fleet hasn't acknowledged."""
        return self.next_seq - 1 - self.acked_seq

    def sum(self, epoch: bytes) -> bytes:
        """Return the checksum of the row that says this, in the queue of an epoch: 16 bytes."""
        said = ["tram lane", epoch, self.lane, self.next_seq, self.acked_seq, self.chain_head]
        return hashlib.sha256(dump(said)).digest()[:_SUM_BYTES]


@dataclass(frozen=True, slots=True)
class Birth:
    """What a new file begins with: its owner and the head before each lane's first group."""

    owner: Owner
    heads: dict[Lane, bytes] = field(repr=False)


class Store:
    """One open file. Made by `open` alone."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._reserve = _reserve_of(path)
        self._epoch: bytes | None = None
        self._quota_pages = 0
        self._keeps_reserve = False

    @classmethod
    def open(
        cls, path: Path, *, quota_bytes: int | None = None, birth: Callable[[], Birth] | None = None
    ) -> Store:
        """Open the file, or make it.

        Args:
            path: the database; its folder exists.
            quota_bytes: the database never grows beyond; at least MIN_QUOTA_BYTES. None is what it
                was when a station last opened it.
            birth: what a new file begins with; None opens an existing file only.

        Raises:
            QueueFull: no room to make it.
            QueueFailed: there is none, or it can't be used.
        """
        if quota_bytes is not None and quota_bytes < MIN_QUOTA_BYTES:
            raise QueueFailed(f"a quota below {MIN_QUOTA_BYTES} bytes")
        try:
            return cls._opened(path, quota_bytes, birth)
        except OutboxError as error:
            # Even to begin reading SQLite needs a few pages beside the file: a full disk looks like
            # a broken one, and what would drain it must not wait for someone to make room.
            code = getattr(error.__cause__, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
            if birth is None or code not in _NO_ROOM or not _unlink(_reserve_of(path)):
                raise
        return cls._opened(path, quota_bytes, birth)

    @classmethod
    def _opened(
        cls, path: Path, quota_bytes: int | None, birth: Callable[[], Birth] | None
    ) -> Store:
        try:
            os.close(os.open(path, os.O_RDWR | (os.O_CREAT if birth else 0), 0o600))
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        except (OSError, sqlite3.Error) as error:
            raise QueueFailed("the queue can't be opened") from error
        store = cls(db, path)
        try:
            store._set_up(quota_bytes, birth)
        except BaseException:
            db.close()
            raise
        return store

    def _set_up(self, quota_bytes: int | None, birth: Callable[[], Birth] | None) -> None:
        with self._judged():
            recognise(self._db)
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}").fetchall()
        with self.transaction() as db:
            migrate(db)
            if db.execute("SELECT count(*) FROM meta").fetchone() == (0,):
                if birth is None:
                    raise QueueFailed("the queue was never begun")
                _begin(db, birth())
            self._sum_old_lanes(db)
            if quota_bytes is not None:
                db.execute(
                    "UPDATE meta SET quota_bytes = ?1 WHERE quota_bytes != ?1", (quota_bytes,)
                )
        self._quota_pages = self.quota_bytes() // self._pragma("page_size")
        self._keeps_reserve = birth is not None
        self.bound_growth()

    def bound_growth(self) -> None:
        """Let the database grow up to its quota; not at all while its reserve isn't whole.

        What an insert adds must later be moved from the log into the database: if the disk had no
        room for that, the log could never be used again, and no delivery could be noted either.

        Raises:
            QueueFailed: the file can't be used.
        """
        may_grow = not self._keeps_reserve or self.fill_reserve()
        pages = self._quota_pages if may_grow else self._pragma("page_count")
        with self._judged():
            self._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    def _pragma(self, name: str) -> int:
        with self._judged():
            (value,) = self._db.execute(f"PRAGMA {name}").fetchone()
        return cast("int", value)

    def close(self) -> None:
        """Close the file. It may be closed again."""
        self._db.close()
        if self._keeps_reserve:
            # SQLite has just deleted its log: the next opening needs that room again.
            self.fill_reserve()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements and commit them: on the disk when this returns, or not at all.

        Raises:
            QueueFull: the quota or the disk is used up; nothing changed.
            QueueFailed: the file can't be used.
        """
        with self._judged():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """Turn what SQLite says into what the caller can do about it."""
        try:
            yield
        except UnicodeDecodeError as error:  # a message that quotes a damaged schema
            self._db.close()
            raise QueueDamaged("the queue's tables are damaged") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
            if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
                self._db.close()
            elif self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            if code == sqlite3.SQLITE_FULL:
                raise QueueFull("the queue's quota or the disk is used up") from error
            if code in _DAMAGED:
                raise QueueDamaged(f"the queue is damaged (SQLite says {code})") from error
            raise QueueFailed(f"the queue can't be used (SQLite says {code})") from error

    def fill_reserve(self) -> bool:
        """Set disk space aside for draining, as much as there is; return whether it is whole."""
        try:
            handle = os.open(self._reserve, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                held = os.fstat(handle).st_size
                for size in range(held + _BLOCK_BYTES, RESERVE_BYTES + 1, _BLOCK_BYTES):
                    os.posix_fallocate(handle, 0, size)
            finally:
                os.close(handle)
        except OSError:
            return False
        return True

    def free_reserve(self) -> None:
        """Give the reserve back to the disk."""
        _unlink(self._reserve)

    def owner(self) -> Owner:
        """Return whose queue this is. Raises QueueFailed."""
        with self._judged():
            rows = self._db.execute("SELECT device, epoch, station_key FROM meta").fetchall()
        match rows:
            case [(str(device), bytes(epoch), bytes(station_key))]:
                return Owner(device, epoch, station_key)
        raise QueueDamaged("the queue has lost its owner")

    def _epoch_of(self) -> bytes:
        """Return the epoch, read once: it never changes."""
        if self._epoch is None:
            self._epoch = self.owner().epoch
        return self._epoch

    def lanes(self) -> tuple[LaneState, ...]:
        """Return where each lane stands, the most urgent first. Raises QueueFailed."""
        query = "SELECT lane, next_seq, acked_seq, chain_head, sum FROM lanes"
        epoch = self._epoch_of()
        with self._judged():
            rows = self._db.execute(query).fetchall()
        found = {}
        for *said, checksum in rows:
            state = LaneState(*_typed(tuple(said), str, int, int, bytes))
            sound = checksum == state.sum(epoch)
            found[state.lane] = state if sound else replace(state, sound=False)
        if set(found) != set(LANES):
            raise QueueDamaged("the queue has lost a lane")
        return tuple(found[lane] for lane in LANES)

    def lane(self, lane: Lane) -> LaneState:
        """Return where one lane stands.

        Raises:
            QueueBroken: its row is damaged.
            QueueFailed: the file can't be used.
        """
        state = self.lanes()[LANES.index(lane)]
        if not state.sound:
            raise QueueBroken(lane, state.next_seq, "the lane's own row is damaged")
        return state

    def put_lane(self, state: LaneState) -> None:
        """Note where a lane stands, within a transaction."""
        values = (state.next_seq, state.acked_seq, state.chain_head, state.sum(self._epoch_of()))
        self._db.execute(
            "UPDATE lanes SET next_seq = ?, acked_seq = ?, chain_head = ?, sum = ? WHERE lane = ?",
            (*values, state.lane),
        )

    def _sum_old_lanes(self, db: sqlite3.Connection) -> None:
        """Give rows of version 1, and new ones, their checksums, within a transaction."""
        rows = db.execute(
            "SELECT lane, next_seq, acked_seq, chain_head FROM lanes WHERE sum IS NULL"
        ).fetchall()
        for row in rows:
            self.put_lane(LaneState(*row))

    def groups(self, lane: Lane, *, after_seq: int, limit: int) -> tuple[SealedGroup, ...]:
        """Return groups and tombstones that reach beyond after_seq, in order, at most limit.

        Raises:
            QueueBroken: one isn't as it was written.
            QueueFailed: the file can't be used.
        """
        query = """
            SELECT lane, first, count, previous_head, head, lost, raw, sum FROM groups
            WHERE lane = ?1 AND first + count - 1 > ?2 AND first >= coalesce(
                (SELECT max(first) FROM groups WHERE lane = ?1 AND first <= ?2 + 1), 0)
            ORDER BY first LIMIT ?3
        """
        with self._judged():
            rows = self._db.execute(query, (lane, after_seq, limit)).fetchall()
        kinds = (str, int, int, bytes, bytes, int, bytes, int | None)
        return tuple(_group(_typed(row, *kinds)) for row in rows)

    def group_ending(self, lane: Lane, seq: int) -> SealedGroup | None:
        """Return the group whose last record is seq, if it is held. Raises QueueFailed."""
        found = self.groups(lane, after_seq=seq - 1, limit=1)
        return found[0] if found and found[0].last == seq else None

    def spans(self, lane: Lane, seq: int) -> bool:
        """Return whether a tombstone that is held stands for seq. Raises QueueFailed."""
        found = self.groups(lane, after_seq=seq - 1, limit=1)
        return bool(found) and found[0].lost and found[0].first <= seq

    def links(self, lane: Lane) -> tuple[tuple[int, int, bytes, bytes], ...]:
        """Return (first, count, previous head, head) of every held group, in order."""
        query = "SELECT first, count, previous_head, head FROM groups WHERE lane = ? ORDER BY first"
        with self._judged():
            rows = self._db.execute(query, (lane,))
            return tuple(_typed(row, int, int, bytes, bytes) for row in rows)

    def filed_at(self, lane: Lane, *, after_seq: int) -> int | None:
        """Return when the first group after after_seq was filed, in UTC seconds."""
        query = "SELECT filed_at FROM groups WHERE lane = ? AND first > ? ORDER BY first LIMIT 1"
        with self._judged():
            row = self._db.execute(query, (lane, after_seq)).fetchone()
        return None if row is None else cast("int", _typed(row, int)[0])

    def bytes_used(self) -> int:
        """Return the bytes of the database's pages in use. Raises QueueFailed."""
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def quota_bytes(self) -> int:
        """Return the bytes the database may grow to. Raises QueueFailed."""
        with self._judged():
            (quota,) = self._db.execute("SELECT total(quota_bytes) FROM meta").fetchone()
        return int(quota)

    def check_pages(self) -> None:
        """Read the whole file. Raises QueueFailed if SQLite finds it damaged."""
        with self._judged():
            (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise QueueDamaged("the file is damaged")


def _typed(row: tuple[Any, ...], *kinds: type | UnionType) -> tuple[Any, ...]:
    """Return a row whose values are of these kinds.

    A damaged page may hold anything, whatever the schema says of its columns.

    Raises:
        QueueDamaged: one is of another kind.
    """
    if not all(map(isinstance, row, kinds)):
        raise QueueDamaged("the queue holds what was never put there")
    return row


def insert_group(
    db: sqlite3.Connection, group: SealedGroup, types: Sequence[str], *, at: int
) -> None:
    """Put a group or a tombstone at the end of its lane, within a transaction.

    Args:
        db: the open file.
        group: what to keep.
        types: of a group's records, in order; a tombstone has none.
        at: when it was filed, UTC seconds.
    """
    db.execute(
        "INSERT INTO groups (lane, first, count, previous_head, head, filed_at, raw, sum, lost)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(group.lane, group.first, group.count, group.previous_head, group.head, at),
            *(group.raw, zlib.crc32(group.raw), int(group.lost)),
        ),
    )
    db.executemany(
        "INSERT INTO records (lane, seq, first, type) VALUES (?, ?, ?, ?)",
        [(group.lane, group.first + n, group.first, name) for n, name in enumerate(types)],
    )


def prune(db: sqlite3.Connection, *, keep_bytes: int, filed_before: int) -> int:
    """Delete the oldest acknowledged groups of each lane, within a transaction.

    A group goes when it was filed before filed_before, or while its lane keeps more than keep_bytes
    of acknowledged groups; always from the oldest on, so that what remains is one chain. At most
    about PRUNE_BYTES go at once: on a full disk a larger transaction would find no room in the log.

    Returns:
        Groups deleted; 0 when nothing is left to delete.
    """
    deleted = deleted_bytes = 0
    for lane, acked_seq in db.execute("SELECT lane, acked_seq FROM lanes").fetchall():
        acked = (lane, acked_seq)
        where = "FROM groups WHERE lane = ? AND first + count - 1 <= ?"
        (kept,) = db.execute(f"SELECT total(length(raw)) {where}", acked).fetchone()
        oldest = db.execute(
            f"SELECT first, count, filed_at, length(raw) {where} ORDER BY first",
            acked,
        )
        last = 0
        for row in oldest:
            first, count, filed_at, size = _typed(row, int, int, int, int)
            if kept <= keep_bytes and filed_at >= filed_before:
                break
            if deleted_bytes >= PRUNE_BYTES:
                break
            last = first + count - 1
            kept -= size
            deleted += 1
            deleted_bytes += size
        db.execute("DELETE FROM groups WHERE lane = ? AND first <= ?", (lane, last))
        db.execute("DELETE FROM records WHERE lane = ? AND seq <= ?", (lane, last))
    return deleted


def _begin(db: sqlite3.Connection, birth: Birth) -> None:
    owner = birth.owner
    db.execute(
        "INSERT INTO meta (id, device, epoch, station_key, quota_bytes) VALUES (1, ?, ?, ?, ?)",
        (owner.device, owner.epoch, owner.station_key, DEFAULT_QUOTA_BYTES),
    )
    db.executemany(
        "INSERT INTO lanes (lane, next_seq, acked_seq, chain_head) VALUES (?, 1, 0, ?)",
        list(birth.heads.items()),
    )


def _reserve_of(path: Path) -> Path:
    return path.with_name(path.name + ".reserve")


def _unlink(path: Path) -> bool:
    """Return whether there was one to delete."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _group(row: tuple[Lane, int, int, bytes, bytes, int, bytes, int | None]) -> SealedGroup:
    lane, first, count, previous_head, head, lost, raw, checksum = row
    if checksum is not None and checksum != zlib.crc32(raw):
        raise QueueBroken(lane, first, "the group is not as it was written")
    return SealedGroup(
        lane=lane,
        first=first,
        count=count,
        previous_head=previous_head,
        head=head,
        raw=raw,
        lost=bool(lost),
    )
