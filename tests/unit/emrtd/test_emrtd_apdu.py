from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_material import vector

from emrtd.apdu import Command, Response, Step
from emrtd.errors import ChipMalformed

BYTE = st.integers(0, 255)
COMMANDS = st.builds(
    Command, BYTE, BYTE, BYTE, BYTE,
    st.one_of(st.binary(max_size=260), st.just(bytes(65_535))),
    st.one_of(st.none(), st.integers(1, 65_536)),
)  # fmt: skip


@given(COMMANDS)
def test_what_is_encoded_is_decoded(command: Command) -> None:
    assert Command.from_bytes(command.to_bytes()) == command


@given(BYTE, BYTE, st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_a_response_is_its_data_and_two_bytes(cla: int, ins: int, data: bytes, sw: int) -> None:
    response = Response.from_bytes(data + sw.to_bytes(2, "big"))
    assert (response.data, response.sw, response.ok) == (data, sw, sw == 0x9000)
    assert response.to_bytes() == data + sw.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("encoded", "command"),
    [
        ("00840000", Command(0, 0x84, 0, 0)),
        ("0084000008", Command(0, 0x84, 0, 0, le=8)),
        ("00B0000000", Command(0, 0xB0, 0, 0, le=256)),
        ("00A4020C02011E", Command(0, 0xA4, 2, 0x0C, b"\x01\x1e")),
        ("00A4020C02011E08", Command(0, 0xA4, 2, 0x0C, b"\x01\x1e", 8)),
        ("00B00000000000", Command(0, 0xB0, 0, 0, le=65_536)),
        ("00B00000000101", Command(0, 0xB0, 0, 0, le=257)),
        ("00B10000000004540280000101", Command(0, 0xB1, 0, 0, b"\x54\x02\x80\x00", 257)),
        ("00220000000100" + "55" * 256, Command(0, 0x22, 0, 0, b"\x55" * 256)),
    ],
)
def test_each_case_of_the_standard(encoded: str, command: Command) -> None:
    assert command.to_bytes() == bytes.fromhex(encoded)
    assert Command.from_bytes(bytes.fromhex(encoded)) == command


def test_icaos_worked_commands_survive() -> None:
    worked = vector("9303_11_app_d_keys")
    plain = [step["plain"] for step in worked["D4_secure_messaging"]]
    sealed = [step["protected"] for step in worked["D4_secure_messaging"]]
    for raw in (*plain, *sealed, worked["D3"]["EXTERNAL_AUTHENTICATE"]):
        assert Command.from_bytes(bytes.fromhex(raw)).to_bytes().hex().upper() == raw


@pytest.mark.parametrize(
    "command",
    [
        Command(0, 0, 0, 0, bytes(65_536)),
        Command(0, 0, 0, 0, le=0),
        Command(0, 0, 0, 0, le=65_537),
    ],
    ids=["long", "none", "more"],
)
def test_what_no_length_field_announces_is_not_encoded(command: Command) -> None:
    with pytest.raises(ValueError, match="length"):
        command.to_bytes()


@pytest.mark.parametrize(
    "raw",
    ["", "00A402", "00A4020C0201", "00A4020C0101FFFF", "00A40000000000AA", "00A4000000000155AA",
     "00A40000000002AA", "00A400000000"],
)  # fmt: skip
def test_what_is_no_command_is_malformed(raw: str) -> None:
    with pytest.raises(ChipMalformed):
        Command.from_bytes(bytes.fromhex(raw))


@pytest.mark.parametrize("size", [0, 1, 65_539])
def test_what_is_no_response_is_malformed(size: int) -> None:
    with pytest.raises(ChipMalformed):
        Response.from_bytes(bytes(size))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_command_or_malformed(raw: bytes) -> None:
    with contextlib.suppress(ChipMalformed):
        assert len(Command.from_bytes(raw).data) < len(raw)


def test_progress_is_not_part_of_a_command() -> None:
    assert Command(0, 1, 2, 3, step=Step("dg2", 1, 2)) == Command(0, 1, 2, 3)


def test_no_content_shows() -> None:
    assert "secret" not in repr((Command(0, 0, 0, 0, b"secret"), Response(b"secret", 0x9000)))
