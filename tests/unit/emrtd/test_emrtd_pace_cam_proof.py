"""The proof that PACE gives in passing, weak proofs, and terminal authentication in the verdict."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from issued_documents import (
    ACCESS,
    BSI,
    CA_AES_128,
    CA_NAME,
    DG1,
    PACE_AES_128,
    PACE_CAM_AES_128,
    chip_key,
    dg14,
    dg15,
    document,
    info,
    number,
    oid,
)  # fmt: skip
from openssl_issuer import Identity, issued, key, needs_openssl, public_key, root, signed
from reader_material import do, vector

from emrtd._groups import MODULAR
from emrtd.authenticity import Check, VerifiedHolder, Weakness, judge, prove_chip
from emrtd.errors import ChipLied, Fault
from emrtd.evidence import (
    ActiveAuthTranscript,
    CAMTranscript,
    ChipAuthFacts,
    Evidence,
    TerminalAuthFacts,
)
from emrtd.lds.card_security import SECURITY_OBJECT
from emrtd.passive_auth import (
    ConsistentCardSecurity,
    Unasked,
    VerifiedCardSecurity,
    VerifiedGroups,
    card_security_auth,
    passive_auth,
)
from emrtd.trust import TrustStore
from emrtd.validity import ClockQuality
from emrtd.verify import ChipOutcome, Findings, verify

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = needs_openssl

NOW = datetime.now(UTC) + timedelta(hours=1)
APP_I = vector("9303_11_app_i_pace_cam")
CHIP_KEY = bytes.fromhex(APP_I["PK_IC_ChipAuthenticationPublicKeyInfo"])
CAM = CAMTranscript(13, bytes.fromhex("04" + APP_I["map_ic_pub"]), bytes.fromhex(APP_I["CA_IC"]))
OPENED = dataclasses.replace(ACCESS, protocol="PACE-ECDH-CAM-AES-CBC-CMAC-128")
NONCE = bytes(range(8))
ANNOUNCED = dg14(PACE_CAM_AES_128, CHIP_KEY)


def trusted() -> Identity:
    return root("ec:prime256v1")


def stranger() -> Identity:
    return root("ec:prime256v1", "/C=VN/O=Somebody/CN=CSCA", number=31)


def store() -> TrustStore:
    return TrustStore([trusted().der])


@cache
def card_security(issuer: Identity, *keys: bytes) -> bytes:
    content = do(0x31, b"".join((PACE_AES_128, *keys)))
    return signed(content, issued(issuer), content_type=SECURITY_OBJECT)


def seen(
    files: dict[str, bytes] | None = None,
    beside: dict[str, bytes] | None = None,
    *,
    issuer: Identity | None = None,
    **facts: Any,
) -> Evidence:
    """Return evidence of a chip that was opened by the mapping, as ICAO's example was."""
    announced = {} if "access" in facts else {"DG14": ANNOUNCED}
    made = document(issued(issuer or trusted()), {"DG1": DG1, **announced, **(files or {})})
    facts = {"access": OPENED, "cam": CAM} | facts
    return dataclasses.replace(made, files={**made.files, **(beside or {})}, **facts)


def findings(evidence: Evidence, **facts: Any) -> Findings:
    made = verify(evidence, store(), at=NOW, **facts)
    assert (made.outcome is ChipOutcome.GENUINE) == (made.holder is not None)
    return made


def refused(evidence: Evidence, fault: Fault = Fault.CHIP_KEY_MISMATCH, **facts: Any) -> Findings:
    made = findings(evidence, **facts)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, fault)
    return made


def own() -> dict[str, bytes]:
    return {"CardSecurity": card_security(trusted(), CHIP_KEY)}


# --- what holds


def test_a_key_of_the_verified_card_security_is_a_proof() -> None:
    made = findings(seen(beside=own()))
    assert made.holder is not None
    assert (made.holder.proof, made.checks.cam, made.checks.pa, made.checks.ca) == (
        "pace_cam", Check.PASSED, Check.PASSED, Check.ABSENT,
    )  # fmt: skip


def test_the_same_key_may_have_another_number_in_dg14() -> None:
    for announced in (CHIP_KEY[:-1] + b"\x07", CHIP_KEY):
        files = {"DG14": dg14(CA_AES_128, PACE_CAM_AES_128, announced)}
        facts = ChipAuthFacts("passed", CA_NAME, None)
        made = findings(seen(files, own(), chip_auth=facts))
        assert made.holder is not None
        assert made.holder.proof == "chip_auth+pace_cam"


