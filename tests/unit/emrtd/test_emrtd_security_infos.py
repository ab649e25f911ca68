from __future__ import annotations

import contextlib
import json

import pytest
from asn1crypto.core import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st
from issued_documents import BSI, CA_AES_128, PACE_AES_128, chip_key, dg14, info, number, oid
from reader_material import do, testdata, vector

from emrtd import _der
from emrtd._crypto import Cipher
from emrtd.errors import ChipMalformed
from emrtd.lds import card_access
from emrtd.lds import dg14 as dg14s
from emrtd.security_infos import (
    MAX_INFOS,
    ActiveAuthenticationInfo,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    PACEDomainParameterInfo,
    PACEInfo,
    UnknownInfo,
    parse_dg14,
    parse_security_infos,
)
from emrtd.tlv import TLV, length_from_head

CCCD = bytes.fromhex(vector("vn_cccd_synthetic")["EF.CardAccess"])
KEY = do(0x30, do(0x30, oid("2A8648CE3D0201")) + do(0x03, b"\0\4"))


def test_the_one_card_access_of_the_citizen_card_that_was_seen() -> None:
    ta, ca, pace = parse_security_infos(CCCD)
    assert ta == UnknownInfo("0.4.0.127.0.7.2.2.2")
    assert ca == ChipAuthenticationInfo("0.4.0.127.0.7.2.2.3.2.2", 1, None)
    assert pace == PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 13)
    assert isinstance(ca, ChipAuthenticationInfo)
    assert isinstance(pace, PACEInfo)
    assert (pace.name, pace.mapping, pace.aes_key_bytes) == (
        "PACE-ECDH-GM-AES-CBC-CMAC-128", "ECDH-GM", 16,
    )  # fmt: skip
    assert (ca.name, ca.agreement, ca.aes_key_bytes) == ("CA-ECDH-AES-CBC-CMAC-128", "ECDH", 16)
    assert card_access.parse(CCCD).pace == {pace}
    assert card_access.parse(CCCD).infos == (ta, ca, pace)


@pytest.mark.testdata
def test_every_card_access_of_other_states_is_read() -> None:
    path = testdata("vectors", "openpace_misc_cvc_cardaccess.json")
    arrays = json.loads(path.read_text(encoding="utf-8"))["arrays"]
    dumps = {k: bytes.fromhex(v) for k, v in arrays.items() if "cardaccess" in k}
    # As read by somebody who read on: what follows a file's length is not the file's.
    files = {key: raw[: sum(length_from_head(raw))] for key, raw in dumps.items()}
    assert len(files) == 5
    names = {
        key: sorted(each.name for each in parse_security_infos(raw) if isinstance(each, PACEInfo))
        for key, raw in files.items()
    }
    mapped = ["PACE-ECDH-GM-AES-CBC-CMAC-128"]
    assert names == {
        "ef_cardaccess_old_testcard": mapped,
        "ef_cardaccess_new_testcard": mapped,
        "ef_cardaccess_dan": mapped,
        "ef_cardaccess_slowenia": [],  # chip authentication only
        "ef_cardaccess_ca3": ["PACE-ECDH-CAM-AES-CBC-CMAC-128", *mapped],
    }
    for raw in files.values():
        for end in range(len(raw)):
            with pytest.raises(ChipMalformed):
                parse_security_infos(raw[:end])


