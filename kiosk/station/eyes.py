"""The vision worker as the station sees it: a process of its own, used once and then gone.

Knows how a worker is had (a child process, or the socket that systemd starts one behind) and turns
its frames into session events. Imports no model and no camera. While one citizen is served the next
worker waits, its models loaded; a worker that dies or breaks the agreement is a failed device, and
so is one that contradicts itself or what it was asked (`kiosk.station.hearing`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import msgspec
import structlog

from kiosk.session.events import (
    DeviceFailed,
    Event,
    FaceCue,
    FaceCued,
    FaceHinted,
    FaceJudged,
    FaceMatch,
)
from kiosk.station.hearing import Hearing
from kiosk.vision.port import (
    MAX_FRAME_BYTES,
    MAX_PORTRAIT_BYTES,
    Challenge,
    Cued,
    Failed,
    Fmr,
    FromWorker,
    Hinted,
    Judged,
    Match,
    Ready,
    VisionFrameError,
    Watch,
    decode_from_worker,
    encode,
)
from kiosk.vision.spawn import spawn, spawn_touch
from wire.reasons import Reason
from wire.record import FaceBand, LiveBand

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

log = structlog.get_logger(__name__)

END_S: Final = 1.0
SEND_S: Final = 2.0
PLENTY: Final = 1.0
"""How much of a state's own time the worker leaves to the station."""
SIMULATED: Final = ("sim:", "file:")
"""Schemes of cameras that see nobody."""
MAX_FRAMES: Final = 2_000
"""From one worker: cues and hints of a minute, and many more."""
MAX_LINE_BYTES: Final = 256
"""Of what a child may say at once."""


