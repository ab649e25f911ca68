"""The kernel's side of a video device, as far as the driver speaks to it; written from its docs.

It fills queued buffers at a pace, counts every frame whether a buffer was free or not, and stamps
the monotonic clock. What `faults` names happens to every frame, or to those it is told of.
"""

from __future__ import annotations

import errno
import io
import os
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hw.camera import v4l2_abi as abi

if TYPE_CHECKING:
    import ctypes

RED = (200, 30, 40)


def yuyv_of(rgb: np.ndarray) -> bytes:
    """Return a frame as Pillow's YCbCr, scaled from full range to a camera's."""
    full = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(float)
    luma = np.rint(16 + full[..., 0] * 219 / 255)
    chroma = np.rint(128 + (full[..., 1:] - 128) * 224 / 255)
    out = np.empty((*rgb.shape[:2], 2), dtype=np.uint8)
    out[..., 0] = luma
    out[:, 0::2, 1], out[:, 1::2, 1] = chroma[:, 0::2, 0], chroma[:, 0::2, 1]
    return out.tobytes()


def jpeg_of(rgb: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=90)
    return out.getvalue()


class Kernel:
    """One device. `formats` are those it has; its controls are (least, most, now)."""

    def __init__(self, *, fps=50.0, formats=(abi.YUYV,), size=(64, 48), faults=()) -> None:
        self.fps, self.formats, self.size, self.faults = fps, formats, size, frozenset(faults)
        self.controls = {
            abi.CID_EXPOSURE_AUTO: [0, 3, abi.EXPOSURE_APERTURE_PRIORITY],
            abi.CID_EXPOSURE_ABSOLUTE: [3, 2047, 200],
            abi.CID_AUTO_WHITE_BALANCE: [0, 1, 1],
            abi.CID_WHITE_BALANCE_TEMPERATURE: [2800, 6500, 4600],
        }
        self.is_open = self.streaming = self.unplugged = False
        self.colour = RED
        self.monotonic = True
        self.memory: list[bytearray] = []

    def opened(self, path: str) -> Kernel:
        if path == "/dev/none":
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self.is_open:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self.is_open = True
        self.queued: deque[int] = deque()
        self.done: deque[tuple[int, int, int, int, int]] = deque()
        self.memory, self.streaming = [], False
        return self

    def ioctl(self, number: int, argument: ctypes.Structure) -> None:
        assert self.is_open
        if self.unplugged:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self._fill()
        answers = {
            abi.QUERYCAP: self._capabilities,
            abi.S_FMT: self._agree,
            abi.REQBUFS: self._request,
            abi.QUERYBUF: self._describe,
            abi.QBUF: lambda buffer: self.queued.append(buffer.index),
            abi.DQBUF: self._give,
            abi.STREAMON: self._start,
            abi.STREAMOFF: self._stop,
            abi.G_CTRL: self._get,
            abi.S_CTRL: self._set,
            abi.QUERYCTRL: self._range,
        }
        answers[number](argument)

    def map(self, length: int, offset: int) -> memoryview:
        assert length == len(self.memory[offset // 4096])
        return memoryview(self.memory[offset // 4096]).toreadonly()

    def wait(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while self.is_open and time.monotonic() < until:
            self._fill()
            if self.done:
                return True
            time.sleep(0.001)
        return False

    def close(self) -> None:
        self.is_open = self.streaming = False

    def _capabilities(self, found: abi.Capability) -> None:
        if "no_video" in self.faults:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        found.capabilities = abi.CAP_DEVICE_CAPS | abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING
        found.device_caps = 0 if "metadata_node" in self.faults else (
            abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING
        )  # fmt: skip

    def _agree(self, asked: abi.Format) -> None:
        pix = asked.fmt.pix
        if pix.pixelformat not in self.formats:
            if "refuses_formats" in self.faults:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            pix.pixelformat = self.formats[0]
        pix.width, pix.height = self.size
        pix.bytesperline = 2 * pix.width if pix.pixelformat == abi.YUYV else 0
        if "narrow_rows" in self.faults:
            pix.bytesperline -= 2
        self.format = pix.pixelformat

    def _request(self, asked: abi.RequestBuffers) -> None:
        if "no_memory" in self.faults:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        asked.count = 1 if "one_buffer" in self.faults else asked.count
        size = self.size[0] * self.size[1] * 2 + 4096
        self.memory = [bytearray(size) for _ in range(asked.count)]

    def _describe(self, buffer: abi.Buffer) -> None:
        buffer.length = len(self.memory[buffer.index])
        buffer.m.offset = buffer.index * 4096
        if "huge_buffers" in self.faults:
            buffer.length = 2**31

    def _start(self, kind: ctypes.c_int) -> None:
        if "does_not_start" in self.faults:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert kind.value == abi.BUFFER_TYPE_CAPTURE
        self.streaming, self.began, self.counted = True, time.monotonic_ns(), 0

    def _stop(self, _kind: ctypes.c_int) -> None:
        self.streaming = False

    def _give(self, buffer: abi.Buffer) -> None:
        if not self.done:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        index, length, flags, stamp_ns, sequence = self.done.popleft()
        buffer.index, buffer.bytesused, buffer.sequence = index, length, sequence
        buffer.flags = flags | (abi.TIMESTAMP_MONOTONIC if self.monotonic else 0)
        clock_ns = stamp_ns if self.monotonic else stamp_ns + 10**18
        buffer.timestamp.seconds, rest = divmod(clock_ns, 10**9)
        buffer.timestamp.microseconds = rest // 1000

    def _fill(self) -> None:
        if not self.streaming or "stalls" in self.faults:
            return
        period_ns = 1e9 / self.fps
        while self.began + (self.counted + 1) * period_ns <= time.monotonic_ns():
            self.counted += 1
            if not self.queued:
                continue
            index = self.queued.popleft()
            raw = self._picture(self.counted - 1)
            self.memory[index][: len(raw)] = raw
            torn = "errors" in self.faults and self.counted % 2
            exposed = 1 if "stamped_at_exposure" in self.faults else 0
            stamp_ns = int(self.began + (self.counted - exposed) * period_ns)
            entry = (index, len(raw), abi.FLAG_ERROR if torn else 0, stamp_ns, self.counted + 6)
            self.done.append(entry)

    def _picture(self, number: int) -> bytes:
        rgb = np.empty((self.size[1], self.size[0], 3), dtype=np.uint8)
        rgb[:] = self.colour
        raw = yuyv_of(rgb) if self.format == abi.YUYV else jpeg_of(rgb)
        if "short" in self.faults and number % 2:
            return raw[: len(raw) // 2]
        return raw + bytes(16) if self.format == abi.MJPEG else raw

    def _get(self, asked: abi.Control) -> None:
        asked.value = self._has(asked.id)[2]

    def _set(self, asked: abi.Control) -> None:
        least, most, _ = self._has(asked.id)
        if not least <= asked.value <= most:
            raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
        self.controls[asked.id][2] = asked.value

    def _range(self, asked: abi.QueryControl) -> None:
        asked.minimum, asked.maximum, _ = self._has(asked.id)

    def _has(self, which: int) -> list[int]:
        if which not in self.controls:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return self.controls[which]
