"""The station: obeys the session's effects through the ports, and tells it what happened.

One asyncio loop owns all state; the reader has its thread, the queue its writer, vision its
process. Knows how effects become calls and calls become events, which record a session leaves and
how long things took. Decides nothing: that is `kiosk.session`. Every wait has a deadline, and the
session's own timers end whatever hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from kiosk.outbox import OutboxError, OutboxWriter
from kiosk.session.effects import (
    ConfirmCard,
    Effect,
    FileRecord,
    Forget,
    MatchFace,
    MatchFinger,
    ReadChip,
    Show,
    WatchFaces,
)
from kiosk.session.events import (
    CardGone,
    CardSeen,
    DeviceFailed,
    Dismissed,
    Event,
    RecordRefused,
    RecordStored,
    TimerFired,
)
from kiosk.session.machine import Site, step, timeout_s
from kiosk.session.states import Filing, Idle, ReadingChip, State
from kiosk.station.cards import CardThread, Confirm, Read, Told
from kiosk.station.chance import by_chance
from kiosk.station.clock import clock_quality, time_quality
from kiosk.station.eyes import PLENTY, Eyes
from kiosk.station.fingers import Fingers
from kiosk.station.link_socket import LinkHealth
from kiosk.station.records import Circumstances, draft_of
from kiosk.station.view import Around, ViewModel, view_of
from wire.errors import Malformed, WireError
from wire.reasons import Reason
from wire.record import LANES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Future

    from emrtd.evidence import Evidence
    from emrtd.terminal_auth import Terminal
    from emrtd.trust import TrustStore
    from hw.card.port import CardPort
    from hw.finger.port import FingerPort
    from kiosk.outbox import LaneState, Outbox
    from kiosk.session.policy import PolicyInForce
    from kiosk.session.verdict import Verdict
    from kiosk.station.eyes import HasWorkers
    from kiosk.vision.port import Challenge
    from wire.record import Lane, RecordIdentity

log = structlog.get_logger(__name__)

T = TypeVar("T")

TROUBLE_S: Final = 5.0
"""How long a failed device is shown as failed after it was last told."""
SEEN_S: Final = 3.0
"""How long a verdict stays at least when the next card comes at once."""
LOOK_S: Final = 1.0
"""How often a hanging reader and the queue's marks are looked at."""
SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a station is made of.

    Attributes:
        open_card: makes the reader's port.
        workers: where vision workers come from.
        outbox: the queue.
        trust: who is trusted to issue cards.
        policy: returns what decides now; asked when a session begins.
        site: the code of the place where the device stands.
        procedure: which public procedure asks.
        trust_days: age of the newest issuer's file in days at `trust_at`, None if unknown.
        trust_at: UTC seconds when the issuers were loaded.
        simulated: whether a device is known to be simulated before it says so.
        net: the net that must compare faces; None: whichever the worker has.
        open_finger: makes the fingerprint sensor's port; None: there is none here.
        touch_workers: where touch workers come from; given with a sensor.
        terminal: shows chips that this device may read their fingerprints; None: it may not.
    """

    open_card: Callable[[], CardPort]
    workers: HasWorkers
    outbox: Outbox
    trust: TrustStore = field(repr=False)
    policy: Callable[[], PolicyInForce]
    site: str
    procedure: str = "identity-check"
    trust_days: int | None = None
    trust_at: float = 0.0
    simulated: bool = False
    net: str | None = None
    open_finger: Callable[[], FingerPort] | None = None
    touch_workers: HasWorkers | None = None
    terminal: Terminal | None = field(default=None, repr=False)


@dataclass(slots=True)
class Session:
    """What is gathered beside the state while one citizen is served; gone with `Forget`.

    Attributes:
        visit: the number of the card that is served.
        name: random; logs know a session by it.
        began: on the monotonic clock.
        card_simulated: whether no real reader stands behind the card.
        camera_simulated: whether frames come from a file or a renderer.
        finger_simulated: whether touches come from a simulator; None: no finger was asked for.
        evidence: what was read; for the record and nothing else.
        ms: milliseconds by phase.
        apdus: commands sent.
    """

    visit: int = 0
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    began: float = field(default_factory=time.monotonic)
    card_simulated: bool = False
    camera_simulated: bool = False
    finger_simulated: bool | None = None
    evidence: Evidence | None = field(default=None, repr=False)
    ms: dict[str, float] = field(default_factory=dict)
    apdus: int = 0
    filed: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that ended, for whoever counts or prints: no person in it.

    Attributes:
        verdict: how.
        record: its record, None if it could not be filed.
        ms: milliseconds by phase.
        apdus: commands sent.
    """

    verdict: Verdict
    record: RecordIdentity | None
    ms: Mapping[str, float]
    apdus: int


