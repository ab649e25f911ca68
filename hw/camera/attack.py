"""People and impostors before a camera, frame by frame: what each shows, and when.

Knows heads, prints, screens, and a script for each kind of attack. Does not know what anyone makes
of them, and has no clock: a frame is of the instant that it is asked for. Everything is rendered
from the same few heads by formulas of our own, so that what a detector does with it is no proof of
what it does with an attack that somebody will try.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw.camera.head import Head, Pose, backdrop
from hw.camera.optics import Lens, Paper, Screen
from hw.camera.port import Cue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from hw.camera.portrait import Portrait

KEPT: Final = 600
"""Rendered poses, of about a megabyte each."""
BEND: Final = 0.35
JITTER_PX: Final = 5
"""How far a hand moves what it holds."""
SIDES: Final = {Cue.TURN_LEFT: 1.0, Cue.TURN_RIGHT: -1.0}


class Kind(StrEnum):
    """What stands before the camera."""

    PERSON = "person"
    """No attack."""
    HASTY_PERSON = "hasty_person"
    """No attack: the first turn goes to the wrong side."""
    PRINT_STILL = "print_still"
    PRINT_MOVED = "print_moved"
    """Turned and tilted as is asked."""
    PRINT_BENT = "print_bent"
    """Round a pipe, turned as is asked."""
    PRINT_CUT = "print_cut"
    """With the eyes cut out, behind which somebody blinks as is asked, and turned as is asked."""
    REPLAY = "replay"
    """A recording of the right person meeting another challenge, put in without a screen, in new
    noise: nothing but the challenge can tell."""
    REPLAY_SCREEN = "replay_screen"
    """The same recording on a good screen that stands still."""
    SCREEN_MOIRE = "screen_moire"
    """A screen that plays along, whatever is asked, and whose grid can be seen: no challenge can
    tell."""
    SCREEN_HELD = "screen_held"
    """A good screen that plays along, held in the hand."""
    SWAPPED = "swapped"
    """The holder's print; somebody else takes its place whenever something is asked."""
    SWAPPED_AFTER = "swapped_after"
    """Somebody else does what is asked, and then holds up the holder's print."""
    TWO_FACES = "two_faces"
    """The holder's print, and beside it somebody who does what is asked."""
    INJECTED_LOOP = "injected_loop"
    """The right frames for once, bit by bit again and again."""
    INJECTED_GAP = "injected_gap"
    """The right person plays along, in frames whose numbers and times are not a camera's."""


ATTACKS: Final = tuple(each for each in Kind if each not in {Kind.PERSON, Kind.HASTY_PERSON})


class Move(NamedTuple):
    """How somebody moves.

    Attributes:
        reaction_s: from being asked to beginning.
        turn_s: how long a turn takes.
        yaw_deg: how far it goes.
        shut_s: how long eyes stay closed.
    """

    reaction_s: float
    turn_s: float
    yaw_deg: float
    shut_s: float


@dataclass(slots=True)
class Actor:
    """Somebody who does what is asked: where head and lids are at an instant."""

    move: Move
    _from: float = 0.0
    _to: float = 0.0
    _since_s: float = -math.inf
    _blink_s: float = -math.inf

    def cue(self, cue: Cue, at_s: float) -> None:
        """Begin, a reaction later, to do what is asked."""
        if cue is Cue.BLINK:
            self._blink_s = at_s + self.move.reaction_s
            return
        side = SIDES.get(cue, 0.0)
        if side != self._to:
            self._from, self._to = self._side(at_s), side
            self._since_s = at_s + self.move.reaction_s

    def pose(self, at_s: float) -> Pose:
        """Return the pose of an instant, one of the few that are drawn."""
        yaw = self.move.yaw_deg * self._side(at_s)
        sway, nod = math.sin(at_s * 1.53), math.sin(at_s * 1.1 + 1)
        since_s = at_s - self._blink_s
        falling = np.interp(
            since_s, (0, 0.15, 0.15 + self.move.shut_s, 0.3 + self.move.shut_s), (0, 1, 1, 0)
        )
        step = 2 if abs(yaw) > 2 else 1
        return Pose(
            float(step * round((yaw + sway) / step)), float(round(nod)), round(4 * falling) / 4
        )

    def _side(self, at_s: float) -> float:
        done = min(max((at_s - self._since_s) / self.move.turn_s, 0.0), 1.0)
        return self._from + (self._to - self._from) * done * done * (3 - 2 * done)


