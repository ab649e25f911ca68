"""The inspection procedure against chips: honest, lying, careless and arbitrary."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from issued_documents import PACE_AES_128, PACE_AES_256, dg15, info, number, oid
from openssl_issuer import key, needs_openssl, public_key
from reader_material import do, stream

from emrtd.access import AccessPolicy
from emrtd.apdu import Command, Response
from emrtd.cvc import parse_cvc
from emrtd.dialogue import drive
from emrtd.errors import (
    AccessUnsupported,
    ChannelBroken,
    ChipGone,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    EMRTDError,
    Fault,
)
from emrtd.evidence import MAX_FILE_BYTES, Evidence, TerminalAuthFacts
from emrtd.files import ReadPlan
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.keys import CAN
from emrtd.lds import dg2, dg3
from emrtd.read_plan import asks_for_much
from emrtd.sim import (
    FAULTS,
    CardImage,
    Chip,
    Holder,
    TestPKI,
    UnknownFaultError,
    personalise,
    tamper,
)
from emrtd.sim.personalise import signed_files
from emrtd.terminal_auth import SoftwareSigner, Terminal, announced
from emrtd.tlv import parse
from emrtd.trust import TrustStore
from emrtd.verify import ChipOutcome, Findings, verify

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
NONCE = bytes(range(8))
JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
HOLDER = Holder(
    number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
    issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
)  # fmt: skip
KEY = CAN("012345")
WANTED = frozenset({"DG1", "DG2", "DG13"})
PLAN = ReadPlan()


@cache
def pki(seed: str = "pki") -> TestPKI:
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    return TestPKI.create(stream(seed), valid_from=since, valid_until=until)


@cache
def card(generation: str = "2021", *, portrait: int = 0, **options: Any) -> CardImage:
    image = JPEG[:-2] + bytes(portrait) + JPEG[-2:]
    return personalise(
        HOLDER, image, generation=generation, pki=pki(), randomness=stream("card"), **options
    )


def changed(base: CardImage, **files: bytes | None) -> CardImage:
    """Return a card with other files; None takes one away."""
    kept = {**base.files, **files}
    return dataclasses.replace(base, files={k: v for k, v in kept.items() if v is not None})


class Wire:
    """Carries commands to a chip and keeps them."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.seen: list[Command] = []

    def __call__(self, command: Command) -> Response:
        self.seen.append(command)
        return Response.from_bytes(self.answer(command))

    def answer(self, command: Command) -> bytes:
        return self.chip.answer(command.to_bytes())


def wire(image: CardImage, fault: str | None = None) -> Wire:
    return Wire(Chip(image, randomness=stream("chip"), fault=fault))


def run(
    chip: Wire, *, wanted: frozenset[str] = WANTED, plan: ReadPlan = PLAN, **more: Any
) -> Inspection:
    dialogue = inspect(
        KEY, wanted=wanted, randomness=stream("reader"), aa_nonce=NONCE, plan=plan, **more
    )
    return drive(dialogue, chip)


@cache
def fingers_card(**options: Any) -> CardImage:
    return personalise(
        HOLDER, JPEG, generation="2021", pki=pki(), randomness=stream("card"),
        fingers={2: JPEG, 7: JPEG}, **options,
    )  # fmt: skip


def terminal(issuer: TestPKI | None = None, *, key: bytes = b"") -> Terminal:
    """Return the inspection system of an issuer, perhaps with somebody else's key."""
    made = issuer or pki()
    point, *chain = (
        parse_cvc(each.certificate) for each in (made.cvca, made.verifier, made.terminal)
    )
    signer = SoftwareSigner(key or made.terminal.key, signs=chain[-1].key)
    return Terminal((point,), tuple(chain), signer)


def commands(chip: Wire, phase: str) -> list[Command]:
    return [each for each in chip.seen if each.step.phase == phase]


def judged(evidence: Evidence) -> Findings:
    return verify(evidence, TrustStore([pki().csca.certificate]), at=AT)


def found(chip: Wire) -> str:
    """Return the first fault, or the outcome of a chip that has none."""
    try:
        made = judged(run(chip).evidence)
    except EMRTDError as error:
        return error.fault
    assert (made.holder is not None) == (made.outcome is ChipOutcome.GENUINE)
    return made.reasons[0] if made.reasons else made.outcome


# --- an honest chip


