"""How far a measured rate can be from the true one: exact intervals, and resampling by subject.

Knows the binomial interval of Clopper and Pearson, the rule of three, and the bootstrap. The first
two take comparisons for independent. Those that share a person are not, so that the bootstrap draws
people: its interval is the wider where it matters, and says nothing where no error was seen.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEVEL: Final = 0.95
HALVINGS: Final = 80
"""Of the interval 0..1: finer than a double."""
FRACTION_STEPS: Final = 100_000
TINY: Final = 1e-300
CONVERGED: Final = 1e-15


class Interval(NamedTuple):
    """A lower and an upper bound of a rate, 0..1."""

    low: float
    high: float

    def joined(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


def clopper_pearson(errors: int, trials: int, *, level: float = LEVEL) -> Interval:
    """Return the exact binomial interval of a rate; both tails are equal.

    Args:
        errors: 0..`trials`.
        trials: independent ones; at least 1.
        level: of confidence, 0..1.
    """
    if not 0 <= errors <= trials or trials < 1 or not 0 < level < 1:
        raise ValueError("no rate")
    tail = (1 - level) / 2
    low = 0.0 if errors == 0 else _beta_quantile(tail, errors, trials - errors + 1)
    high = 1.0 if errors == trials else _beta_quantile(1 - tail, errors + 1, trials - errors)
    return Interval(low, high)


def rule_of_three(trials: int, *, level: float = LEVEL) -> float:
    """Return the rate below which the true one lies if no error was seen; about 3 / `trials`."""
    if trials < 1:
        raise ValueError("no trial")
    return float(-np.expm1(log(1 - level) / trials))


def trials_without_error(rate: float, *, level: float = LEVEL) -> int:
    """Return how many independent trials without an error it takes to claim a rate."""
    if not 0 < rate < 1:
        raise ValueError("no rate")
    return int(np.ceil(log(1 - level) / log1p(-rate)))


def subject_draws(
    subjects: int, *, times: int, randomness: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield (S,) float64, `times` times: how often each subject was drawn, S of S with return."""
    for _ in range(times):
        drawn = randomness.integers(subjects, size=subjects)
        yield np.bincount(drawn, minlength=subjects).astype(np.float64)


def percentiles(values: NDArray[np.float64], *, level: float = LEVEL) -> Interval:
    """Return the middle `level` of bootstrapped values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = probability, by halving."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _beta_regularised(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_regularised(x: float, a: float, b: float) -> float:
    """Return the incomplete beta function I_x(a, b), by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction after Lentz."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, FRACTION_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / _away_from_zero(1 + step * d)
            c = _away_from_zero(1 + step / c)
            result *= c * d
        if abs(c * d - 1) < CONVERGED:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
