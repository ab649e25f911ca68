"""A made-up person, as a card tells of one.

Knows how number, dates and names hang together, in the zone and in the citizen record. Refuses any
number that could be a person's.

Spec: [9303-3]; the Vietnamese record of DG13 after public readers of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emrtd.sim._mrz_writer import mrz_information, td1, td3, transliterate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

TEST_PREFIX = "999"
"""No province has this number: what starts with it is nobody's."""
DOCUMENT_PREFIX = "T999"

NO_EXPIRY = "Không thời hạn"
_BANDS = ((23, 25), (38, 40), (58, 60))
_DOCUMENT = re.compile(f"{DOCUMENT_PREFIX}[A-Z0-9]{{1,5}}")


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """A made-up person.

    Attributes:
        number: twelve digits that start with `TEST_PREFIX`.
        name: family name first, with its marks.
        sex: "M" or "F".
        expiry: last day of the card, None for one without.
        document: a passport's number: at most nine capitals and digits.
        father: "" if the record has no parents; so for the mother and the spouse.

    Raises:
        ValueError: the number may be a person's, the name is empty, or the dates run backward.
    """

    number: str
    name: str
    birth: date
    sex: Literal["M", "F"]
    issued: date
    expiry: date | None
    nationality: str = "Việt Nam"
    ethnicity: str = "Kinh"
    religion: str = "Không"
    origin: str = "Xã Mẫu, Hà Nội"
    residence: str = "Số 1, Phố Giả, Xã Mẫu, Hà Nội"
    marks: str = "Nốt ruồi C:1cm"
    father: str = "Nguyễn Văn A"
    mother: str = "Trần Thị B"
    spouse: str = ""
    old_number: str = ""
    serial: str = "0123456789ABCDEF"
    document: str = "T99912345"

    def __post_init__(self) -> None:
        if not (self.number.isascii() and self.number.isdigit() and len(self.number) == 12):
            raise ValueError("a personal number has twelve digits")
        if not self.number.startswith(TEST_PREFIX):
            raise ValueError(f"a test card's number starts with {TEST_PREFIX}: others are people's")
        if not _DOCUMENT.fullmatch(self.document):
            raise ValueError(f"a test passport's number starts with {DOCUMENT_PREFIX}")
        if not transliterate(self.name):
            raise ValueError("a name needs letters")
        if not self.birth <= self.issued <= (self.expiry or self.issued):
            raise ValueError("birth, issue and expiry are in this order")


def expiry(birth: date, issued: date) -> date | None:
    """Return the last day by the age bands of the law: 25, 40, 60; None for who is past them.

    A card issued in the two years before a band is valid to the next one.
    """
    age = issued.year - birth.year - ((issued.month, issued.day) < (birth.month, birth.day))
    for younger_than, until in _BANDS:
        if age < younger_than:
            leap_day = (birth.month, birth.day) == (2, 29)
            return birth.replace(year=birth.year + until, day=28 if leap_day else birth.day)
    return None


def zone(holder: Holder, *, passport: bool) -> str:
    """Return the machine-readable zone, its lines joined."""
    if passport:
        return td3(
            document=holder.document, number=holder.number, name=holder.name, birth=holder.birth,
            sex=holder.sex, expiry=holder.expiry,
        )  # fmt: skip
    return td1(
        number=holder.number, name=holder.name, birth=holder.birth, sex=holder.sex,
        expiry=holder.expiry,
    )  # fmt: skip


def zone_password(holder: Holder, *, passport: bool) -> str:
    """Return number, birth and expiry with their check digits."""
    number = holder.document.ljust(9, "<") if passport else holder.number[3:]
    return mrz_information(number=number, birth=holder.birth, expiry=holder.expiry)


def citizen_record(holder: Holder) -> dict[int, str | tuple[str, ...]]:
    """Return the fields of the Vietnamese record by number; what is empty is left out."""
    texts: dict[int, str | tuple[str, ...]] = {
        1: holder.number,
        2: holder.name,
        3: _slashed(holder.birth),
        4: "Nam" if holder.sex == "M" else "Nữ",
        5: holder.nationality,
        6: holder.ethnicity,
        7: holder.religion,
        8: holder.origin,
        9: holder.residence,
        10: holder.marks,
        11: _slashed(holder.issued),
        12: NO_EXPIRY if holder.expiry is None else _slashed(holder.expiry),
        13: _named((holder.father, holder.mother)),
        14: _named((holder.spouse,)),
        15: holder.old_number,
        16: holder.serial,
    }
    return {number: text for number, text in texts.items() if text}


def _named(people: Iterable[str]) -> tuple[str, ...]:
    return tuple(person for person in people if person)


def _slashed(day: date) -> str:
    return f"{day:%d/%m/%Y}"
