"""The station's promise: what `append` returned is on the disk, sealed, signed and in order.

Knows sealing before storing (no clear byte of a person reaches the file), the order of sequence
numbers and heads, and when the fleet's word lets a group go. Does not know how groups travel, what
a record means, nor who is asking. Safe for several threads; a call may wait for another's sync.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from kiosk.outbox.errors import (
    OutboxError,
    QueueBroken,
    QueueDamaged,
    QueueFailed,
    QueueFull,
    ReceiptRefused,
)
from kiosk.outbox.examine import Examined, Status, examine, status_of
from kiosk.outbox.findings import check_marks
from kiosk.outbox.marks import Lock, Marks, read_marks, set_marks_aside
from kiosk.outbox.mending import forget_log, keep_log, repair, settle
from kiosk.outbox.store import (
    DEFAULT_QUOTA_BYTES,
    Birth,
    LaneState,
    Owner,
    Store,
    insert_group,
    prune,
)
from wire.group import (
    EncodedRecord,
    SealedGroup,
    encode_record,
    genesis_head,
    partition,
    seal_group,
)
from wire.record import LANES, IdentityPart, Lane, OperationsPart, RecordIdentity
from wire.topics import device_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from kiosk.outbox.marks import Known
    from wire.cose import Signer
    from wire.receipt import VerifiedReceipt
    from wire.seal import Randomness, Recipients

SECONDS_PER_DAY: Final = 86_400
EPOCH_BYTES: Final = 16

MAX_MENDS: Final = 3
"""While a queue is open: a disk that goes on damaging it is to be replaced."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record that has no number yet.

    Attributes:
        lane: which lane it travels in.
        operations: for the operators of the fleet.
        identity: for the custodian, if anything is known of a person.
    """

    lane: Lane = "normal"
    operations: OperationsPart
    identity: IdentityPart | None = None


@dataclass(frozen=True, slots=True)
class EncodedDraft:
    """A draft whose parts are encoded and found within their bounds."""

    lane: Lane
    record: EncodedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long acknowledged groups stay, to be sent again to a fleet restored from a backup.

    Attributes:
        days: no longer than this.
        bytes: no more than this a lane; the newest stay. A full queue keeps none.
    """

    days: float = 7.0
    bytes: int = 8 * 1024 * 1024


class Acknowledgement(StrEnum):
    """What a receipt changed."""

    ADVANCED = "advanced"
    """The fleet holds more than it had said before."""
    REPEATED = "repeated"
    """It says the same again."""
    BEHIND = "behind"
    """It holds less: an old receipt, or a fleet restored from a backup. Send from there on."""


def encode_draft(draft: Draft) -> EncodedDraft:
    """Encode and check a draft. Raises wire's Malformed or TooLarge if it may not be sent."""
    return EncodedDraft(draft.lane, encode_record(draft.operations, draft.identity))


