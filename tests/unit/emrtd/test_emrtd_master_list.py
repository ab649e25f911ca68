"""Master lists: openssl's signatures over lists written byte by byte, and a state's own."""

from __future__ import annotations

import contextlib
import copy
import pickle
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import openssl_issuer as openssl
import pytest
from asn1crypto import cms, core
from hypothesis import given
from hypothesis import strategies as st
from master_list import certificates_of_the_list
from openssl_issuer import DS, Identity, issued, needs_openssl, revocation_list, root
from reader_material import do, testdata

from emrtd import master_list
from emrtd.errors import ChipLied, ChipMalformed, EMRTDError, Fault
from emrtd.master_list import (
    MasterList,
    VerifiedMasterList,
    check_intact,
    parse,
    verify,
    verify_by,
)
from emrtd.tlv import encode
from emrtd.trust import TrustPolicy, TrustStore
from emrtd.validity import ClockQuality, Validity

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(UTC) + timedelta(hours=1)
LIST = "2.23.136.1.1.2"
SIGNER = DS + "extendedKeyUsage=critical,2.23.136.1.1.3\n"

pytestmark = needs_openssl


def content(*certificates: bytes, version: int = 0) -> bytes:
    return do(0x30, do(2, bytes((version,))) + do(0x31, b"".join(certificates)))


def csca() -> Identity:
    return root("ec:prime256v1")


def list_signer(**options: Any) -> Identity:
    return issued(csca(), name="/C=VN/CN=ML", **{"extensions": SIGNER, "number": 9, **options})


@cache
def made(
    signer: Identity | None = None, *options: str, md: str = "sha256", body: bytes | None = None,
    content_type: str = LIST,
) -> bytes:  # fmt: skip
    body = content(csca().der, root("rsa:2048", number=1).der) if body is None else body
    return openssl.signed(body, signer or list_signer(), *options, md=md, content_type=content_type)


def trusting(*identities: Identity, **options: Any) -> TrustStore:
    return TrustStore([each.der for each in identities], **options)


def fault_of(work: Callable[..., object], *given: Any, **named: Any) -> Fault:
    with pytest.raises(EMRTDError) as caught:
        work(*given, **named)
    return caught.value.fault


def test_a_list_that_openssl_verifies_is_verified_and_its_certificates_are_untouched() -> None:
    raw = made()
    assert openssl.accepts(do(0x77, raw), csca()) == content(
        csca().der, root("rsa:2048", number=1).der
    )
    listed = parse(raw)
    assert listed.certificates == (csca().der, root("rsa:2048", number=1).der)
    assert check_intact(listed).raw == list_signer().der
    found = verify(listed, trusting(csca()), at=NOW)
    assert isinstance(found, VerifiedMasterList)
    assert not isinstance(listed, VerifiedMasterList)
    assert found.certificates == listed.certificates
    assert ("ML" in found.signer, "CSCA" in found.issuer) == (True, True)
    assert (found.validity, found.not_after > NOW) == (Validity.HELD, True)
    assert verify_by(listed, list_signer().der, at=NOW) == found


@pytest.mark.parametrize("options", [("-keyid",), ("-nocerts",)])
def test_a_signer_may_be_named_by_its_key_and_need_not_be_embedded(options: tuple[str]) -> None:
    raw = made(None, *options)
    if options == ("-nocerts",):
        # openssl leaves the whole field away: a list without any certificate is not one of ICAO's.
        with pytest.raises(ChipMalformed):
            parse(raw)
        return
    assert verify(parse(raw), trusting(csca()), at=NOW).validity is Validity.HELD


def test_a_certificate_that_stands_twice_is_listed_once() -> None:
    listed = parse(made(body=content(csca().der, csca().der)))
    assert listed.certificates == (csca().der,)
    assert parse(made(body=content())).certificates == ()


# --- nothing is trusted in silence


def test_a_list_of_a_stranger_is_not_verified() -> None:
    stranger = root(name="/C=VN/O=Other/CN=CSCA", number=3)
    listed = parse(made())
    assert fault_of(verify, listed, trusting(), at=NOW) is Fault.ISSUER_UNKNOWN
    assert fault_of(verify, listed, trusting(stranger), at=NOW) is Fault.ISSUER_UNKNOWN
    # A list may not vouch for itself: its own certificates are no anchors.
    assert csca().der in listed.certificates
    other = list_signer(number=10, serial=8)
    assert fault_of(verify_by, listed, other.der, at=NOW) is Fault.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "extensions",
    [
        DS,
        DS + "extendedKeyUsage=2.23.136.1.1.4",
        SIGNER.replace("digitalSignature", "keyCertSign"),
        SIGNER + "1.2.3.4=critical,DER:0500",
    ],
)
def test_a_key_that_may_not_sign_lists_signs_none(extensions: str) -> None:
    signer = list_signer(extensions=extensions)
    listed = parse(made(signer))
    assert fault_of(check_intact, listed) is Fault.SIGNER_NOT_ALLOWED
    assert fault_of(verify, listed, trusting(csca()), at=NOW) is Fault.SIGNER_NOT_ALLOWED
    assert fault_of(verify_by, listed, signer.der, at=NOW) is Fault.SIGNER_NOT_ALLOWED


