"""Zones, files and structures of which everything is right but one thing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from asn1crypto import cms, core, x509
from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from cvc_issuer import CVCA, IS, Holder, certificate, root, terminal, tlv, verifier
from issued_documents import BSI, PACE_AES_128, document, info, number, oid
from openssl_issuer import issued, key, needs_openssl, public_key, revocation_list, signed
from openssl_issuer import root as csca
from reader_material import CardEnd, answering, cbc, do, pad

from emrtd import _cms, crl
from emrtd import certificate as certificates
from emrtd.apdu import Command
from emrtd.channel import PlainChannel
from emrtd.crl import MAX_CRL_BYTES
from emrtd.cvc import MAX_CHAIN, parse_cvc, verify_chain
from emrtd.dialogue import drive
from emrtd.errors import ChannelBroken, ChipLied, ChipMalformed, EMRTDError, Fault
from emrtd.evidence import AccessFacts, ChipAuthFacts, Evidence
from emrtd.files import ReadPlan
from emrtd.keys import SessionKeys
from emrtd.lds import card_security, dg11, dg13
from emrtd.lds.sod import LDS_SECURITY_OBJECT
from emrtd.mrz import check_digit, parse
from emrtd.passive_auth import examine
from emrtd.read_plan import ReaderMemory, parse_atr_info, read_atr_info
from emrtd.secure_messaging import SecureChannel
from emrtd.security_infos import PACEInfo, UnknownInfo, parse_security_infos
from emrtd.signatures import MAX_KEY_INFO_BYTES, load_public_key
from emrtd.tlv import length_from_head
from emrtd.trust import TrustStore
from emrtd.validity import ClockQuality
from emrtd.verify import verify

pytestmark = needs_openssl

# --- zones: the digit over the whole is right, the field's own is not


def wrong(digit: str) -> str:
    return str((int(digit) + 1) % 10)


def td1(second: str, *, first: str = "I<UTOAB1234567", optional: str = "<" * 15) -> str:
    """Return a zone of three lines with the digit over the whole that belongs to it."""
    head = first + check_digit(first[5:14]) + optional
    middle = second + "UTO" + "<" * 11
    whole = check_digit(head[5:] + middle[:7] + middle[8:15] + middle[18:29])
    return head + middle + whole + "DOE<<JOHN".ljust(30, "<")


def td2(second: str) -> str:
    line = second + "<" * 7
    return (
        "I<UTODOE<<JOHN".ljust(36, "<") + line + check_digit(line[:10] + line[13:20] + line[21:35])
    )


def td3(second: str, personal: str) -> str:
    line = second + personal
    whole = check_digit(line[:10] + line[13:20] + line[21:43])
    return "P<UTODOE<<JOHN".ljust(44, "<") + line + whole


BIRTH, EXPIRY = (each + check_digit(each) for each in ("900101", "300101"))
NUMBER = "AB1234567" + check_digit("AB1234567")
NOBODY = "<" * 15
WRONG_BIRTH, WRONG_EXPIRY, WRONG_NUMBER = (
    each[:-1] + wrong(each[-1]) for each in (BIRTH, EXPIRY, NUMBER)
)


@pytest.mark.parametrize(
    ("birth", "expiry"), [(WRONG_BIRTH, EXPIRY), (BIRTH, WRONG_EXPIRY)], ids=["birth", "expiry"]
)
def test_each_date_has_a_digit_of_its_own(birth: str, expiry: str) -> None:
    zones = (
        lambda born, end: td1(f"{born}M{end}"),
        lambda born, end: td2(f"{NUMBER}UTO{born}M{end}"),
        lambda born, end: td3(f"{NUMBER}UTO{born}M{end}", NOBODY),
    )
    for zone in zones:
        assert parse(zone(BIRTH, EXPIRY)).birth == "900101"
        with pytest.raises(ChipMalformed, match="check digit"):
            parse(zone(birth, expiry))


def test_a_passports_number_has_a_digit_of_its_own() -> None:
    with pytest.raises(ChipMalformed, match="document number"):
        parse(td3(f"{WRONG_NUMBER}UTO{BIRTH}M{EXPIRY}", NOBODY))


@pytest.mark.parametrize(
    "personal",
    ["99912345678901" + wrong(check_digit("99912345678901")), "99912345678901<", "<" * 14 + "5"],
    ids=["wrong", "absent", "of nothing"],
)
def test_a_passports_personal_number_has_a_digit_of_its_own(personal: str) -> None:
    with pytest.raises(ChipMalformed, match="personal number"):
        parse(td3(f"{NUMBER}UTO{BIRTH}M{EXPIRY}", personal))


def test_ten_digits_are_no_vietnamese_personal_number() -> None:
    whole = "AB1234567XYZ"
    optional = whole[9:] + check_digit(whole) + "<" + "9991234567"
    head = "I<VNM" + whole[:9] + "<" + optional
    middle = f"{BIRTH}M{EXPIRY}VNM" + "<" * 11
    composite = check_digit(head[5:] + middle[:7] + middle[8:15] + middle[18:29])
    found = parse(head + middle + composite + "DOE<<JOHN".ljust(30, "<"))
    assert (found.document_number, found.personal_number) == (whole, None)


# --- files


def citizen(*fields: bytes) -> bytes:
    body = number(1) + oid("28D316010008") + do(0x31, b"".join(fields))
    return do(0x6D, do(0x30, body))


TEXT = do(0x0C, b"999195012345")


@pytest.mark.parametrize(
    "field",
    [do(0x31, number(1) + TEXT), do(0x30, do(0x04, b"\x01") + TEXT)],
    ids=["a SET", "a number that is a string"],
)
def test_a_field_of_the_citizen_record_is_a_sequence_that_begins_with_a_number(
    field: bytes,
) -> None:
    good = citizen(do(0x30, number(1) + TEXT))
    assert dg13.parse(good).number == "999195012345"
    raw = good.replace(do(0x30, number(1) + TEXT), field)
    assert len(raw) == len(good)
    with pytest.raises(ChipMalformed):
        dg13.parse(raw)


def test_a_date_is_packed_only_if_it_is_as_long_as_a_packed_one() -> None:
    birth = do(0x5F, b"")[:1] + b"\x2b"
    for written, expected in ((b"\x19\x90\x01\x01", "19900101"), (b" 199001", "199001")):
        parts = do(0x5C, b"\x5f\x2b") + birth + bytes((len(written),)) + written
        found = dg11.parse(do(0x6B, parts)).birth
        assert found is not None
        assert found.text == expected


def test_a_length_that_is_cut_short_is_none() -> None:
    for head in (b"\x75\x84\xff", b"\x75\x82\x01", b"\x75\x81"):
        with pytest.raises(ChipMalformed):
            length_from_head(head)


@pytest.mark.parametrize(
    "member",
    [
        info(oid(BSI + "09"), number(1), oid(BSI + "01")),  # nobody's protocol
        info(oid("2A"), number(2), number(13)),  # two arcs
        info(oid("678108010105"), number(1), number(1)),  # active authentication by a number
    ],
)
def test_an_unknown_protocol_is_no_known_one_for_what_stands_beside_it(member: bytes) -> None:
    pace = info(oid(BSI + "040202"), number(2), number(13))
    first, second = parse_security_infos(do(0x31, member + pace))
    assert isinstance(first, UnknownInfo)
    assert isinstance(second, PACEInfo)


# --- what is kept and told


def test_the_number_of_a_chips_key_is_bounded() -> None:
    access = AccessFacts("BAC", "MRZ", downgraded=False)
    for key_id in ((1 << 64) - 1, 1 << 64):
        facts = ChipAuthFacts("passed", "CA", key_id)
        if key_id.bit_length() <= 64:
            assert Evidence({}, access, chip_auth=facts).chip_auth == facts
        else:
            with pytest.raises(ChipMalformed, match="key id"):
                Evidence({}, access, chip_auth=facts)


def test_an_error_without_a_message_ends_in_what_was_done() -> None:
    assert str(EMRTDError(Fault.CHIP_GONE, "transmit")) == "chip_gone while transmit"


def test_what_worked_last_is_forgotten_last() -> None:
    memory = ReaderMemory().worked("one", b"", ReadPlan()).worked("two", b"", ReadPlan())
    again = memory.worked("one", b"", ReadPlan(max_le=16))
    assert list(again.plans) == [("two", b""), ("one", b"")]


# --- secure messaging


def test_an_unknown_padding_breaks_the_channel_though_the_rest_holds() -> None:
    keys = SessionKeys.derive(b"seed", key_bytes=16)
    card = CardEnd(keys.encryption, keys.mac)
    channel = SecureChannel(keys, PlainChannel(max_commands=1))

    def answer(command: Command) -> bytes:
        card.open(command.to_bytes())
        card.counter += 1
        secret = cbc(card.encryption, card.counter, pad(b"reply"))
        return card.sealed(do(0x87, b"\x02" + secret) + do(0x99, b"\x90\x00")) + b"\x90\x00"

    with pytest.raises(ChannelBroken, match="padding"):
        drive(channel.exchange(Command(0, 0xB0, 0, 0, le=8)), answering(answer))


# --- certificates and signatures


def padded_certificate(der: bytes, size: int) -> bytes:
    """Return a certificate with one more extension that is as long as that."""
    loaded = x509.Certificate.load(der)
    extensions = loaded["tbs_certificate"]["extensions"]
    extensions.append(
        {"extn_id": "1.2.3.4", "critical": False, "extn_value": bytes(size)}
    )  # fmt: skip
    return loaded.dump(force=True)


def test_a_certificate_is_bounded_though_it_is_one() -> None:
    der = csca().der
    room = certificates.MAX_CERTIFICATE_BYTES - len(der)
    assert certificates.parse(padded_certificate(der, room - 100)).serial
    with pytest.raises(ChipMalformed):
        certificates.parse(padded_certificate(der, room))


def test_a_key_is_bounded_though_it_is_one() -> None:
    written = asn1_keys.PublicKeyInfo.load(public_key(key("explicit:prime256v1", 41)))
    domain = written["algorithm"]["parameters"].chosen
    for size in (20, MAX_KEY_INFO_BYTES):
        domain["curve"]["seed"] = bytes(size)
        der = written.dump(force=True)
        if len(der) <= MAX_KEY_INFO_BYTES:
            assert load_public_key(der).key_size == 256
        else:
            with pytest.raises(ChipMalformed):
                load_public_key(der)


def signed_data() -> bytes:
    """Return the CMS structure of a document."""
    raw = document(issued(csca())).files["SOD"]
    header, _ = length_from_head(raw)
    return raw[header:]


def of_cms(raw: bytes) -> _cms.SignedData:
    return _cms.parse(raw, content_type=LDS_SECURITY_OBJECT, what="EF.SOD")


def test_signed_attributes_are_bounded() -> None:
    loaded = cms.ContentInfo.load(signed_data())
    attributes = loaded["content"]["signer_infos"][0]["signed_attrs"]
    assert of_cms(loaded.dump(force=True)).signers()
    while len(attributes) <= _cms.MAX_ATTRIBUTES:
        attributes.append({"type": f"1.2.3.{len(attributes)}", "values": [core.Null()]})
    with pytest.raises(ChipMalformed):
        of_cms(loaded.dump(force=True))


def test_a_signer_that_is_named_by_its_key_is_the_one_that_has_it() -> None:
    ours, other = issued(csca()), issued(csca(), number=2, serial=8)
    raw = document(ours, None, "-keyid").files["SOD"]
    header, _ = length_from_head(raw)
    loaded = cms.ContentInfo.load(raw[header:])
    loaded["content"]["certificates"].append(
        cms.CertificateChoices("certificate", x509.Certificate.load(other.der))
    )
    (signer,) = of_cms(loaded.dump(force=True)).signers()
    assert signer.raw == ours.der


# --- certificates of terminals


@pytest.mark.parametrize(
    "changed",
    [
        {"t5F25": tlv("5F25", bytes((2, 4, 0, 10, 0, 1)))},  # a digit of ten: October?
        {"t7F49": tlv("7F49", tlv("06", bytes.fromhex("04007F000702020202"  "02"))
                      + tlv("81", b"\xc1" * 256) + tlv("82", b"\x01\x00\x01"))},
        {"t7F49": tlv("7F49", tlv("06", bytes.fromhex("04007F00070202020102"))
                      + tlv("81", b"\xc1" * 256))},
    ],
    ids=["a digit of ten", "a modulus for a curve", "a modulus alone"],
)  # fmt: skip
def test_a_certificate_with_one_field_out_of_form_is_none(changed: dict[str, bytes]) -> None:
    issuer, holder = Holder(at=511), Holder(at=512)
    good = certificate(issuer, holder, car="VNDV00001", chr_="VNIS00001", role=IS)
    assert parse_cvc(good).holder == "VNIS00001"
    raw = certificate(issuer, holder, car="VNDV00001", chr_="VNIS00001", role=IS, **changed)
    with pytest.raises(ChipMalformed):
        parse_cvc(raw)


def test_an_unknown_algorithm_makes_no_key_even_with_all_parameters() -> None:
    holder = Holder(at=511)
    fields = holder.key_object(domain=True)
    known, unknown = (bytes.fromhex("04007F000702020202" + last) for last in ("03", "09"))
    assert known in fields
    names = {"car": "VNCVCA00001", "chr_": "VNCVCA00001", "role": CVCA}
    assert parse_cvc(certificate(holder, holder, **names)).holder == "VNCVCA00001"
    with pytest.raises(ChipMalformed):
        parse_cvc(certificate(holder, holder, **names, t7F49=fields.replace(known, unknown)))


def test_a_chain_is_as_long_as_it_may_be_and_no_longer() -> None:
    links, name = [], "VNCVCA00001"
    for at in range(MAX_CHAIN - 1):
        older, name = name, f"VNCVCA{at + 2:05}"
        links.append(root(car=older, chr_=name))
    end = [verifier(car=name), terminal()]
    on = date(2026, 6, 1)
    assert verify_chain([*links[1:], *end], links[0], on=on).rights == 3
    with pytest.raises(ChipLied):
        verify_chain([*links, *end], root(), on=on)


def test_a_revocation_list_is_bounded_though_it_is_one() -> None:
    loaded = asn1_crl.CertificateList.load(
        revocation_list(csca(), 7, extensions="authorityKeyIdentifier=keyid")
    )
    body = loaded["tbs_cert_list"]
    body["crl_extensions"].append(
        {"extn_id": "1.2.3.4", "critical": False, "extn_value": bytes(MAX_CRL_BYTES)}
    )
    with pytest.raises(ChipMalformed):
        crl.parse(loaded.dump(force=True))
    body["crl_extensions"][-1]["extn_value"] = bytes(MAX_CRL_BYTES - 4096)
    assert crl.parse(loaded.dump(force=True)).serials == {7}


def test_card_security_is_bounded_though_it_is_one() -> None:
    raw = signed(do(0x31, PACE_AES_128), issued(csca()), content_type=card_security.SECURITY_OBJECT)
    loaded = cms.ContentInfo.load(raw)
    held = loaded["content"]["certificates"]
    for at in range(2):
        more = padded_certificate(issued(csca(), number=50, serial=50).der, 33_000 + at)
        held.append(cms.CertificateChoices("certificate", x509.Certificate.load(more)))
        file = loaded.dump(force=True)
        if len(file) <= card_security.MAX_BYTES:
            assert len(card_security.parse(file).signed.certificates) == at + 2
        else:
            with pytest.raises(ChipMalformed):
                card_security.parse(file)
    assert len(file) > card_security.MAX_BYTES


# --- what is said of them all


def test_a_record_contradicts_no_zone_that_has_no_personal_number() -> None:
    zone = td2(f"{NUMBER}UTO{BIRTH}M{EXPIRY}").encode()
    files = {"DG1": do(0x61, b"\x5f\x1f" + bytes((len(zone),)) + zone)}
    files["DG13"] = citizen(do(0x30, number(1) + TEXT))
    seen = document(issued(csca()), files)
    made = verify(seen, TrustStore([csca().der]), at=datetime.now(UTC) + timedelta(hours=1))
    assert made.groups is not None
    assert Fault.DATA_CONTRADICTORY not in made.reasons


def test_a_clock_that_may_be_wrong_is_said_once() -> None:
    seen = document(issued(csca()))
    far = datetime.now(UTC) + timedelta(days=20 * 365)
    found = examine(seen, TrustStore([csca().der]), at=far, clock=ClockQuality.UNKNOWN)
    assert [fault.fault for fault in found.faults] == [Fault.SIGNER_EXPIRED]


def test_what_is_read_without_a_selected_file_are_no_limits() -> None:
    seen: list[Command] = []
    limits = bytes.fromhex("4703941140")

    def answer(command: Command) -> bytes:
        if command.ins == 0xB0:
            return limits + b"\x90\x00"
        return b"\x90\x00" if command.p1 == 0 else b"\x6a\x82"

    dialogue = read_atr_info(PlainChannel(max_commands=9))
    assert drive(dialogue, answering(answer, seen)) is None
    assert parse_atr_info(limits).extended
    assert [command.ins for command in seen] == [0xA4, 0xA4, 0xA4]
