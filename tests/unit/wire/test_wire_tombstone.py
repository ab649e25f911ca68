"""Tombstones: what a station says of numbers that will never come."""

from __future__ import annotations

import hashlib
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_material import STATION, STRANGER

from wire.canonical import dump
from wire.cose import MAX_SIGNED_BYTES, sign1
from wire.errors import Malformed, SignatureInvalid, TooLarge, VersionUnsupported, WireError
from wire.group import verify_group
from wire.record import MAX_SEQ
from wire.tombstone import (
    TombstoneBody,
    claimed_tombstone,
    is_tombstone,
    seal_tombstone,
    verify_tombstone,
)

KEY = STATION.public_key_der
FIELDS: dict[str, Any] = {
    "device": "kiosk-7",
    "epoch": bytes(16),
    "lane": "normal",
    "first": 5,
    "last": 9,
    "given": 5,
    "previous_head": b"p" * 32,
    "next_head": b"n" * 32,
    "quarantine": b"q" * 32,
}


def body(**changes: Any) -> TombstoneBody:
    return TombstoneBody(**(FIELDS | changes))


def signed(**changes: Any) -> bytes:
    """Whatever a true station may be made to sign."""
    return sign1(dump(FIELDS | {"version": 1} | changes), STATION, kind="tombstone")


def test_a_bridge_leads_to_the_head_that_follows() -> None:
    sealed = seal_tombstone(body(), STATION)
    found = verify_tombstone(sealed.raw, KEY)
    assert found.body == body() == claimed_tombstone(sealed.raw)
    assert (sealed.first, sealed.last, sealed.count, sealed.lost) == (5, 9, 5, True)
    assert found.head == sealed.head == b"n" * 32
    assert repr(found) == "<Tombstone kiosk-7 normal 5+5>"
    assert is_tombstone(sealed.raw)


def test_a_restart_has_a_head_of_its_own() -> None:
    sealed = seal_tombstone(body(next_head=None, given=2), STATION)
    payload = cbor2.loads(sealed.raw).value[2]
    own = hashlib.sha256(b"p" * 32 + hashlib.sha256(payload).digest()).digest()
    assert verify_tombstone(sealed.raw, KEY).head == sealed.head == own


@given(
    st.integers(1, MAX_SEQ),
    st.integers(0, 2**20),
    st.floats(0, 1),
    st.booleans(),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_sealed_is_read(
    first: int, more: int, share: float, restart: bool, digest: bytes
) -> None:
    last = min(first + more, MAX_SEQ)
    count = last - first + 1
    said = body(
        first=first,
        last=last,
        given=int(count * share) if restart else count,
        next_head=None if restart else digest,
        quarantine=digest,
    )
    assert verify_tombstone(seal_tombstone(said, STATION).raw, KEY).body == said


@pytest.mark.parametrize(
    "changes",
    [
        {"first": 0},
        {"first": 10},
        {"last": 4, "given": 0},
        {"last": MAX_SEQ + 1},
        {"given": 4},
        {"given": 6, "next_head": None},
        {"given": -1, "next_head": None},
        {"lane": "fast"},
        {"device": "K"},
        {"epoch": bytes(15)},
        {"quarantine": b""},
        {"next_head": b""},
        {"more": 1},
    ],
)
def test_what_contradicts_itself_is_neither_read_nor_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        verify_tombstone(signed(**changes), KEY)
    if "more" not in changes:
        with pytest.raises(Malformed):
            seal_tombstone(body(**changes), STATION)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(VersionUnsupported):
        verify_tombstone(signed(version=2), KEY)


def test_another_key_another_kind_another_size() -> None:
    raw = seal_tombstone(body(), STATION).raw
    with pytest.raises(SignatureInvalid):
        verify_tombstone(raw, STRANGER.public_key_der)
    with pytest.raises(Malformed):
        verify_group(raw, KEY)
    group = sign1(dump(FIELDS | {"version": 1}), STATION, kind="group")
    assert not is_tombstone(group)
    with pytest.raises(Malformed):
        verify_tombstone(group, KEY)
    with pytest.raises(TooLarge):
        verify_tombstone(bytes(MAX_SIGNED_BYTES + 1), KEY)
    with pytest.raises(TooLarge):
        verify_tombstone(signed(more=bytes(2_000)), KEY)


def test_cut_off_or_changed_anywhere_it_is_refused() -> None:
    raw = seal_tombstone(body(), STATION).raw
    for at in range(len(raw)):
        for bad in (raw[:at], raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]):
            with pytest.raises(WireError):
                verify_tombstone(bad, KEY)


@given(st.binary(max_size=600))
def test_anything_else_is_refused(raw: bytes) -> None:
    assert not is_tombstone(raw)
    with pytest.raises(WireError):
        verify_tombstone(raw, KEY)
    with pytest.raises(Malformed):
        claimed_tombstone(raw)
