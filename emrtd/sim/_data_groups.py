"""The card's files about a person and about themselves, built from plain values.

Knows how each is encoded; pictures and security infos have modules of their own. Does not know who
is on the card.

Spec: [9303-10]; the Vietnamese record of DG13 after public readers of it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from emrtd.sim import _der
from emrtd.sim._files import COM_TAG, DATA_GROUP_TAGS
from emrtd.sim._protocols import VIETNAMESE_RECORD
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

Digest: TypeAlias = Literal["sha256", "sha1"]

_DIGESTS: Mapping[Digest, str] = {"sha256": "2.16.840.1.101.3.4.2.1", "sha1": "1.3.14.3.2.26"}
_NUMBER = re.compile(rb"([0-9]{11})([0-9])")
_CVCA_BYTES = 36


def com(names: Iterable[str]) -> bytes:
    """Return EF.COM: LDS 1.7, Unicode 4.0.0, and the tags of the data groups."""
    tags = bytes(DATA_GROUP_TAGS[name] for name in names)
    parts = encode(0x5F01, b"0107") + encode(0x5F36, b"040000") + encode(0x5C, tags)
    return encode(COM_TAG, parts)


def atr_info(extended_bytes: int) -> bytes:
    """Return EF.ATR/INFO: services, capabilities, and the longest command and answer."""
    limit = encode(0x02, extended_bytes.to_bytes(2, "big"))
    return encode(0x43, b"\x88") + encode(0x47, b"\x00\x01\x40") + encode(0x7F66, limit * 2)


def cvca(reference: bytes) -> bytes:
    """Return EF.CVCA: the name of the one country verifier, padded."""
    return encode(0x42, reference).ljust(_CVCA_BYTES, b"\0")


def dg1(mrz: str) -> bytes:
    """Return data group 1."""
    return encode(0x61, encode(0x5F1F, mrz.encode("ascii")))


def dg7(image: bytes) -> bytes:
    """Return data group 7 with one displayed signature."""
    return encode(DATA_GROUP_TAGS["DG7"], encode(0x02, b"\x01") + encode(0x5F43, image))


def dg11(*, name: str, number: str, birth: date, birthplace: str, address: str) -> bytes:
    """Return data group 11: name, personal number, date and place of birth, address.

    Args:
        name: as in the zone, fillers between its words.
        number: the personal number.
        birth: date of birth.
        birthplace: components separated by commas.
        address: components separated by commas.
    """
    return _listed(
        "DG11",
        {
            0x5F0E: name,
            0x5F10: number,
            0x5F2B: f"{birth:%Y%m%d}",
            0x5F11: _components(birthplace),
            0x5F42: _components(address),
        },
    )


def dg12(*, authority: str, issued: date) -> bytes:
    """Return data group 12: issuing authority and date of issue."""
    return _listed("DG12", {0x5F19: authority, 0x5F26: f"{issued:%Y%m%d}"})


def dg16(people: Iterable[tuple[str, str, str]], *, recorded: date) -> bytes:
    """Return data group 16 with persons to notify: name, telephone, address each."""
    templates = [
        encode(
            0xA0 + number,
            encode(0x5F50, f"{recorded:%Y%m%d}".encode())
            + encode(0x5F51, name.encode())
            + encode(0x5F52, telephone.encode())
            + encode(0x5F53, address.encode()),
        )
        for number, (name, telephone, address) in enumerate(people, 1)
    ]
    count = encode(0x02, bytes((len(templates),)))
    return encode(DATA_GROUP_TAGS["DG16"], count + b"".join(templates))


def _listed(name: str, texts: Mapping[int, str]) -> bytes:
    """Return a group that begins with the list of its own tags."""
    tags = b"".join(tag.to_bytes(2, "big") for tag in texts)
    objects = b"".join(encode(tag, text.encode()) for tag, text in texts.items())
    return encode(DATA_GROUP_TAGS[name], encode(0x5C, tags) + objects)


def _components(text: str) -> str:
    return "<".join(part.strip() for part in text.split(","))


def dg13(fields: Mapping[int, str | tuple[str, ...]]) -> bytes:
    """Return the Vietnamese record.

    Args:
        fields: number of the field to its text; the parents (13) and the spouse (14) as tuples.
    """
    entries = b"".join(_dg13_field(number, fields[number]) for number in sorted(fields))
    record = _der.sequence(_der.integer(1), _der.oid(VIETNAMESE_RECORD), encode(0x31, entries))
    return encode(DATA_GROUP_TAGS["DG13"], record)


def _dg13_field(number: int, value: str | tuple[str, ...]) -> bytes:
    if isinstance(value, tuple):
        parts = [_der.sequence(_der.utf8(person)) for person in value]
    else:
        parts = [(_der.printable if number in _DG13_PRINTABLE else _der.utf8)(value)]
    return _der.sequence(_der.integer(number), *parts)


_DG13_PRINTABLE = {1, 3, 11, 15, 16}


def with_another_number(record: bytes) -> bytes:
    """Return a citizen record with the last digit of its number changed."""
    return _NUMBER.sub(lambda found: found[1] + bytes((found[2][0] ^ 1,)), record, count=1)


def security_object(files: Mapping[str, bytes], *, digest: Digest = "sha256") -> bytes:
    """Return the LDS security object over the data groups among these files."""
    groups = sorted((int(name[2:]), raw) for name, raw in files.items() if name.startswith("DG"))
    hashes = (
        _der.sequence(_der.integer(number), _der.octets(hashlib.new(digest, raw).digest()))
        for number, raw in groups
    )
    algorithm = _der.sequence(_der.oid(_DIGESTS[digest]))
    return _der.sequence(_der.integer(0), algorithm, _der.sequence(*hashes))
