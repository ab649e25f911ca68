"""The worker's eyes: pictures in, what is on them out.

Knows the order of the models and what makes a picture comparable. Does not know what has been seen
before, nor what is decided (`pipeline`). One thread's.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, cast

from models import portrait
from models.face import detect, embed, mesh
from models.face.detect import Detector
from models.face.embed import Embedder
from models.face.mesh import Mesher
from models.face.quality import assess
from models.manifest import load_verified, manifest_of
from models.portrait import PortraitError
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hw.camera.port import Frame
    from kiosk.vision.port import HintName
    from models.face.detect import Face
    from models.face.mesh import Mesh
    from models.manifest import Calibration

MIN_SHARE_OF_LARGEST: Final = 0.4
"""A face whose box is narrower than this share of the largest one's stands far behind it, in the
queue, and is nobody who might be meant."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one frame shows.

    Attributes:
        taken_s: when it was taken, on the monotonic clock.
        faces: how many people might be meant.
        mesh: the points of the face, if it is the only one.
        flaw: why the face cannot be compared now; None: it can, or there is none.
        embed: compute its embedding, (192,) float32 of unit length, once. Raises ModelError.
    """

    taken_s: float
    faces: int
    mesh: Mesh | None = None
    flaw: HintName | None = None
    embed: Callable[[], NDArray[np.float32]] = field(repr=False, kw_only=True)


def _nothing_to_embed() -> NDArray[np.float32]:
    raise ModelError(embed.NAME, "failed", "there is no face")


class Eyes:
    """All nets of the worker, and how long they took."""

    def __init__(self, models: Path) -> None:
        """Load the nets.

        Args:
            models: the folder of the model files.

        Raises:
            ModelError: one is missing, altered or does not load.
        """
        self._detector = Detector(load_verified(models, detect.NAME))
        self._mesher = Mesher(load_verified(models, mesh.NAME))
        self._embedder = Embedder(load_verified(models, embed.NAME))
        self._ms: dict[str, float] = {}

    @property
    def models(self) -> dict[str, str]:
        """Role to the id of the model that plays it."""
        used = [manifest_of(name) for name in (detect.NAME, mesh.NAME, embed.NAME)]
        return {each.role: each.id for each in used}

    @property
    def calibration(self) -> Calibration:
        """The embedder's.

        Raises:
            ModelError: its manifest has none.
        """
        calibration = manifest_of(embed.NAME).calibration
        if calibration is None:
            raise ModelError(embed.NAME, "unknown", "no calibration")
        return calibration

    def look(self, frame: Frame) -> Sight:
        """Return what a frame shows.

        Raises:
            ModelError: a net failed.
            PictureError: the camera gave no picture.
        """
        taken_s = frame.monotonic_ns / 1e9
        with self._timed("detect"):
            faces = in_front(self._detector.detect(frame.rgb))
        if len(faces) != 1:
            return Sight(taken_s, len(faces), embed=_nothing_to_embed)
        with self._timed("mesh"):
            points = self._mesher.mesh(frame.rgb, faces[0])
        if not points.is_face:
            return Sight(taken_s, 0, embed=_nothing_to_embed)
        with self._timed("quality"):
            flaw = cast("HintName | None", assess(frame.rgb, points).first_failure)
        return Sight(taken_s, 1, points, flaw, embed=cache(lambda: self._embed(frame.rgb, points)))

    def read_portrait(self, raw: bytes) -> NDArray[np.float32]:
        """Return the embedding of a coded portrait's face.

        Raises:
            PortraitError: the bytes are no picture within bounds, or not exactly one face is on it.
            ModelError: a net failed.
        """
        with self._timed("portrait"):
            rgb = portrait.decode(raw)
            faces = self._detector.detect(rgb)
            if len(faces) != 1:
                raise PortraitError("faces")
            points = self._mesher.mesh(rgb, faces[0])
            if not points.is_face:
                raise PortraitError("faces")
            return self._embedder.embed(rgb, points)

    def take_ms(self) -> dict[str, float]:
        """Return milliseconds by phase since the last call, in all frames together."""
        taken, self._ms = self._ms, {}
        return taken

    def _embed(self, rgb: NDArray[np.uint8], points: Mesh) -> NDArray[np.float32]:
        with self._timed("embed"):
            return self._embedder.embed(rgb, points)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        begun_ns = time.perf_counter_ns()
        try:
            yield
        finally:
            took_ms = (time.perf_counter_ns() - begun_ns) / 1e6
            self._ms[phase] = self._ms.get(phase, 0.0) + took_ms


def in_front(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Return the faces that are not far behind the largest."""
    widths = [float(each.box[2] - each.box[0]) for each in faces]
    least = MIN_SHARE_OF_LARGEST * max(widths, default=0.0)
    return tuple(face for face, width in zip(faces, widths, strict=True) if width >= least)
