"""Break everything for a while: `python -m tests.faults --seconds 60`.

First the checker must catch the product's wrong twins. Then, by turns: kills at every system call
of one record's life, faults of chance, faults of chance with a fleet that is put back to backups,
and power cuts of the station's disk. Ends with a table; 1 if anything was lost, doubled or wrong,
did not come to its end, or if a twin or the loss of deleting by PUBACK was not seen. The figures go
to build/faults.json.

A seed decides what is broken and in which order; when exactly, the machine decides. So the same
seed plays the same faults at slightly other moments.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.episodes import EPISODE_S, ROLES, Tally, chance, put_back, sweep
from tests.faults.power import cut_power
from tests.faults.twins import Twin, all_caught, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OUT = Path("build") / "faults.json"
SHORTEST_S = 2.5
FORKS = 2
TURNS = ("sweep", "chance", "put_back", "power", "backups")
CONTRAST_S = 4.0
NOT_COVERED = (
    "faults of the kernel, of memory or of a disk that lies about its sync",
    "a disk that is full for long: the queue's own tests have it",
    "a full disk while the fleet is put back: a full queue keeps nothing that has a receipt",
    "a station's wrong clock while the fleet is put back: what has a receipt is kept by the clock",
    "PostgreSQL and a cluster of brokers",
    "certificates that end",
    "a clone that files at the same time as its original",
    "more than three devices at once",
)


def play(
    seconds: float,
    seed: int,
    *,
    turns: Sequence[str] = TURNS,
    say: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Break things until the time is over; each turn's seed is ten more than the one before."""
    tally = Tally()
    end = time.monotonic() + seconds
    turn = 0
    while turn == 0 or time.monotonic() + SHORTEST_S < end:
        left = end - time.monotonic()
        rest = max(1, len(turns) - turn)
        share = max(SHORTEST_S, min(EPISODE_S, left / rest - (2 if left < 60 else 4)))
        number, kind = seed + 10 * turn, turns[turn % len(turns)]
        match kind:
            case "sweep":
                sweep(tally, seed=number, seconds=share)
            case "put_back":
                for n in range(FORKS):
                    put_back(tally, seed=number + n)
            case "power":
                cut_power(tally, seed=number, seconds=share)
            case _:
                chance(tally, seed=number, seconds=share, backups=kind == "backups")
        turn += 1
        tally.played.add(kind)
        done = sum(tally.faults.values())
        say(
            f"{kind} (seed {number}): {done} faults so far, {tally.records} records,"
            f" lost {tally.lost}, doubled {tally.doubled}, wrong {tally.wrong}"
        )
    return tally


def contrast(seed: int) -> Tally:
    """Break the design that deletes by PUBACK for a moment: the harness must see it lose."""
    tally = Tally()
    chance(tally, seed=seed, seconds=CONTRAST_S, backups=False, devices=2, naive=True)
    return tally


def not_played(tally: Tally) -> list[str]:
    """What there was no time for, and whose processes nobody may trace."""
    missed = [kind for kind in TURNS if kind not in tally.played]
    return missed + [f"system calls of {role}" for role in sorted(tally.untraced)]


def figures(tally: Tally, twins: list[Twin], naive: Tally) -> dict[str, Any]:
    """What is written down."""
    return {
        "faults": dict(sorted(tally.faults.items())),
        "records": tally.records,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "wrong": tally.wrong,
        "stuck": tally.stuck,
        "seeds": tally.seeds,
        "checks": tally.checks,
        "ended_by_themselves": tally.ended,
        "system_calls_of_one_life": {
            role: {"killed_at": len(tally.places.get(role, ())), "of": total}
            for role, total in tally.lives.items()
        },
        "seeded_bugs": {one.bug: sorted(one.found) for one in twins if one.caught_as},
        "seeded_bugs_missed": [one.bug for one in twins if not one.caught],
        "deleting_by_puback": {
            "faults": sum(naive.faults.values()),
            "records": naive.records,
            "lost": naive.lost,
        },
        "findings": tally.findings[:50],
        "not_played": not_played(tally),
        "not_covered": NOT_COVERED,
    }


def table(tally: Tally, twins: list[Twin], naive: Tally) -> str:
    """The same for people."""
    rows = [f"  {kind:24} {count:6}" for kind, count in sorted(tally.faults.items())]
    lives = ", ".join(
        f"{role} {len(tally.places.get(role, ()))} of {tally.lives[role]}"
        for role in ROLES
        if role in tally.lives
    )
    wrong = [one for one in twins if one.caught_as]
    return "\n".join(
        [
            "faults",
            *rows,
            f"system calls of one record's life killed at, of all: {lives}",
            f"not played: {', '.join(not_played(tally)) or 'nothing'}",
            f"deleting by PUBACK loses {naive.lost} of {naive.records} records",
            f"seeded bugs caught: {sum(one.caught for one in wrong)} of {len(wrong)}",
            ", ".join(
                f"{name} {getattr(tally, name)}"
                for name in ("records", "lost", "doubled", "wrong", "stuck")
            ),
            *tally.findings[:20],
        ]
    )


def main() -> int:
    """Run; 1 if anything doesn't hold."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--only", choices=TURNS, default=None, help="to play one turn again")
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args()
    seed = int(time.time()) if given.seed is None else given.seed
    began = time.monotonic()
    twins = judged()
    for one in twins:
        print(f"{one.bug}: {'as it must be' if one.caught else 'MISSED'}", *sorted(one.found))
    naive = contrast(seed)
    left = given.seconds - (time.monotonic() - began)
    turns = TURNS if given.only is None else (given.only,)
    tally = play(left, seed, turns=turns, say=lambda text: print(text, flush=True))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(figures(tally, twins, naive), indent=1) + "\n")
    print(table(tally, twins, naive))
    return 0 if tally.holds and naive.lost and all_caught(twins) else 1


if __name__ == "__main__":
    sys.exit(main())
