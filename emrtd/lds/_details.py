"""The fields of data groups 11, 12 and 16: texts, names and dates, in the forms they come in.

Knows UTF-8, the filler `<` that parts words and lines, and dates written in digits or packed two
digits a byte (both are met). A list of tags stands before the fields of DG11 and DG12: it must be
one, and decides nothing, for issuers differ in whether it names the fields or what holds them.

Spec: [9303-10] EF.DG11, EF.DG12 and EF.DG16.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from emrtd import tlv
from emrtd.errors import ChipMalformed

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEXT_BYTES = 4096
MAX_REPEATS = 99
MAX_LINES = 64

TAG_LIST, REPEATED, COUNT = 0x5C, 0xA0, 0x02
_PACKED_CENTURIES = frozenset({0x18, 0x19, 0x20, 0x21})
"""First byte of a packed year; no such date begins with two digits in these characters."""
_DATE_DIGITS, _MOMENT_DIGITS = 8, 14


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the order of documents.

    Attributes:
        surname: the primary identifier; the whole name where the issuer doesn't part it.
        given_names: the secondary identifier; may be empty.
    """

    surname: str = field(repr=False)
    given_names: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DetailDate:
    """A date.

    Attributes:
        text: as written, packed digits unpacked.
        day: the day, None if the text is not YYYYMMDD or no such day: parts may be unknown.
    """

    text: str = field(repr=False)
    day: date | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DetailMoment:
    """A day and its time, of a zone that nobody writes down.

    Attributes:
        text: as written, packed digits unpacked.
        at: naive, None if the text is not YYYYMMDDhhmmss or no such time.
    """

    text: str = field(repr=False)
    at: datetime | None = field(repr=False)


class Fields:
    """The fields of one file by tag, each taken once; for one parser.

    Attributes:
        unknown: how many fields nobody took.
    """

    def __init__(self, parts: Iterable[tlv.TLV], *, what: str) -> None:
        """Begin.

        Args:
            parts: the fields.
            what: the file's name, for errors.
        """
        self._what = what
        self._parts = list(parts)

    @classmethod
    def listed(cls, raw: bytes, tag: int, *, what: str) -> Fields:
        """Return the fields of a file that begins with a list of their tags.

        Raises:
            ChipMalformed: not TLV, another tag, or no list of tags at its head.
        """
        parts = tlv.parse(tlv.parse_one(raw, tag).value)
        if not parts or parts[0].tag != TAG_LIST:
            raise ChipMalformed(what, "no list of tags")
        _check_tags(parts[0].value, what)
        return cls(parts[1:], what=what)

    @property
    def unknown(self) -> int:
        """How many fields nobody took."""
        return len(self._parts)

    def raw(self, tag: int) -> bytes | None:
        """Take a field that may stand once. Raises ChipMalformed if it stands twice."""
        found = [each.value for each in self._parts if each.tag == tag]
        if len(found) > 1:
            raise ChipMalformed(self._what, f"field {tag:X} stands twice")
        self._parts = [each for each in self._parts if each.tag != tag]
        return found[0] if found else None

    def text(self, tag: int) -> str | None:
        """Take a text, None if it is absent or empty; fillers become blanks."""
        value = self.raw(tag)
        return None if value is None else _plain(text(value, self._what)) or None

    def lines(self, tag: int) -> tuple[str, ...]:
        """Take a text of several parts; those that are empty are left out."""
        value = self.raw(tag)
        if value is None:
            return ()
        found = [each.strip() for each in text(value, self._what).split("<")]
        if len(found) > MAX_LINES:
            raise ChipMalformed(self._what, "a field of too many parts")
        return tuple(filter(None, found))

    def name(self, tag: int) -> Name | None:
        """Take a name, None if it is absent or empty."""
        value = self.raw(tag)
        return None if value is None else _name(value, self._what)

    def names(self, tag: int) -> tuple[Name, ...]:
        """Take a name that may be repeated: counted inside a holder, or bare, as some issue it.

        Raises:
            ChipMalformed: not as many as the count says, or too many.
        """
        holder = self.raw(REPEATED)
        bare = [each.value for each in self._parts if each.tag == tag]
        self._parts = [each for each in self._parts if each.tag != tag]
        if holder is not None:
            inside = tlv.parse(holder)
            counted = [each.value for each in inside if each.tag == tag]
            counts = [each.value for each in inside if each.tag == COUNT]
            if not counted or bare or counts != [bytes((len(counted) & 0xFF,))]:
                raise ChipMalformed(self._what, "not as many names as it says")
            bare = counted
        if len(bare) > MAX_REPEATS:
            raise ChipMalformed(self._what, "too many names")
        return tuple(each for value in bare if (each := _name(value, self._what)))

    def date(self, tag: int) -> DetailDate | None:
        """Take a date, None if it is absent or empty."""
        value = self.raw(tag)
        if not value:
            return None
        written = _digits(value, self._what, _DATE_DIGITS)
        moment = _moment(written + "000000") if len(written) == _DATE_DIGITS else None
        return DetailDate(written, None if moment is None else moment.date())

    def moment(self, tag: int) -> DetailMoment | None:
        """Take a day with its time, None if it is absent or empty."""
        value = self.raw(tag)
        if not value:
            return None
        written = _digits(value, self._what, _MOMENT_DIGITS)
        return DetailMoment(written, _moment(written))


def text(value: bytes, what: str) -> str:
    """Return a UTF-8 text in NFC; control characters become blanks.

    Raises:
        ChipMalformed: too long or in another encoding.
    """
    if len(value) > MAX_TEXT_BYTES:
        raise ChipMalformed(what, "a text that is too long")
    try:
        decoded = value.decode()
    except UnicodeDecodeError:
        # Without its cause, which would carry the bytes of a person's record.
        raise ChipMalformed(what, "a text in another encoding") from None
    plain = "".join(" " if unicodedata.category(char) == "Cc" else char for char in decoded)
    return unicodedata.normalize("NFC", plain).strip()


def _check_tags(value: bytes, what: str) -> None:
    """Return only if these are tags of one or two bytes, one after the other."""
    at = 0
    while at < len(value):
        width = 2 if value[at] & 0x1F == 0x1F else 1
        if at + width > len(value) or value[at] == 0:
            raise ChipMalformed(what, "a list that is not of tags")
        at += width


def _name(value: bytes, what: str) -> Name | None:
    surname, _, given = text(value, what).partition("<<")
    name = Name(_plain(surname), _plain(given))
    return name if name.surname or name.given_names else None


def _plain(written: str) -> str:
    return " ".join(written.replace("<", " ").split())


def _digits(value: bytes, what: str, digits: int) -> str:
    """Return a date as text: written in characters, or packed."""
    if len(value) == digits // 2 and value[0] in _PACKED_CENTURIES:
        return value.hex()
    return text(value, what)


def _moment(digits: str) -> datetime | None:
    if len(digits) != _MOMENT_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    parts = [int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))]
    try:
        return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - nobody names the zone
    except ValueError:
        return None
