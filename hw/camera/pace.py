"""The pace of a camera that has no shutter of its own.

Knows frames a second. Does not know what is on them.
"""

from __future__ import annotations

import time

MIN_FPS, MAX_FPS = 0.5, 240.0


class Pace:
    """Numbers frames by the clock, from 0 at the time of making."""

    def __init__(self, fps: float) -> None:
        """Begin.

        Raises:
            ValueError: fps is not within `MIN_FPS` and `MAX_FPS`.
        """
        self._fps = checked_fps(fps)
        self._begun_ns = time.monotonic_ns()
        self._next = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return (time.monotonic_ns() - self._begun_ns) / 1e9

    def wait(self) -> int:
        """Return the number of the frame that is due, at its time; late callers skip frames."""
        elapsed_s = self.elapsed_s
        due = max(self._next, int(elapsed_s * self._fps))
        time.sleep(max(due / self._fps - elapsed_s, 0.0))
        self._next = due + 1
        return due


def checked_fps(fps: float) -> float:
    """Return fps.

    Raises:
        ValueError: it is not within `MIN_FPS` and `MAX_FPS`.
    """
    if not MIN_FPS <= fps <= MAX_FPS:
        raise ValueError("fps out of range")
    return fps
