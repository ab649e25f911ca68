"""A passport, and the files that a citizen card does not have."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sim_material import HOLDER, JPEG, opened, stream, vector

from emrtd.sim import CardImage, Chip, TestPKI, personalise
from emrtd.sim._mrz_writer import check_digit, td3, with_check_digit
from emrtd.sim._protocols import PACEOffer

if TYPE_CHECKING:
    from pathlib import Path

CONTACT = ("TRAN<<THI<B", "+84 24 0000 0000", "SO 1<HA NOI")


@pytest.fixture(scope="session")
def passport(pki: TestPKI) -> CardImage:
    return personalise(
        HOLDER, JPEG, generation="passport", pki=pki, randomness=stream("card"),
        signature_image=JPEG, contacts=(CONTACT, CONTACT), extended_bytes=4096, pin="135790",
    )  # fmt: skip


def test_check_digits_are_those_of_the_standards_example() -> None:
    # [9303-4], the specimen: L898902C36UTO7408122F1204159ZE184226B<<<<<10
    assert with_check_digit("L898902C3") == "L898902C36"
    assert [check_digit(each) for each in ("740812", "120415", "ZE184226B<<<<<")] == ["2", "9", "1"]
    assert check_digit("L898902C36" + "7408122" + "1204159" + "ZE184226B<<<<<1") == "0"


def test_the_zone_has_two_lines_of_44() -> None:
    zone = td3(
        document="T99912345", number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1),
        sex="F", expiry=date(2035, 1, 1),
    )  # fmt: skip
    assert zone[:44] == "P<VNMNGUYEN<<THI<MAU".ljust(44, "<")
    assert zone[44:].startswith("T999123455VNM9501016F3501014999195012345<<")
    assert len(zone) == 88


def test_a_passport_has_its_own_files(passport: CardImage) -> None:
    assert passport.files.keys() == {
        "ATRInfo", "CardAccess", "COM", "SOD", "DG1", "DG2", "DG7", "DG11", "DG12", "DG14", "DG15",
        "DG16",
    }  # fmt: skip
    assert passport.files["DG1"][:5].hex() == "615b5f1f58"
    size = len(JPEG)
    assert passport.files["DG7"] == (bytes((0x67, size + 6, 2, 1, 1, 0x5F, 0x43, size)) + JPEG)
    dg11 = passport.files["DG11"]
    assert b"\x5c\x0a\x5f\x0e\x5f\x10\x5f\x2b\x5f\x11\x5f\x42" in dg11
    assert "Nguyễn<<Thị<Mẫu".encode() in dg11
    assert b"\x5f\x2b\x0819950101" in dg11
    assert b"\x5f\x26\x0820210601" in passport.files["DG12"]
    dg16 = passport.files["DG16"]
    assert (dg16[0], dg16[2:5]) == (0x70, b"\x02\x01\x02")
    assert b"\xa1" in dg16
    assert b"\xa2" in dg16
    assert dg16.count(b"\x5f\x50\x0820210601") == 2
    assert passport.mrz_information == "T999123455" + "9501016" + "3501014"
    assert passport.document_number == "T999123455"


def test_both_accesses_open_it(passport: CardImage) -> None:
    assert passport.bac
    assert [each.oid for each in passport.pace] == ["0.4.0.127.0.7.2.2.4.2.2"]


@pytest.mark.parametrize("document", ["C1234567", "T999", "T999123456", "t99912345", "T999 1234"])
def test_a_number_that_may_be_a_passports_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="T999"):
        dataclasses.replace(HOLDER, document=document)


def test_the_longest_apdu_is_announced_and_kept_to(passport: CardImage) -> None:
    chip = Chip(passport, randomness=stream("chip"))
    assert chip.answer(bytes.fromhex("00A4020C022F01")).hex() == "9000"
    limit = "020210000202" + "1000"
    assert chip.answer(bytes.fromhex("00B0000000")).hex() == (
        "430188" + "4703000140" + "7f6608" + limit + "9000"
    )
    assert chip.answer(bytes.fromhex("00B00000001000")).hex().endswith("6282")
    assert chip.answer(bytes.fromhex("00B00000001001")).hex() == "6700"
    assert chip.answer(bytes.fromhex("00B00000000000")).hex().endswith("9000")
    too_long = bytes.fromhex("00A4020C") + b"\0" + (4100).to_bytes(2, "big") + bytes(4100)
    assert chip.answer(too_long).hex() == "6700"


def test_a_card_may_know_short_apdus_only(passport: CardImage) -> None:
    chip = Chip(dataclasses.replace(passport, extended_bytes=0), randomness=stream("chip"))
    chip.answer(bytes.fromhex("00A4020C02011C"))
    assert chip.answer(bytes.fromhex("00B00000000100")).hex() == "6700"
    assert chip.answer(bytes.fromhex("00B0000000")).hex().endswith("9000")


def test_a_long_answer_is_cut_where_the_card_ends(passport: CardImage) -> None:
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    small = dataclasses.replace(
        passport, extended_bytes=300, mrz_information=example["mrz_info"],
        files={**passport.files, "DG2": passport.files["DG2"] + bytes(400)},
    )  # fmt: skip
    terminal = opened(small)
    terminal.ask(0xA4, 4, 0x0C, bytes.fromhex("A0000002471001"))
    terminal.ask(0xA4, 2, 0x0C, bytes.fromhex("0102"))
    first = terminal.chip.answer(terminal.protect(0xB0, 0, 0, le=400))
    assert (len(first), first[-2]) == (302, 0x61)
    rest = terminal.chip.answer(bytes.fromhex("00C00000000000"))
    assert terminal.open(first[:-2] + rest)[0] == small.files["DG2"][:400]


@pytest.mark.parametrize(
    ("reference", "status"), [("01", "9000"), ("02", "9000"), ("03", "9000"), ("04", "6a88")]
)
def test_passwords_are_chosen_by_reference(
    passport: CardImage, reference: str, status: str
) -> None:
    chip = Chip(passport, randomness=stream("chip"))
    chosen = f"0022C1A412800A04007F000702020402028301{reference}84010D"
    assert chip.answer(bytes.fromhex(chosen)).hex() == status


def ways(pki: TestPKI, *offers: PACEOffer, **options) -> CardImage:
    return personalise(
        HOLDER, JPEG, generation="passport", pki=pki, randomness=stream("card"), pace=offers,
        **options,
    )  # fmt: skip


def test_several_ways_need_their_number(pki: TestPKI) -> None:
    card = ways(
        pki, PACEOffer("gm", "P-256", "AES-128"), PACEOffer("gm", "P-384", "AES-128"),
        PACEOffer("im", "brainpoolP320r1", "AES-256"), PACEOffer("gm", "modp2048-224", "3DES"),
    )  # fmt: skip
    for chosen, status in (
        ("800A04007F00070202040202830101", "6a87"),
        ("800A04007F0007020204020283010184010C", "9000"),
        ("800A04007F0007020204020283010184010F", "9000"),
        ("800A04007F0007020204020283010184010D", "6a88"),
        ("800A04007F0007020204040483010184010E", "9000"),
        ("800A04007F00070202040101830101840101", "9000"),
        ("800A04007F0007020204010183010184010C", "6a88"),
        ("800A04007F0007020204060283010184010C", "6a80"),
    ):
        chip = Chip(card, randomness=stream("chip"))
        command = bytes.fromhex("0022C1A4") + bytes((len(chosen) // 2,)) + bytes.fromhex(chosen)
        assert chip.answer(command).hex() == status
    assert card.files["CardAccess"].count(bytes.fromhex("04007F000702020402")) == 2


def test_the_domain_may_be_named_elsewhere(pki: TestPKI) -> None:
    offer = PACEOffer("gm", "brainpoolP384r1", "AES-192")
    card = ways(pki, offer, parameter_ids=False)
    info = bytes.fromhex("300F060A04007F00070202040203020102")
    named = bytes.fromhex("3019060904007F000702020402300C060704007F00070102020110")
    assert info in card.files["CardAccess"]
    assert named in card.files["CardAccess"]
    with pytest.raises(ValueError, match="identifiers"):
        ways(pki, offer, PACEOffer("gm", "P-256", "AES-128"), parameter_ids=False)


@pytest.mark.parametrize(
    "options",
    [{"pace": (), "access": frozenset({"pace"})},
     {"pace": "im", "auth": frozenset({"cam"})}, {"curve": "P-255"}, {"cipher": "DES"},
     {"fingers": {2: JPEG}, "auth": frozenset({"aa"})}, {"fingers": {11: JPEG}},
     {"curve": "modp1024-160", "pace": "cam"}],
    ids=repr,
)  # fmt: skip
def test_choices_that_do_not_fit_are_refused(pki: TestPKI, options: dict) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        personalise(
            HOLDER, JPEG, generation="passport", pki=pki, randomness=stream("card"), **options
        )


def test_a_card_for_the_printed_zone_alone_has_no_card_access(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="passport", pki=pki, randomness=stream("card"),
        access=frozenset({"bac"}),
    )  # fmt: skip
    assert (card.pace, "CardAccess" in card.files) == ((), False)
    chip = Chip(card, randomness=stream("chip"))
    assert chip.answer(bytes.fromhex("00A4020C02011C")).hex() == "6a82"


@pytest.mark.parametrize("changed", [None, -1])
def test_openssl_verifies_card_security(pki: TestPKI, tmp_path: Path, changed: int | None) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), pace="cam"
    )
    raw = bytearray(card.files["CardSecurity"])
    if changed is not None:
        raw[changed] ^= 1
    (tmp_path / "signed").write_bytes(raw)
    issuer = x509.load_der_x509_certificate(pki.csca.certificate)
    (tmp_path / "csca.pem").write_bytes(issuer.public_bytes(Encoding.PEM))
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-inform", "DER", "-in", "signed", "-CAfile", "csca.pem",
         "-purpose", "any", "-out", "content"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (changed is None)
    if changed is None:
        content = (tmp_path / "content").read_bytes()
        assert card.chip_auth_key is not None
        assert card.chip_auth_key.public in content
        assert bytes.fromhex("060A04007F00070202040602") in content


def test_card_security_is_read_under_the_channel_only(pki: TestPKI) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), pace="cam"
    )
    chip = Chip(card, randomness=stream("chip"))
    assert chip.answer(bytes.fromhex("00A4020C02011D")).hex() == "6982"


@pytest.mark.parametrize("curve", ["modp1024-160", "modp2048-224", "modp2048-256"])
def test_openssl_reads_the_key_of_a_group(pki: TestPKI, tmp_path: Path, curve: str) -> None:
    card = personalise(
        HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"), curve=curve
    )
    dg14 = card.files["DG14"]
    identifier = bytes.fromhex("060904007F000702020101")
    info = dg14[dg14.index(identifier) + len(identifier) :]
    (tmp_path / "key").write_bytes(info[: 4 + int.from_bytes(info[2:4], "big")])
    shown = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER", "-in", "key", "-text", "-noout"],
        cwd=tmp_path, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    key = card.chip_auth_key
    assert key is not None
    printed = shown[shown.index("public-key:") : shown.index("P:") if "P:" in shown else None]
    digits = "".join(c for c in printed.split("public-key:")[1] if c in "0123456789abcdef")
    assert key.public.hex() in digits
