"""The whole inspection and its verdict against a chip that nobody wrote.

Whatever it answers and whatever is on it, an inspection ends, within its plan's commands and soon,
and what is found genuine is what was issued: `judged` raises NeverGenuineError where it is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emrtd.errors import ChipMalformed, EMRTDError
from emrtd.files import ReadPlan
from emrtd.sim import CardImage, Chip
from emrtd.sim._file_system import FileSystem
from emrtd.sim._manner import Manner
from emrtd.verify import ChipOutcome
from tests.fuzz._cards import issued, stream, talk
from tests.fuzz.emrtd_inspect import (
    NAMES,
    NeverGenuineError,
    answers_on_the_way,
    evidence_of_any_files,
    files_of_any_bytes,
    judged,
    raw_answers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrtd.apdu import Command

CARDS = st.integers(0, len(issued()) - 1).map(lambda number: bytes((number,)))
OFFSETS = st.integers(0, 1100).map(lambda at: at.to_bytes(2, "big"))
FILES = st.integers(0, len(NAMES) - 1).map(lambda number: bytes((number,)))
WORDS = st.sampled_from([b"\x69\x82", b"\x6a\x82", b"\x62\x82", b"\x61\x10", b"\x63\x00", b"\0\0"])
SOME = st.binary(min_size=1, max_size=6).map(lambda raw: bytes((len(raw),)) + raw)


def parts(*each: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*each).map(b"".join)


EDITS = st.one_of(
    parts(st.just(b"\x00"), FILES, SOME.map(lambda piece: b"\0" + piece)),
    parts(st.just(b"\x01"), FILES, OFFSETS, SOME),
    parts(st.just(b"\x02"), FILES, OFFSETS),
    parts(st.just(b"\x03"), FILES, OFFSETS, st.binary(min_size=1, max_size=1), SOME),
    parts(st.just(b"\x04"), FILES, WORDS),
    parts(st.just(b"\x05"), FILES, st.integers(0, 60).map(lambda n: bytes((n,))), WORDS, SOME),
    parts(st.just(b"\x06"), FILES, st.binary(min_size=1, max_size=1)),
)
CHANGES = st.one_of(
    st.integers(8, 40).map(lambda passed: bytes((passed,))),
    parts(st.just(b"\x01"), WORDS),
    parts(st.just(b"\x02"), SOME),
    parts(st.just(b"\x03"), OFFSETS),
    st.just(b"\x04"),
    parts(st.just(b"\x05"), SOME),
    parts(st.just(b"\x06"), OFFSETS, SOME),
)


def scripts(change: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A card, and up to four changes of it."""
    return parts(CARDS, st.lists(change, max_size=4).map(b"".join))


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """Fail over two seconds of processor time, whatever else the machine does."""
    begun = time.process_time()
    try:
        yield
    finally:
        assert time.process_time() - begun < 2


@settings(max_examples=60, deadline=None)
@given(raw=parts(CARDS, st.lists(SOME, max_size=30).map(lambda each: b"\0".join([b"", *each]))))
def test_a_chip_of_random_answers_proves_nothing(raw: bytes) -> None:
    with soon(), contextlib.suppress(EMRTDError):
        assert raw_answers(raw).outcome not in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}


@settings(max_examples=50, deadline=None)
@given(raw=scripts(CHANGES))
@example(raw=b"\x00")
def test_who_stands_between_proves_nothing_else(raw: bytes) -> None:
    with soon(), contextlib.suppress(EMRTDError):
        answers_on_the_way(raw)


@settings(max_examples=50, deadline=None)
@given(raw=scripts(EDITS))
@example(raw=b"\x01")
def test_a_chip_with_anything_on_it_proves_nothing_else(raw: bytes) -> None:
    with soon(), contextlib.suppress(EMRTDError):
        files_of_any_bytes(raw)


@settings(max_examples=50, deadline=None)
@given(raw=scripts(EDITS))
def test_an_evidence_with_anything_in_it_proves_nothing_else(raw: bytes) -> None:
    with soon():
        evidence_of_any_files(raw)


@pytest.mark.parametrize("number", range(len(issued())))
def test_an_honest_chip_is_what_it_is(number: int) -> None:
    known = {3: ChipOutcome.MAY_BE_COPY}.get(number, ChipOutcome.GENUINE)
    for honest in (answers_on_the_way, files_of_any_bytes, evidence_of_any_files):
        assert honest(bytes((number,))).outcome is known


def test_a_verdict_that_is_too_good_is_noticed() -> None:
    """What the searching rests on: the check of the verdicts can fail."""
    honest, other = issued()[1], issued()[0]
    chip = Chip(honest.card, randomness=stream("chip"))
    claimed = honest._replace(card=dataclasses.replace(honest.card, files=other.card.files))
    with pytest.raises(NeverGenuineError):
        judged(chip.answer, claimed)


class _OneByOne(Manner):
    """Gives one byte of a file at a time, once its head has said how long it is."""

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        later = command.ins == 0xB0 and command.p1 | command.p2
        return (data[:1], sw) if later else (data, sw)


def _slow_reading(card: CardImage) -> Chip:
    chip, manner = Chip(card, randomness=stream("chip")), _OneByOne(0, stream("manner"))
    chip._manner, chip._files = manner, FileSystem(card, manner)
    return chip


@pytest.mark.parametrize("number", [0, 1])
def test_the_work_that_a_chip_can_ask_for_ends(number: int) -> None:
    """After as many commands as the usual plan allows, and in less than two seconds of our own."""
    honest, plan, count = issued()[number], ReadPlan(), 0
    long = b"\x61\x82\xff\x00" + bytes(0xFF00)
    card = dataclasses.replace(honest.card, files={**honest.card.files, "DG1": long})
    chip = _slow_reading(card)

    def transmit(command: bytes) -> bytes:
        nonlocal count
        count += 1
        return chip.answer(command)

    with soon(), pytest.raises(ChipMalformed):
        judged(transmit, honest, plan=plan)
    assert count == plan.max_commands


def test_the_talk_of_an_honest_chip_is_its_own_script() -> None:
    pieces = b"".join(len(each).to_bytes(2, "big") + each for each in talk(1).answers)
    assert raw_answers(b"\x01" + pieces).outcome is ChipOutcome.GENUINE
    with pytest.raises(EMRTDError):
        raw_answers(b"\x00" + pieces)
