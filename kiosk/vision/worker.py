"""The worker: one socket to the station, one camera, one citizen, then the end.

Knows the loop between both, its clock and its exit. What is on a frame is `sight`'s, what follows
from it `pipeline`'s. Says nothing on standard error but the names of its phases.

Exit codes: 0 the citizen was judged, or the station hung up; 1 a device or a model failed; 2 the
station sent what is no agreed frame, or one out of turn.
"""

from __future__ import annotations

import json
import math
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from hw.camera.controls import FaceExposure
from hw.camera.port import Cue
from hw.errors import DeviceError, DeviceMissing, DeviceTimeout
from hw.open import open_camera
from kiosk.vision import harden
from kiosk.vision.capture import Capture
from kiosk.vision.lens import Lens
from kiosk.vision.pipeline import Examination, Likeness, Question
from kiosk.vision.port import (
    MAX_FRAME_BYTES,
    VISION_VERSION,
    Cued,
    Failed,
    Judged,
    Match,
    Ready,
    VisionFrameError,
    Watch,
    decode_to_worker,
    encode,
)
from kiosk.vision.sight import Eyes
from models.face.decide import OTHER_FMR, SAME_FMR, band_of
from models.face.picture import PictureError
from models.portrait import PortraitError
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hw.camera.port import CameraPort, Frame
    from kiosk.vision.port import BandName, Challenge, FailureName, Fmr, FromWorker, ToWorker
    from kiosk.vision.sight import Sight
    from models.calibration import Calibration

LOAD_MAX_S: Final = 30.0
"""From the start until the models are loaded; a station that hung up meanwhile is not heard."""
WATCH_MAX_S: Final = 600.0
"""From Watch to Match; a station that forgot its worker does not keep a camera on."""
STALL_S: Final = 5.0
"""A camera that is open and gives no frame for so long has failed; a first frame may take longer
than the next."""
STALE_S: Final = 2.0
"""An older frame shows what was, not what is."""
SEND_S: Final = 0.2
"""The station reads at once, or is gone."""
GRACE_S: Final = 2
"""So long after a deadline the kernel ends the process, wherever it is stuck."""
STOP_S: Final = 0.2
"""How long the camera may take to close after the last word. Nobody waits for one that failed, nor
when the station left: the end of the process closes it anyway."""


class Exit(IntEnum):
    """The process's exit codes."""

    DONE = 0
    FAILED = 1
    REFUSED = 2


class Phase(StrEnum):
    """All that is ever logged."""

    STARTED = "started"
    UNCALIBRATED = "uncalibrated"
    """What the net's scores mean is not known, or a site's own calibration cannot be used."""
    LAXER = "laxer_than_shipped"
    """A site's own calibration takes for the same what the shipped one does not."""
    TEXTURE_LAXER = "texture_laxer_than_shipped"
    """A site's own texture model takes lower log-odds for skin than the shipped one does."""
    LOADED = "loaded"
    WATCHING = "watching"
    READY = "ready"
    MATCHING = "matching"
    JUDGED = "judged"
    FAILED = "failed"
    STATION_LEFT = "station_left"
    FRAME_REFUSED = "frame_refused"


class _StationLeftError(Exception):
    """The station hung up, or does not read."""


class _Finished(Exception):
    """All has been said."""

    def __init__(self, code: Exit) -> None:
        super().__init__(code)
        self.code = code


def run(*, fd: int, camera: str, models: Path, net: str | None, production: bool) -> Exit:
    """Serve one citizen over an inherited socket, and return how to exit.

    The caller ends the process with it at once (`os._exit`): the camera's thread may be stuck.

    Args:
        fd: of the SOCK_SEQPACKET socket to the station.
        camera: the camera's URL.
        models: the folder of the model files.
        net: the name of the net that embeds, or "strict"; None: the one that is there.
        production: whether simulated cameras are refused.
    """
    held = harden.isolate(fd)
    say(Phase.STARTED)
    with socket.socket(fileno=fd) as connection:
        station = Station(connection)
        try:
            _Worker(station, camera, models, net=net, production=production, held=held).serve()
        except _Finished as finished:
            return finished.code
        except _StationLeftError:
            say(Phase.STATION_LEFT)
            return Exit.DONE
        except VisionFrameError:
            say(Phase.FRAME_REFUSED)
            return Exit.REFUSED


def say(phase: Phase, *, without: Sequence[harden.Measure] = ()) -> None:
    """Write one line of JSON to standard error, which may be closed or full."""
    line: dict[str, object] = {"event": f"vision_{phase}"}
    if without:
        line["without"] = sorted(without)
    with suppress(OSError, ValueError):
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


