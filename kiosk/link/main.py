"""The link process: one loop between the station's socket and the line to the broker.

Knows the loop, its clock and its two ends. Does not decide what is sent (`shipper` does), and can't
read what it carries: groups are sealed, receipts are the station's to verify. A broker or a station
that is away is awaited; one that breaks the agreement is left and met again.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from kiosk.link.backoff import FullJitter
from kiosk.link.home import LinkHomeUnusableError
from kiosk.link.mqtt import Happening, Line, LineDown, LineUp, MessageCame, Topics
from kiosk.link.shipper import (
    BrokerJoined,
    BrokerLost,
    Event,
    HandReceipt,
    LeaveStation,
    PublishGroup,
    PublishStatus,
    ReceiptCame,
    ReportLink,
    Shipper,
    StationLost,
    TimePassed,
    step,
    wake_s,
)
from kiosk.link.station import StationEnd, greeted, said
from wire.errors import HandoverError, WireError
from wire.handover import Frame, LinkState, ReceiptIn
from wire.receipt import claimed_receipt
from wire.record import LANES
from wire.topics import topic

if TYPE_CHECKING:
    from kiosk.link.home import LinkConfig

log = structlog.get_logger(__name__)

LOOK_S = 0.2
"""How often the loop looks whether it should end."""
HELLO_S = 5.0
"""How long a station may take to say who it is."""
STEADY_S = 5.0
"""A conversation of this length was a good one: the next try comes soon again."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 3.0
"""The station is on this machine: it may be asked often."""
MESSAGES_PENDING = 256
"""Messages from the broker that may wait for the loop; what is beyond is dropped, and comes again
with its group."""
FRAMES_PENDING = 256
"""Frames that may wait for the station; one that doesn't read is left."""


def run(config: LinkConfig, stopping: threading.Event) -> None:
    """Carry groups to the broker and receipts to the station until `stopping` is set.

    Args:
        config: whose link it is, and where both ends are.
        stopping: set by anyone, e.g. a signal handler; the link ends within two seconds.

    Raises:
        LinkHomeUnusableError: a TLS file is missing or is not what it should be.
    """
    asyncio.run(_Link(config).serve(stopping))