def test_a_key_of_dg14_is_a_proof_if_it_is_signed_there() -> None:
    announced = dg14(CA_AES_128, CHIP_KEY)
    facts = ChipAuthFacts("passed", CA_NAME, None)
    made = findings(seen({"DG14": announced}, unreadable={"CardSecurity": 0x6A82}, chip_auth=facts))
    assert made.holder is not None
    assert made.holder.proof == "chip_auth+pace_cam"


def test_without_card_security_the_proof_is_checked_all_the_same() -> None:
    false = dataclasses.replace(CAM, chip_auth_data=bytes(31) + b"\1")
    announced = {"DG14": dg14(CA_AES_128, CHIP_KEY)}
    facts = ChipAuthFacts("passed", CA_NAME, None)
    hidden = {"CardSecurity": 0x6A82}
    made = refused(seen(announced, unreadable=hidden, chip_auth=facts, cam=false))
    assert made.checks.cam is Check.FAILED


def with_active_auth() -> tuple[bytes, ActiveAuthTranscript]:
    """Return DG15 with a short RSA key, and what it signed with SHA-1."""
    private = load_pem_private_key(key("rsa:1024", 41), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    numbers = private.private_numbers()
    message = hashlib.shake_256(b"M1").digest(106)
    block = b"\x6a" + message + hashlib.sha1(message + NONCE, usedforsecurity=False).digest()
    opened = int.from_bytes(block + b"\xbc", "big")
    made = pow(opened, numbers.d, numbers.public_numbers.n).to_bytes(128, "big")
    return dg15(public_key(key("rsa:1024", 41))), ActiveAuthTranscript(NONCE, made)


def test_every_proof_that_held_is_named() -> None:
    signed_key, transcript = with_active_auth()
    announced = dg14(CA_AES_128, CHIP_KEY)
    facts = ChipAuthFacts("passed", CA_NAME, None)
    for files, more, proof in (
        ({"DG15": signed_key}, {"active_auth": transcript}, "active_auth+pace_cam"),
        ({"DG14": announced}, {"chip_auth": facts}, "chip_auth+pace_cam"),
        (
            {"DG14": announced, "DG15": signed_key},
            {"chip_auth": facts, "active_auth": transcript},
            "chip_auth+active_auth+pace_cam",
        ),
    ):
        made = findings(seen(files, own(), **more))
        assert made.holder is not None
        assert made.holder.proof == proof


def test_kept_evidence_proves_the_same_again() -> None:
    kept = Evidence.from_cbor(seen(beside=own()).to_cbor())
    assert findings(kept).outcome is ChipOutcome.GENUINE


def test_without_the_mapping_nothing_is_claimed() -> None:
    made = findings(seen(beside=own(), access=ACCESS, cam=None))
    assert (made.outcome, made.checks.cam) == (ChipOutcome.MAY_BE_COPY, Check.ABSENT)


# --- what fails open elsewhere


def test_the_mapping_was_run_and_its_proof_failed() -> None:
    broken = dataclasses.replace(CAM, chip_auth_data=b"")
    other = dataclasses.replace(CAM, chip_auth_data=bytes(31) + b"\1")
    for cam in (broken, other):
        assert refused(seen(beside=own(), cam=cam)).checks.cam is Check.FAILED


def test_another_proof_does_not_stand_for_a_failed_mapping() -> None:
    signed_key, transcript = with_active_auth()
    broken = dataclasses.replace(CAM, chip_auth_data=b"")
    made = refused(seen({"DG15": signed_key}, own(), active_auth=transcript, cam=broken))
    assert (made.checks.aa, made.checks.cam) == (Check.PASSED, Check.FAILED)


def test_the_mapping_does_not_stand_for_chip_authentication() -> None:
    announced = {"DG14": dg14(CA_AES_128, CHIP_KEY)}
    made = findings(seen(announced, own()))
    assert (made.outcome, made.checks.cam) == (ChipOutcome.UNREADABLE, Check.PASSED)
    failed = ChipAuthFacts("failed", CA_NAME, None)
    made = refused(seen(announced, own(), chip_auth=failed), Fault.CHIP_KEY_MISMATCH)
    assert made.checks.cam is Check.PASSED


def test_another_chips_key_is_none() -> None:
    other = chip_key(public_key(key("ec:brainpoolP256r1", 44)), number(13))
    refused(seen(beside={"CardSecurity": card_security(trusted(), other)}))
    refused(seen(beside={"CardSecurity": card_security(trusted())}))
    wrong_id = CHIP_KEY[:-1] + b"\x0e"
    refused(seen(beside={"CardSecurity": card_security(trusted(), wrong_id)}))
    refused(seen(beside=own(), cam=dataclasses.replace(CAM, parameter_id=12)))


def test_the_files_of_one_card_in_the_chip_of_another_are_found() -> None:
    """Whoever owns any card of a trusted issuer has an EF.CardSecurity, and a chip with its key."""
    other = chip_key(public_key(key("ec:brainpoolP256r1", 44)), number(13))
    for announced in (
        dg14(PACE_CAM_AES_128, other),
        dg14(PACE_CAM_AES_128, chip_key(public_key(key("ec:prime256v1")), number(12))),
    ):
        made = refused(seen({"DG14": announced}, own()))
        assert (made.checks.pa, made.checks.cam) == (Check.PASSED, Check.FAILED)
        assert made.reasons == (Fault.CHIP_KEY_MISMATCH,)


def test_beside_a_key_for_chip_authentication_a_key_of_its_own_neither_proves_nor_accuses() -> None:
    ca = chip_key(public_key(key("ec:brainpoolP256r1", 44)))
    announced = {"DG14": dg14(CA_AES_128, PACE_CAM_AES_128, ca)}
    made = findings(seen(announced, own(), chip_auth=ChipAuthFacts("passed", CA_NAME, None)))
    assert made.holder is not None
    assert (made.holder.proof, made.checks.cam) == ("chip_auth", Check.ABSENT)
    refused(seen(announced, own(), chip_auth=ChipAuthFacts("failed", CA_NAME, None)))
    assert findings(seen(announced, own())).outcome is ChipOutcome.UNREADABLE


def test_a_mapping_that_no_signed_file_announces_is_no_proof() -> None:
    bare = seen(beside=own(), access=OPENED)
    ca = dg14(CA_AES_128, chip_key(public_key(key("ec:brainpoolP256r1", 44))))
    passed = ChipAuthFacts("passed", CA_NAME, None)
    for evidence in (
        bare,
        dataclasses.replace(bare, cam=None),
        seen(access=OPENED, unreadable={"CardSecurity": 0x6982}),
        seen({"DG14": dg14(PACE_AES_128)}, own()),
        seen({"DG14": ca}, own(), chip_auth=passed),
    ):
        made = refused(evidence, Fault.CARD_ACCESS_MISMATCH)
        assert (made.checks.pa, made.checks.cam) == (Check.PASSED, Check.FAILED)
        assert made.reasons == (Fault.CARD_ACCESS_MISMATCH,)


def test_a_key_in_card_security_alone_is_somebodys() -> None:
    """The mapping is signed and its key is not: nothing contradicts, and nothing proves."""
    signed_key, transcript = with_active_auth()
    files = {"DG14": dg14(PACE_CAM_AES_128)}
    made = findings(seen(files, own()))
    assert (made.outcome, made.checks.cam) == (ChipOutcome.MAY_BE_COPY, Check.ABSENT)
    made = findings(seen({**files, "DG15": signed_key}, own(), active_auth=transcript))
    assert made.holder is not None
    assert made.holder.proof == "active_auth"
    broken = dataclasses.replace(CAM, chip_auth_data=b"")
    refused(seen(files, own(), cam=broken))


def test_a_key_in_dg14_that_nobody_can_compare_leaves_it_unknown() -> None:
    odd = chip_key(info(oid("2A"), do(3, b"\0")), number(13))
    made = findings(seen({"DG14": dg14(PACE_CAM_AES_128, odd)}, own()))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.PROOF_UNSUPPORTED,))