def test_a_country_signer_signs_no_list_itself() -> None:
    listed = parse(made(csca()))
    assert fault_of(verify, listed, trusting(csca()), at=NOW) is Fault.SIGNER_NOT_ALLOWED


def test_other_uses_beside_do_no_harm() -> None:
    signer = list_signer(extensions=SIGNER.strip() + ",2.23.136.1.1.4\n", number=12)
    assert verify(parse(made(signer)), trusting(csca()), at=NOW).validity is Validity.HELD
    uncritical = list_signer(extensions=SIGNER.replace("critical,2.23", "2.23"), number=13)
    assert verify(parse(made(uncritical)), trusting(csca()), at=NOW).validity is Validity.HELD


def changed(raw: bytes, change: Callable[[Any], None]) -> MasterList:
    outer = cms.ContentInfo.load(raw)
    change(outer["content"])
    return parse(outer.dump(force=True))


def test_another_list_than_was_signed_is_found_out() -> None:
    def swap(signed: Any) -> None:
        body = content(csca().der)
        signed["encap_content_info"]["content"] = core.ParsableOctetString(body)

    def nobody(signed: Any) -> None:
        der = list_signer(number=14, serial=9).der
        signed["certificates"] = [cms.CertificateChoices("certificate", cms.Certificate.load(der))]

    def signature(signed: Any) -> None:
        signed["signer_infos"][0]["signature"] = bytes(64)

    for change in (swap, nobody, signature):
        listed = changed(made(), change)
        assert fault_of(check_intact, listed) is Fault.SIGNATURE_INVALID
        assert fault_of(verify, listed, trusting(csca()), at=NOW) is Fault.SIGNATURE_INVALID


def test_what_rests_on_sha1_or_on_a_short_key_is_refused_unless_the_operator_allows_it() -> None:
    for raw, signer in (
        (made(md="sha1"), list_signer()),
        (made(list_signer(md="sha1", number=15)), list_signer(md="sha1", number=15)),
    ):
        listed = parse(raw)
        assert fault_of(verify, listed, trusting(csca()), at=NOW) is Fault.ALGORITHM_WEAK
        assert verify(listed, trusting(csca(), allow_sha1=True), at=NOW).validity is Validity.HELD
        allowed = TrustPolicy(allow_sha1=True)
        assert verify_by(listed, signer.der, at=NOW, policy=allowed).validity is Validity.HELD
    listed = parse(made(md="sha1"))
    assert fault_of(check_intact, listed) is Fault.ALGORITHM_WEAK
    assert fault_of(verify_by, listed, list_signer().der, at=NOW) is Fault.ALGORITHM_WEAK
    assert check_intact(listed, policy=TrustPolicy(allow_sha1=True)).raw == list_signer().der
    short = parse(made(list_signer(kind="rsa:1024", number=16)))
    assert fault_of(check_intact, short) is Fault.ALGORITHM_WEAK


def test_a_signer_is_judged_at_an_instant_by_a_clock() -> None:
    signer = list_signer(days=30)
    listed = parse(made(signer))
    for at in (NOW - timedelta(days=2), NOW + timedelta(days=31)):
        for clock in ClockQuality:
            judged = {"at": at, "clock": clock}
            assert fault_of(verify, listed, trusting(csca()), **judged) is Fault.SIGNER_EXPIRED
            assert fault_of(verify_by, listed, signer.der, **judged) is Fault.SIGNER_EXPIRED
    found = verify(listed, trusting(csca()), at=NOW, clock=ClockQuality.UNKNOWN)
    assert found.validity is Validity.SUPPOSED
    with pytest.raises(ChipLied, match="clock"):
        verify_by(listed, signer.der, at=NOW + timedelta(days=31), clock=ClockQuality.UNKNOWN)
    outlives = parse(made(list_signer(days=9000, number=17)))
    late = NOW + timedelta(days=3660)
    assert fault_of(verify, outlives, trusting(csca()), at=late) is Fault.SIGNER_EXPIRED


