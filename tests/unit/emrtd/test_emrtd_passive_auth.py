"""Passive authentication of documents that openssl signed, and of everything else."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import openssl_issuer as openssl
import pytest
from asn1crypto import cms, core
from hypothesis import given, settings
from hypothesis import strategies as st
from issued_documents import (
    CA_AES_128,
    CA_NAME,
    DG1,
    DG2,
    chip_key,
    dg14,
    document,
    evidence,
    security_object,
)
from openssl_issuer import Identity, issued, needs_openssl, revocation_list, root
from reader_material import do

from emrtd.errors import ChipLied, ChipMalformed, EMRTDError, Fault
from emrtd.evidence import ChipAuthFacts
from emrtd.lds import sod as sods
from emrtd.passive_auth import (
    ClockUnsure,
    ConsistentGroups,
    Unasked,
    Unproved,
    VerifiedGroups,
    examine,
    passive_auth,
)
from emrtd.trust import TrustPolicy, TrustStore
from emrtd.validity import ClockQuality, Validity
from emrtd.verify import Check, ChipOutcome, verify

if TYPE_CHECKING:
    from emrtd.evidence import Evidence

pytestmark = needs_openssl

NOW = datetime.now(UTC) + timedelta(hours=1)
PSS = openssl.PSS
CMS_PSS = ("-keyopt", "rsa_padding_mode:pss")


def trusting(*identities: Identity, sha1: bool = False, crls: tuple[bytes, ...] = ()) -> TrustStore:
    return TrustStore([each.der for each in identities], crls, allow_sha1=sha1)


def csca() -> Identity:
    return root("ec:prime256v1")


def signer(**options: Any) -> Identity:
    return issued(csca(), **options)


def fault_of(seen: Evidence, trust: TrustStore, at: datetime = NOW) -> Fault:
    """Return the fault that decides; `verify` must agree that it is not genuine."""
    with pytest.raises(EMRTDError) as caught:
        passive_auth(seen, trust, at=at)
    findings = verify(seen, trust, at=at)
    assert (findings.groups, findings.holder) == (None, None)
    assert findings.outcome in {ChipOutcome.NOT_GENUINE, ChipOutcome.UNREADABLE}
    assert caught.value.fault in findings.reasons
    return caught.value.fault


@pytest.mark.parametrize(
    ("kind", "md", "options", "cms_options"),
    [
        ("rsa:2048", "sha256", (), ()),
        ("rsa:2048", "sha512", PSS, CMS_PSS),
        ("rsa:3072", "sha384", PSS, CMS_PSS),
        ("ec:prime256v1", "sha224", (), ()),
        ("ec:secp521r1", "sha512", (), ()),
        ("ec:brainpoolP384r1", "sha384", (), ()),
        ("explicit:brainpoolP256r1", "sha256", (), ()),
        ("ec:prime256v1", "sha256", (), ("-keyid",)),
    ],
)
def test_a_document_that_openssl_verifies_is_verified(kind, md, options, cms_options) -> None:
    issuer = root(kind, md=md, options=options)
    ds = issued(issuer, kind, md=md, options=options)
    seen = document(ds, None, *cms_options, md=md)
    content = openssl.accepts(seen.files["SOD"], issuer, chain=not kind.startswith("explicit"))
    assert content == security_object({"DG1": DG1, "DG2": DG2}, md=md)
    groups = passive_auth(seen, trusting(issuer), at=NOW)
    assert isinstance(groups, VerifiedGroups)
    assert dict(groups.files) == {"DG1": DG1, "DG2": DG2}
    assert ("DS" in groups.signer, "CSCA" in groups.issuer) == (True, True)
    assert groups.not_after > NOW
    unknown = passive_auth(seen, trusting(), at=NOW)
    assert isinstance(unknown, ConsistentGroups)
    assert not isinstance(unknown, VerifiedGroups)


def test_a_digest_of_the_files_may_differ_from_that_of_the_signature() -> None:
    seen = document(signer(), md="sha256", object_md="sha512")
    assert isinstance(passive_auth(seen, trusting(csca()), at=NOW), VerifiedGroups)


def test_version_one_carries_its_versions() -> None:
    content = security_object({"DG1": DG1}, versions=("0108", "040000"))
    parsed = sods.parse_security_object(content)
    assert (parsed.version, parsed.lds_version, parsed.unicode_version) == (1, "0108", "040000")
    seen = evidence({"DG1": DG1, "SOD": openssl.sod(content, signer())})
    assert isinstance(passive_auth(seen, trusting(csca()), at=NOW), VerifiedGroups)


# --- every way to fail, and none is silent


def test_an_unknown_issuer_is_never_genuine() -> None:
    findings = verify(document(signer()), trusting(), at=NOW)
    assert findings.outcome is ChipOutcome.ISSUER_UNKNOWN
    assert findings.reasons == (Fault.ISSUER_UNKNOWN,)
    assert (findings.checks.pa, findings.holder) == (Check.UNKNOWN_ISSUER, None)
    assert isinstance(findings.groups, ConsistentGroups)


@pytest.mark.parametrize("name", ["DG1", "DG2"])
def test_one_changed_byte_of_any_file_is_found(name: str) -> None:
    honest = document(signer())
    for at in range(len(honest.files[name])):
        raw = bytearray(honest.files[name])
        raw[at] ^= 0x80
        forged = dataclasses.replace(honest, files={**honest.files, name: bytes(raw)})
        assert fault_of(forged, trusting(csca())) is Fault.DATA_HASH_MISMATCH
        assert fault_of(forged, trusting()) is Fault.DATA_HASH_MISMATCH
        assert name not in examine(forged, trusting(csca()), at=NOW).intact


def test_one_changed_byte_of_the_security_object_never_verifies_other_data() -> None:
    honest = document(signer())
    raw = honest.files["SOD"]
    same = 0
    for at in range(0, len(raw), 2):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        seen = dataclasses.replace(honest, files={**honest.files, "SOD": changed})
        try:
            groups = passive_auth(seen, trusting(csca()), at=NOW)
        except EMRTDError:
            continue
        # What is neither signed nor read: versions and lists of algorithms of CMS itself, and the
        # tag of a certificate's issuer. The data is what was signed all the same.
        same += isinstance(groups, VerifiedGroups)
        assert dict(groups.files) == {"DG1": DG1, "DG2": DG2}
    assert same < 12


def test_a_file_that_is_hashed_and_withheld_is_missing() -> None:
    files = {"DG1": DG1, "DG14": bytes.fromhex("6E023100"), "DG15": bytes.fromhex("6F00")}
    whole = document(signer(), files)
    for name in files:
        left = {key: raw for key, raw in whole.files.items() if key != name}
        refused = evidence(left, unreadable={name: 0x6A82})
        assert fault_of(refused, trusting(csca())) is Fault.ADVERTISED_FILE_MISSING
        assert verify(refused, trusting(csca()), at=NOW).outcome is ChipOutcome.NOT_GENUINE
        unasked = evidence(left)
        assert fault_of(unasked, trusting(csca())) is Fault.NOT_ASKED
        with pytest.raises(Unasked):
            passive_auth(unasked, trusting(csca()), at=NOW)
        assert verify(unasked, trusting(csca()), at=NOW).outcome is ChipOutcome.UNREADABLE


def test_a_portrait_need_not_be_read_and_what_is_not_hashed_is_not_believed() -> None:
    whole = document(signer())
    files = {key: raw for key, raw in whole.files.items() if key != "DG2"}
    groups = passive_auth(
        evidence({**files, "DG13": b"\x6d\x00", "COM": b"\x60\x00"}), trusting(csca()), at=NOW
    )
    assert groups.files.keys() == {"DG1"}


def test_a_certificate_that_is_over_or_not_yet_begun_signs_nothing() -> None:
    seen = document(signer(days=30))
    for at, fault in (
        (NOW + timedelta(days=31), Fault.SIGNER_EXPIRED),
        (NOW - timedelta(days=2), Fault.SIGNER_NOT_YET_VALID),
    ):
        assert fault_of(seen, trusting(csca()), at) is fault
        assert fault_of(seen, trusting(), at) is fault


def test_an_issuer_that_is_over_signs_nothing() -> None:
    seen = document(signer(days=9000))
    assert fault_of(seen, trusting(csca()), NOW + timedelta(days=3660)) is Fault.ISSUER_EXPIRED
    # By itself the signer's time decides.
    late = NOW + timedelta(days=9001)
    assert fault_of(seen, trusting(csca()), late) is Fault.SIGNER_EXPIRED


@pytest.mark.parametrize("days", [-2, 31])
@pytest.mark.parametrize("clock", [ClockQuality.UNKNOWN, ClockQuality.AT_LEAST])
@pytest.mark.parametrize("known", [True, False])
def test_by_a_clock_that_may_be_wrong_nobody_is_accused_of_being_over(
    days: int, clock: ClockQuality, known: bool
) -> None:
    seen, at = document(signer(days=30)), NOW + timedelta(days=days)
    trust = trusting(csca()) if known else trusting()
    with pytest.raises(ChipLied) as caught:
        passive_auth(seen, trust, at=at, clock=clock)
    fault = Fault.SIGNER_EXPIRED if days > 0 else Fault.SIGNER_NOT_YET_VALID
    assert caught.value.fault is fault
    # An instant that is not later than the time, and past the end: it is over.
    sure = clock is ClockQuality.AT_LEAST and days > 0
    assert isinstance(caught.value, ClockUnsure) == (not sure)
    found = verify(seen, trust, at=at, clock=clock)
    outcome = ChipOutcome.NOT_GENUINE if sure else ChipOutcome.UNREADABLE
    assert (found.outcome, found.reasons[0]) == (outcome, fault)
    assert (found.groups, found.holder) == (None, None)
    held = Check.PASSED if known else Check.UNKNOWN_ISSUER
    assert found.checks.pa is (Check.FAILED if sure else held)
    examined = examine(seen, trust, at=at, clock=clock)
    assert examined.validity is (Validity.OVER if sure else Validity.UNSURE)


def test_whoever_is_valid_is_so_by_any_clock_and_it_is_told_by_which() -> None:
    seen = document(signer())
    for clock, validity in (
        (ClockQuality.TRUSTED, Validity.HELD), (ClockQuality.AT_LEAST, Validity.SUPPOSED),
        (ClockQuality.UNKNOWN, Validity.SUPPOSED),
    ):  # fmt: skip
        assert isinstance(passive_auth(seen, trusting(csca()), at=NOW, clock=clock), VerifiedGroups)
        assert examine(seen, trusting(csca()), at=NOW, clock=clock).validity is validity
    assert examine(seen, trusting(), at=NOW).validity is Validity.HELD
    assert examine(document(csca()), trusting(), at=NOW).validity is None


def test_a_revoked_signer_and_a_lie_count_by_any_clock() -> None:
    """What a wrong clock cannot excuse decides before what it can."""
    late, unknown = NOW + timedelta(days=999), ClockQuality.UNKNOWN
    revoking = trusting(csca(), crls=(revocation_list(csca(), 0x99),))
    seen = document(signer(serial=0x99, days=30))
    examined = examine(seen, revoking, at=late, clock=unknown)
    assert [each.fault for each in examined.faults] == [
        Fault.SIGNER_REVOKED, Fault.SIGNER_EXPIRED,
    ]  # fmt: skip
    assert verify(seen, revoking, at=late, clock=unknown).outcome is ChipOutcome.NOT_GENUINE
    forged = dataclasses.replace(seen, files={**seen.files, "DG2": b"\x75\x00"})
    found = verify(forged, trusting(csca()), at=late, clock=unknown)
    assert found.outcome is ChipOutcome.NOT_GENUINE
    assert found.reasons == (Fault.DATA_HASH_MISMATCH, Fault.SIGNER_EXPIRED)
    # By a trusted clock an expired signer is not looked up.
    faults = examine(seen, revoking, at=late).faults
    assert [each.fault for each in faults] == [Fault.SIGNER_EXPIRED]


def test_a_chip_without_its_key_is_not_excused_by_a_wrong_clock() -> None:
    announced = dg14(CA_AES_128, chip_key(openssl.public_key(openssl.key("ec:prime256v1"))))
    seen = document(
        signer(days=30), {"DG1": DG1, "DG14": announced},
        chip_auth=ChipAuthFacts("failed", CA_NAME, None),
    )  # fmt: skip
    late = NOW + timedelta(days=999)
    found = verify(seen, trusting(csca()), at=late, clock=ClockQuality.UNKNOWN)
    assert found.outcome is ChipOutcome.NOT_GENUINE
    assert found.reasons == (Fault.CHIP_KEY_MISMATCH, Fault.SIGNER_EXPIRED)


def test_an_issuer_that_is_over_by_an_unknown_clock_is_unsure() -> None:
    seen = document(signer(days=9000))
    at = NOW + timedelta(days=3660)
    unsure = examine(seen, trusting(csca()), at=at, clock=ClockQuality.UNKNOWN)
    assert unsure.validity is Validity.UNSURE
    assert [(type(each), each.fault) for each in unsure.faults] == [
        (ClockUnsure, Fault.ISSUER_EXPIRED)
    ]
    assert examine(seen, trusting(), at=at, clock=ClockQuality.UNKNOWN).validity is (
        Validity.SUPPOSED
    )


def test_an_unknown_issuers_signer_that_is_over_is_only_over() -> None:
    seen = document(signer(days=30))
    at = NOW + timedelta(days=31)
    assert not examine(seen, trusting(), at=at).issuer_unknown
    assert verify(seen, trusting(), at=at).reasons == (Fault.SIGNER_EXPIRED,)
    unsure = verify(seen, trusting(), at=at, clock=ClockQuality.UNKNOWN)
    assert unsure.reasons == (Fault.SIGNER_EXPIRED, Fault.ISSUER_UNKNOWN)


def test_a_signers_key_must_be_as_long_as_the_policy_says() -> None:
    seen = document(signer(kind="rsa:2048"))
    longer = TrustStore([csca().der], policy=TrustPolicy(min_rsa_bits=3072))
    assert fault_of(seen, longer) is Fault.ALGORITHM_WEAK
    short = document(signer(kind="rsa:1024"))
    shorter = TrustStore([csca().der], policy=TrustPolicy(min_rsa_bits=1024))
    assert isinstance(passive_auth(short, shorter, at=NOW), VerifiedGroups)


def test_a_revoked_signer_signs_nothing() -> None:
    seen = document(signer(serial=0x99))
    honest, revoking = trusting(csca()), trusting(csca(), crls=(revocation_list(csca(), 0x99),))
    assert isinstance(passive_auth(seen, honest, at=NOW), VerifiedGroups)
    assert fault_of(seen, revoking) is Fault.SIGNER_REVOKED


def test_a_revoked_issuer_signs_nothing_whatever_other_certificate_holds_its_key() -> None:
    first, again = (root(options=("-set_serial", each)) for each in ("77", "78"))
    seen, revoked = document(issued(first)), (revocation_list(first, 77),)
    assert isinstance(passive_auth(seen, trusting(first), at=NOW), VerifiedGroups)
    revoking = trusting(first, crls=revoked)
    assert fault_of(seen, revoking) is Fault.ISSUER_REVOKED
    found = verify(seen, revoking, at=NOW)
    assert (found.outcome, found.reasons) == (ChipOutcome.NOT_GENUINE, (Fault.ISSUER_REVOKED,))
    for anchors in ((first, again), (again, first)):
        assert isinstance(passive_auth(seen, trusting(*anchors), at=NOW), VerifiedGroups)
        assert fault_of(seen, trusting(*anchors, crls=revoked)) is Fault.ISSUER_REVOKED


def test_a_link_certificate_does_not_save_a_revoked_key() -> None:
    old, new = root("rsa:2048", number=1), root(number=71, options=("-set_serial", "4242"))
    link = issued(
        old, number=71, name="/C=VN/O=Test/CN=CSCA", serial=777,
        extensions=openssl.CA + "authorityKeyIdentifier=keyid",
    )  # fmt: skip
    seen, revoked = document(issued(new)), (revocation_list(old, 4242),)
    for anchors in ((old, new, link), (old, link, new)):
        assert isinstance(passive_auth(seen, trusting(*anchors), at=NOW), VerifiedGroups)
        assert fault_of(seen, trusting(*anchors, crls=revoked)) is Fault.ISSUER_REVOKED
    # The name alone is not the key: what the old key issued stands.
    before = document(issued(old))
    assert isinstance(
        passive_auth(before, trusting(old, new, link, crls=revoked), at=NOW), VerifiedGroups
    )


def test_a_certificate_signed_in_an_unknown_way_is_unreadable_and_no_forgery() -> None:
    known = signer()
    odd = known.der.replace(
        bytes.fromhex("300A06082A8648CE3D040302"), bytes.fromhex("300A06082A8648CE3D040309")
    )
    seen = document(known)
    raw = seen.files["SOD"].replace(known.der, odd)
    assert raw != seen.files["SOD"]
    seen = dataclasses.replace(seen, files={**seen.files, "SOD": raw})
    with pytest.raises(Unproved) as caught:
        passive_auth(seen, trusting(csca()), at=NOW)
    assert caught.value.fault is Fault.PROOF_UNSUPPORTED
    found = verify(seen, trusting(csca()), at=NOW)
    assert (found.outcome, found.groups, found.holder) == (ChipOutcome.UNREADABLE, None, None)
    assert found.reasons == (Fault.PROOF_UNSUPPORTED, Fault.ISSUER_UNKNOWN)
    assert found.checks.pa is Check.UNKNOWN_ISSUER
    assert verify(seen, trusting(), at=NOW).outcome is ChipOutcome.ISSUER_UNKNOWN
    # It excuses neither a changed file nor a signer that is over.
    forged = dataclasses.replace(seen, files={**seen.files, "DG2": b"\x75\x00"})
    found = verify(forged, trusting(csca()), at=NOW)
    assert (found.outcome, found.reasons[0]) == (
        ChipOutcome.NOT_GENUINE, Fault.DATA_HASH_MISMATCH,
    )  # fmt: skip
    late = verify(seen, trusting(csca()), at=NOW + timedelta(days=999))
    assert (late.outcome, late.reasons[0]) == (ChipOutcome.NOT_GENUINE, Fault.SIGNER_EXPIRED)


@pytest.mark.parametrize("name", ["DG2", "DG13"])
@pytest.mark.parametrize("status", [0x6A82, 0x6982, 0x6B00])
def test_a_portrait_or_a_record_that_is_hashed_and_refused_is_missing(
    name: str, status: int
) -> None:
    whole = document(signer(), {"DG1": DG1, name: b"\x75\x01\x01"})
    left = {key: raw for key, raw in whole.files.items() if key != name}
    refused = evidence(left, unreadable={name: status})
    if (name, status) == ("DG13", 0x6982):
        # Locked: its content is the issuer's own, and so is who may read it.
        assert isinstance(passive_auth(refused, trusting(csca()), at=NOW), VerifiedGroups)
        return
    assert fault_of(refused, trusting(csca())) is Fault.ADVERTISED_FILE_MISSING
    found = verify(refused, trusting(csca()), at=NOW)
    assert found.outcome is ChipOutcome.NOT_GENUINE
    # What nobody wanted is not missing, and what nobody hashed was never promised.
    assert isinstance(passive_auth(evidence(left), trusting(csca()), at=NOW), VerifiedGroups)
    unhashed = dataclasses.replace(document(signer(), {"DG1": DG1}), unreadable={name: status})
    assert isinstance(passive_auth(unhashed, trusting(csca()), at=NOW), VerifiedGroups)


@pytest.mark.parametrize("name", ["DG3", "DG4", "DG7", "DG11", "DG12", "DG16"])
@pytest.mark.parametrize("status", [0x6A82, 0x6982])
def test_what_is_behind_the_terminals_rights_or_often_lacking_is_no_lie(
    name: str, status: int
) -> None:
    whole = document(signer(), {"DG1": DG1, name: b"\x63\x00"})
    left = {key: raw for key, raw in whole.files.items() if key != name}
    groups = passive_auth(evidence(left, unreadable={name: status}), trusting(csca()), at=NOW)
    assert groups.files.keys() == {"DG1"}


@pytest.mark.parametrize(
    ("document_md", "object_md", "certificate_md"),
    [("sha1", "sha1", "sha256"), ("sha256", "sha1", "sha256"), ("sha1", "sha256", "sha256"),
     ("sha256", "sha256", "sha1")],
)  # fmt: skip
def test_sha1_is_refused_unless_the_operator_allows_it(
    document_md: str, object_md: str, certificate_md: str
) -> None:
    ds = signer(md=certificate_md)
    seen = document(ds, md=document_md, object_md=object_md)
    assert fault_of(seen, trusting(csca())) is Fault.ALGORITHM_WEAK
    allowed = trusting(csca(), sha1=True)
    assert isinstance(passive_auth(seen, allowed, at=NOW), VerifiedGroups)


@pytest.mark.parametrize(
    "extensions",
    [
        "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash",
        "keyUsage=critical,keyEncipherment\nsubjectKeyIdentifier=hash",
        openssl.DS + "1.2.3.4=critical,DER:0500",
        openssl.DS + "extendedKeyUsage=critical,serverAuth",
        openssl.DS + "extendedKeyUsage=serverAuth",
        openssl.DS + "extendedKeyUsage=2.23.136.1.1.3",  # master lists
        openssl.DS + "extendedKeyUsage=2.23.136.1.1.8",  # deviation lists
    ],
)
def test_a_key_that_may_not_sign_data_signs_nothing(extensions: str) -> None:
    seen = document(signer(extensions=extensions))
    assert fault_of(seen, trusting(csca())) is Fault.SIGNER_NOT_ALLOWED


def test_a_country_signer_may_not_sign_a_document_itself() -> None:
    assert fault_of(document(csca()), trusting(csca())) is Fault.SIGNER_NOT_ALLOWED


def test_a_signer_that_signed_itself_is_unknown_whatever_it_is_called() -> None:
    impostor = root("ec:prime256v1", extensions=openssl.DS, number=44)
    findings = verify(document(impostor), trusting(csca()), at=NOW)
    assert findings.outcome is ChipOutcome.ISSUER_UNKNOWN
    assert findings.reasons == (Fault.ISSUER_UNKNOWN,)
    assert verify(document(impostor), trusting(), at=NOW).reasons == (Fault.ISSUER_UNKNOWN,)


def test_a_weak_signers_key_cannot_be_used() -> None:
    found = verify(document(signer(kind="rsa:1024")), trusting(csca()), at=NOW)
    assert (found.outcome, found.reasons) == (ChipOutcome.UNREADABLE, (Fault.ALGORITHM_WEAK,))


def mutated(seen: Evidence, change: Any) -> Evidence:
    """Return the same with a changed CMS structure."""
    outer = cms.ContentInfo.load(seen.files["SOD"][4:])
    change(outer["content"])
    return dataclasses.replace(seen, files={**seen.files, "SOD": do(0x77, outer.dump(force=True))})


def test_the_message_digest_must_be_that_of_the_content() -> None:
    """The signature is good, but over another document of the same signer."""
    other = document(signer(), {"DG1": b"\x61\x01\x51"})

    def change(signed: Any) -> None:
        theirs = cms.ContentInfo.load(other.files["SOD"][4:])["content"]
        signed["signer_infos"] = theirs["signer_infos"]

    assert fault_of(mutated(document(signer()), change), trusting(csca())) is (
        Fault.SIGNATURE_INVALID
    )


def test_the_content_must_be_that_of_the_message_digest() -> None:
    def change(signed: Any) -> None:
        content = security_object({"DG1": b"\x61\x01\x51"})
        signed["encap_content_info"]["content"] = cms.ParsableOctetString(content)

    forged = mutated(document(signer()), change)
    forged = dataclasses.replace(forged, files={"SOD": forged.files["SOD"], "DG1": b"\x61\x01\x51"})
    assert fault_of(forged, trusting(csca())) is Fault.SIGNATURE_INVALID


def test_the_signature_must_be_by_the_certificate_that_it_names() -> None:
    def another(signed: Any) -> None:
        der = signer(number=51, serial=51).der
        signed["certificates"] = [cms.CertificateChoices("certificate", cms.Certificate.load(der))]

    def none(signed: Any) -> None:
        signed["certificates"] = []

    def twice(signed: Any) -> None:
        der = signer().der
        signed["certificates"] = [
            cms.CertificateChoices("certificate", cms.Certificate.load(der))
        ] * 2

    for change in (another, none, twice):
        forged = mutated(document(signer()), change)
        assert fault_of(forged, trusting(csca())) is Fault.SIGNATURE_INVALID


def test_a_strangers_certificate_with_the_signers_name_does_not_verify() -> None:
    """Right name, right serial number, trusted issuer's key: but not the key that signed."""
    other = signer(number=52, serial=7)

    def change(signed: Any) -> None:
        signed["certificates"] = [
            cms.CertificateChoices("certificate", cms.Certificate.load(other.der))
        ]

    assert fault_of(mutated(document(signer()), change), trusting(csca())) is (
        Fault.SIGNATURE_INVALID
    )


