"""Whether what turns and blinks is a head or a picture of one.

Knows two cues. Asked to turn, a head shows another side of itself, a picture only another slant:
the frontal mesh is fitted, as a solid body, to the turned one; how far it had to turn and how badly
a flat sheet would explain the same points are the two figures. Asked to close the eyes, a face
lowers its lids and opens them again. A video that shows what is asked, a mask and a screen that
plays along pass: this is one layer of several, no presentation attack detection by itself. Whoever
asks chooses at random, keeps the time, and compares faces from before and after, lest one person
turns for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from models.face.pose import pose_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from models.face.mesh import Mesh

Direction = Literal["left", "right"]
"""The person's own."""

STABLE: Final = (
    33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278, 129,
    358, 10, 151, 9, 8, 67, 297, 109, 338, 127, 356, 234, 454, 50, 280, 116, 345,
)  # fmt: skip
"""Points that a smile, a word and a blink hardly move."""
MIN_TURN_DEG: Final = 12.0
"""Fitted yaw. A head turned 20 degrees reads 13 to 16; a picture slanted up to 45 at most 10."""
MIN_RESIDUAL: Final = 0.05
"""Of the eye distance. A head turned 20 degrees leaves at least .05 to the best homography."""
MIN_RIGIDITY: Final = 0.88
"""A slanted picture is narrowed one way, which no turn of a solid body does; heads: above .9."""
MAX_TILT_DEG: Final = 9.0
"""A turn, not a nod: slanted two ways at once, a picture's yaw reads too high."""
MAX_REST_DEG: Final = 6.0
"""Within this of where it began, the head is back."""
MIN_FRAMES: Final = 2
"""Turned frames that are needed; one may be a slip of the mesh."""
SHUT: Final = 0.80
"""Of how open the eyes were. Rendered eyes that were closed read .36 to .69, a face that sways and
a photograph that is moved .88 and more."""
OPEN_AGAIN: Final = 0.87
MIN_SHUT_S: Final = 0.35
"""Closed as long as this, eyes were closed on purpose; a blink by itself takes a third of it."""
MAX_BLINK_YAW_DEG: Final = 8.0
"""A head that turns narrows its eyes, as a picture does: beyond this nothing is read of them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a face stands against its frontal reference.

    Attributes:
        yaw_deg: fitted turn, positive towards the person's own left.
        residual: root mean square error of the best homography, in eye distances of the reference.
        rigidity: 0..1; 1 when the fit is a pure turn and scale.
        tilt_deg: change of pitch, either way.
    """

    yaw_deg: float
    residual: float
    rigidity: float
    tilt_deg: float

    @property
    def solid(self) -> bool:
        """Whether a flat picture does not explain it."""
        return (
            self.residual >= MIN_RESIDUAL
            and self.rigidity >= MIN_RIGIDITY
            and self.tilt_deg <= MAX_TILT_DEG
        )


class Progress(StrEnum):
    """How far a challenge has come."""

    WAITING = "waiting"
    """Nothing was shown yet."""
    TURNED = "turned"
    """Turned as asked; now back."""
    SHUT = "shut"
    """The eyes were closed; now open."""
    PASSED = "passed"
    FAILED = "failed"
    """Turned the other way: a recording would be right half of the time."""


class TurnChallenge:
    """One request to turn to one side and back."""

    def __init__(self, direction: Direction, *, reference: Mesh) -> None:
        """Begin.

        Args:
            direction: the person's own side to turn to, chosen at random by the caller.
            reference: the face looking ahead, just before it was asked.

        Raises:
            ValueError: the reference is no face, or the direction no side.
        """
        if direction not in {"left", "right"}:
            raise ValueError("no such direction")
        if not reference.is_face:
            raise ValueError("the reference is no face")
        self._sign = 1.0 if direction == "left" else -1.0
        self._reference = reference
        self._right, self._wrong = 0, 0
        self._progress = Progress.WAITING

    @property
    def progress(self) -> Progress:
        """How far it has come; `PASSED` and `FAILED` are final."""
        return self._progress

    def feed(self, mesh: Mesh) -> Progress:
        """Take the next frame's face and return how far it has come.

        Args:
            mesh: of the one face in the frame; what is no face counts as `lost`.
        """
        if self._progress in {Progress.PASSED, Progress.FAILED}:
            return self._progress
        if not mesh.is_face:
            return self.lost()
        turn = measure(self._reference, mesh)
        towards = self._sign * turn.yaw_deg
        self._right += towards >= MIN_TURN_DEG and turn.solid
        self._wrong += towards <= -MIN_TURN_DEG
        if self._wrong >= MIN_FRAMES:
            self._progress = Progress.FAILED
        elif self._progress is Progress.TURNED and abs(turn.yaw_deg) <= MAX_REST_DEG:
            self._progress = Progress.PASSED
        elif self._right >= MIN_FRAMES:
            self._progress = Progress.TURNED
        return self._progress

    def lost(self) -> Progress:
        """Say that a frame had no face, or several: what was shown so far counts no more."""
        if self._progress in {Progress.WAITING, Progress.TURNED}:
            self._right, self._progress = 0, Progress.WAITING
        return self._progress


