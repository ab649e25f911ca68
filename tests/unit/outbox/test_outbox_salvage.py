"""From what was found to one chain again: nothing twice, nothing missing, heads that meet."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from kiosk.outbox.carve import Place
from kiosk.outbox.salvage import Gap, LaneFound, LanePlan, Piece, plan
from kiosk.outbox.store import LaneState

GENESIS = b"genesis"
NOWHERE = Place(0, 0, 0)


def chain(counts: list[int], story: str = "true") -> list[Piece]:
    pieces, first, head = [], 1, GENESIS
    for count in counts:
        following = hashlib.sha256(head + f"{story} {first} {count}".encode()).digest()
        pieces.append(Piece(first, count, head, following, lost=False, at=0, place=NOWHERE))
        first, head = first + count, following
    return pieces


@st.composite
def damages(draw: st.DrawFn) -> tuple[list[Piece], LaneFound, int]:
    """A true chain, what was found of it, and the last number that was given."""
    true = chain(draw(st.lists(st.integers(1, 4), max_size=8)))
    end = true[-1].last if true else 0
    head = true[-1].head if true else GENESIS
    acked = draw(st.sampled_from([0, *(piece.last for piece in true)]))
    kept = [piece for piece in true if draw(st.booleans())]
    twice = draw(st.lists(st.sampled_from(kept), max_size=3)) if kept else []
    row = draw(st.sampled_from(["true", "old", "none"]))
    state = LaneState("normal", end + 1, acked, head) if row == "true" else None
    if row == "old" and true:
        older = draw(st.sampled_from(true))
        state = LaneState("normal", older.last + 1, min(acked, older.last), older.head)
    marks = draw(st.booleans())
    given_, ceiling = (end, end + draw(st.integers(0, 9))) if marks or row == "old" else (0, None)
    if not true and ceiling is not None:
        ceiling = draw(st.sampled_from([0, 7]))
    found = LaneFound(
        lane="normal",
        pieces=tuple(draw(st.permutations([*kept, *twice]))),
        state=state,
        acked=acked if row != "none" else draw(st.sampled_from([0, acked])),
        given=given_,
        ceiling=ceiling,
        genesis=GENESIS,
    )
    return true, found, end


def checked(found: LaneFound, result: LanePlan) -> None:
    """The chain is one, from what is acknowledged on."""
    expected: int | None = None
    head: bytes | None = None
    for link in result.chain:
        assert expected in (None, link.first)
        assert head in (None, link.previous_head)
        if expected is None:
            assert link.first <= result.acked + 1
            assert link.first > 1 or link.previous_head == GENESIS
        expected = link.last + 1
        head = link.next_head if isinstance(link, Gap) else link.head
    assert expected in (None, result.end + 1)
    assert result.head == (GENESIS if not result.chain and result.end == 0 else result.head)
    if result.chain:
        assert result.head == head
    else:
        assert result.acked == result.end


@given(damages())
def test_every_number_is_accounted_for(damage: tuple[list[Piece], LaneFound, int]) -> None:
    true, found, end = damage
    result = plan(found)
    checked(found, result)
    assert result.end >= end
    held = {link.first for link in result.chain if isinstance(link, Piece)}
    for piece in found.pieces:
        if piece.last > result.acked:
            assert piece.first in held, "what was found is kept"
    for gap in result.gaps:
        assert 0 <= gap.given <= gap.last - gap.first + 1
        if gap.next_head is not None:
            assert gap.given == gap.last - gap.first + 1
            assert gap.last <= end
            follows = [piece for piece in true if piece.last == gap.last]
            assert follows
            assert follows[0].head == gap.next_head
    if result.known:
        assert result.end == end
    elif end:
        assert result.end > end, "a number that may have been given is never given again"


@given(damages())
def test_a_whole_lane_stays_as_it_is(damage: tuple[list[Piece], LaneFound, int]) -> None:
    true, _, end = damage
    head = true[-1].head if true else GENESIS
    state = LaneState("normal", end + 1, 0, head)
    result = plan(LaneFound("normal", tuple(true), state, 0, end, end + 5, GENESIS))
    assert (result.chain, result.end, result.head, result.known) == (tuple(true), end, head, True)


def test_a_lane_that_was_never_used_stays_so() -> None:
    result = plan(LaneFound("urgent", (), None, 0, 0, 0, GENESIS))
    assert (result.chain, result.end, result.acked, result.head) == ((), 0, 0, GENESIS)


def test_another_story_is_given_up_and_never_sent() -> None:
    """Two contents for a number can lie in one log: of a commit that failed, and the next one."""
    true, other = chain([1, 2, 1]), chain([1, 2], "other")
    found = LaneFound(
        "normal",
        (true[0], other[1], true[2]),
        LaneState("normal", 5, 0, true[2].head),
        0,
        4,
        9,
        GENESIS,
    )
    result = plan(found)
    assert [type(link) for link in result.chain] == [Piece, Gap, Piece]
    checked(found, result)


def test_a_head_that_nothing_leads_to_begins_anew_above() -> None:
    true = chain([2])
    state = LaneState("normal", 3, 0, b"elsewhere")
    result = plan(LaneFound("normal", tuple(true), state, 0, 2, 20, GENESIS))
    assert result.end == 21
    assert result.head is None
    assert result.gaps == (Gap(3, 21, 0, true[0].head, None),)


def test_a_tombstone_makes_room_for_the_record_that_is_found() -> None:
    true = chain([1, 2, 1])
    grave = Piece(2, 2, true[0].head, true[1].head, lost=True, at=0, place=NOWHERE)
    state = LaneState("normal", 5, 0, true[2].head)
    found = LaneFound("normal", (true[0], grave, true[2], true[1]), state, 0, 4, 9, GENESIS)
    assert plan(found).records in (2, 4)
    checked(found, plan(found))