# --- the file's structure


def drop(name: str):
    def change(signed: Any) -> None:
        signed[name] = None

    return change


def second_signature(signed: Any) -> None:
    signed["signer_infos"].append(signed["signer_infos"][0])


def no_signature(signed: Any) -> None:
    signed["signer_infos"] = []


def no_attributes(signed: Any) -> None:
    signed["signer_infos"][0]["signed_attrs"] = None


def attribute_twice(signed: Any) -> None:
    attributes = signed["signer_infos"][0]["signed_attrs"]
    attributes.append(attributes[0])


def another_content_type(signed: Any) -> None:
    signed["encap_content_info"]["content_type"] = "1.2.3.4"


def another_signed_type(signed: Any) -> None:
    for attribute in signed["signer_infos"][0]["signed_attrs"]:
        if attribute["type"].native == "content_type":
            attribute["values"] = ["1.2.3.4"]


def two_digests(signed: Any) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha384"}


def unknown_digest(signed: Any) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "md5"}


def many_certificates(signed: Any) -> None:
    der = signer().der
    signed["certificates"] = [cms.CertificateChoices("certificate", cms.Certificate.load(der))] * 9


@pytest.mark.parametrize(
    "change",
    [drop("certificates"), second_signature, no_signature, no_attributes, attribute_twice,
     another_content_type, another_signed_type, two_digests, unknown_digest, many_certificates],
)  # fmt: skip
def test_another_structure_is_malformed(change: Any) -> None:
    assert fault_of(mutated(document(signer()), change), trusting(csca())) is (
        Fault.SECURITY_OBJECT_MALFORMED
    )


