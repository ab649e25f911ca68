"""Chip authentication against a card's end that agrees on keys with raw ECDH."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from asn1crypto import keys, pem
from cryptography.hazmat.primitives.asymmetric import ec
from issued_documents import (
    BSI,
    CA_AES_128,
    PACE_AES_128,
    chip_key,
    dg14,
    info,
    number,
    oid,
)  # fmt: skip
from openssl_issuer import key, needs_openssl, public_key
from reader_material import CardEnd, answering, do, stream

from emrtd import chip_auth
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipGone, ChipLied, ChipRefused, Fault
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import parse_dg14

pytestmark = needs_openssl

OLD = SessionKeys.derive(b"what PACE agreed", key_bytes=16)
CURVES = {"brainpoolP256r1": ec.BrainpoolP256R1(), "prime256v1": ec.SECP256R1(),
          "secp521r1": ec.SECP521R1()}  # fmt: skip
CA_AES_256 = info(oid(BSI + "030204"), number(1))


@cache
def private(kind: str = "ec:brainpoolP256r1", at: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return a card's key; openssl writes curves out that cryptography does not read."""
    _, _, raw = pem.unarmor(key(kind, at))
    number_ = int(keys.ECPrivateKey.load(raw)["private_key"].native)
    return ec.derive_private_key(number_, CURVES[kind.partition(":")[2]])


def announced(*infos: bytes) -> chip_auth.Announced | None:
    return chip_auth.choose(parse_dg14(dg14(*infos)))


def spki(kind: str = "ec:brainpoolP256r1", at: int = 0) -> bytes:
    return public_key(key(kind, at))


