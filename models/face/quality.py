"""Whether a face in a picture is good enough to be compared: size, light, sharpness, pose, cover.

Knows one face at a time, after the components of [29794-5] that a small computer can afford; that
there is exactly one is the caller's to see, and what moves behind it is `models.face.backdrop`'s.
Where a limit has an effect on false non-matches, that effect placed it: docs/reference/
face-quality.md has the figures. Nothing has been measured on this product's cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.face.align import align
from models.face.light import Light, measure
from models.face.pose import Pose, mouth_opening, pose_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

SIZE: Final = "quality_size"
SHARPNESS: Final = "quality_sharpness"
EXPOSURE: Final = "quality_exposure"
LIGHT: Final = "quality_light"
POSE: Final = "quality_pose"
EYES: Final = "quality_eyes"
MOUTH: Final = "quality_mouth"
EXPRESSION: Final = "quality_expression"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is good enough.

    Attributes:
        min_eye_px: between the middles of the eyes.
        max_blur: 0..1, of `Light.blur`.
        brightness: the mean luma's range, 0..255.
        min_contrast: standard deviation of the luma.
        max_clipped: share of pixels that are white.
        min_evenness: of the darker half's light over the other's, 0..1.
        max_yaw_deg: either way; likewise pitch and roll.
        min_eye_contrast: of `Light.eye_contrast`.
        min_mouth_contrast: of `Light.mouth_contrast`.
        min_mouth_light: of `Light.mouth_light`.
        max_mouth_opening: of `models.face.pose.mouth_opening`.
    """

    min_eye_px: float
    max_blur: float = 0.66
    brightness: tuple[float, float] = (40.0, 220.0)
    min_contrast: float = 12.0
    max_clipped: float = 0.25
    min_evenness: float = 0.45
    max_yaw_deg: float = 18.0
    max_pitch_deg: float = 20.0
    max_roll_deg: float = 20.0
    min_eye_contrast: float = 0.17
    min_mouth_contrast: float = 0.15
    min_mouth_light: float = 0.35
    max_mouth_opening: float = 0.6


LIVE: Final = Limits(min_eye_px=32.0)
"""A frame. Matching held at half of that size; the mesh and a turn's residual want more."""
PORTRAIT: Final = Limits(min_eye_px=24.0)
"""A chip's portrait: made once, perhaps small, and nobody can be asked to come closer."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one face in one picture.

    Attributes:
        eye_distance_px: between the middles of the eyes.
        light: what its pixels say.
        pose: how the head is held.
        mouth_opening: 0 closed, about 1 a yawn.
    """

    eye_distance_px: float
    light: Light
    pose: Pose
    mouth_opening: float

    @property
    def first_failure(self) -> str | None:
        """The reason code of the first limit of `LIVE` that is not kept, or None."""
        return self.failure_within(LIVE)

    def failure_within(self, limits: Limits) -> str | None:
        """Return the reason code of the first limit that is not kept, or None.

        What a person can act on most easily comes first: distance, light, stillness, pose. Where
        one of these fails, what follows cannot be told apart from it: a blurred eye looks covered.
        """
        checks = (
            (SIZE, self.eye_distance_px >= limits.min_eye_px),
            (EXPOSURE, self._exposed(limits)),
            (LIGHT, self.light.evenness >= limits.min_evenness),
            (SHARPNESS, self.light.blur <= limits.max_blur),
            (POSE, self._held(limits)),
            (EYES, self.light.eye_contrast >= limits.min_eye_contrast),
            (MOUTH, self._mouth_free(limits)),
            (EXPRESSION, self.mouth_opening <= limits.max_mouth_opening),
        )
        return next((code for code, kept in checks if not kept), None)

    def _exposed(self, limits: Limits) -> bool:
        low, high = limits.brightness
        lit = low <= self.light.brightness <= high and self.light.contrast >= limits.min_contrast
        return lit and self.light.clipped <= limits.max_clipped

    def _held(self, limits: Limits) -> bool:
        return (
            abs(self.pose.yaw_deg) <= limits.max_yaw_deg
            and abs(self.pose.pitch_deg) <= limits.max_pitch_deg
            and abs(self.pose.roll_deg) <= limits.max_roll_deg
        )

    def _mouth_free(self, limits: Limits) -> bool:
        return (
            self.light.mouth_contrast >= limits.min_mouth_contrast
            and self.light.mouth_light >= limits.min_mouth_light
        )


def assess(rgb: NDArray[np.uint8], mesh: Mesh) -> Quality:
    """Measure a face.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: the face's points in that picture.

    Raises:
        PictureError: it is no such array.
    """
    return assess_aligned(align(rgb, mesh), mesh)


def assess_aligned(aligned: NDArray[np.uint8], mesh: Mesh) -> Quality:
    """Measure a face that was cut out already.

    Args:
        aligned: (112, 112, 3) uint8, RGB, from `models.face.align.align`.
        mesh: the face's points in the picture that it was cut from.
    """
    return Quality(
        eye_distance_px=mesh.eye_distance_px,
        light=measure(aligned),
        pose=pose_of(mesh),
        mouth_opening=mouth_opening(mesh),
    )
