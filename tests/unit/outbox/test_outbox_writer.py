"""The writing thread: what waits behind one sync goes into the next commit together."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest
from outbox_material import NUMBER, STATION, draft, marks, opened

from kiosk.outbox import Draft, OutboxWriter, QueueFailed, QueueFull
from kiosk.outbox.writer import MAX_PENDING
from wire.cose import PrivateKeySigner
from wire.errors import Malformed

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

TIMEOUT_S = 20


class Gate(PrivateKeySigner):
    """A key that signs when it is let: so that a commit can be held up."""

    def __init__(self) -> None:
        super().__init__(STATION._key)
        self.reached = threading.Event()
        self.let = threading.Event()
        self.let.set()
        self.broken = False

    def hold(self) -> None:
        self.reached.clear()
        self.let.clear()

    def sign(self, message: bytes, /) -> bytes:
        self.reached.set()
        assert self.let.wait(TIMEOUT_S)
        if self.broken:
            raise OSError("the key does not answer")
        return super().sign(message)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def outbox(tmp_path: Path, gate: Gate):
    with opened(tmp_path / "outbox.db", signer=gate, quota_bytes=1024 * 1024) as queue:
        yield queue


def held_up(writer: OutboxWriter, gate: Gate) -> Future:
    """Submit one draft whose commit waits at the gate."""
    gate.hold()
    first = writer.submit(draft(0))
    assert gate.reached.wait(TIMEOUT_S)
    return first


def counts(outbox) -> list[int]:
    return [group.count for group in outbox.unacknowledged("normal", 0, 100)]


def test_a_result_means_that_it_is_on_the_disk(outbox) -> None:
    with OutboxWriter(outbox) as writer:
        assert writer.submit(draft(5)).result(TIMEOUT_S).seq == 1
        assert marks(outbox) == [(1, 5)]


def test_what_waits_behind_one_commit_goes_together_in_order(outbox, gate: Gate) -> None:
    told = []
    with OutboxWriter(outbox, on_group=lambda: told.append(1)) as writer:
        futures = [held_up(writer, gate)]
        futures += [writer.submit(draft(n, person=False)) for n in range(1, 41)]
        gate.let.set()
        assert [future.result(TIMEOUT_S).seq for future in futures] == list(range(1, 42))
    assert counts(outbox) == [1, 40]
    assert len(told) == 2
    assert marks(outbox) == [(n + 1, n) for n in range(41)]


def test_more_than_a_group_takes_the_next_commit(outbox, gate: Gate) -> None:
    with OutboxWriter(outbox) as writer:
        held_up(writer, gate)
        last = [writer.submit(draft(n, person=False)) for n in range(100)][-1]
        gate.let.set()
        assert last.result(TIMEOUT_S).seq == 101
    assert counts(outbox) == [1, 64, 36]


def test_closing_files_what_was_submitted(outbox, gate: Gate) -> None:
    writer = OutboxWriter(outbox)
    held_up(writer, gate)
    futures = [writer.submit(draft(n)) for n in range(10)]
    closers = [threading.Thread(target=writer.close) for _ in range(3)]
    for closer in closers:
        closer.start()
    gate.let.set()
    for closer in closers:
        closer.join(TIMEOUT_S)
    assert [future.result(0).seq for future in futures] == list(range(2, 12))
    writer.close()
    assert not writer._thread.is_alive()
    with pytest.raises(QueueFailed):
        writer.submit(draft(1))


def test_closing_an_idle_writer_ends_its_thread(outbox) -> None:
    writer = OutboxWriter(outbox)
    writer.close()
    assert not writer._thread.is_alive()
    assert counts(outbox) == []


def test_a_group_that_is_full_when_the_end_comes_is_filed(outbox, gate: Gate) -> None:
    writer = OutboxWriter(outbox)
    held_up(writer, gate)
    futures = [writer.submit(draft(n, person=False)) for n in range(64)]
    gate.let.set()
    writer.close()
    assert futures[-1].result(0).seq == 65


def test_more_drafts_than_may_wait_are_refused_and_the_others_filed(outbox, gate: Gate) -> None:
    with OutboxWriter(outbox) as writer:
        held_up(writer, gate)
        waiting = [writer.submit(draft(n, person=False)) for n in range(MAX_PENDING)]
        with pytest.raises(QueueFull):
            writer.submit(draft(1))
        gate.let.set()
        assert waiting[-1].result(TIMEOUT_S).seq == MAX_PENDING + 1


def test_a_bad_draft_is_refused_at_once_and_alone(outbox) -> None:
    with OutboxWriter(outbox) as writer:
        with pytest.raises(Malformed):
            writer.submit(Draft(operations=draft(-1).operations))
        assert writer.submit(draft(1)).result(TIMEOUT_S).seq == 1


def test_a_cancelled_draft_is_not_filed(outbox, gate: Gate) -> None:
    with OutboxWriter(outbox) as writer:
        held_up(writer, gate)
        unwanted, wanted = writer.submit(draft(1)), writer.submit(draft(2))
        assert unwanted.cancel()
        gate.let.set()
        assert wanted.result(TIMEOUT_S).seq == 2
        gate.hold()
        only = writer.submit(draft(3))
        assert gate.reached.wait(TIMEOUT_S)
        alone = writer.submit(draft(4))
        assert alone.cancel()
        gate.let.set()
        assert only.result(TIMEOUT_S).seq == 3
    assert [mark for _, mark in marks(outbox)] == [0, 2, 3]


def test_a_failure_is_told_to_each_and_the_thread_goes_on(outbox, gate: Gate) -> None:
    with OutboxWriter(outbox) as writer:
        first = held_up(writer, gate)
        others = [writer.submit(draft(n)) for n in range(3)]
        gate.broken = True
        gate.let.set()
        for future in (first, *others):
            assert isinstance(future.exception(TIMEOUT_S), QueueFailed)
        gate.broken = False
        assert writer.submit(draft(9)).result(TIMEOUT_S).seq == 1
    assert marks(outbox) == [(1, 9)]


def test_what_does_not_fit_together_is_filed_as_far_as_it_fits(outbox, gate: Gate) -> None:
    while True:
        try:
            outbox.append([draft(1, sod=30_000)])
        except QueueFull:
            break
    filed = outbox.lane("normal").next_seq - 1
    with OutboxWriter(outbox) as writer:
        gate.hold()
        small = writer.submit(draft(2, person=False))
        assert gate.reached.wait(TIMEOUT_S)
        large = writer.submit(draft(3, sod=30_000))
        other = writer.submit(draft(4, person=False))
        gate.let.set()
        assert small.result(TIMEOUT_S).seq == filed + 1
        assert isinstance(large.exception(TIMEOUT_S), QueueFull)
        assert other.result(TIMEOUT_S).seq == filed + 2
    assert outbox.verify().records == filed + 2


def test_a_listener_that_fails_stops_nothing_and_says_nothing_of_a_person(
    outbox, caplog: pytest.LogCaptureFixture
) -> None:
    def listen() -> None:
        raise ValueError("not now")

    with caplog.at_level(logging.DEBUG), OutboxWriter(outbox, on_group=listen) as writer:
        assert writer.submit(draft(1)).result(TIMEOUT_S).seq == 1
        assert writer.submit(draft(2)).result(TIMEOUT_S).seq == 2
    assert "group_listener_failed" in caplog.text
    assert NUMBER not in caplog.text
