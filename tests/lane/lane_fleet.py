"""A fleet of real processes on this machine: its home, mosquitto, `tram fleet serve`, links."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.home import FleetHome
from fleet.store.store import Store
from provisioning.enrol import enrol
from tram.parts.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fleet.store.store import Device

ROOT = Path(__file__).parents[2]
TRAM = [sys.executable, "-c", "from tram.cli import main; main()"]
SHARDS = 4
TERM_S = 2.0


def tram(*words: str) -> Any:
    """Run a command and return its JSON."""
    done = subprocess.run(
        [*TRAM, *words, "--json"], capture_output=True, cwd=ROOT, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def until(condition: Callable[[], object], *, within_s: float, what: str) -> None:
    """Wait for something, and fail by its name."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.02)


class Process:
    """One of our long-running commands; its log is a file."""

    def __init__(self, log: Path, *words: str) -> None:
        self._log = log
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*TRAM, *self._words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(5)

    def end(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and how long it took, in seconds."""
        assert self._process is not None
        begun_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return code, time.monotonic() - begun_s

    def log(self) -> list[dict[str, Any]]:
        """Return its log, whole lines of it; every line must be JSON."""
        said = self._log.read_text() if self._log.exists() else ""
        return [json.loads(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Fleet:
    """One fleet and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = tram(
            *("fleet", "init", "--home", os.fspath(folder / "fleet"), "--port", "0"),
            *("--shards", str(SHARDS), "--allow-simulators"),
        )
        self.home = FleetHome(folder / "fleet")
        (folder / "trust").mkdir()
        (folder / "trust" / "issuer.der").write_bytes(b"whom the chips' issuers are is not asked")
        self.broker = Mosquitto(
            self.home.broker / "mosquitto.conf", host=self.told["host"], port=self.told["port"]
        )
        home = os.fspath(self.home.root)
        self.ingest = Process(folder / "ingest.log", "fleet", "serve", "--home", home)

    def enrol(self, device: str) -> Path:
        """Make a device home."""
        home = self.folder / device
        enrol(
            self.home,
            home,
            device=device,
            site="hn-ward-7",
            card_url="sim://card",
            camera_url="sim://camera",
            trust=self.folder / "trust",
            now=datetime.now(UTC),
        )
        return home

    def records(self, device: str) -> list[dict[str, Any]]:
        """Return a device's operations parts, read beside the running ingest."""
        with Store.open(self.home.database) as store:
            return [json.loads(operations) for _, _, operations in store.records(device)]

    def device(self, name: str) -> Device:
        with Store.open(self.home.database) as store:
            found = store.device(name)
        assert found is not None
        return found

    def forks(self, device: str) -> int:
        with Store.open(self.home.database) as store:
            return store.forks(device)

    def start_ingest(self) -> None:
        """Start ingest and wait until it listens."""

        def joined() -> int:
            return sum(line["event"] == "broker_joined" for line in self.ingest.log())

        before = joined()
        self.ingest.start()
        until(lambda: joined() > before, within_s=10, what="ingest listens")

    def link(self, home: Path) -> Process:
        words = ("--home", os.fspath(home), "--socket", os.fspath(home / "link.sock"))
        return Process(home / "link.log", "link", "run", *words)

    @contextmanager
    def running(self) -> Iterator[Fleet]:
        with ExitStack() as stack:
            stack.enter_context(self.broker)
            stack.callback(lambda: self.ingest.running and self.ingest.kill())
            self.start_ingest()
            yield self