def test_only_signed_data_around_a_security_object_is_a_sod() -> None:
    files = {"DG1": DG1}
    content = security_object(files)
    other_type = openssl.signed(content, signer(), content_type="1.2.840.113549.1.7.1")
    data = do(0x30, do(0x06, bytes.fromhex("2A864886F70D010701")) + do(0xA0, do(0x04, content)))
    for inner in (other_type, data, b"", content):
        with pytest.raises(ChipMalformed):
            sods.parse(do(0x77, inner))
    for raw in (b"", do(0x30, openssl.signed(content, signer())), bytes(70_000)):
        with pytest.raises(ChipMalformed):
            sods.parse(raw)


def test_certificate_choices_that_are_no_certificate_are_left_alone() -> None:
    def change(signed: Any) -> None:
        other = cms.OtherCertificateFormat(
            {"other_cert_format": "1.2.3", "other_cert": core.Null()}
        )
        signed["certificates"].append(cms.CertificateChoices("other", other))

    seen = mutated(document(signer()), change)
    assert isinstance(passive_auth(seen, trusting(csca()), at=NOW), VerifiedGroups)


HASH = do(0x04, bytes(32))
SHA256 = do(0x30, bytes.fromhex("0609608648016503040201"))


def entry(number: int, value: bytes = HASH) -> bytes:
    return do(0x30, do(0x02, bytes((number,))) + value)


