"""How like the reference a living face was, as a band: the number itself goes no further.

Knows bands, what several frames say together, and a calibration's thresholds by nominal false match
rate. A log-likelihood ratio rises with the score, so that a threshold on one is a threshold on the
other. What a band leads to is the policy's to say.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.embed import cosine
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from models.calibration import Calibration

MIN_FRAMES: Final = 3
MAX_FRAMES: Final = 64
STRONG_FMR: Final = 1e-5
SAME_FMR: Final = 1e-4
UNSURE_FMR: Final = 1e-3
"""The nominal false match rates whose thresholds open the bands."""
OTHER_FMR: Final = 1e-2
"""A frame that does not even reach its threshold is of somebody else. That all frames are of one
person, by far stricter thresholds, is for whoever follows the face to see (kiosk.vision)."""
RATES: Final = (OTHER_FMR, UNSURE_FMR, SAME_FMR, STRONG_FMR)
"""A calibration without a threshold for each of them says nothing about anybody."""
LENGTH_WITHIN: Final = 1e-3
"""How far an embedding's length may be from 1: rounding, and no more."""


class Band(StrEnum):
    """How like."""

    SAME_STRONG = "same_strong"
    SAME = "same"
    UNSURE = "unsure"
    DIFFERENT = "different"


class TooFewFramesError(ValueError):
    """There are fewer than `MIN_FRAMES` frames to judge by."""


def band_of(
    frames: Sequence[NDArray[np.float32]],
    reference: NDArray[np.float32],
    *,
    calibration: Calibration,
    fmr: float = SAME_FMR,
    closeness: Callable[[NDArray[np.float32], NDArray[np.float32]], object] = cosine,
) -> Band:
    """Judge several frames of one face against one reference.

    The mean of the cosines is judged, not the cosine of the mean embedding: the thresholds were
    measured on single comparisons, and the latter lies higher for everybody. All frames must agree:
    where the mean is high and one frame is of somebody else, nobody knows who was there.

    Args:
        frames: `MIN_FRAMES` to `MAX_FRAMES` embeddings, (D,) float32 of unit length.
        reference: the embedding of the portrait.
        calibration: of the embedder that made them all.
        fmr: the nominal false match rate at which a face counts as the same: one of the three.
        closeness: how that embedder compares; a score, -1..1.

    Raises:
        TooFewFramesError: there are fewer.
        ModelError: one is no embedding, or is compared to no number from -1 to 1.
        KeyError: the calibration has no threshold for one of the rates.
    """
    if len(frames) < MIN_FRAMES:
        raise TooFewFramesError(f"fewer than {MIN_FRAMES} frames")
    if len(frames) > MAX_FRAMES:
        raise ValueError("too many frames")
    for embedding in (reference, *frames):
        _require_embedding(embedding, size=reference.shape)
    each = np.array([closeness(frame, reference) for frame in frames], dtype=np.float64)
    if each.shape != (len(frames),) or not (np.abs(each) <= 1).all():
        raise ModelError("", "failed", "a comparison gave no score")
    band = band_at(float(each.mean()), calibration=calibration, fmr=fmr)
    agreed = each.min() >= calibration.score_at(OTHER_FMR)
    return band if agreed or band is Band.DIFFERENT else Band.UNSURE


def _require_embedding(embedding: NDArray[np.float32], *, size: tuple[int, ...]) -> None:
    """Return if it can have come from a net: what is none must not be compared, nor accuse anyone.

    Raises:
        ModelError: it is of another shape, or not of unit length.
    """
    flat = embedding.ndim == 1 and embedding.shape == size
    # A length that is no number is within nothing.
    if not flat or not abs(float(np.linalg.norm(embedding)) - 1.0) <= LENGTH_WITHIN:
        raise ModelError("", "failed", "no embedding")


def band_at(closeness: float, *, calibration: Calibration, fmr: float = SAME_FMR) -> Band:
    """Return the band of one cosine, -1..1; what is no such number is `DIFFERENT`.

    A stricter rate makes of what is the same at 1e-4 only "unsure"; a laxer one takes what would be
    "unsure" for the same.

    Raises:
        KeyError: the calibration has no threshold for one of the rates.
    """
    strong, same, unsure = (calibration.score_at(each) for each in (STRONG_FMR, fmr, UNSURE_FMR))
    if not abs(closeness) <= 1:
        return Band.DIFFERENT
    if closeness >= max(strong, same):
        return Band.SAME_STRONG
    if closeness >= same:
        return Band.SAME
    return Band.UNSURE if closeness >= unsure else Band.DIFFERENT


def judged_together(
    cosines: NDArray[np.float64], *, calibration: Calibration
) -> NDArray[np.float64]:
    """Return what several frames say together: their mean, or the least where one disagrees.

    Args:
        cosines: (K, F) float64: F frames each.
        calibration: whose threshold for 1e-2 tells a frame that is of somebody else.

    Returns:
        (K,) float64: never higher than the mean, and rising in every frame.

    Raises:
        KeyError: the calibration has no such threshold.
    """
    least = cosines.min(axis=1)
    agreed = least >= calibration.score_at(OTHER_FMR)
    judged: NDArray[np.float64] = np.where(agreed, cosines.mean(axis=1), least)
    return judged
