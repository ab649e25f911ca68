"""Data group 3: fingerprints, as coded images that nobody here decodes.

Knows the record of ISO/IEC 19794-4:2005 inside CBEFF. Does not know pictures, nor who may read the
file: a chip gives it after terminal authentication only. A document without fingerprints may have
the file all the same, with no template in it.

Spec: [9303-10] EF.DG3; [19794-4].
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from emrtd.errors import ChipMalformed
from emrtd.lds import _cbeff
from emrtd.lds._images import CodedFormat, coded_format

__all__ = ["DG3", "FingerImage", "FingerPosition", "Impression", "parse", "parse_record"]

TAG = 0x63
MAX_FINGERS = 32
MAX_PIXELS = 16_777_216
"""Of one image: four fingers at 1000 pixels an inch fit."""

_FORMAT = b"FIR\x00"
_HEADER = struct.Struct(">4s4sHIHHBBHHHHBBH")
"""Format, version, length (two fields), device, level, views, unit, resolutions, depth, coding."""
_VIEW = struct.Struct(">IBBBBBHHB")
"""Length, position, views, number, quality, impression, width, height, reserved."""
_PER_INCH, _PER_CM = 1, 2
_CM_PER_INCH = 2.54
_MAX_DEPTH_BITS = 16
_MAX_QUALITY = 100
_UNCODED, _PACKED = 0, 1
_MAX_CODING = 5


class FingerPosition(IntEnum):
    """Which finger, by the numbers of the standard."""

    UNKNOWN = 0
    RIGHT_THUMB = 1
    RIGHT_INDEX = 2
    RIGHT_MIDDLE = 3
    RIGHT_RING = 4
    RIGHT_LITTLE = 5
    LEFT_THUMB = 6
    LEFT_INDEX = 7
    LEFT_MIDDLE = 8
    LEFT_RING = 9
    LEFT_LITTLE = 10
    RIGHT_FOUR = 13
    LEFT_FOUR = 14
    THUMBS = 15


class Impression(IntEnum):
    """How it was taken, by the numbers of the standard."""

    LIVE_PLAIN = 0
    LIVE_ROLLED = 1
    NONLIVE_PLAIN = 2
    NONLIVE_ROLLED = 3
    LATENT = 7
    SWIPE = 8
    LIVE_CONTACTLESS = 9


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One coded fingerprint.

    Attributes:
        position: which finger.
        impression: how it was taken, None for a number that the standard keeps free.
        view: which view of that finger, from 0 or 1 on, as the issuer counts.
        quality: 0..100, None if it was not assessed.
        format: by the image's own first bytes, "raw" or "packed" if it is not coded.
        width_px: of the image, as the record says.
        height_px: of the image, as the record says.
        resolution_ppi: pixels an inch, (horizontal, vertical), None if the record doesn't say.
        depth_bits: of a pixel, 1..16.
        data: the image file, coded; or the pixels, row after row, from the top left corner.
    """

    position: FingerPosition
    impression: Impression | None
    view: int
    quality: int | None
    format: CodedFormat | Literal["raw", "packed"]
    width_px: int
    height_px: int
    resolution_ppi: tuple[float, float] | None
    depth_bits: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DG3:
    """The fingerprints in the order of the file; a document may have none."""

    fingers: tuple[FingerImage, ...]


@dataclass(frozen=True, slots=True)
class _Common:
    """What a record's header says of all its images."""

    resolution_ppi: tuple[float, float] | None
    depth_bits: int
    coding: int


def parse(raw: bytes) -> DG3:
    """Parse the file. Raises ChipMalformed."""
    blocks = _cbeff.data_blocks(raw, TAG, what="DG3", least=0)
    fingers = tuple(finger for block in blocks for finger in parse_record(block))
    if len(fingers) > MAX_FINGERS:
        raise ChipMalformed("DG3", f"{len(fingers)} fingers")
    return DG3(fingers)


def parse_record(record: bytes) -> list[FingerImage]:
    """Parse one record of ISO/IEC 19794-4, as chips and sensors give it, with nothing around it.

    Returns:
        Its images: at least one, as many as its header says.

    Raises:
        ChipMalformed: it is none.
    """
    if len(record) < _HEADER.size or not record.startswith(_FORMAT):
        raise ChipMalformed("DG3", "no record of ISO/IEC 19794-4")
    _, _, high, low, _, _, count, unit, _, _, across, down, depth, coding, _ = _HEADER.unpack_from(
        record
    )
    end = high << 32 | low
    if end > len(record) or not 1 <= count <= MAX_FINGERS:
        raise ChipMalformed("DG3", "a record longer than it is, or of no or too many views")
    if not 1 <= depth <= _MAX_DEPTH_BITS or coding > _MAX_CODING:
        raise ChipMalformed("DG3", "a depth or a coding out of bounds")
    common = _Common(_resolution(unit, across, down), depth, coding)
    fingers, at = [], _HEADER.size
    for _ in range(count):
        length = int.from_bytes(record[at : at + 4], "big")
        if not _VIEW.size < length <= end - at:
            raise ChipMalformed("DG3", "a view is cut short")
        fingers.append(_finger(record[at : at + length], common))
        at += length
    return fingers


def _resolution(unit: int, across: int, down: int) -> tuple[float, float] | None:
    if unit not in {_PER_INCH, _PER_CM}:
        raise ChipMalformed("DG3", "an unknown unit of resolution")
    if not (across and down):
        return None
    scale = 1.0 if unit == _PER_INCH else _CM_PER_INCH
    return across * scale, down * scale


def _finger(block: bytes, common: _Common) -> FingerImage:
    _, position, _, view, quality, impression, width, height, _ = _VIEW.unpack_from(block)
    if position not in _POSITIONS:
        raise ChipMalformed("DG3", "no finger has that position")
    if not 0 < width * height <= MAX_PIXELS:
        raise ChipMalformed("DG3", "an image without a size, or too large")
    data = block[_VIEW.size :]
    return FingerImage(
        position=FingerPosition(position),
        impression=Impression(impression) if impression in _IMPRESSIONS else None,
        view=view,
        # 254 and 255 say that nobody assessed it.
        quality=quality if quality <= _MAX_QUALITY else None,
        format=_format(data, common, width=width, height=height),
        width_px=width,
        height_px=height,
        resolution_ppi=common.resolution_ppi,
        depth_bits=common.depth_bits,
        data=data,
    )


def _format(
    data: bytes, common: _Common, *, width: int, height: int
) -> CodedFormat | Literal["raw", "packed"]:
    if common.coding == _UNCODED:
        pixel_bytes = 1 if common.depth_bits <= 8 else 2
        if len(data) == width * height * pixel_bytes:
            return "raw"
    elif common.coding == _PACKED:
        if len(data) == (width * height * common.depth_bits + 7) // 8:
            return "packed"
    elif (coded := coded_format(data)) is not None:
        return coded
    raise ChipMalformed("DG3", "not an image of the size or the coding that it says")


_POSITIONS = frozenset(map(int, FingerPosition))
_IMPRESSIONS = frozenset(map(int, Impression))
