"""`python -m tests.proof SUITE`: run a long suite and write docs/proof/SUITE.json.

Knows the suites' names and the file's shape: date, commit, machine, seconds, passed, summary and
the suite's own figures. A run on a tree with uncommitted changes says so: it proves no commit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.__main__ import machine
from tests.fuzz import TARGETS
from tests.fuzz.__main__ import attack_all

if TYPE_CHECKING:
    from collections.abc import Callable

PROOF = Path(__file__).parents[2] / "docs" / "proof"


class Proved(NamedTuple):
    """What a suite found."""

    passed: bool
    summary: str
    figures: dict[str, int]


def fuzz(seconds: float) -> Proved:
    """Attack every parser; a run of fewer than 100 executions of one proves nothing of it."""
    runs = attack_all(seconds=seconds, seed=int(time.time()))
    failed = sorted(name for name, count in runs.items() if count < 0)
    thin = sorted(name for name, count in runs.items() if 0 <= count < 100)
    total = sum(max(0, count) for count in runs.values())
    told = f"{total} executions over {len(TARGETS)} parsers, {len(failed)} failed"
    if thin:
        told += f", too few of {', '.join(thin)}"
    return Proved(not failed and not thin, told, runs)


SUITES: dict[str, Callable[[float], Proved]] = {"fuzz": fuzz}


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
