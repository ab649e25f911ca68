"""A camera that shows a picture, or a folder of pictures one after the other: `file://PATH`.

Knows image files and a pace. Does not know what is on them. Whatever a file claims, no more than
`MAX_FILE_BYTES` are read and no more than `MAX_PIXELS` are decoded; a picture that is turned by its
EXIF orientation is shown upright. Its frames are no proof of a living person: it is `simulated`.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from hw.camera.pace import Pace, checked_fps
from hw.camera.port import Frame
from hw.errors import DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from hw.camera.controls import Controls
    from hw.camera.port import Cue

FORMATS = ("JPEG", "PNG")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MAX_FILES = 10_000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 24_000_000
"""As many as a large phone's picture has."""


class FileCamera:
    """A camera port over picture files."""

    simulated = True

    def __init__(self, path: Path, *, fps: float = 10.0) -> None:
        """Choose what to show; nothing is opened yet.

        Args:
            path: a picture, shown again and again, or a folder, whose pictures are shown in the
                order of their names, again and again.
            fps: frames a second, as `hw.camera.pace` allows.

        Raises:
            ValueError: fps out of its range.
        """
        self._path = path
        self._fps = checked_fps(fps)
        self._pictures: tuple[Path, ...] = ()
        self._shown: tuple[Path, NDArray[np.uint8]] | None = None
        self._pace = Pace(fps)

    def open(self) -> None:
        """Look for the pictures and decode the first.

        Raises:
            DeviceMissing: there is none.
            DeviceFailed: the first is no picture, or too large a one.
        """
        pictures = _pictures_of(self._path)
        self._picture(pictures[0])
        self._pictures, self._pace = pictures, Pace(self._fps)

    def frames(self) -> Iterator[Frame]:
        """Yield frames at the chosen pace; who comes late gets the frame of now.

        Raises:
            DeviceFailed: the camera is not open, or a picture cannot be decoded.
        """
        while pictures := self._pictures:
            seq = self._pace.wait()
            if self._pictures is not pictures:
                continue
            rgb = self._picture(pictures[seq % len(pictures)])
            yield Frame(rgb, time.monotonic_ns(), seq)
        raise DeviceFailed("camera", "not open")

    def cue(self, cue: Cue) -> None:
        """Nobody is there to be asked."""

    def set_controls(self, controls: Controls) -> None:
        """A picture is as it is."""

    def close(self) -> None:
        """Forget the pictures."""
        self._pictures, self._shown = (), None

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        shown = self._shown
        if shown is None or shown[0] != path:
            self._shown = shown = (path, decode(_content(path)))
        return shown[1]


def decode(raw: bytes) -> NDArray[np.uint8]:
    """Decode a picture.

    Args:
        raw: a JPEG or PNG file.

    Returns:
        (H, W, 3) uint8, RGB, upright, read-only; H * W at most `MAX_PIXELS`.

    Raises:
        DeviceFailed: it is no such picture, or a larger one.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise DeviceFailed("camera", "the picture's file is too large")
    # Hostile files raise nearly anything in Pillow.
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as opened:
            small_enough = opened.width * opened.height <= MAX_PIXELS
            upright = ImageOps.exif_transpose(opened).convert("RGB") if small_enough else None
    except Exception as error:
        raise DeviceFailed("camera", "a file is no picture") from error
    if upright is None:
        raise DeviceFailed("camera", "the picture has too many pixels")
    rgb = np.asarray(upright, dtype=np.uint8)
    rgb.setflags(write=False)
    return rgb


def _pictures_of(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    try:
        names = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise DeviceMissing("camera", f"the pictures: {error.strerror}") from error
    if not names:
        raise DeviceMissing("camera", "the folder has no pictures")
    if len(names) > MAX_FILES:
        raise DeviceFailed("camera", "the folder has too many pictures")
    return tuple(names)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DeviceFailed("camera", f"a picture: {error.strerror}") from error
