"""Several touches of one finger, and several fingers of one person, as one piece of evidence.

Knows how touches are joined: each that surely is of the same finger is laid over the fullest one,
and what only one of them shows is added to it, so that touches on a small sensor show together what
none of them does alone. A touch that is not surely of the same finger is left out: joining two
fingers would match either. Does not know how many touches were asked for, nor what is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.finger.fusion import Weights, log_odds, shipped
from models.finger.match import overlay
from models.finger.minutiae import MAX_COORDINATE_PX, Minutiae, minutiae
from models.finger.prepared import MAX_COMPARED, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.finger.align import Laid
    from models.finger.prepared import Prepared

SURE: Final = 4.0
"""Log-odds from which on two touches are joined: beyond what two fingers were seen to reach."""
MAX_TOUCHES: Final = 8
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


def ready(touches: Sequence[Minutiae], *, weights: Weights | None = None) -> tuple[Prepared, ...]:
    """Return touches of one finger, ready to be compared: each, and of several what they make.

    The last is the one to keep as a reference. Live, all are compared with the reference, and the
    most alike counts; so many chances to match are so many times the false match rate of one.

    Args:
        touches: as for `join`.
        weights: as for `join`.

    Raises:
        TouchesError: as for `join`.
    """
    whole = join(touches, weights=weights).minutiae
    alone = tuple(prepare(each) for each in touches)
    return alone if len(touches) == 1 else (*alone, prepare(whole))


def together(log_likelihood_ratios: Sequence[float]) -> float:
    """Return the log-likelihood ratio of several fingers of one person: their sum.

    Each finger is evidence of its own; touches of one finger are not, and are joined instead.
    """
    return float(sum(log_likelihood_ratios))


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