def test_the_order_of_an_inspection() -> None:
    chip = wire(card())
    inspection = run(chip)
    phases = list(dict.fromkeys(each.step.phase for each in chip.seen))
    assert phases == ["access", "sod", "dg14", "dg15", "chip_auth", "active_auth", "dg1", "dg13",
                      "dg2"]  # fmt: skip
    assert [each.to_bytes().hex().upper() for each in chip.seen[:2]] == [
        "00A4020C02011C", "00B00000DF",
    ]  # fmt: skip
    # Two for EF.CardAccess and five for PACE; the master file is current after a reset.
    protected = [bool(each.cla & 0x0C) for each in chip.seen]
    assert protected == [False] * 7 + [True] * len(protected[7:])
    assert inspection.evidence.access.protocol == "PACE-ECDH-GM-AES-CBC-CMAC-128"
    assert (inspection.evidence.access.password, inspection.evidence.access.downgraded) == (
        "CAN", False,
    )  # fmt: skip
    assert inspection.evidence.active_auth is not None
    assert inspection.evidence.active_auth.nonce == NONCE
    assert inspection.channel.alive
    assert Evidence.from_cbor(inspection.evidence.to_cbor()) == inspection.evidence


@pytest.mark.parametrize("generation", ["2021", "2024"])
def test_only_what_is_wanted_and_signed_is_read(generation: str) -> None:
    chip = wire(card(generation))
    evidence = run(chip, wanted=frozenset({"DG1", "DG3", "DG16"})).evidence
    keys = {"DG14", "DG15"} if generation == "2021" else {"DG14"}
    assert evidence.files.keys() == {"CardAccess", "SOD", "DG1", *keys}
    assert not evidence.unreadable
    assert judged(evidence).outcome is ChipOutcome.GENUINE


def test_what_nobody_signs_is_read_for_who_wants_it_after_all_that_is_open() -> None:
    chip = wire(fingers_card())
    more = {"terminal": terminal(), "on": AT.date()}
    evidence = run(chip, wanted=frozenset({"COM", "DG1", "DG2", "DG3"}), **more).evidence
    phases = list(dict.fromkeys(each.step.phase for each in chip.seen))
    assert phases[-4:] == ["dg2", "com", "terminal_auth", "dg3"]
    assert evidence.files["COM"] == fingers_card().files["COM"]
    assert judged(evidence).outcome is ChipOutcome.GENUINE
    # Nor is it asked of a chip whose files are not as signed.
    liar = wire(tamper(card()))
    assert "COM" not in run(liar, wanted=WANTED | {"COM"}).evidence.files
    assert not commands(liar, "com")


@pytest.mark.parametrize("max_le", [16, 223, 257, 4096, 65_280])
def test_a_long_portrait_is_read_in_any_length(max_le: int) -> None:
    image = card("2021", portrait=40_000)
    chip = wire(image)
    evidence = run(chip, plan=ReadPlan(max_le=max_le)).evidence
    assert evidence.files["DG2"] == image.files["DG2"]
    assert dg2.parse(evidence.files["DG2"]).faces[0].data == JPEG[:-2] + bytes(40_000) + JPEG[-2:]
    totals = {each.step.total for each in chip.seen if each.step.phase == "dg2"}
    assert totals <= {0, len(image.files["DG2"])}


# --- what the 2024 card's faults must lead to; the 2021 card's are walked beside the simulator


def told_by(told: CardImage) -> list[str]:
    """Return the faults of that card which show in one inspection without revocation lists."""
    names = []
    for name, case in FAULTS.items():
        try:
            Chip(told, randomness=stream("x"), fault=f"{name}:20" if case.takes_number else name)
        except UnknownFaultError:
            continue
        if case.card == "citizen" and name not in {"swapped", "gone_file", "revoked_signer"}:
            names.append(name)
    return names


@pytest.mark.parametrize("name", told_by(card("2024")))
def test_a_2024_card_that_lies_is_found_out(name: str) -> None:
    case = FAULTS[name]
    assert found(wire(card("2024"), f"{name}:20" if case.takes_number else name)) == case.expected


# --- what a chip refuses


def test_a_refused_file_is_a_fact_and_the_rest_is_read() -> None:
    evidence = run(wire(changed(card(), DG13=None, COM=None)), wanted=WANTED | {"COM"}).evidence
    assert evidence.unreadable == {"DG13": 0x6A82, "COM": 0x6A82}
    assert {"DG1", "DG2"} <= evidence.files.keys()
    made = judged(evidence)
    assert made.reasons == (Fault.ADVERTISED_FILE_MISSING,)
    without = run(wire(changed(card(), COM=None)), wanted=WANTED | {"COM"}).evidence
    assert judged(without).outcome is ChipOutcome.GENUINE


