"""Receipts: only the fleet's own word about this queue's own history lets anything go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from outbox_material import (
    NOW,
    SHARD,
    STATION,
    STRANGER,
    deliver,
    draft,
    marks,
    opened,
    receipt,
)

from kiosk.outbox import Acknowledgement, Outbox, ReceiptRefused, Retention
from kiosk.outbox.outbox import SECONDS_PER_DAY
from wire.errors import SignatureInvalid
from wire.group import genesis_head
from wire.receipt import Receipt, sign_receipt, verify_receipt

if TYPE_CHECKING:
    from pathlib import Path

NONE_KEPT = Retention(days=0, bytes=0)


@pytest.fixture
def outbox(tmp_path: Path):
    with opened(tmp_path / "outbox.db") as queue:
        for n in range(6):
            queue.append([draft(n)])
        yield queue


def standing(outbox: Outbox) -> tuple[int, int]:
    state = outbox.lane("normal")
    return state.acked_seq, state.waiting


def test_receipts_are_cumulative(outbox: Outbox) -> None:
    assert standing(outbox) == (0, 6)
    assert deliver(outbox, 2) is Acknowledgement.ADVANCED
    assert standing(outbox) == (2, 4)
    assert [group.first for group in outbox.unacknowledged("normal")] == [3, 4, 5, 6]
    assert deliver(outbox, 6) is Acknowledgement.ADVANCED
    assert outbox.unacknowledged("normal") == ()
    assert outbox.append([draft(7)])[0].seq == 7


def test_a_repeated_receipt_changes_nothing(outbox: Outbox) -> None:
    deliver(outbox, 3)
    for _ in range(2):
        assert deliver(outbox, 3) is Acknowledgement.REPEATED
    assert standing(outbox) == (3, 3)


def test_a_receipt_that_is_behind_takes_nothing_back(outbox: Outbox) -> None:
    deliver(outbox, 5)
    assert deliver(outbox, 2) is Acknowledgement.BEHIND
    none = receipt(outbox, 0, chain_head=genesis_head(**place(outbox)))
    assert outbox.acknowledge(none) is Acknowledgement.BEHIND
    assert standing(outbox) == (5, 1)
    assert [seq for seq, _ in marks(outbox, after_seq=2)] == [3, 4, 5, 6]


def place(outbox: Outbox) -> dict:
    return {"device": outbox.device, "epoch": outbox.epoch, "lane": "normal"}


def test_a_fleet_that_holds_nothing_yet_repeats_nothing(outbox: Outbox) -> None:
    none = receipt(outbox, 0, chain_head=genesis_head(**place(outbox)))
    assert outbox.acknowledge(none) is Acknowledgement.REPEATED
    assert standing(outbox) == (0, 6)


def test_lanes_are_acknowledged_apart(outbox: Outbox) -> None:
    outbox.append([draft(1, lane="urgent")])
    assert deliver(outbox, 1, lane="urgent") is Acknowledgement.ADVANCED
    assert standing(outbox) == (0, 6)
    assert outbox.lane("urgent").waiting == 0


def test_a_forged_receipt_never_becomes_one(outbox: Outbox) -> None:
    claimed = Receipt(
        shard=3,
        **place(outbox),
        high_water=6,
        chain_head=outbox.lane("normal").chain_head,
        audit_head=bytes(32),
    )
    keys = {3: SHARD.public_key_der}
    for forger in (STATION, STRANGER):
        with pytest.raises(SignatureInvalid):
            verify_receipt(sign_receipt(claimed, forger), keys)
    honest = verify_receipt(sign_receipt(claimed, SHARD), keys)
    assert outbox.acknowledge(honest) is Acknowledgement.ADVANCED


@pytest.mark.parametrize("other", [{"epoch": bytes(16)}, {"device": "kiosk-2"}])
def test_a_receipt_for_another_queue_is_refused(outbox: Outbox, other: dict) -> None:
    with pytest.raises(ReceiptRefused) as refused:
        deliver(outbox, 6, **other)
    assert not refused.value.forked
    assert standing(outbox) == (0, 6)
    assert len(marks(outbox)) == 6


def test_another_history_is_a_fork_and_deletes_nothing(outbox: Outbox) -> None:
    head_of_three = outbox.unacknowledged("normal")[2].head
    for high_water, head in (
        (6, bytes(32)),
        (4, head_of_three),
        (7, outbox.lane("normal").chain_head),
        (2**53 - 1, bytes(32)),
        (0, bytes(32)),
        (0, head_of_three),
    ):
        with pytest.raises(ReceiptRefused) as refused:
            deliver(outbox, high_water, chain_head=head)
        assert refused.value.forked
    assert standing(outbox) == (0, 6)
    assert len(marks(outbox)) == 6


def test_a_number_inside_a_group_is_no_place_to_stop(tmp_path: Path) -> None:
    with opened(tmp_path / "grouped.db") as outbox:
        outbox.append([draft(n) for n in range(3)])
        with pytest.raises(ReceiptRefused):
            deliver(outbox, 2, chain_head=outbox.lane("normal").chain_head)
        assert standing(outbox) == (0, 3)


def test_a_fork_is_seen_at_what_is_acknowledged_already(tmp_path: Path) -> None:
    """Kept or pruned: the lane's own head is never forgotten."""
    for name, retention in (("kept", Retention()), ("pruned", NONE_KEPT)):
        with opened(tmp_path / f"{name}.db", retention=retention) as outbox:
            for n in range(3):
                outbox.append([draft(n)])
            deliver(outbox, 3)
            assert deliver(outbox, 3, chain_head=outbox.lane("normal").chain_head) == "repeated"
            with pytest.raises(ReceiptRefused) as refused:
                deliver(outbox, 3, chain_head=b"f" * 32)
            assert refused.value.forked


