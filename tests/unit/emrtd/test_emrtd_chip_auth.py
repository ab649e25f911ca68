"""Chip authentication against a card's end that agrees by raw arithmetic, and ICAO's mapping."""

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
    CA_NAME,
    PACE_AES_128,
    PACE_CAM_AES_128,
    chip_key,
    dg14,
    info,
    number,
    oid,
)  # fmt: skip
from openssl_issuer import key, needs_openssl, public_key
from reader_material import CardEnd, answering, do, stream, vector
from triple_des_card_end import TripleDESCardEnd

from emrtd import chip_auth
from emrtd._crypto import Cipher
from emrtd._curves import STANDARDISED
from emrtd._groups import MODULAR
from emrtd.apdu import Command, Response
from emrtd.channel import PlainChannel
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipGone, ChipLied, ChipMalformed, ChipRefused, Fault
from emrtd.evidence import CAMTranscript
from emrtd.keys import SessionKeys
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import ChipAuthenticationPublicKeyInfo, parse_dg14

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
        dialogue = chip_auth.authenticate(offer, old, randomness=stream("reader"))
        new = drive(dialogue, answering(card)).channel
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
    assert announced(triple_des, chip_key(spki())).cipher is Cipher.TRIPLE_DES
    assert announced(CA_AES_128, triple_des, chip_key(spki())).cipher is Cipher.AES
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


# --- Diffie-Hellman modulo a prime, and 3DES in one command

NUMBERED = oid("04007F00070102")
DH_PRIVATE = 0x123456789ABCDEF0


