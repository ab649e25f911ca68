"""A module that never comes to an end, and a line that is pulled out in the middle of an image."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from finger_material import READY, as_captured, expect_a_fast_module, ridges

from hw.errors import DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger import LineBroken, LineTorn, NotForgotten, PortClosed, r503
from hw.finger.played import PlayedModule
from hw.finger.r503 import R503

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINGER = ridges(1)
EVERY_S = 0.1
"""A played module is so much faster than a real one that this stands for a second."""
LATE_S = 0.5
"""So much later a thread may run than it should."""
FETCH_S = 4 * (0.18 + 0.1)
WIPE_S = 0.18 + 0.8 + 0.8


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_a_fast_module(monkeypatch)


class Dribbling(PlayedModule):
    """A module that, once told to, answers all that it is asked with pieces without an end."""

    pieces: Callable[[], bytes] | None = None
    over: threading.Event

    def __init__(self) -> None:
        super().__init__([FINGER], **READY)
        self.over = threading.Event()

    def _obey(self, frame: tuple[int, bytes]) -> None:
        pieces = self.pieces
        if pieces is None or frame[1][:1] not in self.dribbled:
            super()._obey(frame)
            return
        if frame[1][:1] == b"\x0a":
            self._answer(0x00)
        while not self.over.wait(EVERY_S):
            self._emit(pieces())

    dribbled: tuple[bytes, ...] = (b"\x0a",)


@pytest.fixture
def module() -> Iterator[Dribbling]:
    module = Dribbling()
    yield module
    module.over.set()
    module.unplug()


def noise() -> bytes:
    return os.urandom(1)


def begun_frame() -> bytes:
    return b"\xef\x01\xff\xff\xff\xff\x02\x01\x02"


def byte_frames() -> bytes:
    return PlayedModule._frame(0x02, b"\x77")


PIECES = [noise, begun_frame, byte_frames]


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all sensors be small ones, whose image takes 0.18 s."""
    monkeypatch.setattr(r503, "MAX_IMAGE_BYTES", 2_000)
    monkeypatch.setattr(r503, "PAUSE_S", 0.1)


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("asked", [b"\x0a", b"\x01"], ids=["image", "touch"])
def test_a_module_that_dribbles_for_ever_is_left(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], bytes], asked: bytes
) -> None:
    hurry(monkeypatch)
    port = R503(module.plug_in())
    port.open()
    module.pieces, module.dribbled = pieces, (asked,)
    begun = time.monotonic()
    with pytest.raises((DeviceTimeout, DeviceFailed, DeviceMissing)) as caught:
        port.capture(timeout_s=0.3)
    assert time.monotonic() - begun < 0.3 + FETCH_S + LATE_S
    assert caught.value.device == "finger"
    begun = time.monotonic()
    port.close()
    assert time.monotonic() - begun < WIPE_S + LATE_S


@pytest.mark.parametrize("packet_bytes", [64, 128, 256])
def test_what_is_told_of_bounds_is_so(module: Dribbling, packet_bytes: int) -> None:
    """The figures of the driver's description, at 115,200 baud."""
    port = R503(module.plug_in())
    port.open()
    assert port._talk is not None
    port._packet_bytes = packet_bytes
    more = (1 + 11 / packet_bytes) / (1 + 11 / 256)
    assert port._fetch_s(port._talk) < 15.4 * more
    assert port._wipe_s() < 5.0 * more
    port._image_bytes = 18_432
    assert port._fetch_s(port._talk) < 8.7 * more
    assert port._wipe_s() < 3.3 * more
    port.close()


@pytest.mark.parametrize("pieces", PIECES)
def test_who_closes_does_not_wait_for_one_that_dribbles(
    module: Dribbling, pieces: Callable[[], bytes]
) -> None:
    """Neither the capture that is broken off nor the overwriting behind it takes long."""
    port = R503(module.plug_in())
    port.open()
    module.pieces = pieces
    ended: list[type] = []

    def capture() -> None:
        try:
            port.capture(timeout_s=5)
        except DeviceError as error:
            ended.append(type(error))

    thread = threading.Thread(target=capture)
    thread.start()
    time.sleep(0.6)
    begun = time.monotonic()
    port.close()
    took_s = time.monotonic() - begun
    thread.join(5)
    assert took_s < 4.95 + LATE_S
    assert ended == [PortClosed]


def test_touch_after_touch_is_not_fetched_without_an_end(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives a piece of an image for each touch, and obeys in between."""
    hurry(monkeypatch)
    obey = PlayedModule._obey

    def stingy(frame: tuple[int, bytes]) -> None:
        if frame[1][:1] != b"\x0a":
            obey(module, frame)
            return
        module.said[0x0A] += 1
        module._answer(0x00)
        for _ in range(8):
            module.over.wait(0.05)
            module._emit(byte_frames())

    module._obey = stingy  # type: ignore[method-assign]  # a module of its own kind
    port = R503(module.plug_in())
    port.open()
    begun = time.monotonic()
    with pytest.raises((LineTorn, DeviceTimeout)):
        port.capture(timeout_s=20)
    assert time.monotonic() - begun < FETCH_S + LATE_S, "counted from the touch"
    assert module.said[0x0A] <= 3
    port.close()


def test_opening_one_that_answers_and_comes_to_no_end_has_an_end(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r503, "OPEN_S", 1.0)
    module.pieces, module.dribbled = begun_frame, (b"\x0f",)
    port = R503(module.plug_in())
    begun = time.monotonic()
    with pytest.raises((DeviceTimeout, DeviceFailed)):
        port.open()
    assert time.monotonic() - begun < 1.0 + LATE_S
    port.close()


def test_a_line_that_takes_nothing_more_holds_nobody(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overwriting has its time also where a write does not return."""
    port = R503(module.plug_in())
    port.open()
    port.capture(timeout_s=2)
    monkeypatch.setattr(r503, "OVERWRITE_S", 0.0)
    monkeypatch.setattr(r503, "RESET_S", 0.1)
    assert port._talk is not None
    port._talk.line._serial.set_output_flow_control(enable=False)
    begun = time.monotonic()
    port.close()
    assert time.monotonic() - begun < 1.8 + LATE_S
    with pytest.raises(NotForgotten):
        port.forget()


@pytest.mark.parametrize("at", [1, 30, 70])
def test_a_line_pulled_out_in_an_image_is_broken_and_opens_again(at: int) -> None:
    module = PlayedModule([FINGER], **READY)
    emit, seen = module._emit, [0]

    def pulled(what: bytes) -> None:
        seen[0] += len(what) > 200
        if seen[0] == at:
            seen[0] += 1
            threading.Thread(target=module.unplug).start()
            time.sleep(0.3)
        emit(what)

    module._emit = pulled  # type: ignore[method-assign]  # a cable of its own kind
    port = R503(module.plug_in())
    port.open()
    begun = time.monotonic()
    with pytest.raises(LineBroken):
        port.capture(timeout_s=5)
    assert time.monotonic() - begun < 3
    with pytest.raises(PortClosed):
        port.capture(timeout_s=1)
    port.close()
    port._path = module.plug_in()
    port.open()
    try:
        assert (port.capture(timeout_s=5).pixels == as_captured(FINGER, "r503")).all()
    finally:
        port.close()
        module.unplug()
