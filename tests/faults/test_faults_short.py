"""A short run of every kind of fault. The long one is `make faults`."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.episodes import Tally, chance, put_back, sweep
from tests.faults.power import careless_is_caught, images, recorded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lane
SEED = 20_261_125


def holds(tally: Tally) -> bool:
    assert tally.findings == []
    return tally.holds


def test_nothing_is_lost_by_faults_of_chance() -> None:
    tally = Tally()
    chance(tally, seed=SEED, seconds=1.5, backups=False, devices=2)
    assert holds(tally)
    assert sum(tally.faults.values()) >= 3
    assert tally.records > 50


def test_nothing_is_lost_by_a_fleet_that_is_put_back_to_a_backup() -> None:
    tally = Tally()
    chance(tally, seed=SEED, seconds=1.5, backups=True, devices=2)
    assert holds(tally)
    assert sum(tally.faults.values()) >= 3


def test_nothing_is_lost_by_kills_at_system_calls() -> None:
    tally = Tally()
    sweep(tally, seed=SEED, seconds=2)
    if "station" in tally.untraced:
        pytest.skip("nobody may trace here")
    assert holds(tally)
    assert sum(count for kind, count in tally.faults.items() if kind.startswith("syscall_")) >= 2


def test_a_disk_that_was_put_back_is_a_fork_with_both_branches_kept() -> None:
    tally = Tally()
    put_back(tally, seed=SEED)
    assert holds(tally)


def test_a_design_that_deletes_by_puback_is_seen_to_lose() -> None:
    tally = Tally()
    chance(tally, seed=SEED, seconds=2, backups=False, devices=2, naive=True)
    assert tally.lost


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler for the recorder")
def test_nothing_said_is_missing_from_a_disk_whose_power_was_cut(tmp_path: Path) -> None:
    events = recorded(tmp_path, SEED)
    found = list(
        images(tmp_path, events, random.Random(SEED), until_s=time.monotonic() + 60, at_most=40)
    )
    assert len(found) == 40
    assert not [(at, findings) for at, findings in found if findings]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler for the recorder")
def test_a_twin_that_does_not_sync_each_commit_is_seen_to_lose() -> None:
    assert careless_is_caught(SEED)
