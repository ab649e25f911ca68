"""A serial line: bytes in and out, all within a time, given up when another thread says so.

Knows pyserial and what a line that is pulled out looks like. Knows nothing of frames.
"""

from __future__ import annotations

import errno
import math
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import serial

from hw.errors import DeviceFailed, DeviceMissing
from hw.finger.errors import DEVICE, LineBroken, OutOfTime, PortClosed

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

LOOK_UP_S: Final = 0.05
"""So often who waits looks whether the line was given up."""
WRITE_S: Final = 1.5
QUIET_S: Final = 0.1
"""A line on which nothing came for so long is quiet; adapters hold bytes back for a sixth of it."""
_BITS_A_BYTE: Final = 10
_MISSING: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.ENOTTY})
_BROKEN: Final = (OSError, termios.error)


class Line:
    """An open serial device, held exclusively."""

    def __init__(self, path: str, *, baud: int, given_up: threading.Event) -> None:
        """Open it.

        Args:
            path: its file, e.g. "/dev/ttyUSB0".
            baud: bits a second, to begin with.
            given_up: once set, whoever waits on the line leaves it.

        Raises:
            DeviceMissing: there is none.
            DeviceFailed: it is in use, or forbidden.
        """
        self.given_up = given_up
        self.until = math.inf
        """The monotonic time from which nothing is said nor heard any more."""
        try:
            self._serial = serial.Serial(
                path, baud, timeout=LOOK_UP_S, write_timeout=WRITE_S, exclusive=True
            )
        except (OSError, ValueError, termios.error) as error:
            missing = isinstance(error, OSError) and error.errno in _MISSING
            kind = DeviceMissing if missing else DeviceFailed
            raise kind(DEVICE, "the serial line does not open") from error

    @property
    def baud(self) -> int:
        """Bits a second."""
        return int(self._serial.baudrate)

    def set_baud(self, baud: int) -> None:
        """Change the speed; what came and was not read is lost."""
        try:
            self._serial.baudrate = baud
            self._serial.reset_input_buffer()
        except _BROKEN as error:
            raise LineBroken from error

    def seconds_for(self, count: int) -> float:
        """Return how long so many bytes take at this speed: a start, eight and a stop bit each."""
        return count * _BITS_A_BYTE / self.baud

    def write(self, frame: bytes) -> None:
        """Send bytes.

        Raises:
            PortClosed: the line was given up.
            OutOfTime: its time is over.
            LineBroken: it broke, or takes nothing any more.
        """
        left_s = self._time_left_s()
        try:
            if (wait_s := min(WRITE_S, left_s)) != self._serial.write_timeout:
                self._serial.write_timeout = wait_s
            self._serial.write(frame)
        except _BROKEN as error:
            raise LineBroken from error

    def read(self) -> bytes:
        """Return what is there, waiting at most `LOOK_UP_S` for a first byte.

        Raises:
            PortClosed: the line was given up.
            OutOfTime: its time is over.
            LineBroken: it broke.
        """
        self._time_left_s()
        try:
            return bytes(self._serial.read(max(1, self._serial.in_waiting)))
        except _BROKEN as error:
            raise LineBroken from error

    def chunks(self, *, until: float) -> Iterator[bytes]:
        """Yield what comes, and b"" whenever nothing did for a while, until a monotonic time."""
        while time.monotonic() < until:
            yield self.read()

    def await_quiet(self, *, at_most_s: float) -> None:
        """Throw away what comes until the line is quiet, for a bounded time."""
        until = time.monotonic() + at_most_s
        last = time.monotonic()
        for chunk in self.chunks(until=until):
            if chunk:
                last = time.monotonic()
            elif time.monotonic() - last >= QUIET_S:
                return

    def _time_left_s(self) -> float:
        if self.given_up.is_set():
            raise PortClosed
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise OutOfTime
        return left_s

    def close(self) -> None:
        """Let go of it."""
        with suppress(*_BROKEN):
            self._serial.close()
