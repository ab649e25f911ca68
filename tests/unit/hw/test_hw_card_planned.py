"""Cards that carry less than they or their readers say, and what is learned of them."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from card_material import AT, JPEG, WANTED, issuer, trust
from contract_card import EchoChip

from emrtd import CAN
from emrtd.apdu import Command
from emrtd.channel import PlainChannel
from emrtd.errors import ChannelBroken, ChipGone, ChipMalformed, ChipRefused, EMRTDError, Fault
from emrtd.files import ReadPlan
from emrtd.inspect import Inspection, inspect
from emrtd.read_plan import ReaderMemory
from emrtd.secure_messaging import MAX_SHORT_DATA
from emrtd.sim import CardImage, Chip, Holder, personalise
from emrtd.verify import ChipOutcome, verify
from hw.card.planned import AGAIN, PlannedReads
from hw.card.port import CardInfo
from hw.card.sim import MAX_COMMAND_BYTES, READER, SimulatedReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.apdu import Step
    from emrtd.dialogue import Dialogue

PICTURE = JPEG[:-2] + bytes(9000) + JPEG[-2:]
DAY = AT.date()


@pytest.fixture(scope="module")
def card() -> CardImage:
    """A card that says that it carries four kilobytes."""
    holder = Holder(
        number="999095012345", name="A", birth=DAY, sex="M", issued=DAY, expiry=None, father=""
    )
    return personalise(
        holder, PICTURE, generation="2021", pki=issuer(), randomness=os.urandom, extended_bytes=4096
    )


class Reader(SimulatedReader):
    """A reader before a chip, whose every exchange a test may change."""

    def __init__(self, chip: Chip, change: Callable[[bytes, bytes], bytes] | None = None) -> None:
        super().__init__(chip)
        self.change = change
        self.connects = self.commands = 0
        self.most = MAX_COMMAND_BYTES

    def connect(self, *, timeout_s: float) -> CardInfo:
        self.connects += 1
        info = super().connect(timeout_s=timeout_s)
        return CardInfo(info.reader, info.atr, self.most)

    def transmit(self, command: bytes) -> bytes:
        self.commands += 1
        response = super().transmit(command)
        return response if self.change is None else self.change(command, response)


def asking(plans: list[ReadPlan]) -> Callable[[ReadPlan], Dialogue[Inspection]]:
    """Return what makes inspections, and keeps with which plans."""

    def dialogue(plan: ReadPlan) -> Dialogue[Inspection]:
        plans.append(plan)
        return inspect(
            CAN("012345"), wanted=WANTED, randomness=os.urandom, aa_nonce=os.urandom(8), plan=plan
        )

    return dialogue


def answers_at_most(size: int) -> Callable[[bytes, bytes], bytes]:
    """Return a reader's way to cut off what is longer than it carries."""

    def change(command: bytes, response: bytes) -> bytes:
        del command
        return response if len(response) <= size + 2 else response[:size] + response[-2:]

    return change


def test_a_card_that_carries_much_is_read_in_few_commands(card: CardImage) -> None:
    reads, reader, plans = PlannedReads(), Reader(Chip(card, randomness=os.urandom)), []
    first = reads.read(reader, reader.connect(timeout_s=0), asking(plans))
    assert verify(first.value.evidence, trust(), at=AT).outcome is ChipOutcome.GENUINE
    assert [plan.max_le for plan in plans] == [4063]
    assert (first.apdus, reader.connects) == (reader.commands, 1)
    assert AGAIN not in first.ms
    again = reads.read(reader, reader.connect(timeout_s=0), asking(plans))
    # EF.ATR/INFO is not asked for again.
    assert (plans[1], again.apdus) == (plans[0], first.apdus - 2)
    assert reads.memory.recall(READER, Chip(card, randomness=os.urandom).atr) == plans[0]
    reader.most = 261
    fresh = PlannedReads()
    short = fresh.read(reader, reader.connect(timeout_s=0), asking(plans))
    assert plans[-1] == ReadPlan()
    assert short.apdus > again.apdus + 30


@pytest.mark.parametrize(
    ("most", "tried"),
    [(4096, [4063]), (2000, [4063, 1024]), (900, [4063, 1024, 223]), (256, [4063, 1024, 223])],
)
def test_a_reader_that_promised_too_much_is_read_one_step_lower(
    card: CardImage, most: int, tried: list[int]
) -> None:
    reads, plans = PlannedReads(), []
    reader = Reader(Chip(card, randomness=os.urandom), answers_at_most(most))
    reading = reads.read(reader, reader.connect(timeout_s=0), asking(plans))
    assert verify(reading.value.evidence, trust(), at=AT).outcome is ChipOutcome.GENUINE
    assert [plan.max_le for plan in plans] == tried
    assert reader.connects == len(tried)
    assert reading.apdus == reader.commands
    assert (AGAIN in reading.ms) == (len(tried) > 1)
    plans.clear()
    reads.read(reader, reader.connect(timeout_s=0), asking(plans))
    assert [plan.max_le for plan in plans] == tried[-1:]


