"""Make the file of a simulated head from a photograph: `hw.camera.sim` turns it on cue.

Knows photographs, the face models and how large a face should be. Does not know how the head is
drawn. What it writes shows a person: keep it as carefully as the photograph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hw.camera import portrait
from hw.camera.file import MAX_FILE_BYTES, decode
from hw.errors import DeviceFailed
from models.face import detect, mesh
from models.manifest import load_verified
from tram.parts.card_press import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZE_PX = (640, 480)
EYE_DISTANCE_PX = 104
"""Between the middles of the eyes; 90 is what ICAO asks of a portrait, and turning shortens it."""
MIN_EYE_DISTANCE_PX = 30
"""In the photograph; what is smaller shows too little when it is enlarged."""


def press(picture: Path, out: Path, *, models: Path) -> None:
    """Write the head of the one person on a photograph.

    Args:
        picture: a JPEG or PNG with one face that looks ahead.
        out: the file to write, readable by its owner only.
        models: the folder of the built model files.

    Raises:
        ValueError: no picture, no face or several, or one that is too small or turned.
        OSError: a file cannot be read or written.
        ModelError: a model is missing or altered.
    """
    with picture.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    finder = _Finder(models)
    try:
        rgb = decode(raw)
        cropped = _head_and_shoulders(rgb, finder.points(rgb))
        content = portrait.to_bytes(cropped, finder.points(cropped))
    except DeviceFailed as error:
        raise ValueError(f"no portrait can be made of the picture: {error}") from error
    write_private(out, content)


class _Finder:
    """The points of the one face on a picture."""

    def __init__(self, models: Path) -> None:
        self._detector = detect.Detector(load_verified(models, detect.NAME))
        self._mesher = mesh.Mesher(load_verified(models, mesh.NAME))

    def points(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        faces = self._detector.detect(rgb)
        if len(faces) != 1:
            raise ValueError(f"{len(faces)} faces on the picture instead of one")
        found = self._mesher.mesh(rgb, faces[0])
        if not found.is_face or found.eye_distance_px < MIN_EYE_DISTANCE_PX:
            raise ValueError("the face on the picture is too small or not seen well")
        return found.points


def _head_and_shoulders(rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the part of a picture around the face, scaled; its edges go on where it is narrow."""
    right, left = mesh.eyes_of(points)
    scale = EYE_DISTANCE_PX / float(np.hypot(*(left - right)))
    middle = (points[:, :2].min(axis=0) + points[:, :2].max(axis=0)) / 2
    half = np.array(SIZE_PX) / scale / 2
    low, high = np.floor(middle - half).astype(int), np.ceil(middle + half).astype(int)
    height, width = rgb.shape[:2]
    rows = np.clip(np.arange(low[1], high[1]), 0, height - 1)
    columns = np.clip(np.arange(low[0], high[0]), 0, width - 1)
    part = Image.fromarray(rgb[rows[:, None], columns])
    return np.asarray(part.resize(SIZE_PX, Image.Resampling.LANCZOS), dtype=np.uint8)