def test_a_revoked_signer_signs_no_list() -> None:
    revoking = trusting(csca(), crls=(revocation_list(csca(), 7),))
    assert fault_of(verify, parse(made()), revoking, at=NOW) is Fault.SIGNER_REVOKED


def test_a_revoked_issuers_signer_signs_no_list() -> None:
    issuer = root("ec:prime256v1", options=("-set_serial", "77"))
    listed = parse(made(issued(issuer, name="/C=VN/CN=ML", number=9, extensions=SIGNER)))
    assert isinstance(verify(listed, trusting(issuer), at=NOW), VerifiedMasterList)
    revoking = trusting(issuer, crls=(revocation_list(issuer, 77),))
    assert fault_of(verify, listed, revoking, at=NOW) is Fault.ISSUER_REVOKED


def test_only_a_verification_makes_a_verified_list() -> None:
    with pytest.raises(TypeError):
        VerifiedMasterList((), "", "", NOW, Validity.HELD)
    found = verify(parse(made()), trusting(csca()), at=NOW)
    for work in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            work(found)


# --- structure


def broken() -> dict[str, bytes]:
    der = csca().der
    return {
        "another version": content(der, version=1),
        "no version": do(0x30, do(0x31, der)),
        "a version of another type": do(0x30, do(4, b"\0") + do(0x31, der)),
        "three parts": do(0x30, do(2, b"\0") + do(0x31, der) + do(2, b"\0")),
        "no set": do(0x30, do(2, b"\0") + do(0x30, der)),
        "what is no sequence": content(do(4, b"x")),
        "what is longer than any": encode(
            0x30, do(2, b"\0") + encode(0x31, encode(0x30, bytes(65_533)))
        ),
        "noise": b"noise",
        "more": content(der) + b"\0",
    }


def test_what_is_no_list_is_malformed() -> None:
    for why, body in broken().items():
        try:
            parse(made(body=body))
        except ChipMalformed:
            continue
        pytest.fail(why)


def test_signed_data_of_another_kind_is_no_list() -> None:
    for raw in (made(content_type="2.23.136.1.1.1"), b"", made()[:-1], bytes(200)):
        with pytest.raises(ChipMalformed):
            parse(raw)


def test_every_length_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = made()
    monkeypatch.setattr(master_list, "MAX_CERTIFICATES", 2)
    assert len(parse(raw).certificates) == 2
    monkeypatch.setattr(master_list, "MAX_CERTIFICATES", 1)
    with pytest.raises(ChipMalformed):
        parse(raw)
    monkeypatch.setattr(master_list, "MAX_BYTES", len(raw) - 1)
    with pytest.raises(ChipMalformed, match="too long"):
        parse(raw)


def test_a_member_as_long_as_no_certificate_is_none() -> None:
    longest, longer = (
        encode(0x30, encode(4, bytes(master_list.MAX_CERTIFICATE_BYTES - less))) for less in (8, 7)
    )
    assert len(longest) == master_list.MAX_CERTIFICATE_BYTES
    assert parse(made(body=one_member(longest))).certificates == (longest,)
    with pytest.raises(ChipMalformed, match="no certificate"):
        parse(made(body=one_member(longer)))


def one_member(member: bytes) -> bytes:
    return encode(0x30, encode(2, b"\0") + encode(0x31, member))


@given(st.binary(max_size=60), st.data())
def test_any_bytes_are_a_list_or_malformed(raw: bytes, data: st.DataObject) -> None:
    sample = made()
    at = data.draw(st.integers(0, len(sample)))
    for each in (raw, sample[:at] + raw[:3] + sample[at + len(raw[:3]) :]):
        with contextlib.suppress(ChipMalformed, ChipLied):
            found = verify(parse(each), trusting(csca()), at=NOW)
            assert found.certificates == parse(sample).certificates


# --- as states really issue


@pytest.mark.testdata
def test_a_states_list_is_verified_by_the_country_signer_that_it_carries() -> None:
    listed = parse(testdata("data", "csca", "DE_ML_2026-05-28.ml").read_bytes())
    assert listed.certificates == certificates_of_the_list()
    signer, authority = listed.signed.certificates
    at = datetime(2026, 6, 1, tzinfo=UTC)
    found = verify(listed, TrustStore([authority.raw]), at=at)
    assert "CSCA Master List Signer" in found.signer
    assert verify_by(listed, signer.raw, at=at) == found
    # That authority is an anchor of the list too, and so are its earlier keys.
    assert authority.raw in listed.certificates
    assert fault_of(verify, listed, TrustStore([]), at=at) is Fault.ISSUER_UNKNOWN
    assert fault_of(verify_by, listed, authority.raw, at=at) is Fault.SIGNER_NOT_ALLOWED