def test_without_its_security_object_a_chip_has_nothing_to_say() -> None:
    with pytest.raises(ChipRefused, match="SELECT SOD") as caught:
        run(wire(changed(card(), SOD=None)))
    assert (caught.value.fault, caught.value.sw) == (Fault.SECURITY_OBJECT_MISSING, 0x6A82)


class Refusing(Wire):
    """Answers one instruction before access with a status of its own."""

    def __init__(self, chip: Chip, **statuses: str) -> None:
        super().__init__(chip)
        self.statuses = {int(ins[1:], 16): bytes.fromhex(sw) for ins, sw in statuses.items()}

    def answer(self, command: Command) -> bytes:
        if command.cla == 0 and command.ins in self.statuses:
            return self.statuses[command.ins]
        return super().answer(command)


@pytest.mark.parametrize("status", ["6D00", "6A82", "6985", "6E00"])
def test_a_chip_that_gives_no_card_access_cannot_be_opened(status: str) -> None:
    chip = Refusing(Chip(card(), randomness=stream("chip")), xB0=status)
    with pytest.raises(AccessUnsupported, match=status):
        run(chip)
    # Selected and read, the master file, and once more.
    assert len(chip.seen) == 5


SELECT_MF = bytes.fromhex("00A4000C023F00")


class Elsewhere(Wire):
    """A chip that begins in its application, or is left there; it may not know its master file.

    There another file has the number of EF.CardAccess, or none.
    """

    def __init__(self, other: bytes = b"", *, status: str = "") -> None:
        super().__init__(Chip(card(), randomness=stream("chip")))
        self.chip._files.in_application = True
        self.other, self.status = other, bytes.fromhex(status)

    def answer(self, command: Command) -> bytes:
        if self.status and command.to_bytes() == SELECT_MF:
            return self.status
        if self.other and self.chip._files.in_application and not command.cla:
            if command.data == b"\x01\x1c":
                return b"\x90\x00"
            if command.ins == 0xB0:
                return self.other + b"\x62\x82"
        return super().answer(command)


EF_CVCA = do(0x42, b"VNCVCA00001") + bytes(23)


@pytest.mark.parametrize("other", [b"", EF_CVCA, bytes(36)])
def test_a_chip_that_begins_elsewhere_is_told_where_to_go(other: bytes) -> None:
    chip = Elsewhere(other)
    evidence = run(chip).evidence
    assert chip.seen[2 if other else 1].to_bytes() == SELECT_MF
    assert evidence.files["CardAccess"] == card().files["CardAccess"]
    assert not evidence.unreadable
    assert judged(evidence).outcome is ChipOutcome.GENUINE


@pytest.mark.parametrize("status", ["6D00", "6A82", "6A86", "6283"])
def test_where_the_master_file_is_refused_nothing_is_asked_again(status: str) -> None:
    chip = Elsewhere(status=status)
    with pytest.raises(AccessUnsupported, match="6982"):
        run(chip)
    assert len(chip.seen) == 2
    # What is not the file is none, whatever comes after.
    chip = Elsewhere(EF_CVCA, status=status)
    with pytest.raises(ChipMalformed, match="another file's tag"):
        run(chip)
    assert chip.seen[-1].to_bytes() == SELECT_MF


@pytest.mark.parametrize("status", ["6D00", "6A82", "6A86", "6283"])
def test_a_chip_need_not_know_its_master_file(status: str) -> None:
    chip = Elsewhere(status=status)
    chip.chip.reset()
    evidence = run(chip).evidence
    assert SELECT_MF not in [each.to_bytes() for each in chip.seen]
    assert judged(evidence).outcome is ChipOutcome.GENUINE


def test_a_file_that_claims_too_much_is_not_looked_for_elsewhere() -> None:
    claim = b"\x31\x84\xff\xff\xff\xff" + bytes(16)
    chip = wire(changed(card(), CardAccess=claim))
    with pytest.raises(ChipMalformed) as caught:
        run(chip)
    assert caught.value.fault is Fault.FILE_TOO_LARGE
    assert len(chip.seen) == 2


# --- a chip that asks for no access

OPEN = AccessPolicy(order=("pace", "bac", "none"))
NO_ACCESS = {"access": frozenset[str]()}


