"""The guided engine: atheris (libFuzzer) over every target, one process each.

Knows how our packages are instrumented as they are imported, how a process is divided off for each
target, and how libFuzzer tells that it stopped: by its exit, and by a file that holds the input.
It instruments nothing but our own packages: a library's errors are met where they reach us.

    python -m tests.fuzz._guided --seconds 60 --seed 1 --folder build/fuzz --results FILE
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tests.fuzz import _seeded
from tests.fuzz._plain import Finding, tried

if TYPE_CHECKING:
    from tests.fuzz import Target

PACKAGES = ("emrtd", "wire", "kiosk", "hw", "models", "fleet", "provisioning", "tram")
RSS_LIMIT_MB = 1024
UNIT_TIMEOUT_S = 20
"""Of the wall's clock, for one input that never returns; see `_plain.MAX_SECONDS` for the rest."""
GRACE_S = 240.0
"""How much longer than its share a target may take to its least number of executions."""
MAX_INPUT_BYTES = 65_536
_FOUND, _DONE = 77, 0


def instrumented() -> tuple[dict[str, Target], dict[str, list[bytes]]]:
    """Return the targets and their seeds, our packages instrumented."""
    import atheris  # it replaces the importer of what follows

    with _quiet(), atheris.instrument_imports(include=PACKAGES):
        from tests.fuzz import targets

        found = dict(targets())
        from tests.fuzz.corpus import corpora

        seeds = dict(corpora())
    mistake = _seeded.TARGET._replace(parse=_also_instrumented(_seeded))
    return {_seeded.NAME: mistake, **found}, {_seeded.NAME: list(_seeded.SEEDS), **seeds}


def _also_instrumented(module: Any) -> Any:
    import atheris

    module._long = atheris.instrument_func(module._long)
    return atheris.instrument_func(module.parse)


class _quiet:  # noqa: N801 - reads as a word
    """Sends the descriptor of errors, which native code writes to, elsewhere."""

    def __init__(self, path: Path = Path(os.devnull)) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._kept = os.dup(2)
        with self._path.open("ab") as out:
            os.dup2(out.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)


class Job:
    """One target under attack in a process of its own.

    Attributes:
        name: the target's.
        folder: where its seeds, its corpus, its log and what it found lie.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self._begun = time.monotonic()
        self._pid = 0

    def begin(
        self, target: Target, seeds: list[bytes], *, seconds: float, least: int, seed: int
    ) -> None:
        """Divide a process off that attacks the target and never returns."""
        for part in ("seeds", "corpus"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for number, raw in enumerate(seeds):
            (self.folder / "seeds" / f"{number:03}").write_bytes(raw)
        self._deadline = self._begun + seconds + GRACE_S
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            self._attack(target, seconds=seconds, least=least, seed=seed)

    def _attack(self, target: Target, *, seconds: float, least: int, seed: int) -> NoReturn:
        import atheris

        quiet = _quiet(self.folder / "log")
        quiet.__enter__()
        os.dup2(2, 1)
        runs, until = 0, time.monotonic() + seconds

        def test_one(raw: bytes) -> None:
            nonlocal runs
            runs += 1
            found = tried(target, raw)[1]
            if found is not None:
                self._end(runs, found)
            if runs >= least and time.monotonic() >= until:
                self._end(runs, None)

        atheris.Setup(
            [
                self.name, str(self.folder / "corpus"), str(self.folder / "seeds"), f"-seed={seed}",
                f"-artifact_prefix={self.folder}/", f"-rss_limit_mb={RSS_LIMIT_MB}",
                f"-timeout={UNIT_TIMEOUT_S}", f"-max_len={MAX_INPUT_BYTES}",
                "-report_slow_units=999", "-verbosity=1",
            ],
            test_one,
        )  # fmt: skip
        atheris.Fuzz()
        os._exit(_FOUND)  # it stopped by itself: nothing asked it to

    def _end(self, runs: int, found: Finding | None) -> NoReturn:
        if found is not None:
            (self.folder / "crash").write_bytes(found.raw)
        told = {"executions": runs, "why": found and found.why}
        (self.folder / "told.json").write_text(json.dumps(told))
        os._exit(_DONE if found is None else _FOUND)

    def ended(self) -> dict[str, Any] | None:
        """Return how it ended, None as long as it goes on."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        late = time.monotonic() > self._deadline
        if not pid and not late:
            return None
        if not pid:
            os.kill(self._pid, signal.SIGKILL)
            _, status = os.waitpid(self._pid, 0)
        took = {"seconds": round(time.monotonic() - self._begun, 2)}
        try:
            told = json.loads((self.folder / "told.json").read_text())
        except FileNotFoundError:
            why = "too slow for its least number of executions" if late else _why(status)
            told = {"executions": 0, "why": why}
        if told["why"] is None:
            return {**told, **took, "raw": None}
        inputs = [*self.folder.glob("crash*"), *self.folder.glob("oom-*")]
        inputs += self.folder.glob("timeout-*")
        return {**told, **took, "raw": inputs[0].read_bytes().hex() if inputs else ""}


def _why(status: int) -> str:
    """Return what libFuzzer's exit says."""
    code = os.waitstatus_to_exitcode(status)
    said = {70: f"over {UNIT_TIMEOUT_S} s", 71: f"over {RSS_LIMIT_MB} MB", _FOUND: "a crash"}
    return said.get(code, f"the process ended with {code}")


def attack_all(
    *, seconds: float, seed: int, least: int, folder: Path, only: frozenset[str], jobs: int
) -> dict[str, dict[str, Any]]:
    """Share the time over all targets, some at once; return how each ended."""
    begun = time.monotonic()
    found, seeds = instrumented()
    chosen = [name for name in found if not only or name in only]
    # What is slow comes first, so that no processor waits for it at the end.
    chosen.sort(key=lambda name: (name != _seeded.NAME, "inspect" not in name))
    share = max(0.1, seconds - (time.monotonic() - begun)) * jobs / len(chosen)
    waiting, running, results = list(reversed(chosen)), dict[str, Job](), dict[str, Any]()
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop()
            job = running[name] = Job(name, folder / name.replace(" ", "_").replace("/", "_"))
            job.begin(
                found[name], seeds.get(name, []), seconds=share, seed=seed,
                least=_seeded.LEAST if name == _seeded.NAME else least,
            )  # fmt: skip
        for name, job in tuple(running.items()):
            if (ended := job.ended()) is not None:
                results[name] = ended
                del running[name]
                print(_line(name, ended), flush=True)
        time.sleep(0.02)
    return results


def _line(name: str, ended: dict[str, Any]) -> str:
    told = ended["why"] or "ok"
    return f"fuzz {name:44} {ended['executions']:9} in {ended['seconds']:6.1f} s  {told}"


def main() -> int:
    """Attack and write the results; always 0, who reads them judges."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--least", type=int, required=True)
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--results", type=Path, required=True)
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = options.parse_args()
    results = attack_all(
        seconds=given.seconds, seed=given.seed, least=given.least, folder=given.folder,
        only=frozenset(given.only), jobs=given.jobs,
    )  # fmt: skip
    given.results.write_text(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
