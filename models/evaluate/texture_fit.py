"""Fit a texture model: a logistic line through features, and a threshold from what was held back.

Knows numbers only. The threshold is set on scores of pictures that the line was not fitted on, of
people it was not fitted on where more than one is named; it is still of the same camera.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIDGE: Final = 3e-3
"""Of the mean loss, on each weight of a feature in spreads."""
STEPS: Final = 60
CONVERGED: Final = 1e-9
FOLDS: Final = 5
MIN_OF_A_KIND: Final = 20
LEAST_SPREAD: Final = 1e-4
LIMIT: Final = 6.0
MOST_AS_MANY: Final = 0.8
"""Attacks that reach the threshold over people who do, at most: chance lets as many pass."""


class TextureFitError(ValueError):
    """There are too few pictures, or they are of one kind only."""


class Line(NamedTuple):
    """A fitted line.

    Attributes:
        middle: (F,) of each feature.
        spread: (F,), above 0.
        weights: (F,).
        bias: added.
    """

    middle: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N,) log-odds of (N, F) features."""
        scaled = np.clip((features - self.middle) / self.spread, -LIMIT, LIMIT)
        found: NDArray[np.float64] = scaled @ self.weights + self.bias
        return found


def fit(features: NDArray[np.float64], skin: NDArray[np.bool_]) -> Line:
    """Return the line that tells skin from attacks; both weigh the same whatever their numbers.

    Args:
        features: (N, F).
        skin: (N,): which are people.

    Raises:
        TextureFitError: of one kind there are fewer than `MIN_OF_A_KIND`.
    """
    if min(int(skin.sum()), int((~skin).sum())) < MIN_OF_A_KIND:
        raise TextureFitError(f"fewer than {MIN_OF_A_KIND} pictures of people or of attacks")
    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_SPREAD)
    scaled = np.clip((features - middle) / spread, -LIMIT, LIMIT)
    columns = np.column_stack([scaled, np.ones(len(scaled))])
    truth = skin.astype(np.float64)
    share = np.where(skin, 0.5 / skin.sum(), 0.5 / (~skin).sum())
    ridge = np.full(columns.shape[1], RIDGE)
    ridge[-1] = 1e-9
    line = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ line, -60, 60)))
        slope = columns.T @ (share * (chance - truth)) + ridge * line
        curvature = (columns * (share * chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curvature + np.diag(ridge), slope)
        line -= step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < CONVERGED:
            break
    return Line(middle, spread, line[:-1], float(line[-1]))


def held_back(
    features: NDArray[np.float64], skin: NDArray[np.bool_], people: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the score of each picture by a line that was fitted without it, nor its person.

    Args:
        features: (N, F).
        skin: (N,): which are people.
        people: (N,): who is on each; where all are the same one, every fifth is held back.

    Raises:
        TextureFitError: what is left is too little.
    """
    few = len(np.unique(people)) < 2
    groups = np.arange(len(skin)) % FOLDS if few else people % max(FOLDS, 1)
    scores = np.empty(len(skin))
    for group in np.unique(groups):
        without = groups != group
        scores[~without] = fit(features[without], skin[without]).scores(features[~without])
    return scores


def threshold(skin_scores: NDArray[np.float64], *, bpcer: float) -> float:
    """Return the highest threshold that at most this share of people does not reach.

    Args:
        skin_scores: (N,) of people, held back.
        bpcer: 0..1.
    """
    rising = np.sort(skin_scores)
    return float(rising[min(int(bpcer * len(rising)), len(rising) - 1)])


def tells_apart(apcer: float, bpcer: float) -> bool:
    """Return whether clearly fewer attacks than people reach a threshold.

    Args:
        apcer: the share of attacks that reach it, held back.
        bpcer: the share of people who do not.
    """
    return apcer <= MOST_AS_MANY * (1 - bpcer)
