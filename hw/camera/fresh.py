"""Whether frames come one after the other from a lens: not twice, not out of order, not too fast.

Knows numbers, times and bytes. No two pictures of a real sensor are equal, for it is never without
noise: a frame that was seen before, bit by bit, was put in. Old frames are for others to leave out.
Does not know what is on a picture, nor whether the noise of another one is real: whoever sends new
noise at the right time is not seen.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from hw.camera.port import Frame

REMEMBERED: Final = 4096
"""Frames whose digests are kept: minutes."""
EVERY_ROW: Final = 4
"""Every so many rows is digested: equal pictures have equal rows, different ones hardly."""
DIGEST_BYTES: Final = 16
BLANK_LEVELS: Final = 8
"""A picture that varies less shows nothing and proves nothing, equal or not."""
MAX_FPS: Final = 400
"""No camera here is faster: numbers that run ahead of the time were made up, and so were frames
that come closer. One may be stamped late, and then the next one seems to follow at once; no two do.
"""
MAX_LOST: Final = 300
"""Frames that a busy machine may miss in a row."""
MAX_AHEAD_S: Final = 0.05
"""A picture of the future was not taken."""


class Staleness(StrEnum):
    """Why a frame cannot have come from the lens just now."""

    REPEATED = "repeated"
    """The same bits as an earlier frame."""
    OUT_OF_ORDER = "out_of_order"
    """Its number is not above the last one's."""
    GAP = "gap"
    """Numbers are missing that a camera cannot have counted."""
    TIME_WENT_BACK = "time_went_back"
    """It is not later than the last one."""
    TOO_FAST = "too_fast"
    """It and the two before it are closer than a camera can take them."""
    OF_THE_FUTURE = "of_the_future"


class Freshness:
    """The frames of one opened camera."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._last: tuple[int, int] | None = None
        self._last_but_one_ns: int | None = None
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self.flaw: Staleness | None = None

    def take(self, frame: Frame, *, now_ns: int) -> Staleness | None:
        """Look at the next frame; return what was ever wrong since the camera was opened.

        Args:
            frame: as the driver gave it.
            now_ns: the monotonic clock, after the frame was given.
        """
        found = self._order(frame, now_ns) or self._repeated(frame)
        self._last_but_one_ns = None if self._last is None else self._last[1]
        self._last = (frame.seq, frame.monotonic_ns)
        self.flaw = self.flaw or found
        return self.flaw

    def _order(self, frame: Frame, now_ns: int) -> Staleness | None:
        if (frame.monotonic_ns - now_ns) / 1e9 > MAX_AHEAD_S:
            return Staleness.OF_THE_FUTURE
        if self._last is None:
            return None
        seq, taken_ns = self._last
        if frame.seq <= seq:
            return Staleness.OUT_OF_ORDER
        if frame.monotonic_ns <= taken_ns:
            return Staleness.TIME_WENT_BACK
        steps, passed_s = frame.seq - seq, (frame.monotonic_ns - taken_ns) / 1e9
        too_many = steps > MAX_LOST or (steps > 1 and steps > 2 + passed_s * MAX_FPS)
        if too_many:
            return Staleness.GAP
        begun_ns = self._last_but_one_ns
        hasty = begun_ns is not None and (frame.monotonic_ns - begun_ns) / 1e9 < 2 / MAX_FPS
        return Staleness.TOO_FAST if hasty else None

    def _repeated(self, frame: Frame) -> Staleness | None:
        rows = np.ascontiguousarray(frame.rgb[::EVERY_ROW])
        if rows.size == 0 or int(rows.max()) - int(rows.min()) < BLANK_LEVELS:
            return None
        digest = hashlib.blake2b(rows.data, digest_size=DIGEST_BYTES).digest()
        if digest in self._seen:
            return Staleness.REPEATED
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return None
