"""A station that files, delivers, deletes, fills up and opens again, for the recorder of its disk.

`python -m tests.faults.power_life FOLDER SEED [careless]`; careless is a twin of the product that
doesn't sync each commit.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import structlog

import kiosk.outbox.store
from tests.faults.content import LANES
from tests.faults.life import Life

STEPS = 70


def main(folder: Path, seed: int, *, careless: bool) -> None:
    """Live one life."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    if careless:
        kept = kiosk.outbox.store._PRAGMAS
        kiosk.outbox.store._PRAGMAS = tuple(  # type: ignore[misc]  # the bug
            one.replace("= FULL", "= NORMAL") for one in kept
        )
    rng = random.Random(seed)
    life = Life(folder)
    mark = 1
    for _ in range(STEPS):
        match rng.choices(("file", "carry", "deaf", "reopen"), (6, 2, 0.5, 0.4))[0]:
            case "file":
                count = rng.randint(1, 9)
                life.file(range(mark, mark + count), rng.choice(LANES))
                mark += count
            case "carry":
                life.carry(lose=lambda _: rng.random() < 0.2)
            case "deaf":
                life.carry(hears=False)
            case "reopen":
                life.queue.close()
                life.queue = life.open()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), careless=len(sys.argv) > 3)
