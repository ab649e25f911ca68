"""A portrait in the format that a chip stores it in: ISO/IEC 19794-5:2005 inside CBEFF.

Knows the record's fields and how to find width and height in a coded image. Does not decode images:
they are bytes, JPEG or JPEG 2000.

Spec: [19794-5]; [9303-10] data group 2.
"""

from __future__ import annotations

import struct

from emrtd.tlv import encode

MAX_IMAGE_BYTES = 65_536

_JPEG, _JPEG2000 = 0, 1
_FULL_FRONTAL = 1
_CBEFF_HEADER = (
    (0xA1, b""),
    (0x80, b"\x01\x01"),  # header version
    (0x81, b"\x02"),  # facial features
    (0x82, b"\x00"),  # no subtype
    (0x87, b"\x01\x01"),  # format owner: JTC 1/SC 37
    (0x88, b"\x00\x08"),  # format: face image
)


def dg2(image: bytes) -> bytes:
    """Return data group 2 with one portrait.

    Raises:
        ValueError: longer than `MAX_IMAGE_BYTES`, neither JPEG nor JPEG 2000, or without a size.
    """
    if len(image) > MAX_IMAGE_BYTES:
        raise ValueError(f"a portrait is at most {MAX_IMAGE_BYTES} bytes")
    header = b"".join(encode(tag, value) for tag, value in _CBEFF_HEADER[1:])
    template = encode(0xA1, header) + encode(0x5F2E, _record(image))
    group = encode(0x02, b"\x01") + encode(0x7F60, template)
    return encode(0x75, encode(0x7F61, group))


def _record(image: bytes) -> bytes:
    kind, width, height = image_size(image)
    information = struct.pack(">BBHHBBHH", _FULL_FRONTAL, kind, width, height, 1, 2, 0, 0)
    # No feature points; gender, colours, properties, expression and pose are left unspecified.
    face = struct.pack(">IH14x", 20 + len(information) + len(image), 0) + information + image
    return struct.pack(">4s4sIH", b"FAC\0", b"010\0", 14 + len(face), 1) + face


def image_size(image: bytes) -> tuple[int, int, int]:
    """Return the data type (0 JPEG, 1 JPEG 2000), width and height of a coded image.

    Raises:
        ValueError: neither, or without a size.
    """
    if image[:2] == b"\xff\xd8":
        return _JPEG, *_jpeg_size(image)
    if image[4:12] == b"jP  \r\n\x87\n":
        at = image.find(b"ihdr", 0, 4096)
        if at > 0 and len(image) >= at + 12:
            height, width = struct.unpack_from(">II", image, at + 4)
            return _JPEG2000, *_in_bounds(width, height)
    if image[:4] == b"\xff\x4f\xff\x51" and len(image) >= 24:
        right, lower, left, upper = struct.unpack_from(">IIII", image, 8)
        return _JPEG2000, *_in_bounds(right - left, lower - upper)
    raise ValueError("neither JPEG nor JPEG 2000")


def _jpeg_size(image: bytes) -> tuple[int, int]:
    """Walk the segments up to the frame header; each is at least two bytes further."""
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker, length = image[at + 1], int.from_bytes(image[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", image, at + 5)
            return _in_bounds(width, height)
        at += 2 + length
    raise ValueError("a JPEG without a frame")


def _in_bounds(width: int, height: int) -> tuple[int, int]:
    if not (0 < width <= 0xFFFF and 0 < height <= 0xFFFF):
        raise ValueError("an image without a size")
    return width, height
