from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_material import CardEnd, answering

from emrtd.apdu import Command, Response, Step
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChipMalformed, ChipRefused, EMRTDError
from emrtd.evidence import FILE_NAMES
from emrtd.files import FILES, HEAD_BYTES, ReadPlan, read, read_binary, select
from emrtd.keys import SessionKeys
from emrtd.lds import com, dg1, dg2, dg13, dg15, sod
from emrtd.secure_messaging import MAX_SHORT_DATA, SecureChannel
from emrtd.security_infos import DG14_TAG
from emrtd.tlv import encode, length_from_head

LIMIT = 262_144
STEP = Step("dg2")


class FileChip:
    """One file behind READ BINARY, and a look at every command."""

    def __init__(self, content: bytes, *, piece: int = 65_536, end: int = 0x6282) -> None:
        self.content, self.piece, self.end = content, piece, end
        self.seen: list[Command] = []

    def __call__(self, command: Command) -> Response:
        self.seen.append(command)
        if command.ins == 0xA4:
            return Response(b"", 0x9000)
        if command.ins == 0xB0:
            assert command.p1 < 0x80
            return self.part(command.p1 << 8 | command.p2, command.le or 0)
        assert (command.ins, command.p1, command.p2) == (0xB1, 0, 0)
        assert command.data[:2] == b"\x54\x03"
        response = self.part(int.from_bytes(command.data[2:], "big"), (command.le or 0) - 4)
        return Response(encode(0x53, response.data), response.sw)

    def part(self, offset: int, most: int) -> Response:
        data = self.content[offset : offset + min(most, self.piece)]
        return Response(data, self.end if len(data) < most else 0x9000)


def read_dg2(chip: FileChip, *, limit: int = LIMIT, head_first: bool = False, **plan: int) -> bytes:
    plan_ = ReadPlan(**plan, head_first=head_first)
    channel = PlainChannel(max_commands=plan_.max_commands)
    return drive(read("DG2", channel, plan=plan_, limit=limit, phase="dg2"), chip)


@pytest.mark.parametrize("size", [0, 5, 6, 200, 215, 216, 1000, 33_000, 70_000])
@pytest.mark.parametrize("max_le", [16, 223, 257, 4096, 65_280])
@pytest.mark.parametrize("more", [0, 40])
@pytest.mark.parametrize("head_first", [False, True])
def test_a_file_of_any_length_is_read_whole(
    size: int, max_le: int, more: int, head_first: bool
) -> None:
    content = encode(0x75, bytes(at % 251 for at in range(size)))
    chip = FileChip(content + b"\xff" * more)
    plan = {"max_le": max_le, "max_commands": 6000, "head_first": head_first}
    assert read_dg2(chip, **plan) == content
    assert chip.seen[0].to_bytes() == bytes.fromhex("00A4020C020102")
    first = Command(0, 0xB0, 0, 0, le=HEAD_BYTES if head_first else max_le)
    assert chip.seen[1].to_bytes() == first.to_bytes()
    assert all((each.le or 0) <= max_le for each in chip.seen[1:])
    assert chip.seen[-1].step.total in {0, len(content)}


@pytest.mark.parametrize("size", [0, 6, 216, 1000, 33_000])
@pytest.mark.parametrize("plan", [ReadPlan(), ReadPlan(4096), ReadPlan(head_first=True)])
def test_a_file_is_told_as_it_arrives_and_nothing_but_the_file(size: int, plan: ReadPlan) -> None:
    content = encode(0x75, bytes(at % 251 for at in range(size)))
    chip, told, before = FileChip(content + b"\xff" * 40), bytearray(), []

    def sink(part: bytes) -> None:
        before.append((len(told), len(chip.seen)))
        told.extend(part)

    channel = PlainChannel(max_commands=999)
    dialogue = read("DG2", channel, plan=plan, limit=LIMIT, phase="dg2", sink=sink)
    assert drive(dialogue, chip) == bytes(told) == content
    # After each command that brings something, before the next.
    assert [commands for _, commands in before] == list(range(2, len(chip.seen) + 1))
    assert [done for done, _ in before[1:]] == [each.step.done for each in chip.seen[2:]]


