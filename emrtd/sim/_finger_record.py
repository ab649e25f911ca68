"""Fingers in the format that a chip stores them in: ISO/IEC 19794-4:2005 inside CBEFF.

Knows the record's fields and how to find width and height in a coded image. Does not decode images:
they are bytes, JPEG, JPEG 2000, PNG or WSQ.

Spec: [19794-4]; [9303-10] data group 3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emrtd.sim._facial_record import image_size
from emrtd.sim._files import DATA_GROUP_TAGS
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_IMAGE_BYTES = 65_536
MAX_FINGERS = 10
RESOLUTION_PPCM = 197
"""500 pixels an inch."""

_WSQ, _JPEG, _JPEG2000, _PNG = 2, 3, 4, 5
_ACQUISITION_LEVEL = 31
_CENTIMETRES = 2
_LIVE_PLAIN = 0
_SUBTYPES = {1: 0x05, 2: 0x09, 3: 0x0D, 4: 0x11, 5: 0x15,
             6: 0x06, 7: 0x0A, 8: 0x0E, 9: 0x12, 10: 0x16}  # fmt: skip
"""Finger position to the header's subtype: right or left in the low bits, then the finger."""


def dg3(fingers: Mapping[int, bytes]) -> bytes:
    """Return data group 3, each finger in a template of its own.

    Args:
        fingers: position (1 right thumb to 5 right little, 6 left thumb to 10 left little) to its
            coded image.

    Raises:
        ValueError: no finger or no such position, or an image longer than `MAX_IMAGE_BYTES`, of
            another coding or without a size.
    """
    if not 0 < len(fingers) <= MAX_FINGERS or not fingers.keys() <= _SUBTYPES.keys():
        raise ValueError("one to ten fingers at positions 1 to 10")
    count = encode(0x02, bytes((len(fingers),)))
    templates = b"".join(_template(position, fingers[position]) for position in sorted(fingers))
    return encode(DATA_GROUP_TAGS["DG3"], encode(0x7F61, count + templates))


def _template(position: int, image: bytes) -> bytes:
    header = (
        encode(0x80, b"\x01\x01")  # header version
        + encode(0x81, b"\x08")  # fingerprint
        + encode(0x82, bytes((_SUBTYPES[position],)))
        + encode(0x87, b"\x01\x01")  # format owner: JTC 1/SC 37
        + encode(0x88, b"\x00\x07")  # format: finger image
    )
    return encode(0x7F60, encode(0xA1, header) + encode(0x5F2E, _record(position, image)))


def _record(position: int, image: bytes) -> bytes:
    coding, width, height = coded_image(image)
    finger = struct.pack(
        ">IBBBBBHHB", 14 + len(image), position, 1, 1, 0, _LIVE_PLAIN, width, height, 0
    )
    ppcm = RESOLUTION_PPCM
    header = struct.pack(
        ">HHBBHHHHBBH", 0, _ACQUISITION_LEVEL, 1, _CENTIMETRES, ppcm, ppcm, ppcm, ppcm, 8, coding, 0
    )
    length = 8 + 6 + len(header) + len(finger) + len(image)
    return b"FIR\x00010\x00" + length.to_bytes(6, "big") + header + finger + image


def coded_image(image: bytes) -> tuple[int, int, int]:
    """Return the record's code for the compression, width and height of a coded image.

    Raises:
        ValueError: longer than `MAX_IMAGE_BYTES`, of another coding, or without a size.
    """
    if len(image) > MAX_IMAGE_BYTES:
        raise ValueError(f"a finger image is at most {MAX_IMAGE_BYTES} bytes")
    if image[:8] == b"\x89PNG\r\n\x1a\n" and len(image) >= 24:
        return _PNG, *_in_bounds(*struct.unpack_from(">II", image, 16))
    if image[:2] == b"\xff\xa0":
        return _WSQ, *_wsq_size(image)
    kind, width, height = image_size(image)
    return (_JPEG2000 if kind else _JPEG), width, height


def _wsq_size(image: bytes) -> tuple[int, int]:
    """Walk the segments up to the frame header; each is at least two bytes further."""
    at = 2
    while at + 10 <= len(image) and image[at] == 0xFF:
        marker, length = image[at + 1], int.from_bytes(image[at + 2 : at + 4], "big")
        if marker == 0xA2:
            height, width = struct.unpack_from(">HH", image, at + 6)
            return _in_bounds(width, height)
        at += 2 + max(length, 2)
    raise ValueError("a WSQ image without a frame")


def _in_bounds(width: int, height: int) -> tuple[int, int]:
    if not (0 < width <= 0xFFFF and 0 < height <= 0xFFFF):
        raise ValueError("an image without a size")
    return width, height
