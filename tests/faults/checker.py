"""Every record whose commit returned is at the fleet once, unaltered, in order, or still queued.

Sees a truth log that the test wrote, the bytes of a station's queue and the fleet's rows; of the
product it imports nothing. Groups are taken apart by the second reader of the wire, which was
written from its specification. Does not know which faults were played.

The truth log has two kinds of lines: `t MARK LANE` before a record is filed, `s EPOCH LANE SEQ
MARK` after its commit returned. What was tried and never said may be there once or not at all.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.faults.content import LANES, differs, identity_of, operations_of

sys.path.append(str(Path(__file__).parents[1] / "unit" / "wire"))
import wire_independent as spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOST = ("lost", "dropped_tail", "given_up")
DOUBLED = ("doubled", "number_reused")
BESIDE = ("", "-wal", ".marks")
_END = b"-----END PRIVATE KEY-----\n"

Place = tuple[bytes, str, int]
"""Epoch, lane, sequence number."""


class Finding(NamedTuple):
    """What doesn't hold: a name from the list below, and where."""

    name: str
    where: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the test tried, in order, and what it was told."""

    tried: Mapping[int, tuple[str, int]]
    """Mark to lane and place in the order of trying."""
    said: tuple[tuple[Place, int], ...]

    @classmethod
    def read(cls, path: Path) -> Truth:
        tried: dict[int, tuple[str, int]] = {}
        said: list[tuple[Place, int]] = []
        for line in path.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue  # its writer was killed
            match line.split():
                case ["t", mark, lane]:
                    tried.setdefault(int(mark), (lane, len(tried)))
                case ["s", epoch, lane, seq, mark]:
                    said.append(((bytes.fromhex(epoch), lane, int(seq)), int(mark)))
        return cls(tried, tuple(said))


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the two parts of a record, raw."""

    operations: bytes = field(repr=False)
    identity: bytes = field(repr=False)

    @classmethod
    def read(cls, operations: Path, identity: Path) -> Keys:
        return cls(_raw_key(operations.read_bytes()), _raw_key(identity.read_bytes()))


def _raw_key(pem: bytes) -> bytes:
    halves = [half + _END for half in pem.split(_END) if half.strip()]
    return b"".join(
        load_pem_private_key(half, password=None).private_bytes_raw()  # type: ignore[union-attr]  # ML-KEM, X25519
        for half in halves
    )


class Opened(NamedTuple):
    """A group taken apart."""

    body: dict[str, Any]
    operations: tuple[dict[str, Any], ...]
    identities: tuple[dict[str, Any] | None, ...]
    payload: bytes


class Opener:
    """Opens groups, each once however often it is asked."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._opened: dict[bytes, Opened] = {}

    def open(self, raw: bytes) -> Opened:
        """Take a group apart; raises whatever a broken one makes a parser raise."""
        if raw not in self._opened:
            payload = spec.payload_of(raw)
            body = spec.cbor2.loads(payload)
            records = body.get("records", ())  # a tombstone has none
            seqs = range(body["first"], body["first"] + len(records))
            self._opened[raw] = Opened(
                body,
                tuple(self._part(body, seq, "operations") for seq in seqs),
                tuple(
                    self._part(body, seq, "identity") if one[2] is not None else None
                    for seq, one in zip(seqs, records, strict=True)
                ),
                payload,
            )
        return self._opened[raw]

    def _part(self, body: dict[str, Any], seq: int, compartment: str) -> dict[str, Any]:
        private = self._keys.operations if compartment == "operations" else self._keys.identity
        return spec.open_part(body, seq, compartment, private)


@dataclass(slots=True)
class Held:
    """What one side holds of a device."""

    records: dict[Place, dict[str, Any]] = field(default_factory=dict)
    """Operations parts."""
    groups: dict[tuple[bytes, str, int], bytes] = field(default_factory=dict)
    marks: dict[tuple[bytes, str], tuple[int, int]] = field(default_factory=dict)
    """Of a lane: at a station (acknowledged, next); at the fleet (high water, 0)."""
    heads: dict[tuple[bytes, str], bytes] = field(default_factory=dict)
    broken: list[Finding] = field(default_factory=list)


class Found(NamedTuple):
    """What a check found, and how many records' commits had returned."""

    findings: list[Finding]
    said: int
    arrived: int


