"""Fit the weights of a comparison's evidence, on pictures as they are and made worse.

Knows which ways of making worse there are: without them the weights would hold for fingers laid
down well, and for no other sensor. Numbers in, numbers out; what was compared is the caller's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.evaluate.finger_touch import Window, part, seen_by, strained
from models.evaluate.fit import FitError
from models.evaluate.texture_fit import MIN_OF_A_KIND, fit
from models.finger.fusion import terms
from models.finger.match import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

MODULES: Final = (Window(256, 288, bits=4), Window(192, 192, bits=4, jitter_px=40))
"""As the AS608's and R307's, laid on well, and as the R503's, laid on as it comes."""


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


WAYS: Final = (
    Way("plain", None),
    *(Way(f"{each.width_px}x{each.height_px}", partial(seen_by, each)) for each in MODULES),
    Way("strained", strained),
    Way("part", part),
)
SENSED: Final = frozenset(way.name for way in WAYS[: 1 + len(MODULES)])
"""The ways that are sensors': what a gate says is to hold for touches as they come from one."""


def weigh(evidence: NDArray[np.float64], same: NDArray[np.bool_]) -> Weighed:
    """Return weights, by logistic regression; both kinds weigh the same whatever their numbers.

    Args:
        evidence: (K, 6), the fields of `models.finger.match.Evidence`.
        same: (K,): whether it was of one finger.

    Raises:
        FitError: of one kind there are too few.
    """
    if min(int(same.sum()), int((~same).sum())) < MIN_OF_A_KIND:
        raise FitError(f"fewer than {MIN_OF_A_KIND} comparisons of one finger, or of two")
    line = fit(np.array([terms(Evidence(*each)) for each in evidence.tolist()]), same)
    weights = line.weights / line.spread
    bias = line.bias - float(weights @ line.middle)
    return Weighed(tuple(round(float(each), 5) for each in weights), round(bias, 5))
