from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_material import computed, vector

from emrtd.errors import ChipMalformed
from emrtd.mrz import check_digit, information, parse

VIETNAMESE = "".join(vector("vn_cccd_synthetic")["MRZ_TD1"])
APP_D = vector("9303_11_app_d_keys")["D2"]
SMALL = computed(APP_D["MRZ_TD1"])
PASSPORT = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + APP_D["MRZ_TD3_line2"]
CARD = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<D231458907UTO7408122F1204159<<<<<<<6"
"""The two-line card of [9303-6], as public readers print it."""
TODAY = date(2026, 6, 1)
VALUES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def td1(
    *, number: str = "AB1234567", optional: str = "", birth: str = "900101", sex: str = "M",
    expiry: str = "300101", issuer: str = "UTO", names: str = "DOE<<JOHN", digit: str | None = None,
) -> str:  # fmt: skip
    """Write a zone with every check digit right."""
    number = number.ljust(9, "<")
    own = check_digit(number) if digit is None else digit
    first = f"I<{issuer}{number}{own}{optional.ljust(15, '<')}"
    dates = f"{birth}{check_digit(birth)}{sex}{expiry}{check_digit(expiry)}"
    second = f"{dates}{issuer}{'<' * 11}"
    checked = first[5:] + second[:7] + second[8:15] + second[18:29]
    return first + second + check_digit(checked) + names.ljust(30, "<")


def td2(
    *, number: str = "AB1234567", optional: str = "", birth: str = "900101", sex: str = "M",
    expiry: str = "300101", issuer: str = "UTO", names: str = "DOE<<JOHN", digit: str | None = None,
) -> str:  # fmt: skip
    """Write a zone of two lines of 36 with every check digit right."""
    number = number.ljust(9, "<")
    head = number + (check_digit(number) if digit is None else digit)
    dates = f"{birth}{check_digit(birth)}", f"{expiry}{check_digit(expiry)}"
    tail = optional.ljust(7, "<")
    line = head + issuer + dates[0] + sex + dates[1] + tail
    return f"I<{issuer}{names}".ljust(36, "<") + line + check_digit(head + "".join(dates) + tail)


def test_a_card_of_two_lines_is_read() -> None:
    zone = parse(CARD)
    assert (zone.document_type, zone.issuer, zone.nationality, zone.sex) == ("I", "UTO", "UTO", "F")
    assert (zone.document_number, zone.birth, zone.expiry) == ("D23145890", "740812", "120415")
    assert (zone.surname, zone.given_names, zone.optional) == ("ERIKSSON", "ANNA MARIA", "")
    assert zone.information == "D23145890774081221204159"
    assert zone.personal_number is None
    assert td2(number="D23145890", birth="740812", sex="F", expiry="120415",
               names="ERIKSSON<<ANNA<MARIA") == CARD  # fmt: skip
    assert parse(CARD[:36] + "\n" + CARD[36:] + "\n") == zone
    assert parse(td2(optional="AB<12")).optional == "AB 12"


@pytest.mark.parametrize(("whole", "more"), [("D23145890734", "<"), ("D231458907345", "<A"),
                                             ("D2314589073451", "<")])  # fmt: skip
def test_a_long_number_of_a_card_of_two_lines_goes_on_too(whole: str, more: str) -> None:
    rest = whole[9:] + check_digit(whole) + more
    zone = parse(td2(number=whole[:9], digit="<", optional=rest))
    assert (zone.document_number, zone.optional) == (whole, more.strip("<"))
    with pytest.raises(ChipMalformed, match="document number"):
        parse(td2(number=whole[:9], digit="<", optional="8" + rest[1:]))


@pytest.mark.parametrize("at", [0, 8, 9, 13, 18, 19, 21, 26, 27, 28, 34, 35])
def test_each_changed_digit_of_two_lines_is_noticed(at: int) -> None:
    at += 36
    other = "1" if CARD[at] == "<" else VALUES[(VALUES.index(CARD[at]) + 1) % 36]
    with pytest.raises(ChipMalformed):
        parse(CARD[:at] + other + CARD[at + 1 :])


