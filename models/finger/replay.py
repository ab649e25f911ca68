"""Whether a touch is a touch that was seen before, played again.

Knows that no finger is put down twice alike: it turns, moves, and the skin is stretched anew, so
that minutiae come and go and the others shift by some pixels. Two sets that are nearly the same
after one turn and one move are one picture. A picture that was cut anew or coarsened before it was
played again has other minutiae at its edges and is mostly not noticed. Does not know where touches
are kept, nor for how long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.finger import align
from models.finger.match import overlay
from models.finger.prepared import MIN_COMPARED, prepare

if TYPE_CHECKING:
    from models.finger.minutiae import Minutiae

ROUNDS: Final = 3
SAME_PX: Final = 1.0
SAME_ANGLE: Final = 0.06
LEAST_SAME: Final = 10
SAME_SHARE: Final = 0.7
"""Of the minutiae of the smaller set; two touches of one finger were seen to reach 0.57."""


def is_replay(a: Minutiae, b: Minutiae) -> bool:
    """Return whether two sets of minutiae are of one picture rather than of two touches.

    Where fewer than `LEAST_SAME` coincide, chance may have done it.
    """
    same, of = _coinciding(a, b)
    return same >= LEAST_SAME and same >= SAME_SHARE * of


def coinciding(a: Minutiae, b: Minutiae) -> float:
    """Return 0..1: the share of the smaller set that lies on the other to a pixel, unbent."""
    same, of = _coinciding(a, b)
    return same / of if of else 0.0


def _coinciding(a: Minutiae, b: Minutiae) -> tuple[int, int]:
    """Return how many of the smaller set lie on the other, and how many there are."""
    ours, theirs = prepare(a), prepare(b)
    laid, _ = overlay(ours, theirs)
    if laid is None or len(laid.mine) < MIN_COMPARED:
        return 0, min(len(ours), len(theirs))
    mine, other = laid.mine, laid.theirs
    weights = np.ones((1, len(mine)))
    for _ in range(ROUNDS):
        turn, move = align.motions(
            ours.place[mine], ours.angle[mine], theirs.place[other], theirs.angle[other], weights
        )
        shift = np.abs((turn * ours.place[mine] + move)[0] - theirs.place[other])
        # What lies far away under this motion has no say in the next.
        weights = np.exp(-((shift / (2 * SAME_PX)) ** 2))[None] + 1e-6
    turned = np.angle(turn[0, 0] * np.exp(1j * (ours.angle[mine] - theirs.angle[other])))
    same = (shift <= SAME_PX) & (np.abs(turned) <= SAME_ANGLE)
    return int(same.sum()), min(len(ours), len(theirs))
