"""Two readings of one standard meet: the library's reader and this chip, honest and lying.

Every verdict stands in `FAULTS` and was written before its fault; here the reader has to find it.
"""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sim_material import AT, HOLDER, JPEG, stream

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.errors import EMRTDError, Fault
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.keys import CAN, MRZKey
from emrtd.sim import FAULTS, CardImage, Chip, TestPKI, personalise
from emrtd.trust import TrustStore
from emrtd.verify import ChipOutcome, Findings, verify

WANTED = frozenset({"DG1", "DG2", "DG13"})


class Wire:
    """Carries commands to a chip and counts them."""

    def __init__(self, card: CardImage, fault: str | None = None) -> None:
        self.chip = Chip(card, randomness=stream("chip"), fault=fault)
        self.count = 0

    def __call__(self, command: Command) -> Response:
        self.count += 1
        return Response.from_bytes(self.chip.answer(command.to_bytes()))

    def inspect(self, password: CAN | MRZKey | None = None) -> Inspection:
        dialogue = inspect(
            password or CAN(HOLDER.number[-6:]), wanted=WANTED, randomness=stream("reader"),
            aa_nonce=bytes(range(8)),
        )  # fmt: skip
        return drive(dialogue, self)


def findings(card: CardImage, pki: TestPKI, fault: str | None = None) -> Findings:
    evidence = Wire(card, fault).inspect().evidence
    return verify(evidence, TrustStore([pki.csca.certificate]), at=AT)


def found(card: CardImage, pki: TestPKI, fault: str) -> Fault | str:
    """Return the first reason, or the outcome of a chip that has none."""
    try:
        made = findings(card, pki, fault)
    except EMRTDError as error:
        return error.fault
    assert (made.outcome is ChipOutcome.GENUINE) == (not made.reasons)
    return made.reasons[0] if made.reasons else made.outcome.value


@pytest.mark.parametrize("name", FAULTS)
def test_the_reader_finds_what_each_fault_must_lead_to(
    card: CardImage, pki: TestPKI, name: str
) -> None:
    case = FAULTS[name]
    assert found(card, pki, f"{name}:20" if case.takes_number else name) == case.expected


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_yields_a_holder_unless_it_is_none(
    card: CardImage, pki: TestPKI, name: str
) -> None:
    case = FAULTS[name]
    try:
        made = findings(card, pki, f"{name}:20" if case.takes_number else name)
    except EMRTDError:
        return
    assert (made.holder is not None) == (case.expected == "genuine")


@pytest.mark.parametrize(
    "options",
    [
        {"generation": "2021"},
        {"generation": "2024"},
        {"generation": "2021", "auth": frozenset({"aa"})},
        {"generation": "2021", "auth": frozenset({"ca"})},
        {"generation": "2021", "aes_bits": 192},
        {"generation": "2021", "aes_bits": 256, "curve": "brainpoolP384r1"},
        {"generation": "2024", "curve": "P-256"},
        {"generation": "2024", "curve": "P-384"},
        {"generation": "2024", "curve": "P-521", "aes_bits": 256},
        {"generation": "2024", "curve": "brainpoolP512r1", "aes_bits": 256},
        {"generation": "2021", "explicit_parameters": True},
    ],
    ids=repr,
)
def test_an_honest_card_is_genuine(pki: TestPKI, options: dict) -> None:
    card = personalise(HOLDER, JPEG, pki=pki, randomness=stream("card"), **options)
    made = findings(card, pki)
    assert (made.outcome, made.reasons) == (ChipOutcome.GENUINE, ())
    assert made.holder is not None
    for name in ("aa", "ca"):
        asked = name in options.get("auth", {"aa", "ca"}) and (name == "ca" or "DG15" in card.files)
        assert getattr(made.checks, name).value == ("passed" if asked else "absent")


def test_rsa_active_authentication_is_genuine(pki: TestPKI) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), active_auth_key=key
    )
    assert findings(card, pki).outcome is ChipOutcome.GENUINE
    assert found(card, pki, "clone") == Fault.CHIP_KEY_MISMATCH


@pytest.mark.parametrize("auth", [frozenset({"aa"}), frozenset({"ca"})], ids=repr)
@pytest.mark.parametrize("fault", ["clone", "silent_clone"])
def test_each_proof_alone_finds_a_clone(pki: TestPKI, auth: frozenset, fault: str) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), auth=auth
    )
    made = findings(card, pki, fault)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, Fault.CHIP_KEY_MISMATCH)


def test_a_card_without_keys_may_be_a_copy(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), auth=frozenset()
    )
    made = findings(card, pki)
    assert (made.outcome, made.holder) == (ChipOutcome.MAY_BE_COPY, None)


def test_the_files_arrive_unchanged(card: CardImage) -> None:
    assert dict(Wire(card).inspect().evidence.files) == dict(card.files)


def test_the_printed_zone_opens_it_too(card: CardImage) -> None:
    zone = card.files["DG1"][5:].decode("ascii")
    evidence = Wire(card).inspect(MRZKey.from_mrz(zone)).evidence
    assert evidence.access.password == "MRZ"


@pytest.mark.parametrize("digits", ["012346", "000000"])
def test_a_wrong_can_is_a_wrong_password(card: CardImage, digits: str) -> None:
    with pytest.raises(EMRTDError) as caught:
        Wire(card).inspect(CAN(digits))
    assert caught.value.fault is Fault.WRONG_PASSWORD


def test_a_card_pulled_at_every_command_is_gone_and_reads_when_put_back(card: CardImage) -> None:
    honest = Wire(card)
    honest.inspect()
    for number in range(1, honest.count + 1):
        wire = Wire(card, f"torn:{number}")
        with pytest.raises(EMRTDError) as caught:
            wire.inspect()
        assert caught.value.fault is Fault.CHIP_GONE
        assert wire.count == number
    wire.chip.reset()
    assert wire.inspect().evidence.files == card.files


def test_presence_is_confirmed_under_the_live_channel_only(card: CardImage) -> None:
    wire = Wire(card)
    inspection = wire.inspect()
    drive(confirm_presence(inspection), wire)
    another = Wire(dataclasses.replace(card, can="123456"))
    another.inspect(CAN("123456"))
    with pytest.raises(EMRTDError):
        drive(confirm_presence(inspection), another)
