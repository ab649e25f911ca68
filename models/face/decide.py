"""How like the reference a living face was, as a band: the number itself goes no further.

Knows bands and an embedder's thresholds by nominal false match rate. What a band leads to is the
policy's to say.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.embed import cosine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.manifest import Calibration

MIN_FRAMES: Final = 3
MAX_FRAMES: Final = 64


class Band(StrEnum):
    """How like."""

    SAME_STRONG = "same_strong"
    SAME = "same"
    UNSURE = "unsure"
    DIFFERENT = "different"


NOMINAL_FMR: Final = ((1e-5, Band.SAME_STRONG), (1e-4, Band.SAME), (1e-3, Band.UNSURE))
"""The nominal false match rate whose threshold opens each band."""


class TooFewFramesError(ValueError):
    """There are fewer than `MIN_FRAMES` frames to judge by."""


def band_of(
    frames: Sequence[NDArray[np.float32]],
    reference: NDArray[np.float32],
    *,
    calibration: Calibration,
) -> Band:
    """Judge several frames of one face against one reference.

    The mean of the cosines is judged, not the cosine of the mean embedding: the thresholds were
    measured on single comparisons, and the latter lies higher for everybody.

    Args:
        frames: `MIN_FRAMES` to `MAX_FRAMES` embeddings, (192,) float32 of unit length.
        reference: the embedding of the portrait.
        calibration: of the embedder that made them all.

    Raises:
        TooFewFramesError: there are fewer.
        KeyError: the calibration has no threshold for a rate of `NOMINAL_FMR`.
    """
    if len(frames) < MIN_FRAMES:
        raise TooFewFramesError(f"fewer than {MIN_FRAMES} frames")
    if len(frames) > MAX_FRAMES:
        raise ValueError("too many frames")
    mean = float(np.mean([cosine(each, reference) for each in frames]))
    return band_at(mean, calibration=calibration)


def band_at(closeness: float, *, calibration: Calibration) -> Band:
    """Return the band of one cosine, -1..1; what is no number is `DIFFERENT`."""
    for fmr, band in NOMINAL_FMR:
        if closeness >= calibration.cosine_at(fmr):
            return band
    return Band.DIFFERENT
