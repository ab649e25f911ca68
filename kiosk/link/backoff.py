"""How long to wait before the next try: full jitter, so that a fleet does not return as one.

Knows numbers. Chance is a parameter, time is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DOUBLINGS = 16


@dataclass(slots=True)
class FullJitter:
    """Waits drawn evenly from 0 to a ceiling that doubles with each failure.

    Attributes:
        first_s: the ceiling after one failure.
        longest_s: the ceiling never grows beyond this.
        chance: returns a number in [0, 1).
    """

    first_s: float
    longest_s: float
    chance: Callable[[], float]
    _failures: int = 0

    def next_s(self) -> float:
        """Return how many seconds to wait after one more failure."""
        ceiling = min(self.longest_s, self.first_s * float(1 << self._failures))
        self._failures = min(self._failures + 1, MAX_DOUBLINGS)
        return ceiling * self.chance()

    def succeeded(self) -> None:
        """Begin anew at the first ceiling."""
        self._failures = 0
