"""The fleet's database: who is enrolled, what each lane has delivered, and the audit chain.

Knows SQL and transactions. Does not know signatures, keys or brokers: a delivery that comes here is
verified and its operations parts are opened; identity parts stay inside the sealed group.

Everything of one batch, the chain checks and the marks included, is one transaction: after a crash
either all of it is stored or none, and a receipt is signed only after the commit.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fleet.store.acceptance import (
    NOTHING_STORED,
    Acceptance,
    GroupPlace,
    LaneMarks,
    LossPlace,
    judge,
    judge_loss,
)
from fleet.store.schema import STEPS
from wire.group import genesis_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from wire.record import Lane

BUSY_S = 5.0
PAGE = 500
"""Records read at once."""
DEVICE_COLUMNS = (
    "id, site, station_key, simulators_allowed, enrolled_at, last_seen, link, refused, last_refusal"
)
IN_MEMORY = Path(":memory:")
"""A database that nobody else sees and that is gone when it is closed."""
AUDIT_START = bytes(32)
"""The audit head before the first group."""


class StoreError(Exception):
    """The database cannot be used; nothing of the running batch was stored."""


class DeviceKnownError(StoreError):
    """A device of that name is enrolled already."""


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device and what was last heard of it."""

    id: str
    site: str
    station_key: bytes = field(repr=False)
    simulators_allowed: bool
    enrolled_at: str
    last_seen: str | None = None
    link: str = "unknown"
    refused: int = 0
    last_refusal: str | None = None


@dataclass(frozen=True, slots=True)
class LaneName:
    """One lane of one device's database."""

    device: str
    epoch: bytes
    lane: Lane


@dataclass(frozen=True, slots=True)
class Delivery:
    """One group, verified: its place, itself as signed, and one opened operations part a record.

    Attributes:
        lane: whose it is.
        place: where it belongs.
        operations: JSON, in the order of the sequence numbers; `place.count` of them.
        sealed: the whole group as it came.
    """

    lane: LaneName
    place: GroupPlace
    operations: tuple[str, ...] = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Loss:
    """One tombstone, verified.

    Attributes:
        lane: whose it is.
        first: the first number that will never come.
        last: the last one.
        given: how many of them were surely given.
        previous_head: the chain head before first.
        head: the chain head that the lane goes on from.
        restarts: what came after is not known.
        quarantine: what names the bytes that its station kept.
        sealed: the tombstone as it came.
    """

    lane: LaneName
    first: int
    last: int
    given: int
    previous_head: bytes
    head: bytes
    restarts: bool
    quarantine: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Drop:
    """A message that was not taken: why, and of which device if its signature proved one."""

    why: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class LinkWord:
    """What was said of a device's link, and whether that is a sign of life."""

    link: str
    alive: bool