@pytest.mark.parametrize("auth", [set(), {"aa"}, {"ca"}, {"aa", "ca"}])
@pytest.mark.parametrize("max_le", [223, 4096])
def test_a_chip_that_asks_for_no_access_proves_its_keys_all_the_same(
    auth: set[str], max_le: int
) -> None:
    image = card(**NO_ACCESS, auth=frozenset(auth), portrait=3000)
    chip = wire(image)
    inspection = run(chip, policy=OPEN, plan=ReadPlan(max_le=max_le))
    evidence = inspection.evidence
    assert (evidence.access.protocol, evidence.access.password) == ("NONE", None)
    assert not evidence.access.downgraded
    made = judged(evidence)
    assert (made.outcome is ChipOutcome.GENUINE) == bool(auth)
    assert (made.outcome is ChipOutcome.MAY_BE_COPY) != bool(auth)
    assert made.checks.aa.value == ("passed" if "aa" in auth else "absent")
    # From chip authentication on everything is protected.
    protected = [each.step.phase for each in chip.seen if each.cla & 0x0C]
    assert ("dg2" in protected) == ("ca" in auth)
    assert {"sod", "dg14"}.isdisjoint(protected)
    drive(confirm_presence(inspection), chip)
    assert Evidence.from_cbor(evidence.to_cbor()) == evidence


def test_it_is_not_read_unless_the_policy_says_so() -> None:
    with pytest.raises(AccessUnsupported, match="6A82"):
        run(wire(card(**NO_ACCESS)))
    assert not run(wire(card()), policy=OPEN).evidence.access.failed


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("clone", Fault.CHIP_KEY_MISMATCH), ("dg1_byte", Fault.DATA_HASH_MISMATCH),
     ("silent_clone", Fault.CHIP_KEY_MISMATCH)],
)  # fmt: skip
def test_it_is_found_out_when_it_lies(fault: str, reason: Fault) -> None:
    made = judged(run(wire(card(**NO_ACCESS), fault), policy=OPEN).evidence)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, reason)


def test_to_a_chip_that_has_no_name_no_terminal_is_shown() -> None:
    chip = wire(fingers_card(**NO_ACCESS))
    more = {"terminal": terminal(), "on": AT.date(), "policy": OPEN}
    evidence = run(chip, wanted=frozenset({"DG1", "DG3"}), **more).evidence
    assert evidence.terminal_auth is None
    assert evidence.unreadable["DG3"] == 0x6982
    assert judged(evidence).outcome is ChipOutcome.GENUINE
    assert not commands(chip, "terminal_auth")


# --- what a chip offers


# P-224 has no integrated mapping, and 19 is no group of anybody's.
INTEGRATED_256 = info(oid("04007F00070202040404"), number(2), number(10))
TRIPLE_DES = info(oid("04007F00070202040201"), number(2), number(19))
UNKNOWN_256 = info(oid("04007F00070202040204"), number(2), number(19))


def test_offers_that_cannot_be_taken_up_are_named() -> None:
    image = changed(card(), CardAccess=do(0x31, TRIPLE_DES + INTEGRATED_256))
    with pytest.raises(AccessUnsupported, match="PACE-ECDH-GM-3DES-CBC-CBC, PACE-ECDH-IM-AES"):
        run(wire(image))
    with pytest.raises(AccessUnsupported):
        run(wire(changed(card(), CardAccess=do(0x31, b""))))


def test_the_strongest_way_is_taken_whatever_the_order() -> None:
    image = dataclasses.replace(
        card(cipher="AES-256"), files={**card(cipher="AES-256").files,
                                   "CardAccess": do(0x31, PACE_AES_128 + PACE_AES_256)},
    )  # fmt: skip
    access = run(wire(image)).evidence.access
    assert (access.protocol, access.downgraded) == ("PACE-ECDH-GM-AES-CBC-CMAC-256", False)


def test_a_weaker_way_than_offered_is_recorded() -> None:
    image = changed(card(), CardAccess=do(0x31, UNKNOWN_256 + PACE_AES_128))
    evidence = run(wire(image)).evidence
    assert (evidence.access.protocol, evidence.access.downgraded) == (
        "PACE-ECDH-GM-AES-CBC-CMAC-128", True,
    )  # fmt: skip
    # Nobody signed that offer: DG14 repeats one of them only.
    made = judged(evidence)
    assert (made.outcome, made.reasons) == (
        ChipOutcome.NOT_GENUINE, (Fault.CARD_ACCESS_MISMATCH,),
    )  # fmt: skip


# --- proofs


