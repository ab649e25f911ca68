"""Two readings of one standard meet: the library's reader and this chip, honest and lying.

Every verdict stands in `FAULTS` and was written before its fault; here the reader has to find it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sim_material import AT, HOLDER, JPEG, make_pki, stream, terminal_of

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.errors import EMRTDError, Fault
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.keys import CAN, MRZKey
from emrtd.sim import FAULTS, CardImage, Chip, TestPKI, UnknownFaultError, personalise
from emrtd.sim._fault_case import CardKind
from emrtd.sim.personalise import PACEOffer, signed_files
from emrtd.trust import TrustStore
from emrtd.verify import ChipOutcome, Findings, verify

WANTED = frozenset({"COM", "DG1", "DG2", "DG3", "DG11", "DG13"})
TERMINAL = terminal_of(make_pki())


Answers = Callable[[str], Fault | str]

NO_LIES = {
    # What the operator's own trust store says of an issuer.
    Fault.ISSUER_EXPIRED, Fault.ISSUER_REVOKED,
    # What the reader left out.
    Fault.NOT_ASKED,
}  # fmt: skip
"""Reasons that no chip gives."""


class Wire:
    """Carries commands to a chip and counts them."""

    def __init__(self, card: CardImage, fault: str | None = None) -> None:
        self.card = card
        self.chip = Chip(card, randomness=stream("chip"), fault=fault)
        self.count = 0

    def __call__(self, command: Command) -> Response:
        self.count += 1
        return Response.from_bytes(self.chip.answer(command.to_bytes()))

    def inspect(self, password: CAN | MRZKey | None = None) -> Inspection:
        if password is None and self.card.generation == "passport":
            password = MRZKey.from_mrz(self.card.files["DG1"][5:].decode("ascii"))
        dialogue = inspect(
            password or CAN(HOLDER.number[-6:]), wanted=WANTED, randomness=stream("reader"),
            aa_nonce=bytes(range(8)), terminal=TERMINAL, on=AT.date(),
        )  # fmt: skip
        return drive(dialogue, self)


def trusted(pki: TestPKI) -> TrustStore:
    return TrustStore([pki.csca.certificate], [pki.crl])


def findings(card: CardImage, pki: TestPKI, fault: str | None = None) -> Findings:
    return verify(Wire(card, fault).inspect().evidence, trusted(pki), at=AT)


def found(card: CardImage, pki: TestPKI, fault: str) -> Fault | str:
    """Return the first reason, or the outcome of a chip that has none and is still there."""
    wire = Wire(card, fault)
    try:
        inspection = wire.inspect()
        made = verify(inspection.evidence, trusted(pki), at=AT)
        if not made.reasons:
            drive(confirm_presence(inspection), wire)
    except EMRTDError as error:
        return error.fault
    without_reason = {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}
    assert (made.outcome in without_reason) == (not made.reasons)
    return made.reasons[0] if made.reasons else made.outcome.value


@pytest.fixture(scope="session")
def cards(card: CardImage, pki: TestPKI) -> dict[str, CardImage]:
    """One card of each kind that a fault asks for."""

    def issued(generation: str, **options: Any) -> CardImage:
        return personalise(
            HOLDER, JPEG, generation=generation, pki=pki, randomness=stream("card"), **options
        )

    several = tuple(
        PACEOffer("gm", domain, cipher)
        for domain, cipher in (("brainpoolP256r1", "3DES"), ("brainpoolP384r1", "AES-256"))
    )
    return {
        "citizen": card,
        "passport": issued("passport"),
        "bac": issued("passport", access=frozenset({"bac"})),
        "cam": issued("2021", auth=frozenset({"cam"})),
        "either": issued(
            "2021",
            auth=frozenset({"cam"}),
            pace=tuple(PACEOffer(each, "brainpoolP256r1", "AES-128") for each in ("gm", "cam")),
        ),
        "ways": issued("2021", pace=several),
        "fingers": issued("2021", fingers={2: JPEG}),
        "im": issued("2021", pace="im", cipher="AES-256"),
        "integers": issued(
            "2021",
            curve="modp1024-160",
            active_auth_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ),
    }


def asked_for(name: str, card: CardImage) -> str:
    """Return a fault as it is asked for: with a number that comes in the midst of the session."""
    if name == "swapped":
        # Not before the inspection is over: then it is another lie.
        whole = Wire(card)
        whole.inspect()
        return f"swapped:{whole.count + 1}"
    return f"{name}:20" if FAULTS[name].takes_number else name


@pytest.fixture(scope="module")  # a changed reader must not meet what another one answered
def answers(cards: dict[str, CardImage], pki: TestPKI) -> Answers:
    """What the reader really said of each fault; asked once."""
    said: dict[str, Fault | str] = {}

    def ask(name: str) -> Fault | str:
        if name not in said:
            told = cards[FAULTS[name].card]
            said[name] = found(told, pki, asked_for(name, told))
        return said[name]

    return ask


@pytest.mark.parametrize("name", FAULTS)
def test_the_reader_finds_what_each_fault_must_lead_to(answers: Answers, name: str) -> None:
    assert answers(name) == FAULTS[name].expected


def test_the_reader_tells_as_many_things_apart_as_it_says(answers: Answers) -> None:
    """By what it answered, not by what the table hopes."""
    reasons = {answer for name in FAULTS if isinstance(answer := answers(name), Fault)}
    assert len(FAULTS) >= 40
    assert len(reasons) >= 25
    # Every reason that the library has for a chip is its answer to some lie.
    assert reasons == set(Fault) - NO_LIES


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].fact])
def test_the_reader_knows_the_fact_behind_it(
    cards: dict[str, CardImage], pki: TestPKI, name: str
) -> None:
    case = FAULTS[name]
    evidence = Wire(cards[case.card], name).inspect().evidence
    if case.fact == "downgraded":
        assert evidence.access.downgraded
    elif case.fact.startswith("DG"):
        assert case.fact in evidence.unreadable
    else:
        checks = verify(evidence, trusted(pki), at=AT).checks
        assert getattr(checks, case.fact).value == "failed"
        assert case.fact != "aa" or checks.ca.value == "passed"


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_yields_a_holder_unless_it_is_none(
    cards: dict[str, CardImage], pki: TestPKI, name: str
) -> None:
    case = FAULTS[name]
    told = cards[case.card]
    try:
        made = findings(told, pki, asked_for(name, told))
    except EMRTDError:
        return
    # A card that is exchanged afterwards was the holder's until then.
    afterwards = case.expected is Fault.CARD_SWAPPED
    assert (made.holder is not None) == (case.expected == "genuine" or afterwards)


@pytest.mark.parametrize("kind", get_args(CardKind))
def test_each_kind_of_card_is_genuine_without_a_fault(
    cards: dict[str, CardImage], pki: TestPKI, kind: str
) -> None:
    made = findings(cards[kind], pki)
    assert (made.outcome, made.reasons) == (ChipOutcome.GENUINE, ())
    assert made.checks.ta.value == ("passed" if kind == "fingers" else "absent")


@pytest.mark.parametrize("name", FAULTS)
def test_a_card_that_cannot_tell_a_lie_refuses_to(pki: TestPKI, name: str) -> None:
    bare = personalise(
        HOLDER, JPEG, generation="passport", pki=pki, randomness=stream("card"),
        access=frozenset({"bac"}), auth=frozenset(),
    )  # fmt: skip
    try:
        Chip(bare, randomness=stream("chip"), fault=asked_for(name, bare))
    except UnknownFaultError as error:
        assert "card" in str(error)  # noqa: PT017 - most cards can tell most lies


@pytest.mark.parametrize(
    "options",
    [
        {"generation": "2021"},
        {"generation": "2024"},
        {"generation": "2021", "auth": frozenset({"aa"})},
        {"generation": "2021", "auth": frozenset({"ca"})},
        {"generation": "2021", "cipher": "AES-192"},
        {"generation": "2021", "cipher": "AES-256", "curve": "brainpoolP384r1"},
        {"generation": "2024", "curve": "P-256"},
        {"generation": "2024", "curve": "P-384"},
        {"generation": "2024", "curve": "P-521", "cipher": "AES-256"},
        {"generation": "2024", "curve": "brainpoolP512r1", "cipher": "AES-256"},
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


def test_the_mapping_alone_proves_a_chip(cards: dict[str, CardImage], pki: TestPKI) -> None:
    """Its key is not asked for chip authentication, which nothing announces."""
    made = findings(cards["cam"], pki)
    assert (made.checks.ca.value, made.checks.cam.value) == ("absent", "passed")
    assert made.holder is not None
    assert made.holder.proof == "pace_cam"


def test_the_chip_of_any_trusted_state_proves_its_own_document_only(
    cards: dict[str, CardImage], pki: TestPKI
) -> None:
    abroad = make_pki("abroad")
    both = TrustStore([pki.csca.certificate, abroad.csca.certificate], [pki.crl, abroad.crl])
    own = personalise(
        HOLDER, JPEG, generation="2021", pki=abroad, randomness=stream("abroad"),
        auth=frozenset({"cam"}),
    )  # fmt: skip
    theirs = {"CardAccess": own.files["CardAccess"], "CardSecurity": own.files["CardSecurity"]}
    bare = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), auth=frozenset(),
        access=frozenset(),
    )  # fmt: skip
    for document, fault in (
        (cards["cam"], Fault.CHIP_KEY_MISMATCH),
        (bare, Fault.CARD_ACCESS_MISMATCH),
    ):
        forged = dataclasses.replace(own, files={**document.files, **theirs})
        made = verify(Wire(forged).inspect().evidence, both, at=AT)
        assert (made.outcome, made.reasons) == (ChipOutcome.NOT_GENUINE, (fault,))
        assert (made.checks.pa.value, made.checks.cam.value) == ("passed", "failed")


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


def with_number(card: CardImage, pki: TestPKI, number: str | None) -> CardImage:
    """Return the same card with another number in its record, signed."""
    old, new = HOLDER.number.encode(), b"" if number is None else number.encode()
    record = card.files["DG13"]
    at = record.index(old) - 2
    assert record[at + 1] == len(old)
    if number is None:
        new = b"x" * len(old)
    files = {**card.files, "DG13": record.replace(old, new.ljust(len(old)))}
    return dataclasses.replace(card, files={**files, "SOD": signed_files(files, pki.signer)})


@pytest.mark.parametrize(
    ("number", "reasons"),
    [
        (HOLDER.number, ()),
        (HOLDER.number[-9:], ()),  # as the zone's own document number is
        (None, ()),  # no number at all
        ("999195012344", (Fault.DATA_CONTRADICTORY,)),
        ("195012346", (Fault.DATA_CONTRADICTORY,)),
    ],
)
def test_two_numbers_contradict_each_other_unless_one_is_the_others_end(
    card: CardImage, pki: TestPKI, number: str | None, reasons: tuple[Fault, ...]
) -> None:
    made = findings(with_number(card, pki, number), pki)
    assert made.reasons == reasons
    assert (made.outcome is ChipOutcome.UNREADABLE) == bool(reasons)
    # It accuses nobody: every signature holds.
    assert made.checks.pa.value == "passed"


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
