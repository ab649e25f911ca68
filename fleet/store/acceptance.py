"""What to do with one verified group, given what is already stored of its lane: a pure table.

Knows sequence numbers and chain heads. Does not know signatures, keys, databases or brokers: what
comes here is verified already.

A lane is stored without gaps, in the order its station wrote it. So a group either continues the
lane, is a repetition, runs ahead, or tells another story than the one that is stored. Where its
station lost numbers, a tombstone continues the lane in their place; what it stood for may still be
found, e.g. in an export that was made before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NOTHING_STORED = 0
"""The high-water mark of a lane of which nothing is stored: sequence numbers begin at 1."""


class Acceptance(StrEnum):
    """What becomes of a group."""

    STORE = "store"
    """It continues the lane: insert it and move the marks."""
    REPEAT = "repeat"
    """It is stored already, byte for byte the same chain: the receipt is repeated."""
    GAP = "gap"
    """Something before it is missing: the receipt repeats the mark, "go on from here"."""
    FOUND = "found"
    """It stands within a tombstone and nothing is stored there: insert it, leave the marks."""
    FORK = "fork"
    """Another content for a stored identity, or another past: keep both, flag the device."""


@dataclass(frozen=True, slots=True)
class LaneMarks:
    """What is stored of one (device, epoch, lane).

    Attributes:
        high_water: the last sequence number up to which nothing is missing; 0: nothing is stored.
        head: the chain head after it; 32 bytes, those of an empty lane while nothing is stored.
    """

    high_water: int
    head: bytes


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """Where a group says it belongs.

    Attributes:
        first: sequence number of its first record.
        count: how many records, at least 1.
        previous_head: the chain head it was built on.
        head: the chain head with it.
    """

    first: int
    count: int
    previous_head: bytes
    head: bytes

    @property
    def last(self) -> int:
        """Sequence number of its last record."""
        return self.first + self.count - 1


@dataclass(frozen=True, slots=True)
class LossPlace:
    """Where a tombstone stands, and what is stored where it begins and where it ends.

    Attributes:
        first: the first number that will never come.
        last: the last one.
        previous_head: the chain head before first.
        head: the chain head that the lane goes on from.
        restarts: what came after is not known: no number up to last counts any more.
        begins_on: the chain head that what is stored from first on was built on; None: nothing
            begins there.
        ends_on: the chain head that what is stored from last + 1 on was built on; None: nothing
            begins there.
    """

    first: int
    last: int
    previous_head: bytes
    head: bytes
    restarts: bool
    begins_on: bytes | None
    ends_on: bytes | None


def judge_loss(place: LossPlace, marks: LaneMarks, *, genesis: bytes, stored: bool) -> Acceptance:
    """Return what becomes of a tombstone.

    A station may call lost what is stored here: it did not hear that, or it lost its own place.
    That takes nothing away from what is stored.

    Args:
        place: where it stands.
        marks: what is stored of its lane.
        genesis: the chain head of an empty lane.
        stored: whether this very tombstone is stored already.
    """
    if stored:
        return Acceptance.REPEAT
    if place.first > marks.high_water + 1:
        return Acceptance.GAP
    begins_on = marks.head if place.first == marks.high_water + 1 else place.begins_on
    if place.previous_head != (genesis if place.first == 1 else begins_on):
        return Acceptance.FORK
    if place.last > marks.high_water:
        return Acceptance.STORE
    if place.restarts:  # it gives up numbers that were never given; here are records beyond them
        return Acceptance.FORK
    ends_on = marks.head if place.last == marks.high_water else place.ends_on
    return Acceptance.REPEAT if ends_on in (place.head, None) else Acceptance.FORK


def judge(
    place: GroupPlace, marks: LaneMarks, stored: GroupPlace | None, *, lost: bool = False
) -> Acceptance:
    """Return what becomes of a group.

    Args:
        place: where the group says it belongs.
        marks: what is stored of its lane.
        stored: the stored group that begins with the same record, if there is one.
        lost: all its numbers are covered by tombstones, and no record of them is stored.
    """
    if place.first > marks.high_water + 1:
        return Acceptance.GAP
    if place.first == marks.high_water + 1:
        continues = place.previous_head == marks.head
        return Acceptance.STORE if continues else Acceptance.FORK
    if place == stored:
        return Acceptance.REPEAT
    return Acceptance.FOUND if lost and stored is None else Acceptance.FORK
