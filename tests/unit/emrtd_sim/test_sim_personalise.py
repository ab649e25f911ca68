from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sim_material import HOLDER, JPEG, stream, vector

from emrtd.sim import CardImage, TestPKI, clone, expiry, personalise, tamper

if TYPE_CHECKING:
    from pathlib import Path

SYNTHETIC = vector("cccd/synthetic_card.json")


def test_the_2021_card_is_the_synthetic_one(card: CardImage) -> None:
    assert card.files["CardAccess"].hex().upper() == SYNTHETIC["card_access"]
    assert card.files["DG13"].hex().upper() == SYNTHETIC["dg13"]
    assert card.files["DG1"] == bytes.fromhex("615D5F1F5A") + "".join(SYNTHETIC["mrz"]).encode()
    assert (card.can, card.mrz_information) == (SYNTHETIC["can"], SYNTHETIC["mrz_information"])
    assert card.files.keys() == {"CardAccess", "COM", "SOD", "DG1", "DG2", "DG13", "DG14", "DG15"}
    assert card.files["COM"].hex() == "60175f0104303130375f36063034303030305c0561756d6e6f"


def test_the_2024_card_shows_only_what_icao_rules_show(pki: TestPKI) -> None:
    card = personalise(HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"))
    assert card.files.keys() == {"CardAccess", "COM", "SOD", "DG1", "DG2", "DG13", "DG14"}
    assert card.active_auth_key is None
    dg13 = card.files["DG13"]
    for shown in (
        HOLDER.number,
        HOLDER.name,
        "01/01/1995",
        "Nữ",
        "Việt Nam",
        HOLDER.origin,
        "01/01/2035",
    ):
        assert shown.encode() in dg13
    for hidden in (
        HOLDER.ethnicity,
        HOLDER.residence,
        HOLDER.marks,
        HOLDER.father,
        HOLDER.spouse,
        "01/06/2021",
        HOLDER.old_number,
        HOLDER.serial,
    ):
        assert hidden.encode() not in dg13


def test_the_security_object_holds_every_data_group(card: CardImage) -> None:
    for name, raw in card.files.items():
        held = hashlib.sha256(raw).digest() in card.files["SOD"]
        assert held == name.startswith("DG")
        assert (hashlib.sha256(raw).digest() in card.alternatives["expired"]) == held


@pytest.mark.parametrize(
    "number",
    ["001195012345", "99919501234", "9991950123456", "99919501234x", "", "\uff19" * 12],
)
def test_a_number_that_may_be_a_persons_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="number"):
        dataclasses.replace(HOLDER, number=number)


@pytest.mark.parametrize(
    ("birth", "issued", "until"),
    [
        (date(1995, 1, 1), date(2021, 6, 1), date(2035, 1, 1)),
        (date(2000, 6, 1), date(2023, 5, 31), date(2025, 6, 1)),
        (date(2000, 6, 1), date(2023, 6, 1), date(2040, 6, 1)),
        (date(1985, 6, 1), date(2023, 6, 1), date(2045, 6, 1)),
        (date(1965, 6, 1), date(2023, 5, 31), date(2025, 6, 1)),
        (date(1965, 6, 1), date(2023, 6, 1), None),
        (date(2000, 2, 29), date(2021, 6, 1), date(2025, 2, 28)),
    ],
)
def test_the_card_ends_at_the_band_of_its_holders_age(
    birth: date, issued: date, until: date | None
) -> None:
    assert expiry(birth, issued) == until


def test_a_card_without_an_end_says_so(pki: TestPKI) -> None:
    old = dataclasses.replace(HOLDER, birth=date(1950, 2, 3), expiry=None)
    card = personalise(old, JPEG, generation="2024", pki=pki, randomness=stream("card"))
    assert b"991231" in card.files["DG1"]
    assert "Không thời hạn".encode() in card.files["DG13"]
    assert card.mrz_information[17:23] == "991231"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Đặng Văn Đức", "DANG<<VAN<DUC<<<<<<<<<<<<<<<<<"),
        ("Y", "Y<<<<<<<<<<<<<<<<<<<<<<<<<<<<<"),
        ("Tôn Nữ Thị Ninh Hương Thảo Nguyên An", "TON<<NU<THI<NINH<HUONG<THAO<NG"),
        ("H'Hen Niê", "H<<HEN<NIE<<<<<<<<<<<<<<<<<<<<"),
    ],
)
def test_names_fit_the_zone(pki: TestPKI, name: str, line: str) -> None:
    holder = dataclasses.replace(HOLDER, name=name)
    card = personalise(holder, JPEG, generation="2024", pki=pki, randomness=stream("card"))
    assert card.files["DG1"][-30:].decode() == line


