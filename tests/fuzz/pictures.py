"""Coded pictures before a decoder sees them, and a webcam's frames."""

from __future__ import annotations

from hw.camera.pixels import TornFrame, from_mjpeg, from_yuyv
from models.codestream import CODESTREAM_BEGIN, JP2_SIGNATURE, ExcessError, require_modest

WIDTH, HEIGHT = 64, 48

TARGETS = {
    "models.codestream": (require_modest, (ExcessError,)),
    "models.codestream.stream": (
        lambda raw: require_modest(CODESTREAM_BEGIN + raw),
        (ExcessError,),
    ),
    "models.codestream.jp2": (lambda raw: require_modest(JP2_SIGNATURE + raw), (ExcessError,)),
    "hw.camera.mjpeg": (lambda raw: from_mjpeg(raw, width=WIDTH, height=HEIGHT), (TornFrame,)),
    "hw.camera.yuyv": (
        lambda raw: from_yuyv(raw, width=WIDTH, height=HEIGHT, stride=2 * WIDTH),
        (TornFrame,),
    ),
}