@pytest.mark.parametrize("name", ["DG14", "DG15"])
def test_a_key_file_that_is_not_as_signed_ends_it_before_any_key_is_used(name: str) -> None:
    chip = wire(tamper(card(), name, -1))
    inspection = run(chip)
    assert (inspection.evidence.chip_auth, inspection.evidence.active_auth) == (None, None)
    assert not {"DG1", "DG2", "DG13"} & inspection.evidence.files.keys()
    assert "chip_auth" not in {each.step.phase for each in chip.seen}
    made = judged(inspection.evidence)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, Fault.DATA_HASH_MISMATCH)


def test_a_clone_is_read_no_further_and_its_channel_is_closed() -> None:
    inspection = run(wire(card(), "clone"))
    assert inspection.evidence.chip_auth is not None
    assert inspection.evidence.chip_auth.outcome == "failed"
    assert inspection.evidence.active_auth is None
    assert "DG1" not in inspection.evidence.files
    assert not inspection.channel.alive


def test_a_chip_that_announces_a_way_nobody_can_go_is_read_and_not_genuine() -> None:
    """Its key is signed, and no protocol for it is one of ours: unproved is not proved."""
    base = card(auth=frozenset({"ca"}))
    image = issued_with(base, DG14=base.files["DG14"].replace(
        bytes.fromhex("04007F00070202030202"), bytes.fromhex("04007F00070202030209")))  # fmt: skip
    evidence = run(wire(image)).evidence
    assert evidence.chip_auth is None
    assert "DG1" in evidence.files
    made = judged(evidence)
    assert (made.outcome, made.holder) == (ChipOutcome.UNREADABLE, None)
    assert made.reasons == (Fault.PROOF_UNSUPPORTED,)


@needs_openssl
def test_a_signed_key_that_is_none_of_ours_ends_the_inspection() -> None:
    p192 = dg15(public_key(key("ec:prime192v1")))
    with pytest.raises(ChipMalformed, match="SubjectPublicKeyInfo"):
        run(wire(issued_with(card(), DG15=p192)))


def issued_with(base: CardImage, **files_: bytes) -> CardImage:
    """Return a card that was issued with these files."""
    files = {**base.files, **files_}
    return dataclasses.replace(base, files={**files, "SOD": signed_files(files, pki().signer)})


@pytest.mark.parametrize("name", ["DG14", "DG15", "DG1", "DG13", "DG2"])
def test_the_first_file_that_is_not_as_signed_is_the_last_that_is_read(name: str) -> None:
    order = ["DG14", "DG15", "DG1", "DG13", "DG2", "DG3"]
    image = tamper(fingers_card(), name)
    chip = wire(image)
    evidence = run(chip, wanted=WANTED | {"DG3"}, terminal=terminal(), on=AT.date()).evidence
    groups = [each for each in evidence.files if each.startswith("DG")]
    assert groups == order[: order.index(name) + 1]
    assert evidence.files[name] == image.files[name]
    assert (evidence.terminal_auth, dict(evidence.unreadable)) == (None, {})
    assert not commands(chip, "terminal_auth")
    made = judged(evidence)
    assert (made.outcome, made.reasons) == (
        ChipOutcome.NOT_GENUINE, (Fault.DATA_HASH_MISMATCH,),
    )  # fmt: skip


@pytest.mark.parametrize(("chip_auth", "asked"), [(True, 2), (False, 3)])
def test_a_chip_that_refuses_its_strongest_way_is_not_asked_for_a_weaker_one(
    chip_auth: bool, asked: int
) -> None:
    """It holds that key and would prove it by the weaker cipher; but who refuses may not choose."""
    base = card()
    stronger = info(oid("04007F00070202030204"), number(1))
    (dg14,) = parse(base.files["DG14"])
    infos = parse(dg14.value)[0].value
    files = {"DG14": do(0x6E, do(0x31, infos + stronger))} if chip_auth else {}
    chip = wire(issued_with(base, **files))
    evidence = run(chip).evidence
    assert evidence.chip_auth is not None
    assert len(commands(chip, "chip_auth")) == asked - chip_auth
    made = judged(evidence)
    if chip_auth:
        assert evidence.chip_auth.protocol == "CA-ECDH-AES-CBC-CMAC-256"
        assert evidence.chip_auth.outcome == "failed"
        assert (made.outcome, made.reasons[0]) == (
            ChipOutcome.NOT_GENUINE, Fault.CHIP_KEY_MISMATCH,
        )  # fmt: skip
    else:
        assert made.outcome is ChipOutcome.GENUINE


# --- what a chip keeps for terminals


PASSED = TerminalAuthFacts("passed", "VNTRAMIS00001", 3)
FAILED = TerminalAuthFacts("failed", "", 0)


