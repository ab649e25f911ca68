"""Finger minutiae records of ISO/IEC 19794-2:2005: read, strictly, and written.

Knows the record and its bounds; nothing in it is believed that does not fit the rest. Does not know
how minutiae are found or compared. A record that was read is written again to the same bytes.

Spec: [19794-2], edition 2005: the record format, not the compact ones of cards.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.minutiae import DPI, TURN, Minutiae, MinutiaeError, minutiae

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_BYTES: Final = 65_536
MAX_VIEWS: Final = 32
MAX_MINUTIAE: Final = 255
MAX_SIDE_PX: Final = (1 << 14) - 1
MAX_QUALITY: Final = 100
MIN_PER_CM, MAX_PER_CM = 40, 500
"""About 100 to 1270 dpi."""
PER_CM: Final = 197
"""What 500 dpi are when rounded: read as 500 again."""
POSITIONS: Final = range(11)
"""0 is unknown, 1 the right thumb, 6 the left thumb, 10 the left little finger."""
IMPRESSIONS: Final = frozenset({0, 1, 2, 3, 7, 8, 9})
OTHER, ENDING, BIFURCATION = 0, 1, 2
ANGLES: Final = 256
_CM_PER_INCH: Final = 2.54
_BEGIN: Final = b"FMR\x00 20\x00"
_HEADER: Final = struct.Struct(">8sIHHHHHBB")
"""Format and version, length, equipment, width, height, resolutions, views, reserved."""
_VIEW: Final = struct.Struct(">BBBB")
"""Position, view and impression, quality, count."""
_EXTENDED: Final = struct.Struct(">HH")
_MINUTIA: Final = np.dtype([("x", ">u2"), ("y", ">u2"), ("angle", "u1"), ("quality", "u1")])
_LENGTH: Final = struct.Struct(">H")


class TemplateError(Exception):
    """The bytes are no record of minutiae, or these minutiae fit into none.

    Attributes:
        what: which part is wrong: "size", "header", "view", "minutia" or "extended data".
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"template: {what}")
        self.what = what


