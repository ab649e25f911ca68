"""A session to be measured: a rendered head does what it is asked, and every frame is kept.

Knows how the person moves. Drawing and noise are done here, and cost those who play the tape
nothing.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from hw.camera import portrait
from hw.camera.head import Head, Pose
from hw.camera.sim import NOISE, TURN_DEG, TURN_S, Noise, lids
from kiosk.vision.sight import Eyes
from models.face.embed import NAME
from tests.bench.face_session import MODELS, SIZE_PX, Played, Tape
from tram.parts import card_press, head_press

if TYPE_CHECKING:
    from pathlib import Path

SIDES: Final = {"turn_left": 1.0, "turn_right": -1.0}
ANSWERS_AFTER_S: Final = 0.4
"""How long a person takes to begin what was asked."""


class _Person:
    """Who does what is asked, in their own time."""

    def __init__(self) -> None:
        self._from, self._to, self._since_s = 0.0, 0.0, 0.0
        self._blink_s = float("inf")

    def told(self, cue: str, at_s: float) -> None:
        begin_s = at_s + ANSWERS_AFTER_S
        if cue == "blink":
            self._blink_s = begin_s
        else:
            self._from = self.pose(begin_s).yaw_deg
            self._to, self._since_s = TURN_DEG * SIDES.get(cue, 0.0), begin_s

    def pose(self, at_s: float) -> Pose:
        done = min(max((at_s - self._since_s) / TURN_S, 0.0), 1.0)
        yaw = self._from + (self._to - self._from) * done
        return Pose(float(round(yaw)), 0.0, lids(max(at_s - self._blink_s, 0.0)))


def record(folder: Path, *, face: Path, card: Path, fps: float) -> Tape:
    """Play a session to the end and keep what was shown.

    Args:
        folder: for the tape; made.
        face: a photograph of who stands there.
        card: of the same person, for the chip.
        fps: frames a second.

    Raises:
        RuntimeError: the person did not pass: what is measured then is another session.
    """
    folder.mkdir()
    head_press.press(face, folder / "head.npz", models=MODELS)
    width, height = SIZE_PX
    head = Head(portrait.load(folder / "head.npz"), width=width, height=height, flat=False)
    draw, noise, person = cache(head.render), Noise(SIZE_PX, NOISE), _Person()
    tape = Tape.begun(folder, card_press.portrait(card), fps=fps)
    played = Played(Eyes(MODELS, NAME), tape.portrait, fps=fps)
    with tape.pictures.open("wb") as file:
        while not played.over:
            at_s = played.frames / fps
            rgb = noise.on(draw(person.pose(at_s)), played.frames)
            file.write(rgb.tobytes())
            for cue in played.see(rgb):
                person.told(cue, at_s)
    if played.live != "passed":
        raise RuntimeError("whoever is measured must pass")
    return tape