def test_a_vietnamese_card_carries_nine_of_twelve_digits_and_all_twelve() -> None:
    zone = parse(VIETNAMESE)
    assert zone.document_number == "195012345"
    assert zone.personal_number == "999195012345"
    assert (zone.document_type, zone.issuer, zone.nationality, zone.sex) == (
        "ID",
        "VNM",
        "VNM",
        "F",
    )
    assert (zone.surname, zone.given_names) == ("NGUYEN", "THI MAU")
    assert zone.information == vector("vn_cccd_synthetic")["MRZ_information(BAC/PACE-MRZ)"]
    assert zone.birth_date(reference=TODAY) == date(1995, 1, 1)
    assert zone.expiry_date(reference=TODAY) == date(2035, 1, 1)


def test_icaos_examples_are_read() -> None:
    small, book = parse(SMALL), parse(PASSPORT)
    for zone in (small, book):
        assert zone.document_number == "L898902C"
        assert zone.information == APP_D["MRZ_information"]
        assert (zone.surname, zone.given_names) == ("ERIKSSON", "ANNA MARIA")
        assert zone.personal_number is None
    assert book.optional == "ZE184226B"
    german = parse(vector("password_keys")["MRZ_to_K"][0]["mrz_td1"])
    assert german.information == "C11T002JM496081222310314"
    assert german.issuer == "D"


def test_line_ends_do_not_matter() -> None:
    lines = [VIETNAMESE[at : at + 30] for at in (0, 30, 60)]
    assert parse("\r\n".join(lines) + "\n") == parse(VIETNAMESE)


def test_the_composite_digit_that_icao_prints_for_its_small_card_is_wrong() -> None:
    terms = (147, 24, 9, 56, 27, 0, 14, 36, 0, 21, 18, 9, 0, 24, 0, 42, 3, 9, 28, 0, 6, 14, 9, 6)
    assert sum(terms) % 10 == 2
    assert (APP_D["MRZ_TD1"][59], SMALL[59]) == ("1", "2")
    with pytest.raises(ChipMalformed, match="zone"):
        parse(APP_D["MRZ_TD1"])


@pytest.mark.parametrize("zone", [VIETNAMESE, PASSPORT, SMALL])
def test_each_changed_digit_is_noticed(zone: str) -> None:
    td3 = len(zone) == 88
    names = range(5, 44) if td3 else range(60, 90)
    # Neither the kind, the issuer, the nationality nor the sex stands under a check digit.
    unchecked = {*names, *range(5), *((54, 55, 56, 64) if td3 else (37, 45, 46, 47))}
    for at in set(range(len(zone))) - unchecked:
        # One step in the alphabet: ten steps, as from L to B, are one digit to any check digit.
        other = "1" if zone[at] == "<" else VALUES[(VALUES.index(zone[at]) + 1) % 36]
        with pytest.raises(ChipMalformed):
            parse(zone[:at] + other + zone[at + 1 :])


def test_a_long_number_goes_on_in_the_optional_data() -> None:
    whole = "D23145890734"
    zone = parse(td1(number=whole[:9], digit="<", optional=whole[9:] + check_digit(whole) + "<ABC"))
    assert zone.document_number == whole
    assert zone.optional == "ABC"
    assert zone.information.startswith(whole + check_digit(whole))


@pytest.mark.parametrize(
    ("number", "optional"),
    [
        ("195012345", "999195012345<<7"),  # the check digit of the twelve
        ("195012346", "999195012345<<1"),  # not the last nine
    ],
)
def test_a_vietnamese_card_that_contradicts_itself_is_malformed(number: str, optional: str) -> None:
    with pytest.raises(ChipMalformed, match="personal number"):
        parse(td1(number=number, optional=optional, issuer="VNM"))


