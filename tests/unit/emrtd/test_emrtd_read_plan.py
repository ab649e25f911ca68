"""What a chip says of its limits, which plan follows, and what is remembered of it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_material import CardEnd, answering, do

from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChipMalformed
from emrtd.files import ReadPlan, read
from emrtd.keys import SessionKeys
from emrtd.read_plan import (
    MAX_ENTRIES,
    MAX_READER_CHARS,
    TIMID_LE,
    ATRInfo,
    ReaderMemory,
    asks_for_much,
    negotiate,
    parse_atr_info,
    plan_for,
    read_atr_info,
)
from emrtd.secure_messaging import MAX_SHORT_DATA, SecureChannel
from emrtd.tlv import encode

EXTENDED = bytes.fromhex("4303018000") + bytes.fromhex("4703941160")
LENGTHS = bytes.fromhex("7F660802020400020204FE")
READER, ATR = "A reader 00 00", bytes.fromhex("3B80800101")
SHORT_READER, LONG_READER = 261, 65_544


def lengths(command: int, response: int) -> bytes:
    return encode(0x7F66, b"".join(do(2, each.to_bytes(2, "big")) for each in (command, response)))


def test_a_chip_says_what_it_carries() -> None:
    assert parse_atr_info(EXTENDED + LENGTHS) == ATRInfo(
        extended=True, max_command_bytes=1024, max_response_bytes=1278
    )
    assert parse_atr_info(EXTENDED + lengths(0x1000, 0x0200) + bytes(20)) == ATRInfo(
        extended=True, max_command_bytes=4096, max_response_bytes=512
    )
    assert parse_atr_info(EXTENDED) == ATRInfo(extended=True)
    assert parse_atr_info(bytes.fromhex("4703941120")) == ATRInfo(extended=False)
    # Two bytes of capabilities say nothing of lengths.
    assert parse_atr_info(bytes.fromhex("47029440") + LENGTHS).extended is False
    assert parse_atr_info(b"") == parse_atr_info(bytes(9)) == ATRInfo(extended=False)


@pytest.mark.parametrize(
    "raw",
    ["47", "4703", "470394", "7F6600", "7F6604020204FE", "7F66080202040003020400",
     "7F660C020204000202040002020400", "7F660702000202040000", "7F66090205010203040502020400",
     "47" + "81E0" + "00" * 224],
)  # fmt: skip
def test_what_says_nothing_clear_is_malformed(raw: str) -> None:
    with pytest.raises(ChipMalformed):
        parse_atr_info(bytes.fromhex(raw))


@given(st.binary(max_size=240))
def test_any_bytes_are_limits_or_malformed(raw: bytes) -> None:
    with contextlib.suppress(ChipMalformed):
        plan_for(LONG_READER, parse_atr_info(raw))


def info(command: int | None, response: int | None, *, extended: bool = True) -> ATRInfo:
    return ATRInfo(extended, command, response)


@pytest.mark.parametrize(
    ("reader", "chip", "max_le"),
    [
        (SHORT_READER, info(65_535, 65_535), 223),
        (LONG_READER, None, 223),
        (LONG_READER, info(4096, 4096, extended=False), 223),
        (LONG_READER, info(None, None), 223),
        (LONG_READER, info(4096, None), 223),
        (LONG_READER, info(63, 4096), 223),
        (LONG_READER, info(64, 4096), 4063),
        (LONG_READER, info(64, 270), 223),
        (LONG_READER, info(64, 293), 271),
        (LONG_READER, info(64, 292), 223),
        (LONG_READER, info(64, 0), 223),
        (LONG_READER, info(2**32 - 1, 2**32 - 1), 65_280),
        (300, info(4096, 4096), 271),
        (262, info(4096, 4096), 223),
    ],
)
def test_the_plan_is_what_both_carry(reader: int, chip: ATRInfo | None, max_le: int) -> None:
    # 293 bytes: 17 blocks of 16 for 271 bytes and their padding, 19 around them, and the status.
    assert plan_for(reader, chip).max_le == max_le


@given(st.integers(257 + 40, 9000), st.integers(270, 9000))
def test_no_protected_response_is_longer_than_both_carry(reader: int, response: int) -> None:
    """Measured on the card's own end of secure messaging."""
    plan = plan_for(reader, info(4096, response))
    keys = SessionKeys.derive(b"seed", key_bytes=16)
    card, content = CardEnd(keys.encryption, keys.mac), encode(0x75, bytes(9000))
    longest = 0

    def answer(command: Command) -> bytes:
        nonlocal longest
        header, _, le = card.open(command.to_bytes())
        offset = header[2] << 8 | header[3]
        reads = header[1] == 0xB0
        sealed = card.protect(content[offset : offset + (le or 0)] if reads else b"")
        longest = max(longest, len(sealed))
        return sealed

    channel = SecureChannel(keys, PlainChannel(max_commands=99))
    found = drive(read("DG2", channel, plan=plan, limit=10_000, phase="x"), answering(answer))
    assert found == content
    if plan.max_le > 256:
        assert longest <= min(response, reader - 9 + 2)
        # And not much is left unused: less than a block.
        assert longest > min(response, reader - 9 + 2) - 16 - 2 or longest > 9000
    else:
        assert longest <= 258


