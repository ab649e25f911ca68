"""The Raspberry Pi driver, as far as it runs without libcamera: the port's contract, and faults.

picamera2 is not to be had here. Where it is needed, a stand-in of the vendor's module answers the
few calls that the driver makes; what the real one does is not proven by that.
"""

from __future__ import annotations

import sys
import threading
import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import picamera2_stand_in as vendor
import pytest
from contract_camera import FPS, CameraContract

from hw.camera import picamera
from hw.camera.controls import Controls
from hw.camera.fresh import Freshness, Staleness
from hw.camera.picamera import PiCamera
from hw.camera.port import Cue
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout
from kiosk.vision.lens import BLACK_S, Lens

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vendor.FPS == FPS
    vendor.calls.clear()
    monkeypatch.setitem(sys.modules, "picamera2", vendor)


class _Rig:
    def camera(self) -> PiCamera:
        return PiCamera(vendor.WORKS)

    def red(self) -> PiCamera:
        return PiCamera(vendor.RED)

    def broken(self) -> PiCamera:
        return PiCamera(vendor.UNCONFIGURED)


class TestContract(CameraContract):
    SIMULATED = False

    @pytest.fixture
    def rig(self) -> _Rig:
        return _Rig()


@pytest.fixture
def opened():
    cameras = []

    def opened_camera(index: int) -> PiCamera:
        camera = PiCamera(index)
        cameras.append(camera)
        camera.open()
        return camera

    yield opened_camera
    for camera in cameras:
        camera.close()


@pytest.mark.parametrize("source", [None, "import libcamera_that_only_a_pi_has\n"])
def test_without_the_vendors_libraries_the_camera_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None
) -> None:
    monkeypatch.delitem(sys.modules, "picamera2")
    if source is not None:
        (tmp_path / "picamera2.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
    camera = PiCamera()
    for _ in range(2):
        with pytest.raises(DeviceMissing) as caught:
            camera.open()
    assert caught.value.reason == "device_missing"
    with pytest.raises(DeviceFailed):
        next(camera.frames())
    camera.cue(Cue.LOOK_AHEAD)
    camera.close()


def test_rgb888_is_bgr_and_is_turned_round(opened) -> None:
    camera = opened(vendor.RED)
    rgb = next(camera.frames()).rgb
    assert tuple(rgb[0, 0]) == (200, 20, 10)
    assert rgb.shape == (480, 640, 3)
    assert rgb.flags.c_contiguous
    assert rgb.dtype == np.uint8
    assert vendor.calls[0] == {"size": (640, 480), "format": "RGB888"}


def test_a_buffer_is_given_back_with_each_frame(opened) -> None:
    camera = opened(vendor.WORKS)
    list(islice(camera.frames(), 4))
    assert vendor.calls.count("released") == 4


def test_frames_that_the_sensor_took_and_nobody_got_are_counted(opened) -> None:
    numbers = [frame.seq for frame in islice(opened(vendor.DROPS).frames(), 5)]
    assert all(later - earlier == vendor.EVERY_THIRD for earlier, later in pairwise(numbers))


def test_who_asks_at_once_gets_each_frame(opened) -> None:
    numbers = [frame.seq for frame in islice(opened(vendor.WORKS).frames(), 12)]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    assert sorted(steps)[len(steps) // 2] == 1, "a busy machine may miss one"


def test_a_frozen_camera_is_not_fresh(opened) -> None:
    freshness = Freshness()
    for frame in islice(opened(vendor.FROZEN).frames(), 2):
        freshness.take(frame, now_ns=time.monotonic_ns())
    assert freshness.flaw is Staleness.OUT_OF_ORDER


def test_a_frozen_camera_keeps_nobody_who_was_away(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picamera, "STALL_S", 0.2)
    frames = opened(vendor.FROZEN).frames()
    next(frames)
    time.sleep(0.1)
    with pytest.raises(DeviceTimeout):
        next(frames)


def test_a_camera_that_works_is_fresh(opened) -> None:
    freshness = Freshness()
    for frame in islice(opened(vendor.WORKS).frames(), 10):
        freshness.take(frame, now_ns=time.monotonic_ns())
    assert freshness.flaw is None


def test_black_frames_are_given_as_they_are_and_refused_in_time(opened) -> None:
    frames, lens = opened(vendor.BLACK).frames(), Lens()
    lens.see(next(frames).rgb, at_s=0.0, warmth=None)
    with pytest.raises(DeviceFailed):
        lens.see(next(frames).rgb, at_s=BLACK_S, warmth=None)


@pytest.mark.parametrize("index", [vendor.TORN, vendor.TIMELESS])
def test_a_torn_frame_and_one_without_a_time_are_none(opened, index: int) -> None:
    camera = opened(index)
    with pytest.raises(DeviceFailed):
        next(camera.frames())
    assert vendor.calls[-1] == "released"


def test_controls_are_libcameras_own_and_no_more_than_it_has(opened) -> None:
    camera = PiCamera()
    camera.set_controls(Controls(exposure_bias_ev=1.0))
    camera = opened(vendor.WORKS)
    camera.set_controls(Controls(exposure_bias_ev=1.0, white_balance_k=5000))
    assert vendor.calls[-1] == {"AeEnable": True, "ExposureValue": 1.0, "AwbEnable": False}


@pytest.mark.parametrize("index", [vendor.ABSENT, vendor.UNFINISHED])
def test_no_such_camera(index: int) -> None:
    with pytest.raises(DeviceMissing):
        PiCamera(index).open()


def test_a_camera_that_does_not_start_is_let_go() -> None:
    with pytest.raises(DeviceFailed):
        PiCamera(vendor.UNCONFIGURED).open()
    assert vendor.calls[-1] == "closed"


def test_a_stream_that_stalls_is_noticed(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picamera, "STALL_S", 0.05)
    camera = opened(vendor.STALLS)
    begun = time.monotonic()
    with pytest.raises(DeviceTimeout):
        next(camera.frames())
    assert time.monotonic() - begun < 1


def test_closing_ends_the_wait_for_a_camera_that_stalls(opened) -> None:
    camera = opened(vendor.STALLS)
    later = threading.Timer(0.1, camera.close)
    later.start()
    begun = time.monotonic()
    with pytest.raises(DeviceFailed):
        next(camera.frames())
    later.join()
    assert time.monotonic() - begun < picamera.STALL_S / 2
