"""Mending a damaged queue: what can be read goes on, what can't gets a tombstone, bytes are kept.

Knows the files and their order. The damaged ones are never written: a new database is made beside
them, synced, and put in their place in steps of which each can be the last before a power cut; the
old ones move, whole, into a folder that nothing here ever empties. Needs the station's key to sign
tombstones. Does not decide that a queue is damaged while it is in use: that is the Outbox's.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kiosk.outbox.errors import OutboxError, QueueFailed, QueueFull
from kiosk.outbox.examine import status_of
from kiosk.outbox.findings import (
    COPY_BYTES,
    KEPT_LOG,
    Survey,
    beside,
    carver_of,
    copy_file,
    survey_of,
    verified,
    what_is_wrong,
)
from kiosk.outbox.marks import Lock, read_marks, write_marks
from kiosk.outbox.salvage import Gap, LanePlan, Piece
from kiosk.outbox.store import Birth, LaneState, Owner, Store, insert_group
from wire.group import Group, SealedGroup, genesis_head
from wire.record import LANES
from wire.tombstone import TombstoneBody, seal_tombstone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kiosk.outbox.carve import Carver
    from wire.cose import Signer
    from wire.record import Lane

BATCH_BYTES: Final = 256 * 1024
"""Of groups that one transaction of the new database takes."""
NAME_CHARS: Final = 16

_MENDING: Final = ".mending"
_MENDED: Final = ".mended-"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done.

    Attributes:
        survey: what was found.
        quarantine: the folder with the bytes as they were; None: nothing was done.
        tombstones: how many were signed.
    """

    survey: Survey
    quarantine: Path | None = None
    tombstones: int = 0


def survey(path: Path, *, device: str, station_key: bytes) -> Survey:
    """Look at a queue as it lies on the disk, and say what mending it would do.

    Its files are copied beside themselves, to be looked at by SQLite, and are not touched.

    Args:
        path: the database; no station has it open.
        device: the station's id.
        station_key: SubjectPublicKeyInfo of the key that signed its groups.

    Raises:
        QueueNewer: a newer version made it; it isn't damaged.
        QueueFull: no room for the copy.
        QueueFailed: it can't be read at all, or nothing in it is this station's.
    """
    settle(path)
    try:
        why = what_is_wrong(path, device=device, station_key=station_key)
        return survey_of(path, device=device, station_key=station_key, why=why)
    except OSError as error:
        raise _refused(error) from error


def repair(
    path: Path, *, device: str, signer: Signer, now: float, why: str | None = None
) -> Repaired:
    """Mend a queue; a whole one is left as it is.

    Args:
        path: the database; no station has it open.
        device: the station's id.
        signer: the station's key.
        now: UTC seconds.
        why: what is wrong, if that is known already.

    Raises:
        QueueNewer: a newer version made it; it isn't damaged.
        QueueFull: no room for the new database; nothing was changed.
        QueueFailed: it is in use, can't be read at all, or nothing in it is this station's.
    """
    with Lock.of(path, alone=True):
        try:
            return _repaired(path, device, signer, now=int(now), why=why)
        except OSError as error:
            raise _refused(error) from error


def _repaired(path: Path, device: str, signer: Signer, *, now: int, why: str | None) -> Repaired:
    _settle(path)
    key = signer.public_key_der
    found = survey_of(
        path,
        device=device,
        station_key=key,
        why=why or what_is_wrong(path, device=device, station_key=key),
    )
    return Repaired(found) if found.whole else _mend(path, found, device, signer, now=now)


def settle(path: Path) -> None:
    """Finish a repair that was cut short after its point of no return.

    Raises:
        QueueFailed: somebody has the queue open, or the disk refuses.
    """
    if not _cut_short(path):
        return
    with Lock.of(path, alone=True):
        try:
            _settle(path)
        except OSError as error:
            raise _refused(error) from error


