"""The machine-readable zone of a citizen card or a passport, written.

Knows TD1 with the Vietnamese rule for the number, TD3, and their check digits. Does not read.

Spec: [9303-3], [9303-4], [9303-5]; the rule for the number is from a card's own print.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

LINE, TD3_LINE = 30, 44
NO_EXPIRY = "991231"
_WEIGHTS = (7, 3, 1)
_VALUES = {c: n for n, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}


def check_digit(text: str) -> str:
    """Return the check digit of a field in the zone's alphabet."""
    return str(sum(_VALUES[c] * _WEIGHTS[i % 3] for i, c in enumerate(text)) % 10)


def with_check_digit(text: str) -> str:
    """Return a field followed by its check digit."""
    return text + check_digit(text)


def transliterate(name: str) -> str:
    """Return a name in the zone's alphabet: marks dropped, Đ as D, a filler between words."""
    plain = unicodedata.normalize("NFD", name.upper().replace("Đ", "D"))
    return "<".join(re.findall("[A-Z]+", "".join(c for c in plain if not unicodedata.combining(c))))


def mrz_information(*, number: str, birth: date, expiry: date | None) -> str:
    """Return what opens the chip by its printed zone; the number is nine characters."""
    parts = (number, _yymmdd(birth), _yymmdd(expiry))
    return "".join(with_check_digit(part) for part in parts)


def td1(*, number: str, name: str, birth: date, sex: str, expiry: date | None) -> str:
    """Return the three lines of a citizen card's zone, joined.

    Args:
        number: the twelve digits; the zone's document number is the last nine.
        name: family name first, as Vietnamese names are written.
        birth: date of birth.
        sex: "M" or "F".
        expiry: last day, None for a card without one.
    """
    upper = "IDVNM" + with_check_digit(number[3:]) + number + "<<" + check_digit(number)
    dates = with_check_digit(_yymmdd(birth)), with_check_digit(_yymmdd(expiry))
    middle = dates[0] + sex + dates[1] + "VNM" + "<" * 11
    family, _, given = transliterate(name).partition("<")
    composite = check_digit(upper[5:] + dates[0] + dates[1] + "<" * 11)
    return upper + middle + composite + f"{family}<<{given}".ljust(LINE, "<")[:LINE]


def td3(
    *, document: str, number: str, name: str, birth: date, sex: str, expiry: date | None
) -> str:
    """Return the two lines of a passport's zone, joined.

    Args:
        document: at most nine letters and digits.
        number: the twelve digits, as the optional data.
        name: family name first.
        birth: date of birth.
        sex: "M" or "F".
        expiry: last day.
    """
    family, _, given = transliterate(name).partition("<")
    upper = f"P<VNM{family}<<{given}".ljust(TD3_LINE, "<")[:TD3_LINE]
    number_field = with_check_digit(document.ljust(9, "<"))
    dates = with_check_digit(_yymmdd(birth)), with_check_digit(_yymmdd(expiry))
    optional = with_check_digit(number.ljust(14, "<"))
    composite = check_digit(number_field + dates[0] + dates[1] + optional)
    return upper + number_field + "VNM" + dates[0] + sex + dates[1] + optional + composite


def _yymmdd(day: date | None) -> str:
    return NO_EXPIRY if day is None else f"{day:%y%m%d}"
