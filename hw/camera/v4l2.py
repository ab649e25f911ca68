"""A webcam through Linux's own video interface: `v4l2:///dev/video0`. No OpenCV, no GStreamer.

Knows the dialogue with the kernel: format, four mapped buffers, frames in and out. Not yet run on
hardware: a test compares numbers and structures with the kernel's header, and lets the dialogue run
against a stand-in of the kernel's side. A frame that the driver marks as damaged, that is short or
does not decode is dropped and leaves a gap in the numbers; one that waited in a buffer since before
it was asked for is dropped too.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from hw.camera import v4l2_abi as abi
from hw.camera.pixels import TornFrame, from_mjpeg, from_yuyv
from hw.camera.port import Frame
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.camera.controls import Controls
    from hw.camera.port import Cue

SIZE_PX: Final = (640, 480)
MAX_SIDE_PX: Final = 4096
FORMATS: Final = (abi.YUYV, abi.MJPEG)
"""In the order of liking: what is not compressed has no artefacts; USB 2 has room for 30 a second
at this size."""
BUFFERS: Final = 4
MAX_BUFFER_BYTES: Final = 64 * 1024 * 1024
STALL_S: Final = 2.0
"""No good frame for so long: the stream has stalled."""
LOOK_UP_S: Final = 0.1
"""So often who waits looks whether the camera was closed."""


class Device(Protocol):
    """An open video device."""

    def ioctl(self, number: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        """Ask the driver; the answer is in the argument. Raises OSError."""
        ...

    def map(self, length: int, offset: int) -> mmap.mmap | memoryview:
        """Map a buffer. Raises OSError, ValueError."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Return whether a buffer is ready in time. Raises OSError."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class V4L2Camera:
    """A camera port over a video device."""

    simulated = False

    def __init__(self, path: str, *, opener: Callable[[str], Device] | None = None) -> None:
        """Choose a device; nothing is opened yet.

        Args:
            path: its file, e.g. "/dev/video0".
            opener: opens it; None: the kernel's own.
        """
        self._path = path
        self._opener = opener or _KernelDevice
        self._lock = threading.RLock()
        self._stream: _Stream | None = None

    def open(self) -> None:
        """Agree on a format and start the stream.

        Raises:
            DeviceMissing: there is no such file, or it is no camera.
            DeviceFailed: it is busy, or does not start.
        """
        self.close()
        try:
            device = self._opener(self._path)
        except OSError as error:
            raise _refusal(error) from error
        try:
            stream = _Stream(device)
        except (OSError, ValueError) as error:
            device.close()
            raise DeviceFailed("camera", "it does not start") from error
        except DeviceMissing:
            device.close()
            raise
        with self._lock:
            self._stream = stream

    def frames(self) -> Iterator[Frame]:
        """Yield the newest good frame each time, taken after it was asked for.

        Raises:
            DeviceFailed: the camera is not open, or was unplugged.
            DeviceTimeout: no good frame came within `STALL_S` seconds.
        """
        while (stream := self._stream) is not None:
            asked_ns = time.monotonic_ns()
            self._forget_waiting(stream)
            frame = None
            while self._stream is stream and frame is None:
                if time.monotonic_ns() - asked_ns > STALL_S * 1e9:
                    raise DeviceTimeout("camera", "the stream has stalled")
                frame = self._next(stream, asked_ns)
            if frame is not None:
                yield frame
        raise DeviceFailed("camera", "not open")

    def cue(self, cue: Cue) -> None:
        """The person is asked by the screen; the camera has no light to steer."""

    def set_controls(self, controls: Controls) -> None:
        """Set what the camera has; what it has not is left, and so is a camera that is closed."""
        with self._lock:
            if self._stream is not None:
                self._stream.set_controls(controls)

    def close(self) -> None:
        """Stop the stream and let the device go."""
        with self._lock:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.close()

    def _forget_waiting(self, stream: _Stream) -> None:
        with self._lock:
            if self._stream is stream:
                with suppress(OSError, ValueError):
                    stream.take(not_before_ns=0)

    def _next(self, stream: _Stream, asked_ns: int) -> Frame | None:
        try:
            ready = stream.wait(LOOK_UP_S)
            with self._lock:
                if self._stream is not stream or not ready:
                    return None
                taken = stream.take(not_before_ns=asked_ns)
            return None if taken is None else stream.decoded(taken)
        except TornFrame:
            return None
        except (OSError, ValueError) as error:
            if self._stream is not stream:
                return None
            raise DeviceFailed("camera", "the stream broke") from error