def check(
    truth: Path,
    queue: Path,
    fleet: Path,
    *,
    device: str,
    opener: Opener,
    drained: bool,
    restored: bool = False,
) -> Found:
    """Judge one device. Read in this order, so that it holds while the device goes on.

    Args:
        truth: the test's log.
        queue: the station's database.
        fleet: the fleet's database.
        device: its name.
        opener: opens groups.
        drained: whether everything was given time to arrive: then it must be at the fleet.
        restored: whether the fleet was put back to an earlier copy and may lack what it receipted.
    """
    told = Truth.read(truth)
    station = read_queue(queue, device, opener)
    central = read_fleet(fleet, device, opener)
    findings = [
        *station.broken,
        *central.broken,
        *_said_twice(told),
        *_where_it_is(told, station, central, drained=drained),
        *_content(told, station, central),
        *_once_and_in_order(told, station, central),
        *_marks(station, central, drained=drained, restored=restored and not drained),
    ]
    return Found(findings, len(told.said), len(central.records))


def check_branches(
    truth: Path, queue: Path, fleet: Path, *, device: str, opener: Opener
) -> list[Finding]:
    """Judge a device whose disk was put back and that went on: a fork, and both branches kept."""
    told = Truth.read(truth)
    station = read_queue(queue, device, opener)
    central = read_fleet(fleet, device, opener)
    forks = [one for one in central.broken if one.name == "forked"]
    findings = [one for one in (*station.broken, *central.broken) if one.name != "forked"]
    if not forks:
        findings.append(Finding("fork_not_found", device))
    kept = {
        part.get("at_hour"): part
        for side in (station.records, central.records, _forked(fleet, device, opener))
        for part in side.values()
    }
    for place, mark in told.said:
        if mark not in kept:
            findings.append(Finding("lost", f"{_text(place)}, of one of the branches"))
        elif differs(kept[mark], operations_of(mark)):
            findings.append(Finding("altered", _text(place)))
    return findings


def _forked(fleet: Path, device: str, opener: Opener) -> dict[Place, dict[str, Any]]:
    """The operations parts of the groups that a fleet keeps beside the stored ones."""
    with _opened(fleet) as db:
        rows = db.execute("SELECT lane, sealed FROM fork WHERE device = ?", (device,)).fetchall()
    return {
        (raw, lane, n): part
        for lane, raw in rows
        for n, part in enumerate(opener.open(raw).operations)
    }


def _said_twice(told: Truth) -> Iterator[Finding]:
    marks: dict[Place, int] = {}
    for place, mark in told.said:
        if marks.setdefault(place, mark) != mark:
            yield Finding("number_reused", _text(place))


def _where_it_is(told: Truth, station: Held, central: Held, *, drained: bool) -> Iterator[Finding]:
    ends: dict[tuple[bytes, str], int] = defaultdict(int)
    for epoch, lane, seq in (*station.records, *central.records):
        ends[epoch, lane] = max(ends[epoch, lane], seq)
    for place, _ in told.said:
        at_fleet, queued = place in central.records, place in station.records
        if at_fleet or (queued and not drained):
            continue
        tail = place[2] > ends[place[:2]]
        yield Finding("dropped_tail" if tail else "lost", _text(place))
    for lane, (_, following) in station.marks.items():
        seqs = [place[2] for place, _ in told.said if place[:2] == lane]
        if seqs and max(seqs) >= following:
            yield Finding("number_reused", f"{lane[1]}: {following} will be given again")


def _content(told: Truth, station: Held, central: Held) -> Iterator[Finding]:
    said = dict(told.said)
    for side in (station, central):
        for place, part in side.records.items():
            mark = part.get("at_hour")
            if not isinstance(mark, int) or differs(part, operations_of(mark)):
                yield Finding("altered", _text(place))
            elif mark not in told.tried:
                yield Finding("ghost", _text(place))
            elif said.get(place, mark) != mark:
                yield Finding("altered", f"{_text(place)}: another record's content")
    for key, raw in central.groups.items():
        if station.groups.get(key, raw) != raw:
            yield Finding("altered", f"{_text(key)}: the group is not the station's")