def _settle(path: Path) -> None:
    for mended in _cut_short(path):
        _put_in_place(path, mended)


def _cut_short(path: Path) -> list[Path]:
    return sorted(path.parent.glob(glob.escape(path.name) + _MENDED + "*"))


@contextlib.contextmanager
def looking(path: Path) -> Iterator[Store]:
    """Open a queue only to look at it.

    Where no station has it open, its log is copied first: closing would throw away what SQLite
    doesn't believe of it, and with it what a repair could still find.

    Raises:
        QueueFailed: it can't be used.
    """
    settle(path)
    held = None
    with contextlib.suppress(QueueFailed):  # a station has it open: then nothing is thrown away
        held = Lock.of(path, alone=True) if path.exists() else None
    try:
        if held is not None:
            keep_log(path)
        with contextlib.closing(Store.open(path)) as store:
            yield store
    finally:
        if held is not None:
            held.close()


def keep_log(path: Path) -> None:
    """Copy the log of a queue that wasn't closed: SQLite throws away what it doesn't believe.

    A disk without room for it is no reason not to open a queue.
    """
    log, kept = beside(path, "-wal"), beside(path, KEPT_LOG)
    with contextlib.suppress(OSError):
        if log.stat().st_size and not kept.exists():
            copy_file(log, kept)


def forget_log(path: Path) -> None:
    """Delete the copy: the queue was opened and nothing is missing."""
    with contextlib.suppress(OSError):
        beside(path, KEPT_LOG).unlink()


def quarantine_of(path: Path) -> Path:
    """Return the folder that keeps the bytes of damaged queues."""
    return beside(path, ".quarantine")


def _mend(path: Path, found: Survey, device: str, signer: Signer, *, now: int) -> Repaired:
    digest, size = _digest(_old_files(path))
    name = digest.hex()[:NAME_CHARS]
    new = beside(path, _MENDING)
    for left in (new, beside(new, "-wal"), beside(new, "-shm"), beside(new, ".reserve")):
        left.unlink(missing_ok=True)
    tombstones = 0
    if found.epoch is not None:
        tombstones = _rebuild(path, new, found, device, signer, digest=digest, size=size, now=now)
        mended = beside(path, _MENDED + name)
        new.rename(mended)
        _sync_folder(path.parent)
        _put_in_place(path, mended)
    else:
        _set_aside(path, name)
    return Repaired(found, quarantine_of(path) / name, tombstones)


def _rebuild(
    path: Path,
    new: Path,
    found: Survey,
    device: str,
    signer: Signer,
    *,
    digest: bytes,
    size: int,
    now: int,
) -> int:
    """Make the new database, closed and synced, and raise the marks; return its new tombstones."""
    epoch = found.epoch or b""
    heads = {lane: genesis_head(device=device, epoch=epoch, lane=lane) for lane in LANES}
    owner = Owner(device, epoch, signer.public_key_der)
    store = Store.open(
        new, quota_bytes=max(found.quota_bytes, 2 * size), birth=lambda: Birth(owner, heads)
    )
    tombstones = 0
    try:
        with carver_of(path) as carver:
            for lane in found.lanes:
                head = heads[lane.lane] if lane.head is None else lane.head
                links = _links(carver, lane, device, epoch, signer, digest)
                for batch in _batches(links):
                    with store.transaction() as db:
                        for group, types, at in batch:
                            insert_group(db, group, types, at=now if at is None else at)
                            tombstones += at is None
                    if lane.head is None:
                        head = batch[-1][0].head
                state = LaneState(lane.lane, lane.end + 1, lane.acked, head)
                with store.transaction() as db:
                    store.put_lane(state)
        if status_of(store, now=now)["chain"] != "ok":
            raise QueueFailed("what was mended is not whole; nothing was changed")
    finally:
        store.close()
        store.free_reserve()
    if beside(new, "-wal").exists():
        raise QueueFull("no room on the disk to mend the queue; nothing was changed")
    _sync_file(new)
    _raise_marks(path, owner, found)
    return tombstones