def test_a_terminal_with_rights_reads_the_fingers_last_of_all() -> None:
    image = fingers_card()
    chip = wire(image)
    inspection = run(chip, wanted=WANTED | {"DG3"}, terminal=terminal(), on=AT.date())
    evidence = inspection.evidence
    phases = list(dict.fromkeys(each.step.phase for each in chip.seen))
    assert phases[-4:] == ["dg13", "dg2", "terminal_auth", "dg3"]
    assert evidence.terminal_auth == PASSED
    assert evidence.files["DG3"] == image.files["DG3"]
    assert [each.position for each in dg3.parse(evidence.files["DG3"]).fingers] == [2, 7]
    made = judged(evidence)
    assert (made.outcome, made.checks.ta.value) == (ChipOutcome.GENUINE, "passed")
    assert Evidence.from_cbor(evidence.to_cbor()) == evidence
    drive(confirm_presence(inspection), chip)


@pytest.mark.parametrize(
    ("more", "facts", "asked"),
    [
        ({}, None, 0),
        ({"terminal": terminal(), "on": date(2041, 1, 1)}, FAILED, 2),  # it ran out
        # The chip knows another key by that name; the verifier's certificate takes two commands.
        ({"terminal": terminal(pki("another")), "on": AT.date()}, FAILED, 5),
    ],
    ids=["none", "late", "foreign"],
)
def test_a_chip_that_keeps_its_fingers_is_no_liar(
    more: dict[str, Any], facts: TerminalAuthFacts | None, asked: int
) -> None:
    chip = wire(fingers_card())
    evidence = run(chip, wanted=WANTED | {"DG3"}, **more).evidence
    assert (evidence.terminal_auth, evidence.unreadable) == (facts, {"DG3": 0x6982})
    assert len(commands(chip, "terminal_auth")) == asked
    made = judged(evidence)
    assert (made.outcome, made.reasons) == (ChipOutcome.GENUINE, ())
    assert made.checks.ta.value == ("absent" if facts is None else "failed")


@pytest.mark.parametrize("wanted", [{"DG1"}, {"DG1", "DG4"}, {"DG1", "DG14"}])
def test_a_terminal_is_shown_only_for_what_is_wanted_and_there(wanted: set[str]) -> None:
    chip = wire(fingers_card())
    evidence = run(chip, wanted=frozenset(wanted), terminal=terminal(), on=AT.date()).evidence
    assert evidence.terminal_auth is None
    assert not commands(chip, "terminal_auth")
    assert {"DG3", "DG4"}.isdisjoint({**evidence.files, **evidence.unreadable})


def without_terminals(image: CardImage) -> CardImage:
    """Return a card whose fingers are for all, and that says so."""
    (dg14,) = parse(image.files["DG14"])
    kept = [
        each.to_bytes()
        for each in parse(parse(dg14.value)[0].value)
        if bytes.fromhex("04007F0007020202") not in each.value
    ]
    open_to_all = dataclasses.replace(image, trust_points=())
    return issued_with(open_to_all, DG14=do(0x6E, do(0x31, b"".join(kept))))


def test_a_chip_that_asks_for_no_terminal_is_shown_none() -> None:
    chip = wire(without_terminals(fingers_card()))
    evidence = run(chip, wanted=frozenset({"DG3"}), terminal=terminal(), on=AT.date()).evidence
    assert evidence.terminal_auth is None
    assert "DG3" in evidence.files


def test_a_chip_that_proved_no_key_of_chip_authentication_is_shown_none() -> None:
    base = fingers_card()
    image = issued_with(base, DG14=base.files["DG14"].replace(
        bytes.fromhex("04007F00070202030202"), bytes.fromhex("04007F00070202030209")))  # fmt: skip
    assert announced(image.files["DG14"]) is not None
    chip = wire(image)
    evidence = run(chip, wanted=frozenset({"DG3"}), terminal=terminal(), on=AT.date()).evidence
    assert (evidence.chip_auth, evidence.terminal_auth) == (None, None)
    assert not commands(chip, "terminal_auth")
    assert evidence.unreadable == {"DG3": 0x6982}


@pytest.mark.parametrize("more", [{"terminal": terminal()}, {"on": AT.date()}])
def test_a_terminal_is_shown_on_a_day(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="day"):
        inspect(KEY, wanted=WANTED, randomness=stream("r"), aa_nonce=NONCE, **more)


