"""The file that is carried by hand."""

from __future__ import annotations

import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.carried import CarriedCutOff, read_carried, write_carried
from wire.cose import MAX_SIGNED_BYTES
from wire.errors import Malformed, TooLarge

things = st.lists(st.binary(min_size=1, max_size=80), max_size=9)


def written(items: list[bytes], kind: str = "groups") -> bytes:
    file = io.BytesIO()
    assert write_carried(file, items, kind=kind) == len(items)  # type: ignore[arg-type]  # a literal
    return file.getvalue()


def read(raw: bytes) -> list[bytes]:
    return list(read_carried(io.BytesIO(raw), kind="groups"))


@given(things)
def test_what_is_written_is_read(items: list[bytes]) -> None:
    assert read(written(items)) == items


def test_the_form_as_the_reference_has_it() -> None:
    body = b"tram groups 1\r\n\0" + struct.pack(">I", 3) + b"abc" + bytes(4)
    assert written([b"abc"]) == body + struct.pack(">Q", 1) + hashlib.sha256(body).digest()


@given(things, st.data())
def test_cut_off_anywhere_it_says_so_and_gives_what_came_whole(
    items: list[bytes], data: st.DataObject
) -> None:
    raw = written(items)
    cut = data.draw(st.integers(16, len(raw) - 1))
    reading = read_carried(io.BytesIO(raw[:cut]), kind="groups")
    came: list[bytes] = []
    told = None
    while told is None:
        try:
            came.append(next(reading))
        except CarriedCutOff as error:
            told = error
    assert told.items == len(came)
    assert came == items[: len(came)]


@given(things, st.integers(0, 10_000), st.integers(1, 255))
def test_changed_anywhere_it_is_not_whole(items: list[bytes], at: int, by: int) -> None:
    raw = bytearray(written(items))
    raw[at % len(raw)] ^= by
    with pytest.raises(Malformed):
        read(bytes(raw))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(raw)
    with pytest.raises(Malformed):
        read(b"tram groups 1\r\n\0" + raw)


def test_another_kind_and_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(Malformed, match="not a file of groups"):
        read(written([b"a"], "receipts"))
    with pytest.raises(CarriedCutOff, match="after the end"):
        read(written([b"a"]) + b"\0")


@pytest.mark.parametrize("item", [b"", bytes(MAX_SIGNED_BYTES + 1)])
def test_what_nobody_reads_is_not_written(item: bytes) -> None:
    with pytest.raises(TooLarge):
        written([item])


def test_a_length_that_nobody_writes_is_not_waited_for() -> None:
    with pytest.raises(CarriedCutOff, match="nobody writes"):
        read(b"tram groups 1\r\n\0" + struct.pack(">I", MAX_SIGNED_BYTES + 1) + bytes(200_000))