def _links(
    carver: Carver, lane: LanePlan, device: str, epoch: bytes, signer: Signer, digest: bytes
) -> Iterator[tuple[SealedGroup, list[str], int | None]]:
    """Yield what a lane becomes: each link, its records' types, when it was filed if not now."""
    for link in lane.chain:
        if isinstance(link, Gap):
            body = TombstoneBody(
                device=device,
                epoch=epoch,
                lane=lane.lane,
                first=link.first,
                last=link.last,
                given=link.given,
                previous_head=link.previous_head,
                next_head=link.next_head,
                quarantine=digest,
            )
            yield seal_tombstone(body, signer), [], None
        else:
            yield _read_again(carver, lane.lane, link, device, signer.public_key_der)


def _read_again(
    carver: Carver, lane: Lane, piece: Piece, device: str, station_key: bytes
) -> tuple[SealedGroup, list[str], int]:
    raw = (carver.row(piece.place) or ())[7:8]
    signed = verified(raw[0], device, station_key) if raw and isinstance(raw[0], bytes) else None
    if signed is None or signed.head != piece.head:
        raise QueueFailed("the disk gives another answer every time")
    group = SealedGroup(
        lane=lane,
        first=piece.first,
        count=piece.count,
        previous_head=piece.previous_head,
        head=piece.head,
        raw=signed.raw,
        lost=piece.lost,
    )
    types = [record.type for record in signed.body.records] if isinstance(signed, Group) else []
    return group, list(types), piece.at


def _batches(
    links: Iterable[tuple[SealedGroup, list[str], int | None]],
) -> Iterator[list[tuple[SealedGroup, list[str], int | None]]]:
    batch: list[tuple[SealedGroup, list[str], int | None]] = []
    size = 0
    for link in links:
        batch.append(link)
        size += len(link[0].raw)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _raise_marks(path: Path, owner: Owner, found: Survey) -> None:
    """Note, synced, that no number of a tombstone may ever be given."""
    known = read_marks(path)
    if known is not None and known.epoch != owner.epoch:
        known = None
    given = {lane.lane: lane.end for lane in found.lanes}
    write_marks(path, owner, known, given)


def _put_in_place(path: Path, mended: Path) -> None:
    """The last steps: old files into quarantine, then the new one to where they were."""
    _set_aside(path, mended.name.rpartition(_MENDED)[2])
    mended.rename(path)
    _sync_folder(path.parent)


def _set_aside(path: Path, name: str) -> None:
    """Move the old files away; a file that is gone already moved before."""
    folder = quarantine_of(path) / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in _old_files(path):
        if old.exists():
            old.rename(_free_name(folder / old.name))
    beside(path, "-shm").unlink(missing_ok=True)
    _sync_folder(folder)
    _sync_folder(folder.parent)
    _sync_folder(path.parent)


def _free_name(wanted: Path) -> Path:
    """Return a name that nothing has: bytes that are kept are never written over."""
    name, number = wanted, 0
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}.{number}")
    return name


def _old_files(path: Path) -> tuple[Path, ...]:
    return path, beside(path, "-wal"), beside(path, KEPT_LOG)


def _digest(files: Iterable[Path]) -> tuple[bytes, int]:
    """Return SHA-256 over each file's length (8 bytes) and content, and how many bytes."""
    digest, total = hashlib.sha256(), 0
    for path in files:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                digest.update(size.to_bytes(8, "big"))
                while raw := file.read(COPY_BYTES):
                    digest.update(raw)
                total += size
        except FileNotFoundError:
            digest.update(bytes(8))
    return digest.digest(), total


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(error: OSError) -> OutboxError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return QueueFull("no room on the disk to mend the queue; nothing was changed")
    return QueueFailed("the disk refuses to mend the queue")
