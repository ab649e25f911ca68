"""One thread that files: what came in while the last sync ran goes into the next one together.

Knows batches and futures. Does not know when to file, nor what to do when it fails: every future
tells its own submitter.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self

from kiosk.outbox.errors import QueueFailed, QueueFull
from kiosk.outbox.outbox import Draft, EncodedDraft, Outbox, encode_draft
from wire.group import MAX_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wire.record import RecordIdentity

MAX_PENDING: Final = 256
"""Drafts that may wait for the thread: more come in than a disk can take."""

_log = logging.getLogger(__name__)
_Job = tuple[EncodedDraft, "Future[RecordIdentity]"]


class OutboxWriter:
    """The writing thread of one outbox. Close it before the outbox, or use it as a context."""

    def __init__(self, outbox: Outbox, *, on_group: Callable[[], None] = lambda: None) -> None:
        """Start the thread.

        Args:
            outbox: where to file.
            on_group: called on the writing thread after each commit; it must return quickly (wake
                a loop with `call_soon_threadsafe`).
        """
        self._outbox = outbox
        self._on_group = on_group
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_PENDING)
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="outbox-writer")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, draft: Draft) -> Future[RecordIdentity]:
        """Ask for a draft to be filed. The future's result means: it is on the disk.

        The future raises QueueFull or QueueFailed if it wasn't filed.

        Raises:
            Malformed, TooLarge: the draft breaks its own bounds.
            QueueFull: MAX_PENDING drafts wait already.
            QueueFailed: the writer is closed.
        """
        encoded = encode_draft(draft)
        future: Future[RecordIdentity] = Future()
        with self._gate:
            if self._closed:
                raise QueueFailed("the writer is closed")
            try:
                self._jobs.put_nowait((encoded, future))
            except queue.Full:
                raise QueueFull("too many drafts wait for the disk") from None
        return future

    def close(self) -> None:
        """File what was submitted and end the thread. It may be closed again."""
        with self._gate:
            closing, self._closed = not self._closed, True
        if closing:
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            live = [job for job in batch if job[1].set_running_or_notify_cancel()]
            if live:
                self._file(live)

    def _next_batch(self) -> list[_Job]:
        """Wait for a job and take all that wait behind it; empty when the writer closes."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MAX_RECORDS:
                return batch
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._jobs.put(None)  # the end comes again after this batch
        return batch

    def _file(self, jobs: list[_Job]) -> None:
        try:
            identities = self._outbox.append_encoded([draft for draft, _ in jobs])
        except QueueFull as error:
            if len(jobs) == 1:
                jobs[0][1].set_exception(error)
                return
            for job in jobs:  # what doesn't fit together may fit one by one
                self._file([job])
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, each submitter is told
            for _, future in jobs:
                future.set_exception(error)
            return
        for (_, future), identity in zip(jobs, identities, strict=True):
            future.set_result(identity)
        try:
            self._on_group()
        except Exception:  # noqa: BLE001 - the records are filed; a listener must not stop the queue
            _log.exception("group_listener_failed")
