"""A fleet that was put back to an old copy gets back what it lacks, from devices that live on.

The devices' processes are never ended here: what a new connection heals is not shown.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.content import LANES
from tests.faults.stage import Stage, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lane
SEED = 20_261_125


def test_a_fleet_put_back_to_where_the_connection_began_gets_everything(tmp_path: Path) -> None:
    with Stage(tmp_path, rng=random.Random(SEED), devices=1) as stage:
        (device,) = stage.devices
        stage.copy_fleet()
        stage.drain(within_s=20)
        assert stage.ingest.kill()
        stage.put_back(stage.copies[0])
        stage.ingest.start()
        mark = device.ask("normal", 1)
        until(lambda: device.said(mark), within_s=20, what="the next record is filed")
        until(lambda: device.waiting() == 0, within_s=3, what="the next record has its receipt")


def test_three_lanes_of_a_fleet_that_was_put_back_begin_again_once_each(tmp_path: Path) -> None:
    with Stage(tmp_path, rng=random.Random(SEED), devices=1) as stage:
        (device,) = stage.devices
        stage.copy_fleet()
        for lane in LANES * 20:
            mark = device.ask(lane, 1)
            until(lambda mark=mark: device.said(mark), within_s=20, what="a group of its own")
        stage.drain(within_s=20)
        assert device.link.kill()
        device.link.start()
        assert stage.ingest.kill()
        stage.put_back(stage.copies[0])
        stage.ingest.start()
        stage.drain(within_s=20)
        assert device.station.log.read_text().count("fleet_behind") <= len(LANES)


@pytest.mark.xfail(strict=True, reason="a fleet asks only a device that sends something")
def test_a_quiet_lane_is_asked_for_what_a_restored_fleet_lacks(tmp_path: Path) -> None:
    with Stage(tmp_path, rng=random.Random(SEED), devices=1) as stage:
        (device,) = stage.devices
        stage.copy_fleet()
        stage.drain(within_s=20)
        assert stage.ingest.kill()
        stage.put_back(stage.copies[0])
        stage.ingest.start()
        end = time.monotonic() + 2
        while time.monotonic() < end and stage.check(device, drained=True).findings:
            time.sleep(0.3)
        assert not stage.check(device, drained=True).findings
