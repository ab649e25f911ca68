from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from sim_material import opened

from emrtd.sim._cipher import CIPHERS

if TYPE_CHECKING:
    from emrtd.sim import CardImage

SELECT_COM = (0xA4, 0x02, 0x0C, bytes.fromhex("011E"))
SELECT_APPLICATION = (0xA4, 0x04, 0x0C, bytes.fromhex("A0000002471001"))
CLOSED = bytes.fromhex("0CA4020C0A8E08") + bytes(8) + b"\0"


def test_the_checksum_is_openssls() -> None:
    key, message = bytes(range(16)), bytes(range(100))
    done = subprocess.run(
        ["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{key.hex()}", "-binary",
         "-in", "-", "CMAC"],
        input=message, capture_output=True, check=True,
    )  # fmt: skip
    assert CIPHERS["AES-128"].mac_of_any(key, message) == done.stdout[:8]


def test_files_are_read_under_the_example_session(example_card: CardImage) -> None:
    terminal = opened(example_card)
    assert terminal.ask(*SELECT_APPLICATION) == (b"", 0x9000)
    assert terminal.ask(*SELECT_COM) == (b"", 0x9000)
    assert terminal.ask(0xB0, 0, 0, le=256) == (example_card.files["COM"], 0x9000)
    assert terminal.ask(0xB0, 0, 2, le=3) == (example_card.files["COM"][2:5], 0x9000)


def test_an_error_is_answered_under_protection_and_the_session_lives(
    example_card: CardImage,
) -> None:
    terminal = opened(example_card)
    terminal.ask(*SELECT_APPLICATION)
    assert terminal.ask(0xA4, 0x02, 0x0C, bytes.fromhex("0103")) == (b"", 0x6A82)
    assert terminal.ask(*SELECT_COM) == (b"", 0x9000)


@pytest.mark.parametrize("at", [7, -4, -11])
def test_one_changed_bit_ends_the_session(example_card: CardImage, at: int) -> None:
    terminal = opened(example_card)
    asked = bytearray(terminal.protect(*SELECT_APPLICATION))
    asked[at] ^= 1
    status = terminal.chip.answer(bytes(asked)).hex()
    assert status in {"6987", "6988"}
    assert terminal.chip.answer(terminal.protect(*SELECT_APPLICATION)).hex() == "6988"


def test_a_changed_header_ends_the_session(example_card: CardImage) -> None:
    terminal = opened(example_card)
    asked = terminal.protect(*SELECT_APPLICATION)
    assert terminal.chip.answer(asked[:3] + b"\0" + asked[4:]).hex() == "6988"


def test_a_command_cannot_be_sent_twice(example_card: CardImage) -> None:
    terminal = opened(example_card)
    asked = terminal.protect(*SELECT_APPLICATION)
    terminal.open(terminal.chip.answer(asked))
    assert terminal.chip.answer(asked).hex() == "6988"


def test_a_missing_checksum_is_6987(example_card: CardImage) -> None:
    terminal = opened(example_card)
    assert terminal.chip.answer(bytes.fromhex("0CB000000397010400")).hex() == "6987"


def test_a_plain_command_ends_the_session(example_card: CardImage) -> None:
    terminal = opened(example_card)
    terminal.ask(*SELECT_APPLICATION)
    assert terminal.chip.answer(bytes.fromhex("00A4020C02011E")).hex() == "6982"
    assert terminal.chip.answer(terminal.protect(*SELECT_COM)).hex() == "6988"


def test_a_reset_ends_the_session(example_card: CardImage) -> None:
    terminal = opened(example_card)
    terminal.chip.reset()
    assert terminal.chip.answer(terminal.protect(*SELECT_APPLICATION)).hex() == "6988"


@pytest.mark.parametrize(
    "body",
    [
        "8701018E08" + "00" * 8,  # cryptogram of no blocks
        "97030000048E08" + "00" * 8,
        "8E0100",
        "8E09" + "00" * 9,
        "FF",
        "8E",
    ],
)
def test_bad_objects_end_the_session(example_card: CardImage, body: str) -> None:
    terminal = opened(example_card)
    raw = bytes.fromhex(body)
    asked = bytes.fromhex("0CB00000") + bytes((len(raw),)) + raw + b"\0"
    assert terminal.chip.answer(asked).hex() in {"6987", "6988"}
    assert terminal.chip.answer(CLOSED).hex() == "6988"


@pytest.mark.parametrize(
    ("plain", "head", "tail"),
    [
        (bytes(16), "871101", ""),  # no mark of padding
        (bytes.fromhex("A0000002471001") + bytes(9), "871101", ""),
        (b"\x80" + bytes(31), "872101", ""),  # more than a block of padding
        (b"\x80" + bytes(15), "871102", ""),  # another padding indicator
        (b"\x80" + bytes(15), "871201", "00"),  # not whole blocks
        (b"", "870101", ""),
        (b"\x80" + bytes(15), "8510", ""),  # the object of odd instructions
        (b"\x80" + bytes(15), "871101", "8000"),  # one object too many
        (b"\x80" + bytes(15), "871101", "9703000000"),
        (b"\x80" + bytes(15), "871101", "9700"),
    ],
)
def test_authentic_but_senseless_objects_end_the_session(
    example_card: CardImage, plain: bytes, head: str, tail: str
) -> None:
    terminal = opened(example_card)
    body = bytes.fromhex(head) + (terminal.encrypted(plain) if plain else b"") + bytes.fromhex(tail)
    assert terminal.chip.answer(terminal.protect_anything("0CA4040C", body)).hex() == "6988"
    assert terminal.chip.answer(CLOSED).hex() == "6988"


def test_a_protected_command_asks_for_an_answer(example_card: CardImage) -> None:
    terminal = opened(example_card)
    asked = terminal.protect(*SELECT_APPLICATION)
    assert terminal.chip.answer(asked[:-2]).hex() == "6700"
    assert terminal.open(terminal.chip.answer(asked)) == (b"", 0x9000)


def test_pace_does_not_run_inside_a_session(example_card: CardImage) -> None:
    terminal = opened(example_card)
    chosen = bytes.fromhex("800A04007F0007020204020283010184010D")
    assert terminal.ask(0x22, 0xC1, 0xA4, chosen) == (b"", 0x6985)


@pytest.mark.parametrize("le", [1, 15, 16, 17, 255, 256, 1000, 65536])
def test_any_length_is_read_back(example_card: CardImage, le: int) -> None:
    terminal = opened(example_card)
    terminal.ask(*SELECT_APPLICATION)
    terminal.ask(0xA4, 0x02, 0x0C, bytes.fromhex("011D"))
    sod = example_card.files["SOD"]
    data, status = terminal.ask(0xB0, 0, 0, le=le)
    assert data == sod[:le]
    assert status == (0x9000 if le <= len(sod) or le in {256, 65536} else 0x6282)


def test_a_long_answer_to_a_short_command_waits_for_get_response(example_card: CardImage) -> None:
    terminal = opened(example_card)
    terminal.ask(*SELECT_APPLICATION)
    terminal.ask(0xA4, 0x02, 0x0C, bytes.fromhex("011D"))
    extended = terminal.protect(0xB0, 0, 0, le=256)
    short = extended[:4] + extended[6:7] + extended[7:-2] + b"\0"
    first = terminal.chip.answer(short)
    assert first[-2:].hex() == "6123"
    assert len(first) == 258
    rest = terminal.chip.answer(bytes.fromhex("00C0000023"))
    data, status = terminal.open(first[:-2] + rest)
    assert (data, status) == (example_card.files["SOD"][:256], 0x9000)