def test_dg14_that_was_not_read_is_not_one_that_announces_nothing() -> None:
    honest = seen(beside=own())
    files = {name: raw for name, raw in honest.files.items() if name != "DG14"}
    unasked = findings(dataclasses.replace(honest, files=files))
    assert (unasked.outcome, unasked.reasons) == (ChipOutcome.UNREADABLE, (Fault.NOT_ASKED,))
    withheld = dataclasses.replace(honest, files=files, unreadable={"DG14": 0x6A82})
    made = refused(withheld, Fault.ADVERTISED_FILE_MISSING)
    assert made.reasons == (Fault.ADVERTISED_FILE_MISSING,)


def test_a_mapping_that_was_never_run_accuses_nobody() -> None:
    """A policy may have opened it otherwise; its key was announced, and is not proved."""
    skipped: dict[str, Any] = {"access": ACCESS, "cam": None}
    made = findings(seen({"DG14": ANNOUNCED}, **skipped))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.NOT_ASKED,))
    assert (made.checks.ca, made.checks.cam) == (Check.ABSENT, Check.FAILED)
    made = findings(seen({"DG14": dg14(PACE_CAM_AES_128)}, **skipped))
    assert (made.outcome, made.checks.cam) == (ChipOutcome.MAY_BE_COPY, Check.ABSENT)
    both = dg14(CA_AES_128, PACE_CAM_AES_128, CHIP_KEY)
    passed = ChipAuthFacts("passed", CA_NAME, None)
    made = findings(seen({"DG14": both}, chip_auth=passed, **skipped))
    assert made.holder is not None
    assert made.holder.proof == "chip_auth"


