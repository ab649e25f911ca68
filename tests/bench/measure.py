"""How a figure is taken: medians of repeated runs, processor time where waiting would mislead."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(NamedTuple):
    """One figure and its yardstick, in the same unit."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    of: str


def row(name: str, value: float, unit: str, *, baseline: float, of: str) -> Row:
    """Return a row with its ratio."""
    return Row(name, round(value, 4), unit, round(baseline, 4), round(value / baseline, 3), of)


def median_ms(
    work: Callable[[], object], *, times: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median duration in milliseconds; one run before is not counted."""
    work()
    spent = []
    for _ in range(times):
        began = clock()
        work()
        spent.append((clock() - began) * 1000)
    return statistics.median(spent)


def median_cpu_ms(work: Callable[[], object], *, times: int) -> float:
    """Return the median processor time in milliseconds."""
    return median_ms(work, times=times, clock=time.process_time)
