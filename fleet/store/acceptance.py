"""What to do with one verified group, given what is already stored of its lane: a pure table.

Knows sequence numbers and chain heads. Does not know signatures, keys, databases or brokers: what
comes here is verified already.

A lane is stored without gaps, in the order its station wrote it. So a group either continues the
lane, is a repetition, runs ahead, or tells another story than the one that is stored.
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


def judge(place: GroupPlace, marks: LaneMarks, stored: GroupPlace | None) -> Acceptance:
    """Return what becomes of a group.

    Args:
        place: where the group says it belongs.
        marks: what is stored of its lane.
        stored: the stored group that begins with the same record, if there is one.
    """
    if place.first > marks.high_water + 1:
        return Acceptance.GAP
    if place.first == marks.high_water + 1:
        continues = place.previous_head == marks.head
        return Acceptance.STORE if continues else Acceptance.FORK
    return Acceptance.REPEAT if place == stored else Acceptance.FORK