def test_the_key_of_the_mapping_is_none_of_the_first_chips() -> None:
    """A key without a protocol is one of 3DES only where there is no mapping that it is for."""
    first = ChipAuthFacts("passed", "CA-ECDH-3DES-CBC-CBC", 13)
    made = refused(seen(beside=own(), chip_auth=first))
    assert (made.checks.ca, made.checks.cam) == (Check.FAILED, Check.PASSED)


def test_a_copy_with_a_card_security_of_its_own_is_found() -> None:
    """Genuine files, copied, beside a key that somebody signed who is not trusted."""
    forged = {"CardSecurity": card_security(stranger(), CHIP_KEY)}
    made = refused(seen(beside=forged), Fault.ISSUER_UNKNOWN)
    assert (made.checks.cam, made.holder) == (Check.PASSED, None)


def test_a_card_security_that_is_changed_decides() -> None:
    raw = card_security(trusted(), CHIP_KEY)
    for changed in (
        raw[:-1] + bytes((raw[-1] ^ 1,)),
        raw.replace(CHIP_KEY, CHIP_KEY[:-1] + b"\x0e"),
    ):
        made = refused(seen(beside={"CardSecurity": changed}), Fault.SIGNATURE_INVALID)
        assert made.checks.pa is Check.FAILED


def test_a_card_security_that_cannot_be_read_leaves_it_unknown() -> None:
    made = findings(seen(beside={"CardSecurity": b"\x30\x00"}))
    assert (made.outcome, made.reasons) == (ChipOutcome.UNREADABLE, (Fault.CHIP_MALFORMED,))
    assert made.checks.cam is Check.FAILED


def test_a_card_security_of_a_signer_that_is_over_is_refused() -> None:
    short = issued(trusted(), days=1, number=51)
    content = do(0x31, PACE_AES_128 + CHIP_KEY)
    raw = signed(content, short, content_type=SECURITY_OBJECT)
    late = NOW + timedelta(days=3)
    made = verify(seen(beside={"CardSecurity": raw}), store(), at=late)
    assert (made.outcome, made.reasons[0]) == (ChipOutcome.NOT_GENUINE, Fault.SIGNER_EXPIRED)
    unsure = verify(
        seen(beside={"CardSecurity": raw}), store(), at=late, clock=ClockQuality.UNKNOWN
    )
    assert (unsure.outcome, unsure.reasons) == (ChipOutcome.UNREADABLE, (Fault.SIGNER_EXPIRED,))


def test_dg14_that_is_not_as_it_was_hashed_proves_no_mapping() -> None:
    honest = seen({"DG14": dg14(PACE_AES_128)}, unreadable={"CardSecurity": 0x6A82})
    forged = dataclasses.replace(honest, files={**honest.files, "DG14": dg14(CHIP_KEY)})
    made = refused(forged, Fault.DATA_HASH_MISMATCH)
    assert made.checks.cam is Check.FAILED


def test_a_key_that_cannot_be_looked_up_is_missing() -> None:
    """A chip that withholds it lies; a terminal that never asked knows nothing."""
    keyless = {"DG14": dg14(PACE_CAM_AES_128)}
    withheld = seen(keyless, unreadable={"CardSecurity": 0x6982})
    assert refused(withheld, Fault.ADVERTISED_FILE_MISSING).checks.cam is Check.FAILED
    unasked = findings(seen(keyless))
    assert (unasked.outcome, unasked.reasons) == (
        ChipOutcome.UNREADABLE, (Fault.NOT_ASKED,),
    )  # fmt: skip


