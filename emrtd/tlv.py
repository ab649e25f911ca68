"""BER-TLV as chips speak it: definite lengths, short tags, and nothing left over.

Knows how one object follows another. Does not know what any tag means, nor does it descend into
constructed objects: the caller parses a value again where its standard says that it holds objects.
Length fields may be longer than they need be, as some cards write them; every length is compared
with what is really there before a byte is copied.

Spec: [7816-4].
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd.errors import ChipMalformed

MAX_BYTES = 262_144
"""The most that `parse` looks at unless told otherwise: as long as the longest file."""

MAX_TAG_BYTES = 3
MAX_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class TLV:
    """One data object.

    Attributes:
        tag: the tag's bytes as one number, e.g. 0x87 or 0x7F49.
        value: the value field, undecoded.
    """

    tag: int
    value: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Encode with the shortest length."""
        return encode(self.tag, self.value)


def parse(data: bytes, *, limit: int = MAX_BYTES) -> tuple[TLV, ...]:
    """Split a string of objects that fills `data` exactly.

    Args:
        data: what the chip sent.
        limit: the most bytes that the caller is ready to look at.

    Raises:
        ChipMalformed: too long, cut short, or not TLV.
    """
    if len(data) > limit:
        raise ChipMalformed("TLV", f"{len(data)} bytes where at most {limit} may be")
    objects = []
    at = 0
    while at < len(data):
        tag, start, length = _header(data, at)
        if length > len(data) - start:
            raise ChipMalformed("TLV", "a value is cut short")
        at = start + length
        objects.append(TLV(tag, data[start:at]))
    return tuple(objects)


def parse_one(data: bytes, tag: int | None = None, *, limit: int = MAX_BYTES) -> TLV:
    """Decode the one object that fills `data` exactly.

    Args:
        data: what the chip sent.
        tag: the tag it must have, None for any.
        limit: the most bytes that the caller is ready to look at.

    Raises:
        ChipMalformed: none or several objects, another tag, or not TLV.
    """
    objects = parse(data, limit=limit)
    if len(objects) != 1:
        raise ChipMalformed("TLV", f"{len(objects)} objects where one must be")
    if tag is not None and objects[0].tag != tag:
        raise ChipMalformed("TLV", f"tag {objects[0].tag:X} where {tag:X} must be")
    return objects[0]


def encode(tag: int, value: bytes) -> bytes:
    """Encode one object with the shortest length.

    Raises:
        ValueError: no tag, or a value that no length field can announce.
    """
    tag_bytes = tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big")
    if _tag_length(tag_bytes, 0) != len(tag_bytes):
        raise ValueError("not a tag")
    if len(value) < 0x80:
        return tag_bytes + bytes((len(value),)) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return tag_bytes + bytes((0x80 | len(length),)) + length + value


def length_from_head(head: bytes) -> tuple[int, int]:
    """Return how long a file's header and value are, from the file's first bytes.

    Args:
        head: at least the file's tag and length fields; what follows is ignored.

    Returns:
        (header_len, value_len) in bytes; the file is their sum. The value's length is what the chip
        claims, up to 4 GiB: bound it before use.

    Raises:
        ChipMalformed: the header is cut short or not TLV.
    """
    _, start, length = _header(head, 0)
    return start, length


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, where the value starts, and the value's claimed length."""
    width = _tag_length(data, at)
    start = at + width
    if not width or start >= len(data):
        raise ChipMalformed("TLV", "no tag and length")
    tag = int.from_bytes(data[at:start], "big")
    first, start = data[start], start + 1
    if first < 0x80:
        return tag, start, first
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_BYTES or start + count > len(data):
        raise ChipMalformed("TLV", "no definite length")
    return tag, start + count, int.from_bytes(data[start : start + count], "big")


def _tag_length(data: bytes, at: int) -> int:
    """Return how many bytes the tag has, 0 if there is none."""
    head = data[at : at + MAX_TAG_BYTES]
    if not head or head[0] in {0x00, 0xFF}:
        return 0
    if head[0] & 0x1F != 0x1F:
        return 1
    if len(head) > 1 and head[1] < 0x80:
        return 2
    if len(head) > 2 and head[1] > 0x80 and head[2] < 0x80:
        return 3
    return 0
