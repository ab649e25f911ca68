"""What is known of a queue outside of its database: a small file beside it.

Two facts a lane. The **ceiling**: no number above it was ever given; it is raised ahead of need and
synced before a record may use what it allows, so that a queue that lost its place goes on above it
and never gives a number twice. **Given**: numbers up to it were given, and their commits returned;
it is written after each commit and not synced, so that it is never too high and a log that was cut
is noticed. Each fact stands in two blocks in turn, with a checksum: one can be torn. Does not know
records, heads nor keys.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from kiosk.outbox.errors import QueueFailed, QueueFull
from wire.canonical import dump, load
from wire.errors import Malformed
from wire.record import LANES, MAX_SEQ, Lane

if TYPE_CHECKING:
    from pathlib import Path

    from kiosk.outbox.store import Owner

LEASE: Final = 4_096
"""Numbers that one synced raise of a ceiling allows."""

BLOCK_BYTES: Final = 4_096
_HEAD: Final = struct.Struct(">32sH")
_CEILINGS: Final = (0, 1)
_GIVEN: Final = (2, 3)
_FILE_BYTES: Final = 4 * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Known:
    """What the file says, as far as its checksums hold.

    Attributes:
        device: whose queue.
        epoch: which.
        key_digest: SHA-256 of the station's public key.
        ceilings: lane to the highest number that can have been given; 0: none ever.
        given: lane to a number that was given, or 0; None: both blocks are damaged, nobody knows.
    """

    device: str
    epoch: bytes
    key_digest: bytes
    ceilings: dict[Lane, int]
    given: dict[Lane, int] | None

    def of(self, device: str, station_key: bytes) -> bool:
        """Return whether it is about this station."""
        return (self.device, self.key_digest) == (device, _digest(station_key))


@dataclass(frozen=True, slots=True)
class _Block:
    generation: int
    device: str
    epoch: bytes
    key_digest: bytes
    lanes: dict[Lane, int]

    def encoded(self) -> bytes:
        raw = dump([self.generation, self.device, self.epoch, self.key_digest, self.lanes])
        return (_HEAD.pack(hashlib.sha256(raw).digest(), len(raw)) + raw).ljust(BLOCK_BYTES, b"\0")


def marks_of(path: Path) -> Path:
    """Return where the file of a database is."""
    return path.with_name(path.name + ".marks")


def read_marks(path: Path) -> Known | None:
    """Return what the file beside a database says; None if there is none that can be believed."""
    try:
        with marks_of(path).open("rb") as file:
            raw = file.read(_FILE_BYTES)
    except OSError:
        return None
    ceilings, given = _newest(raw, _CEILINGS), _newest(raw, _GIVEN)
    if ceilings is None:
        return None
    same = given is not None and given.epoch == ceilings.epoch
    return Known(
        device=ceilings.device,
        epoch=ceilings.epoch,
        key_digest=ceilings.key_digest,
        ceilings=ceilings.lanes,
        given=given.lanes if given is not None and same else None,
    )


class Lock:
    """A hold on a queue's files. Made by `of` alone; close it, or use it as a context."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def of(cls, path: Path, *, alone: bool) -> Lock:
        """Hold a queue's files.

        Args:
            path: the database.
            alone: against everybody, to mend; else against who mends. On a disk without room for
                the lock's own file, who doesn't mend goes without.

        Raises:
            QueueFailed: somebody holds them the other way, or they can't be held.
        """
        held = cls(-1)
        try:
            name = path.with_name(path.name + ".lock")
            held._handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(held._handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            if error.errno != errno.ENOSPC or alone:
                raise QueueFailed("the queue is in use, or can't be locked") from error
        return held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go. It may be closed again."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def set_marks_aside(path: Path, epoch: bytes) -> None:
    """Keep the file of another queue that lay here, under another name.

    Raises:
        QueueFailed: the disk refuses.
    """
    old = marks_of(path)
    try:
        old.rename(old.with_name(f"{old.name}.{epoch.hex()}"))
    except OSError as error:
        raise _refused(error) from error


def write_marks(path: Path, owner: Owner, known: Known | None, given: dict[Lane, int]) -> None:
    """Make the file anew, synced: both facts are at least what is given here.

    Args:
        path: the database; the caller holds its lock.
        owner: whose it is.
        known: what the file says already, if it is of this epoch.
        given: lane to the last number that may never be given again.

    Raises:
        QueueFull: no room for it.
        QueueFailed: the disk refuses.
    """
    marks = Marks(marks_of(path), owner, _ceilings(known, given), dict(given))
    try:
        marks.begin()
    finally:
        marks.close()


@dataclass(slots=True)
class Marks:
    """The open file of one station. Not for several threads at once."""

    _path: Path
    _owner: Owner
    _ceilings: dict[Lane, int]
    _given: dict[Lane, int]
    _generations: dict[tuple[int, int], int] = field(default_factory=dict)
    _handle: int = -1

    @classmethod
    def open(cls, path: Path, owner: Owner, known: Known | None, given: dict[Lane, int]) -> Marks:
        """Open the file beside a database, or make it as soon as there is room.

        Args:
            path: the database.
            owner: whose it is.
            known: what the file says already, if it is of this epoch.
            given: lane to the last number that the database knows.

        Raises:
            QueueFailed: the disk refuses.
        """
        marks = cls(marks_of(path), owner, _ceilings(known, given), dict(given))
        with contextlib.suppress(QueueFull):  # tried again before the next record
            marks.begin(as_it_is=known is not None and known.ceilings == marks._ceilings)
        return marks

    def close(self) -> None:
        """Close the file. It may be closed again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def reserve(self, lane: Lane, last: int) -> None:
        """Make sure that numbers up to last are allowed; synced when this returns.

        Raises:
            QueueFull: no room for the file.
            QueueFailed: the disk refuses.
        """
        if self._handle < 0:
            self.begin()
        if last <= self._ceilings[lane]:
            return
        ceilings = self._ceilings | {lane: min(last + LEASE, MAX_SEQ)}
        self._write(_CEILINGS, ceilings)
        self._sync()
        self._ceilings = ceilings

    def note(self, lane: Lane, last: int) -> None:
        """Note that numbers up to last were given; never waits, never fails."""
        self._given[lane] = last
        with contextlib.suppress(OSError, QueueFailed, QueueFull):
            self._write(_GIVEN, self._given)

    def begin(self, *, as_it_is: bool = False) -> None:
        """Open the file and, unless it says the same already, write it.

        Raises:
            QueueFull: no room for it.
            QueueFailed: the disk refuses.
        """
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.posix_fallocate(self._handle, 0, _FILE_BYTES)
        except OSError as error:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
            raise _refused(error) from error
        raw = os.pread(self._handle, _FILE_BYTES, 0)
        for blocks in (_CEILINGS, _GIVEN):
            newest = _newest(raw, blocks)
            self._generations[blocks] = 0 if newest is None else newest.generation
        if not as_it_is:
            for _ in range(2):  # in both blocks: nothing older stays
                self._write(_CEILINGS, self._ceilings)
                self._write(_GIVEN, self._given)
            self._sync()

    def _write(self, blocks: tuple[int, int], lanes: dict[Lane, int]) -> None:
        """Write the block that is not the newest."""
        if self._handle < 0:
            return
        self._generations[blocks] += 1
        generation, owner = self._generations[blocks], self._owner
        block = _Block(
            generation, owner.device, owner.epoch, _digest(owner.station_key), dict(lanes)
        )
        try:
            os.pwrite(self._handle, block.encoded(), blocks[generation % 2] * BLOCK_BYTES)
        except OSError as error:
            raise _refused(error) from error

    def _sync(self) -> None:
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            raise _refused(error) from error


def _ceilings(known: Known | None, given: dict[Lane, int]) -> dict[Lane, int]:
    said = {} if known is None else known.ceilings
    return {lane: max(said.get(lane, 0), given[lane]) for lane in LANES}


def _refused(error: OSError) -> QueueFull | QueueFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return QueueFull("the disk is used up")
    return QueueFailed("the queue's marks can't be written")


def _digest(station_key: bytes) -> bytes:
    return hashlib.sha256(station_key).digest()


def _newest(raw: bytes, blocks: tuple[int, int]) -> _Block | None:
    found = [block for number in blocks if (block := _block(raw, number)) is not None]
    return max(found, key=lambda block: block.generation, default=None)


def _block(raw: bytes, number: int) -> _Block | None:
    """Return one block if its checksum holds and it says what a block says."""
    block = raw[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]
    if len(block) < _HEAD.size:
        return None
    digest, size = _HEAD.unpack(block[: _HEAD.size])
    body = block[_HEAD.size : _HEAD.size + size]
    if hashlib.sha256(body).digest() != digest:
        return None
    try:
        plain = load(body, what="marks", limit=BLOCK_BYTES)
    except Malformed:
        return None
    match plain:
        case [int(generation), str(device), bytes(epoch), bytes(key_digest), dict(lanes)]:
            numbers = {lane: _number(lanes.get(lane)) for lane in LANES}
            return _Block(generation, device, epoch, key_digest, numbers)
    return None


def _number(value: object) -> int:
    """Return a sequence number or 0; the checksum held, so that anything else is our own bug."""
    return value if isinstance(value, int) and 0 <= value <= MAX_SEQ else 0