class Brief(FileChip):
    """Spends two bytes on the head of a short data object, and fills the rest from behind."""

    def __call__(self, command: Command) -> Response:
        if command.ins != 0xB1:
            return super().__call__(command)
        self.seen.append(command)
        return Response(
            encode(0x53, self.content[int.from_bytes(command.data[2:], "big") :]), 0x9000
        )


def test_what_lies_behind_a_file_is_not_told_with_its_end() -> None:
    content, told = encode(0x75, bytes(32_767 - 4 + 100)), bytearray()
    channel = PlainChannel(max_commands=999)
    dialogue = read(
        "DG2", channel, plan=ReadPlan(32_768), limit=LIMIT, phase="dg2", sink=told.extend
    )
    chip = Brief(content + b"\xff\xff")
    assert drive(dialogue, chip) == bytes(told) == content
    assert chip.seen[-1].ins == 0xB1


def test_nothing_is_told_of_what_is_no_such_file() -> None:
    told: list[bytes] = []
    for content in (encode(0x61, bytes(96)), encode(0x75, bytes(LIMIT))):
        channel = PlainChannel(max_commands=9)
        dialogue = read("DG2", channel, plan=ReadPlan(), limit=LIMIT, phase="x", sink=told.append)
        with pytest.raises(ChipMalformed):
            drive(dialogue, FileChip(content))
    assert told == []


def test_22_kilobytes_cost_99_short_reads() -> None:
    chip = FileChip(encode(0x75, bytes(22_000)))
    read_dg2(chip)
    assert len(chip.seen) == 1 + 99
    chip.seen.clear()
    read_dg2(chip, head_first=True)
    assert len(chip.seen) == 1 + 1 + 99


@pytest.mark.parametrize("size", [5, 200, 215, 219, 220, 221, 400, 22_000])
@pytest.mark.parametrize("max_le", [16, 160, 223, 4096])
def test_no_file_costs_more_than_its_select_and_its_full_chunks(size: int, max_le: int) -> None:
    content = encode(0x75, bytes(size))
    chip = FileChip(content)
    assert read_dg2(chip, max_le=max_le) == content
    # Between the short and the extended form of a length lie tails that take two.
    tail = len(content) % max_le
    split = len(content) > max_le and 223 < tail <= 256
    assert len(chip.seen) == 1 + math.ceil(len(content) / max_le) + split
    assert sum((each.le or 0) for each in chip.seen[2:]) <= len(content)


class Prudish(FileChip):
    """Gives nothing to who asks for more than there is."""

    def __init__(self, content: bytes, sw: int) -> None:
        super().__init__(content)
        self.sw = sw

    def part(self, offset: int, most: int) -> Response:
        beyond = offset + most > len(self.content)
        return Response(b"", self.sw) if beyond else super().part(offset, most)


@pytest.mark.parametrize("sw", [0x6282, 0x6700, 0x6B00, 0x6C20])
@pytest.mark.parametrize("size", [30, 200, 221, 1000])
def test_a_chip_that_gives_nothing_beyond_its_end_is_asked_for_the_length_first(
    sw: int, size: int
) -> None:
    content = encode(0x75, bytes(size))
    chip = Prudish(content, sw)
    assert read_dg2(chip) == content
    refused = len(content) < 223
    assert len(chip.seen) == 1 + refused * 2 + math.ceil((len(content) - refused * 8) / 223)