class Shown(NamedTuple):
    """One frame, as a driver would give it.

    Attributes:
        rgb: (H, W, 3) uint8, RGB.
        seq: its number.
        taken_s: when it says that it was taken.
    """

    rgb: NDArray[np.uint8]
    seq: int
    taken_s: float


class Cast:
    """The heads that attacks are made of, and their pictures."""

    def __init__(self, portraits: Mapping[str, Portrait], *, size_px: tuple[int, int]) -> None:
        """Take the people.

        Args:
            portraits: by name.
            size_px: of a frame, width and height.
        """
        self._portraits, self.size_px = dict(portraits), size_px
        self._head = lru_cache(maxsize=64)(self._made)
        self.picture: Callable[[str, str, Pose], NDArray[np.uint8]] = lru_cache(maxsize=KEPT)(
            self._drawn
        )

    def _made(self, who: str, shape: str) -> Head:
        width, height = self.size_px
        return Head(
            self._portraits[who],
            width=width,
            height=height,
            flat=shape != "head",
            bend=BEND if shape == "bent" else 0.0,
            holes=shape == "cut",
        )

    def _drawn(self, who: str, shape: str, pose: Pose) -> NDArray[np.uint8]:
        """Return a picture of a head, or of a flat, bent or cut print of it, in a pose."""
        return self._head(who, shape).render(pose)