def lds(*parts: bytes) -> bytes:
    return do(0x30, b"".join(parts))


V0 = do(0x02, b"\0")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        lds(),
        lds(V0, SHA256),
        lds(do(0x02, b"\2"), SHA256, do(0x30, entry(1)), do(0x30, b""), do(0x30, b"")),
        lds(do(0x02, b"\1"), SHA256, do(0x30, entry(1))),
        lds(V0, SHA256, do(0x30, entry(1)), do(0x30, do(0x13, b"0108") * 2)),
        lds(do(0x02, b"\xff"), SHA256),
        lds(do(0x04, b"\0"), SHA256, do(0x30, entry(1))),
        lds(V0, do(0x30, bytes.fromhex("06082A864886F70D0205")), do(0x30, entry(1))),
        lds(V0, SHA256, do(0x30, b"")),
        lds(V0, SHA256, do(0x30, entry(2))),  # no DG1
        lds(V0, SHA256, do(0x30, entry(1) + entry(1))),
        lds(V0, SHA256, do(0x30, entry(1) + entry(17))),
        lds(V0, SHA256, do(0x30, entry(1) + entry(0))),
        lds(V0, SHA256, do(0x30, entry(1, do(0x04, bytes(20))))),
        lds(V0, SHA256, do(0x30, entry(1, do(0x13, bytes(32))))),
        lds(V0, SHA256, do(0x30, entry(1, HASH + HASH))),
        lds(V0, SHA256, do(0x31, entry(1))),
        lds(do(0x02, b"\1"), SHA256, do(0x30, entry(1)), do(0x30, do(0x13, b"0108"))),
        lds(do(0x02, b"\1"), SHA256, do(0x30, entry(1)), do(0x30, do(0x04, b"0108") * 2)),
    ],
)
def test_what_is_no_security_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        sods.parse_security_object(raw)


