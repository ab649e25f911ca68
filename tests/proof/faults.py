"""Is anything lost while everything breaks? The long run of `tests.faults`.

Knows how its figures become a proof: every kind of turn was played, the seeded bugs were caught,
and nothing was lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.__main__ import contrast, figures, not_played, play
from tests.faults.twins import all_caught, judged

if TYPE_CHECKING:
    from collections.abc import Mapping


def prove(seconds: float) -> tuple[bool, str, Mapping[str, object]]:
    """Return whether it holds, a summary and the figures."""
    twins = judged()
    seed = int(time.time())
    naive = contrast(seed)
    tally = play(seconds, seed, say=lambda text: print(text, flush=True))
    caught = all_caught(twins) and naive.lost > 0
    real = sum(count for kind, count in tally.faults.items() if not kind.startswith("power_cut"))
    cuts = sum(tally.faults.values()) - real
    summary = (
        f"{real} faults of real processes and {cuts} images of power cuts, {tally.records} records:"
        f" lost {tally.lost}, doubled {tally.doubled}, wrong {tally.wrong}, stuck {tally.stuck};"
        f" deleting by PUBACK lost {naive.lost} of {naive.records};"
        f" seeded bugs {'all caught' if caught else 'NOT all caught'}"
    )
    whole = not not_played(tally)
    return tally.holds and caught and whole, summary, figures(tally, twins, naive)
