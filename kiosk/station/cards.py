"""The reader's own thread: waits for a card, reads it when told to, notices when it leaves.

Knows a card port and the library's dialogues. A PC/SC handle never changes threads, and the keys of
a card's channel never leave this one. It touches no state: what happens is told as session events.
How much reader and cards carry at once is learned and kept as long as the thread lives.
Each card put down is a visit with a number, so that what is said about one never meets the next.
A command that hangs is freed by closing the port; the next card gets a new one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from emrtd.active_auth import NONCE_BYTES
from emrtd.errors import ChipGone, ChipLied, EMRTDError, WrongPassword
from emrtd.inspect import Inspection, confirm_presence, inspect
from emrtd.validity import ClockQuality
from emrtd.verify import verify
from hw.card.planned import PlannedReads
from hw.card.reading import read
from hw.errors import DeviceError, DeviceTimeout
from kiosk.session.events import (
    CardConfirmed,
    CardGone,
    CardSeen,
    CardSwapped,
    ChipFailed,
    ChipRead,
    DeviceFailed,
    Event,
    KeyRefused,
    Progressed,
)
from wire.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.apdu import Step
    from emrtd.dialogue import Dialogue
    from emrtd.evidence import Evidence
    from emrtd.files import ReadPlan
    from emrtd.keys import Password
    from emrtd.terminal_auth import Terminal
    from emrtd.trust import TrustStore
    from hw.card.port import CardInfo, CardPort

log = structlog.get_logger(__name__)

WANTED: Final = frozenset({"DG1", "DG2", "DG13"})
WAIT_S: Final = 1.0
"""How long one wait for a card lasts; then the thread looks whether it should end."""
LOOK_S: Final = 0.2
"""How often the thread looks whether the card still lies there."""
AGAIN_S: Final = 2.0
"""How long a card may take to answer again after a refused key."""
BROKEN_S: Final = 2.0
"""Between two tries with a reader that does not work."""
HANG_S: Final = 5.0
"""How long a command may go on after it was broken off, before the port is closed under it."""
END_S: Final = 3.0
PROGRESS_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Read:
    """Open the card with this and read it.

    Attributes:
        password: what opens it.
        fingers: whether its fingerprints are wanted, if there is a terminal that may read them.
    """

    password: Password = field(repr=False)
    fingers: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask the card once more under the live channel."""


Job: TypeAlias = Read | Confirm


@dataclass(frozen=True, slots=True)
class Told:
    """What the thread tells.

    Attributes:
        event: for the session.
        visit: the number of the card that it is about, from 1; 0: about the reader.
        evidence: what was read, with `ChipRead`; for the record and nothing else.
        ms: milliseconds by phase, with `ChipRead`.
        apdus: commands sent, with `ChipRead`.
    """

    event: Event
    visit: int = 0
    evidence: Evidence | None = field(default=None, repr=False)
    ms: Mapping[str, float] = field(default_factory=dict)
    apdus: int = 0


class _BrokenOff(Exception):
    """The session does not want the rest any more."""


