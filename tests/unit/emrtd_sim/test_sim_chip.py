from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_material import HOLDER, JPEG, make_pki, opened, stream, vector

from emrtd.errors import ChipGone
from emrtd.sim import CardImage, Chip, TestPKI, UnknownFaultError, personalise

SELECT_APPLICATION = (0xA4, 0x04, 0x0C, bytes.fromhex("A0000002471001"))
CARD = personalise(HOLDER, JPEG, generation="2021", pki=make_pki(), randomness=stream("card"))


def ask(chip: Chip, command: str) -> str:
    return chip.answer(bytes.fromhex(command)).hex().upper()


def test_only_card_access_is_readable_before_access(card: CardImage) -> None:
    chip = Chip(card, randomness=stream("chip"))
    assert ask(chip, "00A4020C02011C") == "9000"
    assert ask(chip, "00B0000000") == card.files["CardAccess"].hex().upper() + "9000"
    assert ask(chip, "00B09C0000") == card.files["CardAccess"].hex().upper() + "9000"
    for command in (
        "00A4020C02011E", "00A4020C020101", "00A4020C02010D", "00B09E0000",
        "00A4040C07A0000002471001", "0088000008010203040506070800",
        "002241A40C800A04007F00070202030202",
    ):  # fmt: skip
        assert ask(chip, command) == "6982"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00", "6700"),
        ("00A4020C05011C", "6700"),
        ("80A4020C02011C", "6E00"),
        ("00840000 08", "6D00"),
        ("10A4020C02011C", "6884"),
        ("00A4000C023F00", "9000"),
        ("00A4000C", "9000"),
        ("00A4020C020199", "6982"),
        ("00A4040C0101", "6A82"),
        ("00A4020C0101", "6700"),
        ("00A4090C02011C", "6A86"),
        ("00A4020102011C", "6A86"),
        ("00B0000004", "6986"),
        ("00B0FC0004", "6A86"),
        ("0086000002 7C0000", "6985"),
        ("00C0000000", "6D00"),
        ("0CA4020C02011C00", "6988"),
    ],
)
def test_before_access_each_command_ends_as_a_card_ends_it(
    card: CardImage, command: str, status: str
) -> None:
    assert ask(Chip(card, randomness=stream("chip")), command) == status


def test_reading_ends_where_the_file_ends(card: CardImage) -> None:
    chip = Chip(card, randomness=stream("chip"))
    ask(chip, "00A4020C02011C")
    size = len(card.files["CardAccess"])
    assert (
        ask(chip, f"00B000{size - 2:02X}05") == card.files["CardAccess"][-2:].hex().upper() + "6282"
    )
    assert ask(chip, f"00B000{size:02X}01") == "6B00"
    assert ask(chip, "00B00000") == "6700"


def test_offsets_beyond_32767_are_read_by_the_odd_instruction(pki: TestPKI) -> None:
    portrait = JPEG[:-2] + bytes(range(256)) * 200 + JPEG[-2:]
    card = personalise(HOLDER, portrait, generation="2024", pki=pki, randomness=stream("card"))
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    terminal = opened(dataclasses.replace(card, mrz_information=example["mrz_info"]))
    dg2 = card.files["DG2"]
    terminal.ask(*SELECT_APPLICATION)
    terminal.ask(0xA4, 0x02, 0x0C, bytes.fromhex("0102"))
    for offset in (0, 0x7FFF, 0x8000, 0xC000):
        where = bytes((0x54, 2)) + offset.to_bytes(2, "big")
        assert terminal.ask(0xB1, 0, 0, where, 6) == (
            b"\x53\x04" + dg2[offset : offset + 4],
            0x9000,
        )
    data, status = terminal.ask(0xB1, 0, 0, bytes.fromhex("54028000"), 65536)
    assert (data[4:], status) == (dg2[0x8000:], 0x9000)
    end = len(dg2).to_bytes(3, "big")
    assert terminal.ask(0xB1, 0, 0, b"\x54\x03" + end, 6) == (b"", 0x6B00)
    assert terminal.ask(0xB1, 0, 1, bytes.fromhex("540100"), 4) == (b"\x53\x02\x61\x5d", 0x9000)
    assert terminal.ask(0xB1, 0, 0, bytes.fromhex("5500"), 4) == (b"", 0x6A80)


def test_the_application_and_the_master_file_have_their_own_files(example_card: CardImage) -> None:
    terminal = opened(example_card)
    com, access = bytes.fromhex("011E"), bytes.fromhex("011C")
    assert terminal.ask(0xA4, 0x02, 0x0C, com)[1] == 0x6A82
    assert terminal.ask(0xA4, 0x02, 0x0C, access)[1] == 0x9000
    terminal.ask(*SELECT_APPLICATION)
    assert terminal.ask(0xA4, 0x02, 0x0C, com)[1] == 0x9000
    assert terminal.ask(0xA4, 0x02, 0x0C, access)[1] == 0x6A82
    assert terminal.ask(0xA4, 0x00, 0x0C, bytes.fromhex("3F00"))[1] == 0x9000
    assert terminal.ask(0xA4, 0x02, 0x0C, access)[1] == 0x9000


def test_a_torn_card_leaves_at_its_nth_command_and_comes_back(card: CardImage) -> None:
    chip = Chip(card, randomness=stream("chip"), fault="torn:3")
    select = bytes.fromhex("00A4020C02011C")
    assert [chip.answer(select).hex() for _ in range(2)] == ["9000", "9000"]
    for _ in range(2):
        with pytest.raises(ChipGone):
            chip.answer(select)
    chip.reset()
    assert [chip.answer(select).hex() for _ in range(9)] == ["9000"] * 9


@pytest.mark.parametrize(
    "fault",
    ["", "nothing", "torn", "torn:", "torn:x", "torn:-1", "torn:99999999", "clone:3", "torn:²"],
)
def test_an_unknown_fault_is_refused(card: CardImage, fault: str) -> None:
    with pytest.raises(UnknownFaultError):
        Chip(card, randomness=stream("chip"), fault=fault)


def test_a_card_that_cannot_tell_a_lie_says_so(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"), auth=frozenset()
    )
    for fault in ("clone", "silent_clone", "dg15_unreadable"):
        with pytest.raises(UnknownFaultError):
            Chip(card, randomness=stream("chip"), fault=fault)


HEADERS = st.sampled_from([bytes.fromhex(each) for each in (
    "0022C1A4", "002241A4", "10860000", "00860000", "00880000", "00A4020C", "00A4040C", "00B00000",
    "00B19999", "0CB00000", "0CA4020C", "00C00000",
)])  # fmt: skip
BODIES = st.binary(max_size=40).map(lambda body: bytes((len(body),)) + body + b"\0")


@given(
    commands=st.lists(
        st.one_of(st.binary(max_size=300), st.builds(bytes.__add__, HEADERS, BODIES)), max_size=6
    )
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_get_a_status(commands: list[bytes]) -> None:
    chip = Chip(CARD, randomness=stream("chip"))
    for command in commands:
        assert 2 <= len(chip.answer(command)) <= 65538


def test_a_chip_and_its_card_show_nothing_of_a_person(card: CardImage) -> None:
    shown = repr(Chip(card, randomness=stream("chip"))) + repr(card) + repr(HOLDER)
    for secret in (HOLDER.number, "MAU", "Mẫu", card.can, card.mrz_information, "1995"):
        assert secret not in shown