@dataclass(slots=True, eq=False)
class Scene:
    """One presentation: `cue` what is asked, then take `frame`s.

    Attributes:
        kind: of presentation.
        cast: where heads come from.
        who: the person on the card.
        other: somebody else.
        chance: of everything that varies.
        recorded: for a replay: the acts of the challenge that was recorded.
    """

    kind: Kind
    cast: Cast = field(repr=False)
    who: str
    other: str
    chance: np.random.Generator = field(repr=False)
    recorded: Sequence[Cue] = ()
    _lens: Lens = field(init=False)
    _paper: Paper = field(init=False)
    _screen: Screen = field(init=False)
    _actor: Actor = field(init=False)
    _tape: list[tuple[float, Cue]] = field(init=False, default_factory=list)
    _asked: Cue = Cue.LOOK_AHEAD
    _hasty: bool = False
    _kept: list[NDArray[np.uint8]] = field(init=False, default_factory=list)
    _begun_s: float | None = None

    def __post_init__(self) -> None:
        """Draw what varies."""
        chance = self.chance
        self._lens, self._paper = Lens.drawn(chance), Paper.drawn(chance)
        self._screen = Screen.drawn(chance, good=self.kind is not Kind.SCREEN_MOIRE)
        self._actor = Actor(
            Move(
                reaction_s=chance.uniform(0.3, 1.2),
                turn_s=chance.uniform(0.6, 1.6),
                yaw_deg=chance.uniform(20, 28),
                shut_s=chance.uniform(0.5, 1.0),
            )
        )
        self._hasty = self.kind is Kind.HASTY_PERSON
        if self.kind in {Kind.REPLAY, Kind.REPLAY_SCREEN, Kind.INJECTED_LOOP}:
            self._tape = tape(self.recorded, chance)

    def cue(self, cue: Cue, at_s: float) -> None:
        """Hear what is asked."""
        self._asked = cue
        if self._tape:
            return
        if self._hasty and cue in SIDES:
            self._hasty = False
            cue = Cue.TURN_RIGHT if cue is Cue.TURN_LEFT else Cue.TURN_LEFT
        self._actor.cue(cue, at_s)

    def frame(self, seq: int, at_s: float) -> Shown:
        """Return the frame of an instant."""
        if self._begun_s is None:
            self._begun_s = at_s
        while self._tape and self._tape[0][0] <= at_s - self._begun_s:
            self._actor.cue(self._tape.pop(0)[1], at_s)
        if self.kind is Kind.INJECTED_LOOP:
            return self._loop(seq, at_s)
        seen = self._lens.see(self._scene(at_s), self.chance)
        if self.kind is Kind.INJECTED_GAP and seq % 20 == 19:
            return Shown(seen, seq + 1000 * (seq // 20), at_s)
        return Shown(seen, seq, at_s)

    def _scene(self, at_s: float) -> NDArray[np.uint8]:
        """Return what stands before the lens."""
        pose = self._actor.pose(at_s)
        match self.kind:
            case Kind.REPLAY_SCREEN:
                return self._screen.show(self._head(self.who, pose), at_s)
            case Kind.SCREEN_MOIRE:
                return self._screen.show(self._head(self.who, pose), at_s)
            case Kind.SCREEN_HELD:
                return _shifted(self._screen.show(self._head(self.who, pose), at_s), at_s)
            case Kind.PRINT_STILL:
                return _shifted(self._print("flat", Pose()), at_s)
            case Kind.PRINT_MOVED:
                return self._print("flat", _as_print(pose))
            case Kind.PRINT_BENT:
                return self._print("bent", _as_print(pose))
            case Kind.PRINT_CUT:
                return self._print("cut", _as_print(pose))
            case Kind.SWAPPED:
                if self._asked is Cue.LOOK_AHEAD and pose.shut == 0 and abs(pose.yaw_deg) < 8:
                    return self._print("flat", Pose())
                return self._head(self.other, pose)
            case Kind.SWAPPED_AFTER:
                done = self._asked is Cue.LOOK_AHEAD and self._actor_has_acted(at_s)
                return self._print("flat", Pose()) if done else self._head(self.other, pose)
            case Kind.TWO_FACES:
                return _beside(self._print("flat", Pose()), self._head(self.other, pose))
            case _:
                return self._head(self.who, pose)

    def _actor_has_acted(self, at_s: float) -> bool:
        blinked = math.isfinite(self._actor._blink_s)  # noqa: SLF001 - one of this module's own
        turned = math.isfinite(self._actor._since_s)  # noqa: SLF001 - one of this module's own
        still = abs(self._actor.pose(at_s).yaw_deg) < 8
        return (blinked or turned) and still

    def _head(self, who: str, pose: Pose) -> NDArray[np.uint8]:
        return self.cast.picture(who, "head", pose)

    def _print(self, shape: str, pose: Pose) -> NDArray[np.uint8]:
        return self._paper.show(self.cast.picture(self.who, shape, pose))

    def _loop(self, seq: int, at_s: float) -> Shown:
        """Return a frame of a second that is put in again and again."""
        if len(self._kept) < 10:
            self._kept.append(self._lens.see(self._scene(at_s), self.chance))
            return Shown(self._kept[-1], seq, at_s)
        return Shown(self._kept[seq % len(self._kept)], seq, at_s)


def tape(acts: Sequence[Cue], chance: np.random.Generator) -> list[tuple[float, Cue]]:
    """Return when a recorded person did what: a whole session, and then once more, and again.

    It begins with as long a look ahead as a kiosk takes; whoever plays it hopes to be in time.

    Args:
        acts: of the challenge that was recorded.
        chance: of when each was asked.

    Returns:
        Seconds from the first frame, in order, and what the person begins to do then.
    """
    played, at_s = [], 0.6
    for _ in range(6):
        for act in acts:
            at_s += chance.uniform(0.4, 1.6)
            played.append((at_s, act))
            at_s += chance.uniform(1.4, 2.2)
            played.append((at_s, Cue.LOOK_AHEAD))
            at_s += chance.uniform(0.8, 1.4)
        at_s += chance.uniform(0.5, 1.5)
    return played


def _as_print(pose: Pose) -> Pose:
    """Return how somebody holds a print who is asked for that pose: further, and tilted."""
    return Pose(1.4 * pose.yaw_deg, pose.pitch_deg + 0.3 * abs(pose.yaw_deg), pose.shut)


def _shifted(rgb: NDArray[np.uint8], at_s: float) -> NDArray[np.uint8]:
    """Return a frame whose medium a hand moves a little; behind it is a wall."""
    height, width = rgb.shape[:2]
    down = round(JITTER_PX * math.sin(2.1 * at_s))
    along = round(JITTER_PX * math.sin(1.3 * at_s + 0.7))
    out = backdrop(width, height)
    to_rows = slice(max(down, 0), height + min(down, 0))
    from_rows = slice(max(-down, 0), height + min(-down, 0))
    to_columns = slice(max(along, 0), width + min(along, 0))
    from_columns = slice(max(-along, 0), width + min(-along, 0))
    out[to_rows, to_columns] = rgb[from_rows, from_columns]
    return out


def _beside(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame with two scenes beside each other, each half as large."""
    height, width = one.shape[:2]
    out = backdrop(width, height)
    top = height // 4
    for place, each in enumerate((one, other)):
        half = each[::2, ::2]
        left = place * (width // 2)
        out[top : top + half.shape[0], left : left + half.shape[1]] = half
    return out