def test_without_a_sod_nothing_is_known() -> None:
    seen = evidence({"DG1": DG1})
    assert fault_of(seen, trusting(csca())) is Fault.SECURITY_OBJECT_MISSING
    findings = verify(seen, trusting(csca()), at=NOW)
    assert (findings.outcome, findings.checks.pa) == (ChipOutcome.UNREADABLE, Check.FAILED)


def test_the_instant_is_aware() -> None:
    for judge in (passive_auth, verify, examine):
        with pytest.raises(ValueError, match="aware"):
            judge(document(signer()), trusting(csca()), at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_every_fault_is_listed_the_deciding_one_first() -> None:
    honest = document(signer(days=30))
    sod = bytearray(honest.files["SOD"])
    sod[-1] ^= 1
    forged = evidence({"DG1": DG1 + b"!", "SOD": bytes(sod), "DG2": b"x"})
    later = NOW + timedelta(days=60)
    faults = [each.fault for each in examine(forged, trusting(csca()), at=later).faults]
    assert faults == [Fault.SIGNATURE_INVALID, Fault.DATA_HASH_MISMATCH, Fault.DATA_HASH_MISMATCH]
    changed = dataclasses.replace(honest, files={**honest.files, "DG1": b"x"})
    faults = [each.fault for each in examine(changed, trusting(csca()), at=later).faults]
    assert faults == [Fault.DATA_HASH_MISMATCH, Fault.SIGNER_EXPIRED]


# --- types that carry proof


@pytest.mark.parametrize("kind", [VerifiedGroups, ConsistentGroups])
def test_nobody_else_makes_verified_groups(kind: Any) -> None:
    for seal in (None, object()):
        with pytest.raises(TypeError, match="only passive authentication"):
            kind({"DG1": DG1}, "signer", "issuer", NOW, seal=seal)
    with pytest.raises(TypeError):
        kind({"DG1": DG1}, "signer", "issuer", NOW)


def test_verified_groups_cannot_be_copied_changed_or_kept() -> None:
    groups = passive_auth(document(signer()), trusting(csca()), at=NOW)
    for copying in (copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace):
        with pytest.raises(TypeError):
            copying(groups)
    with pytest.raises(TypeError):
        dataclasses.replace(groups, files={"DG1": b"forged"})
    with pytest.raises(TypeError):
        groups.files["DG1"] = b"forged"  # type: ignore[index] # the point
    with pytest.raises(dataclasses.FrozenInstanceError):
        groups.files = {}  # type: ignore[misc] # the point
    assert DG1.hex() not in repr(groups)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_are_a_sod_or_malformed(data: st.DataObject) -> None:
    sample = document(signer()).files["SOD"]
    at, put = data.draw(st.integers(0, len(sample))), data.draw(st.binary(max_size=4))
    for raw in (put, sample[:at], sample[:at] + put + sample[at + len(put) :]):
        try:
            sods.parse(raw)
        except ChipMalformed:
            continue
        except ChipLied:  # pragma: no cover - would be the finding
            pytest.fail("a parser judges nothing")
