"""What is broken when: episodes of chance under load, and sweeps over one record's life.

Knows the kinds of faults by name and counts each. A fault counts once it happened: what was dead
already when it should have been killed doesn't. Every episode ends with everything open and alive,
one more record a lane, and the checker over bytes on disk.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from tests.faults.checker import Finding, Found, copy_database, sums
from tests.faults.stage import (
    Broker,
    Process,
    Stage,
    StuckError,
    Tracer,
    first_of,
    overwrite,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.proxy import Mode

Role = Literal["station", "link", "broker", "ingest"]
ROLES: tuple[Role, ...] = ("station", "link", "broker", "ingest")
EPISODE_S = 40.0
GAP_S = 0.12
"""Between two faults, in the mean."""
LIFE_S = 3.0
"""A record's life from filing to receipt takes no longer, if nobody dies."""
DRAIN_S = 30.0
NAIVE_DRAIN_S = 2.0
"""What deletes too early waits for what never comes."""
KEEPS_NOTHING = {"days": 0.0, "bytes": 0.0}
WEATHER: tuple[Mode, ...] = ("cut", "silent", "deaf")
NEVER = 10**9
TEN_YEARS_S = 315_576_000
DISK_S = 0.6
"""How long a process may take to come to the call that fails."""
CHECKED_KILL = 8
"""Every so many kills of a station its bytes are judged before it starts again."""


