"""A USB reader through libfprint: `fprint://`. For readers that give an image, e.g. uru4000.

Not yet run on hardware: written from libfprint's description of its calls. Knows libfprint as
GObject introspection offers it (python3-gi, gir1.2-fprint-2.0), which comes with the system and
never from an index of packages, and imports it when the port is opened. That a captured image is
upright and dark on light is libfprint's promise [unverified].
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw.errors import DeviceFailed, DeviceMissing
from hw.finger.errors import DEVICE, NoFinger, PortClosed
from hw.finger.port import FingerImage, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.finger.port import Light

MAX_SIDE_PX: Final = 2048
DPI_RANGE: Final = (250, 1000)
MM_AN_INCH: Final = 25.4
CLOSE_S: Final = 2.0
_BITS: Final = 8


class FprintReader:
    """A finger port over the first of libfprint's devices that gives images."""

    simulated = False

    def __init__(self) -> None:
        """Choose nothing yet."""
        self._calling = threading.Lock()
        self._changing = threading.Lock()
        self._given_up = False
        self._cancellable: Any = None
        self._device: Any = None
        self._gio: Any = None
        self._failure: type[Exception] = Exception

    def open(self) -> None:
        """Find a reader and claim it.

        Raises:
            DeviceMissing: libfprint is not installed, or there is no reader that gives images.
            DeviceFailed: it cannot be claimed.
        """
        with self._calling:
            if self._device is not None:
                return
            fprint, self._gio, self._failure = _libraries()
            try:
                fitting = [
                    each
                    for each in fprint.Context().get_devices()
                    if each.has_feature(fprint.DeviceFeature.CAPTURE)
                ]
                if not fitting:
                    raise DeviceMissing(DEVICE, "no reader that gives images")
                fitting[0].open_sync(None)
            except self._failure as error:
                raise DeviceFailed(DEVICE, "the reader does not start") from error
            self._device, self._given_up = fitting[0], False

    def capture(
        self, *, timeout_s: float, on_phase: Callable[[Phase], None] | None = None
    ) -> FingerImage:
        """Wait for a finger and give its image; the library tells of no phase between.

        Raises:
            NoFinger: nobody touched within timeout_s.
            PortClosed: the port is not open, or was closed meanwhile.
            DeviceFailed: the reader failed, or its image is strange.
        """
        told = on_phase or (lambda _: None)
        with self._calling:
            device, cancellable = self._begin()
            told(Phase.WAITING)
            timer = threading.Timer(timeout_s, cancellable.cancel)
            timer.start()
            try:
                image = device.capture_sync(True, cancellable)  # noqa: FBT003 - libfprint's own
            except self._failure as error:
                if self._given_up:
                    raise PortClosed from error
                if cancellable.is_cancelled():
                    raise NoFinger from error
                raise DeviceFailed(DEVICE, "the reader failed") from error
            finally:
                timer.cancel()
                self._cancellable = None
            touch = _image_of(image)
            told(Phase.DONE)
            return touch

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:  # noqa: ARG002 - the port's
        """Return False: the library tells of a finger only within a capture.

        Raises:
            PortClosed: the port is not open.
        """
        self._need_open()
        return False

    def show(self, light: Light) -> None:
        """The reader's light is the library's."""

    def forget(self) -> None:
        """Do nothing: the reader keeps no image, as far as the library tells.

        Raises:
            PortClosed: the port is not open.
        """
        self._need_open()

    def close(self) -> None:
        """Let go of the reader; a capture in another thread ends with PortClosed."""
        with self._changing:
            self._given_up = True
            if self._cancellable is not None:
                self._cancellable.cancel()
        if not self._calling.acquire(timeout=CLOSE_S):
            return
        try:
            device, self._device = self._device, None
            if device is not None:
                with suppress(self._failure):
                    device.close_sync(None)
        finally:
            self._calling.release()

    def _begin(self) -> tuple[Any, Any]:
        with self._changing:
            if self._device is None or self._given_up:
                raise PortClosed
            self._cancellable = self._gio.Cancellable()
            return self._device, self._cancellable

    def _need_open(self) -> None:
        if self._device is None:
            raise PortClosed


def _libraries() -> tuple[Any, Any, type[Exception]]:
    """Return libfprint, Gio and what their calls raise."""
    try:
        import gi

        gi.require_version("FPrint", "2.0")
        from gi.repository import FPrint, Gio, GLib
    except (ImportError, ValueError) as error:
        raise DeviceMissing(DEVICE, "libfprint or its introspection is not installed") from error
    return FPrint, Gio, GLib.Error


def _image_of(image: Any) -> FingerImage:
    """Copy the library's image; its claims are bounded first.

    Raises:
        DeviceFailed: they are strange.
    """
    width, height = int(image.get_width()), int(image.get_height())
    dpi = round(float(image.get_ppmm()) * MM_AN_INCH)
    content = bytes(image.get_data())
    sides = all(1 <= side <= MAX_SIDE_PX for side in (width, height))
    if not sides or len(content) != width * height or not DPI_RANGE[0] <= dpi <= DPI_RANGE[1]:
        raise DeviceFailed(DEVICE, "the reader's image is strange")
    pixels = np.frombuffer(content, dtype=np.uint8).reshape(height, width)
    return FingerImage(pixels, dpi, _BITS, time.monotonic_ns(), "fprint")