@pytest.mark.parametrize(
    ("reader", "command", "max_data"),
    [
        (LONG_READER, 4096, 4063), (4096, 65_535, 4063), (LONG_READER, 300, 271),
        (LONG_READER, 299, 255), (LONG_READER, 261, 223), (LONG_READER, 64, 223),
        (LONG_READER, 2**32 - 1, 65_280),
    ],
)  # fmt: skip
def test_what_is_sent_is_what_both_carry(reader: int, command: int, max_data: int) -> None:
    """Measured on the protected command; what would fill a short one and no more stays short."""
    plan = plan_for(reader, info(command, 4096))
    assert plan.max_data == (max_data if max_data > 256 else MAX_SHORT_DATA)
    for le in (None, 256):
        asked = Command(0, 0x2A, 0, 0xBE, bytes(plan.max_data), le)
        sent = next(channel_of().exchange(asked)).to_bytes()
        assert len(sent) <= max(min(reader, command), SHORT_READER)


def channel_of() -> SecureChannel:
    return SecureChannel(SessionKeys.derive(b"s", key_bytes=16), PlainChannel(max_commands=9))


@pytest.mark.parametrize(
    ("command", "much"),
    [
        (Command(0, 0xB0, 0, 0, le=257), True), (Command(0, 0xB1, 0, 0, b"x", 4096), True),
        (Command(0, 0xB0, 0, 0, le=256), False), (Command(0, 0xB0, 0, 0), False),
        (Command(0, 0xA4, 0, 0, le=4096), False), (Command(0, 0x88, 0, 0, bytes(8), 65536), False),
    ],
)  # fmt: skip
def test_what_asks_for_much_does_so_under_protection_too(command: Command, much: bool) -> None:
    assert asks_for_much(command) is much
    if command.ins != 0x88:
        assert asks_for_much(next(channel_of().exchange(command))) is much


# --- asking


def atr_chip(*answers: str) -> tuple[list[Command], object]:
    left = [bytes.fromhex(each) for each in answers]
    seen: list[Command] = []
    return seen, answering(lambda _: left.pop(0), seen)


def ask(transmit: object) -> ATRInfo | None:
    return drive(read_atr_info(PlainChannel(max_commands=9)), transmit)  # type: ignore[arg-type] # as made above


def test_a_chip_is_asked_once_before_it_is_opened() -> None:
    seen, chip = atr_chip("9000", (EXTENDED + LENGTHS).hex() + "6282")
    assert ask(chip) == ATRInfo(extended=True, max_command_bytes=1024, max_response_bytes=1278)
    assert [each.to_bytes().hex().upper() for each in seen] == ["00A4020C022F01", "00B00000DF"]


def test_a_chip_that_does_not_begin_in_its_master_file_is_told_to() -> None:
    seen, chip = atr_chip("6A82", "9000", "9000", (EXTENDED + LENGTHS).hex() + "6282")
    assert ask(chip) == ATRInfo(extended=True, max_command_bytes=1024, max_response_bytes=1278)
    assert [each.to_bytes().hex().upper() for each in seen] == [
        "00A4020C022F01", "00A4000C023F00", "00A4020C022F01", "00B00000DF",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answers",
    [("6A82", "6D00"), ("6A82", "9000", "6A82"), ("9000", "6A86"), ("9000", "9000"),
     ("9000", "6282"), ("9000", "47059000")],
)  # fmt: skip
def test_a_chip_that_says_nothing_is_silent(answers: tuple[str, ...]) -> None:
    seen, chip = atr_chip(*answers)
    found = ask(chip)
    assert found in {None, ATRInfo(extended=False)}
    assert len(seen) == len(answers)


