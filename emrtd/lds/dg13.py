"""Data group 13 of a Vietnamese citizen card: the citizen record.

Knows the numbered fields that public readers of the card report, in both shapes that its parents
are written in; every field may be absent and their order is free. Does not know the law: a number's
meaning, or who may ask for a religion, is for others. Dates that are no dates stay text ("Không
thời hạn" is an expiry).

Spec: none is public; the structure is that of the cards seen.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from emrtd import tlv
from emrtd.errors import ChipMalformed

TAG = 0x6D
MAX_BYTES = 16_384
MAX_FIELDS = 64
MAX_TEXT_BYTES = 2048
MAX_PEOPLE = 4
"""Most names in one field: two parents, and a margin."""

_SEQUENCE, _SET, _INTEGER, _OID = 0x30, 0x31, 0x02, 0x06
_RECORD_OID = bytes.fromhex("28D316010008")
"""1.0.10646.1.0.8"""
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii"}
_DATE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_PEOPLE = frozenset({13, 14})
_NAMES = {
    1: "number", 2: "name", 3: "birth", 4: "sex", 5: "nationality", 6: "ethnicity", 7: "religion",
    8: "origin", 9: "residence", 10: "marks", 11: "issued", 12: "expiry", 13: "parents",
    14: "spouse", 15: "old_number", 16: "serial",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordDate:
    """A date field.

    Attributes:
        text: as written.
        day: the day, None if the text is not dd/MM/yyyy or no such day.
    """

    text: str = field(repr=False)
    day: date | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DG13:
    """The citizen record; text is in NFC, and what is absent or empty is None.

    Attributes:
        number: the personal number.
        name: family name first, with its marks.
        parents: names in the order of the card, usually father and mother.
        old_number: the number of an earlier card.
        unknown_fields: how many fields have a number that is not known here.
    """

    number: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    birth: RecordDate | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    nationality: str | None = field(default=None, repr=False)
    ethnicity: str | None = field(default=None, repr=False)
    religion: str | None = field(default=None, repr=False)
    origin: str | None = field(default=None, repr=False)
    residence: str | None = field(default=None, repr=False)
    marks: str | None = field(default=None, repr=False)
    issued: RecordDate | None = field(default=None, repr=False)
    expiry: RecordDate | None = field(default=None, repr=False)
    parents: tuple[str, ...] = field(default=(), repr=False)
    spouse: str | None = field(default=None, repr=False)
    old_number: str | None = field(default=None, repr=False)
    serial: str | None = field(default=None, repr=False)
    unknown_fields: int = 0


def parse(raw: bytes) -> DG13:
    """Parse the file.

    Raises:
        ChipMalformed: another structure, a field that stands twice, or text that is none.
    """
    record = tlv.parse_one(tlv.parse_one(raw, TAG, limit=MAX_BYTES).value, _SEQUENCE).value
    parts = tlv.parse(record)
    if [part.tag for part in parts] != [_INTEGER, _OID, _SET] or parts[1].value != _RECORD_OID:
        raise ChipMalformed("DG13", "no citizen record")
    fields = tlv.parse(parts[2].value)
    if len(fields) > MAX_FIELDS:
        raise ChipMalformed("DG13", "too many fields")
    texts: dict[int, tuple[str, ...]] = {}
    for each in fields:
        number, found = _field(each)
        if number in texts:
            raise ChipMalformed("DG13", f"field {number} stands twice")
        texts[number] = found
    return _record(texts)


def _record(texts: dict[int, tuple[str, ...]]) -> DG13:
    one = {
        _NAMES[number]: found[0] for number, found in texts.items() if found and number in _NAMES
    }
    return DG13(
        **{name: one.get(name) for name in _PLAIN},
        birth=_date(one.get("birth")),
        issued=_date(one.get("issued")),
        expiry=_date(one.get("expiry")),
        parents=texts.get(13, ()),
        unknown_fields=len(texts.keys() - _NAMES.keys()),
    )


_PLAIN = tuple(
    name for name in _NAMES.values() if name not in {"birth", "issued", "expiry", "parents"}
)


def _field(entry: tlv.TLV) -> tuple[int, tuple[str, ...]]:
    """Return a field's number and its texts that are not empty; an unknown one has none."""
    if entry.tag != _SEQUENCE:
        raise ChipMalformed("DG13", "a field is no SEQUENCE")
    parts = tlv.parse(entry.value)
    if not parts or parts[0].tag != _INTEGER or not 1 <= len(parts[0].value) <= 2:
        raise ChipMalformed("DG13", "a field without a number")
    number, values = int.from_bytes(parts[0].value, "big"), parts[1:]
    if number not in _NAMES:
        return number, ()
    if number in _PEOPLE:
        # Two sibling SEQUENCEs of one name each, or one SEQUENCE of two names: both were seen.
        values = tuple(
            name
            for value in values
            for name in (tlv.parse(value.value) if value.tag == _SEQUENCE else (value,))
        )
    if len(values) > (MAX_PEOPLE if number in _PEOPLE else 1):
        raise ChipMalformed("DG13", f"field {number} has too many values")
    return number, tuple(filter(None, map(_text, values)))


def _text(value: tlv.TLV) -> str:
    """Return a string in NFC; control characters become blanks."""
    if value.tag not in _ENCODINGS or len(value.value) > MAX_TEXT_BYTES:
        raise ChipMalformed("DG13", "a value that is no text, or too long")
    try:
        text = value.value.decode(_ENCODINGS[value.tag])
    except UnicodeDecodeError:
        # Without its cause, which would carry the bytes of a person's record.
        raise ChipMalformed("DG13", "a text in another encoding") from None
    plain = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    return unicodedata.normalize("NFC", plain).strip()


def _date(text: str | None) -> RecordDate | None:
    if text is None:
        return None
    found = _DATE.fullmatch(text)
    try:
        day = date(*(int(found[at]) for at in (3, 2, 1))) if found else None
    except ValueError:
        day = None
    return RecordDate(text, day)
