"""One fleet with its devices as real processes on this machine, and what can be done to them.

Knows how to start, kill, cut off, wipe and put back; what of it when is `episodes`' matter. Ends
only what it started. The broker is a plain child; the product's processes come from a nursery.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.faults.checker import BESIDE, Found, Keys, Opener, check, check_branches, copy_database
from tests.faults.content import LANES
from tests.faults.disk import compiled
from tests.faults.homes import make_fleet
from tests.faults.proxy import Proxy
from tram.parts.mosquitto import Mosquitto

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.checker import Finding

ROOT = Path(__file__).parents[2]
SHARDS = 4
POLL_S = 0.01
END_S = 5.0


class StuckError(Exception):
    """Nothing moved for so long that something is broken, or this machine is far too slow."""


def until(condition: Callable[[], object], *, within_s: float, what: str) -> None:
    """Wait for something, and fail by its name."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise StuckError(f"not within {within_s:.0f} s: {what}")
        time.sleep(POLL_S)


def overwrite(database: Path, copy: Path) -> None:
    """Put a database, whose process is dead, back to a copy."""
    for ending in (*BESIDE, "-shm"):
        Path(f"{database}{ending}").unlink(missing_ok=True)
    copy_database(copy, database)


class Nursery:
    """The other end of `nursery`; a context manager."""

    def __enter__(self) -> Self:
        preload = compiled()
        self.disks_fail = preload is not None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env={**os.environ, **({"LD_PRELOAD": str(preload)} if preload else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        self._process.wait(END_S)
        self._process.stdout.close()  # type: ignore[union-attr]  # it is a pipe

    def ask(self, **told: Any) -> Any:
        """Say one thing and return the answer."""
        self._process.stdin.write(json.dumps(told) + "\n")  # type: ignore[union-attr]  # a pipe
        self._process.stdin.flush()  # type: ignore[union-attr]  # it is a pipe
        line = self._process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        if not line:
            raise StuckError("the nursery is gone")
        return json.loads(line)


@dataclass
class Process:
    """One of the product's processes."""

    nursery: Nursery
    role: str
    folder: Path
    log: Path
    more: dict[str, Any] = field(default_factory=dict)
    pid: int = 0

    def start(self) -> None:
        """Start it."""
        told = {"folder": str(self.folder), "log": str(self.log), **self.more}
        self.pid = self.nursery.ask(start=self.role, **told)

    def kill(self) -> bool:
        """Kill -9; whether it lived until then."""
        pid, self.pid = self.pid, 0
        return bool(pid) and bool(self.nursery.ask(kill=pid))

    @property
    def alive(self) -> bool:
        """Whether it lives."""
        return bool(self.pid) and bool(self.nursery.ask(alive=self.pid))

    @property
    def clock(self) -> Path:
        """While it is there, its wall clock is wrong by the seconds it says."""
        return self.folder / f"clock-{self.role}"

    @property
    def order(self) -> Path:
        """Where a fault of its disk is ordered; gone once it happened."""
        return self.folder / "order"


class Broker(Mosquitto):
    """mosquitto by the product's configuration, or one that keeps its messages on disk."""

    role = "broker"

    def __init__(self, folder: Path, *, port: int, keeps: bool) -> None:
        self._store = folder / "store"
        configuration = folder / "mosquitto.conf"
        if keeps:
            self._store.mkdir()
            text = configuration.read_text().replace("persistence false", "persistence true")
            text += f"persistence_location {self._store}/\nautosave_interval 1\n"
            configuration.write_text(text)
        super().__init__(configuration, host="127.0.0.1", port=port)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it lives."""
        return self.running

    def kill(self) -> bool:  # type: ignore[override]  # and say whether it lived
        """Kill -9; whether it lived until then."""
        lived = self.running
        super().kill()
        return lived

    def wipe(self) -> None:
        """Forget every message, session and retained status."""
        shutil.rmtree(self._store, ignore_errors=True)
        self._store.mkdir()


@dataclass
class Device:
    """One device: its two processes, its proxy and what it was asked to file."""

    name: str
    folder: Path
    station: Process
    link: Process
    proxy: Proxy
    asked: int = -1
    next_mark: int = 1

    @property
    def queue(self) -> Path:
        """The station's database."""
        return self.folder / "outbox.db"

    @property
    def truth(self) -> Path:
        """What was tried and said."""
        return self.folder / "truth"

    def ask(self, lane: str, count: int) -> int:
        """Ask the station to file records; return the last one's mark."""
        os.write(self.asked, f"{lane} {count} {self.next_mark}\n".encode())
        self.next_mark += count
        return self.next_mark - 1

    def waiting(self) -> int | None:
        """Records without a receipt, None if it can't be asked now."""
        try:
            uri = f"{self.queue.as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=0.2)) as db:
                ((waiting,),) = db.execute("SELECT sum(next_seq - 1 - acked_seq) FROM lanes")
                return int(waiting)
        except (sqlite3.Error, ValueError, TypeError):
            return None

    def said(self, mark: int) -> bool:
        """Whether the station said that it filed a mark, or couldn't."""
        with self.truth.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            return any(line.endswith(b" %d\n" % mark) for line in log)


class Stage:
    """A fleet and its devices; a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        rng: random.Random,
        devices: int,
        broker_keeps: bool = False,
        retention: dict[str, float] | None = None,
        naive: bool = False,
    ) -> None:
        """Make the homes.

        Args:
            folder: an empty one.
            rng: decides what chance decides.
            devices: how many.
            broker_keeps: whether the broker has a store of its own, as the product's has not.
            retention: what stations keep after a receipt; None is the product's default.
            naive: whether stations delete by PUBACK, which must be seen to lose.
        """
        self.folder, self.rng = folder, rng
        names = [f"kiosk-{n}" for n in range(devices)]
        self.home = make_fleet(folder, *names, shards=SHARDS)
        port = self.home.config().port
        self.broker = Broker(self.home.broker, port=port, keeps=broker_keeps)
        self.nursery = Nursery()
        self.ingest_proxy = Proxy(port)
        self._redirect(self.home.config_file, port, self.ingest_proxy.port)
        more = {"retention": retention or {}, "naive": naive}
        self.ingest = Process(self.nursery, "ingest", self.home.root, folder / "ingest.log", more)
        self.devices = [self._device(name, port, more) for name in names]
        self.copies: list[Path] = []
        self.restored = False
        self._stack = ExitStack()
        self._opener = Opener(Keys.read(self.home.operations_key, self.home.identity_key))

    def _device(self, name: str, port: int, more: dict[str, Any]) -> Device:
        folder = self.folder / name
        proxy = Proxy(port)
        self._redirect(folder / "device.toml", port, proxy.port)
        os.mkfifo(folder / "asked")
        (folder / "truth").touch()
        station = Process(self.nursery, "station", folder, folder / "station.log", more)
        link = Process(self.nursery, "link", folder, folder / "link.log", more)
        return Device(name, folder, station, link, proxy)

    @staticmethod
    def _redirect(path: Path, port: int, to: int) -> None:
        text = path.read_text()
        if str(port) not in text:
            raise StuckError(f"{path} names no port")
        path.write_text(text.replace(str(port), str(to)))

    def __enter__(self) -> Self:
        stack = self._stack
        stack.enter_context(self.nursery)
        stack.enter_context(self.broker)
        stack.enter_context(self.ingest_proxy)
        for device in self.devices:
            device.asked = os.open(device.folder / "asked", os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, device.asked)
            stack.enter_context(device.proxy)
        for process in self.processes():
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes():
            process.kill()
        self._stack.close()

    def processes(self) -> Iterator[Process]:
        """Every process of the product."""
        yield self.ingest
        for device in self.devices:
            yield device.station
            yield device.link

    def revive(self) -> int:
        """Start what ended by itself, as systemd would; return how many."""
        count = 0
        for process in (*self.processes(), self.broker):
            if not process.alive:
                process.start()
                count += 1
        return count

    def fail_disk(self, process: Process, call: str, error: int, n: int) -> None:
        """Let a process's n-th write ("w") or sync ("s") of its database fail; 0 is half of it."""
        fresh = process.order.with_suffix(".new")
        fresh.write_text(f"{call} {error} {n}")
        fresh.rename(process.order)

    def load(self) -> None:
        """Ask some device for some records."""
        device = self.rng.choice(self.devices)
        lane = self.rng.choice((*LANES, "normal", "normal"))
        with suppress(BlockingIOError):
            device.ask(lane, self.rng.randint(1, 5))

    def copy_fleet(self) -> None:
        """Keep a copy of the fleet's database as a nightly backup would."""
        copy = self.folder / f"copy-{len(self.copies)}.db"
        uri = f"{self.home.database.as_uri()}?mode=ro"
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(uri, uri=True, timeout=1)) as db,
            closing(sqlite3.connect(copy)) as to,
        ):
            db.backup(to)
            self.copies.append(copy)

    def restore_fleet(self) -> bool:
        """Put the database back to an earlier copy, ingest being dead meanwhile."""
        if not self.copies:
            return False
        lived = self.ingest.kill()
        self.put_back(self.rng.choice(self.copies[-6:]))
        self.ingest.start()
        return lived

    def put_back(self, copy: Path) -> None:
        """Overwrite the fleet's database."""
        self.restored = True
        overwrite(self.home.database, copy)

    def drain(self, *, within_s: float, nudge: bool = True) -> None:
        """Let everything arrive: all doors open, nothing dies, and each lane speaks once more."""
        for proxy in (self.ingest_proxy, *(device.proxy for device in self.devices)):
            proxy.set("open", drop=True)
        for process in self.processes():
            process.order.unlink(missing_ok=True)
            process.clock.unlink(missing_ok=True)
        self.revive()
        if nudge:
            marks = [(one, lane, one.ask(lane, 1)) for one in self.devices for lane in LANES]
            until(
                lambda: self.revive() or all(one.said(mark) for one, _, mark in marks),
                within_s=within_s,
                what="the last records are filed",
            )
        until(self.drained, within_s=within_s, what="everything has a receipt")

    def drained(self) -> bool:
        """Whether every record has a receipt; what ended meanwhile is started."""
        if self.revive():
            return False
        return all(device.waiting() == 0 for device in self.devices)

    def check(self, device: Device, *, drained: bool) -> Found:
        """Judge a device whose station is dead."""
        queue, fleet = self.folder / "check-queue.db", self.folder / "check-fleet.db"
        for stale in self.folder.glob("check-*.db*"):
            stale.unlink()
        copy_database(device.queue, queue)
        uri = f"{self.home.database.as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=5)) as db,
            closing(sqlite3.connect(fleet)) as to,
        ):
            db.backup(to)
        return check(
            device.truth,
            queue,
            fleet,
            device=device.name,
            opener=self._opener,
            drained=drained,
            restored=self.restored,
        )

    def end_forked(self, device: Device) -> list[Finding]:
        """Kill everything and judge a device that has two branches."""
        for process in self.processes():
            process.kill()
        return check_branches(
            device.truth,
            device.queue,
            self.home.database,
            device=device.name,
            opener=self._opener,
        )

    def forks(self, device: Device) -> int:
        """How many groups the fleet keeps beside the stored ones."""
        uri = f"{self.home.database.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as db:
            ((count,),) = db.execute("SELECT count(*) FROM fork WHERE device = ?", (device.name,))
            return int(count)

    def end(self) -> list[Found]:
        """Kill everything and judge every device by what is on the disk."""
        for process in self.processes():
            process.kill()
        return [
            check(
                device.truth,
                device.queue,
                self.home.database,
                device=device.name,
                opener=self._opener,
                drained=True,
                restored=self.restored,
            )
            for device in self.devices
        ]


class Tracer:
    """Kills a process at its n-th system call from now; a context manager."""

    def __init__(self, pid: int, kill_at: int) -> None:
        self._words = [sys.executable, "-S", "-m", "tests.faults.tracer", str(pid), str(kill_at)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._process.stdout.readline() != b"ready\n":  # type: ignore[union-attr]  # a pipe
            self._process.wait(END_S)
            raise PermissionError("this machine lets nobody trace")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(END_S)
        self._process.stdout.close()  # type: ignore[union-attr]  # it is a pipe

    @property
    def over(self) -> bool:
        """Whether it has killed, or has nothing left to trace."""
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def stop(self) -> tuple[int, int]:
        """Return how many calls it saw, and the number of the last one."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        line = self._process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        count, last = line.split() or (0, 0)
        return int(count), int(last)


def first_of(values: Sequence[int], rng: random.Random) -> list[int]:
    """The values in an order that chance gives."""
    return rng.sample(list(values), len(values))