@dataclass
class Tally:
    """What was done and what came of it."""

    faults: Counter[str] = field(default_factory=Counter)
    records: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    checks: int = 0
    stuck: int = 0
    ended: int = 0
    """Processes that ended without being killed, and were started again."""
    played: set[str] = field(default_factory=set)
    """Which kinds of turns there were."""
    seeds: list[int] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    places: dict[str, set[int]] = field(default_factory=dict)
    """Role to the places in one record's life that it was killed at."""
    untraced: set[str] = field(default_factory=set)
    """Roles whose processes this machine lets nobody trace."""
    lives: dict[str, int] = field(default_factory=dict)
    """Role to how many places there are."""

    def judge(self, found: Iterable[Found], *, seed: int, what: str, final: bool = True) -> None:
        """Add what a check found."""
        for each in found:
            self.checks += 1
            if final:
                self.records += each.said
            lost, doubled, wrong = sums(each.findings)
            self.lost, self.doubled, self.wrong = (
                self.lost + lost,
                self.doubled + doubled,
                self.wrong + wrong,
            )
            self.findings += [_line(one, seed=seed, what=what) for one in each.findings[:5]]

    def was_at(self, place: tuple[str, int]) -> bool:
        """Whether a process was killed there already."""
        role, n = place
        return n in self.places.get(role, ())

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled or wrong, and everything came to its end."""
        return not (self.lost or self.doubled or self.wrong or self.stuck)


def _line(one: Finding, *, seed: int, what: str) -> str:
    return f"{what}, seed {seed}: {one.name} {one.where}"


@dataclass
class Chance:
    """An episode: faults at random moments under load."""

    stage: Stage
    tally: Tally
    rng: random.Random
    seed: int
    until_s: float
    station_kills: int = 0

    def play(self, kinds: dict[str, float]) -> None:
        """Break things of these kinds, by weight, until the time is over."""
        actions = {kind: getattr(self, f"_{kind}") for kind in kinds}
        next_s = time.monotonic() + 0.3
        while (now_s := time.monotonic()) < self.until_s:
            self.stage.load()
            if now_s >= next_s:
                self.tally.ended += self.stage.revive()
                (kind,) = self.rng.choices(list(kinds), list(kinds.values()))
                if actions[kind]():
                    self.tally.faults[kind] += 1
                next_s = time.monotonic() + self.rng.expovariate(1 / GAP_S)
            time.sleep(0.012)

    def _killed(self, process: Process | Broker) -> bool:
        lived = process.kill()
        if self.rng.random() < 0.3:
            self._meanwhile(self.rng.uniform(0, 0.3))
        process.start()
        return lived

    def _meanwhile(self, seconds: float) -> None:
        """Let the load go on for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.stage.load()
            time.sleep(0.012)

    def _kill_station(self) -> bool:
        device = self.rng.choice(self.stage.devices)
        lived = device.station.kill()
        self.station_kills += 1
        if self.station_kills % CHECKED_KILL == 0:
            found = self.stage.check(device, drained=False)
            self.tally.judge([found], seed=self.seed, what="in the middle", final=False)
        device.station.start()
        return lived

    def _kill_link(self) -> bool:
        return self._killed(self.rng.choice(self.stage.devices).link)

    def _kill_broker(self) -> bool:
        return self._killed(self.stage.broker)

    def _kill_ingest(self) -> bool:
        return self._killed(self.stage.ingest)

    def _kill_all(self) -> bool:
        """The power of everything at once, as far as processes know it."""
        lived = [process.kill() for process in (*self.stage.processes(), self.stage.broker)]
        self.stage.broker.start()
        for process in self.stage.processes():
            process.start()
        return all(lived)

    def _broker_wiped(self) -> bool:
        lived = self.stage.broker.kill()
        self.stage.broker.wipe()
        self.stage.broker.start()
        return lived

    def _fleet_restored(self) -> bool:
        return self.stage.restore_fleet()

    def _fleet_copied(self) -> bool:
        self.stage.copy_fleet()
        return False

    def _partition_link(self) -> bool:
        proxy = self.rng.choice(self.stage.devices).proxy
        return self._cut(lambda mode, drop: proxy.set(mode, drop=drop))

    def _partition_ingest(self) -> bool:
        proxy = self.stage.ingest_proxy
        return self._cut(lambda mode, drop: proxy.set(mode, drop=drop))

    def _cut(self, weather: Callable[[Mode, bool], None]) -> bool:
        weather(self.rng.choice(WEATHER), False)
        self._meanwhile(self.rng.uniform(0.05, 0.8))
        weather("open", self.rng.random() < 0.5)
        return True

    def _disk(self, process: Process, call: str, error: int) -> bool:
        """Let one of the next calls fail; whether it came to that."""
        if not self.stage.nursery.disks_fail:
            return False
        self.stage.fail_disk(process, call, error, self.rng.randint(1, 12))
        end = time.monotonic() + DISK_S
        while process.order.exists() and time.monotonic() < end:
            self.stage.load()
            time.sleep(0.012)
        happened = not process.order.exists()
        process.order.unlink(missing_ok=True)
        return happened

    def _station_disk(self, call: str, error: int) -> bool:
        return self._disk(self.rng.choice(self.stage.devices).station, call, error)

    def _eio_write_station(self) -> bool:
        return self._station_disk("w", errno.EIO)

    def _eio_sync_station(self) -> bool:
        return self._station_disk("s", errno.EIO)

    def _enospc_station(self) -> bool:
        return self._station_disk("w", errno.ENOSPC)

    def _short_write_station(self) -> bool:
        return self._station_disk("w", 0)

    def _eio_write_ingest(self) -> bool:
        return self._disk(self.stage.ingest, "w", errno.EIO)

    def _eio_sync_ingest(self) -> bool:
        return self._disk(self.stage.ingest, "s", errno.EIO)

    def _enospc_ingest(self) -> bool:
        return self._disk(self.stage.ingest, "w", errno.ENOSPC)

    def _short_write_ingest(self) -> bool:
        return self._disk(self.stage.ingest, "w", 0)

    def _clock(self, process: Process) -> bool:
        """Let a wall clock be wrong by up to ten years for a while."""
        if not self.stage.nursery.disks_fail:
            return False
        process.clock.write_text(str(self.rng.randint(-TEN_YEARS_S, TEN_YEARS_S)))
        self._meanwhile(self.rng.uniform(0.1, 0.8))
        process.clock.unlink()
        return True

    def _clock_station(self) -> bool:
        return self._clock(self.rng.choice(self.stage.devices).station)

    def _clock_link(self) -> bool:
        return self._clock(self.rng.choice(self.stage.devices).link)

    def _clock_ingest(self) -> bool:
        return self._clock(self.stage.ingest)

    def _stalled(self) -> bool:
        """Stop a process for a while and let it go on: its clock jumps, its peers gave up."""
        process = self.rng.choice([*self.stage.processes(), self.stage.broker])
        if not process.alive:
            return False
        os.kill(process.pid, signal.SIGSTOP)
        self._meanwhile(self.rng.uniform(0.1, 1.0))
        os.kill(process.pid, signal.SIGCONT)
        return True


