"""WSQ pictures made here, segment by segment: what no encoder at hand would write."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger.wsq import subbands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SOI, EOI = b"\xff\xa0", b"\xff\xa1"
SOF, SOB, DTT, DQT, DHT, COM = 0xFFA2, 0xFFA3, 0xFFA4, 0xFFA5, 0xFFA6, 0xFFA8
SMOOTH_9 = (0.8526986790094, 0.3774028556126, -0.1106244044184, -0.0238494650194, 0.0378284555070)
SHARP_7 = (0.7884856164057, -0.4180922732223, -0.0406894176091, 0.0645388826290)
ESCAPES = {(8, False): 101, (8, True): 102, (16, False): 103, (16, True): 104}
ALL_SYMBOLS: Final = tuple(range(1, 255))
"""Every symbol that means something: 254 of them."""


def segment(marker: int, body: bytes) -> bytes:
    """Return a marker, a length and what belongs to it."""
    return struct.pack(">HH", marker, len(body) + 2) + body


def frame(height: int, width: int, *, shift: float = 128.0, scale: float = 1.0) -> bytes:
    """Return the header segment; shift and scale are written in hundredths."""
    body = struct.pack(">BBHH", 0, 255, height, width)
    body += struct.pack(">BHBH", 2, round(shift * 100), 2, round(scale * 100))
    return segment(SOF, body + struct.pack(">BH", 2, 0))


def filters(first: Sequence[float], second: Sequence[float], *, sizes: tuple[int, int]) -> bytes:
    """Return a transform table: halves of two filters, from the middle outwards."""
    body = bytes(sizes)
    for tap in (*first, *second):
        body += struct.pack(">BBI", int(tap < 0), 9, round(float(abs(tap)) * 1e9))
    return segment(DTT, body)


USUAL_FILTERS: Final = filters(SMOOTH_9, SHARP_7, sizes=(9, 7))


def bins(
    widths: Iterable[float] = (4.0,) * 60,
    zeros: Iterable[float] = (5.0,) * 60,
    center: float = 0.44,
) -> bytes:
    """Return a quantization table: up to 64 bin widths and zero bins, in hundredths."""
    body = struct.pack(">BH", 2, round(center * 100))
    rows = list(zip(widths, zeros, strict=True))
    for width, zero in rows + [(0.0, 0.0)] * (64 - len(rows)):
        body += struct.pack(">BHBH", 2, round(width * 100), 2, round(zero * 100))
    return segment(DQT, body)


def huffman(tables: dict[int, tuple[Sequence[int], Sequence[int]]]) -> bytes:
    """Return a segment of Huffman tables: by number, how many codes of each length, symbols."""
    body = b"".join(
        bytes([name, *counts, *[0] * (16 - len(counts))]) + bytes(symbols)
        for name, (counts, symbols) in tables.items()
    )
    return segment(DHT, body)


FLAT_COUNTS: Final = (0, 0, 0, 0, 0, 0, 0, len(ALL_SYMBOLS))
"""Codes for `ALL_SYMBOLS`, of eight bits each."""
FLAT_TABLE: Final = huffman({0: (FLAT_COUNTS, ALL_SYMBOLS)})


def comment(text: str) -> bytes:
    """Return a comment segment."""
    return segment(COM, text.encode())


def nist_comment(dpi: int) -> bytes:
    """Return a comment as NIST's encoder writes it."""
    return comment(f"NIST_COM 3\nPIX_DEPTH 8\nPPI {dpi}\nCOLORSPACE GRAY")


def coded(numbers: Iterable[int], *, table: int = 0) -> bytes:
    """Return a block of numbers by `FLAT_TABLE`: values, escapes and runs of zeros."""
    bits: list[str] = []
    zeros = 0
    for number in [*numbers, None]:
        if number == 0:
            zeros += 1
            continue
        while zeros:
            run = min(zeros, 65535)
            zeros -= run
            bits.append(_symbol(run) if run <= 100 else
                        _symbol(105) + f"{run:08b}" if run < 256 else
                        _symbol(106) + f"{run:016b}")  # fmt: skip
        if number is not None:
            bits.append(_number(number))
    return block("".join(bits), table=table)


def block(bits: str, *, table: int = 0) -> bytes:
    """Return a block of bits, filled up with ones, bytes stuffed."""
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return segment(SOB, bytes([table])) + data.replace(b"\xff", b"\xff\x00")


def _symbol(symbol: int) -> str:
    return f"{ALL_SYMBOLS.index(symbol):08b}"


def _number(number: int) -> str:
    if -73 <= number <= 74:
        return _symbol(number + 180)
    wide = 8 if abs(number) < 256 else 16
    return _symbol(ESCAPES[wide, number < 0]) + f"{abs(number):0{wide}b}"


def count(height: int, width: int, *, unsent: Iterable[int] = ()) -> int:
    """Return how many numbers a picture of that size has."""
    left_out = {*unsent, 60}
    return sum(
        subbands.size(band)
        for at, band in enumerate(subbands.tree(height, width).bands())
        if at not in left_out
    )


def random_numbers(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return numbers as a photograph has them, most of them zero, with escapes of all kinds."""
    numbers = np.round(rng.laplace(scale=1.5, size=count)).astype(int)
    numbers[rng.random(count) < 0.5] = 0
    odd = rng.random(count) < 0.01
    numbers[odd] = rng.integers(-700, 700, odd.sum())
    numbers[: count // 8] = 0
    return numbers


def whole(*segments: bytes) -> bytes:
    """Return a file."""
    return SOI + b"".join(segments) + EOI


def small(height: int = 96, width: int = 112, *, seed: int = 1) -> bytes:
    """Return a sound file of a small picture of nothing in particular."""
    numbers = random_numbers(np.random.default_rng(seed), count(height, width))
    third = len(numbers) // 3
    return whole(
        nist_comment(500),
        USUAL_FILTERS,
        bins(),
        frame(height, width),
        FLAT_TABLE,
        *(coded(each) for each in (numbers[:third], numbers[third:])),
    )


def ridges(height: int, width: int, *, period_px: float = 9.0, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture of bent ridges around a centre, dark on light, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = x - width * rng.uniform(0.3, 0.7), y - height * rng.uniform(0.3, 0.7)
    bent = np.hypot(x, 1.3 * y) + 6 * np.sin(x / 37) + 4 * np.cos(y / 29)
    wave = np.cos(2 * np.pi * bent / period_px) * rng.uniform(70, 110)
    return np.clip(128 + wave + rng.normal(scale=6, size=x.shape), 0, 255).astype(np.uint8)
