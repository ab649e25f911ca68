"""A finger as the station sees it: one thread that leads a person, a sensor and a touch worker.

Knows the order of a comparison: the chip's fingerprints to the worker, then touch after touch from
the sensor until the worker has judged. Imports no model and no driver. Whatever fails is told as
what was found, with its reason, for a finger ends no service. Every wait has a deadline; who
forgets closes the sensor and kills the worker under whatever waits. An image passes through here,
from chip or sensor to the worker; what stays is a keyed digest of each touch, by which the very
same bits are known again in a later session. No finger gives them twice: every sensor has noise.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from emrtd.errors import ChipMalformed
from emrtd.lds import dg3
from emrtd.lds.dg3 import FingerPosition
from hw.errors import DeviceError
from hw.finger.errors import NoFinger, PortClosed
from hw.finger.port import FingerImage, Light
from kiosk.session.events import (
    Event,
    FingerCue,
    FingerCued,
    FingerHinted,
    FingerJudged,
    FingerMatch,
)
from kiosk.vision.port import VisionFrameError
from kiosk.vision.touch_port import (
    MAX_FRAME_BYTES,
    MAX_IMAGE_BYTES,
    MAX_PPI,
    MAX_REFERENCES,
    MAX_TOUCHES,
    MIN_PPI,
    Again,
    CodedTouch,
    Compare,
    Reference,
    Touch,
    TouchJudged,
    TouchReady,
    decode_from_touch,
    encode,
    parts_of,
)
from wire.reasons import Reason
from wire.record import FingerBand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.lds.dg3 import FingerImage as ChipFinger
    from hw.finger.port import FingerPort
    from hw.finger.port import Touch as SensorTouch
    from kiosk.station.eyes import HasWorkers, Worker
    from kiosk.vision.port import Fmr
    from kiosk.vision.touch_port import FromTouch, ToTouch

log = structlog.get_logger(__name__)

ANSWER_S: Final = 15.0
"""How long the worker may take with one touch and the chip's fingerprints of one finger."""
KEPT_DIGESTS: Final = 4096
DIGEST_BYTES: Final = 16
LIFT_S: Final = 10.0
END_S: Final = 3.0


class _BrokenOffError(Exception):
    """The session does not want the rest any more."""


@dataclass(slots=True)
class Felt:
    """What one comparison told beside events: which models ran, and how long things took."""

    models: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
    ms: Mapping[str, float] = field(default_factory=dict)


class SeenTouches:
    """Which touches there were since this program began; it can tell of none what was on it."""

    def __init__(self) -> None:
        """Know none."""
        self._key = secrets.token_bytes(DIGEST_BYTES)
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def has(self, touch: SensorTouch) -> bool:
        """Whether the very same bits were added before."""
        return self._digest(touch) in self._digests

    def add(self, touch: SensorTouch) -> None:
        """Remember a touch; the oldest of `KEPT_DIGESTS` is forgotten."""
        self._digests[self._digest(touch)] = None
        while len(self._digests) > KEPT_DIGESTS:
            self._digests.popitem(last=False)

    def _digest(self, touch: SensorTouch) -> bytes:
        raw = touch.pixels.tobytes() if isinstance(touch, FingerImage) else touch.coded
        return hashlib.blake2b(raw, key=self._key, digest_size=DIGEST_BYTES).digest()


class _Tell(Protocol):
    def __call__(self, event: Event, /) -> None: ...


