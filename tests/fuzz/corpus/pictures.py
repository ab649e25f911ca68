"""Pictures as the targets of `tests.fuzz.pictures` would have them."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

from models.codestream import CODESTREAM_BEGIN, JP2_SIGNATURE
from tests.fuzz.pictures import HEIGHT, WIDTH


def seeds() -> dict[str, list[bytes]]:
    """Return them by target."""
    jpeg, file, bomb = _coded("JPEG"), _coded("JPEG2000"), _in_many_orders()
    streams = [
        _coded("JPEG2000", no_jp2=True),
        _coded("JPEG2000", no_jp2=True, tile_size=(32, 32), precinct_size=(32, 32)),
        _coded("JPEG2000", no_jp2=True, quality_mode="rates", quality_layers=[20, 10, 5, 2]),
    ]
    begun = [each[len(CODESTREAM_BEGIN) :] for each in (*streams, bomb)]
    return {
        "models.codestream": [jpeg, file, *streams, _coded("JPEG", progressive=True)],
        "models.codestream.stream": begun,
        "models.codestream.jp2": [file[len(JP2_SIGNATURE) :]],
        "models.portrait.decode.stream": begun,
        "models.evaluate.picture.stream": begun,
        "hw.camera.mjpeg": [jpeg, jpeg + bytes(40)],
        "hw.camera.yuyv": [bytes(2 * WIDTH * HEIGHT)],
    }


def _in_many_orders(side: int = 2000, levels: int = 12, entries: int = 31) -> bytes:
    """Return nine kilobytes of JPEG 2000 on which a decoder that obeys it spends twenty seconds.

    It searches the picture, dot by dot and once for each entry of POC, for precincts that three
    components cut in ways that never meet.
    """

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">HH", marker, 2 + len(body)) + body

    def precincts(wide: int, high: int) -> bytes:
        return b"\xff" * levels + bytes([wide | high << 4])

    sides = struct.pack(">H8IH", 0, side, side, 0, 0, side, side, 0, 0, 3)
    head = (
        segment(0xFF51, sides + bytes([7, 1, 1]) * 3),
        segment(0xFF52, bytes([1, 2, 0, 1, 0, levels, 0, 8, 0, 1]) + precincts(1, 15)),
        segment(0xFF53, bytes([1, 1, levels, 8, 0, 0, 1]) + precincts(15, 1)),
        segment(0xFF53, bytes([2, 1, levels, 4, 4, 0, 1]) + precincts(15, 15)),
        segment(0xFF5C, b"\x40" + b"\x40" * (3 * levels + 1)),
        segment(0xFF5F, bytes([0, 0, 0, 1, levels + 1, 3, 2]) * entries),
    )
    tile = b"\xff\x93" + bytes(9000)
    begin = struct.pack(">HHHIBB", 0xFF90, 10, 0, 12 + len(tile), 0, 1)
    return b"\xff\x4f" + b"".join(head) + begin + tile + b"\xff\xd9"


def _coded(kind: str, **options: Any) -> bytes:
    slope = np.linspace(0, 255, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    out = io.BytesIO()
    Image.fromarray(slope.astype(np.uint8)).save(out, kind, **options)
    return out.getvalue()
