"""Filing: identities in order, one commit for all, nothing filed by halves."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

import pytest
from outbox_material import DEVICE, RECIPIENTS, STATION, draft, marks, opened

from kiosk.outbox import Draft, Outbox, QueueFailed
from wire.cose import PrivateKeySigner
from wire.errors import Malformed
from wire.record import RecordIdentity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path):
    with opened(tmp_path / "outbox.db") as queue:
        yield queue


def test_identities_count_from_one_in_the_order_of_the_drafts(outbox: Outbox) -> None:
    first = outbox.append([draft(1), draft(2)])
    second = outbox.append([draft(3)])
    assert [one.seq for one in (*first, *second)] == [1, 2, 3]
    assert first[0] == RecordIdentity(DEVICE, outbox.epoch, "normal", 1)
    assert marks(outbox) == [(1, 1), (2, 2), (3, 3)]
    assert outbox.verify().records == 3


def test_each_lane_counts_for_itself_whatever_the_order(outbox: Outbox) -> None:
    lanes = ["normal", "urgent", "normal", "security", "urgent", "normal"]
    filed = outbox.append([draft(n, lane=lane) for n, lane in enumerate(lanes)])
    assert [(one.lane, one.seq) for one in filed] == [
        ("normal", 1),
        ("urgent", 1),
        ("normal", 2),
        ("security", 1),
        ("urgent", 2),
        ("normal", 3),
    ]
    assert marks(outbox, "normal") == [(1, 0), (2, 2), (3, 5)]
    assert marks(outbox, "urgent") == [(1, 1), (2, 4)]
    assert outbox.verify().groups == 3


def test_drafts_of_one_call_become_one_group_as_far_as_they_fit(outbox: Outbox) -> None:
    outbox.append([draft(n, person=False) for n in range(150)])
    groups = outbox.unacknowledged("normal")
    assert [group.count for group in groups] == [64, 64, 22]
    assert [group.first for group in groups] == [1, 65, 129]
    assert marks(outbox) == [(n + 1, n) for n in range(150)]


def test_large_drafts_are_parted_by_their_bytes(outbox: Outbox) -> None:
    outbox.append([draft(n, sod=32_700) for n in range(5)])
    assert [group.count for group in outbox.unacknowledged("normal")] == [2, 2, 1]
    assert outbox.verify().records == 5


def test_nothing_to_file_files_nothing(outbox: Outbox) -> None:
    assert outbox.append([]) == ()
    assert outbox.lane("normal").next_seq == 1


def test_one_bad_draft_and_none_is_filed(outbox: Outbox) -> None:
    good = draft(1)
    bad = Draft(operations=draft(-1).operations)
    with pytest.raises(Malformed):
        outbox.append([good, bad])
    assert outbox.lane("normal").next_seq == 1
    assert outbox.append([good])[0].seq == 1


def test_a_signer_that_fails_files_nothing_and_the_queue_goes_on(tmp_path: Path) -> None:
    class Sometimes(PrivateKeySigner):
        broken = False

        def sign(self, message: bytes, /) -> bytes:
            if self.broken:
                raise OSError("the key does not answer")
            return super().sign(message)

    signer = Sometimes(STATION._key)
    with opened(tmp_path / "outbox.db", signer=signer) as outbox:
        outbox.append([draft(1)])
        signer.broken = True
        with pytest.raises(QueueFailed):
            outbox.append([draft(2, lane="urgent"), draft(3)])
        signer.broken = False
        assert outbox.append([draft(4)])[0].seq == 2
        assert marks(outbox) == [(1, 1), (2, 4)]
        assert outbox.lane("urgent").next_seq == 1
        assert outbox.verify().records == 2


def test_an_epoch_is_the_files_and_stays(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as outbox:
        outbox.append([draft(1)])
        epoch = outbox.epoch
    with opened(tmp_path / "a.db") as outbox:
        assert outbox.epoch == epoch
        assert outbox.append([draft(2)])[0].seq == 2
        assert outbox.verify().records == 2
    with opened(tmp_path / "b.db") as other:
        assert other.epoch != epoch


def test_randomness_is_the_callers(tmp_path: Path) -> None:
    asked: list[int] = []

    def give(size: int) -> bytes:
        asked.append(size)
        return secrets.token_bytes(size)

    with opened(tmp_path / "outbox.db", randomness=give) as outbox:
        outbox.append([draft(1)])
        outbox.append([draft(2, person=False)])
    assert asked == [16, 32, 32, 32]


def test_two_threads_file_without_a_gap_and_without_a_double(outbox: Outbox) -> None:
    filed: dict[int, list[int]] = {0: [], 1: []}
    begin = threading.Barrier(2)

    def run(thread: int) -> None:
        begin.wait(timeout=10)
        for n in range(40):
            filed[thread] += [one.seq for one in outbox.append([draft(thread * 1000 + n)])]

    threads = [threading.Thread(target=run, args=(thread,)) for thread in filed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(filed[0] + filed[1]) == list(range(1, 81))
    expected = {seq: thread * 1000 + n for thread in filed for n, seq in enumerate(filed[thread])}
    assert dict(marks(outbox)) == expected
    assert outbox.verify().records == 80


def test_two_processes_connections_share_one_chain(tmp_path: Path) -> None:
    """Not how a station runs, and still no fork: the head is read in the writing transaction."""
    path = tmp_path / "outbox.db"
    with opened(path) as one, opened(path) as two:
        seqs = [each.append([draft(n)])[0].seq for n, each in enumerate([one, two, two, one])]
        assert seqs == [1, 2, 3, 4]
        assert one.verify().records == 4


def test_after_closing_every_call_fails_typed(tmp_path: Path) -> None:
    outbox = opened(tmp_path / "outbox.db")
    outbox.close()
    outbox.close()
    for call in (
        lambda: outbox.append([draft(1)]),
        lambda: outbox.unacknowledged("normal"),
        lambda: outbox.lane("normal"),
        outbox.status,
        outbox.verify,
    ):
        with pytest.raises(QueueFailed):
            call()
    assert outbox.device == DEVICE


def test_groups_are_asked_for_from_any_number(outbox: Outbox) -> None:
    for n in range(3):
        outbox.append([draft(n * 10 + m, person=False) for m in range(3)])
    firsts = [
        [group.first for group in outbox.unacknowledged("normal", after, 16)] for after in range(10)
    ]
    assert firsts[0] == [1, 4, 7]
    assert firsts[1] == firsts[2] == [1, 4, 7]
    assert firsts[3] == firsts[5] == [4, 7]
    assert firsts[8] == [7]
    assert firsts[9] == []
    assert [group.first for group in outbox.unacknowledged("normal", limit=2)] == [1, 4]


def test_the_recipients_are_the_callers(outbox: Outbox) -> None:
    outbox.append([draft(1)])
    raw = outbox.unacknowledged("normal")[0].raw
    for recipient in (RECIPIENTS.operations.id, RECIPIENTS.identity.id):
        assert recipient.encode() in raw
