"""What can still be said of a damaged queue: pure.

Knows how pieces that bear the station's signature become one chain again, and which numbers no
piece accounts for. Such a **gap** is bridged where what follows is known, and else is the lane's
new beginning, above every number that can have been given. Does not know files, keys nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kiosk.outbox.marks import LEASE
from wire.record import MAX_SEQ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiosk.outbox.carve import Place
    from kiosk.outbox.store import LaneState
    from wire.record import Lane


@dataclass(frozen=True, slots=True)
class Piece:
    """A group or a tombstone that was found and that the station signed.

    Attributes:
        first: its first number.
        count: how many numbers it accounts for.
        previous_head: the head that it was built on.
        head: the head with it.
        lost: it is a tombstone.
        at: when it was filed, UTC seconds.
        place: where it is to be read again.
    """

    first: int
    count: int
    previous_head: bytes
    head: bytes
    lost: bool
    at: int
    place: Place

    @property
    def last(self) -> int:
        """Its last number."""
        return self.first + self.count - 1


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that nothing accounts for.

    Attributes:
        first: the first of them.
        last: the last of them.
        given: how many, from first on, were surely given.
        previous_head: the head before first.
        next_head: the head that what follows was built on; None: nothing is known to follow.
    """

    first: int
    last: int
    given: int
    previous_head: bytes
    next_head: bytes | None


@dataclass(frozen=True, slots=True)
class LaneFound:
    """What was found of one lane.

    Attributes:
        lane: which.
        pieces: the most trustworthy first; some may be old, or twice.
        state: the lane's row, if it is sound and of the newest view.
        acked: a number that the fleet once acknowledged, or 0.
        given: a number that was surely given, or 0.
        ceiling: no number above was ever given; None: nobody knows.
        genesis: the head before the first record.
    """

    lane: Lane
    pieces: tuple[Piece, ...]
    state: LaneState | None
    acked: int
    given: int
    ceiling: int | None
    genesis: bytes


@dataclass(frozen=True, slots=True)
class LanePlan:
    """What the lane becomes.

    Attributes:
        lane: which.
        chain: what it holds, in order, without a hole from the acknowledged number on.
        acked: the last acknowledged number.
        end: the last number that is accounted for.
        head: the head after it; None: that of the last gap, once it is signed.
        known: whether the lane's own row told where it ends.
    """

    lane: Lane
    chain: tuple[Piece | Gap, ...]
    acked: int
    end: int
    head: bytes | None
    known: bool

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The numbers that are lost, or given up."""
        return tuple(link for link in self.chain if isinstance(link, Gap))

    @property
    def records(self) -> int:
        """How many records are held."""
        return sum(link.count for link in self.chain if isinstance(link, Piece) and not link.lost)


def plan(found: LaneFound) -> LanePlan:
    """Return what a lane becomes."""
    pieces = _one_story(found.pieces)
    known_end = 0 if found.state is None else found.state.next_seq - 1
    evidence = max([found.given, found.acked, *(piece.last for piece in pieces)], default=0)
    known = found.state is not None and known_end >= evidence
    end = known_end if known else _beyond(max(evidence, known_end), found.ceiling)
    tail = found.state.chain_head if known and found.state is not None else None
    chain: list[Piece | Gap] = []
    expected, head = 1, found.genesis
    for piece in pieces:
        if piece.first > expected:
            chain.append(_bridge(expected, piece.first - 1, head, piece.previous_head))
        elif piece.previous_head != head:
            continue  # of another story than what stands before it
        chain.append(piece)
        expected, head = piece.last + 1, piece.head
    if expected <= end and tail is not None:
        chain.append(_bridge(expected, end, head, tail))
        head = tail
    elif tail is not None and head != tail:
        known, end = False, _beyond(end, found.ceiling)
    if not known and expected <= end:
        given = max(0, max(found.given, known_end) - expected + 1)
        chain.append(Gap(expected, end, given, head, None))
    restarted = bool(chain) and isinstance(chain[-1], Gap) and chain[-1].next_head is None
    return LanePlan(
        lane=found.lane,
        chain=_needed(chain, found.acked),
        acked=min(found.acked, end),
        end=end,
        head=None if restarted else head,
        known=known,
    )


def _beyond(evidence: int, ceiling: int | None) -> int:
    """Return a number that was never given; 0 if none was ever given."""
    if ceiling is None:
        return min(evidence + LEASE, MAX_SEQ - 1)
    return min(max(evidence, ceiling) + 1, MAX_SEQ - 1) if evidence or ceiling else 0


def _bridge(first: int, last: int, head: bytes, next_head: bytes) -> Gap:
    return Gap(first, last, last - first + 1, head, next_head)


def _one_story(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces in order that don't overlap; of two, the one that came first stays."""
    taken: dict[int, Piece] = {}
    for piece in pieces:
        taken.setdefault(piece.first, piece)
    ordered: list[Piece] = []
    for piece in sorted(taken.values(), key=lambda piece: piece.first):
        if not ordered or piece.first > ordered[-1].last:
            ordered.append(piece)
        elif ordered[-1].lost and not piece.lost:
            ordered[-1] = piece  # a record that is there isn't lost
    return ordered


def _needed(chain: list[Piece | Gap], acked: int) -> tuple[Piece | Gap, ...]:
    """Leave out what the fleet holds and what isn't whole any more."""
    settled = [n for n, link in enumerate(chain) if isinstance(link, Gap) and link.last <= acked]
    return tuple(chain[settled[-1] + 1 :] if settled else chain)