PLAIN = {
    "kill_station": 4.0,
    "kill_link": 3.0,
    "kill_broker": 2.0,
    "kill_ingest": 3.0,
    "kill_all": 0.3,
    "partition_link": 0.7,
    "partition_ingest": 0.7,
    "stalled": 0.4,
    "clock_station": 0.4,
    "clock_link": 0.3,
    "clock_ingest": 0.3,
    "eio_write_station": 0.5,
    "eio_sync_station": 0.7,
    "enospc_station": 0.5,
    "short_write_station": 0.5,
    "eio_write_ingest": 0.4,
    "eio_sync_ingest": 0.5,
    "enospc_ingest": 0.4,
    "short_write_ingest": 0.4,
}
# Neither a full disk nor a wrong clock of a station: by either it gives up what it keeps for a
# fleet that is put back, as its retention says.
BACKUPS = {
    kind: often for kind, often in PLAIN.items() if kind not in {"enospc_station", "clock_station"}
} | {
    "broker_wiped": 1.0,
    "fleet_copied": 1.0,
    "fleet_restored": 1.5,
}


def chance(
    tally: Tally,
    *,
    seed: int,
    seconds: float,
    backups: bool,
    devices: int = 3,
    naive: bool = False,
) -> None:
    """One episode of faults at random moments.

    Args:
        tally: where to count.
        seed: decides the kinds, their moments as far as a clock can, and the load.
        seconds: of faults; draining comes on top.
        backups: whether the fleet is put back to earlier copies and the broker keeps messages of
            its own; then stations keep what has a receipt, as the product does by default. Without,
            they delete at once.
        devices: how many.
        naive: whether to break the design that deletes by PUBACK instead.
    """
    rng = random.Random(seed)
    what = "chance with backups" if backups else "chance"
    tally.seeds.append(seed)
    with TemporaryDirectory(prefix="faults-") as folder:
        stage = Stage(
            Path(folder),
            rng=rng,
            devices=devices,
            broker_keeps=backups,
            retention=None if backups else KEEPS_NOTHING,
            naive=naive,
        )
        with stage:
            stage.copy_fleet()
            episode = Chance(stage, tally, rng, seed, time.monotonic() + seconds)
            episode.play(BACKUPS if backups else PLAIN)
            within_s = NAIVE_DRAIN_S if naive else DRAIN_S
            _drained(stage, tally, seed=seed, what=what, within_s=within_s)
            tally.judge(stage.end(), seed=seed, what=what)


