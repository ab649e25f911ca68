"""Data group 16: whom the holder wants to be told in an emergency.

Spec: [9303-10] EF.DG16.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd import tlv
from emrtd.errors import ChipMalformed
from emrtd.lds._details import COUNT, DetailDate, Fields, Name

__all__ = ["DG16", "DetailDate", "Name", "PersonToNotify", "parse"]

TAG = 0x70
TEMPLATES = range(0xA1, 0xB0)
"""One person in each, from the first on."""


@dataclass(frozen=True, slots=True)
class PersonToNotify:
    """One person; what is absent or empty is None, or an empty tuple.

    Attributes:
        recorded: when this was written down.
        address: line by line.
    """

    recorded: DetailDate | None = field(repr=False)
    name: Name | None = field(repr=False)
    telephone: str | None = field(repr=False)
    address: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DG16:
    """The people, at least one, in the order of the file."""

    people: tuple[PersonToNotify, ...]


def parse(raw: bytes) -> DG16:
    """Parse the file. Raises ChipMalformed."""
    parts = tlv.parse(tlv.parse_one(raw, TAG).value)
    counts = [part.value for part in parts if part.tag == COUNT]
    people = [part for part in parts if part.tag != COUNT]
    if not people or counts != [bytes((len(people),))]:
        raise ChipMalformed("DG16", "not as many people as it says")
    if [part.tag for part in people] != list(TEMPLATES[: len(people)]):
        raise ChipMalformed("DG16", "templates that are not numbered from the first on")
    return DG16(tuple(_person(part.value) for part in people))


def _person(template: bytes) -> PersonToNotify:
    fields = Fields(tlv.parse(template), what="DG16")
    return PersonToNotify(
        recorded=fields.date(0x5F50),
        name=fields.name(0x5F51),
        telephone=fields.text(0x5F52),
        address=fields.lines(0x5F53),
    )
