"""Heads made of photographs, a real worker to talk to, and scenes that are played to its eyes."""

from __future__ import annotations

import io
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from hw.camera import portrait
from hw.camera.head import Head, Pose
from hw.camera.port import Frame
from kiosk.vision.pipeline import Examination
from kiosk.vision.port import (
    MAX_FRAME_BYTES,
    Cued,
    Failed,
    FromWorker,
    Hinted,
    Judged,
    Match,
    Ready,
    Step,
    Watch,
    decode_from_worker,
    encode,
)
from kiosk.vision.sight import Eyes
from kiosk.vision.spawn import spawn
from kiosk.vision.worker import likeness, question
from models.face import detect, embed, mesh
from models.face.detect import Detector
from models.manifest import load_verified
from tram.parts import card_press, head_press

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "build" / "models"
PORTRAITS = ROOT / "build" / "portraits"
NAMES = ("astronaut", "biden", "obama", "obama2", "obama3")
HOLDER, HOLDER_ON_CARD, OTHER = "obama2", "obama", "biden"
"""The living face and the card show the same person on two photographs."""
READY = all((MODELS / f"{each.NAME}.tflite").exists() for each in (detect, mesh, embed)) and all(
    any(PORTRAITS.glob(f"{name}.*")) for name in NAMES
)
WHY_NOT = "build/models and build/portraits: made by `make setup`"
WAIT_S = 30.0
FRAME_NS = 250_000_000
SIZE_PX = (640, 480)


def photograph(name: str) -> Path:
    (path,) = PORTRAITS.glob(f"{name}.*")
    return path


@cache
def card_portrait(name: str = HOLDER_ON_CARD) -> bytes:
    """JPEG 2000, at most 16 kB, as on a chip."""
    return card_press.portrait(photograph(name))


def press(name: str, folder: Path) -> Path:
    """Return the file of a person's head."""
    path = folder / f"{name}.npz"
    head_press.press(photograph(name), path, models=MODELS)
    return path


class Talk:
    """A real worker and the station's end of its socket."""

    def __init__(
        self,
        camera: str,
        *,
        models: Path = MODELS,
        net: str | None = None,
        production: bool = False,
    ) -> None:
        self.begun_s = time.monotonic()
        self.process, self.wire = spawn(
            camera, models, net=net, production=production, stderr=subprocess.PIPE
        )
        self.wire.settimeout(WAIT_S)
        self.stderr = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()
        try:
            self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.stderr += self.process.stderr.read().decode()
            self.process.stderr.close()

    def send(self, frame: Watch | Match) -> None:
        self.wire.send(encode(frame))

    def frames(self) -> Iterator[FromWorker]:
        """Yield what the worker says until it ends."""
        while raw := self.wire.recv(MAX_FRAME_BYTES + 1):
            yield decode_from_worker(raw)

    def until(self, kind: type[FromWorker]) -> tuple[FromWorker, list[FromWorker]]:
        """Return the next frame of a kind, and those before it."""
        before = []
        for frame in self.frames():
            if isinstance(frame, kind):
                return frame, before
            before.append(frame)
        raise AssertionError(f"the worker ended without {kind.__name__}: {before}")

    def examine(
        self,
        raw: bytes,
        *,
        turn: str = "left",
        asked: tuple[tuple[Step, ...], ...] | None = None,
        fmr: str = "1e-4",
        seconds: float = 20.0,
    ) -> tuple[Judged, list[FromWorker]]:
        """Watch, match, and return the last word and what was said before it.

        Asked for is one turn, or what `asked` says.
        """
        self.send(Watch())
        self.until(Ready)
        challenges = asked or (steps(turn),)
        self.send(Match(portrait=raw, fmr=fmr, challenges=challenges, seconds=seconds))
        return self.until(Judged)

    def exit_code(self, within_s: float = WAIT_S) -> int:
        return self.process.wait(within_s)