class CardThread:
    """One reader. `start` it, give it jobs, `stop` it."""

    def __init__(
        self,
        open_port: Callable[[], CardPort],
        trust: TrustStore,
        tell: Callable[[Told], None],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], ClockQuality] = lambda: ClockQuality.UNKNOWN,
        terminal: Terminal | None = None,
    ) -> None:
        """Take what is needed; nothing is opened yet.

        Args:
            open_port: makes the reader's port; called again after it broke.
            trust: who is trusted to issue cards.
            tell: called on this thread; must return at once.
            now: the instant that certificates are judged at.
            clock: how far that instant can be believed.
            terminal: shows a chip that this device may read its fingerprints; None: it may not.
        """
        self._open_port = open_port
        self._trust = trust
        self._tell = tell
        self._now = now
        self._clock = clock
        self._terminal = terminal
        self._jobs: queue.Queue[tuple[int, Job]] = queue.Queue(1)
        self._visit = 0
        self._over = 0
        self._stopping = threading.Event()
        self._port: CardPort | None = None
        self._busy_since: float | None = None
        self._reads = PlannedReads()
        self._thread = threading.Thread(target=self._run, name="card-reader", daemon=True)

    def start(self) -> None:
        """Begin to wait for cards."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a command that hangs is freed by closing the port."""
        self._stopping.set()
        self._thread.join(END_S)
        port = self._port
        if port is not None:
            with contextlib.suppress(DeviceError, EMRTDError):
                port.close()
        self._thread.join(END_S)

    def ask(self, job: Job, *, visit: int) -> None:
        """Give the thread something to do with the card of a visit."""
        with contextlib.suppress(queue.Full):  # it is busy with a job that was broken off
            self._jobs.put_nowait((visit, job))

    def release(self, visit: int) -> None:
        """Break off what is under way with the card of a visit, and forget its channel."""
        self._over = max(self._over, visit)

    def free_if_hung(self) -> bool:
        """Close the port under a command that goes on long after it was broken off.

        Returns:
            Whether that was done.
        """
        since, port = self._busy_since, self._port
        if not self._is_over(self._visit) or port is None or since is None:
            return False
        if time.monotonic() - since < HANG_S:
            return False
        log.warning("card_command_hung")
        port.close()
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                port = self._port = self._open_port()
            except DeviceError as error:
                self._device_failed(error)
                self._stopping.wait(BROKEN_S)
                continue
            try:
                self._serve(port)
            except DeviceError as error:
                self._device_failed(error)
                self._stopping.wait(BROKEN_S)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the reader
                log.error("card_thread_failed", error=type(error).__name__)  # noqa: TRY400 - a trace may quote
                self._tell(Told(DeviceFailed(Reason.DEVICE_FAILED)))
                self._stopping.wait(BROKEN_S)
            finally:
                self._port = None
                with contextlib.suppress(DeviceError, EMRTDError):
                    port.close()

    def _serve(self, port: CardPort) -> None:
        while not self._stopping.is_set():
            try:
                info = port.connect(timeout_s=WAIT_S)
            except DeviceTimeout:
                continue
            self._visit += 1
            self._tell_of(CardSeen(simulated=port.simulated))
            self._attend(port, info)
            port.disconnect()

    def _attend(self, port: CardPort, info: CardInfo) -> None:
        """Do jobs with one card until it is gone; after the session, wait until it is taken."""
        inspection: Inspection | None = None
        while not self._stopping.is_set():
            job = self._next_job()
            if self._is_over(self._visit):
                inspection = job = None
            if job is None:
                if not port.present():
                    self._tell_of(CardGone())
                    return
                continue
            try:
                self._busy_since = time.monotonic()
                inspection = self._do(job, port, info, inspection)
            except ChipGone:
                self._tell_of(CardGone())
                return
            except _BrokenOff:
                inspection = None
            finally:
                self._busy_since = None

    def _is_over(self, visit: int) -> bool:
        return self._over >= visit or self._stopping.is_set()

    def _tell_of(
        self,
        event: Event,
        evidence: Evidence | None = None,
        ms: Mapping[str, float] | None = None,
        apdus: int = 0,
    ) -> None:
        self._tell(Told(event, self._visit, evidence, ms or {}, apdus))

    def _do(
        self, job: Job, port: CardPort, info: CardInfo, inspection: Inspection | None
    ) -> Inspection | None:
        """Do one job and return the live inspection, if there is one."""
        match job:
            case Read():
                return self._read(port, info, job)
            case Confirm():
                self._confirm(port, inspection)
        return inspection

    def _next_job(self) -> Job | None:
        """Wait a little for a job with this visit's card; one for an earlier card is dropped."""
        try:
            visit, job = self._jobs.get(timeout=LOOK_S)
        except queue.Empty:
            return None
        return job if visit == self._visit else None

    def _read(self, port: CardPort, info: CardInfo, job: Read) -> Inspection | None:
        terminal = self._terminal if job.fingers else None

        def dialogue(plan: ReadPlan) -> Dialogue[Inspection]:
            return inspect(
                job.password,
                wanted=WANTED if terminal is None else WANTED | {"DG3"},
                randomness=os.urandom,
                aa_nonce=os.urandom(NONCE_BYTES),
                plan=plan,
                terminal=terminal,
                on=None if terminal is None else self._now().date(),
            )

        try:
            reading = self._reads.read(port, info, dialogue, self._progress())
        except WrongPassword:
            # The chip's session is spoilt: power it anew before the next try.
            with contextlib.suppress(DeviceTimeout):
                port.connect(timeout_s=AGAIN_S)
            self._tell_of(KeyRefused())
            return None
        except ChipGone:
            raise
        except EMRTDError as error:
            self._tell_of(ChipFailed(error.fault, lied=isinstance(error, ChipLied)))
            return None
        at = self._now()
        evidence = reading.value.evidence
        began = time.monotonic()
        findings = verify(evidence, self._trust, at=at, clock=self._clock())
        ms = {**reading.ms, "verify": (time.monotonic() - began) * 1000}
        self._tell_of(ChipRead(findings, at.date()), evidence, ms, reading.apdus)
        return reading.value

    def _confirm(self, port: CardPort, inspection: Inspection | None) -> None:
        if inspection is None:
            self._tell_of(CardSwapped())
            return
        try:
            read(port, confirm_presence(inspection), self._progress())
        except ChipGone:
            raise
        except EMRTDError as error:
            # Whatever else than its own channel answers is not the chip that was read.
            log.warning("card_confirmation_failed", why=error.fault.value)
            self._tell_of(CardSwapped())
        else:
            self._tell_of(CardConfirmed())

    def _progress(self) -> Callable[[Step], None]:
        """Return what is told before each command; it ends the reading when that is broken off."""
        last_phase, last_s = "", 0.0

        def on_step(step: Step) -> None:
            nonlocal last_phase, last_s
            if self._is_over(self._visit):
                raise _BrokenOff
            now = time.monotonic()
            if step.phase != last_phase or now - last_s >= PROGRESS_S:
                last_phase, last_s = step.phase, now
                self._tell_of(Progressed(step.phase, step.done, step.total))

        return on_step

    def _device_failed(self, error: DeviceError) -> None:
        log.warning("card_reader_failed", why=error.reason)
        self._tell(Told(DeviceFailed(Reason(error.reason))))
