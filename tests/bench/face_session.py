"""One examination from the first frame to the verdict, played from a tape as often as one likes.

`python -m tests.bench.face_session TAPE NET` plays it in a process of its own, which holds what a
worker holds, and prints what it cost as JSON. Knows what a worker does with a frame. How a tape
comes about is `tests.bench.face_tape`'s.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw.camera.fresh import Freshness
from hw.camera.port import Frame
from kiosk.vision.lens import Lens
from kiosk.vision.pipeline import Examination
from kiosk.vision.port import Cued, Judged, Step
from kiosk.vision.sight import Eyes
from kiosk.vision.worker import likeness, question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MODELS: Final = Path("build/models")
SIZE_PX: Final = (640, 480)
FRAME_BYTES: Final = SIZE_PX[0] * SIZE_PX[1] * 3
WATCHED_S: Final = 1.0
"""Before the chip was read and anything is asked."""
LONGEST_S: Final = 20.0
ACTS: Final = (Step(act="turn_left", pause_s=0.5), Step(act="blink", pause_s=0.5))
STATUS: Final = Path("/proc/self/status")


class Tape(NamedTuple):
    """What a session showed.

    Attributes:
        pictures: a file of frames, one after the other, raw.
        portrait: the chip's, coded.
        fps: frames a second.
    """

    pictures: Path
    portrait: bytes
    fps: float

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.pictures.stat().st_size // FRAME_BYTES

    def frame(self, place: int) -> NDArray[np.uint8]:
        """Return one frame: (480, 640, 3) uint8, RGB."""
        raw = np.fromfile(
            self.pictures, dtype=np.uint8, count=FRAME_BYTES, offset=place * FRAME_BYTES
        )
        return raw.reshape(SIZE_PX[1], SIZE_PX[0], 3)

    @classmethod
    def opened(cls, folder: Path) -> Tape:
        """Return the tape in a folder."""
        fps = json.loads((folder / "fps.json").read_text())
        return cls(folder / "pictures", (folder / "portrait").read_bytes(), fps)

    @classmethod
    def begun(cls, folder: Path, portrait: bytes, *, fps: float) -> Tape:
        """Make an empty tape in a folder."""
        (folder / "fps.json").write_text(json.dumps(fps))
        (folder / "portrait").write_bytes(portrait)
        (folder / "pictures").touch()
        return cls.opened(folder)


class Played:
    """A session under way, and what each frame cost.

    Attributes:
        frames: so many were seen.
        cpu_ms: of each, processor time from its arrival until all is said.
        live: what was said of liveness in the end; "" before.
    """

    def __init__(self, eyes: Eyes, raw: bytes, *, fps: float) -> None:
        self._eyes, self._raw, self._fps = eyes, raw, fps
        self._examination = Examination(likeness(eyes), skin=eyes.skin)
        self._freshness, self._lens = Freshness(), Lens()
        self._asked = False
        self.frames, self.live = 0, ""
        self.cpu_ms: list[float] = []

    @property
    def over(self) -> bool:
        """Whether all was said, or should have been."""
        return bool(self.live) or self.frames > LONGEST_S * self._fps

    def see(self, rgb: NDArray[np.uint8]) -> list[str]:
        """Take the camera's next picture; return what is asked for then."""
        at_s = 1.0 + self.frames / self._fps
        if not self._asked and at_s >= 1.0 + WATCHED_S:
            self._ask(at_s)
        frame = Frame(rgb, int(at_s * 1e9), self.frames)
        began_ns = time.process_time_ns()
        self._freshness.take(frame, now_ns=frame.monotonic_ns)
        sight = self._eyes.look(frame, fresh=self._freshness.flaw is None)
        warmth = None if sight.light is None else sight.light.warmth
        self._lens.see(frame.rgb, at_s=at_s, warmth=warmth)
        said = self._examination.see(sight)
        self.cpu_ms.append((time.process_time_ns() - began_ns) / 1e6)
        self.frames += 1
        self.live = next((each.live for each in said if isinstance(each, Judged)), "")
        return [each.cue for each in said if isinstance(each, Cued)]

    def _ask(self, at_s: float) -> None:
        self._asked = True
        portrait = self._eyes.read_portrait(self._raw)
        self._examination.ask(
            question(self._eyes, portrait, fmr="1e-4", challenges=(ACTS,), until_s=at_s + LONGEST_S)
        )


def play(tape: Tape, eyes: Eyes) -> Played:
    """Play a tape to eyes."""
    played = Played(eyes, tape.portrait, fps=tape.fps)
    for place in range(tape.frames):
        played.see(tape.frame(place))
    return played


def peak_mib() -> float:
    """Return how much memory this process ever held at once."""
    return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def lines(folder: Path, net: str) -> Iterator[dict[str, object]]:
    """Yield what is known after the first embedding, and at the end."""
    tape = Tape.opened(folder)
    eyes = Eyes(MODELS, net)
    eyes.look(Frame(tape.frame(0), 1, 0)).embed()
    yield {"cpu_ms": time.process_time() * 1000}
    played = play(tape, eyes)
    yield {"live": played.live, "mib": peak_mib(), "frame_ms": float(np.mean(played.cpu_ms))}


def main() -> None:
    """Play, and print each line as soon as it is known."""
    folder, net = sys.argv[1:]
    for line in lines(Path(folder), net):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
