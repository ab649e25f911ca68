"""What a coded picture asks of its decoder, read from its headers before a decoder sees it.

Knows the marker segments of JPEG and JPEG 2000 that decide how much work and memory a decoder
spends, and refuses more than any portrait needs. A few kilobytes can otherwise ask for gigabytes (a
JPEG 2000 picture cut into a million precincts, or into 65,535 layers of quality) or for minutes (a
progressive JPEG of thousands of scans). Decodes nothing. Markers that it does not know are refused,
not skipped: a decoder may read them differently.

Spec: [15444-1].
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

JPEG_BEGIN: Final = b"\xff\xd8"
START_OF_SCAN: Final = b"\xff\xda"
JP2_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
CODESTREAM_BEGIN: Final = b"\xff\x4f\xff\x51"
MAX_BOXES: Final = 64
MAX_COMPONENTS: Final = 4
MAX_TILES: Final = 256
MAX_TILE_PARTS: Final = 1024
MAX_LEVELS: Final = 12
MAX_LAYERS: Final = 64
"""Of quality. Encoders make one; archives twelve or twenty."""
SIZ, COD, COC, SOT, SOD = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93
KNOWN: Final = frozenset({SIZ, COD, COC, 0xFF55, 0xFF57, 0xFF58, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF63,
                          0xFF64})  # fmt: skip
"""Besides: TLM, PLM, PLT, QCD, QCC, RGN, CRG, COM. All have a length behind them. Not POC, each
entry of which has a decoder walk through all packets again: a few hundred bytes ask for minutes."""
SIZ_HEAD: Final = struct.Struct(">H8IH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The most that a picture may ask of its decoder, in all tiles, components and levels.

    Attributes:
        scans: of a JPEG. A progressive one has about ten.
        precincts: of a JPEG 2000.
        packets: precincts times layers.
        blocks: of code. Four megapixels in blocks of 32 have 12,000.
    """

    scans: int
    precincts: int
    packets: int
    blocks: int


PORTRAIT: Final = Work(scans=32, precincts=16_384, packets=131_072, blocks=65_536)
LARGE: Final = Work(scans=64, precincts=65_536, packets=1_048_576, blocks=393_216)
"""Of pictures ten times as large."""


class ExcessError(ValueError):
    """The picture asks for more than it needs, or its headers are not to be read."""


def is_busy(raw: bytes) -> bool:
    """Return whether its headers can ask for more work than its size in pixels says."""
    return raw.startswith((JPEG_BEGIN, JP2_SIGNATURE, CODESTREAM_BEGIN))


def require_modest(raw: bytes, work: Work = PORTRAIT) -> None:
    """Accept the bytes of a picture that is cheap to decode, by what its headers say.

    Args:
        raw: JPEG, JP2 or a JPEG 2000 code stream; its size in pixels is for others to bound.
        work: the most that it may ask for.

    Raises:
        ExcessError: it is not.
    """
    try:
        if raw.startswith(JPEG_BEGIN):
            if raw.count(START_OF_SCAN) > work.scans:
                raise ExcessError("scans")
        else:
            _require_modest_stream(raw, _stream_begin(raw), work)
    except (struct.error, IndexError) as error:
        raise ExcessError("cut short") from error


def _stream_begin(raw: bytes) -> int:
    """Return where the code stream begins."""
    at = 0
    if raw.startswith(JP2_SIGNATURE):
        for _ in range(MAX_BOXES):
            length, kind = struct.unpack_from(">I4s", raw, at)
            at += 8
            if kind == b"jp2c":
                break
            if length < 8:
                raise ExcessError("a box without a length")
            at += length - 8
        else:
            raise ExcessError("boxes")
    if not raw.startswith(CODESTREAM_BEGIN, at):
        raise ExcessError("no code stream")
    return at


