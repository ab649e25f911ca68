"""What can be measured on the pixels of an aligned face: light, colour, sharpness, what is covered.

Knows where eyes, nose and mouth lie on the template (`models.face.align`), and nothing of limits.
Whether eyes and mouth are free is judged by contrast alone: an eye has a dark pupil beside a light
lid, a mouth a dark line; what is laid over them in one shade has neither. A cover with a pattern of
its own is not seen, nor a transparent one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMA: Final = np.array([0.299, 0.587, 0.114])
INNER: Final = (slice(16, 104), slice(16, 96))
"""Rows and columns of the aligned face that show skin rather than background."""
EYES: Final = ((slice(44, 54), slice(29, 48)), (slice(44, 54), slice(64, 83)))
"""The person's right eye, then the left."""
NOSE_BRIDGE: Final = (slice(50, 62), slice(52, 60))
MOUTH: Final = (slice(80, 98), slice(42, 70))
LOWER_FACE: Final = (slice(76, 104), slice(34, 78))
SKIN: Final = (slice(56, 76), slice(34, 78))
"""Nose and cheeks, which neither hair nor beard covers."""
BLUR_WINDOW: Final = 9
CLIPPED_LUMA: Final = 250.0
SENSOR_NOISE: Final = 10.0
"""Added under a contrast, so that noise in the dark is none."""


@dataclass(frozen=True, slots=True)
class Light:
    """Figures of an aligned face.

    Attributes:
        blur: 0 (sharp) to 1: how little changes when the face is blurred once more.
        brightness: mean luma of the face, 0..255.
        contrast: its standard deviation.
        clipped: the share of it that is white.
        evenness: the darker half's mean luma over the other's, left against right, 0..1.
        eye_contrast: of the eye that shows less of it, 0..1.
        mouth_contrast: of the mouth, 0..1.
        mouth_light: the lower face's median luma over that of the bridge of the nose.
        warmth: (red - blue) / (red + green + blue) of nose and cheeks; positive on any skin in any
            light but a coloured one; 0 in a picture without colour.
    """

    blur: float
    brightness: float
    contrast: float
    clipped: float
    evenness: float
    eye_contrast: float
    mouth_contrast: float
    mouth_light: float
    warmth: float


def measure(aligned: NDArray[np.uint8]) -> Light:
    """Measure an aligned face.

    Args:
        aligned: (112, 112, 3) uint8, RGB, from `models.face.align.align`.
    """
    whole = aligned @ LUMA
    luma = whole[INNER]
    middle = luma.shape[1] // 2
    halves = sorted((float(luma[:, :middle].mean()), float(luma[:, middle:].mean())))
    bridge = float(np.median(whole[NOSE_BRIDGE]))
    red, green, blue = np.median(aligned[SKIN].reshape(-1, 3), axis=0)
    return Light(
        blur=blur_of(luma),
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        clipped=float((luma >= CLIPPED_LUMA).mean()),
        evenness=halves[0] / halves[1] if halves[1] > 0 else 1.0,
        eye_contrast=min(_contrast(whole[eye]) for eye in EYES),
        mouth_contrast=_contrast(whole[MOUTH]),
        mouth_light=float(np.median(whole[LOWER_FACE])) / max(bridge, 1.0),
        warmth=float((red - blue) / max(red + green + blue, 1.0)),
    )


def blur_of(luma: NDArray[np.float64]) -> float:
    """Return the blur of the blurrier direction, 0..1, after Crete and others (2007).

    Where a second blur takes little of the differences between neighbours away, there was little
    to take: 0 all of it, 1 none.

    Args:
        luma: (H, W) float64.
    """
    return max(_blur_along(luma), _blur_along(luma.T))


def _contrast(luma: NDArray[np.float64]) -> float:
    """Return how far the light parts are from the dark ones, over the sum of both."""
    dark, light = np.percentile(luma, (5, 90))
    return float((light - dark) / (light + dark + SENSOR_NOISE))


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
