"""The marker segments of a WSQ picture: its header, tables and comment, as values.

Knows how each segment is laid out and what its numbers may be. Does not decode: the coded blocks
come out as the bytes that stand between two markers.

Every number that has a decimal point is an integer and how often it is divided by ten. Rounding is
that of the reference decoder: to single precision after each division.

Spec: [IAFIS-IC-0110]; where it leaves room, NIST's decoder (NBIS 5) is followed.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.wsq.errors import WSQError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOI, EOI, SOF, SOB = 0xFFA0, 0xFFA1, 0xFFA2, 0xFFA3
DTT, DQT, DHT, COM = 0xFFA4, 0xFFA5, 0xFFA6, 0xFFA8
BANDS: Final = 64
MAX_SEGMENTS: Final = 64
"""NIST's encoder writes ten, three of them blocks."""
MAX_HUFFMAN_TABLES: Final = 8
MAX_CODE_BITS: Final = 16
MIN_TAPS: Final = 3
MAX_TAPS: Final = 32
MAX_TAP: Final = 4.0
"""What no filter that reconstructs comes near; ten passes of it overflow nothing."""
MAX_DIVISIONS: Final = 12
"""By ten, of a 32-bit integer: more leave nothing of it."""
_FRAME: Final = struct.Struct(">BBHHBHBHBH")
_TAP: Final = struct.Struct(">BBI")
_BIN: Final = struct.Struct(">BHBH")
_NUMBER: Final = struct.Struct(">BH")
_MARKER: Final = re.compile(rb"\xff[^\x00]", re.DOTALL)
_COMMENT: Final = b"NIST_COM"
_PPI: Final = re.compile(rb"^PPI[ \t]+(\d{1,5})[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Frame:
    """The header.

    Attributes:
        height: in pixels, as claimed.
        width: in pixels, as claimed.
        shift: what is added to each pixel, after
        scale: what it is multiplied by.
    """

    height: int
    width: int
    shift: np.float32
    scale: np.float32


@dataclass(frozen=True, slots=True)
class Filters:
    """The two filters that put a picture together again.

    Attributes:
        low: (N,) float32: of what is smooth; symmetric.
        high: (M,) float32: of what changes; symmetric or antisymmetric; both N and M are odd, or
            both are even.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bins:
    """How each subband was rounded.

    Attributes:
        center: where in its bin a value stands, as a part of the bin's width.
        width: (64,) float32, by subband; a band of width 0 was not sent.
        zero: (64,) float32: the width of the bin around 0.
    """

    center: np.float32
    width: NDArray[np.float32]
    zero: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Codes:
    """A Huffman table.

    Attributes:
        counts: how many codes there are of each length, from 1 to 16 bits.
        symbols: what they stand for, the shortest first.
    """

    counts: bytes
    symbols: bytes


@dataclass(slots=True)
class Parts:
    """What a picture consists of.

    Attributes:
        frame: its header.
        filters: the last that it defines.
        bins: the last that it defines.
        blocks: coded data, bytes stuffed as they stand there, each with the table it is read by.
        dpi: as its comment says, None if none does.
    """

    frame: Frame | None = None
    filters: Filters | None = None
    bins: Bins | None = None
    blocks: list[tuple[Codes, bytes]] = field(default_factory=list)
    dpi: int | None = None


def split(raw: bytes) -> Parts:
    """Take a picture apart, up to the marker that ends it; what follows that is left alone.

    Raises:
        WSQError: the segments are not in order, or one of them is not sound.
    """
    try:
        return _split(raw)
    except (struct.error, IndexError) as error:
        raise WSQError("damaged") from error


def _split(raw: bytes) -> Parts:
    parts, tables = Parts(), dict[int, Codes]()
    if _marker(raw, 0) != SOI:
        raise WSQError("format")
    at = 2
    for _ in range(MAX_SEGMENTS):
        if (marker := _marker(raw, at)) == EOI:
            return parts
        (length,) = struct.unpack_from(">H", raw, at + 2)
        body = raw[at + 4 : at + 2 + length]
        if len(body) != length - 2:
            raise WSQError("damaged")
        at += 2 + length
        if marker == SOB:
            end = _next_marker(raw, at)
            parts.blocks.append((_table(body, tables), raw[at:end]))
            at = end
        else:
            _take(marker, body, parts, tables)
    raise WSQError("size")


def _take(marker: int, body: bytes, parts: Parts, tables: dict[int, Codes]) -> None:
    """Put a header, a table or a comment where it belongs."""
    match marker:
        case 0xFFA2 if parts.frame is None:
            parts.frame = _frame(body)
        case 0xFFA4:
            parts.filters = _filters(body)
        case 0xFFA5:
            parts.bins = _bins(body)
        case 0xFFA6:
            tables |= _huffman(body)
        case 0xFFA8:
            parts.dpi = _dpi(body) or parts.dpi
        case _:
            # Restart markers among them: neither NIST's encoder nor its decoder has them.
            raise WSQError("format")


def _marker(raw: bytes, at: int) -> int:
    (marker,) = struct.unpack_from(">H", raw, at)
    return int(marker)


def _next_marker(raw: bytes, at: int) -> int:
    found = _MARKER.search(raw, at)
    if found is None:
        raise WSQError("damaged")
    return found.start()


def _table(body: bytes, tables: dict[int, Codes]) -> Codes:
    """Return the table that a block's header names."""
    if len(body) != 1 or body[0] not in tables:
        raise WSQError("damaged")
    return tables[body[0]]


def _frame(body: bytes) -> Frame:
    _, _, height, width, *numbers, _, _ = _FRAME.unpack(body)
    shift_tens, shift, scale_tens, scale = numbers
    return Frame(height, width, _decimal(shift, shift_tens), _decimal(scale, scale_tens))


def _bins(body: bytes) -> Bins:
    if len(body) != _NUMBER.size + BANDS * _BIN.size:
        raise WSQError("damaged")
    tens, center = _NUMBER.unpack_from(body)
    each = list(_BIN.iter_unpack(body[_NUMBER.size :]))
    width = [_decimal(value, tens) for tens, value, _, _ in each]
    zero = [_decimal(value, tens) for _, _, tens, value in each]
    return Bins(_decimal(center, tens), np.array(width), np.array(zero))


def _filters(body: bytes) -> Filters:
    """Mirror both halves, and turn those that analyse into those that reconstruct."""
    high_taps, low_taps = body[0], body[1]
    if not all(MIN_TAPS <= taps <= MAX_TAPS for taps in (high_taps, low_taps)):
        raise WSQError("format")
    odd = high_taps % 2
    # The two start together only if their middles do; the reference decodes others to nonsense.
    if odd != low_taps % 2 or (low_taps - odd) // 2 % 2 != (high_taps + odd) // 2 % 2:
        raise WSQError("format")
    halves = (high_taps + odd) // 2, (low_taps + odd) // 2
    if len(body) != 2 + sum(halves) * _TAP.size:
        raise WSQError("damaged")
    taps = [_tap(*each) for each in _TAP.iter_unpack(body[2:])]
    high = [-tap if at % 2 else tap for at, tap in enumerate(taps[: halves[0]])]
    low = [-tap if (at + 1 - odd) % 2 else tap for at, tap in enumerate(taps[halves[0] :])]
    if odd:
        return Filters(np.array(low[:0:-1] + low), np.array(high[:0:-1] + high))
    return Filters(np.array(low[::-1] + low), np.array(high[::-1] + [-tap for tap in high]))


def _tap(negative: int, tens: int, value: int) -> np.float32:
    tap = _decimal(value, tens)
    if tap > MAX_TAP:
        raise WSQError("format")
    return -tap if negative else tap


def _decimal(value: int, tens: int) -> np.float32:
    if tens > MAX_DIVISIONS:
        raise WSQError("format")
    number = np.float32(value)
    for _ in range(tens):
        number /= np.float32(10)
    return number


def _huffman(body: bytes) -> dict[int, Codes]:
    """Return the tables of one segment by their number."""
    found: dict[int, Codes] = {}
    at = 0
    while at < len(body):
        name, counts = body[at], body[at + 1 : at + 1 + MAX_CODE_BITS]
        at += 1 + MAX_CODE_BITS
        symbols = body[at : at + sum(counts)]
        at += len(symbols)
        if len(counts) != MAX_CODE_BITS or len(symbols) != sum(counts):
            raise WSQError("damaged")
        if name >= MAX_HUFFMAN_TABLES or name in found:
            raise WSQError("format")
        found[name] = Codes(counts, symbols)
    return found


def _dpi(comment: bytes) -> int | None:
    """Return the resolution that a comment of NIST's form gives, None from any other."""
    found = _PPI.search(comment) if comment.startswith(_COMMENT) else None
    return int(found[1]) or None if found else None
