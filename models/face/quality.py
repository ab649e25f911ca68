"""Whether a face in a picture is good enough to be compared: size, sharpness, light, pose.

Knows one face at a time; that there is exactly one is the caller's to see. The limits are
provisional constants: they stand where matching was seen to degrade on other people's pictures, and
nothing has been measured on this product's cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.align import align

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

SIZE: Final = "quality_size"
SHARPNESS: Final = "quality_sharpness"
EXPOSURE: Final = "quality_exposure"
POSE: Final = "quality_pose"

LUMA: Final = (0.299, 0.587, 0.114)
INNER: Final = (slice(16, 104), slice(16, 96))
"""Rows and columns of the aligned face that show skin rather than background."""
BLUR_WINDOW: Final = 9
CLIPPED_LUMA: Final = 250.0
SIDES: Final = ((127, 356), (33, 263), (133, 362), (50, 280), (129, 358), (234, 454))
"""Points that mirror each other: the person's right, then left."""
FOREHEAD, CHIN = 10, 152
NEUTRAL_PITCH_DEG: Final = 2.0
"""What the line from forehead to chin reads on a face that looks ahead."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is good enough.

    Attributes:
        min_eye_px: between the middles of the eyes.
        max_blur: 0..1, of `Quality.blur`.
        brightness: the mean luma's range, 0..255.
        min_contrast: standard deviation of the luma.
        max_clipped: share of pixels that are white.
        max_yaw_deg: either way; likewise pitch and roll.
    """

    min_eye_px: float
    max_blur: float = 0.70
    brightness: tuple[float, float] = (40.0, 220.0)
    min_contrast: float = 12.0
    max_clipped: float = 0.25
    max_yaw_deg: float = 18.0
    max_pitch_deg: float = 20.0
    max_roll_deg: float = 20.0


LIVE: Final = Limits(min_eye_px=32.0)
"""A frame. Matching held at 13 px and fell at 9; the mesh and a turn's residual want more. At a
blur of 2 px for 42 px between the eyes (0.76) 4 % of true pairs were lost, at 3 px (0.84) 25 %; at
1 px (0.60) none. Light: at 0.15 of the exposure, a mean luma of about 20, 13 % were lost."""
PORTRAIT: Final = Limits(min_eye_px=24.0)
"""A chip's portrait: made once, perhaps small, and nobody can be asked to come closer."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is held, as its mesh has it; degrees.

    Attributes:
        yaw_deg: positive towards the person's own left.
        pitch_deg: positive with the chin down.
        roll_deg: positive clockwise as seen.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one face in one picture.

    Attributes:
        eye_distance_px: between the middles of the eyes.
        blur: 0 (sharp) to 1: how little changes when the aligned face is blurred once more.
        brightness: mean luma of the face, 0..255.
        contrast: its standard deviation.
        clipped: the share of it that is white.
        pose: how the head is held.
    """

    eye_distance_px: float
    blur: float
    brightness: float
    contrast: float
    clipped: float
    pose: Pose

    @property
    def first_failure(self) -> str | None:
        """The reason code of the first limit of `LIVE` that is not kept, or None."""
        return self.failure_within(LIVE)

    def failure_within(self, limits: Limits) -> str | None:
        """Return the reason code of the first limit that is not kept, or None.

        What a person can act on most easily comes first: distance, light, stillness, pose.
        """
        if not self.eye_distance_px >= limits.min_eye_px:
            return SIZE
        low, high = limits.brightness
        lit = low <= self.brightness <= high and self.contrast >= limits.min_contrast
        if not (lit and self.clipped <= limits.max_clipped):
            return EXPOSURE
        if not self.blur <= limits.max_blur:
            return SHARPNESS
        held = (
            abs(self.pose.yaw_deg) <= limits.max_yaw_deg
            and abs(self.pose.pitch_deg) <= limits.max_pitch_deg
            and abs(self.pose.roll_deg) <= limits.max_roll_deg
        )
        return None if held else POSE


def assess(rgb: NDArray[np.uint8], mesh: Mesh) -> Quality:
    """Measure a face.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: the face's points in that picture.

    Raises:
        PictureError: it is no such array.
    """
    luma = align(rgb, mesh)[INNER].astype(np.float64) @ np.array(LUMA)
    return Quality(
        eye_distance_px=mesh.eye_distance_px,
        blur=_blur(luma),
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        clipped=float((luma >= CLIPPED_LUMA).mean()),
        pose=pose_of(mesh),
    )


def pose_of(mesh: Mesh) -> Pose:
    """Return how the head is held, from the depth that the net expects of a face."""
    points = mesh.points.astype(np.float64)
    right, left = zip(*SIDES, strict=True)
    across = (points[list(left)] - points[list(right)]).mean(axis=0)
    roll = np.arctan2(across[1], across[0])
    upright = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    down = points[CHIN] - points[FOREHEAD]
    return Pose(
        yaw_deg=float(np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1])))),
        pitch_deg=float(np.degrees(np.arctan2(down[2], (upright @ down[:2])[1])))
        - NEUTRAL_PITCH_DEG,
        roll_deg=float(np.degrees(roll)),
    )


def _blur(luma: NDArray[np.float64]) -> float:
    """Return the blur of the blurrier direction, after Crete and others (2007).

    Where a second blur takes little of the differences between neighbours away, there was little
    to take: 0 all of it, 1 none.
    """
    return max(_blur_along(luma), _blur_along(luma.T))


def _blur_along(luma: NDArray[np.float64]) -> float:
    edge = BLUR_WINDOW // 2
    padded = np.pad(luma, ((0, 0), (edge + 1, edge)), mode="edge")
    total = padded.cumsum(axis=1)
    again = (total[:, BLUR_WINDOW:] - total[:, :-BLUR_WINDOW]) / BLUR_WINDOW
    before, after = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(again, axis=1))
    everything = float(before.sum())
    if everything <= 0:
        return 1.0
    return 1.0 - float(np.maximum(before - after, 0).sum()) / everything
