"""Sealing: what opens, where, with which key; the primitives are checked in wire_independent."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from wire_independent import cbor, hpke_open
from wire_material import DEVICE, EPOCH, IDENTITY_KEY, OPERATIONS_KEY, repeatable

from wire.errors import Malformed, SealBroken
from wire.seal import (
    PUBLIC_BYTES,
    TAG_BYTES,
    WRAPPED_BYTES,
    OpeningKey,
    Place,
    Recipient,
    open_part,
    record_key,
    seal_part,
    wrap,
    wrap_info,
)

KEY = bytes(range(32))
PLACE = Place(DEVICE, EPOCH, "normal", 7, "verification", "identity", "identity-1")
INFO = {
    "device": DEVICE,
    "epoch": EPOCH,
    "lane": "normal",
    "first": 5,
    "compartment": "identity",
    "recipient": "identity-1",
}
ELSEWHERE = [
    {"device": "kiosk-8"},
    {"epoch": bytes(16)},
    {"lane": "urgent"},
    {"seq": 8},
    {"type": "else"},
    {"compartment": "operations"},
    {"recipient": "identity-2"},
]


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=lambda each: next(iter(each)))
def test_a_part_opens_in_its_place_only(elsewhere: dict) -> None:
    sealed = seal_part(KEY, b"plain", PLACE)
    assert len(sealed) == len(b"plain") + TAG_BYTES
    assert open_part(KEY, sealed, PLACE) == b"plain"
    with pytest.raises(SealBroken):
        open_part(KEY, sealed, dataclasses.replace(PLACE, **elsewhere))


def test_the_place_has_every_attribute_and_the_version() -> None:
    stated = cbor([1, DEVICE, EPOCH, "normal", 7, "verification", "identity", "identity-1"])
    assert PLACE.associated_data() == stated
    assert {field.name for field in dataclasses.fields(Place)} == {
        name for each in ELSEWHERE for name in each
    }


def test_a_part_is_plain_aes_gcm() -> None:
    sealed = seal_part(KEY, b"plain", PLACE)
    assert AESGCM(KEY).decrypt(bytes(12), sealed, PLACE.associated_data()) == b"plain"


@given(st.binary(max_size=64))
def test_any_bytes_do_not_open(raw: bytes) -> None:
    with pytest.raises(SealBroken):
        open_part(KEY, raw, PLACE)
    with pytest.raises(SealBroken):
        IDENTITY_KEY.unwrap(raw, info=b"")


@pytest.mark.parametrize("size", [0, 1, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_opens_nothing(size: int) -> None:
    sealed = seal_part(KEY, b"plain", PLACE)
    with pytest.raises(SealBroken):
        open_part(bytes(size), sealed, PLACE)


def test_aes_128_is_not_spoken() -> None:
    short = AESGCM(KEY[:16]).encrypt(bytes(12), b"plain", PLACE.associated_data())
    with pytest.raises(SealBroken):
        open_part(KEY[:16], short, PLACE)


def test_each_record_and_compartment_has_its_own_key() -> None:
    keys = {
        record_key(KEY, seq=seq, compartment=compartment)
        for seq in range(1, 50)
        for compartment in ("operations", "identity")
    }
    assert len(keys) == 98
    info = cbor(["tram record key", 1, 9, "identity"])
    expected = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(KEY)
    assert record_key(KEY, seq=9, compartment="identity") == expected


def test_a_wrapped_key_opens_for_its_reader_and_its_group_only() -> None:
    info = wrap_info(**INFO)
    wrapped = wrap(KEY, IDENTITY_KEY.recipient(), info=info)
    assert len(wrapped) == WRAPPED_BYTES
    assert IDENTITY_KEY.unwrap(wrapped, info=info) == KEY
    with pytest.raises(SealBroken):
        OPERATIONS_KEY.unwrap(wrapped, info=info)
    changes = {**PLACE_CHANGES, "first": 6}
    for name, value in changes.items():
        with pytest.raises(SealBroken):
            IDENTITY_KEY.unwrap(wrapped, info=wrap_info(**(INFO | {name: value})))
    assert set(changes) == set(INFO)


PLACE_CHANGES = {name: value for each in ELSEWHERE for name, value in each.items() if name in INFO}


def test_wrapping_is_the_suite_of_the_standard() -> None:
    """Twice: by cryptography's own HPKE, and by the key schedule spelled out."""
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = wrap_info(**INFO)
    assert info == cbor(["tram group key", 1, DEVICE, EPOCH, "normal", 5, "identity", "identity-1"])
    wrapped = wrap(KEY, IDENTITY_KEY.recipient(), info=info)
    assert (
        suite.decrypt(wrapped, MLKEM768X25519PrivateKey(*IDENTITY_KEY._halves()), info=info) == KEY
    )
    assert hpke_open(IDENTITY_KEY.private, wrapped, info) == KEY


@pytest.mark.parametrize("at", [0, 1087, 1088, 1119, 1120, 1151, 1152, WRAPPED_BYTES - 1])
def test_a_changed_wrapped_key_does_not_open(at: int) -> None:
    wrapped = bytearray(wrap(KEY, IDENTITY_KEY.recipient(), info=b""))
    wrapped[at] ^= 1
    with pytest.raises(SealBroken):
        IDENTITY_KEY.unwrap(bytes(wrapped), info=b"")


@pytest.mark.parametrize("size", [0, PUBLIC_BYTES - 1, PUBLIC_BYTES + 1])
def test_a_recipient_of_another_length_is_malformed(size: int) -> None:
    with pytest.raises(Malformed):
        Recipient("reader", bytes(size))


def test_a_recipient_that_nobody_can_seal_for_is_malformed() -> None:
    """Numbers out of range in the one half; a point of small order in the other."""
    public = IDENTITY_KEY.recipient().public_key
    with pytest.raises(Malformed):
        Recipient("reader", b"\xff" * 1184 + public[1184:])
    for point in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(Malformed):
            wrap(KEY, Recipient("reader", public[:1184] + point), info=b"")


@pytest.mark.parametrize("name", ["", ".hidden", "a" * 65, "two words", "né", "a\n", "a/b"])
def test_a_key_has_a_plain_name(name: str) -> None:
    with pytest.raises(Malformed):
        Recipient(name, IDENTITY_KEY.recipient().public_key)
    with pytest.raises(Malformed):
        OpeningKey.generate(name, randomness=repeatable("name"))


@pytest.mark.parametrize("size", [0, 95, 97])
def test_an_opening_key_has_its_length(size: int) -> None:
    with pytest.raises(Malformed):
        OpeningKey("reader", bytes(size))


def test_no_key_is_printed() -> None:
    for each in (IDENTITY_KEY, IDENTITY_KEY.recipient()):
        assert repr(each) == f"{type(each).__name__}(id='identity-1')"
