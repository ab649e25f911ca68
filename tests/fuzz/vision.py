"""What a station and a worker may be sent by each other."""

from __future__ import annotations

from kiosk.vision.port import VisionFrameError, decode_from_worker, decode_to_worker
from kiosk.vision.touch_port import decode_from_touch, decode_to_touch

TARGETS = {
    "vision.decode_to_worker": (decode_to_worker, (VisionFrameError,)),
    "vision.decode_from_worker": (decode_from_worker, (VisionFrameError,)),
    "vision.decode_to_touch": (decode_to_touch, (VisionFrameError,)),
    "vision.decode_from_touch": (decode_from_touch, (VisionFrameError,)),
}
