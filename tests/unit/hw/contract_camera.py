"""What every camera must do, whatever stands behind it; each driver's tests inherit it."""

from __future__ import annotations

import threading
import time
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
import pytest

from hw.camera.controls import Controls
from hw.camera.port import CameraPort, Cue
from hw.errors import DeviceError, DeviceFailed

FPS = 50.0
PERIOD_S = 1 / FPS


def due(since_ns: int) -> int:
    """Return the largest number that a frame may have now if the camera opened no sooner."""
    return int((time.monotonic_ns() - since_ns) / 1e9 * FPS)


class Rig(Protocol):
    """Makes cameras of one kind, `FPS` frames a second."""

    def camera(self) -> CameraPort:
        """Return a camera that works, not open."""

    def red(self) -> CameraPort:
        """Return one before which a red card fills the frame."""

    def broken(self) -> CameraPort:
        """Return one that does not open."""


class CameraContract:
    """Inherit, and give a fixture `rig`."""

    SIMULATED: bool

    @pytest.fixture
    def camera(self, rig: Rig):
        port = rig.camera()
        yield port
        port.close()

    def test_frames_are_rgb_pictures_counted_and_timed(self, camera: CameraPort) -> None:
        assert camera.simulated is self.SIMULATED
        since = time.monotonic_ns()
        camera.open()
        frames = list(islice(camera.frames(), 4))
        for frame in frames:
            assert frame.rgb.dtype == np.uint8
            assert frame.rgb.ndim == 3
            assert frame.rgb.shape[2] == 3
        stamps = [since, *(frame.monotonic_ns for frame in frames), time.monotonic_ns()]
        assert stamps == sorted(stamps)
        numbers = [frame.seq for frame in frames]
        assert 0 <= numbers[0] <= due(since)
        assert all(later > earlier for earlier, later in pairwise(numbers))

    def test_a_frame_says_nothing_of_what_is_on_it(self, camera: CameraPort) -> None:
        camera.open()
        assert "rgb" not in repr(next(camera.frames()))

    def test_the_pace_is_kept(self, camera: CameraPort) -> None:
        camera.open()
        frames = camera.frames()
        first = next(frames)
        *_, last = islice(frames, 10)
        passed_s = (last.monotonic_ns - first.monotonic_ns) / 1e9
        assert last.seq - first.seq >= 10
        assert passed_s > (last.seq - first.seq - 2) * PERIOD_S

    def test_who_comes_late_gets_the_newest(self, camera: CameraPort) -> None:
        camera.open()
        frames = camera.frames()
        first = next(frames)
        time.sleep(10 * PERIOD_S)
        asked = time.monotonic_ns()
        late = next(frames)
        assert late.monotonic_ns >= asked
        assert late.seq >= first.seq + 9
        assert next(frames).seq > late.seq

    def test_two_askers_share_one_stream(self, camera: CameraPort) -> None:
        camera.open()
        numbers = [next(camera.frames()).seq for _ in range(5)]
        assert len(set(numbers)) == 5

    def test_nothing_comes_from_a_camera_that_is_not_open(self, camera: CameraPort) -> None:
        camera.close()
        with pytest.raises(DeviceFailed):
            next(camera.frames())
        camera.open()
        frames = camera.frames()
        next(frames)
        camera.close()
        camera.close()
        with pytest.raises(DeviceFailed):
            next(frames)

    def test_it_opens_again_and_counts_anew(self, camera: CameraPort) -> None:
        camera.open()
        list(islice(camera.frames(), 12))
        camera.close()
        for _ in range(2):
            since = time.monotonic_ns()
            camera.open()
            assert next(camera.frames()).seq <= due(since)

    def test_cues_are_taken_at_any_time(self, camera: CameraPort) -> None:
        for cue in Cue:
            camera.cue(cue)
        camera.open()
        frames = camera.frames()
        for cue in Cue:
            camera.cue(cue)
            next(frames)
        camera.close()
        camera.cue(Cue.LOOK_AHEAD)

    def test_controls_are_taken_at_any_time(self, camera: CameraPort) -> None:
        told = (Controls(exposure_bias_ev=3.0), Controls(white_balance_k=4000), Controls())
        for controls in told:
            camera.set_controls(controls)
        camera.open()
        frames = camera.frames()
        for controls in told:
            camera.set_controls(controls)
            next(frames)
        camera.close()
        camera.set_controls(Controls(exposure_bias_ev=-3.0))

    def test_a_red_card_is_red(self, rig: Rig) -> None:
        port = rig.red()
        port.open()
        red, green, blue = next(port.frames()).rgb.reshape(-1, 3).mean(axis=0)
        port.close()
        assert red > 150
        assert max(green, blue) < 80

    def test_close_ends_who_waits_for_a_frame(self, camera: CameraPort) -> None:
        camera.open()
        frames = camera.frames()
        next(frames)
        later = threading.Timer(0.1, camera.close)
        later.start()
        begun = time.monotonic()
        try:
            with pytest.raises(DeviceFailed):
                list(islice(frames, 100))
            assert time.monotonic() - begun < 1
        finally:
            later.join()

    def test_one_that_does_not_open_is_as_it_was(self, rig: Rig) -> None:
        port = rig.broken()
        for _ in range(2):
            with pytest.raises(DeviceError) as caught:
                port.open()
            assert caught.value.device == "camera"
        with pytest.raises(DeviceFailed):
            next(port.frames())
        port.close()
