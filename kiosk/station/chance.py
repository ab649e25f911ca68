"""What a person is asked to show life by: drawn anew each time, so that no recording can know.

Knows the variants and the system's randomness. Does not know who is asked. Every variant has a
turn in it, for only a turn shows depth; all are equally likely, pauses and windows too. The second
challenge, for somebody who went astray, is longer than the first and begins otherwise; nor does it
end as it begins, for a recording of a first challenge that is played round and round shows that.

How often a recording passes by luck: `docs/reference/liveness.md`.
"""

from __future__ import annotations

import secrets
from itertools import product
from typing import TYPE_CHECKING, Final, get_args

from kiosk.vision.port import ActName, Challenge, Step

if TYPE_CHECKING:
    from random import Random

STEPS: Final = (2, 3)
"""Of the first challenge, and of the second: whoever went astray is asked for more."""
TURNS: Final = frozenset({"turn_left", "turn_right"})
ACTS: Final[tuple[ActName, ...]] = get_args(ActName)
VARIANTS: Final[tuple[tuple[tuple[ActName, ...], ...], ...]] = tuple(
    tuple(
        acts
        for acts in product(ACTS, repeat=steps)
        if TURNS.intersection(acts) and (steps == STEPS[0] or acts[0] != acts[-1])
    )
    for steps in STEPS
)
"""Of each challenge: 8, all orders of acts but for blinks alone; and 18 that no two acts in turns
make."""
PAUSE_S: Final = ((0.3, 1.5), (1.0, 3.0))
"""Before each step; a recording does not know it."""
WITHIN_S: Final = (6.0, 8.0)
"""From being asked to having turned; time enough for the slow."""
GRAIN: Final = 1_000

_CHANCE: Final = secrets.SystemRandom()


def by_chance(chance: Random = _CHANCE) -> tuple[Challenge, ...]:
    """Draw a challenge and one more, which does not begin as the first did.

    Args:
        chance: the system's, unless a measurement is to be repeated.
    """
    first = chance.choice(VARIANTS[0])
    second = chance.choice([acts for acts in VARIANTS[1] if acts[: len(first)] != first])
    return tuple(
        tuple(
            Step(act=act, pause_s=_between(pause_s, chance), within_s=_between(WITHIN_S, chance))
            for act in acts
        )
        for acts, pause_s in zip((first, second), PAUSE_S, strict=True)
    )


def _between(limits: tuple[float, float], chance: Random) -> float:
    low, high = limits
    return low + (high - low) * chance.randrange(GRAIN + 1) / GRAIN
