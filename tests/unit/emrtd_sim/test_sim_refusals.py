"""What a chip, a card and an issuer refuse, one by one."""

from __future__ import annotations

import dataclasses
import json
import struct
from datetime import UTC, date, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sim_material import HOLDER, JPEG, make_pki, opened, script, stream, vector

from emrtd.errors import ChipMalformed
from emrtd.sim import CardImage, Chip, TestPKI, UnknownFaultError, personalise
from emrtd.sim._cms import Identity
from emrtd.sim._curves import CURVES
from emrtd.sim._cvc import CVCertificate, verifies
from emrtd.sim._domains import DOMAINS
from emrtd.sim._facial_record import dg2
from emrtd.sim._key_proofs import ChipKey
from emrtd.sim._pace_mapping import GenericMapping, IntegratedMapping
from emrtd.sim._protocols import PACEOffer
from emrtd.sim._status import StatusError
from emrtd.sim._terminal_auth import TrustPoints

EXAMPLE = vector("9303-11/pace_gm_ecdh_card_side.json")
IM_EXAMPLE = vector("9303-11/pace_im_ecdh_card_side.json")


def pkcs8(key) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("data", "status"),
    [("7C00", None), ("7C0281 00".replace(" ", ""), "6a80"), ("7D00", "6a80"), ("7C", "6a80"),
     ("7C007C00", "6a80"), ("", "6a80")],
)  # fmt: skip
def test_the_first_step_of_pace_takes_an_empty_template(
    example_card: CardImage, data: str, status: str | None
) -> None:
    chip = Chip(example_card, randomness=stream("chip"))
    chip.answer(bytes.fromhex(EXAMPLE["apdus"][0][0]))
    raw = bytes.fromhex(data)
    body = bytes((len(raw),)) + raw if raw else b""
    given = chip.answer(bytes.fromhex("10860000") + body + b"\0").hex()
    assert given == status if status else given.endswith("9000")


def test_a_later_step_takes_its_own_object_only(example_card: CardImage) -> None:
    chip = Chip(example_card, randomness=stream("chip"))
    for command, _ in EXAMPLE["apdus"][:2]:
        chip.answer(bytes.fromhex(command))
    assert chip.answer(bytes.fromhex("10860000047C02830000")).hex() == "6a80"


@pytest.mark.parametrize("nonce", ["", "00" * 15, "00" * 17])
def test_the_integrated_mapping_takes_a_nonce_as_long_as_a_key(card: CardImage, nonce: str) -> None:
    way = PACEOffer("im", "brainpoolP256r1", "AES-128")
    chip = Chip(
        dataclasses.replace(card, can="123456", pace=(way,)),
        randomness=script(*IM_EXAMPLE["draws"]),
    )
    for command, _ in IM_EXAMPLE["apdus"][:2]:
        chip.answer(bytes.fromhex(command))
    inner = bytes((0x81, len(nonce) // 2)) + bytes.fromhex(nonce)
    data = bytes((0x7C, len(inner))) + inner
    assert (
        chip.answer(bytes.fromhex("10860000") + bytes((len(data),)) + data + b"\0").hex() == "6a80"
    )


def test_a_mapping_to_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    domain, cipher = DOMAINS["modp1024-160"], PACEOffer("im", "P-256", "AES-128").block_cipher
    monkeypatch.setattr("emrtd.sim._pace_mapping.pseudo_random", lambda *_, **__: 0)
    with pytest.raises(StatusError, match="6A80"):
        IntegratedMapping(domain, cipher).map(bytes(16), bytes(16))
    # The reader's element is the inverse of what the nonce gives.
    group = DOMAINS["modp1024-160"]
    inverse = group.power(group.generator, group.order - 5)
    mapping = GenericMapping(group, script("00" * 19 + "01"))
    with pytest.raises(StatusError, match="6A80"):
        mapping.map((5).to_bytes(16, "big"), group.encode(inverse))


def test_chip_authentication_is_one_command(example_card: CardImage) -> None:
    terminal = opened(example_card)
    choose = (0x22, 0x41, 0xA4, bytes.fromhex("800A04007F00070202030202"))
    for cla, data, status in ((0x1C, b"\x7c\x00", 0x6884), (0x0C, b"\x7c\x00", 0x6A80)):
        assert terminal.ask(*choose) == (b"", 0x9000)
        asked = terminal.protect(0x86, 0, 0, data, 256, cla=cla)
        assert terminal.open(terminal.chip.answer(asked)) == (b"", status)
    assert terminal.ask(*choose) == (b"", 0x9000)
    assert terminal.ask(0x86, 1, 0, b"\x7c\x00", 256) == (b"", 0x6A86)
    for data in ("9100", "8400"):
        assert terminal.ask(0x22, 0x41, 0xA6, bytes.fromhex(data)) == (b"", 0x6A80)
    assert terminal.ask(0x22, 0x00, 0xA6) == (b"", 0x6A86)


def test_the_one_command_of_triple_des_agrees_too(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), cipher="3DES",
        pace=(PACEOffer("gm", "brainpoolP256r1", "AES-128"),), curve="P-256", chip_auth_key_id=3,
    )  # fmt: skip
    terminal = opened(dataclasses.replace(card, mrz_information=EXAMPLE["mrz_info"]))
    point = ChipKey("P-256", 7).public
    for objects, status in (
        (b"\x91\x41" + point, 0x6A88),
        (b"\x91\x41" + point + b"\x84\x01\x04", 0x6A88),
        (b"\x91\x02\x04\x04\x84\x01\x03", 0x6A80),
        (b"\x91\x41" + point + b"\x84\x01\x03", 0x9000),
    ):
        assert terminal.ask(0x22, 0x41, 0xA6, objects) == (b"", status)
    # From here on the old keys mean nothing.
    asked = terminal.protect(0xA4, 4, 0x0C, bytes.fromhex("A0000002471001"))
    assert terminal.chip.answer(asked).hex() in {"6987", "6988"}


def test_a_card_without_a_key_has_no_chip_authentication(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), auth=frozenset({"aa"})
    )
    terminal = opened(dataclasses.replace(card, mrz_information=EXAMPLE["mrz_info"]))
    chosen = bytes.fromhex("800A04007F00070202030202")
    assert terminal.ask(0x22, 0x41, 0xA4, chosen) == (b"", 0x6A80)