class _Taken:
    """A frame's bytes as they were in a buffer."""

    def __init__(self, raw: bytes, taken_ns: int, sequence: int) -> None:
        self.raw, self.taken_ns, self.sequence = raw, taken_ns, sequence


class _Stream:
    """A device that gives frames."""

    def __init__(self, device: Device) -> None:
        """Start. Raises OSError, ValueError, DeviceMissing; the device is then still open."""
        self._device = device
        self._require_camera()
        self._format = self._agree()
        self._buffers: list[mmap.mmap | memoryview] = []
        self._first_sequence: int | None = None
        self._exposure: int | None = None
        try:
            self._map()
            device.ioctl(abi.STREAMON, ctypes.c_int(abi.BUFFER_TYPE_CAPTURE))
        except BaseException:
            self._release()
            raise

    def wait(self, timeout_s: float) -> bool:
        """Return whether a buffer is ready in time."""
        return self._device.wait(timeout_s)

    def take(self, *, not_before_ns: int) -> _Taken | None:
        """Empty the queue, and return the newest whole frame that is not older than that."""
        newest = None
        for _ in range(2 * BUFFERS):
            buffer = self._buffer()
            try:
                self._device.ioctl(abi.DQBUF, buffer)
            except BlockingIOError:
                break
            taken_ns = _taken_ns(buffer)
            if not buffer.flags & abi.FLAG_ERROR and taken_ns >= not_before_ns:
                newest = _Taken(self._bytes(buffer), taken_ns, buffer.sequence)
            if self._first_sequence is None:
                self._first_sequence = buffer.sequence
            self._device.ioctl(abi.QBUF, buffer)
        return newest

    def decoded(self, taken: _Taken) -> Frame:
        """Return the frame. Raises TornFrame."""
        pix = self._format
        if pix.pixelformat == abi.YUYV:
            rgb = from_yuyv(taken.raw, width=pix.width, height=pix.height, stride=pix.bytesperline)
        else:
            rgb = from_mjpeg(taken.raw, width=pix.width, height=pix.height)
        # The kernel counts in 32 bits.
        return Frame(rgb, taken.taken_ns, (taken.sequence - (self._first_sequence or 0)) % 2**32)

    def set_controls(self, controls: Controls) -> None:
        """Set exposure and white balance, each if the camera has it."""
        with suppress(OSError):
            self._expose(controls.exposure_bias_ev)
        with suppress(OSError):
            kelvin = controls.white_balance_k
            self._set(abi.CID_AUTO_WHITE_BALANCE, int(kelvin is None))
            if kelvin is not None:
                self._set_within(abi.CID_WHITE_BALANCE_TEMPERATURE, kelvin)

    def close(self) -> None:
        """Stop, and close the device."""
        with suppress(OSError):
            self._device.ioctl(abi.STREAMOFF, ctypes.c_int(abi.BUFFER_TYPE_CAPTURE))
        self._release()
        self._device.close()

    def _require_camera(self) -> None:
        found = abi.Capability()
        try:
            self._device.ioctl(abi.QUERYCAP, found)
        except OSError as error:
            raise DeviceMissing("camera", "no video device") from error
        per_device = found.capabilities & abi.CAP_DEVICE_CAPS
        can = found.device_caps if per_device else found.capabilities
        wanted = abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING
        if can & wanted != wanted:
            raise DeviceMissing("camera", "the device takes no pictures")

    def _agree(self) -> abi.PixFormat:
        """Return the format that the driver chose; it may change the size, not the coding."""
        for wanted in FORMATS:
            asked = abi.Format(type=abi.BUFFER_TYPE_CAPTURE)
            asked.fmt.pix.width, asked.fmt.pix.height = SIZE_PX
            asked.fmt.pix.pixelformat, asked.fmt.pix.field = wanted, abi.FIELD_NONE
            try:
                self._device.ioctl(abi.S_FMT, asked)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                continue
            pix: abi.PixFormat = asked.fmt.pix
            if pix.pixelformat == wanted and _usable(pix):
                return abi.PixFormat.from_buffer_copy(pix)
        raise ValueError("no format that is known here")

    def _map(self) -> None:
        asked = abi.RequestBuffers(
            count=BUFFERS, type=abi.BUFFER_TYPE_CAPTURE, memory=abi.MEMORY_MMAP
        )
        self._device.ioctl(abi.REQBUFS, asked)
        if not 2 <= asked.count <= 2 * BUFFERS:
            raise ValueError("too few buffers, or too many")
        for index in range(asked.count):
            buffer = self._buffer(index)
            self._device.ioctl(abi.QUERYBUF, buffer)
            if not 0 < buffer.length <= MAX_BUFFER_BYTES:
                raise ValueError("a buffer of a strange size")
            self._buffers.append(self._device.map(buffer.length, buffer.m.offset))
            self._device.ioctl(abi.QBUF, buffer)

    def _buffer(self, index: int = 0) -> abi.Buffer:
        return abi.Buffer(index=index, type=abi.BUFFER_TYPE_CAPTURE, memory=abi.MEMORY_MMAP)

    def _bytes(self, buffer: abi.Buffer) -> bytes:
        """Copy what was written: the buffer goes back to the driver at once."""
        if buffer.index >= len(self._buffers):
            raise ValueError("a buffer that was not given")
        return bytes(self._buffers[buffer.index][: buffer.bytesused])

    def _release(self) -> None:
        buffers, self._buffers = self._buffers, []
        for each in buffers:
            if isinstance(each, mmap.mmap):
                each.close()

    def _expose(self, bias_ev: float) -> None:
        """Leave the automatic for a time that is so much longer than what it had chosen."""
        if bias_ev == 0:
            self._set(abi.CID_EXPOSURE_AUTO, abi.EXPOSURE_APERTURE_PRIORITY)
            self._exposure = None
            return
        if self._exposure is None:
            self._exposure = self._get(abi.CID_EXPOSURE_ABSOLUTE)
            self._set(abi.CID_EXPOSURE_AUTO, abi.EXPOSURE_MANUAL)
        self._set_within(abi.CID_EXPOSURE_ABSOLUTE, round(self._exposure * 2.0**bias_ev))

    def _get(self, which: int) -> int:
        asked = abi.Control(id=which)
        self._device.ioctl(abi.G_CTRL, asked)
        return int(asked.value)

    def _set(self, which: int, value: int) -> None:
        self._device.ioctl(abi.S_CTRL, abi.Control(id=which, value=value))

    def _set_within(self, which: int, value: int) -> None:
        """Set the nearest value that the camera has."""
        has = abi.QueryControl(id=which)
        self._device.ioctl(abi.QUERYCTRL, has)
        if not has.flags & abi.CONTROL_DISABLED:
            self._set(which, min(max(value, has.minimum), has.maximum))


