"""What a reader must not say of an honest chip, and must not ask it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sim_material import AT, HOLDER, JPEG, stream

from emrtd.apdu import Response
from emrtd.authenticity import Weakness
from emrtd.dialogue import drive
from emrtd.inspect import inspect
from emrtd.keys import CAN, MRZKey
from emrtd.sim import CardImage, Chip, TestPKI, personalise
from emrtd.trust import TrustStore
from emrtd.verify import Findings, verify

if TYPE_CHECKING:
    from emrtd.apdu import Command

SELECT_BY_NAME = (0xA4, 0x04)


def read(card: CardImage, pki: TestPKI, asked: list[Command] | None = None) -> Findings:
    chip = Chip(card, randomness=stream("chip"))

    def transmit(command: Command) -> Response:
        if asked is not None:
            asked.append(command)
        return Response.from_bytes(chip.answer(command.to_bytes()))

    passport = card.generation == "passport"
    zone = card.files["DG1"][5:].decode("ascii")
    password = MRZKey.from_mrz(zone) if passport else CAN(HOLDER.number[-6:])
    dialogue = inspect(
        password, wanted=frozenset({"DG1"}), randomness=stream("reader"), aa_nonce=bytes(8)
    )
    trust = TrustStore([pki.csca.certificate], [pki.crl])
    return verify(drive(dialogue, transmit).evidence, trust, at=AT)


def issued(pki: TestPKI, generation: str = "2021", **options: object) -> CardImage:
    return personalise(
        HOLDER, JPEG, generation=generation, pki=pki, randomness=stream("card"), **options
    )


def signing_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@pytest.mark.parametrize(
    ("bits", "scheme", "weaknesses"),
    [
        (0, None, set()),
        (2048, "rsa-sha256", set()),
        (2048, "rsa-sha1", {Weakness.ACTIVE_AUTH_SHA1}),
        (1024, "rsa-sha256", {Weakness.ACTIVE_AUTH_SHORT_KEY}),
    ],
)
def test_a_chip_is_as_weak_as_its_means_and_no_weaker(
    pki: TestPKI, bits: int, scheme: str | None, weaknesses: set[Weakness]
) -> None:
    key = signing_key(bits) if bits else None
    card = issued(pki, active_auth_key=key, active_auth_scheme=scheme)
    found = read(card, pki)
    assert (found.outcome, found.weaknesses) == ("genuine", weaknesses)


def test_the_application_is_selected_once(card: CardImage, pki: TestPKI) -> None:
    for each in (card, issued(pki, "passport", access=frozenset({"bac"}))):
        asked: list[Command] = []
        read(each, pki, asked)
        # Under protection the class byte differs, the name does not.
        named = [(command.ins, command.p1) for command in asked]
        assert named.count(SELECT_BY_NAME) == 1
