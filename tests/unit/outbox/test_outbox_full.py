"""Full: a typed refusal, nothing lost, and draining goes on, by the quota and on a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from outbox_material import deliver, draft, marks, opened

from kiosk.outbox import Outbox, QueueFailed, QueueFull, Retention
from wire.reasons import Reason

ROOT = Path(__file__).parents[3]
ON_A_SMALL_DISK = Path(__file__).with_name("outbox_full_disk.py")
QUOTA = 256 * 1024


def fill(outbox: Outbox) -> int:
    filed = 0
    while filed < 1000:
        try:
            outbox.append([draft(filed)])
        except QueueFull:
            return filed
        filed += 1
    raise AssertionError("the quota does not bind")


def test_a_full_quota_refuses_and_loses_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", quota_bytes=QUOTA) as outbox:
        filed = fill(outbox)
        assert filed > 20
        for _ in range(3):
            with pytest.raises(QueueFull) as refused:
                outbox.append([draft(9), draft(9, lane="urgent")])
            assert refused.value.reason is Reason.QUEUE_FULL
        assert marks(outbox) == [(n + 1, n) for n in range(filed)]
        assert outbox.verify().records == filed
        assert outbox.status()["bytes"] <= QUOTA
        assert outbox.lane("urgent").next_seq == 1
    assert (tmp_path / "outbox.db").stat().st_size <= QUOTA


def test_an_acknowledgement_makes_room_again(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", quota_bytes=QUOTA) as outbox:
        filed = fill(outbox)
        assert deliver(outbox, filed // 2) == "advanced"
        again = fill(outbox)
        assert again > 5
        held = marks(outbox, after_seq=filed // 2)
        assert held == [
            *((n + 1, n) for n in range(filed // 2, filed)),
            *((filed + n + 1, n) for n in range(again)),
        ]
        assert outbox.verify()


def test_a_full_queue_keeps_no_retention_tail(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", quota_bytes=QUOTA, retention=Retention()) as outbox:
        filed = fill(outbox)
        deliver(outbox, filed)
        assert len(marks(outbox)) == filed
        outbox.append([draft(1)])
        assert marks(outbox) == [(filed + 1, 1)]
        assert outbox.verify().records == 1


def test_a_record_larger_than_what_is_left_does_not_stop_a_smaller_one(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", quota_bytes=QUOTA) as outbox:
        while True:
            try:
                outbox.append([draft(1, sod=30_000)])
            except QueueFull:
                break
        seq = outbox.lane("normal").next_seq
        assert outbox.append([draft(2, person=False)])[0].seq == seq
        assert outbox.verify()


def test_the_quota_is_the_stations_last_word(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path, quota_bytes=QUOTA) as outbox:
        filed = fill(outbox)
        assert outbox.status()["quota"] == QUOTA
    with opened(path, quota_bytes=2 * QUOTA) as outbox:
        assert outbox.status()["quota"] == 2 * QUOTA
        assert fill(outbox) > filed // 2
    with opened(path, quota_bytes=QUOTA) as outbox:
        with pytest.raises(QueueFull):
            outbox.append([draft(1)])
        assert outbox.verify()
        deliver(outbox, filed)


def test_a_quota_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueueFailed):
        opened(tmp_path / "outbox.db", quota_bytes=QUOTA - 1)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory):
    """Run a case in a mount namespace of its own, on 2 MB of memory."""
    unshare = shutil.which("unshare")
    enter = [unshare, *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=2m none "$0"'
    disk = tmp_path_factory.mktemp("disk")
    if unshare is None or subprocess.run([*enter, mount, disk], check=False).returncode:
        pytest.skip("no mount namespace: unshare is missing or not allowed")

    def run(case: str) -> None:
        done = subprocess.run(
            [*enter, f'{mount} && exec "$@"', disk, sys.executable, ON_A_SMALL_DISK, disk, case],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b"held"), done.stderr.decode()

    return run


@pytest.mark.parametrize(
    "case", ["fills", "fills_again", "restarts", "restarts_with_little", "begins"]
)
def test_a_disk_that_is_full_to_the_last_byte_still_drains(case: str, small_disk) -> None:
    small_disk(case)
