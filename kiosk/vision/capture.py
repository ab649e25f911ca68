"""The camera's own thread: it opens the device, and keeps one frame, the newest.

Knows one camera port, and whether its frames come one after the other. Does not know what is on a
frame. No other thread touches the device; what the person is asked to do, and how to expose, is
handed in, and told to the device before its next frame.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hw.camera.fresh import Freshness
from hw.errors import DeviceError, DeviceFailed

if TYPE_CHECKING:
    from hw.camera.controls import Controls
    from hw.camera.port import CameraPort, Cue, Frame


class Capture:
    """A camera running in a thread.

    Attributes:
        fd: readable when `take` has something; for a selector.
    """

    def __init__(self, camera: CameraPort) -> None:
        """Prepare; the device is opened by the thread that `start` starts."""
        self._camera = camera
        self._lock = threading.Lock()
        self._newest: Frame | DeviceError | None = None
        self._cue: Cue | None = None
        self._controls: Controls | None = None
        self._freshness = Freshness()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def start(self) -> None:
        """Open the device and begin to take frames."""
        self._thread.start()

    def take(self) -> Frame | None:
        """Return the newest frame, once; None if there is no newer one.

        Raises:
            DeviceError: the device does not open, or its stream ended; it stays so.
        """
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)
        with self._lock:
            newest = self._newest
            if isinstance(newest, DeviceError):
                raise newest
            self._newest = None
        return newest

    @property
    def fresh(self) -> bool:
        """Whether all frames so far can have come from the camera's lens, each once, in order."""
        return self._freshness.flaw is None

    def cue(self, cue: Cue) -> None:
        """Let the device know what the person is asked to do."""
        with self._lock:
            self._cue = cue

    def set_controls(self, controls: Controls) -> None:
        """Let the device expose so from the next frame on."""
        with self._lock:
            self._controls = controls

    def stop(self, wait_s: float) -> None:
        """Let the thread close the device, and wait for that at most so long."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            self._camera.open()
            for frame in self._camera.frames():
                self._freshness.take(frame, now_ns=time.monotonic_ns())
                self._put(frame)
                if self._stopping.is_set():
                    break
                self._pass_on()
        except DeviceError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 -- a vendor's library may raise anything
            self._put(DeviceFailed("camera", type(error).__name__))
        finally:
            with suppress(Exception):
                self._camera.close()

    def _pass_on(self) -> None:
        with self._lock:
            cue, self._cue = self._cue, None
            controls, self._controls = self._controls, None
        if cue is not None:
            self._camera.cue(cue)
        if controls is not None:
            self._camera.set_controls(controls)

    def _put(self, newest: Frame | DeviceError) -> None:
        with self._lock:
            self._newest = newest
        os.eventfd_write(self.fd, 1)
