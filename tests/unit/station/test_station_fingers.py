"""What a sensor and a touch worker may do to a session: nothing but answer for this citizen."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from emrtd.lds.dg3 import FingerImage as ChipFinger
from emrtd.lds.dg3 import FingerPosition
from emrtd.sim._finger_record import _record
from hw.errors import DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger.errors import NoFinger, PortClosed
from hw.finger.port import CodedFinger, FingerImage, Light
from kiosk.session.events import FingerCue, FingerCued, FingerHinted, FingerJudged, FingerMatch
from kiosk.station.eyes import Worker
from kiosk.station.fingers import KEPT_DIGESTS, Fingers, SeenTouches
from kiosk.vision.touch_port import (
    MAX_IMAGE_BYTES,
    Again,
    CodedTouch,
    Compare,
    Part,
    Reference,
    Touch,
    TouchJudged,
    TouchReady,
    decode_to_touch,
    encode,
)
from wire.reasons import Reason
from wire.record import FingerBand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS = {"minutiae": "leader-1"}
READY = TouchReady(models=MODELS, position=2)
SAME = TouchJudged(band="same", touches=1, ms={"match": 1.0})
PIXELS = np.arange(192 * 192, dtype=np.uint8).reshape(192, 192)


def printed(position: int = 2, size: int = 100_000, ppi: float | None = 500.0) -> ChipFinger:
    return ChipFinger(
        FingerPosition(position), None, 0, None, "wsq", 300, 400,
        None if ppi is None else (ppi, ppi), 8, bytes(size),
    )  # fmt: skip


@dataclass
class Sensor:
    """A sensor whose touches are scripted; what it raises too."""

    touches: list[Any] = field(default_factory=list)
    simulated: bool = True
    done: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        self.done.append("open")
        if self.touches and isinstance(self.touches[0], DeviceMissing):
            raise self.touches[0]

    def capture(self, *, timeout_s: float, on_phase: object = None) -> Any:  # noqa: ARG002 - the port's
        if not self.touches:
            self.closed.wait(timeout_s)
            raise PortClosed if self.closed.is_set() else NoFinger
        touch = self.touches.pop(0)
        if isinstance(touch, Exception):
            raise touch
        return touch

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:  # noqa: ARG002 - the port's
        self.done.append(f"until {finger}")
        return True

    def show(self, light: Light) -> None:
        self.done.append(light)

    def forget(self) -> None:
        self.done.append("forget")

    def close(self) -> None:
        self.closed.set()
        self.done.append("close")


def touch(number: int = 0) -> FingerImage:
    """Return a touch; another number is another touch of the same finger."""
    pixels = PIXELS.copy()
    pixels[-1, -1] ^= number
    return FingerImage(pixels, 508, 4, 0, "serial")


@dataclass
class Scene:
    """The thread under test, the other end of its worker, and what it told."""

    sensor: Sensor
    ours: list[socket.socket] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    def begin(self) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.settimeout(2)
        self.ours.append(theirs)
        return Worker(ours)

    def start(
        self, *references: ChipFinger, seconds: float = 5.0, open_port: Callable | None = None
    ) -> Fingers:
        fingers = Fingers(open_port or (lambda: self.sensor), self, self.told.append)
        fingers.match(references or (printed(),), fmr="1e-4", seconds=seconds)
        return fingers

    def heard(self) -> Any:
        until = time.monotonic() + 2
        while not self.ours and time.monotonic() < until:
            time.sleep(0.002)
        return decode_to_touch(self.ours[-1].recv(200_000))

    def heard_until(self, kind: type) -> list[Any]:
        heard = [self.heard()]
        while not isinstance(heard[-1], kind):
            heard.append(self.heard())
        return heard

    def say(self, frame: Any) -> None:
        self.ours[-1].send(frame if isinstance(frame, bytes) else encode(frame))

    def judged(self) -> FingerMatch:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for event in self.told:
                if isinstance(event, FingerJudged):
                    return event.match
            time.sleep(0.002)
        pytest.fail(f"nothing was judged: {self.told}")


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene(Sensor([touch(1), touch(2), touch(3)]))
    yield scene
    for end in scene.ours:
        end.close()


def test_the_prints_of_the_chip_then_touches_until_judged(scene: Scene) -> None:
    scene.start(printed(2), printed(7))
    heard = scene.heard_until(Compare)
    assert [each.position for each in heard if isinstance(each, Reference)] == [2, 7]
    assert sum(len(each.data) for each in heard if isinstance(each, Part)) == 200_000
    assert heard[-1] == Compare("1e-4")
    scene.say(READY)
    *parts, about = scene.heard_until(Touch)
    assert b"".join(part.data for part in parts) == touch(1).pixels.tobytes()
    assert about == Touch(width_px=192, height_px=192, ppi=508.0)
    scene.say(Again(hint="quality_finger_dry", position=2))
    scene.heard_until(Touch)
    scene.say(Again(hint=None, position=7))
    scene.heard_until(Touch)
    scene.say(SAME)
    assert scene.judged() == FingerMatch(FingerBand.SAME, 1, (), simulated=True, models=MODELS)
    assert scene.told[:-1] == [
        FingerCued(FingerCue.PLACE, 2), FingerCued(FingerCue.LIFT, 2),
        FingerHinted(Reason.QUALITY_FINGER_DRY),
        FingerCued(FingerCue.PLACE, 2), FingerCued(FingerCue.LIFT, 2), FingerHinted(None),
        FingerCued(FingerCue.PLACE, 7), FingerCued(FingerCue.LIFT, 7),
    ]  # fmt: skip
    scene.sensor.closed.wait(2)
    assert scene.sensor.done.count("until False") == 2
    assert scene.sensor.done[-2:] == ["forget", "close"]
    assert Light.BAD in scene.sensor.done


def test_a_touch_of_an_earlier_session_is_known_again(scene: Scene) -> None:
    scene.sensor.touches = [touch(1), touch(1)]
    fingers = scene.start()
    scene.heard_until(Compare)
    scene.say(READY)
    scene.heard_until(Touch)
    scene.say(SAME)
    assert scene.judged().band is FingerBand.SAME
    scene.ours.pop().close()
    scene.told.clear()
    fingers.match((printed(),), fmr="1e-4", seconds=5)
    scene.heard_until(Compare)
    scene.say(READY)
    assert scene.judged() == FingerMatch(
        reasons=(Reason.FINGER_REPLAYED,), simulated=True, models=MODELS
    )


def test_what_showed_no_finger_may_be_the_same_twice(scene: Scene) -> None:
    scene.sensor.touches = [touch(1), touch(1)]
    scene.start()
    scene.heard_until(Compare)
    scene.say(READY)
    scene.heard_until(Touch)
    scene.say(Again(hint="quality_finger_pressure", position=2))
    scene.heard_until(Touch)
    scene.say(SAME)
    assert scene.judged().band is FingerBand.SAME


def test_few_touches_are_remembered_and_nothing_of_what_is_on_them() -> None:
    seen = SeenTouches()
    for number in range(KEPT_DIGESTS + 1):
        seen.add(CodedFinger(number.to_bytes(4), "iso19794-4", 0, "sbi"))
    assert not seen.has(CodedFinger(bytes(4), "iso19794-4", 0, "sbi"))
    assert seen.has(CodedFinger(KEPT_DIGESTS.to_bytes(4), "iso19794-4", 0, "sbi"))
    assert not SeenTouches().has(touch())


def test_prints_that_are_all_too_long_leave_nothing_to_compare_with(scene: Scene) -> None:
    scene.start(printed(size=MAX_IMAGE_BYTES + 1))
    assert scene.judged() == FingerMatch(reasons=(Reason.QUALITY_REFERENCE,))


def test_a_record_of_a_device_service_goes_as_it_came(scene: Scene) -> None:
    coded = b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 300, 400) + b"as it came"
    raw = _record(2, coded)
    scene.sensor.touches = [CodedFinger(raw, "iso19794-4", 0, "sbi")]
    scene.start()
    scene.heard_until(Compare)
    scene.say(READY)
    part, about = scene.heard_until(CodedTouch)
    assert (part, about.format, about.position) == (Part(coded), "png", 2)


def test_a_record_that_is_none_is_a_sensor_that_failed(scene: Scene) -> None:
    scene.sensor.touches = [CodedFinger(b"FIR\0", "iso19794-4", 0, "sbi")]
    scene.start()
    scene.heard_until(Compare)
    scene.say(READY)
    assert scene.judged().reasons == (Reason.DEVICE_FAILED,)


def test_prints_that_cannot_be_used_ask_nobody_for_a_finger(scene: Scene) -> None:
    scene.start()
    scene.heard_until(Compare)
    scene.say(TouchJudged(band="none", touches=0, reasons=("quality_reference",)))
    assert scene.judged().reasons == (Reason.QUALITY_REFERENCE,)
    assert scene.sensor.done == []


@pytest.mark.parametrize(
    ("touches", "reason"),
    [
        ([DeviceMissing("finger", "gone")], Reason.DEVICE_MISSING),
        ([DeviceFailed("finger", "broke")], Reason.DEVICE_FAILED),
        ([], Reason.NO_FINGER),
    ],
    ids=["missing", "broken", "nobody"],
)
def test_a_sensor_that_fails_is_what_was_found(
    scene: Scene, touches: list[Exception], reason: Reason
) -> None:
    scene.sensor.touches = touches
    scene.start(seconds=0.3)
    scene.heard_until(Compare)
    scene.say(READY)
    assert scene.judged() == FingerMatch(reasons=(reason,))
    assert scene.sensor.closed.wait(2)


@pytest.mark.parametrize(
    "frames",
    [
        [b"nonsense"],
        [SAME],
        [Again(hint=None, position=2)],
        [READY, READY],
        [READY, TouchJudged(band="same", touches=0)],
        [READY, TouchJudged(band="none", touches=2)],
        [READY, TouchJudged(band="same", touches=1, reasons=("finger_replayed",))],
        [READY] + [Again(hint=None, position=2)] * 6,
        [None],
    ],
    ids=["nonsense", "judged-first", "again-first", "ready-twice", "same-of-nothing",
         "none-of-two", "contradiction", "endless", "hangs-up"],
)  # fmt: skip
def test_a_worker_that_breaks_the_agreement_has_failed(scene: Scene, frames: list[Any]) -> None:
    scene.sensor.touches = [touch(number) for number in range(9)]
    scene.start()
    scene.heard_until(Compare)
    for number, frame in enumerate(frames, 1):
        if frame is None:
            scene.ours[-1].close()
        else:
            scene.say(frame)
            if number < len(frames):
                scene.heard_until(Touch)
    assert scene.judged().reasons == (Reason.DEVICE_FAILED,)
    assert scene.judged().band is FingerBand.NONE


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (DeviceFailed("finger", "it keeps what it has"), ["device_failed"]),
        (DeviceTimeout("finger"), ["device_timeout"]),
        (PortClosed(), []),
        (None, []),
    ],
)
def test_a_sensor_that_does_not_forget_is_logged_by_its_reason_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, raised: DeviceError | None, told: list[str]
) -> None:
    def forget() -> None:
        scene.sensor.done.append("forget")
        if raised is not None:
            raise raised

    # Of this sensor alone: that of the test before may still be closing.
    monkeypatch.setattr(scene.sensor, "forget", forget)
    with capture_logs() as logs:
        scene.start()
        scene.heard_until(Compare)
        scene.say(READY)
        scene.heard_until(Touch)
        scene.say(SAME)
        assert scene.judged().band is FingerBand.SAME
        assert scene.sensor.closed.wait(2)
    lines = [line for line in logs if line["event"] == "finger_not_forgotten"]
    assert lines == [
        {"event": "finger_not_forgotten", "log_level": "warning", "why": why} for why in told
    ]
    assert scene.sensor.done[-1] == "close"


def test_whoever_is_forgotten_is_told_nothing_more(scene: Scene) -> None:
    scene.sensor.touches = []
    fingers = scene.start(seconds=30)
    scene.heard_until(Compare)
    scene.say(READY)
    until = time.monotonic() + 2
    while not scene.told and time.monotonic() < until:
        time.sleep(0.002)
    began = time.monotonic()
    fingers.forget()
    assert time.monotonic() - began < 1
    time.sleep(0.05)
    assert [type(each) for each in scene.told] == [FingerCued]
    assert scene.sensor.closed.is_set()


def test_a_worker_that_is_silent_is_left_at_once_when_forgotten(scene: Scene) -> None:
    fingers = scene.start(seconds=30)
    scene.heard_until(Compare)
    began = time.monotonic()
    fingers.forget()
    assert time.monotonic() - began < 1
    assert scene.told == []


def test_without_a_sensor_the_device_is_missing(scene: Scene) -> None:
    Fingers(None, scene, scene.told.append).match((printed(),), fmr="1e-4", seconds=1)
    assert scene.judged().reasons == (Reason.DEVICE_MISSING,)


def test_a_print_too_large_for_the_worker_is_left_out(scene: Scene) -> None:
    scene.start(printed(1, 2_000_000), printed(2, 9, ppi=9_000.0))
    heard = scene.heard_until(Compare)
    (about,) = [each for each in heard if isinstance(each, Reference)]
    assert (about.position, about.ppi) == (2, None)