@dataclass(frozen=True, slots=True)
class LaneReached:
    """How far one lane is stored, after a commit."""

    lane: LaneName
    marks: LaneMarks
    audit_head: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch: a verdict for each delivery, and how far each of their lanes is."""

    verdicts: tuple[Acceptance, ...]
    reached: tuple[LaneReached, ...]


class Store:
    """One connection to the fleet's database; used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open or make the database and bring its tables to today's shape.

        Args:
            path: the file; made with mode 0600 if there is none.

        Raises:
            StoreError: it is no database, or a newer program made it.
        """
        try:
            if path != IN_MEMORY:
                path.touch(mode=0o600)
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot open {path}") from error
        store = cls(connection)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
            store._migrate()
        except (sqlite3.Error, StoreError) as error:
            connection.close()
            raise StoreError(f"cannot use {path}: {error}") from error
        return store

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def enrol(
        self, device: str, *, site: str, station_key: bytes, simulators_allowed: bool, at: datetime
    ) -> None:
        """Enter a new device.

        Raises:
            DeviceKnownError: there is one of that name.
            StoreError: it could not be stored.
        """
        with self._transaction():
            if self.device(device) is not None:
                raise DeviceKnownError(f"{device} is enrolled already")
            self._db.execute(
                "INSERT INTO device (id, site, station_key, simulators_allowed, enrolled_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (device, site, station_key, int(simulators_allowed), _text(at)),
            )

    def device(self, name: str) -> Device | None:
        """Return one device, or None."""
        found = self._devices("WHERE id = ?", (name,))
        return found[0] if found else None

    def devices(self) -> list[Device]:
        """Return every enrolled device by name."""
        return self._devices("ORDER BY id", ())

    def lanes(self, device: str) -> list[tuple[LaneName, LaneMarks]]:
        """Return how far each lane of a device is stored."""
        rows = self._rows(
            "SELECT epoch, lane, high_water, head FROM lane WHERE device = ? ORDER BY epoch, lane",
            (device,),
        )
        return [
            (LaneName(device, epoch, lane), LaneMarks(high_water, head))
            for epoch, lane, high_water, head in rows
        ]

    def forks(self, device: str) -> int:
        """Return how many groups of a device tell another story than the stored one."""
        return self._count("SELECT count(*) FROM fork WHERE device = ?", (device,))

    def losses(self, device: str) -> list[tuple[LaneName, int, int, int]]:
        """Return (lane, first, last, surely given) of every tombstone of a device."""
        rows = self._rows(
            "SELECT epoch, lane, first, last, given FROM tombstone WHERE device = ?"
            " ORDER BY epoch, lane, first, last",
            (device,),
        )
        return [(LaneName(device, row[0], row[1]), *row[2:]) for row in rows]

    def records_held(self, device: str) -> int:
        """Return how many records of a device are stored."""
        return self._count("SELECT count(*) FROM record WHERE device = ?", (device,))

    def records(self, device: str | None = None) -> Iterator[tuple[LaneName, int, str]]:
        """Yield (lane, sequence number, operations part as JSON) in the order of the lanes.

        They are read by the page, so that a slow reader never holds the database's log.
        """
        query = (
            "SELECT device, epoch, lane, seq, operations FROM record"
            " WHERE (device, epoch, lane, seq) > (?, ?, ?, ?) AND (?5 IS NULL OR device = ?5)"
            " ORDER BY device, epoch, lane, seq LIMIT ?6"
        )
        last: tuple[str, bytes, str, int] = (device or "", b"", "", 0)
        while page := self._rows(query, (*last, device, PAGE)):
            for name, epoch, lane, seq, operations in page:
                yield LaneName(name, epoch, lane), seq, operations
            last = page[-1][:4]

    def dropped(self) -> dict[str, int]:
        """Return how many messages were dropped, by reason."""
        return dict(self._rows("SELECT why, count FROM dropped ORDER BY why"))

    def accept(
        self,
        deliveries: Sequence[Delivery | Loss],
        *,
        drops: Sequence[Drop] = (),
        links: Mapping[str, LinkWord] | None = None,
        at: datetime,
    ) -> Batch:
        """Store what continues its lane, keep what forks, and return how far the lanes are.

        Args:
            deliveries: verified groups and tombstones, in the order they came.
            drops: messages that were not taken, to be counted.
            links: device to what was last said of its link.
            at: now.

        Raises:
            StoreError: nothing of the batch was stored.
        """
        with self._transaction():
            self._count_drops(drops)
            self._db.executemany(
                "UPDATE device SET link = ?,"
                " last_seen = CASE WHEN ? THEN ? ELSE last_seen END WHERE id = ?",
                [
                    (word.link, word.alive, _text(at), device)
                    for device, word in (links or {}).items()
                ],
            )
            verdicts = tuple(self._take(delivery, at=_text(at)) for delivery in deliveries)
            lanes = dict.fromkeys(delivery.lane for delivery in deliveries)
            _, audit_head = self._audit_end()
            reached = tuple(LaneReached(lane, self.marks(lane), audit_head) for lane in lanes)
        return Batch(verdicts, reached)

    def marks(self, lane: LaneName) -> LaneMarks:
        """Return how far a lane is stored."""
        rows = self._rows(
            "SELECT high_water, head FROM lane WHERE device = ? AND epoch = ? AND lane = ?",
            (lane.device, lane.epoch, lane.lane),
        )
        if not rows:
            head = genesis_head(device=lane.device, epoch=lane.epoch, lane=lane.lane)
            return LaneMarks(NOTHING_STORED, head)
        return LaneMarks(*rows[0])

    def audit_head(self) -> bytes:
        """Return the head of the chain over all accepted groups, having walked it.

        Raises:
            StoreError: an entry is missing, or does not follow from the one before it.
        """
        head = AUDIT_START
        query = (
            "SELECT number, group_head, head FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        )
        last = 0
        while page := self._rows(query, (last, PAGE)):
            for number, group_head, stored in page:
                head = next_audit_head(head, group_head)
                if (number, stored) != (last + 1, head):
                    raise StoreError(f"the audit chain breaks at {last + 1}")
                last = number
        return head

    def _take(self, delivery: Delivery | Loss, *, at: str) -> Acceptance:
        lane = delivery.lane
        if isinstance(delivery, Loss):
            verdict, place = self._lose(delivery, at=at), (delivery.first, delivery.head)
        else:
            verdict = self._accept(delivery, at=at)
            place = (delivery.place.first, delivery.place.head)
        if verdict is Acceptance.FORK:
            self._db.execute(
                "INSERT INTO fork (device, epoch, lane, first, head, sealed, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (lane.device, lane.epoch, lane.lane, *place, delivery.sealed, at),
            )
        self._db.execute("UPDATE device SET last_seen = ? WHERE id = ?", (at, lane.device))
        return verdict

    def _lose(self, loss: Loss, *, at: str) -> Acceptance:
        """Let a lane go on over what its station lost."""
        lane = loss.lane
        key = (lane.device, lane.epoch, lane.lane)
        place = LossPlace(
            *(loss.first, loss.last, loss.previous_head, loss.head, loss.restarts),
            begins_on=self._built_on(lane, loss.first),
            ends_on=self._built_on(lane, loss.last + 1),
        )
        verdict = judge_loss(
            place,
            self.marks(lane),
            genesis=genesis_head(device=lane.device, epoch=lane.epoch, lane=lane.lane),
            stored=self._has_tombstone(loss),
        )
        if verdict is Acceptance.STORE:
            self._advance(lane, LaneMarks(loss.last, loss.head))
            self._db.execute(
                "INSERT INTO tombstone (device, epoch, lane, first, last, given, previous_head,"
                " head, quarantine, sealed, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*key, loss.first, loss.last, loss.given, loss.previous_head, loss.head),
                    *(loss.quarantine, loss.sealed, at),
                ),
            )
            self._extend_audit(hashlib.sha256(loss.sealed).digest())
        return verdict

    def _advance(self, lane: LaneName, marks: LaneMarks) -> None:
        self._db.execute(
            "INSERT INTO lane (device, epoch, lane, high_water, head) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (device, epoch, lane)"
            " DO UPDATE SET high_water = excluded.high_water, head = excluded.head",
            (lane.device, lane.epoch, lane.lane, marks.high_water, marks.head),
        )

    def _accept(self, delivery: Delivery, *, at: str) -> Acceptance:
        lane, place = delivery.lane, delivery.place
        key = (lane.device, lane.epoch, lane.lane)
        verdict = judge(
            place,
            self.marks(lane),
            self._stored(lane, place.first),
            lost=self._is_lost(lane, place),
        )
        if verdict is Acceptance.STORE:
            self._advance(lane, LaneMarks(place.last, place.head))
        if verdict in (Acceptance.STORE, Acceptance.FOUND):
            self._db.execute(
                "INSERT INTO commit_group (device, epoch, lane, first, count, previous_head, head,"
                " sealed, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*key, place.first, place.count, place.previous_head, place.head),
                    *(delivery.sealed, at),
                ),
            )
            self._db.executemany(
                "INSERT INTO record (device, epoch, lane, seq, operations) VALUES (?, ?, ?, ?, ?)",
                (
                    (*key, seq, operations)
                    for seq, operations in enumerate(delivery.operations, place.first)
                ),
            )
            self._extend_audit(place.head)
        return verdict

    def _count_drops(self, drops: Sequence[Drop]) -> None:
        for why, count in Counter(drop.why for drop in drops).items():
            self._db.execute(
                "INSERT INTO dropped (why, count) VALUES (?, ?)"
                " ON CONFLICT (why) DO UPDATE SET count = dropped.count + excluded.count",
                (why, count),
            )
        self._db.executemany(
            "UPDATE device SET refused = refused + 1, last_refusal = ? WHERE id = ?",
            [(drop.why, drop.device) for drop in drops if drop.device is not None],
        )

    def _stored(self, lane: LaneName, first: int) -> GroupPlace | None:
        rows = self._rows(
            "SELECT first, count, previous_head, head FROM commit_group"
            " WHERE device = ? AND epoch = ? AND lane = ? AND first = ?",
            (lane.device, lane.epoch, lane.lane, first),
        )
        return GroupPlace(*rows[0]) if rows else None

    def _built_on(self, lane: LaneName, first: int) -> bytes | None:
        """Return the chain head that what is stored from a number on was built on."""
        rows = self._rows(
            "SELECT previous_head FROM commit_group"
            " WHERE device = ?1 AND epoch = ?2 AND lane = ?3 AND first = ?4"
            " UNION ALL SELECT previous_head FROM tombstone"
            " WHERE device = ?1 AND epoch = ?2 AND lane = ?3 AND first = ?4",
            (lane.device, lane.epoch, lane.lane, first),
        )
        return rows[0][0] if rows else None

    def _has_tombstone(self, loss: Loss) -> bool:
        lane = loss.lane
        rows = self._rows(
            "SELECT previous_head, head FROM tombstone"
            " WHERE device = ? AND epoch = ? AND lane = ? AND first = ? AND last = ?",
            (lane.device, lane.epoch, lane.lane, loss.first, loss.last),
        )
        return rows == [(loss.previous_head, loss.head)]

    def _is_lost(self, lane: LaneName, place: GroupPlace) -> bool:
        """Return whether a tombstone covers a group and no record of it is stored."""
        key = (lane.device, lane.epoch, lane.lane)
        covered = self._count(
            "SELECT count(*) FROM tombstone"
            " WHERE device = ? AND epoch = ? AND lane = ? AND first <= ? AND last >= ?",
            (*key, place.first, place.last),
        )
        return covered > 0 and not self._count(
            "SELECT count(*) FROM record"
            " WHERE device = ? AND epoch = ? AND lane = ? AND seq BETWEEN ? AND ?",
            (*key, place.first, place.last),
        )

    def _audit_end(self) -> tuple[int, bytes]:
        rows = self._rows("SELECT number, head FROM audit ORDER BY number DESC LIMIT 1")
        return (rows[0][0], rows[0][1]) if rows else (0, AUDIT_START)

    def _extend_audit(self, group_head: bytes) -> None:
        number, head = self._audit_end()
        self._db.execute(
            "INSERT INTO audit (number, group_head, head) VALUES (?, ?, ?)",
            (number + 1, group_head, next_audit_head(head, group_head)),
        )

    def _devices(self, tail: str, values: tuple[Any, ...]) -> list[Device]:
        rows = self._rows(
            f"SELECT {DEVICE_COLUMNS} FROM device {tail}",  # noqa: S608 - constants of this module
            values,
        )
        return [_device(*row) for row in rows]

    def _count(self, query: str, values: tuple[Any, ...]) -> int:
        return int(self._rows(query, values)[0][0])

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _migrate(self) -> None:
        """Walk the steps that this database lacks."""
        with self._transaction():
            version = self._count("PRAGMA user_version", ())
            if version > len(STEPS):
                raise StoreError("a newer program made it")
            for number, script in enumerate(STEPS[version:], start=version + 1):
                for statement in filter(str.strip, script.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit if the body ends well, else leave everything as it was."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error


def _device(*row: Any) -> Device:
    name, site, station_key, simulators_allowed, enrolled_at, *heard = row
    return Device(name, site, station_key, bool(simulators_allowed), enrolled_at, *heard)


def next_audit_head(head: bytes, group_head: bytes) -> bytes:
    """Return the audit head after one more accepted group: SHA-256 over both heads."""
    return hashlib.sha256(head + group_head).digest()


def _text(at: datetime) -> str:
    """Return an aware time as ISO 8601 in whole seconds."""
    return at.isoformat(timespec="seconds")
