"""Several touches of one finger, and several fingers of one person, as one piece of evidence.

Knows how touches are joined: each that surely is of the same finger is laid over the fullest one,
and what only one of them shows is added to it, so that touches on a small sensor show together what
none of them does alone. A touch that is not surely of the same finger is left out: joining two
fingers would match either. Two fingers are then compared twice: what touches make joined, and the
two single touches that are most alike; the mean of both counts. Does not know how many touches were
asked for, nor what is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.calibration import NOMINAL_FMR
from models.finger.fusion import Weights, log_odds, score_of, shipped
from models.finger.match import Evidence, compare, overlay
from models.finger.minutiae import MAX_COORDINATE_PX, Minutiae, minutiae
from models.finger.prepared import MAX_COMPARED, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.calibration import Calibration
    from models.finger.align import Laid
    from models.finger.prepared import Prepared

SURE: Final = 4.0
"""Log-odds from which on two touches are joined: beyond what two fingers were seen to reach."""
MAX_TOUCHES: Final = 8
PAIR_SLACK: Final = 10.0
"""Two fingers are the same together only if one alone is at so many times the rate."""
SEEN_AGAIN: Final = 0.15
"""Is added to the quality of a minutia for each touch that shows it again, towards 1."""


class TouchesError(ValueError):
    """There is no touch, or there are too many."""


class Joined(NamedTuple):
    """Touches of one finger as one.

    Attributes:
        minutiae: of all that were joined, in the frame of the fullest.
        used: which touches were, by place.
    """

    minutiae: Minutiae
    used: tuple[int, ...]


class Ready(NamedTuple):
    """Touches of one finger, ready to be compared.

    Attributes:
        alone: each touch.
        joined: what they make; of one touch itself.
    """

    alone: tuple[Prepared, ...]
    joined: Prepared


def join(touches: Sequence[Minutiae], *, weights: Weights | None = None) -> Joined:
    """Join touches of one finger.

    Args:
        touches: 1 to `MAX_TOUCHES`; the fullest is the base.
        weights: by which touches are of one finger; None: those that come with the program.

    Raises:
        TouchesError: it is another number.
    """
    if not 1 <= len(touches) <= MAX_TOUCHES:
        raise TouchesError("no touch, or too many")
    order = sorted(range(len(touches)), key=lambda place: -float(touches[place].quality.sum()))
    used, whole, left = [order[0]], touches[order[0]], order[1:]
    for _ in touches[1:]:
        base = prepare(whole)
        best: tuple[float, int, Prepared, Laid] | None = None
        for place in left:
            other = prepare(touches[place])
            laid, evidence = overlay(other, base)
            sure = log_odds(evidence, weights or shipped())
            if laid is not None and sure >= SURE and (best is None or sure > best[0]):
                best = sure, place, other, laid
        if best is None:
            break
        whole = _with(base, best[2], best[3])
        used.append(best[1])
        left.remove(best[1])
    return Joined(whole, tuple(sorted(used)))


def ready(touches: Sequence[Minutiae], *, weights: Weights | None = None) -> Ready:
    """Make touches of one finger ready to be compared: each alone, and all joined.

    Args:
        touches: as for `join`.
        weights: as for `join`.

    Raises:
        TouchesError: as for `join`.
    """
    alone = tuple(prepare(each) for each in touches)
    if len(alone) == 1:
        return Ready(alone, alone[0])
    return Ready(alone, prepare(join(touches, weights=weights).minutiae))


def compare_each(live: Ready, kept: Ready) -> tuple[Evidence, ...]:
    """Compare two fingers: each touch with each, and last what they make joined.

    Where both have one touch, there is one comparison.
    """
    joined = compare(live.joined, kept.joined)
    if len(live.alone) == len(kept.alone) == 1:
        return (joined,)
    each = (compare(touch, other) for touch in live.alone for other in kept.alone)
    return (*each, joined)


def score_of_each(evidence: Sequence[Evidence], weights: Weights) -> float:
    """Return how alike two fingers are, -1..1, by `compare_each`.

    The mean of the most alike touches and of what all make joined: chance makes either of two
    fingers alike at times, and both more seldom, so that the score means about what that of one
    touch does, however many there were.

    Args:
        evidence: of at least one comparison.
        weights: of its terms.
    """
    *alone, joined = (score_of(each, weights) for each in evidence)
    return (max(alone) + joined) / 2 if alone else joined


def score(live: Ready, kept: Ready, *, weights: Weights | None = None) -> float:
    """Return how alike two fingers are, -1..1, by all touches of both.

    Args:
        live: one.
        kept: the other.
        weights: None: those that come with the program.
    """
    return score_of_each(compare_each(live, kept), weights or shipped())


def together(log_likelihood_ratios: Sequence[float]) -> float:
    """Return the log-likelihood ratio of several fingers of one person: their sum.

    Each finger is evidence of its own; touches of one finger are not, and are joined instead.
    """
    return float(sum(log_likelihood_ratios))


def match_together(scores: Sequence[float], calibration: Calibration, fmr: float) -> bool:
    """Return whether several fingers of one person match together at a nominal false match rate.

    Their evidence must be what one finger's is at that rate, and one alone must match at
    `PAIR_SLACK` times the rate, so that a ratio that says too much admits no more than that.

    Args:
        scores: one of each finger.
        calibration: of the scores.
        fmr: one of its rates.

    Raises:
        KeyError: it has no threshold for the rate.
    """
    ratio = together([calibration.llr(each) for each in scores])
    least = calibration.score_at(min(fmr * PAIR_SLACK, NOMINAL_FMR[0]))
    return ratio >= calibration.llr(calibration.score_at(fmr)) and max(scores) >= least


def _with(base: Prepared, other: Prepared, laid: Laid) -> Minutiae:
    """Return the minutiae of both, those that coincide once."""
    new = np.ones(len(other), dtype=np.bool_)
    new[laid.mine] = False
    quality, ending = base.quality.copy(), base.ending.copy()
    again = np.maximum(quality[laid.theirs], other.quality[laid.mine])
    quality[laid.theirs] = again + SEEN_AGAIN * (1 - again)
    ending[laid.theirs] = (ending[laid.theirs] + other.ending[laid.mine]) / 2
    place = np.concatenate([base.place, laid.place[new]])
    order = np.argsort(-np.concatenate([quality, other.quality[new]]), kind="stable")[
        : 2 * MAX_COMPARED
    ]
    return minutiae(
        np.clip(place.real, -MAX_COORDINATE_PX, MAX_COORDINATE_PX)[order],
        np.clip(-place.imag, -MAX_COORDINATE_PX, MAX_COORDINATE_PX)[order],
        np.concatenate([base.angle, laid.angle[new]])[order],
        np.clip(np.concatenate([quality, other.quality[new]]), 0, 1)[order],
        np.concatenate([ending, other.ending[new]])[order],
    )