def _require_modest_stream(raw: bytes, begin: int, work: Work) -> None:
    at = begin + 2
    _, length = struct.unpack_from(">HH", raw, at)
    size = _Size(raw, at + 4, work)
    at += 2 + length
    at = _walk(raw, at, until=SOT, size=size)
    for _ in range(MAX_TILE_PARTS):
        marker, _, _, whole = struct.unpack_from(">HHHI", raw, at)
        if marker != SOT:
            return
        _walk(raw, at + 12, until=SOD, size=size)
        at += whole
        # 0: up to the end. What is cut short after a header has no further one.
        if whole == 0 or at + 12 > len(raw):
            return
        if whole < 14:
            raise ExcessError("a tile part without a length")
    raise ExcessError("tile parts")


def _walk(raw: bytes, at: int, *, until: int, size: _Size) -> int:
    """Look at each marker segment of a header; return where the marker that ends it stands."""
    while True:
        (marker,) = struct.unpack_from(">H", raw, at)
        if marker == until:
            return at
        (length,) = struct.unpack_from(">H", raw, at + 2)
        if marker not in KNOWN or marker == SIZ or length < 2:
            raise ExcessError("a marker that is not known here")
        if marker == COD:
            size.require_modest_style(raw[at + 4 : at + 2 + length], skip=5)
        elif marker == COC:
            size.require_modest_style(raw[at + 4 : at + 2 + length], skip=2)
        at += 2 + length


class _Size:
    """SIZ: the picture, its tiles and components; and the most that any style said so far."""

    def __init__(self, raw: bytes, at: int, work: Work) -> None:
        self._work, self._layers, self._precincts = work, 1, 1
        _, right, bottom, left, top, wide, high, tile_left, tile_top, self._components = (
            SIZ_HEAD.unpack_from(raw, at)
        )
        if not (0 <= left < right and 0 <= top < bottom and wide and high):
            raise ExcessError("no picture")
        if not 1 <= self._components <= MAX_COMPONENTS:
            raise ExcessError("components")
        across, down = _ceil(right - tile_left, wide), _ceil(bottom - tile_top, high)
        self._tiles = across * down
        if not 1 <= self._tiles <= MAX_TILES:
            raise ExcessError("tiles")
        self._tile = min(wide, right - left), min(high, bottom - top)

    def require_modest_style(self, style: bytes, *, skip: int) -> None:
        """Look at a coding style: layers, levels, blocks, precincts.

        Args:
            style: the parameters of COD or COC.
            skip: before the number of levels.
        """
        levels, block_wide, block_high = style[skip], style[skip + 1] & 15, style[skip + 2] & 15
        own_precincts = style[0 if skip == 5 else 1] & 1
        if levels > MAX_LEVELS:
            raise ExcessError("levels")
        if skip == 5:
            # Only COD says how many layers; what COC says of precincts, it says for these as well.
            self._layers = max(self._layers, *struct.unpack_from(">H", style, 2))
        if self._layers > MAX_LAYERS:
            raise ExcessError("layers")
        blocks = precincts = 0
        for level in range(levels + 1):
            width, height = (_ceil(side, 1 << (levels - level)) for side in self._tile)
            powers = style[skip + 5 + level] if own_precincts else 0xFF
            across, down = 1 << (powers & 15), 1 << (powers >> 4)
            precincts += (_ceil(width, across) + 1) * (_ceil(height, down) + 1)
            # A block is never larger than its precinct.
            block = min(4 << block_wide, across), min(4 << block_high, down)
            blocks += _ceil(width, block[0]) * _ceil(height, block[1])
        parts = self._tiles * self._components
        self._precincts = max(self._precincts, precincts * parts)
        if self._precincts > self._work.precincts:
            raise ExcessError("precincts")
        if self._precincts * self._layers > self._work.packets:
            raise ExcessError("packets")
        if blocks * parts > self._work.blocks:
            raise ExcessError("blocks")


def _ceil(value: int, by: int) -> int:
    return -(-value // by)
