"""Pictures as the targets of `tests.fuzz.pictures` would have them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from models.codestream import CODESTREAM_BEGIN, JP2_SIGNATURE
from tests.fuzz.pictures import HEIGHT, WIDTH


def seeds() -> dict[str, list[bytes]]:
    """Return them by target."""
    jpeg, file = _coded("JPEG"), _coded("JPEG2000")
    streams = [
        _coded("JPEG2000", no_jp2=True),
        _coded("JPEG2000", no_jp2=True, tile_size=(32, 32), precinct_size=(32, 32)),
        _coded("JPEG2000", no_jp2=True, quality_mode="rates", quality_layers=[20, 10, 5, 2]),
    ]
    return {
        "models.codestream": [jpeg, file, *streams, _coded("JPEG", progressive=True)],
        "models.codestream.stream": [each[len(CODESTREAM_BEGIN) :] for each in streams],
        "models.codestream.jp2": [file[len(JP2_SIGNATURE) :]],
        "hw.camera.mjpeg": [jpeg, jpeg + bytes(40)],
        "hw.camera.yuyv": [bytes(2 * WIDTH * HEIGHT)],
    }


def _coded(kind: str, **options: Any) -> bytes:
    slope = np.linspace(0, 255, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    out = io.BytesIO()
    Image.fromarray(slope.astype(np.uint8)).save(out, kind, **options)
    return out.getvalue()
