"""The table of what becomes of a group: every cell, and a lane told out of order by two tellers."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.store.acceptance import Acceptance, GroupPlace, LaneMarks, judge

HEAD, OTHER_HEAD = b"stored head", b"another head"
STORED = GroupPlace(3, 2, b"past", b"head 4")

STORE, REPEAT, GAP, FOUND, FORK = Acceptance


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 6, 9])
@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("stored", ["nothing", "the same", "another"])
def test_every_cell_of_the_table(first: int, continues: bool, stored: str) -> None:
    marks = LaneMarks(4, HEAD)
    place = GroupPlace(first, 2, HEAD if continues else OTHER_HEAD, b"its head")
    known = {"nothing": None, "the same": place, "another": STORED}[stored]
    if first > 5:
        expected = GAP
    elif first == 5:
        expected = STORE if continues else FORK
    else:
        expected = REPEAT if stored == "the same" else FORK
    assert judge(place, marks, known) is expected


@pytest.mark.parametrize("field", range(4))
def test_a_repetition_is_the_same_in_every_field(field: int) -> None:
    twin = [STORED.first, STORED.count, STORED.previous_head, STORED.head]
    twin[field] = [1, 1, b"another past", b"another head"][field]
    marks = LaneMarks(4, b"head 4")
    assert judge(STORED, marks, STORED) is REPEAT
    assert judge(GroupPlace(*twin), marks, STORED) is FORK


def told(story: str, counts: list[int], start: tuple[int, bytes]) -> list[GroupPlace]:
    """Return a chain's groups from a mark on, as one teller has them."""
    first, head = start
    places = []
    for count in counts:
        following = hashlib.sha256(head + f"{story} {first} {count}".encode()).digest()
        places.append(GroupPlace(first, count, head, following))
        first, head = first + count, following
    return places


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.integers(0, 4),
    st.data(),
)
def test_a_lane_with_losses_repeats_and_a_clone_keeps_one_story(
    counts: list[int], cloned: list[int], common: int, data: st.DataObject
) -> None:
    """Two tellers share a beginning; whatever comes in whatever order, one chain is stored."""
    true = told("true", counts, (1, b"genesis"))
    common = min(common, len(true))
    start = (true[common - 1].last + 1, true[common - 1].head) if common else (1, b"genesis")
    false = told("false", cloned, start)
    marks, stored, forks = LaneMarks(0, b"genesis"), {}, 0
    for place in data.draw(st.lists(st.sampled_from(true + false), max_size=30)):
        verdict = judge(place, marks, stored.get(place.first))
        match verdict:
            case Acceptance.STORE:
                assert place.first == marks.high_water + 1
                assert place.previous_head == marks.head
                stored[place.first] = place
                marks = LaneMarks(place.last, place.head)
            case Acceptance.REPEAT:
                assert stored[place.first] == place
            case Acceptance.GAP:
                assert place.first > marks.high_water + 1
            case Acceptance.FORK:
                forks += 1
                assert place not in stored.values()
    kept = list(stored.values())
    assert kept in (true[: len(kept)], true[:common] + false[: len(kept) - common])
    if forks:  # a fork is only ever called out where two stories differ
        assert len(kept) >= common


def test_the_table_above_is_whole() -> None:
    """Nothing but the four verdicts comes out of any small case."""
    heads = (HEAD, OTHER_HEAD)
    for first, count, water, past, mark in product(range(1, 6), (1, 2), range(5), heads, heads):
        place = GroupPlace(first, count, past, b"head")
        for stored in (None, place, STORED):
            verdict = judge(place, LaneMarks(water, mark), stored)
            assert (verdict is STORE) == (first == water + 1 and past == mark)
            assert (verdict is GAP) == (first > water + 1)
            assert (verdict is REPEAT) == (first <= water and stored == place)