class _Link:
    """The state of the process; touched by its loop alone, but for `_from_line`."""

    def __init__(self, config: LinkConfig) -> None:
        self._config = config
        names = {
            kind: topic(config.device, kind, shards=config.shards) for kind in ("ev", "ack", "st")
        }
        topics = Topics(groups=names["ev"], receipts=names["ack"], status=names["st"])
        try:
            self._line = Line(config.broker, topics, self._from_line)
        except OSError as error:
            raise LinkHomeUnusableError(f"TLS files: {type(error).__name__}") from error
        self._shipper = Shipper.idle(LANES)
        self._room = threading.BoundedSemaphore(MESSAGES_PENDING)
        self._from_broker: asyncio.Queue[Happening] = asyncio.Queue()
        self._to_station: asyncio.Queue[Frame] = asyncio.Queue(FRAMES_PENDING)
        self._end: StationEnd | None = None
        self._turned_s = time.monotonic()
        """When the broker was last joined or lost."""

    async def serve(self, stopping: threading.Event) -> None:
        """Run until told to stop."""
        self._loop = asyncio.get_running_loop()
        self._line.start()
        log.info("link_started", device=self._config.device)
        try:
            async with asyncio.TaskGroup() as tasks:
                both = [
                    tasks.create_task(self._keep_station()),
                    tasks.create_task(self._hear_broker()),
                ]
                await self._keep_time(stopping)
                for task in both:
                    task.cancel()
        finally:
            self._line.stop()
            log.info("link_stopped")

    async def _keep_time(self, stopping: threading.Event) -> None:
        """Wake the shipper when it is due, until the process is to end."""
        while not stopping.is_set():
            due_s, now_s = wake_s(self._shipper), time.monotonic()
            if due_s is not None and due_s <= now_s:
                self._take(TimePassed())
            await asyncio.sleep(LOOK_S if due_s is None else min(LOOK_S, max(0, due_s - now_s)))

    # the broker's end

    def _from_line(self, happening: Happening) -> None:
        """Hand a happening from the line's thread to the loop."""
        if isinstance(happening, MessageCame) and not self._room.acquire(blocking=False):
            return
        with suppress(RuntimeError):  # the loop has ended; so has this process, soon
            self._loop.call_soon_threadsafe(self._from_broker.put_nowait, happening)

    async def _hear_broker(self) -> None:
        while True:
            match await self._from_broker.get():
                case LineUp():
                    self._turned_s = time.monotonic()
                    self._take(BrokerJoined())
                case LineDown():
                    if self._shipper.broker:
                        self._turned_s = time.monotonic()
                    self._take(BrokerLost())
                case MessageCame(payload):
                    self._room.release()
                    self._hear_receipt(payload)

    def _hear_receipt(self, raw: bytes) -> None:
        """Look at what a message claims; whether it is true is the station's to find out."""
        try:
            claimed = claimed_receipt(raw)
        except WireError:
            log.warning("receipt_unreadable")
            return
        if claimed.device != self._config.device:
            log.warning("receipt_of_another_device")
            return
        self._take(ReceiptCame(claimed.lane, claimed.epoch, claimed.high_water, raw))

    # the station's end

    async def _keep_station(self) -> None:
        backoff = FullJitter(FIRST_WAIT_S, LONGEST_WAIT_S, random.SystemRandom().random)
        while True:
            begun_s = time.monotonic()
            try:
                with await StationEnd.connect(self._config.socket) as end:
                    await self._greet(end)
            except* HandoverError as broken:
                log.warning("station_broke_agreement", error=str(broken.exceptions[0]))
            except* OSError as lost:
                log.info("station_away", error=type(lost.exceptions[0]).__name__)
            if time.monotonic() - begun_s >= STEADY_S:
                backoff.succeeded()
            await asyncio.sleep(backoff.next_s())

    async def _greet(self, end: StationEnd) -> None:
        """Hear who the station is, then talk until one of us hangs up."""
        async with asyncio.timeout(HELLO_S):
            first = await end.receive()
        joined = greeted(first, device=self._config.device, shards=self._config.shards)
        self._to_station = asyncio.Queue(FRAMES_PENDING)
        self._end = end
        log.info("station_joined")
        try:
            self._take(joined)
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(self._speak(end))
                await self._listen(end)
                speaking.cancel()
        finally:
            self._end = None
            self._take(StationLost())
            log.info("station_lost")

    async def _listen(self, end: StationEnd) -> None:
        while (frame := await end.receive()) is not None:
            self._take(said(frame))

    async def _speak(self, end: StationEnd) -> None:
        while True:
            await end.send(await self._to_station.get())

    def _tell(self, frame: Frame) -> None:
        try:
            self._to_station.put_nowait(frame)
        except asyncio.QueueFull:
            self._leave("station_does_not_read")

    def _leave(self, why: str) -> None:
        log.warning(why)
        if self._end is not None:
            self._end.hang_up()

    # what both ends lead to

    def _take(self, event: Event) -> None:
        """Let the shipper decide on an event, and do what it says."""
        self._shipper, effects = step(
            self._shipper, event, now_s=time.monotonic(), settings=self._config.settings
        )
        for effect in effects:
            match effect:
                case PublishGroup(sealed):
                    self._line.publish_group(sealed)
                case PublishStatus(raw):
                    self._line.publish_status(raw)
                case HandReceipt(raw):
                    self._tell(ReceiptIn(raw=raw))
                case ReportLink(online):
                    since_s = time.monotonic() - self._turned_s
                    self._tell(LinkState(connected=online, since_s=since_s))
                case LeaveStation():
                    self._leave("station_sent_out_of_turn")
