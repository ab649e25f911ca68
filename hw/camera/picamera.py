"""The Raspberry Pi's camera through picamera2: `picamera://`.

Not yet run on hardware: written from picamera2's documentation. Its "RGB888" is said to yield the
bytes of a pixel in the order blue, green, red [unverified]; `frames` turns them round. Before it is
trusted, hold a red card before the lens: the first channel must be the bright one. Knows picamera2,
which needs the libcamera that only Raspberry Pi OS has, and imports it when the camera is opened.
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

    from hw.camera.controls import Controls
    from hw.camera.port import Cue

SIZE_PX = (640, 480)
STALL_S = 2.0
"""A frame that takes longer than this means that the stream has stalled."""


class PiCamera:
    """A camera port over picamera2."""

    simulated = False

    def __init__(self, index: int = 0) -> None:
        """Choose a camera by its place in libcamera's list; nothing is opened yet."""
        self._index = index
        self._camera: Any = None
        self._next = 0

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
        self._camera, self._next = camera, 0

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame each time; those that libcamera dropped are not counted.

        Raises:
            DeviceFailed: the camera is not open.
            DeviceTimeout: no frame came within `STALL_S` seconds.
        """
        while True:
            camera = self._camera
            if camera is None:
                raise DeviceFailed("camera", "not open")
            done: queue.SimpleQueue[Any] = queue.SimpleQueue()
            camera.capture_array("main", signal_function=done.put)
            try:
                job = done.get(timeout=STALL_S)
            except queue.Empty:
                raise DeviceTimeout("camera", "the stream has stalled") from None
            bgr = camera.wait(job)
            seq, self._next = self._next, self._next + 1
            rgb = np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)
            yield Frame(rgb, time.monotonic_ns(), seq)

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
        if camera is not None:
            camera.close()
