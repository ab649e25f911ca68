from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_material import answering, replay

from emrtd.apdu import Command, Response, Step
from emrtd.channel import MAX_FETCHES, PlainChannel, ask
from emrtd.dialogue import drive
from emrtd.errors import ChipMalformed, ChipRefused

COMMAND = Command(0, 0xB0, 0, 0, le=4, step=Step("dg1", 1, 2))


def test_what_waits_is_fetched_piece_by_piece() -> None:
    chip = replay(
        [("00B0000004", "01026102"), ("00C0000002", "03046100"), ("00C0000000", "056282")]
    )
    response = drive(PlainChannel(max_commands=3).exchange(COMMAND), chip)
    assert (response.data, response.sw) == (b"\1\2\3\4\5", 0x6282)


def test_a_fetch_belongs_to_the_step_that_asked() -> None:
    seen: list[Command] = []
    chip = answering(lambda c: b"\x61\x01" if c.ins != 0xC0 else b"\x90\x00", seen)
    drive(PlainChannel(max_commands=3).exchange(COMMAND), chip)
    assert [each.step for each in seen] == [COMMAND.step] * 2


def test_more_and_more_is_malformed_and_bounded() -> None:
    seen: list[Command] = []
    with pytest.raises(ChipMalformed, match="no end"):
        drive(
            PlainChannel(max_commands=4096).exchange(COMMAND),
            answering(lambda _: b"\0\x61\xff", seen),
        )
    assert len(seen) == 1 + MAX_FETCHES


def test_as_many_fetches_as_allowed_are_no_fault() -> None:
    seen: list[Command] = []
    chip = answering(lambda _: b"\0\x61\xff" if len(seen) <= MAX_FETCHES else b"\x90\x00", seen)
    assert len(drive(PlainChannel(max_commands=99).exchange(COMMAND), chip).data) == MAX_FETCHES


@given(st.integers(1, 40))
def test_no_chip_costs_more_commands_than_are_allowed(most: int) -> None:
    seen: list[Command] = []
    channel = PlainChannel(max_commands=most)

    def endless():
        while True:
            yield from channel.exchange(COMMAND)

    with pytest.raises(ChipMalformed, match="more commands"):
        drive(endless(), answering(lambda _: b"\x90\x00", seen))
    assert len(seen) == most


def test_a_command_that_must_succeed_gives_its_data_or_is_refused() -> None:
    channel = PlainChannel(max_commands=2)
    assert drive(ask(channel, COMMAND, doing="read"), lambda _: Response(b"x", 0x9000)) == b"x"
    with pytest.raises(ChipRefused, match="chip_refused while read: status 6A82") as caught:
        drive(ask(channel, COMMAND, doing="read"), lambda _: Response(b"x", 0x6A82))
    assert (caught.value.sw, caught.value.doing) == (0x6A82, "read")
