"""What `append` returned outlives its process: synced before it is said, killed at any moment."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from outbox_material import marks, opened

from wire.record import LANES

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("outbox_child.py")
KILLS = 10


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def station(path: Path, mark: int, how: str, *limit: int, under: tuple[str, ...] = ()):
    return subprocess.Popen(
        [*under, sys.executable, CHILD, path, str(mark), how, *map(str, limit)],
        stdout=subprocess.PIPE,
        env=environment(),
    )


def said_until_killed(child: subprocess.Popen, after_s: float) -> list[tuple[str, int, int]]:
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(after_s)
        child.kill()
        lines = child.stdout.read().decode().splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(lane, int(seq), int(mark)) for lane, seq, mark in whole]


def test_everything_said_is_there_after_each_of_ten_kills(tmp_path: Path) -> None:
    rng = random.Random(20_261_124)
    path = tmp_path / "outbox.db"
    said: dict[tuple[str, int], int] = {}
    for kill in range(KILLS):
        how = "writer" if kill % 3 == 2 else "append"
        child = station(path, (kill + 1) * 100_000, how)
        for lane, seq, mark in said_until_killed(child, rng.uniform(0.001, 0.15)):
            assert (lane, seq) not in said, "a number was given twice"
            said[lane, seq] = mark
        with opened(path) as outbox:
            held = {(lane, seq): mark for lane in LANES for seq, mark in marks(outbox, lane)}
            assert outbox.verify().records == len(held)
            assert outbox.status()["chain"] == "ok"
        assert said.items() <= held.items()
        for lane in LANES:
            seqs = sorted(seq for at, seq in held if at == lane)
            assert seqs == list(range(1, len(seqs) + 1))
    assert len(said) > KILLS


@pytest.fixture
def traced(tmp_path: Path):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace here")

    def run(how: str, limit: int) -> list[str]:
        """Return what happened, in order: "sync" of the write-ahead log, or "said"."""
        log = tmp_path / f"{how}.strace"
        calls = "trace=fdatasync,fsync,write"
        under = (strace, "-f", "-y", "-s", "64", "-e", calls, "-o", str(log))
        with station(tmp_path / f"{how}.db", 0, how, limit, under=under) as child:
            child.communicate(timeout=120)
        events = []
        for line in log.read_text().splitlines():
            if re.search(r'write\(1<.*"ready', line):
                events = []
            elif re.search(r"(fdatasync|fsync)\(\d+<[^>]*-wal>\)\s+= 0", line):
                events.append("sync")
            elif re.search(r'write\(1<.*"normal ', line):
                events.append("said")
        return events

    return run


def test_the_log_is_synced_before_each_identity_is_said(traced) -> None:
    events = traced("append", 25)
    assert events.count("said") == 25
    before = "".join({"sync": "s", "said": "!"}[event] for event in events)
    assert re.fullmatch(r"(s+!)+s*", before)


def test_one_commit_of_many_is_one_sync(traced) -> None:
    events = traced("many", 30)
    assert events.count("said") == 30
    assert events[: events.index("said")] == ["sync"]