class Station:
    """One kiosk. `run` it on a loop; `post`, `view` and `subscribe` work from any thread."""

    def __init__(
        self,
        equipment: Equipment,
        *,
        now: Callable[[], float] = time.time,
        challenges: Callable[[], tuple[Challenge, ...]] = by_chance,
        health: Callable[[], LinkHealth] = LinkHealth,
        filed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is needed; nothing is opened yet.

        Args:
            equipment: what the station is made of.
            now: UTC seconds.
            challenges: draws what a person is asked to show life by.
            health: what is known of the way out.
            filed: called on the loop's thread when a record was filed.
        """
        self._equipment = equipment
        self._now = now
        self._challenges = challenges
        self._health = health
        self._filed = filed
        self._site = Site(equipment.policy())
        self._state: State = Idle()
        self._session = Session()
        self._shown: Ended | None = None
        self._trouble: tuple[Reason, float] | None = None
        self._early: Told | None = None
        self._filing: Future[RecordIdentity] | None = None
        self._ended_for_good = False
        self._watchers: list[Callable[[ViewModel], None]] = []
        self._ended: list[Callable[[Ended], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._marks: Mapping[Lane, LaneState] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._eyes: Eyes | None = None
        self._fingers = Fingers(equipment.open_finger, equipment.touch_workers, self.post)
        self._cards: CardThread | None = None
        self._writer: OutboxWriter | None = None
        self._view = view_of(self._state, self._around())

    # what a screen may do, from any thread

    def view(self) -> ViewModel:
        """Return the screen of now."""
        return self._view

    def subscribe(self, watcher: Callable[[ViewModel], None]) -> Callable[[], None]:
        """Call a watcher with each new screen, on the loop's thread; return how to end that."""
        return _listed(self._watchers, watcher)

    def on_ended(self, watcher: Callable[[Ended], None]) -> Callable[[], None]:
        """Call a watcher with each session that ended, as `subscribe` does with screens."""
        return _listed(self._ended, watcher)

    def post(self, event: Event) -> None:
        """Tell the session that something happened."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(self._happen, event)

    def stop(self) -> None:
        """End `run`."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._stop.set()
        self._wake.set()

    def queue_changed(self) -> None:
        """Look at the queue and the way out again, soon; on the loop's thread."""
        self._wake.set()

    def _refresh(self) -> None:
        view = view_of(self._state, self._around())
        if view != self._view:
            self._view = view
            for watcher in tuple(self._watchers):
                watcher(view)

    # the loop

    async def run(self) -> None:
        """Serve citizens until `stop`."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._serve(tasks)
        finally:
            # Nobody is served any more, and no screen may go on saying what it said.
            self._state, self._shown = Idle(self._state.timer), None
            self._ended_for_good = True
            self._refresh()

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        eyes = self._eyes = Eyes(
            self._equipment.workers, self._happen, tasks.create_task, net=self._equipment.net
        )
        cards = self._cards = CardThread(
            self._equipment.open_card,
            self._equipment.trust,
            self._told_from_thread,
            now=lambda: datetime.fromtimestamp(self._now(), UTC),
            clock=clock_quality,
            terminal=self._equipment.terminal,
        )
        writer = self._writer = OutboxWriter(self._equipment.outbox)
        try:
            eyes.prepare()
            cards.start()
            while not self._stop.is_set():
                if isinstance(self._state, Idle):
                    self._site = Site(self._equipment.policy())
                self._wake.clear()
                await self._look_at_queue()
                await asyncio.to_thread(cards.free_if_hung)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_S)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._loop = None
            await asyncio.to_thread(cards.stop)
            await eyes.close()
            await asyncio.to_thread(self._fingers.forget)
            await asyncio.to_thread(writer.close)

    async def _look_at_queue(self) -> None:
        """Read how far the fleet has signed; not on the loop, for the disk may be slow."""
        outbox = self._equipment.outbox
        try:
            self._marks = await asyncio.to_thread(
                lambda: {lane: outbox.lane(lane) for lane in LANES}
            )
        except OutboxError:
            self._note_trouble(Reason.QUEUE_FAILED)
        self._refresh()

    def _told_from_thread(self, told: Told) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._told, told)

    def _told(self, told: Told) -> None:
        if isinstance(told.event, CardGone):
            self._early = None
        if isinstance(told.event, CardSeen):
            if not isinstance(self._state, Idle):
                self._wait_with(told)
                return
            self._session = Session(visit=told.visit, card_simulated=told.event.simulated)
            self._site = Site(self._equipment.policy(), told.event.simulated)
        elif told.visit not in {0, self._session.visit}:
            return  # about a card whose session is over, or has not begun
        if told.evidence is not None and isinstance(self._state, ReadingChip):
            self._session.evidence = told.evidence
            self._session.ms.update(told.ms)
            self._session.apdus = told.apdus
        self._happen(told.event)

    def _wait_with(self, told: Told) -> None:
        """Let the verdict on the screen be seen before the card that lies there already."""
        if self._early is None and self._loop is not None:
            self._loop.call_later(SEEN_S, self._next_card)
        self._early = told

    def _next_card(self) -> None:
        told, self._early = self._early, None
        if told is not None:
            self._happen(Dismissed())
            self._told(told)

    def _happen(self, event: Event) -> None:
        """Let the session go on by one event, and obey."""
        before = self._state
        if isinstance(event, DeviceFailed) and isinstance(before, Idle):
            self._note_trouble(event.reason)
        self._state, effects = step(before, event, self._site)
        name, state = self._session.name, type(self._state)
        if self._state.timer != before.timer or state is Idle:
            self._set_timer()
        if isinstance(before, Filing) and isinstance(event, TimerFired) and self._filing:
            self._filing.cancel()  # what the disk has not begun, it shall not do behind our back
        for effect in effects:
            self._obey(effect)
        if state is Idle and type(before) is not Idle:
            self._shown, self._session = None, Session()
        self._refresh()
        if type(before) is not state:
            log.info("session_went", session=name, state=state.__name__)

    def _note_trouble(self, reason: Reason) -> None:
        self._trouble = (reason, time.monotonic() + TROUBLE_S)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        seconds = timeout_s(self._state, self._site)
        if seconds is not None and self._loop is not None:
            fired = TimerFired(self._state.timer)
            self._timer = self._loop.call_later(seconds, self._happen, fired)

    def _obey(self, effect: Effect) -> None:
        eyes, cards, writer = self._eyes, self._cards, self._writer
        if eyes is None or cards is None or writer is None:
            return  # not running: nothing can have happened
        match effect:
            case WatchFaces():
                self._spawn(eyes.watch())
            case ReadChip(password, fingers):
                cards.ask(Read(password, fingers), visit=self._session.visit)
            case MatchFace(portrait, fmr):
                seconds = max(PLENTY, self._site.policy.policy.patience.face - PLENTY)
                drawn = self._challenges()
                self._spawn(eyes.match(portrait, fmr=fmr, challenges=drawn, seconds=seconds))
            case MatchFinger(references, fmr):
                seconds = max(PLENTY, self._site.policy.policy.patience.finger_s - PLENTY)
                match = partial(self._fingers.match, references, fmr=fmr, seconds=seconds)
                self._spawn(asyncio.to_thread(match))
            case ConfirmCard():
                cards.ask(Confirm(), visit=self._session.visit)
            case FileRecord(verdict):
                self._note_seen_and_felt(eyes, verdict)
                self._file(verdict, writer)
            case Forget():
                self._session.evidence = None
                cards.release(self._session.visit)
                self._spawn(eyes.forget())
                self._spawn(asyncio.to_thread(self._fingers.forget))
            case Show(verdict, record):
                self._show(verdict, record)

    def _note_seen_and_felt(self, eyes: Eyes, verdict: Verdict) -> None:
        session, felt = self._session, self._fingers.felt
        session.ms.update({f"face_{name}": spent for name, spent in eyes.seen.ms.items()})
        session.camera_simulated = eyes.seen.simulated
        if verdict.finger is not None:
            session.ms.update({f"finger_{name}": spent for name, spent in felt.ms.items()})
            session.finger_simulated = verdict.finger.simulated

    def _file(self, verdict: Verdict, writer: OutboxWriter) -> None:
        """Put the record on the disk; what became of it comes back as an event."""
        session = self._session
        session.filed = time.monotonic()
        around = Circumstances(
            procedure=self._equipment.procedure,
            site=self._equipment.site,
            policy=self._site.policy.policy.id,
            card_simulated=session.card_simulated,
            camera_simulated=session.camera_simulated,
            finger_simulated=session.finger_simulated,
            unix_s=self._now(),
            time_quality=time_quality(),
        )
        asked = self._state.timer
        try:
            future = writer.submit(draft_of(verdict, session.evidence, around))
        except (OutboxError, WireError) as error:
            self._soon(RecordRefused(_reason_told(error, session.name), asked))
        else:
            self._filing = future
            name = session.name
            future.add_done_callback(lambda done: self._stored_from_thread(done, asked, name))

    def _stored_from_thread(self, future: Future[RecordIdentity], asked: int, session: str) -> None:
        if future.cancelled():
            return  # it was given up, and the verdict says so
        error = future.exception()
        if error is None:
            self.post(RecordStored(future.result(), asked))
        else:
            self.post(RecordRefused(_reason_told(error, session), asked))

    def _soon(self, event: Event) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._happen, event)

    def _show(self, verdict: Verdict, record: RecordIdentity | None) -> None:
        session = self._session
        now = time.monotonic()
        session.ms["filing"] = (now - session.filed) * 1000
        session.ms["whole"] = (now - session.began) * 1000
        self._shown = Ended(verdict, record, dict(session.ms), session.apdus)
        log.info(
            "session_ended",
            session=session.name,
            outcome=verdict.outcome.value,
            row=verdict.row,
            filed=record is not None,
        )
        if record is not None:
            self._filed()
            self.queue_changed()
        for watcher in tuple(self._ended):
            watcher(self._shown)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        tasks = self._tasks
        if tasks is None or self._stop.is_set():
            work.close()
        else:
            tasks.create_task(work)

    def _trouble_now(self) -> Reason | None:
        """Return what does not work while nobody is served; whoever fails tells so again."""
        if self._ended_for_good:
            return Reason.DEVICE_FAILED
        if self._trouble is None or not isinstance(self._state, Idle):
            return None
        reason, until = self._trouble
        return reason if time.monotonic() < until else None

    def _trust_days(self) -> int | None:
        days, at = self._equipment.trust_days, self._equipment.trust_at
        return None if days is None else days + max(0, int((self._now() - at) // SECONDS_PER_DAY))

    def _around(self) -> Around:
        health, policy, marks = self._health(), self._site.policy, self._marks
        record = None if self._shown is None else self._shown.record
        return Around(
            online=health.online,
            waiting=sum(mark.waiting for mark in marks.values()),
            delivered=record is not None
            and record.lane in marks
            and marks[record.lane].acked_seq >= record.seq,
            trust_days=self._trust_days(),
            policy=policy.policy.id,
            policy_days_left=-1
            if policy.why_none
            else int((policy.policy.not_after - self._now()) // SECONDS_PER_DAY),
            simulated=self._equipment.simulated
            or self._session.card_simulated
            or self._session.camera_simulated
            or bool(self._session.finger_simulated),
            trouble=self._trouble_now(),
        )


def _listed(watchers: list[T], watcher: T) -> Callable[[], None]:
    """Put a watcher on a list and return what takes it off again."""
    watchers.append(watcher)

    def end() -> None:
        with contextlib.suppress(ValueError):
            watchers.remove(watcher)

    return end


def _reason_told(error: BaseException, session: str) -> Reason:
    """Return the closed reason of a filing that failed, and log what kind of error it was."""
    cause = error.__cause__
    log.error(
        "filing_failed",
        session=session,
        error=type(error).__name__,
        why=_field_of(error) if cause is None else type(cause).__name__,
    )
    return error.reason if isinstance(error, OutboxError) else Reason.QUEUE_FAILED


def _field_of(error: BaseException) -> str | None:
    """Return the part and the field of the wire that an error is about; never what was in it."""
    if not isinstance(error, WireError):
        return None
    field = error.field if isinstance(error, Malformed) else ""
    return f"{error.what}: {field}" if field else error.what
