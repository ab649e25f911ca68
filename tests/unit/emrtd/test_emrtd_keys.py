from __future__ import annotations

import hashlib

import pytest
from reader_material import computed, vector

from emrtd.errors import ChipMalformed
from emrtd.keys import CAN, PIN, KeyUse, MRZKey, SessionKeys, derive_key
from emrtd.mrz import parse

KEY_BYTES = {"AES-128": 16, "AES-192": 24, "AES-256": 32}
PUBLISHED = vector("password_keys")
APP_D = vector("9303_11_app_d_keys")
ZONE = APP_D["D2"]


def without_parity(key: bytes) -> bytes:
    """The bits that DES uses."""
    return bytes(byte & 0xFE for byte in key)


@pytest.mark.parametrize("case", [c for c in PUBLISHED["K_pi"] if c["alg"] in KEY_BYTES])
def test_password_keys_are_the_published_ones(case: dict[str, str]) -> None:
    password = (
        CAN("123456") if case["password"] == "123456" else MRZKey("L898902C", "690806", "940623")
    )
    key = derive_key(password.secret(), KeyUse.PASSWORD, key_bytes=KEY_BYTES[case["alg"]])
    assert key.hex().upper() == case["value"]


@pytest.mark.parametrize("case", PUBLISHED["MRZ_to_K"])
def test_a_zone_gives_the_published_secret(case: dict[str, str]) -> None:
    zone = computed(case["mrz_td1"])
    key = MRZKey.from_mrz(zone)
    assert key == MRZKey.from_mrz(parse(zone))
    assert key.secret().hex().upper() == case["K"]


def test_session_keys_are_those_of_icaos_example_but_for_parity() -> None:
    for seed, encryption, mac in (
        (ZONE["Kseed"], ZONE["KEnc"], ZONE["KMAC"]),
        (APP_D["D3"]["KSseed"], APP_D["D3"]["KSEnc"], APP_D["D3"]["KSMAC"]),
    ):
        keys = SessionKeys.derive(bytes.fromhex(seed), key_bytes=16)
        assert without_parity(keys.encryption) == without_parity(bytes.fromhex(encryption))
        assert without_parity(keys.mac) == without_parity(bytes.fromhex(mac))


def test_longer_keys_come_from_sha_256() -> None:
    keys = SessionKeys.derive(b"seed", key_bytes=32)
    assert keys.encryption == hashlib.sha256(b"seed\0\0\0\1").digest()
    assert keys.mac == hashlib.sha256(b"seed\0\0\0\2").digest()
    assert SessionKeys.derive(b"seed", key_bytes=24).mac == keys.mac[:24]


def test_trailing_fillers_do_not_matter() -> None:
    without, filled = (MRZKey(number, "690806", "940623") for number in ("L898902C", "L898902C<"))
    assert without.secret() == filled.secret()


@pytest.mark.parametrize(
    "digits",
    [
        "", "12345", "1234567", "12345a", "12345\n",
        "１２３４５６",  # noqa: RUF001 - digits to str.isdigit, none to a chip
    ],
)  # fmt: skip
def test_a_can_is_six_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="six digits"):
        CAN(digits)


@pytest.mark.parametrize("digits", ["", "123", "1" * 17, "12345a", "12345\n", "１２３４"])  # noqa: RUF001 - digits to str.isdigit, none to a chip
def test_a_pin_is_four_to_sixteen_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="four to sixteen digits"):
        PIN(digits)
    assert [PIN("1" * size).secret() for size in (4, 16)] == [b"1111", b"1" * 16]
    assert PIN("123456").secret() == CAN("123456").secret()
    assert (PIN.KIND, PIN.REFERENCE) == ("PIN", 3)


def test_the_number_with_its_digit_names_the_document() -> None:
    assert MRZKey("L898902C", "690806", "940623").number_field() == "L898902C<3"
    assert MRZKey("D23145890734", "340712", "950712").number_field() == "D231458907349"


@pytest.mark.parametrize(
    "fields",
    [("", "950101", "350101"), ("ab", "950101", "350101"), ("A" * 23, "950101", "350101"),
     ("A", "1995", "350101"), ("A", "950101", "3501<<")],
)  # fmt: skip
def test_fields_that_no_zone_holds_are_refused_without_being_named(fields: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no such field") as caught:
        MRZKey(*fields)
    assert "1995" not in str(caught.value)


def test_a_zone_with_a_wrong_digit_is_no_key() -> None:
    with pytest.raises(ChipMalformed):
        MRZKey.from_mrz(computed(ZONE["MRZ_TD1"]).replace("690806", "690807"))


def test_no_secret_shows() -> None:
    shown = repr(
        (
            CAN("012345"),
            MRZKey("195012345", "950101", "350101"),
            SessionKeys(b"enc", b"mac"),
            PIN("0123456"),
        )
    )
    for secret in ("012345", "950101", "350101", "enc'", "mac'"):
        assert secret not in shown
