"""What asn1crypto is not given to read: bytes that ask for far more work than they are worth."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from asn1crypto import core, x509
from hypothesis import given
from hypothesis import strategies as st

from emrtd import _asn1, certificate, crl
from emrtd.chip_auth import usable_key, ways
from emrtd.errors import ChipMalformed
from emrtd.security_infos import ChipAuthenticationInfo, ChipAuthenticationPublicKeyInfo
from emrtd.tlv import encode


def refused(raw: bytes, **bounds: int) -> None:
    with pytest.raises(ValueError):
        _asn1.load(core.Sequence, raw, **bounds)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x30",
        b"\x30\x05\x02\x01\x01",
        b"\x30\x03\x02\x02\x01",
        b"\x30\x03\x02\x80\x01",
        b"\x30\x80\x02\x01\x01",
        b"\x30\x86" + bytes(6),
        b"\x30\x82\x01",
        b"\x3f\xff\xff",
        b"\x3f" + b"\xff" * 8 + b"\x01\x00",
        b"\x30\x04\x30\x05\x02\x01",
    ],
    ids=bytes.hex,
)
def test_what_does_not_fit_together_is_refused(raw: bytes) -> None:
    refused(raw)


def test_an_open_ended_structure_is_read_up_to_its_end() -> None:
    found = _asn1.load(core.Sequence, b"\x30\x80\x30\x80\x02\x01\x05\x00\x00\x00\x00")
    assert int(found[0][0]) == 5


def test_a_tag_of_several_bytes_is_one() -> None:
    assert _asn1.load(core.Sequence, encode(0x30, b"\x5f\x81\x7f\x00"))
    refused(encode(0x30, b"\x5f\x81\x82\x01"))


def test_an_object_identifier_is_as_long_as_any_needs_to_be() -> None:
    fits = encode(0x30, encode(0x06, b"\x2a" * _asn1.MAX_OID_BYTES))
    assert _asn1.load(core.Sequence, fits)[0].dotted.startswith("1.2.42")
    refused(encode(0x30, encode(0x06, b"\x2a" * (_asn1.MAX_OID_BYTES + 1))))


def test_objects_are_counted_at_all_depths() -> None:
    two = encode(0x30, encode(0x30, encode(0x02, b"\x01")))
    assert len(_asn1.load(core.Sequence, two, max_objects=3)) == 1
    refused(two, max_objects=2)


def test_depth_is_bounded() -> None:
    deep = encode(0x02, b"\x01")
    for _ in range(_asn1.MAX_DEPTH):
        deep = encode(0x30, deep)
    refused(deep)
    assert _asn1.load(core.Sequence, deep[2:])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_structure_or_a_value_error(raw: bytes) -> None:
    try:
        _asn1.load(core.Any, raw)
    except ValueError:
        return
    assert raw


def test_a_revocation_list_with_a_giant_name_is_refused_at_once() -> None:
    name = encode(0x30, encode(0x31, encode(0x30, encode(0x06, b"\xaa" * 400_000 + b"\x01"))))
    before = time.process_time()
    with pytest.raises(ChipMalformed):
        crl.parse(encode(0x30, encode(0x30, name)))
    assert time.process_time() - before < 5


def test_a_certificate_with_a_giant_serial_number_can_be_shown() -> None:
    shown = repr(_with_serial(1 << 40_000))
    assert len(shown) < 400


def _with_serial(serial: int) -> certificate.Certificate:
    given_name = x509.Name.build({"country_name": "ZZ"})
    made = x509.Certificate(
        {
            "tbs_certificate": {
                "version": "v3",
                "serial_number": serial,
                "signature": {"algorithm": "sha256_rsa"},
                "issuer": given_name,
                "validity": {
                    "not_before": x509.Time({"utc_time": _instant()}),
                    "not_after": x509.Time({"utc_time": _instant()}),
                },
                "subject": given_name,
                "subject_public_key_info": {
                    "algorithm": {"algorithm": "rsa"},
                    "public_key": {"modulus": 15, "public_exponent": 3},
                },
            },
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature_value": b"none",
        }
    )
    return certificate.parse(made.dump())


def _instant() -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC)


def test_each_key_is_looked_for_in_its_group_once() -> None:
    """However often DG14 announces a way to use it: that is work which a chip asks for."""
    number = encode(0x02, b"\0" + b"\xb5" * 384)
    parameters = encode(0x30, number + encode(0x02, b"\x05"))
    pkcs_3 = encode(0x06, bytes.fromhex("2A864886F70D010301"))
    public = encode(0x03, b"\0" + encode(0x02, b"\x07"))
    info = encode(0x30, encode(0x30, pkcs_3 + parameters) + public)
    key = ChipAuthenticationPublicKeyInfo("0.4.0.127.0.7.2.2.1.1", info, 1)
    many = [ChipAuthenticationInfo("0.4.0.127.0.7.2.2.3.1.2", 1, 1)] * 60
    before = time.process_time()
    usable_key(key)
    once = time.process_time() - before
    assert ways([key, *many]) == ()
    assert time.process_time() - before < 10 * once + 0.5
