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

from emrtd.apdu import Command, Response
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
from emrtd.evidence import MAX_FILE_BYTES, Evidence
from emrtd.files import ReadPlan
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.keys import CAN
from emrtd.lds import dg2
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
def pki() -> TestPKI:
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    return TestPKI.create(stream("pki"), valid_from=since, valid_until=until)


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


def run(chip: Wire, *, wanted: frozenset[str] = WANTED, plan: ReadPlan = PLAN) -> Inspection:
    dialogue = inspect(KEY, wanted=wanted, randomness=stream("reader"), aa_nonce=NONCE, plan=plan)
    return drive(dialogue, chip)


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
    assert phases == ["access", "com", "sod", "dg14", "dg15", "chip_auth", "active_auth", "dg1",
                      "dg13", "dg2"]  # fmt: skip
    assert [each.to_bytes().hex().upper() for each in chip.seen[:3]] == [
        "00A4000C023F00", "00A4020C02011C", "00B00000DF",
    ]  # fmt: skip
    assert all(each.cla & 0x0C == 0x0C for each in chip.seen[9:])
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
    assert evidence.files.keys() == {"CardAccess", "COM", "SOD", "DG1", *keys}
    assert not evidence.unreadable
    assert judged(evidence).outcome is ChipOutcome.GENUINE


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
        if case.card == "citizen" and name not in {"swapped", "revoked_signer"}:
            names.append(name)
    return names


@pytest.mark.parametrize("name", told_by(card("2024")))
def test_a_2024_card_that_lies_is_found_out(name: str) -> None:
    case = FAULTS[name]
    assert found(wire(card("2024"), f"{name}:20" if case.takes_number else name)) == case.expected


# --- what a chip refuses


def test_a_refused_file_is_a_fact_and_the_rest_is_read() -> None:
    evidence = run(wire(changed(card(), DG13=None, COM=None))).evidence
    assert evidence.unreadable == {"DG13": 0x6A82, "COM": 0x6A82}
    assert {"DG1", "DG2"} <= evidence.files.keys()
    assert judged(evidence).outcome is ChipOutcome.GENUINE


def test_without_its_security_object_a_chip_has_nothing_to_say() -> None:
    with pytest.raises(ChipRefused, match="SELECT SOD"):
        run(wire(changed(card(), SOD=None)))


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
    assert len(chip.seen) == 3


@pytest.mark.parametrize("status", ["6D00", "6A82", "6A86", "6283"])
def test_a_chip_need_not_know_its_master_file(status: str) -> None:
    class WithoutMasterFile(Wire):
        def answer(self, command: Command) -> bytes:
            first = len(self.seen) == 1
            return bytes.fromhex(status) if first else super().answer(command)

    evidence = run(WithoutMasterFile(Chip(card(), randomness=stream("chip")))).evidence
    assert judged(evidence).outcome is ChipOutcome.GENUINE


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
    assert (made.outcome, made.reasons) == (ChipOutcome.NOT_GENUINE, (Fault.CHIP_MALFORMED,))


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
    assert made.reasons == (Fault.CHIP_KEY_MISMATCH,)


@needs_openssl
def test_a_signed_key_that_is_none_of_ours_ends_the_inspection() -> None:
    p192 = dg15(public_key(key("ec:prime192v1")))
    with pytest.raises(ChipMalformed, match="SubjectPublicKeyInfo"):
        run(wire(issued_with(card(), DG15=p192)))


def issued_with(base: CardImage, **files_: bytes) -> CardImage:
    """Return a card that was issued with these files."""
    files = {**base.files, **files_}
    return dataclasses.replace(base, files={**files, "SOD": signed_files(files, pki().signer)})


# --- bounds


def test_a_file_longer_than_any_is_malformed() -> None:
    claim = b"\x75\x83" + (MAX_FILE_BYTES - 4).to_bytes(3, "big") + bytes(16)
    with pytest.raises(ChipMalformed, match="claims"):
        run(wire(changed(card(), DG2=claim)))


@pytest.mark.parametrize("most", [1, 9, 30])
def test_an_inspection_costs_no_more_commands_than_planned(most: int) -> None:
    chip = wire(card())
    with pytest.raises(ChipMalformed, match="more commands"):
        run(chip, plan=ReadPlan(max_commands=most))
    assert len(chip.seen) == most


@pytest.mark.parametrize("wanted", [{"DG17"}, {"SOD"}, {"DG1", "dg2"}])
def test_only_data_groups_are_wanted(wanted: set[str]) -> None:
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
    st.integers(9, 40), st.binary(max_size=80), st.sampled_from([0x9000, 0x6282, 0x6A82, 0x6985])
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