def test_far_reads_need_a_length(example_card: CardImage) -> None:
    terminal = opened(example_card)
    terminal.ask(0xA4, 4, 0x0C, bytes.fromhex("A0000002471001"))
    assert terminal.ask(0xB1, 0x01, 0x01, bytes.fromhex("540100")) == (b"", 0x6700)


def test_the_terminals_challenge_has_eight_bytes(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), fingers={1: JPEG}
    )
    chip = Chip(card, randomness=stream("chip"))
    chip._proofs._terminal_key = b"x"
    chip._channel = chip._next_channel = object()  # type: ignore[assignment]  # open enough
    from emrtd.apdu import Command

    assert chip._carry_out(Command(0, 0x84, 0, 0, le=16)) == (b"", 0x6700)


def test_a_number_has_its_mapping_or_not() -> None:
    with pytest.raises(ValueError, match="no integrated mapping"):
        CURVES["P-224"].element_of(5)
    assert repr(ChipKey("P-256", 5)) == "<ChipKey P-256>"
    point = ChipKey("P-256", 5).public
    assert not verifies(b"123", b"", point=point, curve=CURVES["P-256"], scheme=3)
    assert not verifies(b"", b"", point=point, curve=CURVES["P-256"], scheme=3)


@pytest.mark.parametrize(
    "changes",
    [{"name": "123"}, {"issued": date(1990, 1, 1)}, {"expiry": date(2020, 1, 1)}],
    ids=repr,
)
def test_a_holder_that_cannot_be_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match=r"letters|order"):
        dataclasses.replace(HOLDER, **changes)


def test_keys_of_other_kinds_are_refused(card: CardImage, pki: TestPKI) -> None:
    tree = json.loads(card.to_json())
    other = pkcs8(x25519.X25519PrivateKey.generate()).hex()
    for raw in (other, "00"):
        with pytest.raises(ChipMalformed):
            CardImage.from_json(json.dumps(tree | {"active_auth_key": raw}))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(ChipMalformed, match="another kind"):
        Identity(b"", pkcs8(key)).private_key()
    for point in (pki.verifier.certificate, pki.terminal.certificate):
        with pytest.raises(ChipMalformed, match="trust point"):
            TrustPoints([point], date(2021, 1, 1))


@pytest.mark.parametrize(
    ("role", "part", "value"),
    [
        ("csca", "certificate", "00"), ("csca", "key", "00"), ("cvca", "certificate", "00"),
        ("cvca", "key", pkcs8(ec.derive_private_key(7, ec.BrainpoolP256R1())).hex()),
        ("terminal", "key", "zz"),
    ],
)  # fmt: skip
def test_an_issuer_with_a_wrong_part_is_refused(role: str, part: str, value: str) -> None:
    tree = json.loads(make_pki().to_json())
    tree[role] = tree[role] | {part: value}
    with pytest.raises(ChipMalformed):
        TestPKI.from_json(json.dumps(tree))


@pytest.mark.parametrize(
    "change",
    [{"version": 1}, {"csca": []}, {"csca": {}}, {"crl": "00"}, {"crl": 5}, {"more": 1}],
    ids=repr,
)
def test_an_issuer_of_another_form_is_refused(change: dict) -> None:
    tree = json.loads(make_pki().to_json()) | change
    with pytest.raises(ChipMalformed):
        TestPKI.from_json(json.dumps(tree))


def test_a_certificate_names_a_date_and_one_authorisation() -> None:
    raw = make_pki().terminal.certificate
    for old, new in (("5F2406030500010001", "5F24060305000A0001"), ("530103", "540103")):
        changed = raw.replace(bytes.fromhex(old), bytes.fromhex(new))
        with pytest.raises(ChipMalformed):
            CVCertificate.from_bytes(changed)


def test_a_portrait_has_a_size() -> None:
    for width, height in ((0, 400), (300, 0)):
        image = JPEG.replace(bytes.fromhex("0190012C"), struct.pack(">HH", height, width))
        with pytest.raises(ValueError, match="size"):
            dg2(image)


def test_the_integrated_mapping_may_be_asked_for_by_name(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), pace="im"
    )
    assert [each.mapping for each in card.pace] == ["im"]


def test_a_card_that_promises_its_proof_in_pace_cannot_be_bare(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), pace="cam"
    )
    with pytest.raises(UnknownFaultError, match="promises"):
        Chip(card, randomness=stream("chip"), fault="no_proofs")


@pytest.mark.parametrize("fault", ["bac_other_zone", "bac_out_of_order", "bac_short_challenge"])
def test_a_card_without_basic_access_control_has_none_of_its_faults(
    card: CardImage, fault: str
) -> None:
    with pytest.raises(UnknownFaultError, match="basic access control"):
        Chip(card, randomness=stream("chip"), fault=fault)


def test_the_certificates_last_as_long_as_was_said() -> None:
    pki = TestPKI.create(
        stream("x"), valid_from=datetime(2021, 1, 1, tzinfo=UTC),
        valid_until=datetime(2041, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert TestPKI.from_json(pki.to_json()) == pki