class Fingers:
    """Serves one citizen after the other; its methods may wait, and are called on any thread."""

    def __init__(
        self,
        open_port: Callable[[], FingerPort] | None,
        workers: HasWorkers | None,
        tell: _Tell,
    ) -> None:
        """Take what is needed; nothing is opened yet.

        Args:
            open_port: makes the sensor's port; None: there is no sensor here.
            workers: where touch workers come from; given with a sensor.
            tell: takes session events, on the thread of the comparison.
        """
        self._open_port = open_port
        self._workers = workers
        self._tell = tell
        self._comparison: _Comparison | None = None
        self._in_order = threading.Lock()
        self._seen = SeenTouches()
        self.felt = Felt()

    def match(self, references: tuple[ChipFinger, ...], *, fmr: Fmr, seconds: float) -> None:
        """Begin the one comparison; its end comes as `FingerJudged`, unless `forget` was first."""
        self.forget()
        with self._in_order:
            self.felt = Felt()
            if self._open_port is None or self._workers is None:
                self._tell(FingerJudged(FingerMatch(reasons=(Reason.DEVICE_MISSING,))))
                return
            self._comparison = _Comparison(
                self._open_port,
                self._workers,
                self._tell,
                self.felt,
                self._seen,
                references,
                fmr,
                seconds,
            )
            self._comparison.start()

    def forget(self) -> None:
        """End what is under way; with the worker go templates, and what it was sent."""
        with self._in_order:
            comparison, self._comparison = self._comparison, None
            if comparison is not None:
                comparison.end()


