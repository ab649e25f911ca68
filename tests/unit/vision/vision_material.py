"""Sights of a made-up head: points in space that are turned, and persons that are directions."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from kiosk.vision.pipeline import Examination, Likeness, Question
from kiosk.vision.port import Step
from kiosk.vision.sight import Sight
from models.face.embed import cosine
from models.face.liveness import STABLE
from models.face.mesh import LEFT_EYE, POINTS, RIGHT_EYE, Mesh
from models.face.pose import CHIN, FOREHEAD, SIDES
from models.face.temporal import Trace

EYES_PX, DISTANCE_PX, MIDDLE = 80.0, 500.0, np.array([320.0, 240.0])
DEPTH_PX = 90.0
FRAME_S = 0.1
SKIN = 0.0
"""The threshold of the layer that looks at texture."""
LIKENESS = Likeness(least=0.61, closeness=cosine)
OTHER = 0.43
"""What is less close to the portrait is of somebody else."""
LOOKALIKE = 0.52
"""Of somebody else: as close to A as one of a thousand strangers is."""
SIZE = 192
LOOK = 7
"""So many frames until three of them, apart from each other, were counted."""


def head() -> np.ndarray:
    """(468, 3): a bowl whose middle is nearest, alike on both sides."""
    seeds = np.arange(POINTS)
    radius, angle = np.sqrt((seeds + 0.5) / POINTS), seeds * np.pi * (3 - 5**0.5)
    flat = np.column_stack([radius * np.sin(angle), 1.2 * radius * np.cos(angle)])
    for place, (right, left) in enumerate(SIDES):
        flat[right] = -0.9 + 0.1 * place, -0.5 + 0.2 * place
        flat[left] = -flat[right][0], flat[right][1]
    flat[[*RIGHT_EYE, *LEFT_EYE]] = [[-0.65, -0.4], [-0.35, -0.4], [0.65, -0.4], [0.35, -0.4]]
    flat[FOREHEAD], flat[CHIN] = (0, -1.1), (0, 1.1)
    return np.column_stack([flat * EYES_PX, -DEPTH_PX * (1 - (flat**2).sum(axis=1))])


def turned(yaw_deg: float, *, flat: bool = False, shift_px: float = 0.0) -> Mesh:
    """Return the points of the head, or of a print of it, turned; positive to the own left."""
    solid, yaw = head(), np.radians(yaw_deg)
    x, y, z = solid.T
    depth = np.zeros_like(z) if flat else z
    near = x * np.cos(yaw) - depth * np.sin(yaw)
    away = depth * np.cos(yaw) + x * np.sin(yaw)
    seen = np.column_stack([near, y]) * (DISTANCE_PX / (DISTANCE_PX + away))[:, None]
    # Of a print the net says what it says of a face: the depth of one that looks ahead.
    points = np.column_stack([seen + MIDDLE + [shift_px, 0], z if flat else away])
    return Mesh(points=points.astype(np.float32), confidence=30.0)


def person(name: str) -> np.ndarray:
    """Return the embedding of a person: one axis each; "a" looks a little like A."""
    found = np.zeros(SIZE, dtype=np.float32)
    if name == "a":
        found[[0, 3]] = LOOKALIKE, (1 - LOOKALIKE**2) ** 0.5
        return found
    found["ABC".index(name)] = 1.0
    return found


@cache
def wall() -> np.ndarray:
    """(160, 200) uint8: something to see behind a head, with room to move it by 40."""
    rough = np.random.default_rng(0).integers(0, 256, (20, 25), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((200, 160), Image.Resampling.BICUBIC))


def trace_of(points: Mesh, *, moire: float = 10.0, behind_px: float | None = 0.0) -> Trace:
    """Return what is kept of a frame whose background lies so far aside; None: it is blank."""
    small = np.full((120, 160), 100, dtype=np.uint8)
    if behind_px is not None:
        left = 20 - round(behind_px / 4)
        small = wall()[20:140, left : left + 160]
    return Trace(small, points.points[list(STABLE), :2] / 4.0, EYES_PX / 4, moire)


def sight(
    at_s: float,
    *,
    yaw: float = 0.0,
    who: str = "A",
    flaw: str | None = None,
    flat: bool = False,
    shift_px: float = 0.0,
    shut: bool = False,
    skin: float | None = 5.0,
    moire: float | None = 10.0,
    fresh: bool = True,
    behind_px: float | None = 0.0,
) -> Sight:
    """One face; turned beyond what can be compared it has that flaw.

    Its texture has the log-odds `skin`, its frequencies stand out by `moire`; None: not looked at.
    What is behind it lies `behind_px` aside; None: a plain wall.
    """
    if flaw is None and abs(yaw) > 18:
        flaw = "quality_pose"
    mesh = turned(yaw, flat=flat, shift_px=shift_px)
    return Sight(
        at_s,
        1,
        mesh,
        flaw,
        fresh,
        embed=lambda: person(who),
        openness=lambda: 0.12 if shut else 0.3,
        texture=None if skin is None else lambda: skin,
        trace=None if moire is None else lambda: trace_of(mesh, moire=moire, behind_px=behind_px),
    )


def crowd(at_s: float, faces: int) -> Sight:
    """No face, or several."""
    return Sight(at_s, faces, embed=lambda: person("C"))


def steps(*acts: str, pause_s: float = 0.0, within_s: float = 8.0) -> tuple[Step, ...]:
    """Return a challenge; "left" and "right" are turns."""
    names = {"left": "turn_left", "right": "turn_right"}
    return tuple(
        Step(act=names.get(each, each), pause_s=pause_s, within_s=within_s) for each in acts
    )


class Room:
    """An examination and what was said in it; everything happens `FRAME_S` after the last thing."""

    def __init__(
        self,
        *,
        turn: str | None = "left",
        seconds: float = 30.0,
        tries: int = 1,
        skin: float | None = SKIN,
        card: str = "",
    ) -> None:
        self._card = card
        self.examination = Examination(LIKENESS, skin=skin)
        self.now_s, self.said, self.compared = 100.0, [], []
        if turn is not None:
            self.ask(turn, seconds=seconds, tries=tries)

    def ask(self, turn: str, *, seconds: float = 30.0, tries: int = 1) -> None:
        self.challenge(*(steps(turn),) * tries, seconds=seconds)

    def challenge(self, *challenges: tuple[Step, ...], seconds: float = 30.0) -> None:
        until_s = self.now_s + seconds
        self.examination.ask(Question(challenges, until_s, LIKENESS, self._compare, self._stranger))

    def _compare(self, frames):
        self.compared.append([int(np.argmax(each)) for each in frames])
        return "same"

    def _stranger(self, seen) -> bool:
        return bool(self._card) and float(cosine(seen, person(self._card))) < OTHER

    def see(self, frames: int = 1, *, faces: int = 1, after_s: float = FRAME_S, **how) -> None:
        for _ in range(frames):
            self.now_s += after_s
            seen = crowd(self.now_s, faces) if faces != 1 else sight(self.now_s, **how)
            self.said += self.examination.see(seen)
            self.said += self.examination.expire(self.now_s)

    def pass_turn(self, yaw: float = 24.0, **how) -> None:
        """Look ahead, turn and look ahead again, as long as it takes."""
        self.see(LOOK, **how)
        self.see(3, yaw=yaw, **how)
        self.see(4, **how)

    @property
    def last(self):
        return self.said[-1] if self.said else None

    @property
    def cues(self) -> list[str]:
        return [each.cue for each in self.said if type(each).__name__ == "Cued"]

    @property
    def hints(self) -> list[str | None]:
        return [each.hint for each in self.said if type(each).__name__ == "Hinted"]