@pytest.mark.parametrize(
    ("arcs", "name", "mapping", "key_bytes"),
    [
        ("1.1", "PACE-DH-GM-3DES-CBC-CBC", "DH-GM", None),
        ("2.3", "PACE-ECDH-GM-AES-CBC-CMAC-192", "ECDH-GM", 24),
        ("3.2", "PACE-DH-IM-AES-CBC-CMAC-128", "DH-IM", 16),
        ("4.4", "PACE-ECDH-IM-AES-CBC-CMAC-256", "ECDH-IM", 32),
        ("6.2", "PACE-ECDH-CAM-AES-CBC-CMAC-128", "ECDH-CAM", 16),
        ("5.2", None, None, 16),
        ("2.5", None, "ECDH-GM", None),
        ("2", None, None, None),
        ("2.2.2", None, None, None),
    ],
)
def test_pace_is_named_by_its_arcs(arcs, name, mapping, key_bytes) -> None:
    protocol = f"0.4.0.127.0.7.2.2.4.{arcs}"
    made = PACEInfo(protocol, 2, 13)
    assert (made.name, made.mapping, made.aes_key_bytes) == (name or protocol, mapping, key_bytes)


def test_ciphers_and_their_keys_are_named() -> None:
    for cipher, found in (
        (1, (Cipher.TRIPLE_DES, 16, None)), (2, (Cipher.AES, 16, 16)), (3, (Cipher.AES, 24, 24)),
        (4, (Cipher.AES, 32, 32)), (5, (None, None, None)), (0, (None, None, None)),
    ):  # fmt: skip
        pace = PACEInfo(f"0.4.0.127.0.7.2.2.4.2.{cipher}", 2, 13)
        ca = ChipAuthenticationInfo(f"0.4.0.127.0.7.2.2.3.2.{cipher}", 1, None)
        assert (pace.cipher, pace.key_bytes, pace.aes_key_bytes) == found
        assert (ca.cipher, ca.key_bytes, ca.aes_key_bytes) == found


def test_domain_parameters_are_kept_as_they_are() -> None:
    standard = info(oid("04007F00070102"), number(13))
    sets = [info(oid(f"{BSI}04{arc:02X}"), standard, number(40)) for arc in (1, 2, 3, 4, 6)]
    found = parse_security_infos(do(0x31, b"".join(sets) + info(oid(BSI + "0402"), standard)))
    parameters = [each for each in found if isinstance(each, PACEDomainParameterInfo)]
    assert [each.mapping for each in parameters] == [
        "DH-GM", "ECDH-GM", "DH-IM", "ECDH-IM", "ECDH-CAM", "ECDH-GM",
    ]  # fmt: skip
    assert [each.parameter_id for each in parameters] == [40] * 5 + [None]
    assert {each.parameters for each in parameters} == {standard}
    assert standard.hex() not in repr(parameters)
    assert card_access.parse(do(0x31, sets[0])).pace == frozenset()
    unknown = info(oid(BSI + "0405"), standard)
    assert parse_security_infos(do(0x31, unknown)) == (UnknownInfo("0.4.0.127.0.7.2.2.4.5"),)
    for broken in (number(13), info(), info(number(1), number(1), number(1))):
        with pytest.raises(ChipMalformed):
            parse_security_infos(do(0x31, info(oid(BSI + "0402"), broken)))


def test_chip_authentication_is_named_by_its_arcs() -> None:
    for arcs, name, agreement in (
        ("1.2", "CA-DH-AES-CBC-CMAC-128", "DH"),
        ("2.1", "CA-ECDH-3DES-CBC-CBC", "ECDH"),
        ("3.2", None, None),
    ):
        protocol = f"0.4.0.127.0.7.2.2.3.{arcs}"
        made = ChipAuthenticationInfo(protocol, 1, None)
        assert (made.name, made.agreement) == (name or protocol, agreement)


