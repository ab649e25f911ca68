"""The Raspberry Pi driver, as far as it runs without libcamera: typed errors, colours, deadlines.

picamera2 is not to be had here. Where it is needed, a stand-in of the vendor's module answers the
few calls that the driver makes; what the real one does is not proven by that.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw.camera import picamera
from hw.camera.controls import Controls
from hw.camera.picamera import PiCamera
from hw.camera.port import Cue
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """
import numpy as np
calls = []
class Picamera2:
    def __init__(self, index):
        if index == 7:
            raise IndexError("list index out of range")
        if index == 8:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.index = index
    def create_video_configuration(self, main):
        return main
    def configure(self, main):
        calls.append(main)
        if self.index == 5:
            raise RuntimeError("configuration failed")
    camera_controls = {"AeEnable": (), "ExposureValue": (), "AwbEnable": ()}
    def set_controls(self, wanted):
        assert set(wanted) <= set(self.camera_controls)
        calls.append(wanted)
    def start(self):
        pass
    def capture_array(self, name, *, signal_function):
        if self.index != 6:
            signal_function("job")
        return None
    def wait(self, job):
        # A red card under "RGB888": blue, green, red.
        return np.full((480, 640, 3), (10, 20, 200), dtype=np.uint8)
    def close(self):
        calls.append("closed")
"""


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def install(source: str) -> None:
        (tmp_path / "picamera2.py").write_text(source)

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    yield install
    sys.modules.pop("picamera2", None)


@pytest.mark.parametrize("source", [None, "import libcamera_that_only_a_pi_has\n"])
def test_without_the_vendors_libraries_the_camera_is_missing(vendor, source: str | None) -> None:
    if source is not None:
        vendor(source)
    camera = PiCamera()
    for _ in range(2):
        with pytest.raises(DeviceMissing) as caught:
            camera.open()
    assert caught.value.reason == "device_missing"
    with pytest.raises(DeviceFailed):
        next(camera.frames())
    camera.cue(Cue.LOOK_AHEAD)
    camera.close()


def test_rgb888_is_bgr_and_is_turned_round(vendor) -> None:
    vendor(STAND_IN)
    camera = PiCamera()
    assert not camera.simulated
    camera.open()
    frames = list(islice(camera.frames(), 3))
    assert [frame.seq for frame in frames] == [0, 1, 2]
    red, green, blue = frames[0].rgb[0, 0]
    assert (red, green, blue) == (200, 20, 10)
    assert frames[0].rgb.shape == (480, 640, 3)
    assert frames[0].rgb.flags.c_contiguous
    assert frames[0].rgb.dtype == np.uint8
    assert sys.modules["picamera2"].calls[0] == {"size": (640, 480), "format": "RGB888"}
    camera.close()
    assert sys.modules["picamera2"].calls[-1] == "closed"
    with pytest.raises(DeviceFailed):
        next(camera.frames())


def test_controls_are_libcameras_own_and_no_more_than_it_has(vendor) -> None:
    vendor(STAND_IN)
    camera = PiCamera()
    camera.set_controls(Controls(exposure_bias_ev=1.0))
    camera.open()
    camera.set_controls(Controls(exposure_bias_ev=1.0, white_balance_k=5000))
    assert sys.modules["picamera2"].calls[-1] == {
        "AeEnable": True,
        "ExposureValue": 1.0,
        "AwbEnable": False,
    }
    camera.close()


@pytest.mark.parametrize("index", [7, 8])
def test_no_such_camera(vendor, index: int) -> None:
    vendor(STAND_IN)
    with pytest.raises(DeviceMissing):
        PiCamera(index).open()


def test_a_camera_that_does_not_start_is_let_go(vendor) -> None:
    vendor(STAND_IN)
    with pytest.raises(DeviceFailed):
        PiCamera(5).open()
    assert sys.modules["picamera2"].calls[-1] == "closed"


def test_a_stream_that_stalls_is_noticed(vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor(STAND_IN)
    monkeypatch.setattr(picamera, "STALL_S", 0.05)
    camera = PiCamera(6)
    camera.open()
    begun = time.monotonic()
    with pytest.raises(DeviceTimeout):
        next(camera.frames())
    assert time.monotonic() - begun < 1
    camera.close()