@dataclass(frozen=True, slots=True)
class Frame:
    """What a record's header says of all its views.

    Attributes:
        width_px: of the picture that the minutiae were found in.
        height_px: likewise.
        per_cm: pixels a centimetre, (horizontal, vertical).
        equipment: four bits of certification and twelve of the device's number, as they stand.
    """

    width_px: int
    height_px: int
    per_cm: tuple[int, int] = (PER_CM, PER_CM)
    equipment: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One view of one finger.

    Attributes:
        frame: the header.
        position: which finger, 0..10.
        view: which view of it, 0..15.
        impression: how it was taken, by the standard's numbers.
        quality: of the whole, 0..100.
        x: (N,) uint16, pixels from the left, N at most `MAX_MINUTIAE`.
        y: (N,) uint16, pixels from the top.
        angle: (N,) uint8, in 256ths of a turn, counter-clockwise from the right.
        kind: (N,) uint8: `OTHER`, `ENDING` or `BIFURCATION`.
        sure: (N,) uint8, 0..100: quality of each, 0 where it was not assessed.
        extended: further data, as (type, content), unread.
    """

    frame: Frame
    position: int
    view: int
    impression: int
    quality: int = field(repr=False)
    x: NDArray[np.uint16] = field(repr=False)
    y: NDArray[np.uint16] = field(repr=False)
    angle: NDArray[np.uint8] = field(repr=False)
    kind: NDArray[np.uint8] = field(repr=False)
    sure: NDArray[np.uint8] = field(repr=False)
    extended: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def radians(self) -> NDArray[np.float64]:
        """(N,) float64, 0..2 pi."""
        return self.angle.astype(np.float64) * (TURN / ANGLES)

    def minutiae(self) -> Minutiae:
        """Return its minutiae in pixels at 500 dpi.

        A quality that was not assessed counts as sure: whoever wrote the minutia meant it.
        """
        across, down = (
            1.0 if each == PER_CM else DPI / (each * _CM_PER_INCH) for each in self.frame.per_cm
        )
        sure = np.where(self.sure == 0, MAX_QUALITY, self.sure) / MAX_QUALITY
        try:
            return minutiae(self.x * across, self.y * down, self.radians, sure)
        except MinutiaeError as error:
            raise TemplateError("minutia") from error


def of_minutiae(
    found: Minutiae, *, width_px: int, height_px: int, position: int = 0, quality: int = 0
) -> Template:
    """Return minutiae that were found in a picture at 500 dpi as a template.

    The best `MAX_MINUTIAE` of those inside the picture are kept, places rounded to pixels, angles
    to 256ths of a turn and qualities to hundredths, at least one: zero would say "not assessed".

    Args:
        found: by the extractor; which of them end and which fork is not known.
        width_px: of the picture.
        height_px: likewise.
        position: which finger, 0..10; 0 where nobody knows.
        quality: of the picture, 0..100.

    Raises:
        TemplateError: the picture is too large, or a number is out of range.
    """
    x, y = np.rint(found.x), np.rint(found.y)
    inside = (x >= 0) & (x < width_px) & (y >= 0) & (y < height_px)
    kept = found.where(inside).best(MAX_MINUTIAE)
    turned = np.rint(kept.angle.astype(np.float64) / TURN * ANGLES).astype(np.int64) % ANGLES
    return _checked(Template(
        frame=Frame(width_px, height_px),
        position=position,
        view=0,
        impression=0,
        quality=quality,
        x=np.rint(kept.x).astype(np.uint16),
        y=np.rint(kept.y).astype(np.uint16),
        angle=turned.astype(np.uint8),
        kind=np.full(len(kept), OTHER, dtype=np.uint8),
        sure=np.clip(np.rint(kept.quality * MAX_QUALITY), 1, MAX_QUALITY).astype(np.uint8),
    ))  # fmt: skip


def parse(raw: bytes) -> tuple[Template, ...]:
    """Read a record.

    Returns:
        Its views, at least one, in their order.

    Raises:
        TemplateError: it is not sound in every field.
    """
    if not _HEADER.size < len(raw) <= MAX_BYTES:
        raise TemplateError("size")
    begin, length, equipment, width, height, across, down, views, reserved = _HEADER.unpack_from(
        raw
    )
    if begin != _BEGIN or reserved or not 1 <= views <= MAX_VIEWS:
        raise TemplateError("header")
    if length != len(raw):
        raise TemplateError("size")
    frame = Frame(width, height, (across, down), equipment)
    found: list[Template] = []
    at = _HEADER.size
    for _ in range(views):
        template, at = _view(raw, at, frame)
        found.append(template)
    if at != len(raw):
        raise TemplateError("size")
    return _distinct(found)


def write(templates: Sequence[Template]) -> bytes:
    """Write a record of views that share a header.

    Raises:
        TemplateError: they are none, too many, or do not fit into one.
    """
    if not 1 <= len(templates) <= MAX_VIEWS or len({each.frame for each in templates}) != 1:
        raise TemplateError("header")
    body = b"".join(_bytes_of(_checked(each)) for each in _distinct(templates))
    length = _HEADER.size + len(body)
    if length > MAX_BYTES:
        raise TemplateError("size")
    frame, views = templates[0].frame, len(templates)
    head = frame.equipment, frame.width_px, frame.height_px, *frame.per_cm, views, 0
    return _HEADER.pack(_BEGIN, length, *head) + body


def _distinct(templates: Sequence[Template]) -> tuple[Template, ...]:
    """Accept views of which no two are the same view of the same finger."""
    if len({(each.position, each.view) for each in templates}) != len(templates):
        raise TemplateError("view")
    return tuple(templates)


def _view(raw: bytes, at: int, frame: Frame) -> tuple[Template, int]:
    """Return a view and where it ends."""
    head = raw[at : at + _VIEW.size]
    if len(head) != _VIEW.size:
        raise TemplateError("size")
    position, view_and_impression, quality, count = _VIEW.unpack(head)
    at += _VIEW.size
    rows = raw[at : at + count * _MINUTIA.itemsize]
    at += count * _MINUTIA.itemsize
    if len(rows) != count * _MINUTIA.itemsize or len(raw) < at + _LENGTH.size:
        raise TemplateError("size")
    (length,) = _LENGTH.unpack_from(raw, at)
    at += _LENGTH.size
    extended = _extended(raw[at : at + length], length)
    table = np.frombuffer(rows, dtype=_MINUTIA)
    x, y = table["x"].astype(np.uint16), table["y"].astype(np.uint16)
    template = Template(
        frame=frame,
        position=position,
        view=view_and_impression >> 4,
        impression=view_and_impression & 15,
        quality=quality,
        x=x & np.uint16(MAX_SIDE_PX),
        y=y,
        angle=table["angle"].copy(),
        kind=(x >> 14).astype(np.uint8),
        sure=table["quality"].copy(),
        extended=extended,
    )
    return _checked(template), at + length


def _extended(block: bytes, length: int) -> tuple[tuple[int, bytes], ...]:
    """Return the areas of extended data; each counts its own type and length."""
    if len(block) != length:
        raise TemplateError("size")
    areas: list[tuple[int, bytes]] = []
    at = 0
    while at < length:
        if length - at < _EXTENDED.size:
            raise TemplateError("extended data")
        kind, size = _EXTENDED.unpack_from(block, at)
        if not _EXTENDED.size <= size <= length - at:
            raise TemplateError("extended data")
        areas.append((kind, block[at + _EXTENDED.size : at + size]))
        at += size
    return tuple(areas)


def _checked(template: Template) -> Template:
    """Accept a template whose every number is within bounds."""
    frame = template.frame
    if not all(1 <= side <= MAX_SIDE_PX for side in (frame.width_px, frame.height_px)):
        raise TemplateError("header")
    if not all(MIN_PER_CM <= each <= MAX_PER_CM for each in frame.per_cm):
        raise TemplateError("header")
    if not 0 <= frame.equipment <= 0xFFFF:
        raise TemplateError("header")
    known = template.position in POSITIONS and template.impression in IMPRESSIONS
    if not (known and 0 <= template.view <= 15 and 0 <= template.quality <= MAX_QUALITY):
        raise TemplateError("view")
    if not all(0 < kind <= 0xFFFF for kind, _ in template.extended):
        raise TemplateError("extended data")
    if sum(_EXTENDED.size + len(content) for _, content in template.extended) > 0xFFFF:
        raise TemplateError("extended data")
    columns = template.x, template.y, template.angle, template.kind, template.sure
    if any(len(each) != len(template) for each in columns) or len(template) > MAX_MINUTIAE:
        raise TemplateError("minutia")
    inside = (template.x < frame.width_px) & (template.y < frame.height_px)
    sound = inside & (template.kind <= BIFURCATION) & (template.sure <= MAX_QUALITY)
    if not sound.all():
        raise TemplateError("minutia")
    return template


def _bytes_of(template: Template) -> bytes:
    table = np.empty(len(template), dtype=_MINUTIA)
    table["x"] = template.x | template.kind.astype(np.uint16) << 14
    table["y"], table["angle"], table["quality"] = template.y, template.angle, template.sure
    extended = b"".join(
        _EXTENDED.pack(kind, _EXTENDED.size + len(content)) + content
        for kind, content in template.extended
    )
    head = _VIEW.pack(
        template.position,
        template.view << 4 | template.impression,
        template.quality,
        len(template),
    )
    return head + table.tobytes() + _LENGTH.pack(len(extended)) + extended