class Station:
    """The station's end of the socket, frame by frame."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SEND_S)
        self._connection = connection

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._connection.fileno()

    def receive(self) -> ToWorker:
        """Return the frame that has come.

        Raises:
            VisionFrameError: not an agreed one.
            _StationLeftError: there is none, and none will come.
        """
        try:
            raw, _, flags, _ = self._connection.recvmsg(MAX_FRAME_BYTES + 1)
        except OSError as error:
            raise _StationLeftError from error
        if not raw:
            raise _StationLeftError
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise VisionFrameError("longer than a frame, or with descriptors")
        return decode_to_worker(raw)

    def send(self, frame: FromWorker) -> None:
        """Send one frame.

        Raises:
            _StationLeftError: it was not taken within `SEND_S`.
        """
        try:
            self._connection.send(encode(frame))
        except OSError as error:
            raise _StationLeftError from error


class _Worker:
    """The state of the process; the main thread's alone."""

    def __init__(
        self,
        station: Station,
        camera: str,
        models: Path,
        *,
        net: str | None,
        production: bool,
        held: frozenset[harden.Measure],
    ) -> None:
        self._station = station
        _end_within(LOAD_MAX_S)
        try:
            self._camera: CameraPort = open_camera(camera, allow_simulators=not production)
            self._eyes = Eyes(models, net)
            self._calibration = self._eyes.calibration
        except (DeviceError, ModelError) as error:
            if isinstance(error, ModelError) and error.why == "uncalibrated":
                say(Phase.UNCALIBRATED)
            self._fail(error)
        if self._eyes.laxer:
            say(Phase.LAXER)
        if self._eyes.texture_laxer:
            say(Phase.TEXTURE_LAXER)
        held |= harden.seal()
        signal.alarm(0)  # whoever has loaded may wait for a citizen as long as it takes
        say(Phase.LOADED, without=[each for each in harden.Measure if each not in held])
        self._capture: Capture | None = None
        self._examination = Examination(likeness(self._eyes), skin=self._eyes.skin)
        self._lens, self._exposure = Lens(), FaceExposure()
        self._ready = False
        self._asked_s: float | None = None
        self._deadline_s = math.inf
        self._fresh_until_s = math.inf

    def serve(self) -> NoReturn:
        """Answer the station until all is said; ends with the exception that says how."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._station, selectors.EVENT_READ)
            try:
                while True:
                    self._turn(selector)
            except (DeviceError, ModelError, PictureError) as error:
                self._fail(error)
            except _Finished:
                if self._capture is not None:
                    self._capture.stop(STOP_S)
                raise

    def _turn(self, selector: selectors.BaseSelector) -> None:
        """Wait for whatever comes first, and do it; the station before the camera."""
        due_s = min(self._deadline_s, self._fresh_until_s) - time.monotonic()
        ready = selector.select(None if math.isinf(due_s) else max(due_s, 0.0))
        if any(key.fileobj is self._station for key, _ in ready):
            self._take(self._station.receive(), selector)
        elif self._capture is not None and ready:
            self._see(self._capture)
        self._keep_time()

    def _take(self, frame: ToWorker, selector: selectors.BaseSelector) -> None:
        match frame:
            case Watch() if self._capture is None and frame.version == VISION_VERSION:
                self._watch(selector)
            case Match() if self._capture is not None and self._asked_s is None:
                self._match(frame)
            case _:
                raise VisionFrameError("not that, or not now")

    def _watch(self, selector: selectors.BaseSelector) -> None:
        say(Phase.WATCHING)
        self._capture = Capture(self._camera)
        selector.register(self._capture.fd, selectors.EVENT_READ)
        self._capture.start()
        _end_within(WATCH_MAX_S)
        self._deadline_s = time.monotonic() + WATCH_MAX_S
        self._fresh_until_s = time.monotonic() + STALL_S

    def _match(self, frame: Match) -> None:
        say(Phase.MATCHING)
        now_s = time.monotonic()
        self._asked_s, self._deadline_s = now_s, now_s + frame.seconds
        _end_within(frame.seconds)
        self._eyes.take_ms()
        try:
            portrait = self._eyes.read_portrait(frame.portrait)
        except PortraitError:
            self._judge(Judged(band="none", live="absent", frames=0, reasons=("quality_portrait",)))
        self._examination.ask(
            question(
                self._eyes,
                portrait,
                fmr=frame.fmr,
                challenges=frame.challenges,
                until_s=self._deadline_s,
            )
        )

    def _see(self, capture: Capture) -> None:
        frame = capture.take()
        now_s = time.monotonic()
        if frame is None or now_s - frame.monotonic_ns / 1e9 > STALE_S:
            return
        if not self._ready:
            self._ready = True
            say(Phase.READY)
            self._station.send(Ready(models=self._eyes.models, simulated=self._camera.simulated))
        self._fresh_until_s = now_s + STALL_S
        sight = self._eyes.look(frame, fresh=capture.fresh)
        self._steer(frame, sight, capture)
        for said in self._examination.see(sight):
            self._say(said, capture)

    def _steer(self, frame: Frame, sight: Sight, capture: Capture) -> None:
        """Expose for the face; raise DeviceFailed if these are no pictures of people at all."""
        light, at_s = sight.light, sight.taken_s
        self._lens.see(frame.rgb, at_s=at_s, warmth=None if light is None else light.warmth)
        luma = None if light is None else light.brightness
        controls = self._exposure.see(luma, at_s=at_s)
        if controls is not None:
            capture.set_controls(controls)

    def _keep_time(self) -> None:
        now_s = time.monotonic()
        for said in self._examination.expire(now_s):
            self._say(said, None)
        if now_s >= self._deadline_s:
            raise _StationLeftError
        if now_s >= self._fresh_until_s:
            raise DeviceTimeout("camera", "no frame")

    def _say(self, frame: FromWorker, capture: Capture | None) -> None:
        if isinstance(frame, Judged):
            self._judge(frame)
        if isinstance(frame, Cued) and capture is not None:
            capture.cue(Cue(frame.cue))
        self._station.send(frame)

    def _judge(self, judged: Judged) -> NoReturn:
        whole_ms = (time.monotonic() - (self._asked_s or 0.0)) * 1000
        ms = {phase: round(each, 1) for phase, each in self._eyes.take_ms().items()}
        self._station.send(msgspec.structs.replace(judged, ms={**ms, "whole": round(whole_ms, 1)}))
        say(Phase.JUDGED)
        raise _Finished(Exit.DONE)

    def _fail(self, error: Exception) -> NoReturn:
        say(Phase.FAILED)
        self._station.send(Failed(_failure(error)))
        raise _Finished(Exit.FAILED)


def band_for(
    frames: Sequence[NDArray[np.float32]],
    *,
    reference: NDArray[np.float32],
    calibration: Calibration,
    fmr: Fmr,
    closeness: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
) -> BandName:
    """Return how like the reference the frames are, where "same" means at the rate asked for.

    A stricter rate makes of what is the same at 1e-4 only "unsure"; a laxer one takes what would be
    "unsure" for the same.
    """
    return band_of(
        frames, reference, calibration=calibration, fmr=float(fmr), closeness=closeness
    ).value


def _end_within(seconds: float) -> None:
    """Let the kernel end a process whose codec, net or camera hangs: nothing of ours would run."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds) + GRACE_S)


