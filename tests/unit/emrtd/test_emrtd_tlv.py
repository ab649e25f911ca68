from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrtd.errors import ChipMalformed
from emrtd.tlv import TLV, encode, length_from_head, parse, parse_one

TAGS = st.one_of(
    st.integers(1, 0xFE).filter(lambda tag: tag & 0x1F != 0x1F),
    st.builds(
        lambda first, second: first << 8 | second,
        st.sampled_from([0x1F, 0x3F, 0x5F, 0x7F, 0x9F, 0xBF, 0xDF]),
        st.integers(0, 0x7F),
    ),
    st.builds(
        lambda second, third: 0x7F0000 | second << 8 | third,
        st.integers(0x81, 0xFF),
        st.integers(0, 0x7F),
    ),
)
OBJECTS = st.lists(
    st.tuples(TAGS, st.one_of(st.binary(max_size=20), st.just(bytes(70_000)))), max_size=4
)


@given(OBJECTS)
def test_what_is_encoded_is_parsed_again(objects: list[tuple[int, bytes]]) -> None:
    raw = b"".join(encode(tag, value) for tag, value in objects)
    if len(raw) <= 262_144:
        assert parse(raw) == tuple(TLV(tag, value) for tag, value in objects)
        assert b"".join(each.to_bytes() for each in parse(raw)) == raw


@given(TAGS, st.binary(max_size=300))
def test_an_object_cut_short_anywhere_is_malformed(tag: int, value: bytes) -> None:
    raw = encode(tag, value)
    for end in range(1, len(raw)):
        with pytest.raises(ChipMalformed):
            parse(raw[:end])
    with pytest.raises(ChipMalformed):
        parse_one(b"")


@given(st.binary(max_size=64))
def test_any_bytes_are_objects_or_malformed(raw: bytes) -> None:
    with contextlib.suppress(ChipMalformed):
        assert sum(2 + len(each.value) for each in parse(raw)) <= len(raw)
    with contextlib.suppress(ChipMalformed):
        header, _ = length_from_head(raw)
        assert 2 <= header <= 8


@pytest.mark.parametrize(
    ("raw", "objects"),
    [
        ("", ()),
        ("8700", ((0x87, b""),)),
        ("990290008E0101", ((0x99, b"\x90\x00"), (0x8E, b"\x01"))),
        ("7F490104", ((0x7F49, b"\x04"),)),
        ("7F81010104", ((0x7F8101, b"\x04"),)),
        ("5F01020107", ((0x5F01, b"\x01\x07"),)),
        ("81840000000155", ((0x81, b"\x55"),)),
        ("81810155", ((0x81, b"\x55"),)),
    ],
)
def test_objects_are_split(raw: str, objects: tuple[tuple[int, bytes], ...]) -> None:
    assert parse(bytes.fromhex(raw)) == tuple(TLV(*each) for each in objects)


@pytest.mark.parametrize(
    "raw",
    [
        "0000",  # no tag
        "FF00",
        "3080010100",  # indefinite length
        "3085000000000155",  # five length bytes
        "7F800100",  # a tag that begins with nothing
        "7FFFFF0100",  # a tag of four bytes
        "7F",
        "7F81",
        "7F8180",
        "87",
        "8781",
        "878201",
        "870155FF",
        "75 84 FF FF FF FF 00",
    ],
)
def test_what_is_not_tlv_is_malformed(raw: str) -> None:
    with pytest.raises(ChipMalformed):
        parse(bytes.fromhex(raw))


def test_a_limit_is_held_before_anything_is_parsed() -> None:
    raw = encode(0x87, bytes(100))
    assert len(parse(raw, limit=len(raw))) == 1
    with pytest.raises(ChipMalformed, match="at most"):
        parse(raw, limit=len(raw) - 1)


def test_one_object_is_one_and_has_its_tag() -> None:
    assert parse_one(b"\x87\x00").tag == 0x87
    assert parse_one(b"\x87\x00", 0x87).value == b""
    for raw in (b"", b"\x87\x00\x87\x00"):
        with pytest.raises(ChipMalformed, match="objects"):
            parse_one(raw)
    with pytest.raises(ChipMalformed, match="tag 87"):
        parse_one(b"\x87\x00", 0x99)


@pytest.mark.parametrize(
    ("head", "lengths"),
    [
        ("75823A90 7F61", (4, 0x3A90)),
        ("7584FFFFFFFF", (6, 0xFFFFFFFF)),
        ("600100", (2, 1)),
        ("7F6181FF", (4, 255)),
    ],
)
def test_a_head_says_how_long_a_file_claims_to_be(head: str, lengths: tuple[int, int]) -> None:
    assert length_from_head(bytes.fromhex(head)) == lengths


@pytest.mark.parametrize("tag", [0, 0x1F, 0xFF, 0x7F80, 0x8787, 0x7FFFFF, 0x7F818101])
def test_what_is_not_a_tag_is_not_encoded(tag: int) -> None:
    with pytest.raises(ValueError, match="tag"):
        encode(tag, b"")


def test_values_do_not_show() -> None:
    assert "secret" not in repr(TLV(0x87, b"secret"))
