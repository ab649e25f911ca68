"""The worker's eyes: pictures in, what is on them out.

Knows the order of the models and what makes a picture comparable. Does not know what has been seen
before, nor what is decided (`pipeline`). One thread's.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, cast

from kiosk.vision.track import Track
from models import portrait
from models.calibration import CalibrationError, laxer_rates, require_use
from models.calibration import find as find_calibration
from models.face import backdrop, detect, iris, mesh
from models.face.acquire import acquire
from models.face.align import align
from models.face.backdrop import MAX_MOVING, Backdrop
from models.face.decide import RATES
from models.face.detect import Detector
from models.face.embed import open_embedder
from models.face.iris import Iris
from models.face.mesh import Mesher
from models.face.quality import PORTRAIT, assess, assess_aligned
from models.face.temporal import trace
from models.face.texture import TextureError, features_of, is_laxer
from models.face.texture import identify as identify_texture
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
    from models.calibration import Calibration
    from models.calibration import Found as Calibrated
    from models.face.embed import FaceEmbedder
    from models.face.light import Light
    from models.face.mesh import Mesh
    from models.face.temporal import Trace
    from models.face.texture import Found as FoundTexture
    from models.face.texture import Texture


def _nothing_to_measure() -> float:
    raise ModelError("", "failed", "there are no eyes")


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one frame shows.

    Attributes:
        taken_s: when it was taken, on the monotonic clock.
        faces: how many people might be meant.
        mesh: the points of the face, if it is the only one.
        flaw: why the face cannot be compared now; None: it can, or there is none.
        light: what the pixels of that face say; None: there is no such face.
        fresh: whether this frame and those before can have come from the camera one by one.
        embed: compute its embedding, (size,) float32 of unit length, once. Raises ModelError.
        openness: measure how open its eyes are, once. Raises ModelError.
        texture: compute the log-odds that its surface is skin, once; None: nothing can.
        trace: return what is kept of it to be compared with other frames; None: nothing can.
    """

    taken_s: float
    faces: int
    mesh: Mesh | None = None
    flaw: HintName | None = None
    fresh: bool = True
    light: Light | None = field(default=None, kw_only=True)
    embed: Callable[[], NDArray[np.float32]] = field(repr=False, kw_only=True)
    openness: Callable[[], float] = field(default=_nothing_to_measure, repr=False, kw_only=True)
    texture: Callable[[], float] | None = field(default=None, repr=False, kw_only=True)
    trace: Callable[[], Trace] | None = field(default=None, repr=False, kw_only=True)


def _nothing_to_embed() -> NDArray[np.float32]:
    raise ModelError("", "failed", "there is no face")