@dataclass(frozen=True, slots=True)
class _Files:
    """What one opening holds."""

    store: Store
    marks: Marks
    lock: Lock

    def close(self) -> None:
        self.store.close()
        self.marks.close()
        self.lock.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How one station opens its queue, and opens it again when it was mended."""

    path: Path
    device: str
    signer: Signer
    quota_bytes: int
    now: Callable[[], float]
    randomness: Randomness
    mends: bool

    def opened(self) -> _Files:
        settle(self.path)
        held = Lock.of(self.path, alone=False)
        try:
            store, marks = self._opened()
        except BaseException:
            held.close()
            raise
        return _Files(store, marks, held)

    def mend(self, why: str) -> None:
        repair(self.path, device=self.device, signer=self.signer, now=self.now(), why=why)
        _log.error("queue_mended")

    def _opened(self) -> tuple[Store, Marks]:
        found = read_marks(self.path)
        ours = found is not None and found.of(self.device, self.signer.public_key_der)
        known = found if ours else None
        if known is not None and not _has_bytes(self.path):
            # Before SQLite sees the log: beside an empty database it deletes it.
            raise QueueDamaged("the database is missing")
        keep_log(self.path)
        store = Store.open(
            self.path, quota_bytes=self.quota_bytes, birth=lambda: self._birth(known)
        )
        try:
            marks = self._checked(store, found, known)
        except BaseException:
            store.close()
            raise
        forget_log(self.path)
        return store, marks

    def _birth(self, known: Known | None) -> Birth:
        if known is not None:
            raise QueueDamaged("the database has lost its tables")
        epoch = self.randomness(EPOCH_BYTES)
        heads = {lane: genesis_head(device=self.device, epoch=epoch, lane=lane) for lane in LANES}
        return Birth(Owner(self.device, epoch, self.signer.public_key_der), heads)

    def _checked(self, store: Store, found: Known | None, known: Known | None) -> Marks:
        """Compare what the file says with whom it is for and with what is known beside it."""
        owner = store.owner()
        if (owner.device, owner.station_key) != (self.device, self.signer.public_key_der):
            # Whether it is, or only its row is damaged, what is signed in it tells.
            failed = QueueDamaged if self.mends else QueueFailed
            raise failed("this queue is another device's or another key's")
        check_marks(store, known)
        states = [store.lane(lane) for lane in LANES] if self.mends else store.lanes()
        if found is not None and (known is None or known.epoch != owner.epoch):
            set_marks_aside(self.path, found.epoch)
            known = None
        return Marks.open(
            self.path, owner, known, {state.lane: state.next_seq - 1 for state in states}
        )


class Outbox:
    """The queue of one station. Made by `open` alone; close it, or use it as a context."""

    def __init__(
        self, way: _Way, files: _Files, *, recipients: Recipients, retention: Retention
    ) -> None:
        self._way = way
        self._recipients = recipients
        self._retention = retention
        self._now = way.now
        self._lock = threading.Lock()
        self._mends_left = MAX_MENDS if way.mends else 0
        self._take(files)

    def _take(self, files: _Files) -> None:
        self._files = files
        self._store = files.store
        self._owner = files.store.owner()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        device: str,
        signer: Signer,
        recipients: Recipients,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        retention: Retention = Retention(),
        now: Callable[[], float] = time.time,
        randomness: Randomness = secrets.token_bytes,
        mends: bool = False,
    ) -> Self:
        """Open the queue, or begin a new one with a new epoch.

        Args:
            path: the database; its folder exists.
            device: the station's id.
            signer: the station's key.
            recipients: whom records are sealed for.
            quota_bytes: the database never grows beyond.
            retention: how long acknowledged groups stay.
            now: UTC seconds.
            randomness: gives epochs and keys.
            mends: a damaged queue is mended, here and whenever damage is met: what can't be read
                gets tombstones, the bytes go into quarantine, the rest goes on.

        Raises:
            Malformed: device is not a device id.
            QueueFull: no room to begin, or to mend.
            QueueNewer: a newer version made it; it is left as it is.
            QueueDamaged, QueueBroken: it is damaged, and isn't to be mended.
            QueueFailed: the file can't be used, or is the queue of another device or key.
        """
        device_id(device)
        way = _Way(
            path=path,
            device=device,
            signer=signer,
            quota_bytes=quota_bytes,
            now=now,
            randomness=randomness,
            mends=mends,
        )
        try:
            files = way.opened()
        except (QueueDamaged, QueueBroken) as error:
            if not mends:
                raise
            way.mend(str(error))
            files = way.opened()
        try:
            return cls(way, files, recipients=recipients, retention=retention)
        except OutboxError:
            files.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Every call after raises QueueFailed."""
        with self._lock:
            self._files.close()

    @property
    def device(self) -> str:
        """Whose queue it is."""
        return self._owner.device

    @property
    def epoch(self) -> bytes:
        """16 bytes, made with the file."""
        return self._owner.epoch

    def append(self, drafts: Sequence[Draft]) -> tuple[RecordIdentity, ...]:
        """File drafts in one commit; when this returns they are on the disk.

        Args:
            drafts: of any lanes; within a lane their order is kept. Those of one lane that fit one
                group become one group.

        Returns:
            Their identities, in the order of drafts.

        Raises:
            Malformed, TooLarge: a draft breaks its own bounds; none was filed.
            QueueFull: no room; none was filed.
            QueueFailed: the file or the signer can't be used; none was filed, or, after a failed
                sync, nobody knows until it is opened again.
        """
        return self.append_encoded([encode_draft(draft) for draft in drafts])

    def append_encoded(self, drafts: Sequence[EncodedDraft]) -> tuple[RecordIdentity, ...]:
        """File drafts that are encoded already; see `append`."""
        with self._lock:
            try:
                identities = self._append(drafts)
            except (QueueDamaged, QueueBroken) as error:
                self._mend(error)  # for the next ones: what became of these isn't known
                raise
            for lane in {one.lane for one in identities}:
                last = max(one.seq for one in identities if one.lane == lane)
                self._files.marks.note(lane, last)
            return identities

    def _append(self, drafts: Sequence[EncodedDraft]) -> tuple[RecordIdentity, ...]:
        self._store.bound_growth()
        try:
            return self._file(drafts)
        except QueueFull:
            if not self._prune(Retention(days=0, bytes=0)):
                raise
        return self._file(drafts)

    def _mend(self, error: OutboxError) -> None:
        """Mend the queue, if that is to be done and was not done too often.

        Raises:
            OutboxError: it can't be mended; the queue is closed.
        """
        if self._mends_left <= 0:
            return
        self._mends_left -= 1
        self._files.close()
        self._way.mend(str(error))
        self._take(self._way.opened())

    def _mending(self, work: Callable[[], _T]) -> _T:
        """Do what changes nothing if it fails; over damage that was mended, once more."""
        try:
            return work()
        except (QueueDamaged, QueueBroken) as error:
            if self._mends_left <= 0:
                raise
            self._mend(error)
        return work()

    def _file(self, drafts: Sequence[EncodedDraft]) -> tuple[RecordIdentity, ...]:
        identities: dict[int, RecordIdentity] = {}
        with self._store.transaction() as db:
            for lane in {draft.lane for draft in drafts}:
                places = [n for n, draft in enumerate(drafts) if draft.lane == lane]
                first = self._file_lane(db, lane, [drafts[n].record for n in places])
                for seq, n in enumerate(places, start=first):
                    identities[n] = RecordIdentity(self.device, self.epoch, lane, seq)
        return tuple(identities[n] for n in range(len(drafts)))

    def _file_lane(
        self, db: sqlite3.Connection, lane: Lane, records: Iterable[EncodedRecord]
    ) -> int:
        """Seal, sign and insert one lane's records; return the first one's number."""
        state = self._store.lane(lane)
        head, seq = state.chain_head, state.next_seq
        at = int(self._now())
        for run in partition(records):
            self._files.marks.reserve(lane, seq + len(run) - 1)
            group = self._sealed(run, lane, seq, head)
            insert_group(db, group, [record.type for record in run], at=at)
            head, seq = group.head, group.last + 1
        self._store.put_lane(replace(state, next_seq=seq, chain_head=head))
        return state.next_seq

    def _sealed(
        self, run: Sequence[EncodedRecord], lane: Lane, first: int, head: bytes
    ) -> SealedGroup:
        try:
            return seal_group(
                run,
                device=self.device,
                epoch=self.epoch,
                lane=lane,
                first=first,
                previous_head=head,
                recipients=self._recipients,
                signer=self._way.signer,
                randomness=self._way.randomness,
            )
        except Exception as error:  # the signer is a device: whatever it raises, nothing is filed
            raise QueueFailed("the group can't be sealed and signed") from error

    def _draining(self, work: Callable[[], _T]) -> _T:
        """Do what makes room, with the reserve if the disk has no room even for that."""
        try:
            return work()
        except QueueFull:
            self._store.free_reserve()
        try:
            return work()
        finally:
            self._store.fill_reserve()

    def _prune(self, retention: Retention) -> bool:
        """Delete what retention lets go, in small commits; return whether anything went."""

        def some() -> int:
            with self._store.transaction() as db:
                return self._prune_some(db, retention)

        pruned = False
        while self._draining(some):
            pruned = True
        return pruned

    def _prune_some(self, db: sqlite3.Connection, retention: Retention) -> int:
        oldest = int(self._now() - retention.days * SECONDS_PER_DAY)
        return prune(db, keep_bytes=retention.bytes, filed_before=oldest)

    def unacknowledged(
        self, lane: Lane, after_seq: int | None = None, limit: int = 16
    ) -> tuple[SealedGroup, ...]:
        """Return the groups and tombstones to send, in order.

        Args:
            lane: of which lane.
            after_seq: those that hold a record after it; None is after the last acknowledged one.
                An earlier number gives acknowledged groups again, as far as they are kept.
            limit: at most so many groups.

        Raises:
            QueueBroken, QueueFailed: the file can't be used.
        """

        def held() -> tuple[SealedGroup, ...]:
            after = self._store.lane(lane).acked_seq if after_seq is None else after_seq
            return self._store.groups(lane, after_seq=after, limit=limit)

        with self._lock:
            return self._mending(held)

    def lane(self, lane: Lane) -> LaneState:
        """Return where a lane stands. Raises QueueBroken or QueueFailed."""
        with self._lock:
            return self._mending(lambda: self._store.lane(lane))

    def acknowledge(self, receipt: VerifiedReceipt) -> Acknowledgement:
        """Believe a receipt, if it tells this queue's own history; then retention may delete.

        Raises:
            ReceiptRefused: it is about another queue, or another history of this one.
            QueueFull: the disk is full to the last byte, the reserve too.
            QueueFailed: the file can't be used.
        """
        if (receipt.device, receipt.epoch) != (self.device, self.epoch):
            raise ReceiptRefused("a receipt for another queue")
        with self._lock:
            found = self._mending(lambda: self._draining(lambda: self._acknowledge(receipt)))
            if found is Acknowledgement.ADVANCED:
                with contextlib.suppress(QueueFull):  # noted already; the rest goes another time
                    self._prune(self._retention)
            return found

    def _acknowledge(self, receipt: VerifiedReceipt) -> Acknowledgement:
        with self._store.transaction() as db:
            state = self._store.lane(receipt.lane)
            if not self._is_ours(receipt, state):
                return Acknowledgement.REPEATED
            if receipt.high_water < state.acked_seq:
                return Acknowledgement.BEHIND
            if receipt.high_water == state.acked_seq:
                return Acknowledgement.REPEATED
            self._store.put_lane(replace(state, acked_seq=receipt.high_water))
            self._prune_some(db, self._retention)
            return Acknowledgement.ADVANCED

    def _is_ours(self, receipt: VerifiedReceipt, state: LaneState) -> bool:
        """Compare the fleet's chain with ours at its high-water mark, as far as ours is kept.

        Returns:
            False: it stands within a tombstone: the fleet had some of what is lost here, and
            doesn't know of the loss yet. There is nothing to compare with.

        Raises:
            ReceiptRefused: it has another history.
        """
        ours: bytes | None
        if receipt.high_water == state.next_seq - 1:
            ours = state.chain_head
        elif receipt.high_water == 0:
            ours = genesis_head(device=self.device, epoch=self.epoch, lane=receipt.lane)
        else:
            group = self._store.group_ending(receipt.lane, receipt.high_water)
            ours = None if group is None else group.head
        if ours is None and receipt.high_water <= state.acked_seq:
            return True  # pruned long ago: nothing left to compare, and nothing will be deleted
        if ours is None and self._store.spans(receipt.lane, receipt.high_water):
            return False
        if ours != receipt.chain_head:
            raise ReceiptRefused("the fleet holds another history of this queue", forked=True)
        return True

    def status(self) -> Status:
        """Return the state of the queue as `tram outbox status --json` prints it.

        Raises:
            QueueFailed: the file can't be used.
        """
        with self._lock:
            return status_of(self._store, now=self._now())

    def verify(self) -> Examined:
        """Read every group held and check its bytes, signature and place.

        Raises:
            QueueBroken: where it first doesn't hold.
            QueueFailed: the file is damaged or can't be used.
        """
        with self._lock:
            return examine(self._store, station_key=self._owner.station_key)


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