def test_what_dg14_announces() -> None:
    aa = info(oid("678108010105"), number(1), oid("04007F000701010401" + "03"))
    old = info(oid("678108010105"), number(1))  # no algorithm: nothing to go by
    dh = info(oid(BSI + "0101"), KEY)
    raw = dg14(PACE_AES_128, CA_AES_128, chip_key(KEY, number(5)), dh, aa, old)
    parsed = dg14s.parse(raw)
    assert parsed.pace == {PACEInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 13)}
    assert parsed.chip_auth == (ChipAuthenticationInfo("0.4.0.127.0.7.2.2.3.2.2", 1, None),)
    ecdh, plain = parsed.chip_auth_keys
    assert ecdh == ChipAuthenticationPublicKeyInfo("0.4.0.127.0.7.2.2.1.2", KEY, 5)
    assert (ecdh.agreement, plain.agreement, plain.key_id) == ("ECDH", "DH", None)
    assert parsed.active_auth == ActiveAuthenticationInfo(1, "0.4.0.127.0.7.1.1.4.1.3")
    assert parsed.infos[-1] == UnknownInfo("2.23.136.1.1.5")
    assert dg14s.parse(dg14(PACE_AES_128)).active_auth is None
    assert KEY.hex() not in repr(parsed)


def test_members_are_few() -> None:
    assert len(parse_security_infos(do(0x31, PACE_AES_128 * MAX_INFOS))) == MAX_INFOS
    with pytest.raises(ChipMalformed, match="65 of them"):
        parse_security_infos(do(0x31, PACE_AES_128 * (MAX_INFOS + 1)))


@pytest.mark.parametrize(
    "raw",
    [
        "", "3000", "31023000", "3103020100", "310530030201013000",
        "310430020500", "3105300306010A", "31083006060104020101FF",
        # a version that is negative, empty or no number; an identifier that is too long
        "3111300F060A04007F000702020402020201FF", "3110300E060A04007F00070202040202 0200",
        "3111300F060A04007F00070202040202040101",
        "311D301B060A04007F000702020402020201020" + "20A7FFFFFFFFFFFFFFFFFFF",
        # a public key that is no pair
        "310F300D060904007F000702020102" + "3000",
    ],
)  # fmt: skip
def test_what_is_no_set_of_infos_is_malformed(raw: str) -> None:
    with pytest.raises(ChipMalformed):
        parse_security_infos(bytes.fromhex(raw))


def test_dg14_has_its_tag() -> None:
    with pytest.raises(ChipMalformed):
        parse_dg14(do(0x6F, do(0x31, PACE_AES_128)))


@given(st.binary(max_size=120))
def test_any_bytes_are_infos_or_malformed(raw: bytes) -> None:
    for whole in (raw, do(0x31, raw), do(0x31, do(0x30, raw)), do(0x31, do(0x30, KEY[:9] + raw))):
        with contextlib.suppress(ChipMalformed):
            parse_security_infos(whole)


@given(st.lists(st.integers(0, 2**70), min_size=2, max_size=3), st.integers(0, 2))
def test_object_identifiers_are_those_of_another_parser(arcs: list[int], first: int) -> None:
    second = arcs[0] if first == 2 else arcs[0] % 40
    dotted = ".".join(map(str, (first, second, *arcs[1:])))
    theirs = ObjectIdentifier(dotted).contents
    assert _der.oid_value(dotted) == theirs
    if len(theirs) <= _der.MAX_OID_BYTES:
        assert _der.oid(TLV(6, theirs)) == dotted


@pytest.mark.parametrize(
    ("read", "item"),
    [
        (_der.oid, TLV(6, b"")), (_der.oid, TLV(6, b"\x81")), (_der.oid, TLV(6, bytes(33))),
        (_der.oid, TLV(2, b"\1")), (_der.integer, TLV(2, b"")), (_der.integer, TLV(2, b"\x80")),
        (_der.integer, TLV(2, bytes(1025))), (_der.integer, TLV(6, b"\1")),
    ],
)  # fmt: skip
def test_what_is_no_such_type_is_malformed(read, item: TLV) -> None:
    with pytest.raises(ChipMalformed):
        read(item)


def test_sequences_have_the_members_that_they_must() -> None:
    item = TLV(0x30, bytes.fromhex("020101020102"))
    assert [_der.integer(each) for each in _der.sequence(item, 2)] == [1, 2]
    for least, most in ((3, None), (1, None), (0, 1)):
        with pytest.raises(ChipMalformed, match="sequence of 2"):
            _der.sequence(item, least, most)
