"""Attack every parser: `python -m tests.fuzz --seconds 60`; meet one input again: `--meet FILE`.

Knows both engines and what a run must show to count: every target met its least number of inputs,
and the mistake that was made on purpose was found, where chance alone does not find it. Exit 1 for
a finding, or where the mistake stayed hidden. Without atheris, which not every machine has, the
plain mutator serves, and nothing is asked of it but that it finds nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.fuzz import _plain, _seeded, targets
from tests.fuzz.corpus import corpora

FOLDER = Path("build") / "fuzz"
LEAST = 200
"""Executions of each target, however long they take."""

Results = dict[str, dict[str, Any]]
"""Of each target: executions, seconds, why (None if nothing was found) and raw (hexadecimal)."""


class Run(NamedTuple):
    """What a run showed.

    Attributes:
        engine: what mutated, with its version.
        results: of every target but the mistake made on purpose.
        seeded: of the mistake; None if the engine is not asked for it.
        by_chance: whether the plain mutator found the mistake in as many executions.
    """

    engine: str
    results: Results
    seeded: dict[str, Any] | None
    by_chance: bool

    @property
    def findings(self) -> list[str]:
        """The targets that misbehaved."""
        return sorted(name for name, each in self.results.items() if each["why"] is not None)

    @property
    def faults(self) -> list[str]:
        """Everything for which the run fails, in words."""
        found = [f"{name}: {self.results[name]['why']}" for name in self.findings]
        if self.seeded is not None and self.seeded["why"] is None:
            found.append("the fuzzer finds nothing: not even the mistake made on purpose")
        if self.by_chance:
            found.append("the mistake made on purpose is found by chance: it shows nothing")
        return found

    @property
    def told(self) -> str:
        """One sentence."""
        counts = [each["executions"] for each in self.results.values()]
        mistake = "nobody asked for the mistake made on purpose"
        if self.seeded is not None:
            where = f"{self.seeded['executions']} executions, {self.seeded['seconds']} s"
            found = self.seeded["why"] is not None
            mistake = f"the mistake made on purpose {'found' if found else 'NOT found'} in {where}"
        return (
            f"{self.engine}: {sum(counts)} executions over {len(counts)} targets,"
            f" least {min(counts)}, median {round(median(counts))};"
            f" {len(self.findings)} findings; {mistake}"
        )


def attack_all(*, seconds: float, seed: int, least: int = LEAST, only: tuple[str, ...] = ()) -> Run:
    """Share the time over all targets."""
    if find_spec("atheris") is None:
        return _plainly(seconds=seconds, seed=seed, least=least, only=only)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    told = FOLDER / "results.json"
    words = [f"--seconds={seconds}", f"--seed={seed % 2**31}", f"--least={least}"]
    words += [f"--folder={FOLDER}", f"--results={told}"]
    words += [f"--only={name}" for name in only]
    engine = [sys.executable, "-m", "tests.fuzz._guided", *words]
    subprocess.run(engine, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    results: Results = json.loads(told.read_text())
    seeded = results.pop(_seeded.NAME, None)
    count = 0 if seeded is None else seeded["executions"]
    by_chance = _plain.attack(
        _seeded.TARGET, _seeded.SEEDS, seed=str(seed), seconds=0, least=count, most=count
    )[1]
    return Run(f"atheris {version('atheris')}", results, seeded, by_chance is not None)


def _plainly(*, seconds: float, seed: int, least: int, only: tuple[str, ...]) -> Run:
    chosen = [name for name in sorted(targets()) if not only or name in only]
    results: Results = {}
    for name in chosen:
        begun = time.monotonic()
        runs, found = _plain.attack(
            targets()[name], corpora().get(name, []), seed=f"{name}{seed}",
            seconds=seconds / len(chosen), least=least, most=10**9,
        )  # fmt: skip
        results[name] = {
            "executions": runs, "seconds": round(time.monotonic() - begun, 2),
            "why": found and found.why, "raw": found and found.raw.hex(),
        }  # fmt: skip
        print(f"fuzz {name:44} {runs:9}  {results[name]['why'] or 'ok'}", flush=True)
    return Run("plain mutator, unguided", results, None, by_chance=False)


def _tell(run: Run) -> None:
    for name in run.findings:
        raw, kept = run.results[name]["raw"] or "", FOLDER / f"{len(run.findings)}-{name}"
        kept = FOLDER / f"found-{name.replace('/', '_').replace(' ', '_')}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(bytes.fromhex(raw))
        print(f"FOUND {name}: {run.results[name]['why']}")
        print(f"  bytes: {raw if len(raw) <= 2000 else raw[:2000] + '…'}")
        print(f"  again: .venv/bin/python -m tests.fuzz --only '{name}' --meet {kept}")
    for fault in run.faults:
        print(f"FAILED {fault}", file=sys.stderr)
    print(run.told)


def _meet(name: str, raw: bytes) -> int:
    """Let one target meet one input, with the whole trace of what it raises."""
    target = _seeded.TARGET if name == _seeded.NAME else targets()[name]
    try:
        print(target.parse(raw))
    except target.errors as error:
        print(f"refused, as it may be: {error!r}")
    return 0


def main() -> int:
    """Attack all targets; 1 if any misbehaved."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--least", type=int, default=LEAST)
    options.add_argument("--only", action="append", default=[], metavar="TARGET")
    options.add_argument("--meet", type=Path, metavar="FILE")
    given = options.parse_args()
    if given.meet is not None:
        return _meet(given.only[0], given.meet.read_bytes())
    run = attack_all(
        seconds=given.seconds, seed=given.seed, least=given.least, only=tuple(given.only)
    )
    _tell(run)
    return int(bool(run.faults))


if __name__ == "__main__":
    sys.exit(main())