def likeness(eyes: Eyes, fmr: Fmr = "1e-4") -> Likeness:
    """Return when two frames show the same person: no laxer than a portrait at that rate.

    Frames of one camera are closer than a portrait is: a laxer rate than 1e-4 is not needed.

    Raises:
        KeyError: the calibration has no threshold for 1e-4 or the rate.
    """
    least = eyes.calibration.score_at(min(float(fmr), SAME_FMR))
    return Likeness(least=least, closeness=eyes.closeness)


def question(
    eyes: Eyes,
    portrait: NDArray[np.float32],
    *,
    fmr: Fmr,
    challenges: tuple[Challenge, ...],
    until_s: float,
) -> Question:
    """Return what an examination has to find out.

    Args:
        eyes: that see the frames.
        portrait: its embedding, of the same eyes.
        fmr: the nominal false match rate at which a face counts as the same.
        challenges: what is asked for, and what in a second try.
        until_s: when the answer is due, on the clock of the sights.

    Raises:
        KeyError: the calibration has no threshold for a rate.
    """
    calibration = eyes.calibration
    other = calibration.score_at(OTHER_FMR)
    return Question(
        challenges,
        until_s,
        likeness(eyes, fmr),
        compare=partial(
            band_for,
            reference=portrait,
            calibration=calibration,
            fmr=fmr,
            closeness=eyes.closeness,
        ),
        stranger=lambda seen: not eyes.closeness(seen, portrait) >= other,
    )


def _failure(error: Exception) -> FailureName:
    match error:
        case DeviceMissing():
            return "device_missing"
        case DeviceTimeout():
            return "device_timeout"
        case _:
            return "device_failed"
