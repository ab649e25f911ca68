"""Certificates of openssl, of every state in a public list, and broken ones."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asn1crypto import core, x509
from cryptography import x509 as their_x509
from cryptography.x509.oid import ExtensionOID
from hypothesis import given, settings
from hypothesis import strategies as st
from master_list import certificates_of_the_list
from openssl_issuer import CA, DS, issued, needs_openssl, public_key, root
from reader_material import do, testdata

from emrtd import certificate as certificates
from emrtd.errors import ChipLied, ChipMalformed, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = needs_openssl


def test_a_signer_is_read_as_cryptography_reads_it() -> None:
    issuer = root("rsa:2048", "/C=vn/O=Bộ Công an/CN=CSCA")
    raw = issued(issuer, serial=0x1234).der
    ours, theirs = certificates.parse(raw), their_x509.load_der_x509_certificate(raw)
    assert (ours.raw, ours.signed) == (raw, theirs.tbs_certificate_bytes)
    assert (ours.signature, ours.serial) == (theirs.signature, theirs.serial_number)
    assert (ours.not_before, ours.not_after) == (
        theirs.not_valid_before_utc, theirs.not_valid_after_utc,
    )  # fmt: skip
    find = theirs.extensions.get_extension_for_oid
    assert ours.key_id == find(ExtensionOID.SUBJECT_KEY_IDENTIFIER).value.digest
    authority = find(ExtensionOID.AUTHORITY_KEY_IDENTIFIER).value
    assert ours.issuer_key_id == authority.key_identifier
    assert ours.issuer_key_id == certificates.parse(issuer.der).key_id
    assert ours.key_info in raw
    assert ours.uses == {"digital_signature"}
    assert (ours.authority, ours.unknown_critical, ours.self_issued) == (None, False, False)
    assert (ours.may_sign_data, ours.may_sign_certificates, ours.may_sign_revocations) == (
        True, False, False,
    )  # fmt: skip
    assert ours.country == "VN"
    assert "Bộ Công an" in ours.issuer_text
    assert repr(ours).startswith("<Certificate 'Common Name: DS")


def test_only_its_issuers_key_signed_it() -> None:
    one, other = root("rsa:2048", number=1), root("rsa:2048", number=2)
    signer = certificates.parse(issued(one).der)
    signer.check_issued_by(certificates.parse(one.der).key())
    for key_ in (certificates.parse(other.der).key(), signer.key()):
        with pytest.raises(ChipLied) as caught:
            signer.check_issued_by(key_)
        assert caught.value.fault is Fault.SIGNATURE_INVALID


def test_names_that_differ_in_their_string_type_only_are_one_name() -> None:
    utf8 = certificates.parse(root(name="/C=VN/O=Test/CN=CSCA").der)
    raw = utf8.raw.replace(b"\x0c\x04CSCA", b"\x13\x04CSCA")
    assert raw != utf8.raw
    assert certificates.parse(raw).subject == utf8.subject
    assert certificates.parse(raw.replace(b"CSCA", b"CSCB")).subject != utf8.subject


@pytest.mark.parametrize(
    ("extensions", "authority", "data", "certs", "lists"),
    [
        (CA, True, False, True, True),
        (DS, None, True, False, False),
        ("basicConstraints=CA:TRUE", True, True, True, True),
        ("basicConstraints=CA:FALSE", False, True, False, True),
        ("keyUsage=keyCertSign", None, False, True, False),  # as states do
        ("basicConstraints=CA:FALSE\nkeyUsage=keyCertSign", False, False, False, False),
        ("basicConstraints=CA:TRUE\nkeyUsage=digitalSignature", True, True, False, False),
        ("subjectKeyIdentifier=hash", None, True, False, True),
        (DS + "extendedKeyUsage=2.23.136.1.1.3", None, False, False, False),
        (DS + "extendedKeyUsage=serverAuth,emailProtection", None, False, False, False),
        (DS + "extendedKeyUsage=serverAuth,anyExtendedKeyUsage", None, True, False, False),
        ("extendedKeyUsage=serverAuth", None, False, False, True),
    ],
)
def test_what_a_key_may_do(extensions: str, authority, data, certs, lists) -> None:
    parsed = certificates.parse(root(extensions=extensions).der)
    assert parsed.authority is authority
    assert parsed.may_sign_data is data
    assert parsed.may_sign_certificates is certs
    assert parsed.may_sign_revocations is lists
    # An extended use limits what is signed, not that it is.
    assert parsed.may_sign is (data or "extendedKeyUsage" in extensions)


def test_a_critical_extension_that_is_not_understood_is_noted() -> None:
    for line, noted in (("1.2.3.4=critical,DER:0500", True), ("1.2.3.4=DER:0500", False)):
        parsed = certificates.parse(root(extensions=f"{CA}\n{line}").der)
        assert parsed.unknown_critical is noted


def test_both_ends_of_a_validity_are_valid() -> None:
    parsed, second = certificates.parse(root().der), timedelta(seconds=1)
    assert parsed.valid_at(parsed.not_before)
    assert parsed.valid_at(parsed.not_after)
    assert not parsed.valid_at(parsed.not_before - second)
    assert not parsed.valid_at(parsed.not_after + second)


def rewritten(change: Callable[[x509.Certificate], None], **options) -> bytes:
    whole = x509.Certificate.load(root(**options).der)
    change(whole)
    return whole.dump(force=True)


def setting(name: str, value) -> Callable[[x509.Certificate], None]:
    def change(whole: x509.Certificate) -> None:
        whole["tbs_certificate"][name] = value

    return change


@pytest.mark.parametrize("serial", [0, -5, 2**159])
def test_any_integer_is_a_serial_number(serial: int) -> None:
    assert certificates.parse(rewritten(setting("serial_number", serial))).serial == serial


def test_times_of_both_types_are_aware() -> None:
    def change(whole: x509.Certificate) -> None:
        time = core.GeneralizedTime(datetime(2050, 1, 1, tzinfo=UTC))
        whole["tbs_certificate"]["validity"]["not_after"] = x509.Time("general_time", time)

    assert certificates.parse(rewritten(change)).not_after == datetime(2050, 1, 1, tzinfo=UTC)


def test_a_year_that_no_calendar_has_is_malformed() -> None:
    def change(whole: x509.Certificate) -> None:
        time = core.GeneralizedTime(contents=b"00000101000000Z")
        whole["tbs_certificate"]["validity"]["not_before"] = x509.Time("general_time", time)

    with pytest.raises(ChipMalformed):
        certificates.parse(rewritten(change))


def test_two_algorithms_for_one_signature_are_malformed() -> None:
    def change(whole: x509.Certificate) -> None:
        whole["signature_algorithm"] = {"algorithm": "sha384_ecdsa"}

    with pytest.raises(ChipMalformed):
        certificates.parse(rewritten(change))


def test_an_unknown_signature_algorithm_is_malformed_when_it_is_asked_for() -> None:
    def change(whole: x509.Certificate) -> None:
        whole["signature_algorithm"] = {"algorithm": "md5_rsa"}
        whole["tbs_certificate"]["signature"] = {"algorithm": "md5_rsa"}

    parsed = certificates.parse(rewritten(change))
    with pytest.raises(ChipMalformed):
        parsed.scheme()


def test_extensions_are_few_and_none_stands_twice() -> None:
    def twice(whole: x509.Certificate) -> None:
        extensions = whole["tbs_certificate"]["extensions"]
        extensions.append(extensions[0])

    def many(whole: x509.Certificate) -> None:
        whole["tbs_certificate"]["extensions"] = [
            {"extn_id": f"1.2.3.{n}", "extn_value": b"\5\0"} for n in range(65)
        ]

    for change in (twice, many):
        with pytest.raises(ChipMalformed):
            certificates.parse(rewritten(change))


def test_a_certificate_without_extensions_is_read() -> None:
    def change(whole: x509.Certificate) -> None:
        body = whole["tbs_certificate"]
        for name in ("extensions", "version"):
            body[name] = None if name == "extensions" else "v1"

    parsed = certificates.parse(rewritten(change))
    assert (parsed.key_id, parsed.issuer_key_id, parsed.uses, parsed.authority) == (None,) * 4


def test_an_authority_key_identifier_may_name_no_key() -> None:
    assert certificates.issuer_key_id(do(0x30, do(0x82, b"\1"))) is None
    assert certificates.issuer_key_id(do(0x30, do(0x80, b"id"))) == b"id"


@pytest.mark.parametrize(
    ("name", "country"),
    [("/C=VN", "VN"), ("/C=un", "UN"), ("/O=no country/CN=x", None), ("/CN=x", None)],
)
def test_a_country_is_upper_case_letters_or_none(name: str, country: str | None) -> None:
    assert certificates.parse(root(name=name).der).country == country


def test_a_country_that_is_none_is_not_shown() -> None:
    raw = root(name="/C=VN/CN=x").der
    assert certificates.parse(raw.replace(b"\x13\x02VN", b"\x13\x02V1")).country is None


def test_a_name_is_shown_without_control_characters_and_not_without_end() -> None:
    name = (
        "/C=VN" + "/OU=" + "x" * 9 + "\x1b[31m" + "x" * 40 + "/OU=" + "y" * 64 + "/CN=" + "z" * 64
    )
    shown = certificates.parse(root(name=name).der).subject_text
    assert len(shown) <= certificates.MAX_NAME_CHARS
    assert shown.isprintable()
    assert "?[31m" in shown


def test_what_is_longer_than_any_certificate_is_malformed() -> None:
    for raw in (bytes(65_537), root().der + b"\0", b"", root().der[:-1]):
        with pytest.raises(ChipMalformed):
            certificates.parse(raw)


@pytest.mark.testdata
def test_every_certificate_of_a_public_list_is_read_as_asn1crypto_reads_it() -> None:
    listed = certificates_of_the_list()
    assert len(listed) == 588
    for raw in listed:
        ours = certificates.parse(raw)
        theirs = x509.Certificate.load(raw)
        assert ours.serial == theirs.serial_number
        assert ours.not_after == theirs.not_valid_after
        assert ours.key_id == theirs.key_identifier
        assert ours.raw == raw


@pytest.mark.testdata
def test_the_written_out_curve_of_viet_nams_passports_is_brainpool_p512r1() -> None:
    raw = testdata("vectors", "VN_CSCA_6b5fa6fe.der").read_bytes()
    parsed = certificates.parse(raw)
    assert (parsed.country, parsed.self_issued, parsed.may_sign_certificates) == ("VN", True, True)
    key_ = parsed.key()
    assert key_.curve.name == "brainpoolP512r1"  # type: ignore[union-attr] # it has one
    parsed.check_issued_by(key_)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_bytes_are_a_certificate_or_malformed(data: st.DataObject) -> None:
    sample = root("rsa:2048").der
    at, put = data.draw(st.integers(0, len(sample))), data.draw(st.binary(max_size=4))
    for raw in (put, sample[:at], sample[:at] + put + sample[at + len(put) :]):
        with contextlib.suppress(ChipMalformed):
            parsed = certificates.parse(raw)
            parsed.scheme()
            parsed.key()


def test_a_key_is_what_openssl_says_it_is() -> None:
    identity = root("rsa:2048")
    assert certificates.parse(identity.der).key_info == public_key(identity.key)