@pytest.mark.parametrize("sw", [0x6282, 0x6700, 0x6B00, 0x6C20, 0x6982, 0x6A82, 0x9000])
def test_a_chip_that_gives_nothing_at_all_is_refused_after_two_reads(sw: int) -> None:
    seen: list[Command] = []

    def answer(command: Command) -> bytes:
        return b"\x90\x00" if command.ins == 0xA4 else sw.to_bytes(2, "big")

    channel = PlainChannel(max_commands=9)
    dialogue = read("DG2", channel, plan=ReadPlan(), limit=LIMIT, phase="dg2")
    with pytest.raises((ChipRefused, ChipMalformed)) as caught:
        drive(dialogue, answering(answer, seen))
    assert isinstance(caught.value, ChipMalformed) == (sw in {0x6282, 0x9000})
    assert len(seen) == (2 if sw in {0x6982, 0x6A82, 0x9000} else 3)


def test_no_more_is_asked_for_than_a_file_may_have() -> None:
    chip = FileChip(encode(0x75, bytes(10)))
    read_dg2(chip, limit=40, max_le=4096)
    assert chip.seen[1].le == 40
    read_dg2(chip, limit=240, max_le=4096)
    assert chip.seen[3].le == MAX_SHORT_DATA
    with pytest.raises(ChipMalformed, match="300 bytes"):
        read_dg2(Flooding(300), max_le=257)


class Flooding(FileChip):
    """Gives more than it was asked for."""

    def __init__(self, size: int) -> None:
        super().__init__(encode(0x75, bytes(size - 4)))

    def part(self, offset: int, most: int) -> Response:
        del most
        return Response(self.content[offset:], 0x9000)


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_a_chip_may_give_less_than_was_asked_for(piece: int) -> None:
    content = encode(0x75, bytes(500))
    chip = FileChip(content, piece=piece)
    if piece < 4:  # its head does not fit into a piece
        with pytest.raises(ChipMalformed):
            read_dg2(chip)
    else:
        assert read_dg2(chip) == content


@pytest.mark.parametrize("size", range(228, 268))
def test_a_protected_tail_never_overflows_a_short_response(size: int) -> None:
    """A chip without GET RESPONSE: what the outer Le does not allow is refused, as cards do."""
    content = encode(0x75, bytes(1000 - 4) + bytes(size))
    keys = SessionKeys.derive(b"seed", key_bytes=16)
    card, inner = CardEnd(keys.encryption, keys.mac), FileChip(content)

    def answer(command: Command) -> bytes:
        header, data, le = card.open(command.to_bytes())
        plain = inner(Command(header[0] & 0xF3, *header[1:], data, le))
        sealed = card.protect(plain.data, plain.sw)
        assert len(sealed) - 2 <= (command.le or 0), "the card would answer 6C or cut it off"
        return sealed

    channel = SecureChannel(keys, PlainChannel(max_commands=99))
    plan = ReadPlan(max_le=1000)
    assert drive(read("DG2", channel, plan=plan, limit=LIMIT, phase="x"), answering(answer)) == (
        content
    )


def test_a_chip_that_claims_four_gibibytes_costs_two_commands() -> None:
    chip = FileChip(bytes.fromhex("7584FFFFFFFF0000"))
    with pytest.raises(ChipMalformed, match="it claims 4294967301 bytes"):
        read_dg2(chip)
    assert len(chip.seen) == 2


def test_the_limit_is_the_whole_files() -> None:
    content = encode(0x75, bytes(96))
    assert read_dg2(FileChip(content), limit=98) == content
    with pytest.raises(ChipMalformed, match="claims 98"):
        read_dg2(FileChip(content), limit=97)


def test_another_files_tag_is_malformed() -> None:
    with pytest.raises(ChipMalformed, match="another file"):
        read_dg2(FileChip(encode(0x61, bytes(96))))


@pytest.mark.parametrize("content", ["", "75", "7582", "0000000000000000"])
def test_a_file_without_a_head_is_malformed(content: str) -> None:
    with pytest.raises(ChipMalformed):
        read_dg2(FileChip(bytes.fromhex(content)))


def test_a_file_that_ends_before_its_length_is_not_a_file() -> None:
    with pytest.raises(ChipMalformed, match="0 bytes"):
        read_dg2(FileChip(encode(0x75, bytes(400))[:300]))
    with pytest.raises(ChipRefused):
        read_dg2(FileChip(encode(0x75, bytes(400))[:300], end=0x6B00))


