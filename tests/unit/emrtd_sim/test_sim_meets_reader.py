"""Every way in and every proof that a card may have, read by the library's reader."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sim_material import AT, HOLDER, JPEG, make_pki, stream

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.inspect import inspect
from emrtd.keys import CAN, PIN, MRZKey, Password
from emrtd.sim import CardImage, Chip, personalise
from emrtd.sim._curves import CURVES
from emrtd.sim._domains import DOMAINS
from emrtd.sim.personalise import PACEOffer
from emrtd.trust import TrustStore
from emrtd.verify import ChipOutcome, Findings, verify

PKI = make_pki()
TRUST = TrustStore([PKI.csca.certificate])
WITHOUT_KEYS = frozenset({"ca"})


def issued(**options: Any) -> CardImage:
    given = {"generation": "2024", "auth": WITHOUT_KEYS} | options
    return personalise(HOLDER, JPEG, pki=PKI, randomness=stream("card"), **given)


def read(card: CardImage, password: Password | None = None) -> tuple[Findings, str]:
    """Return what is found and the protocol of access."""
    chip = Chip(card, randomness=stream("chip"))

    def wire(command: Command) -> Response:
        return Response.from_bytes(chip.answer(command.to_bytes()))

    if password is None:
        zone = card.files["DG1"][5:].decode("ascii")
        passport = card.generation == "passport"
        password = MRZKey.from_mrz(zone) if passport else CAN(HOLDER.number[-6:])
    dialogue = inspect(
        password, wanted=frozenset({"DG1"}), randomness=stream("reader"), aa_nonce=bytes(range(8))
    )
    evidence = drive(dialogue, wire).evidence
    assert dict(evidence.files).items() <= dict(card.files).items()
    return verify(evidence, TRUST, at=AT), evidence.access.protocol


def genuine(card: CardImage, password: Password | None = None) -> str:
    made, protocol = read(card, password)
    assert (made.outcome, made.reasons) == (ChipOutcome.GENUINE, ())
    return protocol


GENERIC = [("gm", domain, "AES-128") for domain in DOMAINS]
INTEGRATED = [("im", domain, "AES-128") for domain in DOMAINS if domain != "P-224"]
MAPPED = [("cam", domain, "AES-128") for domain in CURVES]
CIPHERS = [
    (mapping, domain, cipher)
    for mapping in ("gm", "im")
    for domain in ("brainpoolP256r1", "modp2048-256")
    for cipher in ("3DES", "AES-192", "AES-256")
]
STRONGER = [("cam", "brainpoolP384r1", "AES-192"), ("cam", "brainpoolP512r1", "AES-256")]


@pytest.mark.parametrize("way", GENERIC + INTEGRATED + MAPPED + CIPHERS + STRONGER, ids=str)
def test_every_way_of_pace_opens(way: tuple[Any, str, str]) -> None:
    mapping, domain, cipher = way
    card = issued(
        pace=(PACEOffer(mapping, domain, cipher),),
        auth=frozenset({"cam"}) if mapping == "cam" else WITHOUT_KEYS,
    )
    protocol = genuine(card)
    assert mapping.upper() in protocol
    assert ("ECDH" in protocol) == (domain in CURVES)


@pytest.mark.parametrize("cipher", ["3DES", "AES-128", "AES-192", "AES-256"])
@pytest.mark.parametrize("curve", ["brainpoolP320r1", "P-224", "modp1024-160", "modp2048-224"])
def test_every_chip_authentication_holds(curve: str, cipher: str) -> None:
    way = PACEOffer("gm", "brainpoolP256r1", "AES-128")
    made, _ = read(issued(curve=curve, cipher=cipher, pace=(way,)))
    assert made.checks.ca.value == "passed"
    assert made.outcome is ChipOutcome.GENUINE


def test_a_key_may_have_a_number() -> None:
    assert genuine(issued(chip_auth_key_id=7))
    assert genuine(issued(chip_auth_key_id=7, cipher="3DES", pace="gm"))
    assert genuine(issued(chip_auth_key_id=7, pace="cam", auth=frozenset({"cam", "ca"})))


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize(
    "scheme", ["rsa-sha1-bc", "rsa-sha1", "rsa-sha224", "rsa-sha256", "rsa-sha384", "rsa-sha512"]
)
def test_every_rsa_signature_holds(scheme: str, bits: int) -> None:
    card = issued(auth=frozenset({"aa"}), active_auth_key=rsa_key(bits), active_auth_scheme=scheme)
    made, _ = read(card)
    assert made.checks.aa.value == "passed"


@pytest.mark.parametrize(
    ("curve", "scheme"),
    [
        (ec.SECP256R1(), "ecdsa-plain-sha256"),
        (ec.SECP224R1(), "ecdsa-plain-sha224"),
        (ec.BrainpoolP384R1(), "ecdsa-plain-sha384"),
        (ec.SECP521R1(), "ecdsa-plain-sha512"),
        (ec.BrainpoolP256R1(), "ecdsa-der-sha256"),
        (ec.SECP384R1(), "ecdsa-der-sha384"),
    ],
)
def test_every_ecdsa_signature_holds(curve: ec.EllipticCurve, scheme: str) -> None:
    key = ec.derive_private_key(20_260_601, curve)
    made, _ = read(issued(auth=frozenset({"aa"}), active_auth_key=key, active_auth_scheme=scheme))
    assert made.checks.aa.value == "passed"


def test_a_passport_opens_by_its_zone() -> None:
    assert genuine(issued(generation="passport")).startswith("PACE")
    old = issued(generation="passport", access=frozenset({"bac"}), cipher="3DES")
    assert genuine(old) == "BAC"


def test_a_pin_opens_too() -> None:
    assert genuine(issued(pin="135790"), PIN("135790")).startswith("PACE")


def test_the_best_of_several_ways_is_taken() -> None:
    weak, strong = PACEOffer("gm", "P-256", "3DES"), PACEOffer("gm", "P-384", "AES-256")
    assert "256" in genuine(issued(pace=(weak, strong)))


def test_a_domain_may_be_named_elsewhere() -> None:
    assert genuine(issued(curve="brainpoolP384r1", parameter_ids=False))


@pytest.mark.parametrize("extended_bytes", [0, 300, 4096, 65_535])
def test_any_longest_apdu_will_do(extended_bytes: int) -> None:
    assert genuine(issued(extended_bytes=extended_bytes))
