"""Exposure and white balance: what a camera may be told, and a way to light one face well.

Knows how bright a face is and when it was seen. Knows no camera and no picture: who looks at frames
says how bright the face on them is, and hands what comes back to `CameraPort.set_controls`. A
camera's own automatic exposure lights the whole frame: before a bright window the face stays dark,
before a dark wall it burns out. The bias moves that automatic, by steps, until the face is right.
White balance stays automatic: the nets were not seen to depend on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_BIAS_EV: Final = 3.0
TARGET_LUMA: Final = 120.0
"""Of a face. Skin of every colour is matched well between 60 and 180."""
GAMMA: Final = 2.2
"""Of a picture: twice the light makes 1.37 times the value."""
DEAD_EV: Final = 1.0
"""A face so near to the target is left in peace; a frame that flickers is worse than a dark one."""
STEP_EV: Final = 1.0
"""At most so much at once."""
SETTLE_S: Final = 0.4
"""Until a change can be seen in a frame: a few frames of delay and a smooth automatic."""
FORGET_S: Final = 4.0
"""Nobody there for so long: the next person begins with the camera's own exposure."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What a camera is told.

    Attributes:
        exposure_bias_ev: steps of twice the light above its own automatic, -3..3.
        white_balance_k: kelvin, 2000..10000; None: automatic.

    Raises:
        ValueError: a value out of its range.
    """

    exposure_bias_ev: float = 0.0
    white_balance_k: int | None = None

    def __post_init__(self) -> None:
        if not abs(self.exposure_bias_ev) <= MAX_BIAS_EV:
            raise ValueError("exposure bias out of range")
        if self.white_balance_k is not None and not 2000 <= self.white_balance_k <= 10_000:
            raise ValueError("white balance out of range")


class FaceExposure:
    """Which bias the next frames want; one camera's, one thread's."""

    def __init__(self) -> None:
        """Begin with the camera's own exposure."""
        self._bias_ev = 0.0
        self._seen_s = -math.inf
        self._changed_s = -math.inf

    def see(self, face_luma: float | None, *, at_s: float) -> Controls | None:
        """Take the next frame; return what the camera is to be told, None: nothing new.

        Args:
            face_luma: the mean luma of the face on it, 0..255; None: there is none.
            at_s: when it was taken, monotonic.
        """
        if face_luma is None:
            return self._change(0.0, at_s) if at_s - self._seen_s > FORGET_S else None
        self._seen_s = at_s
        if at_s - self._changed_s < SETTLE_S:
            return None
        off_ev = GAMMA * math.log2(TARGET_LUMA / max(face_luma, 1.0))
        if abs(off_ev) < DEAD_EV:
            return None
        step_ev = min(max(off_ev, -STEP_EV), STEP_EV)
        return self._change(min(max(self._bias_ev + step_ev, -MAX_BIAS_EV), MAX_BIAS_EV), at_s)

    def _change(self, bias_ev: float, at_s: float) -> Controls | None:
        if bias_ev == self._bias_ev:
            return None
        self._bias_ev, self._changed_s = bias_ev, at_s
        return Controls(exposure_bias_ev=bias_ev)