def put_back(tally: Tally, *, seed: int) -> None:
    """Put a station's disk back to what it was and let it go on: the fleet must see the fork."""
    rng = random.Random(seed)
    tally.seeds.append(seed)
    with (
        TemporaryDirectory(prefix="faults-") as folder,
        Stage(Path(folder), rng=rng, devices=1) as stage,
    ):
        (device,) = stage.devices
        for _ in range(rng.randint(0, 3)):
            device.ask("normal", rng.randint(1, 4))
        stage.drain(within_s=DRAIN_S)
        device.station.kill()
        copy = Path(folder) / "put-back.db"
        copy_database(device.queue, copy)
        device.station.start()
        for _ in range(rng.randint(1, 6)):
            device.ask("normal", rng.randint(1, 4))
        stage.drain(within_s=DRAIN_S)
        device.station.kill()
        overwrite(device.queue, copy)
        device.station.start()
        mark = 0
        for _ in range(rng.randint(1, 6)):
            mark = device.ask("normal", rng.randint(1, 4))
        found = []
        try:
            until(lambda: device.said(mark), within_s=DRAIN_S, what="the second branch")
            until(lambda: stage.forks(device), within_s=LIFE_S, what="the fleet sees the fork")
        except StuckError as error:
            found.append(Finding("fork_not_found", str(error)))
        found += stage.end_forked(device)
        tally.faults["disk_put_back"] += 1
        tally.judge([Found(found, mark, mark)], seed=seed, what="a disk that was put back")


def _drained(
    stage: Stage, tally: Tally, *, seed: int, what: str, within_s: float = DRAIN_S
) -> None:
    try:
        stage.drain(within_s=within_s)
    except StuckError as error:
        tally.stuck += 1
        tally.findings.append(f"{what}, seed {seed}: stuck: {error}")


def sweep(tally: Tally, *, seed: int, seconds: float, roles: tuple[Role, ...] = ROLES) -> None:
    """Kill at every system call of one record's life, a process after the other.

    The life is from the filing to the receipt, with nothing else going on. Its calls are counted
    once; then one place after the other, in an order of chance, is the place of a kill, until all
    were or the time is over.
    """
    rng = random.Random(seed)
    tally.seeds.append(seed)
    end = time.monotonic() + seconds
    with (
        TemporaryDirectory(prefix="faults-") as folder,
        Stage(Path(folder), rng=rng, devices=1, retention=KEEPS_NOTHING) as stage,
    ):
        stage.drain(within_s=DRAIN_S)
        places: list[tuple[Role, int]] = []
        for role in roles:
            try:
                calls, _ = _life(stage, role, NEVER)
            except PermissionError:
                tally.untraced.add(role)
                continue
            places += [(role, n) for n in range(1, calls + 1)]
        for role in roles:
            there = sum(each == role for each, _ in places)
            tally.lives[role] = max(there, tally.lives.get(role, 0))
        for role, n in sorted(first_of(places, rng), key=tally.was_at):
            if time.monotonic() > end:
                break
            _, killed = _life(stage, role, n)
            if killed:
                tally.places.setdefault(role, set()).add(n)
                tally.faults[f"syscall_{role}"] += 1
            _settle(stage, tally, seed=seed)
        _drained(stage, tally, seed=seed, what="sweep")
        tally.judge(stage.end(), seed=seed, what="sweep")


def _process(stage: Stage, role: Role) -> Process | Broker:
    (device,) = stage.devices
    return {
        "station": device.station,
        "link": device.link,
        "ingest": stage.ingest,
        "broker": stage.broker,
    }[role]


def _life(stage: Stage, role: Role, kill_at: int) -> tuple[int, bool]:
    """Let one record live; return the calls seen and whether the process was killed at the last."""
    (device,) = stage.devices
    process = _process(stage, role)
    with Tracer(process.pid, kill_at) as tracer:
        mark = device.ask("normal", 1)
        end = time.monotonic() + LIFE_S
        while time.monotonic() < end and not tracer.over:
            if device.said(mark) and device.waiting() == 0:
                break
            time.sleep(0.002)
        count, _ = tracer.stop()
    killed = count == kill_at
    if killed:
        until(lambda: not process.alive, within_s=2, what="what was killed ends")
    return count, killed


def _settle(stage: Stage, tally: Tally, *, seed: int) -> None:
    """Start what died and wait until the record has its receipt."""
    try:
        until(stage.drained, within_s=DRAIN_S, what="a record after a kill at a system call")
    except StuckError as error:
        tally.stuck += 1
        tally.findings.append(f"sweep, seed {seed}: stuck: {error}")