def test_a_signer_with_another_key_is_the_operators_mistake() -> None:
    chip = wire(fingers_card())
    who = terminal(key=pki().verifier.key)
    with pytest.raises(ValueError, match="terminal's key"):
        run(chip, wanted=frozenset({"DG3"}), terminal=who, on=AT.date())


@pytest.mark.parametrize(("max_data", "longest"), [(16, 261), (223, 261), (4063, 300)])
def test_a_terminals_certificates_go_as_reader_and_chip_carry_them(
    max_data: int, longest: int
) -> None:
    chip = wire(fingers_card())
    plan = ReadPlan(max_data=max_data)
    evidence = run(
        chip, wanted=frozenset({"DG3"}), plan=plan, terminal=terminal(), on=AT.date()
    ).evidence
    assert evidence.terminal_auth == (PASSED if max_data > 16 else FAILED)
    sent = commands(chip, "terminal_auth")
    assert max(len(each.to_bytes()) for each in sent) <= longest
    # The verifier's certificate takes two short commands.
    assert any(each.cla & 0x10 for each in sent) == (max_data <= 223)


# --- what a plan asks too much


class Narrow(Wire):
    """A chip that answers a long read of its portrait with a status."""

    def __init__(self, status: str) -> None:
        super().__init__(Chip(card("2021", portrait=9000), randomness=stream("chip")))
        files, read = self.chip._files, self.chip._files.read_binary

        def read_binary(command: Command, **given: Any) -> tuple[bytes, int]:
            much = (command.le or 0) > 1024 and files._current == "DG2"
            return (b"", int(status, 16)) if much else read(command, **given)

        files.read_binary = read_binary


@pytest.mark.parametrize("status", ["6700", "6B00", "6C00", "6F00", "6281", "6982"])
def test_what_is_refused_at_length_may_be_the_plans_fault(status: str) -> None:
    chip = Narrow(status)
    plan = ReadPlan(max_le=4096)
    if plan.is_at_fault(int(status, 16)):
        with pytest.raises(ChipRefused, match=status):
            run(chip, plan=plan)
        assert asks_for_much(chip.seen[-1])
    else:
        assert run(chip, plan=plan).evidence.unreadable == {"DG2": int(status, 16)}
    for le in (1024, 223):
        evidence = run(Narrow(status), plan=ReadPlan(max_le=le)).evidence
        assert judged(evidence).outcome is ChipOutcome.GENUINE


def test_a_short_plan_is_never_at_fault() -> None:
    assert not any(ReadPlan().is_at_fault(sw) for sw in range(0x6000, 0x10000))
    at_fault = {sw >> 8 for sw in range(0x6000, 0x10000) if ReadPlan(257).is_at_fault(sw)}
    assert at_fault == {0x67, 0x6B, 0x6C, 0x6F}


# --- bounds


def test_a_file_longer_than_any_is_malformed() -> None:
    claim = b"\x75\x83" + (MAX_FILE_BYTES - 4).to_bytes(3, "big") + bytes(16)
    with pytest.raises(ChipMalformed, match="claims"):
        run(wire(changed(card(), DG2=claim)))


@pytest.mark.parametrize("most", [1, 9, 27])
def test_an_inspection_costs_no_more_commands_than_planned(most: int) -> None:
    chip = wire(card())
    with pytest.raises(ChipMalformed, match="more commands"):
        run(chip, plan=ReadPlan(max_commands=most))
    assert len(chip.seen) == most


@pytest.mark.parametrize("wanted", [{"DG17"}, {"SOD"}, {"DG1", "dg2"}])
def test_only_what_may_be_asked_for_is_wanted(wanted: set[str]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        inspect(KEY, wanted=frozenset(wanted), randomness=stream("r"), aa_nonce=NONCE)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_nonce_has_eight_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="aa_nonce"):
        inspect(KEY, wanted=WANTED, randomness=stream("r"), aa_nonce=bytes(size))


# --- arbitrary chips


class Interrupted(Wire):
    """An honest chip whose n-th answer, and perhaps every later one, is something else."""

    def __init__(self, at: int, instead: bytes, *, for_good: bool) -> None:
        super().__init__(Chip(card("2024"), randomness=stream("chip")))
        self.at, self.instead, self.for_good = at, instead, for_good

    def answer(self, command: Command) -> bytes:
        count = len(self.seen)
        if count == self.at or (self.for_good and count > self.at):
            return self.instead
        return super().answer(command)


