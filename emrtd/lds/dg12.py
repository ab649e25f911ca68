"""Data group 12: more about the document, as far as the issuer says.

Knows the fields that the standard names and dates written or packed. What the texts mean is for
others.

Spec: [9303-10] EF.DG12.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd.lds._details import DetailDate, DetailMoment, Fields, Name
from emrtd.lds._images import CodedImage

__all__ = ["DG12", "CodedImage", "DetailDate", "DetailMoment", "Name", "parse"]

TAG = 0x6C


@dataclass(frozen=True, slots=True)
class DG12:
    """Additional document details; what is absent or empty is None, or an empty tuple.

    Attributes:
        issued: the day of issue.
        other_persons: who else is on the document.
        front: an image of the document's front.
        rear: an image of its rear.
        personalised: when the document was made.
        system: serial number of what made it.
        unknown_fields: how many fields have a tag that is not known here.
    """

    authority: str | None = field(default=None, repr=False)
    issued: DetailDate | None = field(default=None, repr=False)
    other_persons: tuple[Name, ...] = field(default=(), repr=False)
    endorsements: str | None = field(default=None, repr=False)
    tax_or_exit: str | None = field(default=None, repr=False)
    front: CodedImage | None = field(default=None, repr=False)
    rear: CodedImage | None = field(default=None, repr=False)
    personalised: DetailMoment | None = field(default=None, repr=False)
    system: str | None = field(default=None, repr=False)
    unknown_fields: int = 0


def parse(raw: bytes) -> DG12:
    """Parse the file. Raises ChipMalformed."""
    fields = Fields.listed(raw, TAG, what="DG12")
    front, rear = fields.raw(0x5F1D), fields.raw(0x5F1E)
    return DG12(
        authority=fields.text(0x5F19),
        issued=fields.date(0x5F26),
        other_persons=fields.names(0x5F1A),
        endorsements=fields.text(0x5F1B),
        tax_or_exit=fields.text(0x5F1C),
        front=CodedImage.of(front) if front else None,
        rear=CodedImage.of(rear) if rear else None,
        personalised=fields.moment(0x5F55),
        system=fields.text(0x5F56),
        unknown_fields=fields.unknown,
    )