def test_the_same_randomness_gives_the_same_card(pki: TestPKI, card: CardImage) -> None:
    again = personalise(HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"))
    assert again == card
    other = personalise(HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("other"))
    assert other.chip_auth_key != card.chip_auth_key


def test_a_card_without_proofs_announces_none(pki: TestPKI) -> None:
    bare = personalise(
        HOLDER, JPEG, generation="2021", pki=pki, randomness=stream("card"), auth=frozenset()
    )
    assert (bare.chip_auth_key, bare.active_auth_key) == (None, None)
    assert "DG15" not in bare.files
    chip_auth = bytes.fromhex("04007F0007020203")
    assert chip_auth not in bare.files["DG14"]
    assert chip_auth not in bare.files["CardAccess"]


@pytest.mark.parametrize(
    "curve", ["P-256", "brainpoolP256r1", "P-384", "brainpoolP384r1", "brainpoolP512r1", "P-521"]
)
def test_openssl_reads_written_out_parameters_as_the_named_curve(
    pki: TestPKI, tmp_path: Path, curve: str
) -> None:
    keys = []
    for explicit in (False, True):
        card = personalise(
            HOLDER, JPEG, generation="2024", pki=pki, randomness=stream("card"), curve=curve,
            explicit_parameters=explicit,
        )  # fmt: skip
        info = public_key_in(card.files["DG14"])
        assert (b"\x06\x07\x2a\x86\x48\xce\x3d\x01\x01" in info) == explicit
        (tmp_path / "key").write_bytes(info)
        command = [
            "openssl",
            "ec",
            "-pubin",
            "-inform",
            "DER",
            "-in",
            "key",
            "-param_enc",
            "named_curve",
            "-outform",
            "DER",
        ]
        keys.append(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)
    assert keys[0] == keys[1]


def public_key_in(dg14: bytes) -> bytes:
    """Cut the SubjectPublicKeyInfo out: it follows the identifier of its protocol."""
    identifier = bytes.fromhex("060904007F000702020102")
    rest = dg14[dg14.index(identifier) + len(identifier) :]
    size = 2 if rest[1] < 0x80 else 2 + (rest[1] & 0x7F)
    length = rest[1] if size == 2 else int.from_bytes(rest[2:size], "big")
    return rest[: size + length]


def test_a_clone_has_the_files_and_not_the_keys(card: CardImage) -> None:
    copy = clone(card)
    assert copy.files == card.files
    assert copy.chip_auth_key not in {None, card.chip_auth_key}
    assert copy.active_auth_key not in {None, card.active_auth_key}


@pytest.mark.parametrize(
    ("file", "offset"), [("DG1", None), ("DG2", None), ("SOD", -1), ("DG13", 3)]
)
def test_a_forgery_differs_in_one_byte(card: CardImage, file: str, offset: int | None) -> None:
    forged = tamper(card, file, offset)
    changed = [
        (name, at) for name, raw in card.files.items()
        for at, byte in enumerate(raw) if forged.files[name][at] != byte
    ]  # fmt: skip
    assert [name for name, _ in changed] == [file]
    if file == "DG1":
        assert forged.files["DG1"][-30:] == b"OGUYEN<<THI<MAU" + b"<" * 15


@pytest.mark.parametrize(("file", "offset"), [("DG9", None), ("DG1", 95), ("DG1", -96)])
def test_a_forgery_needs_a_byte(card: CardImage, file: str, offset: int | None) -> None:
    with pytest.raises(ValueError, match="no byte"):
        tamper(card, file, offset)