def test_a_key_in_dg14_that_cannot_be_used_is_no_key() -> None:
    odd = chip_key(info(oid("2A"), do(3, b"\0")), number(13))
    announced = {"DG14": dg14(PACE_CAM_AES_128, odd)}
    made = findings(seen(announced, unreadable={"CardSecurity": 0x6982}))
    assert made.checks.cam is Check.FAILED
    assert (made.outcome, made.reasons[0]) == (
        ChipOutcome.NOT_GENUINE, Fault.ADVERTISED_FILE_MISSING,
    )  # fmt: skip


def test_a_transcript_and_the_way_in_must_agree() -> None:
    refused(seen(beside=own(), access=ACCESS))
    made = findings(seen(beside=own(), cam=None))
    assert (made.outcome, made.checks.cam) == (ChipOutcome.UNREADABLE, Check.FAILED)


def test_behind_an_unknown_issuer_the_mapping_proves_only_itself() -> None:
    forged = {"CardSecurity": card_security(stranger(), CHIP_KEY)}
    made = findings(seen(beside=forged, issuer=stranger()))
    assert (made.outcome, made.reasons, made.checks.cam) == (
        ChipOutcome.ISSUER_UNKNOWN, (Fault.ISSUER_UNKNOWN,), Check.PASSED,
    )  # fmt: skip


# --- the door below the verdict


def groups_of(evidence: Evidence) -> VerifiedGroups:
    groups = passive_auth(evidence, store(), at=NOW)
    assert isinstance(groups, VerifiedGroups)
    return groups


def test_only_a_verified_card_security_proves_a_chip() -> None:
    honest = seen(beside=own())
    card = card_security_auth(honest, store(), at=NOW)
    assert isinstance(card, VerifiedCardSecurity)
    assert isinstance(prove_chip(honest, groups_of(honest), card), VerifiedHolder)
    with pytest.raises(ChipLied) as caught:
        prove_chip(honest, groups_of(honest))
    assert caught.value.fault is Fault.NOT_ASKED
    loose = card_security_auth(honest, TrustStore([]), at=NOW)
    assert isinstance(loose, ConsistentCardSecurity)
    with pytest.raises(ValueError, match="not trusted"):
        prove_chip(honest, groups_of(honest), loose)  # type: ignore[arg-type] # the point


def test_the_card_security_of_another_evidence_does_not_serve() -> None:
    honest = seen(beside=own())
    card = card_security_auth(honest, store(), at=NOW)
    assert isinstance(card, VerifiedCardSecurity)
    for beside in ({}, {"CardSecurity": card_security(trusted())}):
        other = seen(beside=beside)
        with pytest.raises(ValueError, match="another evidence"):
            prove_chip(other, groups_of(other), card)


def test_what_was_never_asked_for_is_named_so() -> None:
    bare = seen({"DG14": dg14(PACE_CAM_AES_128)})
    with pytest.raises(Unasked):
        prove_chip(bare, groups_of(bare))


# --- by weak means


def all_but(*names: Weakness) -> frozenset[Weakness]:
    return frozenset(Weakness) - frozenset(names)


def weak_chip_auth(digits: str, own_key: bytes) -> tuple[dict[str, bytes], ChipAuthFacts]:
    agreement = "ECDH" if digits.startswith("02") else "DH"
    cipher = "3DES-CBC-CBC" if digits.endswith("1") else "AES-CBC-CMAC-128"
    announced = dg14(info(oid(BSI + f"03{digits[:2]}0{digits[2]}"), number(1)), own_key)
    return {"DG14": announced}, ChipAuthFacts("passed", f"CA-{agreement}-{cipher}", None)