class _KernelDevice:
    """A video device of this machine."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, number: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        fcntl.ioctl(self._fd, number, argument)

    def map(self, length: int, offset: int) -> mmap.mmap:
        return mmap.mmap(self._fd, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)

    def wait(self, timeout_s: float) -> bool:
        readable, _, _ = select.select([self._fd], [], [], timeout_s)
        return bool(readable)

    def close(self) -> None:
        os.close(self._fd)


def _usable(pix: abi.PixFormat) -> bool:
    sides = all(16 <= side <= MAX_SIDE_PX for side in (pix.width, pix.height))
    rows = pix.pixelformat != abi.YUYV or (
        pix.width % 2 == 0 and 2 * pix.width <= pix.bytesperline <= 8 * MAX_SIDE_PX
    )
    return sides and rows


def _taken_ns(buffer: abi.Buffer) -> int:
    """Return when a buffer was filled; now, if the driver counts on another clock."""
    if buffer.flags & abi.TIMESTAMP_MASK != abi.TIMESTAMP_MONOTONIC:
        return time.monotonic_ns()
    return int(buffer.timestamp.seconds) * 10**9 + int(buffer.timestamp.microseconds) * 1000


def _refusal(error: OSError) -> DeviceMissing | DeviceFailed:
    missing = error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}
    kind = DeviceMissing if missing else DeviceFailed
    return kind("camera", f"the device: {error.strerror}")