def dh_spki(parameter_id: int, private: int = DH_PRIVATE) -> bytes:
    group = MODULAR[parameter_id]
    public = pow(group.generator, private, group.p)
    content = do(0x02, public.to_bytes(public.bit_length() // 8 + 1, "big"))
    return info(info(NUMBERED, number(parameter_id)), do(0x03, b"\0" + content))


def dh_key(parameter_id: int, *more: bytes) -> bytes:
    return info(oid(BSI + "0101"), dh_spki(parameter_id), *more)


@dataclass
class AnyCard:
    """A card that agrees modulo a prime or on a curve, by either of the two dialogues."""

    parameter_id: int
    digits: str
    private: int = DH_PRIVATE
    end: Any = field(default_factory=lambda: CardEnd(OLD.encryption, OLD.mac))
    asked: list[tuple[bytes, bytes, int | None]] = field(default_factory=list)

    def __call__(self, command: Command) -> bytes:
        try:
            header, data, le = self.end.open(command.to_bytes())
        except AssertionError:
            return b"\x69\x88"
        self.asked.append((header, data, le))
        if header[1:4] == b"\x22\x41\xa6":
            assert data[0] == 0x91
            return self.switch(value(data), b"")
        if header[1] == 0x86:
            return self.switch(value(value(data)), b"\x7c\x00")
        return self.end.protect(b"")

    def switch(self, theirs: bytes, answer: bytes) -> bytes:
        response = self.end.protect(answer)
        if self.parameter_id in MODULAR:
            p = MODULAR[self.parameter_id].p
            secret = pow(int.from_bytes(theirs, "big"), self.private, p)
            shared = secret.to_bytes((p.bit_length() + 7) // 8, "big")
        else:
            own = private()
            point = ec.EllipticCurvePublicKey.from_encoded_point(own.curve, theirs)
            shared = own.exchange(ec.ECDH(), point)
        size = {"1": 16, "2": 16, "3": 24, "4": 32}[self.digits]
        digest = hashlib.sha1 if size == 16 else hashlib.sha256
        new = [digest(shared + bytes((0, 0, 0, n))).digest()[:size] for n in (1, 2)]
        self.end = TripleDESCardEnd(*new) if self.digits == "1" else CardEnd(*new)
        return response


def value(raw: bytes) -> bytes:
    """Return what follows the header of the first object, cut to its length."""
    count = raw[1] & 0x7F if raw[1] & 0x80 else 0
    size = int.from_bytes(raw[2 : 2 + count], "big") if count else raw[1]
    return raw[2 + count : 2 + count + size]


@pytest.mark.parametrize("parameter_id", [0, 1, 2])
@pytest.mark.parametrize("digits", ["1", "2", "3", "4"])
def test_over_every_group_and_cipher_modulo_a_prime(parameter_id: int, digits: str) -> None:
    protocol = info(oid(f"{BSI}03010{digits}"), number(1))
    card = AnyCard(parameter_id, digits)
    offer = announced(protocol, dh_key(parameter_id))
    _, new = run(card, offer)  # type: ignore[arg-type] # answers as a card does
    dialogue = new.exchange(Command(0, 0xB0, 0, 0, le=4))
    card.end.open(next(dialogue).to_bytes())
    with pytest.raises(StopIteration) as stop:
        dialogue.send(Response.from_bytes(card.end.protect(b"data")))
    assert stop.value.value.data == b"data"
    other = AnyCard(parameter_id, digits, private=DH_PRIVATE + 1)
    with pytest.raises(ChipLied):
        run(other, offer)  # type: ignore[arg-type] # as above


@pytest.mark.parametrize(("more", "tail"), [((), ""), ((number(7),), "840107")])
def test_3des_is_one_command(more: tuple[bytes, ...], tail: str) -> None:
    card = AnyCard(13, "1")
    protocol = info(oid(BSI + "030201"), number(1), *more)
    run(card, announced(protocol, chip_key(spki(), *more)))  # type: ignore[arg-type] # a card
    (kat, data, le), (select, file, _) = card.asked
    assert (kat, le) == (bytes.fromhex("0C2241A6"), None)
    assert data[:3] == bytes.fromhex("914104")
    assert data[2 + 65 :].hex().upper() == tail
    assert (select, file) == (bytes.fromhex("0CA4020C"), b"\x01\x1d")


def test_the_first_chips_announce_a_key_and_no_protocol() -> None:
    offer = announced(PACE_AES_128, chip_key(spki(), number(3)))
    assert offer is not None
    assert (offer.info.name, offer.info.key_id) == ("CA-ECDH-3DES-CBC-CBC", 3)
    run(AnyCard(13, "1"), offer)  # type: ignore[arg-type] # a card
    modular = announced(dh_key(0))
    assert modular is not None
    assert modular.info.name == "CA-DH-3DES-CBC-CBC"


def test_a_key_beside_the_mapping_and_no_protocol_is_the_mappings() -> None:
    mapped = chip_key(spki(), number(13))
    assert announced(PACE_CAM_AES_128, mapped) is None
    offer = announced(PACE_CAM_AES_128, CA_AES_128, mapped)
    assert offer is not None
    assert offer.info.name == CA_NAME


def test_every_key_has_its_way_and_the_strongest_comes_first() -> None:
    infos = parse_dg14(
        dg14(
            info(oid(BSI + "030202"), number(1), number(1)),
            info(oid(BSI + "030204"), number(1), number(2)),
            info(oid(BSI + "030104"), number(1), number(3)),
            info(oid(BSI + "030201"), number(1), number(4)),
            chip_key(spki(), number(1)), chip_key(spki("ec:secp521r1"), number(2)),
            dh_key(2, number(3)), chip_key(spki(at=1), number(4)),
        )
    )  # fmt: skip
    assert [each.info.key_id for each in chip_auth.ways(infos)] == [2, 3, 1, 4]
    assert chip_auth.choose(infos) == chip_auth.ways(infos)[0]


def test_more_keys_than_any_chip_has_are_refused() -> None:
    keys = [chip_key(b"\x30\x04" + do(0x05, b"") * 2, number(at)) for at in range(5)]
    with pytest.raises(ChipMalformed, match="5 keys"):
        announced(CA_AES_128, *keys)
    assert announced(CA_AES_128, *keys[:4]) is None


def test_a_key_of_the_other_agreement_is_none() -> None:
    swapped = info(oid(BSI + "0101"), spki()), info(oid(BSI + "0102"), dh_spki(0))
    for each in swapped:
        for arc in ("01", "02"):
            assert announced(info(oid(BSI + f"03{arc}02"), number(1)), each) is None


def test_our_key_is_told_for_terminal_authentication() -> None:
    offer = announced(CA_AES_128, chip_key(spki()))
    assert offer is not None
    card = Card(private())
    old = SecureChannel(OLD, PlainChannel(max_commands=16))
    done = drive(chip_auth.authenticate(offer, old, randomness=stream("reader")), answering(card))
    sent = card.asked[1][1][5:69]
    assert done.own_key == sent[:32]
    assert done.channel.alive
    assert "own_key" not in repr(done)


# --- the mapping of PACE

APP_I = vector("9303_11_app_i_pace_cam")
CAM = CAMTranscript(13, bytes.fromhex("04" + APP_I["map_ic_pub"]), bytes.fromhex(APP_I["CA_IC"]))


def icaos_key(key_id: int | None = 13) -> ChipAuthenticationPublicKeyInfo:
    raw = bytes.fromhex(APP_I["PK_IC_ChipAuthenticationPublicKeyInfo"])
    (parsed,) = parse_dg14(do(0x6E, do(0x31, raw)))
    assert isinstance(parsed, ChipAuthenticationPublicKeyInfo)
    assert parsed.key_id == 13
    return ChipAuthenticationPublicKeyInfo(parsed.protocol, parsed.public_key, key_id)


def other_key() -> ChipAuthenticationPublicKeyInfo:
    (parsed,) = parse_dg14(dg14(chip_key(spki())))
    assert isinstance(parsed, ChipAuthenticationPublicKeyInfo)
    return parsed


@pytest.mark.parametrize("key_id", [13, None])
def test_icaos_worked_mapping_is_that_keys(key_id: int | None) -> None:
    mine = icaos_key(key_id)
    assert chip_auth.verify_cam(CAM, [other_key(), mine]) is mine


def changed(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]


@pytest.mark.parametrize(
    ("transcript", "keys"),
    [
        (CAM, []),
        (CAM, [other_key]),  # another chip's key
        (CAM, [lambda: icaos_key(14)]),  # signed under another identifier
        (CAMTranscript(12, CAM.mapping_key, CAM.chip_auth_data), [lambda: icaos_key(None)]),
        (CAMTranscript(99, CAM.mapping_key, CAM.chip_auth_data), [icaos_key]),
        (CAMTranscript(0, CAM.mapping_key, CAM.chip_auth_data), [icaos_key]),
        (CAMTranscript(13, CAM.mapping_key, b""), [icaos_key]),
        (CAMTranscript(13, CAM.mapping_key, bytes(32)), [icaos_key]),
        (CAMTranscript(13, CAM.mapping_key, changed(CAM.chip_auth_data, 31)), [icaos_key]),
        (CAMTranscript(13, CAM.mapping_key, CAM.chip_auth_data + b"\0"), [icaos_key]),
        (CAMTranscript(13, changed(CAM.mapping_key, 64), CAM.chip_auth_data), [icaos_key]),
        (CAMTranscript(13, b"", CAM.chip_auth_data), [icaos_key]),
        (CAMTranscript(13, CAM.mapping_key + b"\0", CAM.chip_auth_data), [icaos_key]),
        (
            CAMTranscript(
                13,
                CAM.mapping_key[:33]
                + (STANDARDISED[13].p - int.from_bytes(CAM.mapping_key[33:], "big")).to_bytes(
                    32, "big"
                ),
                CAM.chip_auth_data,
            ),
            [icaos_key],
        ),  # the same first coordinate
        (
            CAMTranscript(
                13,
                CAM.mapping_key,
                (int.from_bytes(CAM.chip_auth_data, "big") + STANDARDISED[13].order).to_bytes(
                    33, "big"
                ),
            ),
            [icaos_key],
        ),  # the same multiple, but no scalar that a chip gives
    ],
    ids=range(15),
)
def test_a_mapping_that_does_not_fit_proves_nothing(
    transcript: CAMTranscript, keys: list[Any]
) -> None:
    with pytest.raises(ChipLied) as caught:
        chip_auth.verify_cam(transcript, [each() for each in keys])
    assert caught.value.fault is Fault.CHIP_KEY_MISMATCH


def test_the_mapping_looks_at_no_more_keys_than_a_chip_has() -> None:
    with pytest.raises(ChipLied):
        chip_auth.verify_cam(CAM, [other_key()] * 8 + [icaos_key()])