class _Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says of itself: the name of a phase."""

    event: Annotated[str, msgspec.Meta(pattern=r"\Avision_[a-z_]{1,32}\Z")]


class HasWorkers(Protocol):
    """Where workers come from."""

    def begin(self) -> Worker:
        """Have one more worker. Raises OSError."""
        ...


@dataclass(slots=True)
class Worker:
    """One worker.

    Attributes:
        wire: the socket to it.
        process: it, if it is our child.
        simulated: whether we know its camera to be a file or a renderer, whatever it says.
    """

    wire: socket.socket
    process: subprocess.Popen[bytes] | None = None
    simulated: bool = False

    @property
    def gone(self) -> bool:
        """Whether it hung up while it waited."""
        return self._next_byte() == b""

    @property
    def speaks(self) -> bool:
        """Whether it has said something more, that is not heard yet."""
        return bool(self._next_byte())

    def _next_byte(self) -> bytes | None:
        """Return what waits, without taking it; nothing if it hung up, None if it is silent."""
        try:
            return self.wire.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def end(self) -> None:
        """Hang up; a child that does not end at once is killed."""
        with contextlib.suppress(OSError):
            self.wire.shutdown(socket.SHUT_RDWR)
        self.wire.close()
        if self.process is not None:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_S)


@dataclass(frozen=True, slots=True)
class ChildWorkers:
    """Workers that are children of this process: for a demo, a test, a single machine."""

    camera_url: str
    models: Path
    net: str | None = None
    """The name of the net that embeds, or "strict"; None: the one that is there."""

    def begin(self) -> Worker:
        """Start a child, and pass on the names of its phases. Raises OSError."""
        process, wire = spawn(self.camera_url, self.models, net=self.net, stderr=subprocess.PIPE)
        threading.Thread(target=_pass_on, args=(process,), name="vision-log", daemon=True).start()
        return Worker(wire, process, simulated=self.camera_url.startswith(SIMULATED))


@dataclass(frozen=True, slots=True)
class TouchChildWorkers:
    """Touch workers that are children of this process."""

    models: Path

    def begin(self) -> Worker:
        """Start a child, and pass on the names of its phases. Raises OSError."""
        process, wire = spawn_touch(self.models, stderr=subprocess.PIPE)
        threading.Thread(target=_pass_on, args=(process,), name="touch-log", daemon=True).start()
        return Worker(wire, process)


def _pass_on(process: subprocess.Popen[bytes]) -> None:
    """Log the phases that a child names; whatever else it says is not repeated."""
    said = process.stderr
    if said is None:
        return
    with said:
        while line := said.readline(MAX_LINE_BYTES):
            try:
                name = msgspec.json.decode(line, type=_Phase).event
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            log.info(name)


@dataclass(frozen=True, slots=True)
class SocketWorkers:
    """Workers that systemd starts, one for each connection."""

    path: Path

    def begin(self) -> Worker:
        """Connect. Raises OSError."""
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            wire.connect(str(self.path))
        except OSError:
            wire.close()
            raise
        return Worker(wire)


@dataclass(slots=True)
class Seen:
    """What one worker told beside events: which models it runs, and how long things took."""

    models: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
    ms: Mapping[str, float] = field(default_factory=dict)


class Eyes:
    """Serves one citizen after the other; belongs to one asyncio loop.

    What is asked is done in the order in which it was asked, and only the worker of the citizen who
    is served is heard.
    """

    def __init__(
        self,
        workers: HasWorkers,
        tell: Callable[[Event], None],
        spawn_task: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        *,
        net: str | None = None,
    ) -> None:
        """Take what is needed; nothing is started yet.

        Args:
            workers: where workers come from.
            tell: takes session events, on the loop's thread.
            spawn_task: makes a task of the group that this loop runs.
            net: the net that must compare; a worker that runs another is a failed device. None:
                whichever it has.
        """
        self._workers = workers
        self._tell = tell
        self._spawn_task = spawn_task
        self._net = net
        self._waiting: Worker | None = None
        self._worker: Worker | None = None
        self._hearing = Hearing(net)
        self._listening: asyncio.Task[None] | None = None
        self._in_order = asyncio.Lock()
        self.seen = Seen()

    def prepare(self) -> None:
        """Have the next worker start now, so that it is there when a citizen comes."""
        if self._waiting is None:
            try:
                self._waiting = self._workers.begin()
            except OSError as error:
                log.warning("vision_worker_missing", code=error.errno)

    async def watch(self) -> None:
        """Let a worker open its camera and look; an earlier citizen's is ended first."""
        async with self._in_order:
            await self._end_worker()
            if self._waiting is not None and self._waiting.gone:
                gone, self._waiting = self._waiting, None
                log.warning("vision_worker_lost", error="gone")
                await asyncio.to_thread(gone.end)
            self.prepare()
            worker, self._waiting = self._waiting, None
            if worker is None:
                return
            self._worker, self.seen, self._hearing = worker, Seen(), Hearing(self._net)
            worker.wire.setblocking(False)  # noqa: FBT003 - the library's own signature
            self._listening = self._spawn_task(self._listen(worker))
            await self._send(worker, Watch())

    async def match(
        self, portrait: bytes, *, fmr: Fmr, challenges: tuple[Challenge, ...], seconds: float
    ) -> None:
        """Ask for the one comparison; the worker's last word comes as an event."""
        async with self._in_order:
            worker = self._worker
            silent = self._listening is None or self._listening.done()
            if worker is None or silent or self._hearing.asked:
                self._tell(DeviceFailed(Reason.DEVICE_MISSING))
            elif len(portrait) > MAX_PORTRAIT_BYTES:
                self._tell(FaceJudged(FaceMatch(reasons=(Reason.QUALITY_PORTRAIT,))))
            else:
                match = Match(portrait=portrait, fmr=fmr, challenges=challenges, seconds=seconds)
                self._hearing.ask(challenges)
                await self._send(worker, match)

    async def forget(self) -> None:
        """End the worker; with its process go pixels and embeddings. Then prepare the next."""
        async with self._in_order:
            await self._end_worker()
            self.prepare()

    async def close(self) -> None:
        """End every worker."""
        async with self._in_order:
            await self._end_worker()
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                await asyncio.to_thread(waiting.end)

    async def _end_worker(self) -> None:
        listening, self._listening = self._listening, None
        worker, self._worker = self._worker, None
        self.seen = Seen()
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        if worker is not None:
            await asyncio.to_thread(worker.end)

    async def _send(self, worker: Worker, frame: Watch | Match) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SEND_S):
                await loop.sock_sendall(worker.wire, encode(frame))
        except (OSError, TimeoutError):
            self._tell(DeviceFailed(Reason.DEVICE_FAILED))

    async def _listen(self, worker: Worker) -> None:
        """Turn frames into events until the worker has hung up after its last word, or is lost."""
        try:
            await self._hear(worker)
        except (OSError, VisionFrameError) as error:
            log.warning("vision_worker_lost", error=type(error).__name__)
            self._tell(DeviceFailed(Reason.DEVICE_FAILED))

    async def _hear(self, worker: Worker) -> None:
        """Hear all that a worker says. Raises OSError, VisionFrameError."""
        for _ in range(MAX_FRAMES):
            # Whoever floods us takes turns with everything else on this loop.
            await asyncio.sleep(0)
            frame = await self._next(worker)
            self._tell_of(frame, worker)
            if isinstance(frame, Failed):
                return
            if isinstance(frame, Judged):
                await self._hear_end(worker)
                return
        raise VisionFrameError("a flood")

    async def _next(self, worker: Worker) -> FromWorker:
        """Return the next frame, if it can be true. Raises OSError, VisionFrameError."""
        raw = await asyncio.get_running_loop().sock_recv(worker.wire, MAX_FRAME_BYTES + 1)
        frame = decode_from_worker(raw)
        self._hearing.hear(frame)
        if isinstance(frame, Judged) and worker.speaks:
            raise VisionFrameError("more after the last word")
        return frame

    async def _hear_end(self, worker: Worker) -> None:
        """Wait until the worker hangs up. Raises VisionFrameError: it said something more."""
        with contextlib.suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(worker.wire, 1):
                raise VisionFrameError("more after the last word")

    def _tell_of(self, frame: FromWorker, worker: Worker) -> None:
        if isinstance(frame, Ready):
            self.seen.models = frame.models
            self.seen.simulated = frame.simulated or worker.simulated
        else:
            self._tell(self._event(frame))

    def _event(self, frame: Cued | Hinted | Judged | Failed) -> Event:
        match frame:
            case Cued(cue):
                return FaceCued(FaceCue(cue))
            case Hinted(hint):
                return FaceHinted(None if hint is None else Reason(hint))
            case Judged():
                self.seen.ms = frame.ms
                return FaceJudged(
                    FaceMatch(
                        band=FaceBand(frame.band),
                        live=LiveBand(frame.live),
                        frames=frame.frames,
                        tries=frame.tries,
                        reasons=tuple(map(Reason, frame.reasons)),
                        simulated=self.seen.simulated,
                        models=self.seen.models,
                    )
                )
            case Failed(reason):
                return DeviceFailed(Reason(reason))