def steps(*acts: str, pause_s: float = 0.0) -> tuple[Step, ...]:
    """Return a challenge; "left" and "right" are turns."""
    names = {"left": "turn_left", "right": "turn_right"}
    return tuple(Step(act=names.get(each, each), pause_s=pause_s) for each in acts)


def cues(said: list[FromWorker]) -> list[str]:
    return [each.cue for each in said if isinstance(each, Cued)]


def hints(said: list[FromWorker]) -> list[str | None]:
    return [each.hint for each in said if isinstance(each, Hinted)]


def failed(talk: Talk) -> Failed:
    frame, _ = talk.until(Failed)
    assert isinstance(frame, Failed)
    return frame


class Stage:
    """Plays heads to the worker's eyes and its examination, in one process, without a clock."""

    def __init__(self, heads: dict[str, Path]) -> None:
        self.eyes = Eyes(MODELS)
        width, height = SIZE_PX
        self._loaded = {name: portrait.load(path) for name, path in heads.items()}
        self._heads = {
            (name, flat): Head(each, width=width, height=height, flat=flat)
            for name, each in self._loaded.items()
            for flat in (False, True)
        }
        self._render = cache(self._rendered)

    def _rendered(self, who: str, yaw: float, flat: bool) -> np.ndarray:
        return self._heads[who, flat].render(Pose(yaw))

    def play(
        self, scenes: list[tuple[str, int, float]], *, turn: str = "left", tries: int = 1
    ) -> list[Cued | Hinted | Judged]:
        """Show each scene (who, how many frames, yaw in degrees); "-" is nobody, "x!" a print."""
        examination = Examination(likeness(self.eyes), skin=self.eyes.skin)
        reference = self.eyes.read_portrait(card_portrait())

        asked = (steps(turn),) * tries
        examination.ask(question(self.eyes, reference, fmr="1e-4", challenges=asked, until_s=100.0))
        said, now_ns = [], 0
        for who, frames, yaw in scenes:
            for _ in range(frames):
                now_ns += FRAME_NS
                said += examination.see(self.eyes.look(Frame(self._picture(who, yaw), now_ns, 0)))
        return said + examination.expire(200.0)

    def _picture(self, who: str, yaw: float) -> np.ndarray:
        if who == "-":
            return np.full((SIZE_PX[1], SIZE_PX[0], 3), 120, dtype=np.uint8)
        return self._render(who.rstrip("!"), yaw, who.endswith("!"))


def jpeg(rgb: np.ndarray, *, quality: int = 85) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


def montage(*names: str) -> bytes:
    """Return a portrait with several people's faces side by side, each filling its part."""
    detector = Detector(load_verified(MODELS, detect.NAME))
    return jpeg(np.concatenate([_close_up(detector, name) for name in names], axis=1))


def _close_up(detector: Detector, name: str) -> np.ndarray:
    with Image.open(photograph(name)) as opened:
        picture = opened.convert("RGB")
    left, top, right, bottom = detector.detect(np.asarray(picture))[0].box
    rim = 0.35 * float(right - left)
    box = tuple(int(each) for each in (left - rim, top - rim, right + rim, bottom + rim))
    return np.asarray(picture.crop(box).resize((240, 240)))


def bomb() -> bytes:
    """Return a JPEG 2000 file that claims 60,000 by 60,000 pixels."""
    raw = bytearray(card_portrait())
    # The size stands in the image header box, and in the code stream's SIZ marker.
    header, siz = raw.index(b"ihdr") + 4, raw.index(b"\xff\x51") + 6
    side = (60_000).to_bytes(4, "big")
    raw[header : header + 8] = side * 2
    raw[siz : siz + 8] = side * 2
    return bytes(raw)


def plain_jpeg(side_px: int) -> bytes:
    """Return a real JPEG without anything on it, in few bytes."""
    return jpeg(np.full((side_px, side_px, 3), 128, dtype=np.uint8), quality=1)
