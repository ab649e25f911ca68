"""What a disk may hold after the power went: every such image opens, and lacks nothing.

A recorder under the station (`disk.c`, preloaded) writes down its writes and syncs. From that,
images are made: what was synced is there; of what was not, nothing, everything, the first part, or
any selection in pieces of 512 bytes or of 4 kB. The product opens each image, and by the bytes it
then holds every record that was said before the cut is there or was at the fleet.

The model of a disk: a file's sync makes its bytes, its length and its name durable; a piece is
written whole or not at all; a deletion is durable with the next sync of its folder or of a new file
of that name. Does not know disks that acknowledge a sync and forget.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from kiosk.outbox import OutboxError, Retention
from kiosk.station.home import DeviceHome
from tests.faults.checker import Finding, Found, Keys, Opener, Truth, read_queue
from tests.faults.content import LANES, differs, operations_of
from tests.faults.disk import compiled, in_memory
from tests.faults.homes import draft_of, make_fleet, open_queue
from tests.faults.life import DEVICE, SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.episodes import Tally

ROOT = Path(__file__).parents[2]
HEAD = struct.Struct("=IIQQ")
WRITE, TRUNCATE, SYNC, UNLINK, CREATE = 1, 2, 3, 4, 5
NAMES = {1: "outbox.db", 2: "outbox.db-wal", 3: "outbox.db-journal", 4: "outbox.db.marks"}
TRUTH, FOLDER = 5, 6
SECTORS = (512, 4096)
LIFE_S = 60
CARELESS_IMAGES = 120


class Event(NamedTuple):
    """One thing that happened to a file."""

    op: int
    file: int
    offset: int
    data: bytes


class Piece(NamedTuple):
    """What may or may not have reached the disk: bytes at a place, or None and a length."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """One file: what is durable of it, and what was done since, in order."""

    durable: bytes | None = None
    """None: the name isn't there."""
    since: list[Piece] = field(default_factory=list)

    def now(self) -> bytes:
        """What a reader sees."""
        return apply(self.durable or b"", self.since)

    def synced(self) -> None:
        """All of it reaches the disk."""
        self.durable, self.since = self.now(), []


def apply(content: bytes, pieces: list[Piece]) -> bytes:
    """Do what was done."""
    made = bytearray(content)
    for offset, data in pieces:
        if data is None:
            made[offset:] = bytes(max(0, offset - len(made)))
        else:
            made.extend(bytes(max(0, offset - len(made))))
            made[offset : offset + len(data)] = data
    return bytes(made)


