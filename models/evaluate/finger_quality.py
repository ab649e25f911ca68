"""Fit the gate: the chance that a touch matches another one of its finger, from its own figures.

Knows numbers only. A touch is judged by all comparisons with others of its finger that it was in,
on both sides: a bad one spoils its partners' chances too, which is why the chance is a touch's mean
fate and no verdict on it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.evaluate.fit import FitError
from models.evaluate.texture_fit import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.finger.quality import Quality

LEAST: Final = 0.6
"""What gates ask for. On sets that they were not fitted on, all whole pictures have it, and all of
256 by 288 pixels; of 192 by 192, 2 to 6 touches in 100 do not, and without these a tenth to a fifth
fewer comparisons fail."""


class Fitted(NamedTuple):
    """What a fit gives a gate.

    Attributes:
        weights: of `Quality.features`.
        bias: added.
    """

    weights: tuple[float, float]
    bias: float


def fit_gate(
    touches: Sequence[Quality], pairs: NDArray[np.integer], passed: NDArray[np.bool_]
) -> Fitted:
    """Fit a gate by logistic regression.

    Args:
        touches: of each picture.
        pairs: (K, 2) numbers of two touches of one finger.
        passed: (K,): whether they matched at the gate's threshold.

    Raises:
        TextureFitError: too few passed, or too few did not.
        FitError: the worse touches matched more often.
    """
    features = np.array([each.features for each in touches])
    line = fit(np.concatenate([features[pairs[:, 0]], features[pairs[:, 1]]]), np.tile(passed, 2))
    weights = line.weights / line.spread
    # There both outcomes weigh the same; a chance has to know how rare one of them is.
    rare = math.log(passed.sum() / (~passed).sum())
    bias = line.bias - float(weights @ line.middle) + rare
    if (weights < 0).any():
        raise FitError("the worse touches matched more often")
    strong, area = (round(float(each), 4) for each in weights)
    return Fitted((strong, area), round(bias, 4))
