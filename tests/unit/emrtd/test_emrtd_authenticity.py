"""Is this the chip? Every proof that was not given, given wrongly or by another key must show."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from issued_documents import (
    BSI,
    CA_AES_128,
    CA_NAME,
    DG1,
    PACE_AES_128,
    PACE_AES_256,
    PACE_CAM_AES_128,
    chip_key,
    dg14,
    dg15,
    document,
    info,
    number,
    oid,
)  # fmt: skip
from openssl_issuer import issued, key, needs_openssl, openssl, public_key, root
from reader_material import do

from emrtd.authenticity import Check, VerifiedHolder, judge, prove_chip
from emrtd.errors import ChipLied, ChipMalformed, EMRTDError, Fault
from emrtd.evidence import ActiveAuthTranscript, ChipAuthFacts
from emrtd.passive_auth import Unasked, VerifiedGroups, passive_auth
from emrtd.trust import TrustStore
from emrtd.verify import ChipOutcome, Findings, verify

if TYPE_CHECKING:
    from emrtd.evidence import Evidence

pytestmark = needs_openssl

NOW = datetime.now(UTC) + timedelta(hours=1)
NONCE = bytes(range(8))
PASSED = ChipAuthFacts("passed", CA_NAME, None)
FAILED = ChipAuthFacts("failed", CA_NAME, None)
AA_PLAIN_SHA256 = info(oid("678108010105"), number(1), oid("04007F00070101040103"))
AA_DER_SHA256 = info(oid("678108010105"), number(1), oid("2A8648CE3D040302"))


def trust() -> TrustStore:
    return TrustStore([root("ec:prime256v1").der])


def with_chip_auth(*more: bytes) -> bytes:
    return dg14(CA_AES_128, chip_key(public_key(key("ec:brainpoolP256r1"))), *more)


def seen(files: dict[str, bytes] | None = None, **facts: Any) -> Evidence:
    return document(issued(root("ec:prime256v1")), {"DG1": DG1, **(files or {})}, **facts)


def signed_nonce(*, md: str = "sha256", nonce: bytes = NONCE) -> ActiveAuthTranscript:
    der = openssl("dgst", f"-{md}", "-sign", "k", "m", k=key("ec:prime256v1", 70), m=nonce)
    r, s = (each.to_bytes(32, "big") for each in decode_dss_signature(der))
    return ActiveAuthTranscript(nonce, r + s)


def with_active_auth() -> bytes:
    return dg15(public_key(key("ec:prime256v1", 70)))


def findings(evidence: Evidence) -> Findings:
    made = verify(evidence, trust(), at=NOW)
    genuine = made.outcome is ChipOutcome.GENUINE
    assert genuine == (made.holder is not None)
    assert bool(made.reasons) != (made.outcome in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY})
    groups = made.groups
    if isinstance(groups, VerifiedGroups) and not genuine:
        if made.outcome is ChipOutcome.MAY_BE_COPY:
            assert prove_chip(evidence, groups) is groups
        else:
            with pytest.raises(EMRTDError) as caught:
                prove_chip(evidence, groups)
            assert caught.value.fault in made.reasons
    return made


def refused(evidence: Evidence, fault: Fault) -> Findings:
    made = findings(evidence)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, fault)
    return made


# --- what holds


def test_a_chip_that_passed_chip_authentication_is_genuine() -> None:
    made = findings(seen({"DG14": with_chip_auth()}, chip_auth=PASSED))
    assert made.outcome is ChipOutcome.GENUINE
    assert (made.checks.ca, made.checks.aa, made.checks.pa) == (
        Check.PASSED, Check.ABSENT, Check.PASSED,
    )  # fmt: skip
    assert made.holder is not None
    assert (made.holder.proof, made.holder.groups) == ("chip_auth", made.groups)


@pytest.mark.parametrize(
    "announced", [dg14(AA_PLAIN_SHA256), dg14(AA_DER_SHA256), dg14(PACE_AES_128), None]
)
def test_a_chip_that_passed_active_authentication_is_genuine(announced: bytes | None) -> None:
    files = {"DG15": with_active_auth()} | ({} if announced is None else {"DG14": announced})
    made = findings(seen(files, active_auth=signed_nonce()))
    assert made.holder is not None
    assert (made.holder.proof, made.checks.aa) == ("active_auth", Check.PASSED)


@pytest.mark.parametrize("md", ["sha224", "sha384", "sha512"])
def test_a_digest_that_nobody_announces_is_found_among_sha2(md: str) -> None:
    made = findings(seen({"DG15": with_active_auth()}, active_auth=signed_nonce(md=md)))
    assert made.outcome is ChipOutcome.GENUINE


def test_sha1_is_not_tried_where_nobody_announces_it() -> None:
    refused(
        seen({"DG15": with_active_auth()}, active_auth=signed_nonce(md="sha1")),
        Fault.CHIP_KEY_MISMATCH,
    )


def test_both_proofs_are_named_only_together() -> None:
    files = {"DG14": with_chip_auth(AA_PLAIN_SHA256), "DG15": with_active_auth()}
    made = findings(seen(files, chip_auth=PASSED, active_auth=signed_nonce()))
    assert made.holder is not None
    assert made.holder.proof == "chip_auth+active_auth"


def test_without_a_key_any_chip_may_hold_the_files() -> None:
    for files in ({}, {"DG14": dg14(PACE_AES_128)}, {"DG14": dg14(CA_AES_128)}):
        made = findings(seen(files))
        assert (made.outcome, made.holder) == (ChipOutcome.MAY_BE_COPY, None)
        assert isinstance(made.groups, VerifiedGroups)


# --- what fails open elsewhere


def test_dg14_is_right_and_chip_authentication_was_not_run() -> None:
    made = findings(seen({"DG14": with_chip_auth()}))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.NOT_ASKED,))
    assert (made.checks.ca, made.holder) == (Check.FAILED, None)


def test_dg15_is_right_and_active_authentication_was_not_run() -> None:
    made = findings(seen({"DG15": with_active_auth()}))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.NOT_ASKED,))


def test_chip_authentication_failed() -> None:
    made = refused(seen({"DG14": with_chip_auth()}, chip_auth=FAILED), Fault.CHIP_KEY_MISMATCH)
    assert made.checks.ca is Check.FAILED


@pytest.mark.parametrize(
    "facts",
    [
        ChipAuthFacts("passed", "CA-ECDH-AES-CBC-CMAC-256", None),
        ChipAuthFacts("passed", "CA-ECDH-3DES-CBC-CBC", None),
        ChipAuthFacts("passed", CA_NAME, 1),
        ChipAuthFacts("passed", "", None),
    ],
)
def test_chip_authentication_by_what_is_not_announced_is_none(facts: ChipAuthFacts) -> None:
    refused(seen({"DG14": with_chip_auth()}, chip_auth=facts), Fault.CHIP_KEY_MISMATCH)


def test_chip_authentication_with_a_key_that_is_not_announced_is_none() -> None:
    protocol = info(oid(BSI + "030202"), number(1), number(5))
    files = {"DG14": dg14(protocol, chip_key(public_key(key("ec:prime256v1")), number(6)))}
    refused(seen(files, chip_auth=ChipAuthFacts("passed", CA_NAME, 5)), Fault.CHIP_KEY_MISMATCH)


def test_a_proof_of_what_no_file_announces_is_none() -> None:
    refused(seen(chip_auth=PASSED), Fault.CHIP_KEY_MISMATCH)
    refused(seen(active_auth=signed_nonce()), Fault.CHIP_KEY_MISMATCH)


def test_dg14_that_nobody_signed_announces_nothing() -> None:
    honest = seen()
    forged = dataclasses.replace(
        honest, files={**honest.files, "DG14": with_chip_auth()}, chip_auth=PASSED
    )
    refused(forged, Fault.CHIP_KEY_MISMATCH)


def test_the_key_of_another_chip_in_dg14_is_found_by_its_hash() -> None:
    honest = seen({"DG14": with_chip_auth()}, chip_auth=PASSED)
    own = dg14(CA_AES_128, chip_key(public_key(key("ec:brainpoolP256r1", 99))))
    forged = dataclasses.replace(honest, files={**honest.files, "DG14": own})
    made = refused(forged, Fault.DATA_HASH_MISMATCH)
    assert made.checks.ca is Check.FAILED


def test_the_key_of_another_chip_in_dg15_is_found_by_its_hash() -> None:
    honest = seen({"DG15": dg15(public_key(key("ec:prime256v1", 71)))}, active_auth=signed_nonce())
    forged = dataclasses.replace(honest, files={**honest.files, "DG15": with_active_auth()})
    made = refused(forged, Fault.DATA_HASH_MISMATCH)
    assert made.checks.aa is Check.FAILED


def test_a_withheld_key_file_is_missing_and_its_check_failed() -> None:
    honest = seen({"DG14": with_chip_auth(), "DG15": with_active_auth()})
    for name, check in (("DG14", "ca"), ("DG15", "aa")):
        files = {each: raw for each, raw in honest.files.items() if each != name}
        withheld = dataclasses.replace(
            honest, files=files, unreadable={name: 0x6A82}, chip_auth=PASSED,
            active_auth=signed_nonce(),
        )  # fmt: skip
        unproved = dataclasses.replace(withheld, chip_auth=None, active_auth=None)
        for each in (withheld, unproved):
            made = refused(each, Fault.ADVERTISED_FILE_MISSING)
            assert getattr(made.checks, check) is Check.FAILED


@pytest.mark.parametrize(
    "transcript",
    [
        ActiveAuthTranscript(NONCE, b""),  # asked, and refused
        ActiveAuthTranscript(NONCE, bytes(64)),
        ActiveAuthTranscript(b"", b""),
        ActiveAuthTranscript(NONCE + b"\0", b"\1" * 64),
    ],
)
def test_a_signature_that_is_none_proves_nothing(transcript: ActiveAuthTranscript) -> None:
    for announced in ({}, {"DG14": dg14(AA_PLAIN_SHA256)}):
        evidence = seen({"DG15": with_active_auth(), **announced}, active_auth=transcript)
        refused(evidence, Fault.CHIP_KEY_MISMATCH)


def test_a_signature_over_another_nonce_proves_nothing() -> None:
    replayed = ActiveAuthTranscript(bytes(8), signed_nonce().signature)
    refused(seen({"DG15": with_active_auth()}, active_auth=replayed), Fault.CHIP_KEY_MISMATCH)


@pytest.mark.parametrize("nonce", [b"", b"7 bytes", b"9 bytes.."])
def test_a_good_signature_over_what_no_terminal_asks_for_proves_nothing(nonce: bytes) -> None:
    transcript = signed_nonce(nonce=nonce)
    refused(seen({"DG15": with_active_auth()}, active_auth=transcript), Fault.CHIP_KEY_MISMATCH)


def test_one_proof_does_not_stand_for_the_other() -> None:
    files = {"DG14": with_chip_auth(AA_PLAIN_SHA256), "DG15": with_active_auth()}
    silent = ActiveAuthTranscript(NONCE, b"")
    refused(seen(files, chip_auth=PASSED, active_auth=silent), Fault.CHIP_KEY_MISMATCH)
    refused(seen(files, chip_auth=FAILED, active_auth=signed_nonce()), Fault.CHIP_KEY_MISMATCH)
    made = findings(seen(files, chip_auth=PASSED))
    assert (made.outcome, made.checks.ca) == (ChipOutcome.UNREADABLE, Check.PASSED)


def test_a_lie_decides_before_what_was_never_asked() -> None:
    """The reader stops where a chip fails: the missing second proof is no news."""
    files = {"DG14": with_chip_auth(AA_PLAIN_SHA256), "DG15": with_active_auth()}
    made = refused(seen(files, chip_auth=FAILED), Fault.CHIP_KEY_MISMATCH)
    assert made.reasons == (Fault.CHIP_KEY_MISMATCH,)


def test_a_genuine_key_behind_an_unknown_issuer_is_not_genuine() -> None:
    evidence = seen({"DG14": with_chip_auth()}, chip_auth=PASSED)
    made = verify(evidence, TrustStore([]), at=NOW)
    assert (made.outcome, made.holder) == (ChipOutcome.ISSUER_UNKNOWN, None)
    assert (made.checks.ca, made.checks.pa) == (Check.PASSED, Check.UNKNOWN_ISSUER)
    failed = verify(seen({"DG14": with_chip_auth()}, chip_auth=FAILED), TrustStore([]), at=NOW)
    assert failed.outcome is ChipOutcome.NOT_GENUINE
    assert failed.reasons == (Fault.CHIP_KEY_MISMATCH, Fault.ISSUER_UNKNOWN)


@pytest.mark.parametrize(("name", "raw"), [("DG14", b"\x6e\x01\x00"), ("DG15", dg15(b"\x30\x00"))])
def test_a_signed_key_file_that_cannot_be_read_leaves_it_unknown(name: str, raw: bytes) -> None:
    made = findings(seen({name: raw}, active_auth=signed_nonce() if name == "DG15" else None))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.CHIP_MALFORMED,))


def test_a_signing_algorithm_that_is_not_known_leaves_it_unknown() -> None:
    odd = dg14(info(oid("678108010105"), number(1), oid("04007F00070101040106")))
    made = findings(seen({"DG14": odd, "DG15": with_active_auth()}, active_auth=signed_nonce()))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.PROOF_UNSUPPORTED,))


def test_chip_authentication_that_nobody_can_run_leaves_it_unknown() -> None:
    """By no other proof either: an announced one that is left out counts like one that failed."""
    newer = info(oid(BSI + "030209"), number(1))
    announced = dg14(newer, chip_key(public_key(key("ec:brainpoolP256r1"))))
    for more in ({}, {"active_auth": signed_nonce()}):
        files = {"DG14": announced} | ({"DG15": with_active_auth()} if more else {})
        made = findings(seen(files, **more))
        assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.PROOF_UNSUPPORTED,))
        assert (made.checks.pa, made.checks.ca) == (Check.PASSED, Check.FAILED)


# --- EF.CardAccess beside its signed copy


def offering(*infos: bytes, signed: tuple[bytes, ...]) -> Evidence:
    honest = seen({"DG14": dg14(*signed)})
    return dataclasses.replace(
        honest, files={**honest.files, "CardAccess": do(0x31, b"".join(infos))}
    )


def test_offers_that_are_signed_are_no_fault() -> None:
    ta = info(oid(BSI + "02"), number(1))
    for evidence in (
        offering(PACE_AES_128, ta, signed=(PACE_AES_128,)),
        offering(PACE_AES_128, PACE_AES_256, signed=(PACE_AES_256, PACE_AES_128)),
        offering(PACE_AES_256, signed=(PACE_AES_128, PACE_AES_256)),
        offering(PACE_AES_128, signed=(CA_AES_128,)),  # nothing of PACE is signed
    ):
        assert findings(evidence).outcome is ChipOutcome.MAY_BE_COPY


def test_an_offer_that_nobody_signed_was_put_there() -> None:
    made = refused(
        offering(PACE_AES_128, PACE_AES_256, signed=(PACE_AES_256,)), Fault.CARD_ACCESS_MISMATCH
    )
    assert made.checks.pa is Check.PASSED


def test_a_stronger_offer_that_is_signed_and_not_made_was_taken_away() -> None:
    weaker = offering(PACE_AES_128, signed=(PACE_AES_128, PACE_AES_256))
    refused(weaker, Fault.CARD_ACCESS_MISMATCH)
    refused(offering(signed=(PACE_AES_128,)), Fault.CARD_ACCESS_MISMATCH)


PACE_3DES = info(oid(BSI + "040201"), number(2), number(13))
PACE_P192 = info(oid(BSI + "040202"), number(2), number(8))
PACE_OWN = info(oid(BSI + "040202"), number(2), number(40))


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (PACE_AES_128, PACE_CAM_AES_128),
        (PACE_AES_256, PACE_CAM_AES_128),
        (PACE_3DES, PACE_AES_128),
        (PACE_P192, PACE_AES_128),
    ],
    ids=["mapping", "mapping by less", "cipher", "group"],
)
def test_what_is_hidden_is_found_by_all_that_makes_it_stronger(
    weaker: bytes, stronger: bytes
) -> None:
    refused(offering(weaker, signed=(weaker, stronger)), Fault.CARD_ACCESS_MISMATCH)
    for offers in ((weaker, stronger), (stronger, weaker)):
        assert findings(offering(*offers, signed=(weaker, stronger))).reasons == ()


def test_a_group_that_is_only_described_once_hides_nothing() -> None:
    """EF.CardAccess describes parameters of its own; DG14 need not say it again."""
    brainpool = info(oid("04007F00070102"), number(13))
    described = info(oid(BSI + "0402"), brainpool, number(40))
    for offers, signed in (
        ((PACE_OWN, described), (PACE_OWN,)),
        ((PACE_OWN,), (PACE_OWN, described)),
    ):
        assert findings(offering(*offers, signed=signed)).outcome is ChipOutcome.MAY_BE_COPY


def test_a_card_access_that_is_none_leaves_it_unknown() -> None:
    honest = seen({"DG14": dg14(PACE_AES_128)})
    broken = dataclasses.replace(honest, files={**honest.files, "CardAccess": b"\x31"})
    assert findings(broken).outcome is ChipOutcome.UNREADABLE


# --- types that carry proof


def test_nobody_else_makes_a_holder() -> None:
    evidence = seen({"DG14": with_chip_auth()}, chip_auth=PASSED)
    groups = passive_auth(evidence, trust(), at=NOW)
    assert isinstance(groups, VerifiedGroups)
    for seal in ({}, {"seal": None}, {"seal": object()}):
        with pytest.raises(TypeError, match="only prove_chip"):
            VerifiedHolder(groups, "chip_auth", **seal)
    holder = prove_chip(evidence, groups)
    assert isinstance(holder, VerifiedHolder)
    for copying in (copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace):
        with pytest.raises(TypeError):
            copying(holder)
    with pytest.raises(dataclasses.FrozenInstanceError):
        holder.proof = "active_auth"  # type: ignore[misc] # the point


def test_the_proof_of_one_chip_does_not_serve_the_files_of_another() -> None:
    """A genuine chip's session beside a copied document: the evidence must be the groups' own."""
    genuine = seen({"DG14": with_chip_auth()}, chip_auth=PASSED)
    copied = seen({"DG14": with_chip_auth(), "DG2": b"\x75\x01\x01"})
    groups = passive_auth(copied, trust(), at=NOW)
    assert isinstance(groups, VerifiedGroups)
    with pytest.raises(ValueError, match="another evidence"):
        prove_chip(genuine, groups)


def test_what_was_never_asked_for_is_named_so() -> None:
    evidence = seen({"DG14": with_chip_auth()})
    groups = passive_auth(evidence, trust(), at=NOW)
    assert isinstance(groups, VerifiedGroups)
    with pytest.raises(Unasked):
        prove_chip(evidence, groups)


def test_a_judgement_never_raises_and_lists_every_fault() -> None:
    evidence = offering(PACE_AES_256, signed=(PACE_AES_128,))
    evidence = dataclasses.replace(evidence, chip_auth=FAILED, active_auth=signed_nonce())
    judgement = judge(evidence, evidence.files)
    assert (judgement.chip_auth, judgement.active_auth) == (Check.FAILED, Check.FAILED)
    assert [type(each) for each in judgement.faults] == [ChipLied] * 3
    assert judge(evidence, {}).faults[0].fault is Fault.CHIP_KEY_MISMATCH
    broken = judge(evidence, {"DG14": b""})
    assert all(isinstance(each, ChipMalformed) for each in broken.faults[:1])
