"""Looking at a queue without touching it: how full, how old, and whether its chain holds.

Knows how to walk the file from the oldest held group to each lane's head. Does not repair, and
needs no private key: groups stay sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from kiosk.outbox.errors import QueueBroken
from wire.errors import WireError
from wire.group import genesis_head, verify_group
from wire.tombstone import verify_tombstone

if TYPE_CHECKING:
    from kiosk.outbox.store import LaneState, Owner, Store
    from wire.group import SealedGroup


class LaneStatus(TypedDict):
    """One lane: the next number, the last acknowledged one, records waiting, the oldest's age."""

    next: int
    acked: int
    waiting: int
    oldest_s: int | None


class Status(TypedDict):
    """The state of a queue, ready for JSON. "chain" is of the index: `examine` reads the bytes."""

    epoch: str
    lanes: dict[str, LaneStatus]
    bytes: int
    quota: int
    chain: Literal["ok", "broken"]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was read and found whole.

    Attributes:
        groups: how many of them.
        records: how many in them.
        tombstones: how many stand in the place of records that are lost.
    """

    groups: int
    records: int
    tombstones: int = 0


def status_of(store: Store, *, now: float) -> Status:
    """Return the state of a queue. Raises QueueFailed."""
    owner = store.owner()
    lanes: dict[str, LaneStatus] = {}
    chain: Literal["ok", "broken"] = "ok"
    for state in store.lanes():
        oldest = store.filed_at(state.lane, after_seq=state.acked_seq)
        lanes[state.lane] = LaneStatus(
            next=state.next_seq,
            acked=state.acked_seq,
            waiting=state.waiting,
            oldest_s=None if oldest is None else max(0, int(now) - oldest),
        )
        try:
            _walk(store, state, owner)
        except QueueBroken:
            chain = "broken"
    return Status(
        epoch=owner.epoch.hex(),
        lanes=lanes,
        bytes=store.bytes_used(),
        quota=store.quota_bytes(),
        chain=chain,
    )


def examine(store: Store, *, station_key: bytes) -> Examined:
    """Check every page, link, signature and place of a queue.

    Args:
        store: the open file.
        station_key: SubjectPublicKeyInfo of the key that must have signed.

    Raises:
        QueueBroken: where it first doesn't hold.
        QueueFailed: the file is damaged or can't be used.
    """
    store.check_pages()
    owner = store.owner()
    groups = records = tombstones = 0
    for state in store.lanes():
        _walk(store, state, owner)
        after = 0
        while found := store.groups(state.lane, after_seq=after, limit=1):
            _check_group(found[0], owner, station_key)
            after = found[0].last
            if found[0].lost:
                tombstones += 1
            else:
                groups += 1
                records += found[0].count
    return Examined(groups, records, tombstones)


def _walk(store: Store, state: LaneState, owner: Owner) -> None:
    """Follow the links from the oldest held group to the lane's head."""
    if not state.sound:
        raise QueueBroken(state.lane, state.next_seq, "the lane's own row is damaged")
    links = store.links(state.lane)
    oldest_first, _, head, _ = links[0] if links else (state.next_seq, 0, state.chain_head, b"")
    if oldest_first > state.acked_seq + 1:
        raise QueueBroken(state.lane, state.acked_seq + 1, "an unacknowledged group is missing")
    if oldest_first == 1 and head != genesis_head(
        device=owner.device, epoch=owner.epoch, lane=state.lane
    ):
        raise QueueBroken(state.lane, 1, "the chain begins elsewhere")
    seq = oldest_first
    for first, count, previous_head, next_head in links:
        if (first, previous_head) != (seq, head):
            raise QueueBroken(state.lane, seq, "the next group does not follow")
        seq, head = first + count, next_head
    if (seq, head) != (state.next_seq, state.chain_head):
        raise QueueBroken(state.lane, seq, "the last group is not the chain's head")


def _check_group(group: SealedGroup, owner: Owner, station_key: bytes) -> None:
    try:
        signed = (verify_tombstone if group.lost else verify_group)(group.raw, station_key)
    except WireError as error:
        raise QueueBroken(group.lane, group.first, "the group is not as it was signed") from error
    body = signed.body
    stated = (body.device, body.epoch, body.lane, body.first, body.count, signed.head)
    kept = (owner.device, owner.epoch, group.lane, group.first, group.count, group.head)
    if stated != kept or body.previous_head != group.previous_head:
        raise QueueBroken(group.lane, group.first, "the group stands in the wrong place")