class _Comparison:
    """One person's: a thread, a sensor, a worker."""

    def __init__(
        self,
        open_port: Callable[[], FingerPort],
        workers: HasWorkers,
        tell: _Tell,
        felt: Felt,
        seen: SeenTouches,
        references: tuple[ChipFinger, ...],
        fmr: Fmr,
        seconds: float,
    ) -> None:
        self._open_port = open_port
        self._workers = workers
        self._tell_anyone = tell
        self._felt = felt
        self._seen = seen
        self._references = references
        self._fmr: Fmr = fmr
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._over, self._judged = threading.Event(), threading.Event()
        self._port: FingerPort | None = None
        self._worker: Worker | None = None
        self._thread = threading.Thread(target=self._run, name="finger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Break off: what waits for the sensor or for the worker is freed by closing them."""
        self._over.set()
        port, worker = self._port, self._worker
        if worker is not None:
            worker.end()
        if port is not None and not self._judged.is_set():
            with contextlib.suppress(DeviceError):
                port.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(END_S)

    def _run(self) -> None:
        try:
            match = self._found()
            # With the worker's process go templates, and what it was sent.
            self._end_worker()
            self._judged.set()
            self._tell(FingerJudged(match))
        except _BrokenOffError:
            return
        finally:
            # Nobody waits for it: overwriting what a module holds takes as long as an image.
            self._end_worker()
            self._close_port()

    def _found(self) -> FingerMatch:
        """Return what was found, or why nothing was. Raises _BrokenOffError."""
        try:
            return self._compared()
        except _BrokenOffError:
            raise
        except NoFinger:
            return FingerMatch(reasons=(Reason.NO_FINGER,))
        except DeviceError as error:
            log.warning("finger_sensor_failed", why=error.reason)
            return FingerMatch(reasons=(Reason(error.reason),))
        except ChipMalformed:
            log.warning("finger_sensor_failed", why="record")
        except (OSError, VisionFrameError) as error:
            log.warning("touch_worker_lost", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the session
            log.error("finger_thread_failed", error=type(error).__name__)  # noqa: TRY400 - a trace may quote
        return FingerMatch(reasons=(Reason.DEVICE_FAILED,))

    def _compared(self) -> FingerMatch:
        worker = self._worker = self._workers.begin()
        if self._over.is_set():
            raise _BrokenOffError
        worker.wire.settimeout(ANSWER_S)
        if not self._send_references():
            return FingerMatch(reasons=(Reason.QUALITY_REFERENCE,))
        answer = self._answer()
        if isinstance(answer, TouchReady):
            self._felt.models = answer.models
            answer = self._touch_until_judged(answer.position)
        if not isinstance(answer, TouchJudged):
            raise VisionFrameError("a frame out of turn")
        return self._match(answer)

    def _send_references(self) -> bool:
        """Send what the worker may decode; return whether there was anything not too long."""
        sent = 0
        for finger in self._references[:MAX_REFERENCES]:
            if len(finger.data) <= MAX_IMAGE_BYTES:
                self._send_image(finger.data, Reference(**_about(finger)))
                sent += 1
        if sent:
            self._send(Compare(self._fmr))
        return sent > 0

    def _touch_until_judged(self, position: int) -> FromTouch:
        """Return the worker's last word, or ours: that a touch was one of before, played again."""
        port = self._port = self._open_port()
        self._felt.simulated = port.simulated
        port.open()
        for _ in range(MAX_TOUCHES):
            self._tell(FingerCued(FingerCue.PLACE, position))
            touch = port.capture(timeout_s=self._left_s())
            port.show(Light.BUSY)
            self._tell(FingerCued(FingerCue.LIFT, position))
            if self._seen.has(touch):
                log.warning("finger_replayed")
                port.show(Light.OFF)
                return TouchJudged(band="none", touches=0, reasons=("finger_replayed",))
            self._send_touch(touch)
            answer = self._answer()
            if not isinstance(answer, Again) or answer.hint is None:
                # What shows no finger may well be the same twice: nothing lay there.
                self._seen.add(touch)
            if not isinstance(answer, Again):
                port.show(Light.OFF)
                return answer
            port.show(Light.BAD if answer.hint else Light.GOOD)
            self._tell(FingerHinted(None if answer.hint is None else Reason(answer.hint)))
            position = answer.position
            port.wait_until(finger=False, timeout_s=min(LIFT_S, self._left_s()))
        raise VisionFrameError("more touches than were agreed")

    def _send_touch(self, touch: SensorTouch) -> None:
        if isinstance(touch, FingerImage):
            height, width = touch.pixels.shape
            about: Touch | CodedTouch = Touch(width_px=width, height_px=height, ppi=touch.dpi)
            self._send_image(touch.pixels.tobytes(), about)
        else:
            finger = dg3.parse_record(touch.coded)[0]
            self._send_image(finger.data, CodedTouch(**_about(finger)))

    def _send_image(self, image: bytes, about: Reference | Touch | CodedTouch) -> None:
        for part in parts_of(image):
            self._send(part)
        self._send(about)

    def _send(self, frame: ToTouch) -> None:
        if self._worker is not None:
            self._worker.wire.sendall(encode(frame))

    def _answer(self) -> FromTouch:
        """Return the worker's next frame. Raises OSError, VisionFrameError, _BrokenOffError."""
        worker = self._worker
        if worker is None or self._over.is_set():
            raise _BrokenOffError
        raw, _, flags, _ = worker.wire.recvmsg(MAX_FRAME_BYTES + 1)
        if self._over.is_set():
            raise _BrokenOffError
        if flags & socket.MSG_TRUNC:
            raise VisionFrameError("longer than a frame")
        return decode_from_touch(raw)

    def _match(self, judged: TouchJudged) -> FingerMatch:
        whole_ms = (time.monotonic() - self._began) * 1000
        self._felt.ms = {**judged.ms, "whole": round(whole_ms, 1)}
        known = judged.band != "none"
        if known != bool(judged.touches) or (known and (judged.reasons or not self._felt.models)):
            raise VisionFrameError("a verdict that contradicts itself")
        return FingerMatch(
            band=FingerBand(judged.band),
            touches=judged.touches,
            reasons=tuple(map(Reason, judged.reasons)),
            simulated=self._felt.simulated,
            models=self._felt.models,
        )

    def _left_s(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise NoFinger
        return left

    def _tell(self, event: Event) -> None:
        if self._over.is_set():
            raise _BrokenOffError
        self._tell_anyone(event)

    def _end_worker(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.end()

    def _close_port(self) -> None:
        port = self._port
        if port is not None:
            try:
                port.forget()
            except PortClosed:
                pass
            except DeviceError as error:
                log.warning("finger_not_forgotten", why=error.reason)
            with contextlib.suppress(DeviceError):
                port.close()


def _about(finger: ChipFinger) -> dict[str, Any]:
    """Return what a record says of an image, as the worker is told."""
    ppi = None if finger.resolution_ppi is None else finger.resolution_ppi[0]
    if ppi is not None and not MIN_PPI <= ppi <= MAX_PPI:
        ppi = None
    single = FingerPosition.RIGHT_THUMB <= finger.position <= FingerPosition.LEFT_LITTLE
    return {
        "position": int(finger.position) if single else 0,
        "format": finger.format,
        "width_px": finger.width_px,
        "height_px": finger.height_px,
        "ppi": ppi,
        "depth_bits": finger.depth_bits,
    }