class BlinkChallenge:
    """One request to close the eyes for a moment and open them again."""

    def __init__(self, *, reference: Mesh, openness: float) -> None:
        """Begin.

        Args:
            reference: the face looking ahead, just before it was asked.
            openness: how open its eyes were then, as `models.face.iris` measures it.

        Raises:
            ValueError: the reference is no face, or its eyes cannot close any further.
        """
        if not reference.is_face:
            raise ValueError("the reference is no face")
        if not openness > 0:
            raise ValueError("the eyes are not open")
        self._reference, self._openness = reference, openness
        self._shut_since_s: float | None = None
        self._shut, self._open = 0, 0
        self._progress = Progress.WAITING

    @property
    def progress(self) -> Progress:
        """How far it has come; `PASSED` is final."""
        return self._progress

    def feed(self, mesh: Mesh, openness: Callable[[], float], *, at_s: float) -> Progress:
        """Take the next frame's face and return how far it has come.

        Args:
            mesh: of the one face in the frame; what is no face counts as `lost`.
            openness: measures how open its eyes are; asked only where it can be read.
            at_s: when the frame was taken.
        """
        if self._progress is Progress.PASSED:
            return self._progress
        if not mesh.is_face:
            return self.lost()
        if abs(measure(self._reference, mesh).yaw_deg) >= MAX_BLINK_YAW_DEG:
            return self.lost()
        now = openness() / self._openness
        if self._progress is Progress.WAITING:
            self._close(at_s, closed=now <= SHUT)
        else:
            self._open = self._open + 1 if now >= OPEN_AGAIN else 0
            if self._open >= MIN_FRAMES:
                self._progress = Progress.PASSED
        return self._progress

    def lost(self) -> Progress:
        """Say that a frame showed no eyes to read: what was shown so far counts no more."""
        if self._progress is not Progress.PASSED:
            self._shut, self._open, self._progress = 0, 0, Progress.WAITING
            self._shut_since_s = None
        return self._progress

    def _close(self, at_s: float, *, closed: bool) -> None:
        """Count a frame, and tell whether the eyes have been closed for long enough."""
        if not closed:
            self._shut, self._shut_since_s = 0, None
            return
        self._shut += 1
        if self._shut_since_s is None:
            self._shut_since_s = at_s
        if self._shut >= MIN_FRAMES and at_s - self._shut_since_s >= MIN_SHUT_S:
            self._progress = Progress.SHUT


def measure(reference: Mesh, mesh: Mesh) -> Turn:
    """Compare a face with its frontal reference.

    Args:
        reference: the face looking ahead.
        mesh: the same face, later.
    """
    solid = reference.points[list(STABLE)].astype(np.float64)
    flat = mesh.points[list(STABLE), :2].astype(np.float64)
    fit, *_ = np.linalg.lstsq(solid - solid.mean(axis=0), flat - flat.mean(axis=0), rcond=None)
    across, down = fit.T
    scale = max(float(np.linalg.norm(down)), 1e-9)
    large, small = np.linalg.svd(fit, compute_uv=False)
    # Depth grows away from the camera: turning left brings what is near, the nose, to the right.
    yaw = -np.degrees(np.arcsin(np.clip(across[2] / scale, -1.0, 1.0)))
    eye_distance_px = max(reference.eye_distance_px, 1e-9)
    return Turn(
        yaw_deg=float(yaw),
        residual=_homography_residual(solid[:, :2] / eye_distance_px, flat / eye_distance_px),
        rigidity=float(small / max(float(large), 1e-9)),
        tilt_deg=abs(pose_of(mesh).pitch_deg - pose_of(reference).pitch_deg),
    )


def _homography_residual(source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Return the root mean square distance that the best homography leaves, in the given units."""
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    x, y = source.T
    u, v = target.T
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        [
            np.stack([x, y, one, none, none, none, -u * x, -u * y, -u], axis=1),
            np.stack([none, none, none, x, y, one, -v * x, -v * y, -v], axis=1),
        ]
    )
    _, _, right = np.linalg.svd(rows)
    mapped = np.stack([x, y, one], axis=1) @ right[-1].reshape(3, 3).T
    depth = mapped[:, 2:]
    if np.abs(depth).min() < 1e-9:
        # No sheet of paper looks like that; without an answer there is no proof of a head either.
        return 0.0
    return float(np.sqrt((((mapped[:, :2] / depth) - target) ** 2).sum(axis=1).mean()))