def modular(parameter_id: int) -> bytes:
    public = MODULAR[parameter_id].generator
    content = do(0x02, public.to_bytes(public.bit_length() // 8 + 1, "big"))
    spki = info(info(oid("04007F00070102"), number(parameter_id)), do(0x03, b"\0" + content))
    return info(oid(BSI + "0101"), spki)


def on_curve(name: str) -> bytes:
    return chip_key(public_key(key(f"ec:{name}")))


@pytest.mark.parametrize(
    ("digits", "own_key", "expected"),
    [
        ("022", lambda: on_curve("brainpoolP256r1"), ()),
        ("021", lambda: on_curve("brainpoolP256r1"), (Weakness.CHIP_AUTH_3DES,)),
        ("022", lambda: on_curve("secp224r1"), ()),
        ("022", lambda: on_curve("prime192v1"), (Weakness.CHIP_AUTH_SHORT_KEY,)),
        ("012", lambda: modular(2), ()),
        ("012", lambda: modular(0), (Weakness.CHIP_AUTH_SHORT_KEY,)),
        (
            "011", lambda: modular(0),
            (Weakness.CHIP_AUTH_3DES, Weakness.CHIP_AUTH_SHORT_KEY),
        ),
    ],
)  # fmt: skip
def test_weak_chip_authentication_is_recorded_and_refused_on_demand(
    digits: str, own_key: Any, expected: Iterable[Weakness]
) -> None:
    files, facts = weak_chip_auth(digits, own_key())
    evidence = seen(files, access=ACCESS, cam=None, chip_auth=facts)
    made = findings(evidence, refuse=all_but(*expected))
    assert (made.outcome, made.weaknesses) == (ChipOutcome.GENUINE, frozenset(expected))
    for each in expected:
        made = refused(evidence, Fault.ALGORITHM_WEAK, refuse=frozenset({each}))
        assert (made.checks.ca, made.weaknesses) == (Check.FAILED, frozenset())


def test_weak_active_authentication_is_recorded_and_refused_on_demand() -> None:
    signed_key, transcript = with_active_auth()
    evidence = seen({"DG15": signed_key}, access=ACCESS, cam=None, active_auth=transcript)
    expected = {Weakness.ACTIVE_AUTH_SHA1, Weakness.ACTIVE_AUTH_SHORT_KEY}
    made = findings(evidence, refuse=all_but(*expected))
    assert (made.outcome, made.weaknesses) == (ChipOutcome.GENUINE, frozenset(expected))
    for each in expected:
        made = refused(evidence, Fault.ALGORITHM_WEAK, refuse=frozenset({each}))
        assert made.checks.aa is Check.FAILED
    groups = groups_of(evidence)
    assert isinstance(prove_chip(evidence, groups), VerifiedHolder)
    with pytest.raises(ChipLied, match="active_auth_sha1"):
        prove_chip(evidence, groups, refuse=frozenset({Weakness.ACTIVE_AUTH_SHA1}))


def test_a_key_under_1024_bits_is_never_taken() -> None:
    short = dg15(public_key(key("rsa:1008")))
    made = findings(
        seen({"DG15": short}, access=ACCESS, cam=None, active_auth=ActiveAuthTranscript(NONCE, b""))
    )
    assert (made.outcome, made.checks.aa) == (ChipOutcome.UNREADABLE, Check.FAILED)


def test_what_failed_has_no_weaknesses() -> None:
    signed_key, transcript = with_active_auth()
    forged = dataclasses.replace(transcript, nonce=bytes(8))
    evidence = seen({"DG15": signed_key}, access=ACCESS, cam=None, active_auth=forged)
    made = refused(evidence, Fault.CHIP_KEY_MISMATCH)
    assert made.weaknesses == frozenset()


# --- terminal authentication


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_terminal_authentication_is_a_check_and_no_reason(outcome: Any) -> None:
    facts = TerminalAuthFacts(outcome, "VNIS00001", 3)
    made = findings(seen(beside=own(), terminal_auth=facts))
    assert (made.outcome, made.checks.ta) == (ChipOutcome.GENUINE, Check(outcome))
    assert findings(seen(beside=own())).checks.ta is Check.ABSENT


def test_terminal_authentication_proves_no_chip() -> None:
    facts = TerminalAuthFacts("passed", "VNIS00001", 3)
    made = findings(seen(access=ACCESS, cam=None, terminal_auth=facts))
    assert made.outcome is ChipOutcome.MAY_BE_COPY


def test_a_judgement_lists_every_fault() -> None:
    bare = seen(cam=None)
    judgement = judge(bare, bare.files)
    assert [type(each) for each in judgement.faults] == [Unasked]
    assert judgement.pace_cam is Check.FAILED
    unsigned = dataclasses.replace(bare, files={"DG1": DG1})
    judgement = judge(unsigned, unsigned.files)
    assert [each.fault for each in judgement.faults] == [Fault.CARD_ACCESS_MISMATCH]
