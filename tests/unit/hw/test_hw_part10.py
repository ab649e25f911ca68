"""What readers tell of themselves, and what they tell wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.card.part10 import max_command_bytes, properties_control_code

FEATURES = bytes.fromhex("06044233000A 120442330012".replace(" ", ""))


def told(data_bytes: int) -> bytes:
    return b"\x06\x01\x00\x0a\x04" + data_bytes.to_bytes(4, "little")


def test_the_control_code_is_found_among_the_features() -> None:
    assert properties_control_code(FEATURES) == 0x42330012
    for short in range(len(FEATURES)):
        assert properties_control_code(FEATURES[:short]) is None
    assert properties_control_code(b"\x12\x02\x42\x33") is None


@pytest.mark.parametrize(
    ("data_bytes", "expected"),
    [(0, 261), (256, 261), (257, 266), (0x10000, 65_544), (0xFFFFFFFF, 65_544)],
)
def test_a_size_of_data_becomes_a_size_of_command(data_bytes: int, expected: int) -> None:
    assert max_command_bytes(told(data_bytes)) == expected


def test_a_reader_that_tells_nothing_takes_short_commands() -> None:
    whole = told(0x10000)
    for short in range(len(whole)):
        assert max_command_bytes(whole[:short]) == 261


@given(st.binary(max_size=600))
def test_any_bytes_give_a_size_within_bounds(raw: bytes) -> None:
    assert 261 <= max_command_bytes(raw) <= 65_544
    code = properties_control_code(raw)
    assert code is None or 0 <= code < 1 << 32
