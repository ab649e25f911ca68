"""What a reader must not say of an honest chip, and must not ask it twice."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sim_material import AT, HOLDER, JPEG, stream

from emrtd.apdu import Response
from emrtd.authenticity import Weakness
from emrtd.dialogue import drive
from emrtd.errors import EMRTDError, Fault
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.keys import CAN, MRZKey
from emrtd.sim import CardImage, Chip, TestPKI, personalise
from emrtd.sim.personalise import signed_files
from emrtd.trust import TrustStore
from emrtd.verify import Findings, verify

if TYPE_CHECKING:
    from emrtd.apdu import Command

SELECT_BY_NAME = (0xA4, 0x04)


def read(
    card: CardImage,
    pki: TestPKI,
    asked: list[Command] | None = None,
    *,
    wanted: frozenset[str] = frozenset({"DG1"}),
    plan: ReadPlan = ReadPlan(),  # noqa: B008 - frozen
) -> Findings:
    chip = Chip(card, randomness=stream("chip"))

    def transmit(command: Command) -> Response:
        if asked is not None:
            asked.append(command)
        return Response.from_bytes(chip.answer(command.to_bytes()))

    passport = card.generation == "passport"
    zone = card.files["DG1"][5:].decode("ascii")
    password = MRZKey.from_mrz(zone) if passport else CAN(HOLDER.number[-6:])
    dialogue = inspect(
        password, wanted=wanted, randomness=stream("reader"), aa_nonce=bytes(8), plan=plan
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


def test_a_key_file_that_is_wanted_is_read_once(card: CardImage, pki: TestPKI) -> None:
    asked: list[Command] = []
    found = read(card, pki, asked, wanted=frozenset({"DG1", "DG14", "DG15"}))
    some: list[Command] = []
    assert read(card, pki, some).groups == found.groups
    assert len(asked) == len(some)


def test_all_files_together_are_bounded_though_each_is_short_enough(
    card: CardImage, pki: TestPKI
) -> None:
    long = {"DG3": 0x63, "DG7": 0x67, "DG11": 0x6B, "DG12": 0x6C, "DG16": 0x70}
    more = {
        name: bytes((tag, 0x83)) + (250_000).to_bytes(3, "big") + bytes(250_000)
        for name, tag in long.items()
    }
    files = {**card.files, **more}
    files["SOD"] = signed_files(files, pki.signer)
    full = dataclasses.replace(card, files=files)
    plan = ReadPlan(max_le=60_000)
    few = frozenset({"DG1", "DG7", "DG11", "DG12"})
    assert read(full, pki, wanted=few, plan=plan).groups is not None
    with pytest.raises(EMRTDError) as caught:
        read(full, pki, wanted=few | long.keys(), plan=plan)
    assert caught.value.fault is Fault.FILE_TOO_LARGE