@pytest.mark.parametrize("answer", ["6700", "6F00", "", "90"])
def test_whatever_a_long_read_ends_in_a_short_one_is_tried(card: CardImage, answer: str) -> None:
    def change(command: bytes, response: bytes) -> bytes:
        return bytes.fromhex(answer) if command[1] == 0xB0 and command[4] == 0 else response

    reader, plans = Reader(Chip(card, randomness=os.urandom), change), []
    reading = PlannedReads().read(reader, reader.connect(timeout_s=0), asking(plans))
    assert verify(reading.value.evidence, trust(), at=AT).outcome is ChipOutcome.GENUINE
    assert [plan.max_le for plan in plans] == [4063, 1024, 223]


def test_a_chip_that_fails_in_short_commands_too_teaches_nothing(card: CardImage) -> None:
    def change(command: bytes, response: bytes) -> bytes:
        broken = command[0] & 0x0C and command[1] == 0xB0
        return response[:-3] + bytes((response[-3] ^ 1,)) + response[-2:] if broken else response

    reads, plans = PlannedReads(), []
    reader = Reader(Chip(card, randomness=os.urandom), change)
    with pytest.raises(ChannelBroken):
        reads.read(reader, reader.connect(timeout_s=0), asking(plans))
    assert [plan.max_le for plan in plans] == [4063, 1024, 223]
    assert reads.memory == ReaderMemory()


@pytest.mark.parametrize("fault", ["sod_4gib", "sod_garbage", "clone", "wrong_token", "torn:25"])
def test_what_is_no_plans_fault_is_not_tried_again(card: CardImage, fault: str) -> None:
    plans: list[ReadPlan] = []
    reader = Reader(Chip(card, randomness=os.urandom, fault=fault))
    try:
        evidence = PlannedReads().read(reader, reader.connect(timeout_s=0), asking(plans))
        made = verify(evidence.value.evidence, trust(), at=AT)
        assert made.outcome is ChipOutcome.NOT_GENUINE
    except EMRTDError as error:
        assert error.fault is not Fault.RESPONSE_MALFORMED  # noqa: PT017 - a clone is read
    assert (len(plans), reader.connects) == (1, 1)


def test_a_card_that_left_meanwhile_is_gone(card: CardImage) -> None:
    chip = Chip(card, randomness=os.urandom)

    def change(command: bytes, response: bytes) -> bytes:
        if command[0] & 0x0C and command[1] == 0xB0:
            reader.remove()
            return b"\x6f\x00"
        return response

    class Impatient(Reader):
        def connect(self, *, timeout_s: float) -> CardInfo:
            return super().connect(timeout_s=min(timeout_s, 0.01))

    reader = Impatient(chip, change)
    with pytest.raises(ChipGone, match="anew"):
        PlannedReads().read(reader, reader.connect(timeout_s=0), asking([]))
    assert reader.connects == 2


def test_who_does_not_want_it_any_more_ends_it_at_any_command(card: CardImage) -> None:
    class EnoughError(Exception):
        pass

    counted = itertools.count(1)

    def on_step(step: Step) -> None:
        if step.phase == "sod" and next(counted) == 4:  # of the second try
            raise EnoughError

    reader = Reader(Chip(card, randomness=os.urandom), answers_at_most(900))
    with pytest.raises(EnoughError):
        PlannedReads().read(reader, reader.connect(timeout_s=0), asking([]), on_step)
    assert reader.connects == 2


def test_the_rest_of_a_long_answer_belongs_to_the_command_before() -> None:
    """A reader that gives a long answer in pieces, and loses the last of them."""

    def once(plan: ReadPlan) -> Dialogue[int]:
        read = Command(0, 0xB0, 0, 0, le=plan.max_le)
        response = yield from PlainChannel(max_commands=9).exchange(read)
        if plan.extended:
            raise ChipRefused(response.sw, "READ BINARY")
        return plan.max_le

    class Pieces(EchoChip):
        def answer(self, command: bytes) -> bytes:
            return b"\x61\x01" if command[1] == 0xB0 and len(command) > 5 else b"\x6f\x00"

    reader, memory = SimulatedReader(Pieces()), ReaderMemory()
    info = reader.connect(timeout_s=0)
    reads = PlannedReads(memory.worked(info.reader, info.atr, ReadPlan(900)))
    assert reads.read(reader, info, once).value == MAX_SHORT_DATA
    assert reads.memory.recall(info.reader, info.atr) == ReadPlan()


def test_times_are_told_by_phase_and_what_was_lost_by_itself(card: CardImage) -> None:
    ticks = itertools.count()
    reader = Reader(Chip(card, randomness=os.urandom), answers_at_most(900))
    began = reader.connect(timeout_s=0)
    reading = PlannedReads().read(reader, began, asking([]), clock=lambda: float(next(ticks)))
    assert next(iter(reading.ms)) == AGAIN
    assert sum(reading.ms.values()) == pytest.approx((next(ticks) - 1) * 1000)
    assert reading.ms[AGAIN] > 10_000


def test_what_cannot_be_asked_is_raised(card: CardImage) -> None:
    reader = Reader(Chip(card, randomness=os.urandom), lambda *_: b"\x61\x01")
    with pytest.raises(ChipMalformed):
        PlannedReads().read(reader, reader.connect(timeout_s=0), asking([]))
    assert reader.connects == 1
