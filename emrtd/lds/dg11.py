"""Data group 11: more about the holder, as far as the issuer says.

Knows the fields that the standard names, other names in both shapes that are issued, and dates
written or packed. What the texts mean is for others.

Spec: [9303-10] EF.DG11.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd.lds._details import DetailDate, Fields, Name
from emrtd.lds._images import CodedImage

__all__ = ["DG11", "CodedImage", "DetailDate", "Name", "parse"]

TAG = 0x6B


@dataclass(frozen=True, slots=True)
class DG11:
    """Additional personal details; what is absent or empty is None, or an empty tuple.

    Attributes:
        name: in full, in the holder's own script where the issuer has it.
        other_names: aliases, or the same name in another script.
        place_of_birth: from the narrow to the wide.
        address: line by line.
        proof_of_citizenship: an image.
        other_documents: numbers of other valid travel documents.
        unknown_fields: how many fields have a tag that is not known here.
    """

    name: Name | None = field(default=None, repr=False)
    other_names: tuple[Name, ...] = field(default=(), repr=False)
    personal_number: str | None = field(default=None, repr=False)
    birth: DetailDate | None = field(default=None, repr=False)
    place_of_birth: tuple[str, ...] = field(default=(), repr=False)
    address: tuple[str, ...] = field(default=(), repr=False)
    telephone: str | None = field(default=None, repr=False)
    profession: str | None = field(default=None, repr=False)
    title: str | None = field(default=None, repr=False)
    summary: str | None = field(default=None, repr=False)
    proof_of_citizenship: CodedImage | None = field(default=None, repr=False)
    other_documents: tuple[str, ...] = field(default=(), repr=False)
    custody: str | None = field(default=None, repr=False)
    unknown_fields: int = 0


def parse(raw: bytes) -> DG11:
    """Parse the file. Raises ChipMalformed."""
    fields = Fields.listed(raw, TAG, what="DG11")
    proof = fields.raw(0x5F16)
    return DG11(
        name=fields.name(0x5F0E),
        other_names=fields.names(0x5F0F),
        personal_number=fields.text(0x5F10),
        birth=fields.date(0x5F2B),
        place_of_birth=fields.lines(0x5F11),
        address=fields.lines(0x5F42),
        telephone=fields.text(0x5F12),
        profession=fields.text(0x5F13),
        title=fields.text(0x5F14),
        summary=fields.text(0x5F15),
        proof_of_citizenship=CodedImage.of(proof) if proof else None,
        other_documents=fields.lines(0x5F17),
        custody=fields.text(0x5F18),
        unknown_fields=fields.unknown,
    )
