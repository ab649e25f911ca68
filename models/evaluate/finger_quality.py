"""Fit the gate, and hold it against what came to pass: does a touch match another of its finger?

Knows numbers only. A touch is judged by all comparisons with others of its finger that it was in,
on both sides: a bad one spoils its partners' chances too, which is why the chance is a touch's mean
fate and no verdict on it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.evaluate.fit import FitError
from models.evaluate.texture_fit import MIN_OF_A_KIND, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from models.evaluate.finger_sets import Comparisons
    from models.finger.quality import Gate, Quality

LEAST: Final = 0.6
"""What gates ask for. docs/reference/finger-accuracy.md has what it refuses, and what that is worth
on sets that a gate was not fitted on."""
FMR: Final = 1e-3
"""A touch passed where its score is one that so many impostors reach."""
BINS: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Fates(NamedTuple):
    """How touches fared.

    Attributes:
        touches: of each picture.
        pairs: (K, 2) numbers of two touches of one finger.
        passed: (K,): whether they matched.
    """

    touches: tuple[Quality, ...]
    pairs: NDArray[np.intp]
    passed: NDArray[np.bool_]


class Bin(NamedTuple):
    """Touches whose chance lies between two bounds; each counts in every comparison it was in.

    Attributes:
        low: from here on.
        touches: how many.
        said: their mean chance.
        was: the share that passed.
    """

    low: float
    touches: int
    said: float
    was: float


class Refused(NamedTuple):
    """What asking again for some touches would change.

    Attributes:
        touches: all.
        refused: those asked for again.
        pairs: comparisons of one finger.
        failed: those that did not match.
        left: comparisons of which no touch was refused.
        left_failed: those of them that did not match.
    """

    touches: int
    refused: int
    pairs: int
    failed: int
    left: int
    left_failed: int


class Fitted(NamedTuple):
    """What a fit gives a gate.

    Attributes:
        weights: of `Quality.features`.
        bias: added.
    """

    weights: tuple[float, float]
    bias: float


def fates(
    seen: Sequence[Quality | None],
    pairs: Comparisons,
    scores: NDArray[np.float64],
    least: float,
) -> Fates:
    """Return how the touches of a set fared; without what nothing could be looked for in.

    Args:
        seen: of each picture.
        pairs: of the pictures.
        scores: (K,) of each pair.
        least: the score from which on two fingers match.
    """
    there = np.array([each is not None for each in seen])
    number = np.cumsum(there) - 1
    both = pairs.same & there[pairs.a] & there[pairs.b]
    return Fates(
        tuple(each for each in seen if each is not None),
        np.stack([number[pairs.a[both]], number[pairs.b[both]]], axis=1),
        scores[both] >= least,
    )


def joined(several: Sequence[Fates]) -> Fates:
    """Return the touches of several sets as one's."""
    begins = np.cumsum([0, *(len(each.touches) for each in several)])
    return Fates(
        tuple(touch for each in several for touch in each.touches),
        np.concatenate([each.pairs + begin for each, begin in zip(several, begins, strict=False)]),
        np.concatenate([each.passed for each in several]),
    )


def bins(gate: Gate, of: Fates) -> tuple[Bin, ...]:
    """Return what a gate says beside what was, for each of `BINS` in which there are touches."""
    chance = _chances(gate, of)[of.pairs].T.ravel()
    passed = np.tile(of.passed, 2)
    place = np.clip(np.searchsorted(BINS, chance, side="right"), 1, len(BINS) - 1) - 1
    return tuple(
        Bin(
            BINS[each],
            int((place == each).sum()),
            float(chance[place == each].mean()),
            float(passed[place == each].mean()),
        )
        for each in np.unique(place)
    )


def refused(gate: Gate, of: Fates) -> Refused:
    """Return how many touches a gate refuses, and how the comparisons of the others went."""
    out = np.array([gate.failure(each) is not None for each in of.touches])
    left = ~out[of.pairs].any(axis=1)
    return Refused(
        touches=len(of.touches),
        refused=int(out.sum()),
        pairs=len(of.passed),
        failed=int((~of.passed).sum()),
        left=int(left.sum()),
        left_failed=int((~of.passed[left]).sum()),
    )


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation, -1..1; 0 where all of one are equal.

    Args:
        a: (N,) numbers; those that are equal share their mean rank.
        b: (N,).
    """
    ranks = [_ranks(np.asarray(each, dtype=np.float64)) for each in (a, b)]
    here, there = (each - each.mean() for each in ranks)
    length = math.sqrt(float((here @ here) * (there @ there)))
    return float(here @ there) / length if length else 0.0


def fit_gate(of: Fates) -> Fitted:
    """Fit a gate by logistic regression.

    Raises:
        FitError: too few passed, or too few did not, or the worse touches matched more often.
    """
    pairs, passed = of.pairs, of.passed
    if min(int(passed.sum()), int((~passed).sum())) < MIN_OF_A_KIND:
        raise FitError(f"fewer than {MIN_OF_A_KIND} comparisons of one finger matched, or failed")
    features = np.array([each.features for each in of.touches])
    line = fit(np.concatenate([features[pairs[:, 0]], features[pairs[:, 1]]]), np.tile(passed, 2))
    weights = line.weights / line.spread
    # There both outcomes weigh the same; a chance has to know how rare one of them is.
    rare = math.log(passed.sum() / (~passed).sum())
    bias = line.bias - float(weights @ line.middle) + rare
    if (weights < 0).any():
        raise FitError("the worse touches matched more often")
    strong, area = (round(float(each), 4) for each in weights)
    return Fitted((strong, area), round(bias, 4))


def _chances(gate: Gate, of: Fates) -> NDArray[np.float64]:
    return np.array([gate.chance(each) for each in of.touches])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(count) - (count + 1) / 2)[place.ravel()]
    return ranks
