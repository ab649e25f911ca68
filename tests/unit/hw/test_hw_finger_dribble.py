"""A module that never comes to an end, and a line that is pulled out in the middle of an image."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from finger_material import READY, as_captured, expect_a_fast_module, ridges

from hw.errors import DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger import LineBroken, LineTorn, PortClosed, r503, talk
from hw.finger.played import PlayedModule
from hw.finger.r503 import R503

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINGER = ridges(1)
EVERY_S = 0.1
"""A played module is so much faster than a real one that this stands for a second."""
BOUND_S = 12.0


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


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("asked", [b"\x0a", b"\x01"], ids=["image", "touch"])
def test_a_module_that_dribbles_for_ever_is_left(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch, pieces: Callable[[], bytes], asked: bytes
) -> None:
    monkeypatch.setattr(talk, "MOST_UPLOADED_BYTES", 6_000)
    port = R503(module.plug_in())
    port.open()
    module.pieces, module.dribbled = pieces, (asked,)
    begun = time.monotonic()
    with pytest.raises((DeviceTimeout, DeviceFailed, DeviceMissing)) as caught:
        port.capture(timeout_s=0.3)
    assert time.monotonic() - begun < BOUND_S
    assert caught.value.device == "finger"
    begun = time.monotonic()
    port.close()
    assert time.monotonic() - begun < BOUND_S


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
    assert took_s < 4
    assert ended == [PortClosed]


def test_touch_after_touch_is_not_fetched_without_an_end(
    module: Dribbling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives a piece of an image for each touch, and obeys in between."""
    monkeypatch.setattr(talk, "MOST_UPLOADED_BYTES", 2_000)
    monkeypatch.setattr(r503, "TRANSFERS", 1)
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
    with pytest.raises(LineTorn):
        port.capture(timeout_s=2)
    assert module.said[0x0A] == 1
    port._holds_image = False
    port.close()


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
