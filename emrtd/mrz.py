"""The machine-readable zone: three lines of 30 (TD1), two of 36 (TD2) or of 44 (TD3).

Knows the fields, every check digit, and what a Vietnamese card puts into the optional data. Does
not know today's date: two-digit years become dates only beside a reference that the caller brings.

Spec: [9303-3], [9303-4], [9303-5], [9303-6].
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from emrtd.errors import ChipMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TD1_CHARS = 90
TD2_CHARS = 72
TD3_CHARS = 88
NUMBER_CHARS = 9
MAX_LONG_NUMBER_CHARS = 22
PERSONAL_NUMBER_DIGITS = 12
NO_EXPIRY = "991231"
"""What a Vietnamese card that never expires carries."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WEIGHTS = (7, 3, 1)
_ZONE = re.compile(r"[0-9A-Z<]*")
_BIRTH = re.compile(r"(?:[0-9]{2}|<<){3}")
_EXPIRY = re.compile(r"[0-9]{6}")
_SEXES = frozenset("MF<")


@dataclass(frozen=True, slots=True)
class MRZ:
    """A zone whose check digits all hold. Fillers are stripped from every field but the dates.

    Attributes:
        document_type: e.g. "ID" or "P".
        issuer: who issued it, three letters, e.g. "VNM".
        document_number: without check digit; on a Vietnamese card the last nine of twelve digits.
        birth: YYMMDD; unknown parts are fillers.
        sex: "M", "F" or "" if unspecified.
        expiry: YYMMDD.
        nationality: three letters.
        optional: optional data; on TD1 both fields joined by a blank if both are used.
        surname: the primary identifier, words parted by blanks.
        given_names: the secondary identifier; may be empty, may be cut short by the issuer.
        personal_number: all twelve digits of a Vietnamese card, else None.
    """

    document_type: str
    issuer: str
    document_number: str = field(repr=False)
    birth: str = field(repr=False)
    sex: str = field(repr=False)
    expiry: str = field(repr=False)
    nationality: str
    optional: str = field(repr=False)
    surname: str = field(repr=False)
    given_names: str = field(repr=False)
    personal_number: str | None = field(repr=False)

    @property
    def information(self) -> str:
        """What the keys of BAC and PACE are derived from."""
        return information(self.document_number, self.birth, self.expiry)

    def birth_date(self, *, reference: date) -> date | None:
        """Return the latest such day that is not after the reference; None if not fully known.

        Raises:
            ChipMalformed: no such day.
        """
        if "<" in self.birth:
            return None
        born = _day(self.birth, century=reference.year // 100)
        if born is not None and born <= reference:
            return born
        born = _day(self.birth, century=reference.year // 100 - 1)
        if born is None:
            raise ChipMalformed("MRZ date of birth", "no such day")
        return born

    def expiry_date(self, *, reference: date) -> date | None:
        """Return that day within 50 years of the reference; None if the card never expires.

        Raises:
            ChipMalformed: no such day.
        """
        if self.expiry == NO_EXPIRY and self.issuer == "VNM":
            return None
        year = int(self.expiry[:2])
        century = (reference.year + 49 - year) // 100
        end = _day(self.expiry, century=century)
        if end is None:
            raise ChipMalformed("MRZ date of expiry", "no such day")
        return end


def parse(text: str) -> MRZ:
    """Parse a zone.

    Args:
        text: its lines joined, 90 characters (TD1), 72 (TD2) or 88 (TD3); line ends are ignored.

    Raises:
        ChipMalformed: another length or character, or a check digit is wrong.
    """
    zone = text.replace("\r", "").replace("\n", "") if len(text) <= TD1_CHARS + 6 else text
    if len(zone) not in _FORMATS or not _ZONE.fullmatch(zone):
        raise ChipMalformed("MRZ", "neither TD1, TD2 nor TD3")
    return _FORMATS[len(zone)](zone)


def check_digit(text: str) -> str:
    """Return the check digit of a field of digits, capital letters and fillers."""
    total = sum(
        _WEIGHTS[at % 3] * (0 if char == "<" else _ALPHABET.index(char))
        for at, char in enumerate(text)
    )
    return str(total % 10)


def information(document_number: str, birth: str, expiry: str) -> str:
    """Return number, birth and expiry, each with its check digit: what opens a chip.

    Args:
        document_number: 1 to 22 characters; filled up to nine.
        birth: YYMMDD; unknown parts are fillers.
        expiry: YYMMDD.

    Raises:
        ChipMalformed: a field that no zone can hold; its `doing` names the field.
    """
    number = document_number.rstrip("<").ljust(NUMBER_CHARS, "<")
    if not _ZONE.fullmatch(number) or len(number) > MAX_LONG_NUMBER_CHARS or number[0] == "<":
        raise ChipMalformed("MRZ document number", "not the characters of one")
    if not _BIRTH.fullmatch(birth):
        raise ChipMalformed("MRZ date of birth", "not YYMMDD")
    if not _EXPIRY.fullmatch(expiry):
        raise ChipMalformed("MRZ date of expiry", "not YYMMDD")
    return "".join(part + check_digit(part) for part in (number, birth, expiry))


def _td1(zone: str) -> MRZ:
    first, second, third = zone[:30], zone[30:60], zone[60:]
    number, optional = _long_number(first[5:14], first[14], first[15:30])
    _check(second[:6], second[6], "date of birth")
    _check(second[8:14], second[14], "date of expiry")
    _check(first[5:] + second[:7] + second[8:15] + second[18:29], second[29], "zone")
    issuer = _field(first[2:5])
    return _zone(
        document_type=first[:2],
        issuer=issuer,
        number=number,
        birth=second[:6],
        sex=second[7],
        expiry=second[8:14],
        nationality=second[15:18],
        optional=" ".join(filter(None, (_field(optional), _field(second[18:29])))),
        names=third,
        personal_number=_vietnamese(number, optional) if issuer == "VNM" else None,
    )


def _td2(zone: str) -> MRZ:
    first, second = zone[:36], zone[36:]
    number, optional = _long_number(second[:9], second[9], second[28:35])
    _check(second[13:19], second[19], "date of birth")
    _check(second[21:27], second[27], "date of expiry")
    _check(second[:10] + second[13:20] + second[21:35], second[35], "zone")
    return _zone(
        document_type=first[:2],
        issuer=_field(first[2:5]),
        number=number,
        birth=second[13:19],
        sex=second[20],
        expiry=second[21:27],
        nationality=second[10:13],
        optional=_field(optional),
        names=first[5:],
        personal_number=None,
    )


def _td3(zone: str) -> MRZ:
    first, second = zone[:44], zone[44:]
    _check(second[:9], second[9], "document number")
    _check(second[13:19], second[19], "date of birth")
    _check(second[21:27], second[27], "date of expiry")
    if second[42] != "<" or second[28:42].strip("<"):
        _check(second[28:42], second[42], "personal number")
    _check(second[:10] + second[13:20] + second[21:43], second[43], "zone")
    return _zone(
        document_type=first[:2],
        issuer=_field(first[2:5]),
        number=second[:9],
        birth=second[13:19],
        sex=second[20],
        expiry=second[21:27],
        nationality=second[10:13],
        optional=_field(second[28:42]),
        names=first[5:],
        personal_number=None,
    )


_FORMATS: Mapping[int, Callable[[str], MRZ]] = {TD1_CHARS: _td1, TD2_CHARS: _td2, TD3_CHARS: _td3}
"""By the length of the joined lines."""


def _zone(
    *,
    document_type: str,
    issuer: str,
    number: str,
    birth: str,
    sex: str,
    expiry: str,
    nationality: str,
    optional: str,
    names: str,
    personal_number: str | None,
) -> MRZ:
    information(number, birth, expiry)
    if sex not in _SEXES:
        raise ChipMalformed("MRZ sex", "none of M, F and unspecified")
    surname, _, given_names = names.rstrip("<").partition("<<")
    return MRZ(
        document_type=_field(document_type),
        issuer=issuer,
        document_number=number.rstrip("<"),
        birth=birth,
        sex=_field(sex),
        expiry=expiry,
        nationality=_field(nationality),
        optional=optional,
        surname=_field(surname),
        given_names=_field(given_names),
        personal_number=personal_number,
    )


def _long_number(number: str, digit: str, optional: str) -> tuple[str, str]:
    """Return the whole number and what is left of the optional data beside it.

    A filler in the place of the check digit says that the number goes on in the optional data up to
    the first filler, its check digit last.
    """
    if digit == "<":
        rest, _, optional = optional.partition("<")
        number, digit = number + rest[:-1], rest[-1:]
    _check(number, digit, "document number")
    return number, optional


def _vietnamese(number: str, optional: str) -> str | None:
    """Return the twelve digits, None if this is no card that carries them."""
    digits, check = optional[:PERSONAL_NUMBER_DIGITS], optional[-1:]
    if len(digits) != PERSONAL_NUMBER_DIGITS or not digits.isdigit():
        return None
    _check(digits, check, "personal number")
    if digits[-NUMBER_CHARS:] != number:
        raise ChipMalformed("MRZ personal number", "does not end in the document number")
    return digits


def _check(text: str, digit: str, what: str) -> None:
    if check_digit(text) != digit:
        raise ChipMalformed(f"MRZ {what}", "the check digit is wrong")


def _field(text: str) -> str:
    return text.replace("<", " ").strip()


def _day(yymmdd: str, *, century: int) -> date | None:
    year, month, day = (int(yymmdd[at : at + 2]) for at in (0, 2, 4))
    try:
        return date(century * 100 + year, month, day)
    except ValueError:
        return None
