"""One challenge, frame by frame: look ahead, do this, look ahead, do that, each in its own time.

Knows the steps, their pauses and windows, and what counts as too early, wrong or too late. Does not
know who is seen, nor who drew the steps. What is shown before it is asked for is as wrong as what
was not asked for, eyes that are closed on purpose too: a recording knows neither what nor when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.liveness import (
    MAX_BLINK_YAW_DEG,
    MIN_TURN_DEG,
    BlinkChallenge,
    Progress,
    TurnChallenge,
    measure,
)

if TYPE_CHECKING:
    from kiosk.vision.port import Challenge, CueName, Step
    from kiosk.vision.sight import Sight
    from models.face.mesh import Mesh

BACK_WITHIN_S: Final = 6.0
"""From having turned to looking ahead again, and to the next request."""
REACTION_S: Final = 0.15
"""Nobody does in less what was just asked; what is shown by then was not shown for it."""
MIN_OPEN_FRAMES: Final = 2
"""Before a blink is asked for, it is seen so often how open the eyes are."""
KEPT_OPENNESS: Final = 9


class Standing(Enum):
    """How a challenge stands."""

    UNDER_WAY = auto()
    DONE = auto()
    """Every step was shown."""
    ASTRAY = auto()
    """Something else was shown, or before it was asked: as may happen to people, once."""
    TOO_LATE = auto()


class _Part(Enum):
    PAUSE = auto()
    ACT = auto()
    BACK = auto()


@dataclass(slots=True, eq=False)
class Trial:
    """A challenge that is under way.

    Attributes:
        steps: what is asked for.
        reference: the face looking ahead, from before.
        since_s: when the present part began, on the clock of the sights.
    """

    steps: Challenge
    reference: Mesh = field(repr=False)
    since_s: float
    _place: int = 0
    _part: _Part = _Part.PAUSE
    _asked: TurnChallenge | BlinkChallenge | None = None
    _eyes: BlinkChallenge | None = None
    _openness: list[float] = field(default_factory=list, repr=False)
    _cues: list[CueName] = field(default_factory=list)
    _shown: bool = False

    @property
    def shown(self) -> bool:
        """Whether the person, or whoever watches, has seen any of it."""
        return self._shown

    @property
    def acting(self) -> bool:
        """Whether the person may look elsewhere, or close the eyes, just now."""
        return self._part is not _Part.PAUSE

    def too_soon(self, at_s: float) -> bool:
        """Return whether nobody can have begun by then to do what was just asked."""
        return self._part is _Part.ACT and at_s - self.since_s < REACTION_S

    def take_cues(self) -> list[CueName]:
        """Return what is to be said since the last call."""
        said, self._cues = self._cues, []
        return said

    def feed(self, sight: Sight, mesh: Mesh) -> Standing:
        """Take the next frame of the one person, and return how the challenge stands.

        Args:
            sight: what the frame shows.
            mesh: the points of the face on it.

        Raises:
            ModelError: the iris net failed.
        """
        match self._part:
            case _Part.PAUSE:
                return self._pause(sight, mesh)
            case _Part.ACT:
                return self._act(sight, mesh)
            case _Part.BACK:
                return self._back(sight, mesh)

    @property
    def _step(self) -> Step:
        return self.steps[self._place]

    def _begin(self, part: _Part, at_s: float) -> None:
        self._part, self.since_s = part, at_s

    def _pause(self, sight: Sight, mesh: Mesh) -> Standing:
        yaw = abs(measure(self.reference, mesh).yaw_deg)
        if yaw >= MIN_TURN_DEG:
            return Standing.ASTRAY
        if self._eyes_closed(sight, mesh):
            return Standing.ASTRAY
        blink = self._step.act == "blink"
        if yaw < MAX_BLINK_YAW_DEG:
            self._openness = [*self._openness, sight.openness()][-KEPT_OPENNESS:]
        passed_s = sight.taken_s - self.since_s
        if passed_s > self._step.pause_s + BACK_WITHIN_S:
            return Standing.TOO_LATE
        if passed_s < self._step.pause_s or (blink and len(self._openness) < MIN_OPEN_FRAMES):
            return Standing.UNDER_WAY
        self._ask()
        self._begin(_Part.ACT, sight.taken_s)
        return Standing.UNDER_WAY

    def _eyes_closed(self, sight: Sight, mesh: Mesh) -> bool:
        """Return whether the eyes were closed on purpose, though that was not asked."""
        if self._eyes is None and len(self._openness) >= MIN_OPEN_FRAMES:
            self._eyes = self._blink()
        if self._eyes is None:
            return False
        return self._eyes.feed(mesh, sight.openness, at_s=sight.taken_s) is not Progress.WAITING

    def _blink(self) -> BlinkChallenge:
        # People blink by themselves, for a frame or two: the middle is their open eye.
        openness = max(float(np.median(self._openness)), 1e-6)
        return BlinkChallenge(reference=self.reference, openness=openness)

    def _ask(self) -> None:
        act = self._step.act
        if act == "blink":
            self._asked = self._blink()
        else:
            self._asked = TurnChallenge(
                "left" if act == "turn_left" else "right", reference=self.reference
            )
        self._cues.append(act)
        self._shown = True

    def _act(self, sight: Sight, mesh: Mesh) -> Standing:
        passed_s = sight.taken_s - self.since_s
        if passed_s > self._step.within_s:
            return Standing.TOO_LATE
        progress = self._feed(sight, mesh)
        early = self.too_soon(sight.taken_s) and progress is not Progress.WAITING
        if progress is Progress.FAILED or early:
            return Standing.ASTRAY
        if progress is Progress.TURNED:
            self._cues.append("look_ahead")
            self._begin(_Part.BACK, sight.taken_s)
        if progress is Progress.PASSED:
            return self._next(sight)
        return Standing.UNDER_WAY

    def _back(self, sight: Sight, mesh: Mesh) -> Standing:
        if sight.taken_s - self.since_s > BACK_WITHIN_S:
            return Standing.TOO_LATE
        progress = self._feed(sight, mesh)
        if progress is Progress.FAILED:
            return Standing.ASTRAY
        if progress is not Progress.PASSED or sight.flaw is not None:
            return Standing.UNDER_WAY
        return self._next(sight)

    def _feed(self, sight: Sight, mesh: Mesh) -> Progress:
        match self._asked:
            case TurnChallenge():
                waiting = self._asked.progress is Progress.WAITING
                closed = waiting and self._eyes_closed(sight, mesh)
                return Progress.FAILED if closed else self._asked.feed(mesh)
            case BlinkChallenge():
                if abs(measure(self.reference, mesh).yaw_deg) >= MIN_TURN_DEG:
                    return Progress.FAILED
                return self._asked.feed(mesh, sight.openness, at_s=sight.taken_s)
            case None:
                return Progress.FAILED

    def _next(self, sight: Sight) -> Standing:
        if self._step.act == "blink":
            self._cues.append("look_ahead")
        self._asked, self._eyes, self._openness = None, None, []
        self._place += 1
        if self._place == len(self.steps):
            return Standing.DONE
        self._begin(_Part.PAUSE, sight.taken_s)
        return Standing.UNDER_WAY