ANSWERS = st.one_of(
    st.binary(min_size=2, max_size=64),
    st.binary(max_size=64).map(lambda data: data + b"\x90\x00"),
    st.sampled_from([b"\x61\x00", bytes(9) + b"\x61\x09", b"\x63\x00", b"\x6c\x10", b"\x69\x82"]),
    st.builds(lambda value: b"\x7c" + do(0x80, value)[1:] + b"\x90\x00", st.binary(max_size=70)),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 34), ANSWERS, st.booleans())
def test_any_answer_at_any_step_is_a_typed_error_or_a_fact(
    at: int, instead: bytes, for_good: bool,
) -> None:  # fmt: skip
    chip = Interrupted(at, instead, for_good=for_good)
    with contextlib.suppress(EMRTDError):
        inspection = run(chip)
        # Before access anything may be answered to SELECT MF, and to READ BINARY what does not
        # touch PACE; from there on a different answer is a fault.
        files, honest = dict(inspection.evidence.files), card("2024").files
        if judged(inspection.evidence).outcome is ChipOutcome.GENUINE:
            del files["CardAccess"]
            assert files == {name: honest[name] for name in files}
            assert not for_good or len(chip.seen) < at
    assert len(chip.seen) <= 200


class Liar(Chip):
    """Speaks every protocol rightly, and says something else from its n-th plain answer on."""

    def __init__(self, at: int, data: bytes, sw: int) -> None:
        self._at, self._instead, self._plain_answers = at, (data, sw), 0
        super().__init__(card(), randomness=stream("chip"))

    def _carry_out(self, command: Command) -> tuple[bytes, int]:
        self._plain_answers += 1
        honest = super()._carry_out(command)
        return self._instead if self._plain_answers == self._at else honest


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 40), st.binary(max_size=80), st.sampled_from([0x9000, 0x6282, 0x6A82, 0x6985])
)
def test_any_plain_answer_under_protection_is_a_typed_error_or_never_another_genuine_chip(
    at: int, data: bytes, sw: int
) -> None:
    chip = Wire(Liar(at, data, sw))
    with contextlib.suppress(EMRTDError):
        evidence = run(chip).evidence
        made = judged(evidence)
        if made.outcome is ChipOutcome.GENUINE:
            groups = {name: raw for name, raw in evidence.files.items() if name.startswith("DG")}
            assert groups == {name: card().files[name] for name in groups}
            assert made.checks.aa.value == made.checks.ca.value == "passed"
    assert len(chip.seen) <= 4096


# --- presence


def test_the_chip_that_was_read_is_still_here() -> None:
    chip = wire(card())
    inspection = run(chip)
    for _ in range(3):
        drive(confirm_presence(inspection), chip)
    inspection.channel.close()
    with pytest.raises(ChannelBroken):
        drive(confirm_presence(inspection), chip)


@pytest.mark.parametrize("sod", [None, b"\x77\x00", b"\x77" * 64])
def test_another_file_under_the_same_keys_is_another_card(sod: bytes | None) -> None:
    chip = wire(card())
    inspection = run(chip)
    chip.chip._files._card = changed(card(), SOD=sod)
    with pytest.raises(ChipLied) as caught:
        drive(confirm_presence(inspection), chip)
    assert caught.value.fault is Fault.CARD_SWAPPED


def test_another_chip_does_not_hold_the_channels_keys() -> None:
    first, second = wire(card()), wire(card())
    inspection = run(first)
    run(second)
    second.chip.reset()
    with pytest.raises(ChannelBroken):
        drive(confirm_presence(inspection), second)
    assert not inspection.channel.alive


def test_nothing_there_is_gone() -> None:
    inspection = run(wire(card()))

    def gone(_: Command) -> Response:
        raise ChipGone

    with pytest.raises(ChipGone):
        drive(confirm_presence(inspection), gone)


# --- nobody shows


def test_no_error_and_no_repr_names_a_person_or_a_key() -> None:
    chip = wire(card())
    inspection = run(chip)
    shown = [repr(inspection), repr(inspection.evidence), repr(judged(inspection.evidence)),
             repr(chip.seen), repr(KEY), repr(inspection.channel._session)]  # fmt: skip
    for name in FAULTS:
        try:
            shown.append(
                repr(run(wire(card(), f"{name}:20" if FAULTS[name].takes_number else name)))
            )
        except UnknownFaultError:
            continue
        except EMRTDError as error:
            shown.append(repr(error) + str(error) + repr(error.__cause__))
    for secret in ("195012345", "NGUYEN", "Mẫu", "012345", "950101", JPEG.hex()):
        assert secret not in "".join(shown)
