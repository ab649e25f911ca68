"""Huffman codes of a WSQ picture: coded blocks in, whole numbers out.

Knows codes, runs of zeros and escapes. Does not know which numbers belong to which subband. No more
numbers are taken than were asked for, so that the work is bounded by the picture's size, and where
runs have no length, by the file's.

Spec: [IAFIS-IC-0110].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.wsq.errors import WSQError
from models.finger.wsq.segments import MAX_CODE_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.finger.wsq.segments import Codes

MAX_RUN: Final = 100
POSITIVE_8, NEGATIVE_8, POSITIVE_16, NEGATIVE_16, ZEROS_8, ZEROS_16 = range(101, 107)
MIN_VALUE, MAX_VALUE, ZERO_VALUE = 107, 254, 180
_ESCAPED, _INVALID = -1, -2
_PADDING: Final = b"\xff" * 4

_Entry = tuple[int, int, int]
"""How many bits the code has; how many zeros it stands for, or 0 for a value, or `_ESCAPED`; the
value or the symbol."""


def numbers(blocks: list[tuple[Codes, bytes]], *, count: int) -> NDArray[np.int32]:
    """Decode all blocks.

    Args:
        blocks: each with its table, bytes stuffed.
        count: how many numbers they must give.

    Returns:
        (count,) int32, -65535..65535.

    Raises:
        WSQError: they give another count, or hold a code that is none.
    """
    places: list[int] = []
    values: list[int] = []
    at = 0
    for codes, stuffed in blocks:
        at = _block(_lookup(codes), stuffed, (places, values), at=at, count=count)
    if at != count:
        raise WSQError("damaged")
    found = np.zeros(count, dtype=np.int32)
    found[places] = values
    return found


def _lookup(codes: Codes) -> list[_Entry]:
    """Return what each 16 bits begin with."""
    table: list[_Entry] = []
    symbols = iter(codes.symbols)
    for bits, many in enumerate(codes.counts, start=1):
        for _ in range(many):
            table += [_entry(bits, next(symbols))] * (1 << (MAX_CODE_BITS - bits))
        # The code of ones alone is kept free, so that the ones that fill up a byte are no code.
        if len(table) >= 1 << MAX_CODE_BITS:
            raise WSQError("damaged")
    return table + [(0, _INVALID, 0)] * ((1 << MAX_CODE_BITS) - len(table))


def _entry(bits: int, symbol: int) -> _Entry:
    if 1 <= symbol <= MAX_RUN:
        return bits, symbol, 0
    if MIN_VALUE <= symbol <= MAX_VALUE:
        return bits, 0, symbol - ZERO_VALUE
    return bits, _ESCAPED if POSITIVE_8 <= symbol <= ZEROS_16 else _INVALID, symbol


def _block(
    lookup: list[_Entry],
    stuffed: bytes,
    out: tuple[list[int], list[int]],
    *,
    at: int,
    count: int,
) -> int:
    """Decode one block into places and values; return the place after its last number."""
    data = stuffed.replace(b"\xff\x00", b"\xff")
    windows, end = _windows(data), 8 * len(data)
    places, values = out
    bit = 0
    while bit < end:
        length, run, value = lookup[windows[bit >> 3] >> (8 - (bit & 7)) & 0xFFFF]
        bit += length
        if run > 0:
            at += run
        elif run == 0:
            places.append(at)
            values.append(value)
            at += 1
        elif run == _ESCAPED:
            wide = value in (POSITIVE_16, NEGATIVE_16, ZEROS_16)
            extra = windows[bit >> 3] >> (8 - (bit & 7)) & 0xFFFF
            bit += 16 if wide else 8
            extra = extra if wide else extra >> 8
            if bit > end:
                raise WSQError("damaged")
            if value < ZEROS_8:
                places.append(at)
                values.append(-extra if value in (NEGATIVE_8, NEGATIVE_16) else extra)
                at += 1
            else:
                at += extra
        else:
            return _filled_up(data, bit, at)
        if at > count or bit > end:
            raise WSQError("damaged")
    return at


def _windows(data: bytes) -> list[int]:
    """Return the 24 bits from each byte on; after the end there are ones, two bytes of them."""
    bytes_ = np.frombuffer(data + _PADDING, dtype=np.uint8).astype(np.int32)
    windows: list[int] = (bytes_[:-2] << 16 | bytes_[1:-1] << 8 | bytes_[2:]).tolist()
    return windows


def _filled_up(data: bytes, bit: int, at: int) -> int:
    """Accept what is no code if it is the ones that fill up the last byte."""
    left = 8 * len(data) - bit
    ones = (1 << left) - 1
    if left >= 8 or data[-1] & ones != ones:
        raise WSQError("damaged")
    return at