def test_what_was_pruned_long_ago_cannot_be_compared(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", retention=NONE_KEPT) as outbox:
        for n in range(3):
            outbox.append([draft(n)])
        deliver(outbox, 2)
        assert outbox.acknowledge(receipt(outbox, 1, chain_head=b"x" * 32)) == "behind"
        assert marks(outbox) == [(3, 2)]


def test_a_disk_that_was_put_back_is_noticed(tmp_path: Path) -> None:
    """The fleet holds more than this copy ever filed."""
    path, copy = tmp_path / "outbox.db", tmp_path / "copy.db"
    with opened(path) as outbox:
        outbox.append([draft(0)])
    copy.write_bytes(path.read_bytes())
    with opened(path) as outbox:
        outbox.append([draft(1)])
        word = receipt(outbox, 2)
    with opened(copy) as rolled_back:
        with pytest.raises(ReceiptRefused) as refused:
            rolled_back.acknowledge(word)
        assert refused.value.forked
        rolled_back.append([draft(9)])
        with pytest.raises(ReceiptRefused):
            rolled_back.acknowledge(word)
        assert len(marks(rolled_back)) == 2


class Clock:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


def test_acknowledged_groups_stay_to_be_sent_again(outbox: Outbox) -> None:
    deliver(outbox, 4)
    assert [group.first for group in outbox.unacknowledged("normal", 0)] == [1, 2, 3, 4, 5, 6]
    assert marks(outbox, after_seq=2) == [(3, 2), (4, 3), (5, 4), (6, 5)]
    assert outbox.verify().records == 6


def test_retention_ends_by_age(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "outbox.db", now=clock, retention=Retention(days=7)) as outbox:
        outbox.append([draft(0)])
        clock.at += 6 * SECONDS_PER_DAY
        outbox.append([draft(1)])
        deliver(outbox, 1)
        assert len(marks(outbox)) == 2
        clock.at += 2 * SECONDS_PER_DAY
        deliver(outbox, 2)
        assert marks(outbox) == [(2, 1)]
        assert outbox.verify().records == 1


def test_retention_ends_by_size_and_the_newest_stay(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", retention=Retention(bytes=20_000)) as outbox:
        for n in range(12):
            outbox.append([draft(n)])
        size = len(outbox.unacknowledged("normal")[0].raw)
        deliver(outbox, 12)
        kept = marks(outbox)
        assert [seq for seq, _ in kept] == list(range(13 - len(kept), 13))
        assert 20_000 - size < len(kept) * size <= 20_000
        assert outbox.verify().records == len(kept)


def test_a_long_tail_goes_whole_though_in_small_commits(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db", retention=NONE_KEPT) as outbox:
        for n in range(12):
            outbox.append([draft(n, sod=30_000)])
        deliver(outbox, 11)
        assert marks(outbox) == [(12, 11)]
        assert outbox.verify().records == 1


@pytest.mark.parametrize("at", [0.0, -5e9, 1e11, NOW - 3e8, NOW + 3e8])
def test_no_clock_deletes_what_the_fleet_does_not_hold(tmp_path: Path, at: float) -> None:
    clock = Clock()
    with opened(tmp_path / "outbox.db", now=clock, retention=NONE_KEPT) as outbox:
        outbox.append([draft(0)])
        clock.at = at
        outbox.append([draft(1)])
        outbox.append([draft(2)])
        deliver(outbox, 1)
        assert marks(outbox) == [(2, 1), (3, 2)]
        deliver(outbox, 2)
        assert marks(outbox) == [(3, 2)]
        assert outbox.verify().records == 1


@pytest.mark.parametrize("back", [1.0, 400 * SECONDS_PER_DAY, NOW])
def test_a_clock_that_goes_back_deletes_nothing_at_all(tmp_path: Path, back: float) -> None:
    clock = Clock()
    with opened(tmp_path / "outbox.db", now=clock) as outbox:
        for n in range(3):
            outbox.append([draft(n)])
        clock.at -= back
        deliver(outbox, 2)
        deliver(outbox, 3)
        assert len(marks(outbox)) == 3


def test_a_cumulative_acknowledgement_is_one_sync(tmp_path: Path) -> None:
    """Counted by the frames that the log gained: one commit mark, not one for each group."""
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        for n in range(30):
            outbox.append([draft(n, person=False)])
        outbox._store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        deliver(outbox, 30)
        assert commits(path.with_name(path.name + "-wal")) == 1


def commits(wal: Path) -> int:
    """Frames of a write-ahead log that end a transaction: their second word is not zero."""
    raw = wal.read_bytes()
    frame = 24 + 4096
    heads = [raw[at : at + 8] for at in range(32, len(raw) - 23, frame)]
    return sum(head[4:8] != bytes(4) for head in heads)


def test_the_counter_of_commits_counts(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        outbox._store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for n in range(3):
            outbox.append([draft(n)])
        assert commits(path.with_name(path.name + "-wal")) == 3
