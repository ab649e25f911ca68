"""Whatever ends a demo, its broker, fleet, link and workers end with it; and one runs at a time.

Real processes, real signals, a real terminal that is closed.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.lane

ROOT = Path(__file__).parents[2]
BUILT_S, ENDED_S = 150.0, 25.0
PARTS = {"mosquitto -c", "pcscd --foreground", "tram fleet serve", "tram link run"}


def descendants(of: int) -> dict[int, str]:
    """Return the command lines of a process's children and theirs, by their ids."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            pid, status = int(folder.name), (folder / "stat").read_text().rpartition(")")[2]
            parents[pid] = int(status.split()[1])
            commands[pid] = (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, IndexError):  # it ended meanwhile
            continue
    found = {of}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: commands.get(pid, "") for pid in found - {of}}


def parts_among(commands: dict[int, str]) -> set[str]:
    return {part for part in PARTS if any(part in command for command in commands.values())}


class Demo:
    """A demo in a session of its own, perhaps in a terminal."""

    def __init__(self, root: Path, *options: str, terminal: bool = False) -> None:
        self.those: dict[int, str] = {}
        self.said = root.with_name(f"said-{time.monotonic_ns()}")
        self.terminal, inner = pty.openpty() if terminal else (None, None)
        command = [sys.executable, "-m", "tram", "demo", "--root", root, *options]
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                # A terminal that closes tells the session that it controls.
                [*(["setsid", "--ctty"] if terminal else []), *command],
                **dict.fromkeys(("stdout", "stderr"), said if inner is None else inner),
                stdin=subprocess.DEVNULL if inner is None else inner,
                cwd=ROOT, env={**os.environ, "TERM": "xterm-256color"},
            )  # fmt: skip
        if inner is not None:
            os.close(inner)

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not holds():
            if self.terminal is not None:
                drain(self.terminal)
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < until, self.said.read_text()
            time.sleep(0.1)

    def running(self) -> dict[int, str]:
        """Wait until all parts run, and return who does."""
        self.wait_for(lambda: parts_among(descendants(self.process.pid)) == PARTS, BUILT_S)
        time.sleep(2)  # until a worker is there, too
        self.those = descendants(self.process.pid)
        return self.those

    def kill_all(self) -> None:
        left = [pid for pid in self.those if alive(pid)]  # orphans, if a test fails
        for pid in {*left, *descendants(self.process.pid), self.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(5)


def drain(terminal: int) -> None:
    os.set_blocking(terminal, False)
    try:
        os.read(terminal, 65_536)
    except (BlockingIOError, OSError):
        return


def left_of(commands: dict[int, str]) -> dict[int, str]:
    """Wait until they are gone, and return which are not."""
    until, left = time.monotonic() + ENDED_S, commands
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = {pid: what for pid, what in left.items() if alive(pid)}
    return left


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ends") / "stage"


def test_a_fleet_is_alone_and_told_to_end_takes_all_with_it(root: Path) -> None:
    demo = Demo(root, "--fleet")
    try:
        those = demo.running()
        for options in (["--fleet"], [], ["--out", str(root.with_name("out.json"))]):
            other = subprocess.run(
                [sys.executable, "-m", "tram", "demo", "--root", root, *options],
                cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert other.returncode == 3
            assert other.stderr == (
                f"tram demo: another demo, kiosk or fleet still runs on {root}: end it first\n"
            )
        assert those.keys() <= descendants(demo.process.pid).keys()
        demo.process.terminate()
        assert demo.process.wait(ENDED_S) == 0
        assert left_of(those) == {}
        assert demo.said.read_text().endswith("stopped\n")
    finally:
        demo.kill_all()


def test_a_fleet_that_is_killed_takes_all_with_it(root: Path) -> None:
    demo = Demo(root, "--fleet")
    try:
        those = demo.running()
        demo.process.kill()
        assert left_of(those) == {}
    finally:
        demo.kill_all()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_ends_as_by_ctrl_c(root: Path, number: signal.Signals) -> None:
    demo = Demo(root.with_name("demo"))
    try:
        those = demo.running()
        demo.process.send_signal(number)
        assert demo.process.wait(ENDED_S) == 130
        assert left_of(those) == {}
        assert demo.said.read_text().endswith("interrupted\n")
    finally:
        demo.kill_all()


@pytest.mark.parametrize("how", ["closed", "told"])
def test_a_kiosk_ends_with_its_terminal(root: Path, how: str) -> None:
    demo = Demo(root.with_name("kiosk"), "--kiosk", terminal=True)
    try:
        those = demo.running()
        assert demo.terminal is not None
        if how == "closed":
            os.close(demo.terminal)
        else:
            demo.process.terminate()
            until = time.monotonic() + ENDED_S
            while demo.process.poll() is None and time.monotonic() < until:
                drain(demo.terminal)
                time.sleep(0.05)
        assert demo.process.wait(ENDED_S) == 130
        assert left_of(those) == {}
    finally:
        demo.kill_all()
