"""The Raspberry Pi's camera through picamera2: `picamera://`.

Not yet run on hardware: written from picamera2's sources. Its "RGB888" has the bytes of a pixel in
the order blue, green, red, as its own way to Pillow says; `frames` turns them round. Before that is
trusted, hold a red card before the lens: the first channel must be the bright one. Knows picamera2,
which needs the libcamera that only Raspberry Pi OS has, and imports it when the camera is opened.
Neither numbers frames: how many were dropped between two is told by the sensor's own times.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from hw.camera.port import Frame
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hw.camera.controls import Controls
    from hw.camera.port import Cue

SIZE_PX = (640, 480)
STALL_S = 2.0
"""A frame that takes longer than this means that the stream has stalled."""
TIME, PERIOD = "SensorTimestamp", "FrameDuration"
"""In a frame's metadata: nanoseconds of the clock that picamera2 holds against the monotonic one,
and microseconds from frame to frame."""


class PiCamera:
    """A camera port over picamera2."""

    simulated = False

    def __init__(self, index: int = 0) -> None:
        """Choose a camera by its place in libcamera's list; nothing is opened yet."""
        self._index = index
        self._camera: Any = None
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seq, self._taken_ns, self._given_ns = 0, 0, 0

    def open(self) -> None:
        """Configure and start the camera.

        Raises:
            DeviceMissing: no libcamera, or no such camera.
            DeviceFailed: it does not start.
        """
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise DeviceMissing("camera", "picamera2 or libcamera is not installed") from error
        try:
            camera = Picamera2(self._index)
        except (IndexError, RuntimeError) as error:
            raise DeviceMissing("camera", f"no camera {self._index}") from error
        try:
            main = {"size": SIZE_PX, "format": "RGB888"}
            camera.configure(camera.create_video_configuration(main=main))
            camera.start()
        except (RuntimeError, ValueError) as error:
            camera.close()
            raise DeviceFailed("camera", "it does not start") from error
        self._seq, self._taken_ns, self._given_ns = 0, 0, time.monotonic_ns()
        self._camera = camera

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame each time.

        The library holds one frame ready: whoever was away for longer than a frame takes, gets one
        that was begun after they asked.

        Raises:
            DeviceFailed: the camera is not open, or gave no such frame.
            DeviceTimeout: no frame came within `STALL_S` seconds.
        """
        asked_ns = time.monotonic_ns()
        while True:
            rgb, taken_ns, period_ns = self._take()
            if taken_ns < asked_ns and asked_ns - self._given_ns > period_ns:
                if time.monotonic_ns() - asked_ns > STALL_S * 1e9:
                    raise DeviceTimeout("camera", "the stream has frozen")
                continue
            if self._taken_ns:
                self._seq += _steps(taken_ns - self._taken_ns, period_ns)
            self._taken_ns, self._given_ns = taken_ns, time.monotonic_ns()
            yield Frame(rgb, taken_ns, self._seq)
            asked_ns = time.monotonic_ns()

    def _take(self) -> tuple[NDArray[np.uint8], int, int]:
        """Return the next frame, when it was taken, and how long from frame to frame."""
        request = self._wait()
        try:
            bgr, told = request.make_array("main"), request.get_metadata()
        finally:
            # Until then its buffer is missing to the camera.
            request.release()
        taken_ns, period_us = told.get(TIME), told.get(PERIOD)
        if not taken_ns or not period_us:
            raise DeviceFailed("camera", "a frame without its time")
        if bgr.shape != (SIZE_PX[1], SIZE_PX[0], 3) or bgr.dtype != np.uint8:
            raise DeviceFailed("camera", "a frame of another form")
        return np.ascontiguousarray(bgr[..., ::-1]), int(taken_ns), int(period_us) * 1000

    def _wait(self) -> Any:
        """Return the library's next completed request."""
        done = self._waiting = queue.SimpleQueue()
        # After the line above, so that `close` ends the wait whenever it comes.
        camera = self._camera
        if camera is None:
            raise DeviceFailed("camera", "not open")
        try:
            camera.capture_request(signal_function=done.put)
            job = done.get(timeout=STALL_S)
            request = None if job is None else camera.wait(job)
        except queue.Empty:
            raise DeviceTimeout("camera", "the stream has stalled") from None
        except RuntimeError as error:
            raise DeviceFailed("camera", "it gave no frame") from error
        if request is None:
            raise DeviceFailed("camera", "not open")
        return request

    def cue(self, cue: Cue) -> None:
        """The person is asked by the screen; the camera has no light to steer."""

    def set_controls(self, controls: Controls) -> None:
        """Move libcamera's own automatic exposure; fix the colours, or leave them to it."""
        camera = self._camera
        if camera is None:
            return
        kelvin = controls.white_balance_k
        wanted: dict[str, object] = {
            "AeEnable": True,
            "ExposureValue": controls.exposure_bias_ev,
            "AwbEnable": kelvin is None,
        }
        if kelvin is not None:
            wanted["ColourTemperature"] = kelvin
        # An older libcamera has no colour temperature, and refuses what it has not.
        has = camera.camera_controls
        camera.set_controls({name: each for name, each in wanted.items() if name in has})

    def close(self) -> None:
        """Stop the camera."""
        camera, self._camera = self._camera, None
        self._waiting.put(None)
        if camera is not None:
            camera.close()


def _steps(passed_ns: int, period_ns: int) -> int:
    """Return by how many numbers a frame is after another; 0: it is not after it at all."""
    return max(round(passed_ns / period_ns), 1) if passed_ns > 0 else 0
