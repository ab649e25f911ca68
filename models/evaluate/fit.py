"""Fit a calibration: thresholds to impostor scores, a line of log-odds to both kinds of scores.

Knows numbers only. Pairs of the same people are not independent, and no set is like the next: the
thresholds hold back by a safety factor that the file names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from models.calibration import Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RULE_OF_30: Final = 30
"""So many errors measure a rate to within 30 % at 90 % confidence; fewer do not."""
TAIL_SHARE: Final = 1e-4
"""Of the impostor scores, the highest: the tail whose shape is fitted."""
MIN_TAIL: Final = 30
MIN_IMPOSTORS: Final = 300
MAX_SCORE: Final = 1.0
STEPS: Final = 100
RIDGE: Final = 1e-6
"""Keeps the line finite where all genuine scores lie above all impostor scores."""
CONVERGED: Final = 1e-10


class FitError(ValueError):
    """The scores are too few, or no scores."""


class Line(NamedTuple):
    """Natural log-likelihood ratio = slope * score + offset."""

    slope: float
    offset: float


def thresholds(
    impostor: NDArray[np.floating], *, rates: Sequence[float], safety: float
) -> tuple[Threshold, ...]:
    """Return the threshold of each nominal rate.

    Where at least `RULE_OF_30` scores lie above it, it stands where the rate over the safety factor
    was measured. Elsewhere the tail beyond is taken to fall off exponentially, and never to end
    sooner than it did.

    Args:
        impostor: (I,), at least `MIN_IMPOSTORS`, -1..1.
        rates: falling, 0..1.
        safety: at least 1.

    Raises:
        FitError: there are too few, or they are no scores.
    """
    falling = np.sort(np.asarray(impostor, dtype=np.float64))[::-1]
    if len(falling) < MIN_IMPOSTORS:
        raise FitError(f"{len(falling)} impostor scores; {MIN_IMPOSTORS} are needed")
    if not (np.isfinite(falling).all() and abs(falling).max() <= MAX_SCORE):
        raise FitError("a score is no number from -1 to 1")
    if not safety >= 1:
        raise FitError("the safety factor is below 1")
    found: list[Threshold] = []
    for fmr in rates:
        wanted = fmr / safety
        measured = wanted * len(falling) >= RULE_OF_30
        score = _measured(falling, wanted) if measured else _extrapolated(falling, wanted)
        if found:
            score = max(score, float(np.nextafter(found[-1].score, np.inf)))
        if score > MAX_SCORE:
            raise FitError(f"too few impostor scores to say anything about {fmr:g}")
        reached = int((falling >= score).sum())
        found.append(
            Threshold(
                fmr=fmr,
                score=score,
                measured_fmr=reached / len(falling),
                false_matches=reached,
                extrapolated=not measured,
            )
        )
    return tuple(found)


def strictest(
    several: Sequence[NDArray[np.floating]], *, rates: Sequence[float], safety: float
) -> tuple[Threshold, ...]:
    """Return thresholds that keep each rate in every one of several ways to compare.

    Of each rate the highest of theirs, as `thresholds` finds them; what is counted beside it is of
    the first.

    Args:
        several: at least one: each way's impostor scores, as for `thresholds`.
        rates: as for `thresholds`.
        safety: as for `thresholds`.

    Raises:
        FitError: as `thresholds`, of any.
    """
    each_way = [thresholds(impostor, rates=rates, safety=safety) for impostor in several]
    first, found = np.asarray(several[0], dtype=np.float64), []
    for at_rate in zip(*each_way, strict=True):
        highest = max(at_rate, key=lambda each: each.score)
        reached = int((first >= highest.score).sum())
        found.append(
            msgspec.structs.replace(
                highest, measured_fmr=reached / len(first), false_matches=reached
            )
        )
    return tuple(found)


def ratio(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> Line:
    """Fit the log-likelihood ratio as a line of the score.

    By logistic regression, where both kinds weigh the same whatever their numbers.

    Args:
        genuine: (G,), at least one.
        impostor: (I,), at least one.

    Raises:
        FitError: one is empty, or genuine scores do not lie above impostor scores on the whole.
    """
    if not (len(genuine) and len(impostor)):
        raise FitError("no genuine or no impostor scores")
    scores = np.concatenate([genuine, impostor]).astype(np.float64)
    truth = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    weights = np.concatenate(
        [np.full(len(genuine), 0.5 / len(genuine)), np.full(len(impostor), 0.5 / len(impostor))]
    )
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    columns = np.stack([(scores - middle) / spread, np.ones_like(scores)], axis=1)
    line = np.zeros(2)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ line, -60, 60)))
        slope = columns.T @ (weights * (chance - truth)) + RIDGE * line
        curvature = (columns * (weights * chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curvature + RIDGE * np.eye(2), slope)
        # A full step of Newton's overshoots where the classes hardly overlap.
        line -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < CONVERGED:
            break
    if not (np.isfinite(line).all() and line[0] > 0):
        raise FitError("genuine scores are not above impostor scores")
    return Line(float(line[0] / spread), float(line[1] - line[0] * middle / spread))


def cost(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> float:
    """Return C_llr in bits of log-likelihood ratios: 0 is perfect, 1 says nothing, more misleads.

    Args:
        genuine: (G,) natural log-likelihood ratios.
        impostor: (I,), likewise.
    """
    missed = np.logaddexp(0, -np.asarray(genuine, dtype=np.float64)).mean()
    wrong = np.logaddexp(0, np.asarray(impostor, dtype=np.float64)).mean()
    return float((missed + wrong) / 2 / np.log(2))


def _measured(falling: NDArray[np.float64], rate: float) -> float:
    """Return the lowest threshold that at most this share of the scores reaches."""
    return float(np.nextafter(falling[int(rate * len(falling))], np.inf))


def _extrapolated(falling: NDArray[np.float64], rate: float) -> float:
    """Return the threshold for a rate beyond what was measured, by an exponential tail."""
    size = min(max(int(len(falling) * TAIL_SHARE), MIN_TAIL), len(falling) - 1)
    begin = falling[size]
    mean_excess = float((falling[:size] - begin).mean())
    beyond = float(begin + mean_excess * max(np.log(size / len(falling) / rate), 0.0))
    return max(beyond, _measured(falling, rate))