class Eyes:
    """All nets of the worker, what their scores mean, and how long they took."""

    def __init__(self, models: Path, net: str | None = None) -> None:
        """Load the nets.

        Args:
            models: the folder of the model files.
            net: which net embeds, as `models.face.embed.open_embedder` wants it named.

        Raises:
            ModelError: one is missing, altered or does not load, or what its scores mean is not
                known: no calibration, or a site's own that cannot be used.
        """
        self._detector = Detector(load_verified(models, detect.NAME))
        self._mesher = Mesher(load_verified(models, mesh.NAME))
        self._embedder = open_embedder(models, net)
        self._iris = Iris(load_verified(models, iris.NAME))
        self._calibrated = _calibrated(models, self._embedder)
        self._found_texture = _texture(models)
        self._track = Track(self._detector, self._mesher, timed=self._timed)
        self._backdrop = Backdrop()
        self._ms: dict[str, float] = {}

    @property
    def models(self) -> dict[str, str]:
        """Role to the id of what plays it: the nets, the calibration and the texture model."""
        texture = self._found_texture
        return {
            "detect": manifest_of(detect.NAME).id,
            "mesh": manifest_of(mesh.NAME).id,
            "embed": self._embedder.id,
            "iris": manifest_of(iris.NAME).id,
            "calibration": self._calibrated.id,
            **({} if texture is None else {"texture": texture.id}),
        }

    @property
    def skin(self) -> float | None:
        """The least log-odds of a texture that looks like skin; None: there is no such model."""
        return None if self._texture is None else self._texture.threshold

    @property
    def calibration(self) -> Calibration:
        """The embedder's, for pictures as they come to it here."""
        return self._calibrated.calibration

    @property
    def laxer(self) -> bool:
        """Whether a site's own calibration takes for the same what the shipped one does not."""
        return bool(laxer_rates(self.calibration, self._embedder.name))

    @property
    def texture_laxer(self) -> bool:
        """Whether a site's own texture model takes less for skin than the shipped one."""
        try:
            return self._texture is not None and is_laxer(self._texture)
        except TextureError:
            return False

    @property
    def _texture(self) -> Texture | None:
        return None if self._found_texture is None else self._found_texture.texture

    def closeness(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return how close two embeddings of these eyes are, -1..1; 1 is the same."""
        return float(self._embedder.closeness(one, other))

    def look(self, frame: Frame, *, fresh: bool = True) -> Sight:
        """Return what a frame shows.

        Args:
            frame: the newest.
            fresh: whether it and those before can have come from the camera one by one.

        Raises:
            ModelError: a net failed.
            PictureError: the camera gave no picture.
        """
        taken_s = frame.monotonic_ns / 1e9
        faces, points = self._track.see(frame.rgb, at_s=taken_s)
        if points is None:
            return Sight(taken_s, faces, fresh=fresh, embed=_nothing_to_embed)
        with self._timed("quality"):
            aligned = align(frame.rgb, points)
            quality = assess_aligned(aligned, points)
            moving = self._backdrop.see(frame.rgb, points) > MAX_MOVING
            flaw = quality.first_failure or (backdrop.CODE if moving else None)
        texture, rgb = self._texture, frame.rgb
        return Sight(
            taken_s,
            1,
            points,
            cast("HintName | None", flaw),
            fresh,
            light=quality.light,
            embed=cache(lambda: self._embed(rgb, points, aligned)),
            openness=cache(lambda: self._openness(rgb, points)),
            texture=None if texture is None else cache(lambda: self._skin(texture, rgb, points)),
            trace=cache(lambda: self._trace(rgb, points)),
        )

    def read_portrait(self, raw: bytes) -> NDArray[np.float32]:
        """Return the embedding of a coded portrait's face.

        Raises:
            PortraitError: the bytes are no picture within bounds, it is not about one face, or that
                face is not good enough to be compared with.
            ModelError: a net failed.
        """
        with self._timed("portrait"):
            rgb = portrait.decode(raw)
            found = acquire(rgb, detector=self._detector, mesher=self._mesher)
            if found.mesh is None or found.faces != 1:
                raise PortraitError("faces")
            if assess(rgb, found.mesh).failure_within(PORTRAIT) is not None:
                # What cannot be compared makes strangers of holders, and now and then the reverse.
                raise PortraitError("quality")
            return self._embedder.embed(rgb, found.mesh)

    def take_ms(self) -> dict[str, float]:
        """Return milliseconds by phase since the last call, in all frames together."""
        taken, self._ms = self._ms, {}
        return taken

    def _embed(
        self, rgb: NDArray[np.uint8], points: Mesh, aligned: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        with self._timed("embed"):
            return self._embedder.embed(rgb, points, aligned=aligned)

    def _openness(self, rgb: NDArray[np.uint8], points: Mesh) -> float:
        with self._timed("iris"):
            return self._iris.openness(rgb, points)

    def _skin(self, texture: Texture, rgb: NDArray[np.uint8], points: Mesh) -> float:
        with self._timed("clues"):
            return texture.score(features_of(rgb, points))

    def _trace(self, rgb: NDArray[np.uint8], points: Mesh) -> Trace:
        with self._timed("clues"):
            return trace(rgb, points)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        begun_ns = time.perf_counter_ns()
        try:
            yield
        finally:
            took_ms = (time.perf_counter_ns() - begun_ns) / 1e6
            self._ms[phase] = self._ms.get(phase, 0.0) + took_ms


def _calibrated(models: Path, embedder: FaceEmbedder) -> Calibrated:
    """Return what the embedder's scores mean. Raises ModelError; nothing else is taken instead."""
    try:
        found = find_calibration(models, embedder.name)
        require_use(
            found.calibration,
            modality="face",
            net=embedder.id,
            pipeline=embedder.pipeline,
            rates=RATES,
        )
    except CalibrationError as error:
        raise ModelError(embedder.name, "uncalibrated", str(error)) from error
    return found


def _texture(models: Path) -> FoundTexture | None:
    """Return the texture model; None: the one that should serve is none, and that layer is absent.

    Nobody passes for living then: `kiosk.vision.layers`.
    """
    try:
        return identify_texture(models)
    except TextureError:
        return None
