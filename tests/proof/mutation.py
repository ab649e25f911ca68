"""Does a test turn red for every refusal that is taken away from the chip library's reader?

Runs the tests of the library once as they are and remembers in which of them a mutant would make a
difference at its place. Then, for each mutant, a forked process takes the refusal away and runs
those tests, the table of the chip's lies first, until one fails. What no test notices has to be
argued in `mutation_survivors.toml`; an argument for what is noticed, or is no longer there, fails
as well.

Knows nothing of what a refusal is: that is `mutants`.
"""

from __future__ import annotations

import argparse
import io
import mmap
import os
import resource
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from _pytest.config import create_terminal_writer

from tests.proof.mutants import ROOT, Mutant, modules, mutants_of, mutate, probed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TESTS = ("tests/unit/emrtd_sim", "tests/unit/emrtd")
ROWS = (
    "test_sim_fault_table.py::test_the_reader_finds_what_each_fault_must_lead_to[",
    "test_sim_fault_table.py::test_the_reader_knows_the_fact_behind_it[",
)
SURVIVORS = Path(__file__).with_name("mutation_survivors.toml")

UNIT_SECONDS = 20.0
"""Of computing, for all tests of one mutant: a mutant that outlives it counts as alive."""
_TEST_SECONDS, _TIMES_AS_LONG = 5.0, 20
"""Of computing, for one test: what takes longer does not end."""
_SPARE_BYTES = 2 << 30
_NAME_BYTES = 4096
_FAILED = 1

End = Literal["table", "units", "alive", "untried"]


class Verdict(NamedTuple):
    """How a mutant ended, and which test noticed it."""

    mutant: Mutant
    end: End
    by: str = ""


class BaselineError(Exception):
    """The tests are not green on the reader as it is: nothing can be said of a mutant."""


class _Known(NamedTuple):
    """What the run of the unchanged reader told."""

    items: list[pytest.Item]
    rows: frozenset[str]
    """The tests that are rows of the table."""
    seconds: dict[str, float]
    met: Mapping[tuple[str, int], set[str]]
    """Module and number of a mutant to the tests in which it would make a difference."""


class _Living(NamedTuple):
    """A mutant that tests are run on."""

    mutant: Mutant
    begun: mmap.mmap
    tests: int


class _Mutating:
    """A pytest plugin that replaces the run of the collected tests by the run of all mutants."""

    def __init__(
        self,
        mutants: Sequence[Mutant],
        *,
        until: float,
        workers: int,
        tell: Callable[[Verdict], None],
    ) -> None:
        self.verdicts: list[Verdict] = []
        self.red: str | None = None
        self._mutants = mutants
        self._until = until
        self._workers = workers
        self._tell = tell
        self._failed = ""
        self._noticed: dict[str, Counter[str]] = defaultdict(Counter)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.getplugin("terminalreporter")
        reporter._tw = create_terminal_writer(config, io.StringIO())
        # Not before pytest has seen to its plugins, of which this is one.
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutation",
            derandomize=True,
            database=None,
            deadline=None,
            # A mutant's smallest example interests nobody.
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = f"{report.nodeid}\n{report.longreprtext}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        known = self._as_it_is(session)
        living: dict[int, _Living] = {}
        for mutant in self._mutants if self.red is None else ():
            if time.monotonic() > self._until:
                self._ended(Verdict(mutant, "untried"))
            elif items := self._that_meet(mutant, known):
                if len(living) == self._workers:
                    self._wait(living, known)
                pid, begun = self._fork(mutant, items, known, session)
                living[pid] = _Living(mutant, begun, len(items))
            else:
                self._ended(Verdict(mutant, "alive", "no test meets it"))
        while living:
            self._wait(living, known)
        return True

    def _ended(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._tell(verdict)

    def _wait(self, living: dict[int, _Living], known: _Known) -> None:
        """Wait for one mutant's end."""
        pid, status = os.wait()
        mutant, begun, count = living.pop(pid)
        by = begun.readline().decode().strip()
        if not status:
            self._ended(Verdict(mutant, "alive", f"{count} tests meet it"))
        else:
            died = f" (signal {os.WTERMSIG(status)})" if os.WIFSIGNALED(status) else ""
            self._noticed[mutant.module][by] += 1
            self._ended(Verdict(mutant, "table" if by in known.rows else "units", by + died))

    def _as_it_is(self, session: pytest.Session) -> _Known:
        """Run every test once and see in which of them a mutant would make a difference."""
        seconds: dict[str, float] = {}
        met: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        running = ""

        def report(module: str, number: int) -> None:
            met[module, number].add(running)

        with probed(report):
            for item, following in _with_next(session.items, session):
                running, began = item.nodeid, time.process_time()
                self._run(item, following)
                seconds[running] = time.process_time() - began
                if self._failed:
                    self.red = self._failed
                    break
        rows = frozenset(
            each.nodeid for each in session.items if any(row in each.nodeid for row in ROWS)
        )
        return _Known(session.items, rows, seconds, met)

    def _run(self, item: pytest.Item, following: Any) -> None:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _that_meet(self, mutant: Mutant, known: _Known) -> list[pytest.Item]:
        """Return the tests that a mutant makes a difference in: the rows of the table first.

        What noticed most mutants of that module comes first, then what is quick.
        """
        names = known.met.get((mutant.module, mutant.number), set())
        noticed = self._noticed[mutant.module]

        def order(item: pytest.Item) -> tuple[bool, int, float]:
            name = item.nodeid
            return name not in known.rows, -noticed[name], known.seconds[name]

        return sorted((item for item in known.items if item.nodeid in names), key=order)

    def _fork(
        self,
        mutant: Mutant,
        items: list[pytest.Item],
        known: _Known,
        session: pytest.Session,
    ) -> tuple[int, mmap.mmap]:
        """Let a process live as that mutant; return it, and where it says which test it runs."""
        begun = mmap.mmap(-1, _NAME_BYTES)
        pid = os.fork()
        if not pid:
            self._live_as(mutant, items, known, session, begun)
        return pid, begun

    def _live_as(
        self,
        mutant: Mutant,
        items: list[pytest.Item],
        known: _Known,
        session: pytest.Session,
        begun: mmap.mmap,
    ) -> None:
        """Take the refusal away and run the tests; this process ends here."""
        status = _FAILED
        try:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            room = used * resource.getpagesize() + _SPARE_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (room, room))
            for ends in (signal.SIGPROF, signal.SIGALRM):
                signal.signal(ends, signal.SIG_DFL)
            mutate(mutant)
            until = time.process_time() + UNIT_SECONDS
            for item, following in _with_next(items, session):
                if time.process_time() > until:
                    break
                longest = max(_TEST_SECONDS, _TIMES_AS_LONG * known.seconds[item.nodeid])
                signal.setitimer(signal.ITIMER_PROF, longest)
                signal.setitimer(signal.ITIMER_REAL, _TIMES_AS_LONG * longest)
                begun[:] = f"{item.nodeid}\n".encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\n")
                self._run(item, following)
                if self._failed:
                    os._exit(_FAILED)
            status = 0
        finally:
            os._exit(status)


