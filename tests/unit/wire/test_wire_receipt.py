"""Receipts: the word of the device's own shard, whole, of this version, and of nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_independent import payload_of
from wire_material import (
    DEVICE,
    EPOCH,
    STATION,
    STRANGER,
    openssl_verifies,
    protected_header,
    sig_structure,
)

from wire.canonical import dump
from wire.cose import sign1
from wire.errors import Malformed, SignatureInvalid, VersionUnsupported, WireError
from wire.receipt import MAX_RECEIPT_BYTES, Receipt, VerifiedReceipt, sign_receipt, verify_receipt
from wire.record import MAX_SEQ

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {3: STATION.public_key_der, 4: STRANGER.public_key_der}


def receipt(**changes: object) -> Receipt:
    fields = {
        "shard": 3,
        "device": DEVICE,
        "epoch": EPOCH,
        "lane": "normal",
        "high_water": 7,
        "chain_head": bytes(32),
        "audit_head": b"a" * 32,
    }
    return Receipt(**(fields | changes))


def signed_map(**changes: object) -> bytes:
    plain = cbor2.loads(payload_of(sign_receipt(receipt(), STATION))) | changes
    plain = {name: value for name, value in plain.items() if value != "absent"}
    return sign1(dump(plain), STATION, kind="receipt")


@given(
    st.builds(
        receipt,
        lane=st.sampled_from(["urgent", "security", "normal"]),
        high_water=st.integers(0, MAX_SEQ),
        chain_head=st.binary(min_size=32, max_size=32),
        credit=st.none() | st.integers(0, 1024),
        epoch=st.binary(min_size=16, max_size=16),
    )
)
def test_any_receipt_of_its_shard_comes_back_verified(one: Receipt) -> None:
    found = verify_receipt(sign_receipt(one, STATION), KEYS)
    assert isinstance(found, VerifiedReceipt)
    for name in Receipt.__struct_fields__:
        assert getattr(found, name) == getattr(one, name)


def test_openssl_verifies_it(tmp_path: Path) -> None:
    raw = sign_receipt(receipt(), STATION)
    protected, _, payload, signature = cbor2.loads(raw).value
    assert protected == protected_header("receipt")
    message = sig_structure(protected, payload)
    assert openssl_verifies(tmp_path, STATION.public_key_der, message, signature)


def test_each_flipped_byte_is_refused() -> None:
    raw = sign_receipt(receipt(), STATION)
    verify_receipt(raw, KEYS)
    for at in range(len(raw)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(raw)
            changed[at] ^= mask
            with pytest.raises(WireError):
                verify_receipt(bytes(changed), KEYS)


def test_each_truncation_is_refused() -> None:
    raw = sign_receipt(receipt(), STATION)
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            verify_receipt(raw[:size], KEYS)


def test_another_shards_key_does_not_speak_for_this_one() -> None:
    with pytest.raises(SignatureInvalid):
        verify_receipt(sign_receipt(receipt(), STRANGER), KEYS)
    assert verify_receipt(sign_receipt(receipt(shard=4), STRANGER), KEYS).shard == 4


def test_a_shard_without_a_key_is_refused() -> None:
    with pytest.raises(SignatureInvalid, match="no key"):
        verify_receipt(sign_receipt(receipt(shard=5), STATION), KEYS)
    with pytest.raises(SignatureInvalid, match="no key"):
        verify_receipt(sign_receipt(receipt(), STATION), {})


def test_a_group_is_no_receipt() -> None:
    payload = payload_of(sign_receipt(receipt(), STATION))
    with pytest.raises(Malformed):
        verify_receipt(sign1(payload, STATION, kind="group"), KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"shard": -1},
        {"shard": 4096},
        {"device": "K"},
        {"epoch": bytes(15)},
        {"lane": "fast"},
        {"high_water": -1},
        {"high_water": MAX_SEQ + 1},
        {"chain_head": bytes(31)},
        {"audit_head": bytes(33)},
        {"credit": -1},
        {"credit": 1025},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_field_out_of_bounds_is_neither_signed_nor_read(change: dict) -> None:
    with pytest.raises(Malformed):
        sign_receipt(receipt(**change), STATION)
    with pytest.raises(Malformed):
        verify_receipt(signed_map(**change), KEYS)


@pytest.mark.parametrize("name", Receipt.__struct_fields__)
def test_every_field_stands_in_it(name: str) -> None:
    with pytest.raises(Malformed):
        verify_receipt(signed_map(**{name: "absent"}), KEYS)


def test_more_fields_and_more_bytes_are_refused() -> None:
    verify_receipt(signed_map(), KEYS)
    with pytest.raises(Malformed):
        verify_receipt(signed_map(more=1), KEYS)
    with pytest.raises(Malformed):
        verify_receipt(signed_map(more=bytes(MAX_RECEIPT_BYTES)), KEYS)


def test_another_version_is_told_apart() -> None:
    with pytest.raises(VersionUnsupported):
        verify_receipt(signed_map(version=2), KEYS)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_a_typed_error(raw: bytes) -> None:
    for candidate in (raw, sign1(raw, STATION, kind="receipt")):
        with pytest.raises(WireError):
            verify_receipt(candidate, KEYS)
