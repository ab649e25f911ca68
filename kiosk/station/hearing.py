"""Whether what a vision worker says can be true: out of turn, unasked or contradictory is none.

Knows the frames of `kiosk.vision.port` and what the worker was asked. Pure; no socket, no picture.

What these checks give: a worker that is broken, half taken over, or built otherwise than this
station ends as a failed device instead of as a verdict, and nobody passes for living to whom the
station's own challenge was not shown in full. What they do not give: a worker that is wholly in an
attacker's hands sees the challenge, can claim to have shown it, and can say "the same" of any face.
Against that stand its process, which knows nothing else and ends with the citizen, and the model
files, which only an administrator may write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kiosk.vision.port import Cued, Failed, Hinted, Judged, Ready, VisionFrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiosk.vision.port import ActName, Challenge, FromWorker

MIN_COMPARED: Final = 3
"""Frames that a likeness rests on at least."""
ROLES: Final = frozenset({"detect", "mesh", "iris", "embed", "calibration"})
"""What looks and decides, and what a record must therefore name."""
LIVE: Final = "texture"
"""What besides must have looked before anybody passes for living."""
PARTS: Final = {"strict": ("mobilefacenet", "dlib-resnet")}
"""The nets of which one is made that is none itself, in the order in which a worker names them."""
SITE: Final = "site-"
"""Before the id of a site's own calibration."""
NAMED: Final = re.compile(r"(.+)-[0-9a-f]{12}")
"""An id: a name, and the beginning of a hash."""


@dataclass(slots=True)
class Hearing:
    """What one worker said so far, and what it was asked.

    Attributes:
        net: the net that it must run; None: any.
        asked: what the person is to be asked for, in each try; empty: nothing was asked yet.
    """

    net: str | None = None
    asked: tuple[Challenge, ...] = ()
    _ready: bool = False
    _over: bool = False
    _can_tell_life: bool = False
    _acts: list[ActName] = field(default_factory=list)

    def ask(self, challenges: tuple[Challenge, ...]) -> None:
        """Note the one question."""
        self.asked = challenges

    def hear(self, frame: FromWorker) -> None:
        """Take the next frame.

        Raises:
            VisionFrameError: it cannot be true, or comes out of turn.
        """
        if self._over:
            raise VisionFrameError("more after the last word")
        match frame:
            case Ready():
                self._hear_ready(frame)
            case Failed():
                self._over = True
            case _ if not self._ready:
                raise VisionFrameError("a worker that was not ready")
            case Cued():
                self._hear_cue(frame)
            case Judged():
                self._hear_verdict(frame)
            case Hinted():
                pass

    def _hear_ready(self, ready: Ready) -> None:
        if self._ready:
            raise VisionFrameError("ready twice")
        if not ready.models.keys() >= ROLES:
            raise VisionFrameError("it does not say what decides")
        names = {role: _names_in(named) for role, named in ready.models.items()}
        (calibrated, *more) = names["calibration"]
        net = calibrated.removeprefix(SITE)
        if more or (self.net is not None and net != self.net):
            raise VisionFrameError("another net than this device's")
        if names["embed"] != PARTS.get(net, (net,)):
            raise VisionFrameError("a calibration of another net than the one that embeds")
        self._ready, self._can_tell_life = True, LIVE in names

    def _hear_cue(self, cued: Cued) -> None:
        if not self.asked:
            raise VisionFrameError("a cue that nobody asked for")
        if cued.cue == "look_ahead":
            return
        self._acts.append(cued.cue)
        tries = range(1, len(self.asked) + 1)
        if not any(_shown_of(self._acts, self.asked[:count]) for count in tries):
            raise VisionFrameError("a cue that nobody asked for")

    def _hear_verdict(self, judged: Judged) -> None:
        self._over = True
        if not self.asked:
            raise VisionFrameError("a verdict that nobody asked for")
        if judged.tries > len(self.asked) or not _shown_of(self._acts, self.asked[: judged.tries]):
            raise VisionFrameError("tries that were not cued")
        if judged.tries == 0 and judged.band != "none":
            raise VisionFrameError("a likeness of somebody who was asked for nothing")
        _check_likeness(judged)
        _check_life(judged)
        if judged.live != "passed":
            return
        if not self._can_tell_life:
            raise VisionFrameError("life by a layer that is not there")
        if not self._shown_whole(judged.tries):
            raise VisionFrameError("life by a challenge that was not shown")

    def _shown_whole(self, tries: int) -> bool:
        """Whether the last try's challenge was cued to its end."""
        if tries == 0:
            return False
        last = _acts_of(self.asked[tries - 1])
        begun = len(self._acts) - len(last)
        return self._acts[begun:] == last and _shown_of(self._acts[:begun], self.asked[: tries - 1])


def _names_in(named: str) -> tuple[str, ...]:
    """Return the names in what plays a role: one id, or several that are joined.

    Raises:
        VisionFrameError: it is no such thing.
    """
    found = [NAMED.fullmatch(each) for each in named.split("+")]
    if not all(found):
        raise VisionFrameError("a model without a name or a hash")
    return tuple(each[1] for each in found if each is not None)


def _check_likeness(judged: Judged) -> None:
    """Refuse a likeness that rests on too little, or that reasons say could not be found."""
    if len(set(judged.reasons)) < len(judged.reasons):
        raise VisionFrameError("a reason twice")
    if judged.band == "none":
        if judged.frames:
            raise VisionFrameError("frames that were compared, and no likeness")
        return
    if judged.frames < MIN_COMPARED:
        raise VisionFrameError("a likeness that rests on too little")
    if not {"live_layer_missing"}.issuperset(judged.reasons):
        raise VisionFrameError("a likeness, and a reason why there is none")


def _check_life(judged: Judged) -> None:
    """Refuse a word about life that its reasons contradict."""
    reasons = set(judged.reasons)
    if judged.live == "passed" and (reasons or judged.band == "none"):
        raise VisionFrameError("life, and a reason against it")
    if "live_layer_missing" in reasons and judged.live != "absent":
        raise VisionFrameError("a layer that could not look, and said something")
    if "frames_not_fresh" in reasons and judged.live != "failed":
        raise VisionFrameError("frames that are nobody's, and somebody")


def _acts_of(challenge: Challenge) -> list[ActName]:
    return [step.act for step in challenge]


def _shown_of(acts: Sequence[ActName], challenges: Sequence[Challenge]) -> bool:
    """Whether cues can have come from that many tries: of each challenge its beginning, not none.

    Where one try's next act is the next try's first, both readings are looked at.
    """
    if not challenges:
        return not acts
    first = _acts_of(challenges[0])
    most = min(len(first), len(acts))
    return any(
        list(acts[:shown]) == first[:shown] and _shown_of(acts[shown:], challenges[1:])
        for shown in range(1, most + 1)
    )
