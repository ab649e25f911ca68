"""A store whose process is killed among its batches: each is there whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.store.store import LaneName, Store

ROOT = Path(__file__).parents[3]
BATCH = 5
CHILD = f"""
import sys
from pathlib import Path
from datetime import UTC, datetime
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from test_fleet_store import chain, LANES
from fleet.store.store import Store
now = datetime(2026, 1, 2, tzinfo=UTC)
with Store.open(Path(sys.argv[1])) as store:
    groups = [group for group in chain(LANES[0], [2] * 20000)]
    at = store.marks(LANES[0]).high_water // 2
    while True:
        store.accept(groups[at : at + {BATCH}], at=now)
        at += {BATCH}
        print(at, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 23])
def test_what_was_committed_survives_and_the_batch_under_way_leaves_nothing(
    tmp_path: Path, after: int
) -> None:
    path = tmp_path / "fleet.db"
    with Store.open(path) as store:
        store.enrol(
            "kiosk-1",
            site="1",
            station_key=b"key",
            simulators_allowed=False,
            at=datetime(2026, 1, 2, tzinfo=UTC),
        )
    for _ in range(2):  # the second child goes on where the first was killed
        said = _run_and_kill(path, after)
        with Store.open(path) as store:
            lane = LaneName("kiosk-1", b"\1" * 16, "urgent")
            marks = store.marks(lane)
            assert marks.high_water >= 2 * said
            assert marks.high_water % (2 * BATCH) == 0
            seqs = [seq for _, seq, _ in store.records()]
            assert seqs == list(range(1, marks.high_water + 1))
            store.audit_head()


def _run_and_kill(path: Path, after: int) -> int:
    """Let a child store batches; kill -9 it after some; return what it last said was committed."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        said = 0
        for _ in range(after):
            said = int(child.stdout.readline())
        child.kill()
        for line in child.stdout:
            if line.endswith(b"\n"):
                said = int(line)
    return said