def _once_and_in_order(told: Truth, station: Held, central: Held) -> Iterator[Finding]:
    places: dict[int, set[Place]] = defaultdict(set)
    lanes: dict[tuple[bytes, str], dict[int, int]] = defaultdict(dict)
    for side in (station, central):
        for place, part in side.records.items():
            mark = part.get("at_hour")
            if isinstance(mark, int) and mark in told.tried:
                places[mark].add(place)
                lanes[place[:2]][place[2]] = told.tried[mark][1]
    for where in places.values():
        if len(where) > 1:
            yield Finding("doubled", " and ".join(sorted(map(_text, where))))
    for (_, lane), order in lanes.items():
        tried = [order[seq] for seq in sorted(order)]
        if tried != sorted(tried):
            yield Finding("reordered", lane)


def _marks(station: Held, central: Held, *, drained: bool, restored: bool) -> Iterator[Finding]:
    for lane, (high_water, _) in central.marks.items():
        seqs = {place[2] for place in central.records if place[:2] == lane}
        if high_water > len(seqs & set(range(1, high_water + 1))):
            yield Finding("high_water_beyond_held", f"{lane[1]} {high_water}")
        if any(seq > high_water for seq in seqs):
            yield Finding("gap", f"{lane[1]}: beyond {high_water}")
        if drained and lane in station.marks and high_water >= station.marks[lane][1]:
            yield Finding("number_reused", f"{lane[1]}: the fleet holds what will be given again")
    for lane, (acknowledged, _) in station.marks.items():
        high_water, _ = central.marks.get(lane, (0, 0))
        if acknowledged > high_water and not restored:
            yield Finding("receipt_for_what_is_not_stored", f"{lane[1]} {acknowledged}")


def read_queue(path: Path, device: str, opener: Opener) -> Held:
    """Read a station's queue."""
    held = Held()
    try:
        with _opened(path) as db:
            _intact(db, held, "the queue")
            ((epoch,),) = db.execute("SELECT epoch FROM meta").fetchall()
            for lane, following, acknowledged, head in db.execute(
                "SELECT lane, next_seq, acked_seq, chain_head FROM lanes"
            ):
                held.marks[epoch, lane] = acknowledged, following
                held.heads[epoch, lane] = head
            rows = db.execute("SELECT lane, first, raw FROM groups ORDER BY lane, first").fetchall()
    except (sqlite3.Error, ValueError) as error:
        held.broken.append(Finding("unreadable", f"the queue: {error}"))
        return held
    for lane, first, raw in rows:
        _take(held, (device, epoch, lane, first), raw, opener)
    _chains(held, device, opener, whole=False)
    return held


def read_fleet(path: Path, device: str, opener: Opener) -> Held:
    """Read a device's rows."""
    held = Held()
    try:
        with _opened(path) as db:
            _intact(db, held, "the fleet's database")
            for epoch, lane, high_water, head in db.execute(
                "SELECT epoch, lane, high_water, head FROM lane WHERE device = ?", (device,)
            ):
                held.marks[epoch, lane] = high_water, 0
                held.heads[epoch, lane] = head
            groups = db.execute(
                "SELECT epoch, lane, first, sealed FROM commit_group WHERE device = ?"
                " ORDER BY epoch, lane, first",
                (device,),
            ).fetchall()
            rows = db.execute(
                "SELECT epoch, lane, seq, operations FROM record WHERE device = ?", (device,)
            ).fetchall()
            forks = db.execute(
                "SELECT lane, first FROM fork WHERE device = ?", (device,)
            ).fetchall()
    except (sqlite3.Error, ValueError) as error:
        held.broken.append(Finding("unreadable", f"the fleet's database: {error}"))
        return held
    held.broken += [Finding("forked", f"{lane} {first}") for lane, first in forks]
    for epoch, lane, first, raw in groups:
        _take(held, (device, epoch, lane, first), raw, opener)
    _chains(held, device, opener, whole=True)
    in_groups = set(held.records)
    held.records = {
        (epoch, lane, seq): json.loads(operations) for epoch, lane, seq, operations in rows
    }
    held.broken += [
        Finding("altered", f"{_text(place)}: a row without its sealed group, or the reverse")
        for place in in_groups ^ set(held.records)
    ]
    if len(held.records) != len(rows):
        held.broken.append(Finding("doubled", "rows"))
    return held


