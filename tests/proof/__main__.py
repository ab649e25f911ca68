"""`python -m tests.proof SUITE`: run a long suite and write docs/proof/SUITE.json.

Knows the suites' names and the file's shape: date, commit, machine, seconds, passed, summary and
the suite's own figures. A run on a tree with uncommitted changes says so: it proves no commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.__main__ import machine
from tests.fuzz.__main__ import attack_all
from tests.proof import dlib_net, faults, leader_net, mutation, runtimes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROOF = Path(__file__).parents[2] / "docs" / "proof"


class Proved(NamedTuple):
    """What a suite found."""

    passed: bool
    summary: str
    figures: Mapping[str, object]


def fuzz(seconds: float) -> Proved:
    """Attack every parser; a run that no coverage guided proves nothing."""
    seed = int(time.time())
    run = attack_all(seconds=seconds, seed=seed)
    missed = run.seeded is None or run.seeded["why"] is None
    figures = {
        "engine": run.engine,
        "seed": seed,
        "findings": len(run.findings),
        "seeded_bug_found": "no" if missed else "yes",
        "seeded_bug_executions": 0 if run.seeded is None else run.seeded["executions"],
        "executions": {name: each["executions"] for name, each in sorted(run.results.items())},
    }
    return Proved(not run.faults and not missed, run.told, figures)


def both_runtimes(_seconds: float) -> Proved:
    """Run every net in both tensor runtimes."""
    return Proved(*runtimes.prove())


def dlib(_seconds: float) -> Proved:
    """Let dlib judge the conversion of its net."""
    return Proved(*dlib_net.prove())


def leader(_seconds: float) -> Proved:
    """Let its authors' program judge the conversion of LEADER."""
    return Proved(*leader_net.prove())


def mutants(seconds: float) -> Proved:
    """Take every refusal of the chip library's reader away; a test must notice each."""
    return Proved(*mutation.run(seconds, workers=os.cpu_count() or 1))


def breaking(seconds: float) -> Proved:
    """Break every process between a station's commit and the fleet's database."""
    return Proved(*faults.prove(seconds))


SUITES: dict[str, Callable[[float], Proved]] = {
    "mutation": mutants,
    "fuzz": fuzz,
    "faults": breaking,
    "runtimes": both_runtimes,
    "dlib": dlib,
    "leader": leader,
}


def commit() -> str:
    """Return the commit under test, marked if the tree is not as committed."""
    head, changed = (
        subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain"])
    )
    return f"{head}{' with changes' if changed else ''}"


def main() -> int:
    """Run one suite; 1 if it failed."""
    options = argparse.ArgumentParser()
    options.add_argument("suite", choices=sorted(SUITES))
    options.add_argument("--seconds", type=float, default=600)
    given = options.parse_args()
    began = time.monotonic()
    proved = SUITES[given.suite](given.seconds)
    PROOF.mkdir(parents=True, exist_ok=True)
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "seconds": round(time.monotonic() - began),
        **proved._asdict(),
    }
    (PROOF / f"{given.suite}.json").write_text(json.dumps(told, indent=1) + "\n")
    print(proved.summary)
    return 0 if proved.passed else 1


if __name__ == "__main__":
    sys.exit(main())