def torn(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """What of it reached the disk."""
    if not pieces:
        return []
    sector = rng.choice(SECTORS)
    small = [part for piece in pieces for part in _split(piece, sector)]
    match rng.choice(("none", "all", "first", "any", "any", "last")):
        case "none":
            return []
        case "all":
            return small
        case "first":
            return small[: rng.randrange(len(small) + 1)]
        case "last":
            return small[rng.randrange(len(small)) :]
        case _:
            chance = rng.random()
            return [one for one in small if rng.random() < chance]


def _split(piece: Piece, sector: int) -> Iterator[Piece]:
    if piece.data is None:
        yield piece
        return
    at, end = piece.offset, piece.offset + len(piece.data)
    while at < end:
        following = min(end, (at // sector + 1) * sector)
        yield Piece(at, piece.data[at - piece.offset : following - piece.offset])
        at = following


@dataclass
class Disk:
    """The files of one folder as events reach them."""

    files: dict[int, File] = field(default_factory=dict)
    gone: dict[int, File] = field(default_factory=dict)
    """Deleted files whose deletion isn't durable."""
    truth: bytearray = field(default_factory=bytearray)

    def take(self, event: Event) -> None:
        """Let one thing happen."""
        if event.file == TRUTH:
            self.truth += event.data
            return
        if event.file == FOLDER:
            if event.op == SYNC:
                self.gone.clear()
            return
        one = self.files.setdefault(event.file, File())
        match event.op:
            case 1:
                one.since.append(Piece(event.offset, event.data))
            case 2:
                one.since.append(Piece(event.offset, None))
            case 3:
                one.synced()
                self.gone.pop(event.file, None)
            case 4:
                if (left := self.files.pop(event.file)).durable is not None:
                    self.gone.setdefault(event.file, left)

    def image(self, folder: Path, rng: random.Random) -> None:
        """Write what the disk may hold now."""
        for number, name in NAMES.items():
            one = self.files.get(number)
            if one is not None and one.durable is None and (not one.since or rng.random() < 0.5):
                one = None  # its name isn't there yet
            if one is None and number in self.gone and rng.random() < 0.5:
                one = self.gone[number]
            if one is not None:
                (folder / name).write_bytes(apply(one.durable or b"", torn(one.since, rng)))


def recorded(folder: Path, seed: int, *, careless: bool = False) -> list[Event]:
    """Let a station live and return what happened to its disk."""
    make_fleet(folder, DEVICE, shards=SHARDS)
    preload = compiled()
    if preload is None:
        return []
    log = folder / "events"
    words = [str(folder.resolve()), str(seed), *(["careless"] if careless else [])]
    subprocess.run(
        [sys.executable, "-m", "tests.faults.power_life", *words],
        cwd=ROOT,
        check=True,
        timeout=LIFE_S,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(preload),
            "FAULTS_FOLDER": str(folder.resolve() / DEVICE),
            "FAULTS_LOG": str(log),
        },
    )
    return list(_events(log.read_bytes()))


def _events(raw: bytes) -> Iterator[Event]:
    at = 0
    while at < len(raw):
        op, file, length, offset = HEAD.unpack_from(raw, at)
        at += HEAD.size
        data = raw[at : at + length] if op == WRITE else b""
        at += len(data)
        yield Event(op, file, offset, data)


@dataclass
class Judge:
    """Opens images with the product and says what is missing."""

    folder: Path
    """With a fleet and one device."""
    opener: Opener

    def judge(self, image: Path, told: Truth, stored: dict[str, int]) -> list[Finding]:
        """Open an image, file one more record, and judge what is there then.

        Args:
            image: a folder with the queue's files.
            told: what was said before the cut.
            stored: how far the fleet held each lane.
        """
        home = DeviceHome(image)
        for name in ("device.toml", "fleet.json", "keys"):
            (image / name).symlink_to(self.folder / DEVICE / name)
        try:
            with open_queue(home, retention=Retention(days=0, bytes=0)) as queue:
                queue.verify()
                if told.said and queue.epoch != told.said[0][0][0]:
                    return [Finding("lost", "the queue began anew")]
                more = queue.append([draft_of(0, lane) for lane in LANES])
        except OutboxError as error:
            return [Finding("unreadable", f"the product can't use the image: {error}")]
        held = read_queue(home.outbox, DEVICE, self.opener)
        return [
            *held.broken,
            *_missing(told, held.records, held.marks, stored),
            *_again(told, more),
        ]


def _missing(told: Truth, records, marks, stored: dict[str, int]) -> Iterator[Finding]:
    for place, mark in told.said:
        where = f"{place[1]} {place[2]}"
        if place in records:
            if differs(records[place], operations_of(mark)):
                yield Finding("altered", where)
        elif place[2] > stored.get(place[1], 0):
            yield Finding("lost", where)
    for (_, lane), (acknowledged, _) in marks.items():
        if acknowledged > stored.get(lane, 0):
            yield Finding("receipt_for_what_is_not_stored", f"{lane} {acknowledged}")


def _again(told: Truth, more) -> Iterator[Finding]:
    given = {place[1:] for place, _ in told.said}
    for one in more:
        if (one.lane, one.seq) in given:
            yield Finding("number_reused", f"{one.lane} {one.seq}")


def told_by(folder: Path, truth: bytes) -> tuple[Truth, dict[str, int]]:
    """What the truth log said at a cut."""
    path = folder / "told"
    path.write_bytes(truth)
    stored: dict[str, int] = {}
    for line in truth.split(b"\n"):
        if line.startswith(b"h "):
            _, lane, high_water = line.decode().split()
            stored[lane] = max(stored.get(lane, 0), int(high_water))
    return Truth.read(path), stored


def images(
    folder: Path, events: list[Event], rng: random.Random, *, until_s: float, at_most: int = 10**9
) -> Iterator[tuple[int, list[Finding]]]:
    """Cut the power at moments of chance; yield the moment and what is wrong."""
    home = folder / "fleet"
    keys = Keys.read(home / "ingest" / "operations.key.pem", home / "records" / "identity.key.pem")
    judge = Judge(folder, Opener(keys))
    made = 0
    while made < at_most and time.monotonic() < until_s:
        # One walk over the life; some twenty cuts on the way.
        cuts = set(rng.sample(range(len(events)), min(len(events), 20)))
        disk = Disk()
        for n, event in enumerate(events):
            disk.take(event)
            if n not in cuts or 1 not in disk.files:
                continue
            told, stored = told_by(folder, bytes(disk.truth))
            for _ in range(4):
                if made >= at_most or time.monotonic() > until_s:
                    return
                with TemporaryDirectory(dir=in_memory()) as image:
                    disk.image(Path(image), rng)
                    yield n, judge.judge(Path(image), told, stored)
                made += 1


def careless_is_caught(seed: int) -> bool:
    """Whether a twin that doesn't sync each commit is seen to lose."""
    with TemporaryDirectory(prefix="faults-") as made:
        folder = Path(made)
        events = recorded(folder, seed, careless=True)
        found = images(
            folder,
            events,
            random.Random(seed),
            until_s=time.monotonic() + LIFE_S,
            at_most=CARELESS_IMAGES,
        )
        return any(one.name == "lost" for _, findings in found for one in findings)


def cut_power(tally: Tally, *, seed: int, seconds: float) -> None:
    """Make and judge images until the time is over."""
    end = time.monotonic() + seconds
    if compiled() is None:
        tally.findings.append("no compiler: no power was cut")
        return
    tally.seeds.append(seed)
    if not careless_is_caught(seed):
        tally.wrong += 1
        tally.findings.append(f"power, seed {seed}: a twin that doesn't sync was not caught")
    with TemporaryDirectory(prefix="faults-") as made:
        folder = Path(made)
        events = recorded(folder, seed)
        for at, findings in images(folder, events, random.Random(seed), until_s=end):
            tally.faults["power_cut_image"] += 1
            found = Found(findings, 0, 0)
            tally.judge([found], seed=seed, what=f"power cut at event {at}", final=False)
