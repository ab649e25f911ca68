"""A dialogue over a port: its value, what it cost, and what it raises."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from contract_card import ECHO, LEAVE, EchoChip

from emrtd.apdu import Command, Step
from emrtd.errors import ChipGone, ChipMalformed
from hw.card.reading import read
from hw.card.sim import SimulatedReader

if TYPE_CHECKING:
    from emrtd.dialogue import Dialogue


def connected(chip: EchoChip) -> SimulatedReader:
    reader = SimulatedReader(chip)
    reader.connect(timeout_s=0)
    return reader


def ask(phase: str, data: bytes = b"", ins: int = ECHO) -> Command:
    return Command(0, ins, 0, 0, data, step=Step(phase, 1, 2))


def test_the_value_the_count_and_the_time_of_each_phase() -> None:
    def dialogue() -> Dialogue[bytes]:
        first = yield ask("access", b"ab")
        yield ask("access")
        last = yield ask("dg1", b"cd")
        return first.data + last.data

    # Read at the start, before each command and at the end.
    ticks = iter((0.0, 0.5, 1.0, 3.0, 7.0))
    steps: list[Step] = []
    reading = read(connected(EchoChip()), dialogue(), steps.append, clock=lambda: next(ticks))
    assert reading.value == b"abcd"
    assert reading.apdus == 3
    assert reading.ms == {"access": 3000.0, "dg1": 4000.0}
    assert [step.phase for step in steps] == ["access", "access", "dg1"]
    assert steps[0] == Step("access", 1, 2)
    assert next(ticks, None) is None


def test_a_dialogue_that_asks_nothing_costs_nothing() -> None:
    def dialogue() -> Dialogue[int]:
        return 7
        yield ask("never")

    reading = read(connected(EchoChip()), dialogue())
    assert (reading.value, reading.apdus, dict(reading.ms)) == (7, 0, {})


def test_a_lost_chip_is_thrown_into_the_dialogue_and_out_to_the_caller() -> None:
    closed = []

    def dialogue() -> Dialogue[None]:
        try:
            yield ask("dg2", ins=LEAVE)
        except ChipGone:
            closed.append("keys")
            raise

    with pytest.raises(ChipGone):
        read(connected(EchoChip()), dialogue())
    assert closed == ["keys"]


@pytest.mark.parametrize("response", [b"", b"\x90", bytes(65_539)])
def test_what_is_no_response_ends_the_dialogue(response: bytes) -> None:
    class Odd(EchoChip):
        def answer(self, command: bytes) -> bytes:
            del command
            return response

    closed = []

    def dialogue() -> Dialogue[None]:
        try:
            for _ in itertools.repeat(None):
                yield ask("com")
        finally:
            closed.append("keys")

    with pytest.raises(ChipMalformed):
        read(connected(Odd()), dialogue())
    assert closed == ["keys"]
