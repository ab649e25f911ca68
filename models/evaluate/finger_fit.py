"""Fit the weights of a comparison's evidence, on pictures as they are and made worse.

Knows which ways of making worse there are: without them the weights would hold for fingers laid
down well, and for no other sensor. Numbers in, numbers out; what was compared is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.evaluate.finger_touch import Window, partial, seen_by, strained
from models.evaluate.texture_fit import fit
from models.finger.fusion import terms
from models.finger.match import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

MODULE: Final = Window(256, 288, bits=4)


class Weighed(NamedTuple):
    """Weights as in `models.finger.fusion.Weights`, of terms in their order.

    Attributes:
        of_terms: log-odds for each.
        bias: added.
    """

    of_terms: tuple[float, ...]
    bias: float


class Way(NamedTuple):
    """A way of looking at a set.

    Attributes:
        name: of it.
        made: makes a picture so; None: as it is.
    """

    name: str
    made: Callable[[Grey, np.random.Generator], Grey] | None


def _seen(grey: Grey, randomness: np.random.Generator) -> Grey:
    return seen_by(MODULE, grey, randomness)


WAYS: Final = (
    Way("plain", None),
    Way("module", _seen),
    Way("strained", strained),
    Way("partial", partial),
)


def weigh(evidence: NDArray[np.float64], same: NDArray[np.bool_]) -> Weighed:
    """Return weights, by logistic regression; both kinds weigh the same whatever their numbers.

    Args:
        evidence: (K, 6), the fields of `models.finger.match.Evidence`.
        same: (K,): whether it was of one finger.

    Raises:
        TextureFitError: of one kind there are too few.
    """
    line = fit(np.array([terms(Evidence(*each)) for each in evidence.tolist()]), same)
    weights = line.weights / line.spread
    bias = line.bias - float(weights @ line.middle)
    return Weighed(tuple(round(float(each), 5) for each in weights), round(bias, 5))