def _take(held: Held, place: tuple[str, bytes, str, int], raw: bytes, opener: Opener) -> None:
    """Take a group apart: it must say that it stands where it stands."""
    _, epoch, lane, first = place
    try:
        opened = opener.open(raw)
    except Exception as error:  # noqa: BLE001 - whatever a broken group makes a parser raise
        where = f"{lane} {first}: {type(error).__name__}"
        held.broken.append(Finding("altered", f"the group at {where}"))
        return
    if not opened.operations:
        held.broken.append(Finding("given_up", f"{lane} {first}"))
        return
    body = opened.body
    if [body[name] for name in ("device", "epoch", "lane", "first")] != list(place):
        held.broken.append(Finding("altered", f"the group at {lane} {first} says another place"))
    held.groups[epoch, lane, first] = raw
    for seq, (operations, identity) in enumerate(
        zip(opened.operations, opened.identities, strict=True), start=first
    ):
        held.records[epoch, lane, seq] = operations
        expected = identity_of(operations.get("at_hour", 0))
        if (identity is None) != (expected is None) or differs(identity, expected):
            held.broken.append(Finding("altered", f"the identity part of {lane} {seq}"))
    held.heads.setdefault((epoch, lane), b"")


def _chains(held: Held, device: str, opener: Opener, *, whole: bool) -> None:
    """Follow each lane's heads; a fleet's begins at the beginning, a station's where it kept."""
    for (epoch, lane), end in held.heads.items():
        kept = sorted(key[2] for key in held.groups if key[:2] == (epoch, lane))
        head = spec.genesis(device, epoch, lane)
        following = 1
        for n, first in enumerate(kept):
            opened = opener.open(held.groups[epoch, lane, first])
            body = opened.body
            if n == 0 and not whole:
                head, following = body["previous_head"], first
            if (body["previous_head"], body["first"]) != (head, following):
                held.broken.append(Finding("chain_broken", f"{lane} {first}"))
            head, following = spec.next_head(head, opened.payload), first + body["count"]
        if kept and head != end:
            held.broken.append(Finding("chain_broken", f"{lane}: the end"))


def _intact(db: sqlite3.Connection, held: Held, what: str) -> None:
    ((said,),) = db.execute("PRAGMA integrity_check(1)").fetchall()
    if said != "ok":
        held.broken.append(Finding("unreadable", f"{what}: {said}"))


class _opened(closing[sqlite3.Connection]):  # noqa: N801 - used as a function
    """A copy of a database as a crash at this moment would leave it.

    The bytes themselves are never opened: even a reader would recover the log and change them.
    """

    def __init__(self, path: Path) -> None:
        self._folder = TemporaryDirectory()
        copy = Path(self._folder.name) / "copy.db"
        if not path.exists():
            self._folder.cleanup()
            raise ValueError("there is none")
        copy_database(path, copy)
        super().__init__(sqlite3.connect(copy))

    def __exit__(self, *info: object) -> None:
        super().__exit__(*info)
        self._folder.cleanup()


def copy_database(path: Path, copy: Path) -> None:
    """Copy a database whose process is dead: the file, its log, and what a station keeps beside."""
    for ending in BESIDE:
        if (part := path.with_name(path.name + ending)).exists():
            shutil.copyfile(part, copy.with_name(copy.name + ending))


def _text(place: tuple[bytes, str, int]) -> str:
    epoch, lane, seq = place
    return f"{epoch.hex()[:6]}/{lane}/{seq}"


def sums(findings: list[Finding]) -> tuple[int, int, int]:
    """How many were lost, doubled, or otherwise wrong."""
    lost = sum(one.name in LOST for one in findings)
    doubled = sum(one.name in DOUBLED for one in findings)
    return lost, doubled, len(findings) - lost - doubled


__all__ = ["LANES", "Finding", "Found", "Keys", "Opener", "check", "check_branches", "sums"]
