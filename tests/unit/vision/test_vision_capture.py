"""The camera's thread: the newest frame, one cue, one error, and an end."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hw.camera.controls import Controls
from hw.camera.file import FileCamera
from hw.camera.port import Cue, Frame
from hw.errors import DeviceFailed, DeviceMissing
from kiosk.vision.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 5.0


class FastCamera:
    """Gives frames as fast as they are taken, tells which thread's cue it heard, may break."""

    simulated = True

    def __init__(self, *, breaks_at: int | None = None, error: Exception | None = None) -> None:
        self.heard: list[Cue] = []
        self.told: list[Controls] = []
        self.closed = False
        self._breaks_at, self._error = breaks_at, error

    def open(self) -> None:
        pass

    def frames(self) -> Iterator[Frame]:
        rgb = np.zeros((20, 20, 3), dtype=np.uint8)
        seq = 0
        while True:
            if seq == self._breaks_at and self._error is not None:
                raise self._error
            time.sleep(0.002)
            yield Frame(rgb, time.monotonic_ns(), seq)
            seq += 1

    def cue(self, cue: Cue) -> None:
        self.heard.append(cue)

    def set_controls(self, controls: Controls) -> None:
        self.told.append(controls)

    def close(self) -> None:
        self.closed = True


def wait(capture: Capture) -> Frame:
    """Wait for the next frame as the worker does."""
    with selectors.DefaultSelector() as selector:
        selector.register(capture.fd, selectors.EVENT_READ)
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if selector.select(WAIT_S):
                frame = capture.take()
                if frame is not None:
                    return frame
    raise AssertionError("no frame")


def test_frames_of_a_driver_arrive_in_order(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    capture = Capture(FileCamera(tmp_path / "a.png", fps=100))
    capture.start()
    seen = [wait(capture).seq for _ in range(5)]
    capture.stop(WAIT_S)
    assert seen == sorted(set(seen))


def test_a_slow_reader_gets_the_newest_frame_once() -> None:
    capture = Capture(FastCamera())
    capture.start()
    first = wait(capture)
    time.sleep(0.1)
    newest = wait(capture)
    assert newest.seq > first.seq + 5
    assert time.monotonic_ns() - newest.monotonic_ns < 50e6
    capture.stop(WAIT_S)
    capture.take()
    assert capture.take() is None


def test_a_missing_device_is_told_again_and_again(tmp_path: Path) -> None:
    capture = Capture(FileCamera(tmp_path / "nothing"))
    capture.start()
    with pytest.raises(DeviceMissing):
        wait(capture)
    with pytest.raises(DeviceMissing):
        capture.take()
    capture.stop(WAIT_S)


@pytest.mark.parametrize("error", [DeviceFailed("camera"), RuntimeError("a vendor's secret")])
def test_a_stream_that_breaks_is_a_failed_device(error: Exception) -> None:
    camera = FastCamera(breaks_at=3, error=error)
    capture = Capture(camera)
    capture.start()
    with pytest.raises(DeviceFailed) as caught:
        [wait(capture) for _ in range(5)]
    assert "secret" not in str(caught.value)
    capture.stop(WAIT_S)
    assert camera.closed


def test_a_cue_reaches_the_device_once() -> None:
    camera = FastCamera()
    capture = Capture(camera)
    capture.start()
    wait(capture)
    capture.cue(Cue.TURN_LEFT)
    for _ in range(5):
        wait(capture)
    capture.stop(WAIT_S)
    assert camera.heard == [Cue.TURN_LEFT]
    assert camera.closed


def test_controls_reach_the_device_once() -> None:
    camera = FastCamera()
    capture = Capture(camera)
    capture.start()
    wait(capture)
    capture.set_controls(Controls(exposure_bias_ev=1.0))
    for _ in range(5):
        wait(capture)
    capture.stop(WAIT_S)
    assert camera.told == [Controls(exposure_bias_ev=1.0)]


def test_what_was_never_started_stops() -> None:
    Capture(FastCamera()).stop(WAIT_S)
