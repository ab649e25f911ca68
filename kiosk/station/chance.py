"""What a person is asked to show life by: drawn anew each time, so that no recording can know.

Knows the variants and the system's randomness. Does not know who is asked. Every variant has a
turn in it, for only a turn shows depth; all are equally likely, pauses and windows too. The second
challenge, for somebody who turned to the wrong side, is another one than the first.

How often a recording passes by luck: `docs/reference/liveness.md`.
"""

from __future__ import annotations

import secrets
from itertools import product
from typing import TYPE_CHECKING, Final, get_args

from kiosk.vision.port import MAX_CHALLENGES, ActName, Challenge, Step

if TYPE_CHECKING:
    from random import Random

STEPS: Final = 2
TURNS: Final = frozenset({"turn_left", "turn_right"})
ACTS: Final[tuple[ActName, ...]] = get_args(ActName)
VARIANTS: Final[tuple[tuple[ActName, ...], ...]] = tuple(
    acts for acts in product(ACTS, repeat=STEPS) if TURNS.intersection(acts)
)
"""Eight: each pair of acts, in each order, but for two blinks."""
PAUSE_S: Final = (0.3, 1.5)
"""Too short to be noticed, and yet a recording does not know it."""
WITHIN_S: Final = (6.0, 8.0)
"""From being asked to having turned; time enough for the slow."""
GRAIN: Final = 1_000

_CHANCE: Final = secrets.SystemRandom()


def by_chance(chance: Random = _CHANCE) -> tuple[Challenge, ...]:
    """Draw `MAX_CHALLENGES` challenges, no two the same.

    Args:
        chance: the system's, unless a measurement is to be repeated.
    """
    return tuple(
        tuple(
            Step(act=act, pause_s=_between(PAUSE_S, chance), within_s=_between(WITHIN_S, chance))
            for act in acts
        )
        for acts in chance.sample(VARIANTS, MAX_CHALLENGES)
    )


def _between(limits: tuple[float, float], chance: Random) -> float:
    low, high = limits
    return low + (high - low) * chance.randrange(GRAIN + 1) / GRAIN
