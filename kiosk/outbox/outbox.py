"""The station's promise: what `append` returned is on the disk, sealed, signed and in order.

Knows sealing before storing (no clear byte of a person reaches the file), the order of sequence
numbers and heads, and when the fleet's word lets a group go. Does not know how groups travel, what
a record means, nor who is asking. Safe for several threads; a call may wait for another's sync.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from kiosk.outbox.errors import OutboxError, QueueFailed, QueueFull, ReceiptRefused
from kiosk.outbox.examine import Examined, Status, examine, status_of
from kiosk.outbox.store import (
    DEFAULT_QUOTA_BYTES,
    Birth,
    LaneState,
    Owner,
    Store,
    insert_group,
    mark_acknowledged,
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

    from wire.cose import Signer
    from wire.receipt import VerifiedReceipt
    from wire.seal import Randomness, Recipients

SECONDS_PER_DAY: Final = 86_400
EPOCH_BYTES: Final = 16

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


class Outbox:
    """The queue of one station. Made by `open` alone; close it, or use it as a context."""

    def __init__(
        self,
        store: Store,
        *,
        signer: Signer,
        recipients: Recipients,
        retention: Retention,
        now: Callable[[], float],
        randomness: Randomness,
    ) -> None:
        self._store = store
        self._signer = signer
        self._recipients = recipients
        self._retention = retention
        self._now = now
        self._randomness = randomness
        self._lock = threading.Lock()
        self._owner = store.owner()

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

        Raises:
            Malformed: device is not a device id.
            QueueFull: no room to begin.
            QueueFailed: the file can't be used, or is the queue of another device or key.
        """
        device_id(device)

        def birth() -> Birth:
            epoch = randomness(EPOCH_BYTES)
            heads = {lane: genesis_head(device=device, epoch=epoch, lane=lane) for lane in LANES}
            return Birth(Owner(device, epoch, signer.public_key_der), heads)

        store = Store.open(path, quota_bytes=quota_bytes, birth=birth)
        try:
            owner = store.owner()
            if (owner.device, owner.station_key) != (device, signer.public_key_der):
                raise QueueFailed("this queue is another device's or another key's")
            return cls(
                store,
                signer=signer,
                recipients=recipients,
                retention=retention,
                now=now,
                randomness=randomness,
            )
        except OutboxError:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Every call after raises QueueFailed."""
        with self._lock:
            self._store.close()

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
            self._store.bound_growth()
            try:
                return self._file(drafts)
            except QueueFull:
                if not self._prune(Retention(days=0, bytes=0)):
                    raise
            return self._file(drafts)

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
            group = self._sealed(run, lane, seq, head)
            insert_group(db, group, [record.type for record in run], at=at)
            head, seq = group.head, group.last + 1
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
                signer=self._signer,
                randomness=self._randomness,
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
        """Return the groups to send, in order.

        Args:
            lane: of which lane.
            after_seq: those that hold a record after it; None is after the last acknowledged one.
                An earlier number gives acknowledged groups again, as far as they are kept.
            limit: at most so many groups.

        Raises:
            QueueFailed: the file can't be used.
        """
        with self._lock:
            if after_seq is None:
                after_seq = self._store.lane(lane).acked_seq
            return self._store.groups(lane, after_seq=after_seq, limit=limit)

    def lane(self, lane: Lane) -> LaneState:
        """Return where a lane stands. Raises QueueFailed."""
        with self._lock:
            return self._store.lane(lane)

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
            found = self._draining(lambda: self._acknowledge(receipt))
            if found is Acknowledgement.ADVANCED:
                with contextlib.suppress(QueueFull):  # noted already; the rest goes another time
                    self._prune(self._retention)
            return found

    def _acknowledge(self, receipt: VerifiedReceipt) -> Acknowledgement:
        with self._store.transaction() as db:
            state = self._store.lane(receipt.lane)
            self._check_head(receipt, state)
            if receipt.high_water < state.acked_seq:
                return Acknowledgement.BEHIND
            if receipt.high_water == state.acked_seq:
                return Acknowledgement.REPEATED
            mark_acknowledged(db, receipt.lane, receipt.high_water)
            self._prune_some(db, self._retention)
            return Acknowledgement.ADVANCED

    def _check_head(self, receipt: VerifiedReceipt, state: LaneState) -> None:
        """Compare the fleet's chain with ours at its high-water mark, as far as ours is kept."""
        ours: bytes | None
        if receipt.high_water == state.next_seq - 1:
            ours = state.chain_head
        elif receipt.high_water == 0:
            ours = genesis_head(device=self.device, epoch=self.epoch, lane=receipt.lane)
        else:
            group = self._store.group_ending(receipt.lane, receipt.high_water)
            ours = None if group is None else group.head
        if ours is None and receipt.high_water <= state.acked_seq:
            return  # pruned long ago: nothing left to compare, and nothing will be deleted
        if ours != receipt.chain_head:
            raise ReceiptRefused("the fleet holds another history of this queue", forked=True)

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