def plan(seen_by: ReaderMemory, transmit: object, max_command_bytes: int) -> ReadPlan:
    dialogue = negotiate(
        PlainChannel(max_commands=9),
        memory=seen_by,
        reader=READER,
        atr=ATR,
        max_command_bytes=max_command_bytes,
    )
    return drive(dialogue, transmit)  # type: ignore[arg-type] # as made above


def test_nothing_is_asked_twice() -> None:
    seen, chip = atr_chip("9000", (EXTENDED + LENGTHS).hex() + "9000")
    memory = ReaderMemory()
    first = plan(memory, chip, LONG_READER)
    assert (first.max_le, len(seen)) == (1247, 2)
    memory = memory.worked(READER, ATR, first)
    assert plan(memory, chip, LONG_READER) == first
    assert plan(memory, chip, SHORT_READER) == first
    assert len(seen) == 2


def test_nothing_is_asked_where_the_reader_carries_short_commands_only() -> None:
    seen, chip = atr_chip()
    assert plan(ReaderMemory(), chip, SHORT_READER) == ReadPlan()
    assert not seen


# --- remembering


def test_what_broke_off_is_tried_one_step_lower() -> None:
    memory, tried = ReaderMemory(), ReadPlan(30_000, 77)
    steps = []
    for _ in range(7):
        memory = memory.failed(READER, ATR, tried)
        tried = memory.recall(READER, ATR) or ReadPlan()
        steps.append((tried.max_le, tried.head_first))
        assert tried.max_commands == 77
    assert steps == [
        (4096, False), (1024, False), (MAX_SHORT_DATA, False), (TIMID_LE, False),
        *[(TIMID_LE, True)] * 3,
    ]  # fmt: skip
    careful = ReadPlan(1024, head_first=True)
    below = memory.failed(READER, ATR, careful).recall(READER, ATR)
    assert below == ReadPlan(MAX_SHORT_DATA, head_first=True)
    timid = memory.failed(READER, ATR, ReadPlan(16)).recall(READER, ATR)
    assert timid == ReadPlan(TIMID_LE, head_first=True)


def test_one_step_lower_no_more_is_sent_than_asked_for() -> None:
    memory, tried, sent = ReaderMemory(), ReadPlan(30_000, max_data=2000), []
    for _ in range(5):
        memory = memory.failed(READER, ATR, tried)
        tried = memory.plans[READER, ATR]
        sent.append(tried.max_data)
    assert sent == [2000, 1024, *[MAX_SHORT_DATA] * 3]


def test_reader_and_kind_of_chip_are_told_apart() -> None:
    memory = ReaderMemory().worked(READER, ATR, ReadPlan(1024))
    assert memory.recall(READER, ATR) == ReadPlan(1024)
    assert memory.recall(READER, b"") is None
    assert memory.recall("another", ATR) is None
    assert ReaderMemory().recall(READER, ATR) is None


def test_the_oldest_is_forgotten_and_what_is_told_again_is_young() -> None:
    memory = ReaderMemory()
    for number in range(MAX_ENTRIES):
        memory = memory.worked(READER, bytes((number,)), ReadPlan())
    memory = memory.worked(READER, b"\0", ReadPlan(1024)).worked(READER, b"new", ReadPlan())
    assert len(memory.plans) == MAX_ENTRIES
    assert memory.recall(READER, b"\0") == ReadPlan(1024)
    assert memory.recall(READER, b"\1") is None
    assert memory.recall(READER, b"\2") is not None


def test_a_memory_cannot_be_changed_nor_grow_without_bound() -> None:
    plans = {(READER, ATR): ReadPlan()}
    memory = ReaderMemory(plans)
    plans.clear()
    assert memory.recall(READER, ATR) == ReadPlan()
    with pytest.raises(TypeError):
        memory.plans[(READER, b"")] = ReadPlan()  # type: ignore[index] # what must not go
    many = {(READER, bytes((at,))): ReadPlan() for at in range(MAX_ENTRIES + 1)}
    for bad in (many, {("r" * (MAX_READER_CHARS + 1), ATR): ReadPlan()},
                {(READER, bytes(34)): ReadPlan()}):  # fmt: skip
        with pytest.raises(ValueError, match=r"entries|key"):
            ReaderMemory(bad)


def test_a_chip_that_never_ends_is_not_a_silent_one() -> None:
    def endless(_: Command) -> Response:
        return Response(b"", 0x6100)

    with pytest.raises(ChipMalformed):
        drive(read_atr_info(PlainChannel(max_commands=9)), endless)
