"""The one encoding: what is accepted is re-encoded to the same bytes, the rest is refused soon."""

from __future__ import annotations

import tracemalloc
from typing import Annotated, Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from wire.canonical import MAX_DEPTH, MAX_ITEMS, decode, dump, encode, load
from wire.errors import Malformed, TooLarge, VersionUnsupported

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def loaded(raw: bytes) -> object:
    return load(raw, what="thing", limit=100_000)


def depth(value: object) -> int:
    inner: Any = ()
    match value:
        case dict():
            inner = value.values()
        case list():
            inner = value
        case _:
            return 0
    return 1 + max(map(depth, inner), default=0)


@given(VALUES.filter(lambda value: depth(value) <= MAX_DEPTH))
def test_every_value_comes_back(value: object) -> None:
    assert loaded(dump(value)) == value


@given(st.binary(max_size=60) | VALUES.map(cbor2.dumps))
def test_any_bytes_are_the_one_encoding_of_their_value_or_malformed(raw: bytes) -> None:
    try:
        value = loaded(raw)
    except Malformed:
        return
    assert cbor2.dumps(value, canonical=True) == raw
    assert cbor2.loads(raw) == value


@given(VALUES.filter(lambda value: depth(value) <= MAX_DEPTH), st.data())
def test_every_truncation_is_malformed(value: object, data: st.DataObject) -> None:
    raw = dump(value)
    with pytest.raises(Malformed):
        loaded(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(Malformed, match="after the end"):
        loaded(raw + b"\x00")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3bffffffffffffffff", -(2**64)),
        ("20", -1),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("40", b""),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("60", ""),
        ("62c3bc", "ü"),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a0", {}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ],
)
def test_examples_of_the_standard_are_read(raw: str, value: object) -> None:
    assert loaded(bytes.fromhex(raw)) == value


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "ends too early"),
        ("82", "ends too early"),
        ("1900", "cut off"),
        ("1c", "reserved"),
        ("5f42010243030405ff", "indefinite"),
        ("9fff", "indefinite"),
        ("bf61610161629f0203ffff", "indefinite"),
        ("7f657374726561646d696e67ff", "indefinite"),
        ("c249010000000000000000", "tag"),
        ("c074323031332d30332d32315432303a30343a30305a", "tag"),
        ("d818456449455446", "tag"),
        ("f90000", "float"),
        ("fb3ff199999999999a", "float"),
        ("f97e00", "float"),
        ("f7", "reserved simple"),
        ("f0", "reserved simple"),
        ("f818", "reserved simple"),
        ("f8ff", "reserved simple"),
        ("f814", "reserved simple"),
        ("ff", "indefinite"),
        ("1800", "deterministic"),
        ("190018", "deterministic"),
        ("5801ff", "deterministic"),
        ("9800", "deterministic"),
        ("a2616201616101", "deterministic"),
        ("a2626161016162 01", "deterministic"),
        ("a2616101616102", "not CBOR"),
        ("62ffff", "not CBOR"),
        ("63eda080", "not CBOR"),
        ("a201020304", "key"),
        ("a1416b01", "key"),
        ("a1f601", "key"),
        ("a1800 1", "key"),
        ("a1a001", "key"),
        ("4401", "past the end"),
        ("5bffffffffffffffff00", "past the end"),
        ("0000", "after the end"),
    ],
)
def test_everything_else_of_cbor_is_refused(raw: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        loaded(bytes.fromhex(raw.replace(" ", "")))


def test_depth_is_bounded_at_its_limit() -> None:
    nested: object = 1
    for _ in range(MAX_DEPTH):
        nested = [nested]
    assert loaded(dump(nested)) == nested
    for deeper in ([nested], {"k": nested}):
        with pytest.raises(Malformed, match="deeply"):
            loaded(dump(deeper))
    with pytest.raises(Malformed, match="deeply"):
        loaded(b"\x81" * 99_999)


def test_items_are_bounded_at_their_limit() -> None:
    most = [0] * (MAX_ITEMS - 1)
    assert loaded(dump(most)) == most
    with pytest.raises(Malformed, match="too many"):
        loaded(dump([*most, 0]))
    keys = {f"{n:04}": 0 for n in range(MAX_ITEMS // 2)}
    with pytest.raises(Malformed, match="too many"):
        loaded(dump(keys))


@pytest.mark.parametrize("head", [0x9B, 0xBB, 0x5B, 0x7B])
def test_a_claimed_length_takes_no_memory(head: int) -> None:
    raw = bytes([head]) + b"\x7f" + b"\xff" * 7 + bytes(90_000)
    tracemalloc.start()
    with pytest.raises(Malformed):
        loaded(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    assert load(b"\x42ab", what="thing", limit=3) == b"ab"
    with pytest.raises(TooLarge) as refused:
        load(b"\xff\xff\xff\xff", what="thing", limit=3)
    assert (refused.value.what, refused.value.size, refused.value.limit) == ("thing", 4, 3)


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"\A[a-z]+\Z")]


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: bytes
    count: Annotated[int, Meta(ge=0, le=9)] = 3
    inner: Inner | None = None
    version: int = 1


def decoded(raw: bytes, limit: int = 200) -> Shape:
    return decode(raw, Shape, what="shape", limit=limit, version=1)


PLAIN = {"data": b"x", "count": 3, "inner": {"name": "abc"}, "version": 1}


def test_a_struct_comes_back_and_its_encoding_is_plain_cbor() -> None:
    value = Shape(data=b"x", inner=Inner("abc"))
    raw = encode(value, what="shape", limit=200)
    assert decoded(raw) == value
    assert cbor2.loads(raw) == PLAIN


@pytest.mark.parametrize(
    "change",
    [
        {"count": 10},
        {"count": -1},
        {"count": True},
        {"count": "3"},
        {"count": None},
        {"data": "eA=="},
        {"data": None},
        {"data": [120]},
        {"inner": {"name": "ABC"}},
        {"inner": {"name": "abc\n"}},
        {"inner": {"name": "abc", "more": 1}},
        {"inner": []},
        {"version": True},
        {"version": "1"},
        {"version": None},
        {"more": 1},
    ],
)
def test_a_field_unknown_or_out_of_bounds_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(Malformed) as refused:
        decoded(dump(PLAIN | change))
    assert not isinstance(refused.value, VersionUnsupported)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_default_that_was_left_out_is_malformed(name: str) -> None:
    """Otherwise one value would have two encodings."""
    with pytest.raises(Malformed):
        decoded(dump({key: value for key, value in PLAIN.items() if key != name}))


@pytest.mark.parametrize("raw", [b"\x80", b"\x01", b"\xf6", b"\x41x"])
def test_a_value_that_is_no_map_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decoded(raw)


@pytest.mark.parametrize("version", [0, 2, 2**64 - 1, -1])
def test_another_version_is_told_apart_whatever_its_shape(version: int) -> None:
    with pytest.raises(VersionUnsupported):
        decoded(dump({"version": version, "quite": "different"}))


def test_without_a_version_to_ask_for_the_shape_alone_decides() -> None:
    raw = dump(PLAIN | {"version": 7})
    assert decode(raw, Shape, what="shape", limit=200).version == 7


def test_encoding_checks_what_its_reader_will() -> None:
    with pytest.raises(Malformed):
        encode(Shape(data=b"x", count=10), what="shape", limit=200)
    with pytest.raises(Malformed):
        encode(Shape(data=b"x", version=2**70), what="shape", limit=200)
    raw = encode(Shape(data=b"x"), what="shape", limit=200)
    assert encode(Shape(data=b"x"), what="shape", limit=len(raw)) == raw
    with pytest.raises(TooLarge):
        encode(Shape(data=b"x"), what="shape", limit=len(raw) - 1)
    assert decoded(raw, limit=len(raw)) == Shape(data=b"x")
    with pytest.raises(TooLarge):
        decoded(raw, limit=len(raw) - 1)


def test_a_refusal_quotes_no_value() -> None:
    secret = "nguyen van a"
    with pytest.raises(Malformed) as refused:
        decoded(dump(PLAIN | {"inner": {"name": secret}}))
    assert secret not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize("value", ["nguyen van a", "x - at `$.inner", "x - at `$.data`", "x`"])
def test_a_value_that_may_not_be_sent_is_known_by_its_fields_name_alone(value: str) -> None:
    with pytest.raises(Malformed) as refused:
        encode(Shape(data=b"x", inner=Inner(name=value)), what="shape", limit=200)
    assert refused.value.field == "inner.name"
    assert value not in str(refused.value) + repr(refused.value)


def test_what_others_sent_lends_no_name() -> None:
    with pytest.raises(Malformed) as refused:
        decoded(dump(PLAIN | {"count": 10}))
    assert refused.value.field == ""