def _with_next(
    items: Sequence[pytest.Item], session: pytest.Session
) -> Iterable[tuple[pytest.Item, Any]]:
    """Pair each test with the next one; after the last, fixtures of the session stay as they are.

    So the cards are issued once, before the first fork.
    """
    return zip(items, [*items[1:], session], strict=True)


def attempt(
    mutants: Sequence[Mutant],
    *,
    seconds: float,
    tests: Sequence[str] = TESTS,
    workers: int = 1,
    tell: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Return how each mutant ended.

    Raises:
        BaselineError: a test fails on the reader as it is.
    """
    plugin = _Mutating(mutants, until=time.monotonic() + seconds, workers=workers, tell=tell)
    quiet = ["no:randomly", "no:cacheprovider", "no:cov"]
    ended = pytest.main(
        [
            *(word for name in quiet for word in ("-p", name)),
            "--override-ini=addopts=",
            f"--rootdir={ROOT}",
            *(str(ROOT / path) for path in tests),
        ],
        plugins=[plugin],
    )
    if plugin.red is not None or ended != pytest.ExitCode.OK:
        raise BaselineError(plugin.red or f"pytest ended with {ended!r}")
    return plugin.verdicts


def argued(only: str | None = None) -> dict[tuple[str, str, str, str], str]:
    """Return the survivors that are argued for, and why.

    Raises:
        ValueError: an entry without an argument, or one twice.
    """
    found: dict[tuple[str, str, str, str], str] = {}
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    for entry in entries:
        key = entry["module"], entry["function"], entry["kind"], entry["source"]
        if key in found or not entry["why"].strip():
            raise ValueError(f"{key}: twice, or without an argument")
        if only in {None, entry["module"]}:
            found[key] = entry["why"]
    return found


def run(
    seconds: float,
    *,
    only: str | None = None,
    tests: Sequence[str] = TESTS,
    workers: int = 1,
    tell: Callable[[Verdict], None] = lambda _: None,
) -> tuple[bool, str, dict[str, int]]:
    """Try every mutant; return whether all that lives is argued for, a summary, and the figures."""
    mutants = [each for name in modules() if only in {None, name} for each in mutants_of(name)]
    try:
        verdicts = attempt(mutants, seconds=seconds, tests=tests, workers=workers, tell=tell)
    except BaselineError as error:
        return False, f"the tests are not green without a mutant: {error}", {}
    reasons = argued(only)
    alive = [each.mutant for each in verdicts if each.end == "alive"]
    unargued = [each for each in alive if each.key not in reasons]
    stale = sorted(reasons.keys() - {each.key for each in alive})
    ends = Counter(each.end for each in verdicts)
    figures = {
        "refusals": len(mutants),
        "noticed by the table": ends["table"],
        "noticed by other tests": ends["units"],
        "alive and argued for": len(alive) - len(unargued),
        "alive and not argued for": len(unargued),
        "not tried": ends["untried"],
        "arguments for nothing": len(stale),
    }
    told = [", ".join(f"{count} {name}" for name, count in figures.items())]
    told += [f"not argued for: {each}" for each in unargued]
    told += [f"for nothing: {' '.join(key)}" for key in stale]
    failed = bool(unargued or stale or ends["untried"])
    return not failed, "\n".join(told), figures


def main() -> int:
    """Try the mutants of one module, telling of each; the long run is `tests.proof mutation`."""
    options = argparse.ArgumentParser()
    options.add_argument("--only", help="a module, dotted")
    options.add_argument("--tests", nargs="*", default=TESTS, help="paths under the repository")
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--workers", type=int, default=1)
    given = options.parse_args()
    # Pytest takes what is written to the usual place until it ends.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as out:

        def tell(verdict: Verdict) -> None:
            print(verdict.end, verdict.mutant, verdict.by, file=out, flush=True)

        passed, summary, _ = run(
            given.seconds, only=given.only, tests=given.tests, workers=given.workers, tell=tell
        )
    print(summary)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