def test_other_vietnamese_documents_and_other_states_carry_no_personal_number() -> None:
    assert parse(td1(issuer="VNM")).personal_number is None
    assert parse(td1(issuer="VNM", optional="12345678901A<<3")).personal_number is None
    assert parse(td1(optional="999195012345<<1", number="195012345")).personal_number is None


@pytest.mark.parametrize(
    "zone",
    [
        "",
        VIETNAMESE[:-1],
        VIETNAMESE.lower(),
        VIETNAMESE.replace("MAU", "MẪU"),
        VIETNAMESE + "<" * 7,
        VIETNAMESE[:37] + "X" + VIETNAMESE[38:],
        td1(number=""),
        td1(digit="<", optional="1" * 15),
        td1(birth="9A0101"),
        td1(expiry="<<<<<<"),
    ],
)
def test_what_is_no_zone_is_malformed(zone: str) -> None:
    with pytest.raises(ChipMalformed):
        parse(zone)


def test_a_passport_may_leave_its_personal_number_and_the_digit_away() -> None:
    line = "L898902C<3UTO6908061F9406236" + "<" * 15
    line += check_digit(line[:10] + line[13:20] + line[21:43])
    assert parse(PASSPORT[:44] + line).optional == ""


@pytest.mark.parametrize(
    ("birth", "day"),
    [
        ("260601", date(2026, 6, 1)),
        ("260602", date(1926, 6, 2)),
        ("000229", date(2000, 2, 29)),
        ("95<<<<", None),
        ("<<<<<<", None),
    ],
)
def test_a_birth_is_the_latest_day_that_has_come(birth: str, day: date | None) -> None:
    assert parse(td1(birth=birth)).birth_date(reference=TODAY) == day


@pytest.mark.parametrize(
    ("expiry", "day"),
    [
        ("350101", date(2035, 1, 1)),
        ("751231", date(2075, 12, 31)),
        ("760101", date(1976, 1, 1)),
        ("991231", date(1999, 12, 31)),
    ],
)
def test_an_expiry_is_within_fifty_years(expiry: str, day: date) -> None:
    assert parse(td1(expiry=expiry)).expiry_date(reference=TODAY) == day


def test_a_vietnamese_card_may_never_expire() -> None:
    assert parse(td1(issuer="VNM", expiry="991231")).expiry_date(reference=TODAY) is None
    assert parse(td1(issuer="VNM", expiry="991230")).expiry_date(reference=TODAY) is not None


def test_days_that_no_calendar_has_are_malformed() -> None:
    zone = parse(td1(birth="951301", expiry="350230"))
    with pytest.raises(ChipMalformed, match="no such day"):
        zone.birth_date(reference=TODAY)
    with pytest.raises(ChipMalformed, match="no such day"):
        zone.expiry_date(reference=TODAY)


@given(
    st.one_of(
        st.text(max_size=100),
        st.text("0123456789ABC<", min_size=88, max_size=90),
        st.text("0123456789ABC<", min_size=72, max_size=72),
    )
)
def test_any_text_is_a_zone_or_malformed(text: str) -> None:
    with contextlib.suppress(ChipMalformed):
        parse(text)


@given(st.text(max_size=24), st.text(max_size=7), st.text("0123456789<", min_size=6, max_size=6))
def test_any_fields_open_or_are_malformed(number: str, birth: str, expiry: str) -> None:
    with contextlib.suppress(ChipMalformed):
        assert len(information(number, birth, expiry)) >= 24


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=9))
def test_what_is_written_is_read(number: str) -> None:
    assert parse(td1(number=number)).document_number == number
    assert parse(td2(number=number)).document_number == number


def test_nobody_shows() -> None:
    shown = repr(parse(VIETNAMESE))
    for secret in ("195012345", "NGUYEN", "950101", "350101", "'F'"):
        assert secret not in shown