@dataclass
class Card:
    """A card after access: it is asked under the old keys, and agrees on new ones."""

    own: ec.EllipticCurvePrivateKey
    key_bytes: int = 16
    refusing: dict[int, int] = field(default_factory=dict)
    end: CardEnd = field(default_factory=lambda: CardEnd(OLD.encryption, OLD.mac))
    asked: list[tuple[bytes, bytes, int | None]] = field(default_factory=list)
    after: int = 0x9000
    silent_after: bool = False

    def __call__(self, command: Command) -> bytes:
        try:
            header, data, le = self.end.open(command.to_bytes())
        except AssertionError:
            return b"\x69\x88"
        self.asked.append((header, data, le))
        if header[1] in self.refusing:
            return self.end.protect(b"", self.refusing[header[1]])
        if header[1] == 0x22:
            return self.end.protect(b"")
        if header[1] == 0xA4:
            if self.silent_after:
                raise ChipGone
            return self.end.protect(b"", self.after)
        point = data[-(1 + 2 * ((self.own.curve.key_size + 7) // 8)) :]
        assert data == do(0x7C, do(0x80, point))
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(self.own.curve, point)
        secret = self.own.exchange(ec.ECDH(), theirs)
        answer = self.end.protect(b"\x7c\x00")
        digest = hashlib.sha1 if self.key_bytes == 16 else hashlib.sha256
        new = [digest(secret + bytes((0, 0, 0, n))).digest()[: self.key_bytes] for n in (1, 2)]
        self.end = CardEnd(*new)
        return answer


def run(card: Card, offer: chip_auth.Announced | None) -> tuple[SecureChannel, SecureChannel]:
    assert offer is not None
    old = SecureChannel(OLD, PlainChannel(max_commands=16))
    try:
        new = drive(chip_auth.run(offer, old, randomness=stream("reader")), answering(card))
    finally:
        assert not old.alive
    return old, new


@pytest.mark.parametrize(
    ("kind", "protocol", "key_bytes"),
    [
        ("ec:brainpoolP256r1", CA_AES_128, 16),
        ("explicit:brainpoolP256r1", CA_AES_128, 16),
        ("ec:prime256v1", info(oid(BSI + "030203"), number(1)), 24),
        ("ec:secp521r1", CA_AES_256, 32),
    ],
)
def test_the_holder_of_the_key_gets_a_new_channel(kind, protocol, key_bytes) -> None:
    offer = announced(PACE_AES_128, protocol, chip_key(spki(kind)))
    card = Card(private(kind), key_bytes)
    _, new = run(card, offer)
    assert new.alive
    dialogue = new.exchange(Command(0, 0xB0, 0, 0, le=4))
    card.end.open(next(dialogue).to_bytes())
    with pytest.raises(StopIteration) as stop:
        dialogue.send(Response.from_bytes(card.end.protect(b"data")))
    assert stop.value.value.data == b"data"


def test_what_is_sent_is_the_standards() -> None:
    card = Card(private())
    run(card, announced(CA_AES_128, chip_key(spki())))
    (mse, protocol, no_le), (agree, point, le), (select, file, last_le) = card.asked
    assert (mse, no_le) == (bytes.fromhex("0C2241A4"), None)
    assert protocol == do(0x80, bytes.fromhex(BSI + "030202"))
    assert (agree, le) == (bytes.fromhex("0C860000"), 256)
    assert point[:5] == bytes.fromhex("7C43804104")
    assert (select, file, last_le) == (bytes.fromhex("0CA4020C"), b"\x01\x1d", None)


@pytest.mark.parametrize(
    ("key_id", "reference"), [(1, "840101"), (65, "840141"), (200, "840200C8"), (0, "840100")]
)
def test_a_key_of_several_is_named(key_id: int, reference: str) -> None:
    identifier = do(0x02, bytes.fromhex(reference)[2:])
    protocol = info(oid(BSI + "030202"), number(1), identifier)
    other = chip_key(spki(at=1), do(0x02, b"\x7f"))
    card = Card(private())
    offer = announced(protocol, other, chip_key(spki(), identifier))
    run(card, offer)
    assert offer is not None
    assert offer.info.key_id == key_id
    assert card.asked[0][1].endswith(bytes.fromhex(reference))


def test_a_clone_that_does_not_hold_the_key_is_found() -> None:
    with pytest.raises(ChipLied) as caught:
        run(Card(private(at=1)), announced(CA_AES_128, chip_key(spki())))
    assert caught.value.fault is Fault.CHIP_KEY_MISMATCH


def test_an_answer_in_the_clear_or_under_the_old_keys_is_no_proof() -> None:
    offer = announced(CA_AES_128, chip_key(spki()))
    for under_old_keys in (False, True):
        card = Card(private())

        def answer(command: Command, card: Card = card, old: bool = under_old_keys) -> bytes:
            if len(card.asked) < 2:
                before = card.end
                made = card(command)
                card.old = before  # type: ignore[attr-defined] # the card keeps its old session
                return made
            return card.old.protect(b"") if old else b"\x90\x00"  # type: ignore[attr-defined] # as above

        with pytest.raises(ChipLied):
            run(answer, offer)  # type: ignore[arg-type] # answers as a card does


def test_any_status_that_verifies_is_a_proof() -> None:
    assert run(Card(private(), after=0x6A82), announced(CA_AES_128, chip_key(spki())))[1].alive


@pytest.mark.parametrize("ins", [0x22, 0x86])
def test_a_chip_that_does_not_do_what_it_announces_refuses(ins: int) -> None:
    with pytest.raises(ChipRefused, match="chip authentication"):
        run(Card(private(), refusing={ins: 0x6A80}), announced(CA_AES_128, chip_key(spki())))


def test_a_chip_that_leaves_is_gone_and_no_liar() -> None:
    with pytest.raises(ChipGone):
        run(Card(private(), silent_after=True), announced(CA_AES_128, chip_key(spki())))


def test_a_broken_old_channel_is_no_verdict_on_the_key() -> None:
    with pytest.raises(ChannelBroken):
        run(lambda _: b"\x90\x00", announced(CA_AES_128, chip_key(spki())))  # type: ignore[arg-type] # a chip


def test_the_strongest_way_that_can_be_gone_is_chosen() -> None:
    triple_des = info(oid(BSI + "030201"), number(1))
    diffie_hellman = info(oid(BSI + "030104"), number(1))
    version_2 = info(oid(BSI + "030204"), number(2))
    offer = announced(
        triple_des, diffie_hellman, version_2, CA_AES_128, CA_AES_256, chip_key(spki())
    )
    assert offer is not None
    assert (offer.info.name, offer.key_bytes) == ("CA-ECDH-AES-CBC-CMAC-256", 32)


@pytest.mark.parametrize(
    "infos",
    [
        lambda: (),
        lambda: (CA_AES_128,),  # no key
        lambda: (chip_key(spki()),),  # no protocol
        lambda: (CA_AES_128, chip_key(spki()), chip_key(spki(at=1))),  # which of two
        lambda: (CA_AES_128, info(oid(BSI + "0101"), spki())),  # a key for another protocol
        lambda: (CA_AES_128, chip_key(public_key(key("rsa:2048")))),
        lambda: (CA_AES_128, chip_key(spki("ec:secp256k1"))),  # a curve that is none of ours
        lambda: (info(oid(BSI + "030202"), number(1), number(5)), chip_key(spki(), number(6))),
        lambda: (info(oid(BSI + "030202"), number(2)), chip_key(spki())),
    ],
)
def test_where_there_is_no_way_none_is_chosen(infos: Any) -> None:
    assert announced(*infos()) is None