def test_more_than_was_asked_for_is_malformed() -> None:
    channel = PlainChannel(max_commands=1)
    dialogue = read_binary("DG2", channel, offset=0, le=4, step=STEP)
    with pytest.raises(ChipMalformed, match="5 bytes"):
        drive(dialogue, lambda _: Response(bytes(5), 0x9000))


@pytest.mark.parametrize("answer", ["", "5300", "5403", "8701FF", "53010055"])
def test_beyond_32_kilobytes_an_answer_is_one_data_object(answer: str) -> None:
    channel = PlainChannel(max_commands=1)
    dialogue = read_binary("DG2", channel, offset=0x8000, le=64, step=STEP)
    with pytest.raises(ChipMalformed):
        drive(dialogue, lambda _: Response(bytes.fromhex(answer), 0x9000))


@pytest.mark.parametrize("offset", [0, 0x8000])
def test_a_status_that_is_no_end_is_a_refusal(offset: int) -> None:
    channel = PlainChannel(max_commands=1)
    dialogue = read_binary("DG2", channel, offset=offset, le=64, step=STEP)
    with pytest.raises(ChipRefused, match="6982"):
        drive(dialogue, lambda _: Response(b"\x53\x01\x00", 0x6982))


def test_a_select_asks_for_no_data() -> None:
    seen: list[Command] = []
    channel = PlainChannel(max_commands=1)
    drive(select("CardAccess", channel, step=STEP), answering(lambda _: b"\x90\x00", seen))
    assert seen[0].to_bytes() == bytes.fromhex("00A4020C02011C")


@pytest.mark.parametrize("max_le", [0, 15, 224, 256, 65_281])
def test_a_plan_that_breaks_readers_is_refused(max_le: int) -> None:
    with pytest.raises(ValueError, match="max_le"):
        ReadPlan(max_le=max_le)


@pytest.mark.parametrize("max_data", [0, 15, 224, 256, 65_281])
def test_a_plan_that_sends_too_much_is_refused(max_data: int) -> None:
    with pytest.raises(ValueError, match="max_data"):
        ReadPlan(max_data=max_data)


@pytest.mark.parametrize(("max_le", "extended"), [(16, False), (223, False), (257, True)])
def test_a_plan_is_extended_or_not(max_le: int, extended: bool) -> None:
    assert ReadPlan(max_le).extended is extended
    assert ReadPlan(max_le).is_at_fault(0x6700) is extended


def test_a_plan_allows_at_least_one_command() -> None:
    with pytest.raises(ValueError, match="max_commands"):
        ReadPlan(max_commands=0)
    assert ReadPlan().max_le == MAX_SHORT_DATA


def test_the_table_of_files_agrees_with_the_parsers() -> None:
    assert FILES.keys() <= FILE_NAMES
    tags = {"COM": com.TAG, "SOD": sod.TAG, "DG1": dg1.TAG, "DG2": dg2.TAG, "DG13": dg13.TAG,
            "DG14": DG14_TAG, "DG15": dg15.TAG}  # fmt: skip
    assert {name: FILES[name].tag for name in tags} == tags
    groups = [FILES[f"DG{number}"] for number in range(1, 17)]
    assert tuple(each.tag for each in groups) == com.DATA_GROUP_TAGS
    assert [each.identifier for each in groups] == list(range(0x0101, 0x0111))


@settings(max_examples=300)
@given(st.lists(st.binary(min_size=2, max_size=40), max_size=12))
def test_any_answers_give_a_file_or_a_typed_error(answers: list[bytes]) -> None:
    left = iter(answers)
    channel = PlainChannel(max_commands=64)
    dialogue = read("DG2", channel, plan=ReadPlan(), limit=LIMIT, phase="dg2")
    with contextlib.suppress(EMRTDError):
        found = drive(dialogue, answering(lambda _: next(left, b"\x90\x00")))
        assert sum(length_from_head(found)) == len(found)
