"""What staff and machines are told of a queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from outbox_material import NOW, deliver, draft, opened

from kiosk.outbox import DEFAULT_QUOTA_BYTES, Examined, Retention

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A wall clock that somebody sets."""

    at = NOW

    def __call__(self) -> float:
        return self.at


def test_a_new_queue(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db") as outbox:
        state = outbox.status()
        lane = {"next": 1, "acked": 0, "waiting": 0, "oldest_s": None}
        assert json.loads(json.dumps(state)) == {
            "epoch": outbox.epoch.hex(),
            "lanes": {"urgent": lane, "security": lane, "normal": lane},
            "bytes": state["bytes"],
            "quota": DEFAULT_QUOTA_BYTES,
            "chain": "ok",
        }
        assert list(state["lanes"]) == ["urgent", "security", "normal"]
        assert 0 < state["bytes"] < 100_000
        assert outbox.verify() == Examined(groups=0, records=0)


def test_lanes_count_apart_and_the_oldest_waiting_one_has_an_age(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "outbox.db", now=clock) as outbox:
        outbox.append([draft(1), draft(2)])
        clock.at += 10.9
        outbox.append([draft(3), draft(4, lane="urgent")])
        clock.at += 5
        lanes = outbox.status()["lanes"]
        assert lanes["normal"] == {"next": 4, "acked": 0, "waiting": 3, "oldest_s": 15}
        assert lanes["urgent"] == {"next": 2, "acked": 0, "waiting": 1, "oldest_s": 5}
        deliver(outbox, 2)
        assert outbox.status()["lanes"]["normal"] == {
            "next": 4,
            "acked": 2,
            "waiting": 1,
            "oldest_s": 5,
        }
        deliver(outbox, 3)
        assert outbox.status()["lanes"]["normal"]["oldest_s"] is None
        assert outbox.verify() == Examined(groups=3, records=4)


def test_an_age_is_never_negative(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "outbox.db", now=clock) as outbox:
        outbox.append([draft(1)])
        clock.at = 0.0
        assert outbox.status()["lanes"]["normal"]["oldest_s"] == 0


def test_the_bytes_in_use_grow_and_shrink(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", retention=Retention(days=0, bytes=0)) as outbox:
        begun = outbox.status()["bytes"]
        for n in range(20):
            outbox.append([draft(n)])
        held = outbox.status()["bytes"]
        assert held > begun + 20 * 2_000
        deliver(outbox, 20)
        assert outbox.status()["bytes"] < held - 20 * 2_000
