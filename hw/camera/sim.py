"""A camera before which a rendered head does what the person is asked: `sim://camera?file=HEAD.npz`.

Knows the port, the pace and how a person moves. Does not know how a head is drawn
(`hw.camera.head`) nor what anyone makes of it. With `flat=1` it is an attack: a print of the same
portrait, held before the camera, turned and tilted on cue; with `replay=ACT,ACT` another: a
recording of the same person meeting a challenge of these acts, put in without a screen, deaf to
whatever is asked. A rendered head proves nothing about living people: it is `simulated`, and no
mask and no real lens is in it. `hw.camera.attack` has more.

Asked to blink, the person closes the eyes for half a second, and again after a while if nothing
else is asked by then; a print does not. Every frame has noise of its own, as a sensor's have. The
hall can be dark (`dim=EV`), so that the exposure that the camera is told has something to mend.

"Left" is the person's own left. In a picture that is not mirrored it lies on the right-hand side,
so that a head that turns left moves its nose to the right of the picture; that is a positive yaw.
"""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from hw.camera import portrait
from hw.camera.attack import tape
from hw.camera.controls import GAMMA
from hw.camera.head import Head, Pose, backdrop
from hw.camera.pace import Pace, checked_fps
from hw.camera.port import Cue, Frame
from hw.errors import BadDeviceURL, DeviceFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hw.camera.controls import Controls

FPS = 10.0
SIZE_PX = (640, 480)
MIN_SIZE_PX, MAX_SIZE_PX = (160, 120), (1280, 960)
FACES = (0, 1, 3)

TURN_DEG = 22.0
TURN_S = 0.8
PRINT_TURN_DEG, PRINT_TILT_DEG = 28.0, 8.0
"""Who holds a print turns it further than a head, and tilts it, to look alive."""
SWAY_DEG = 0.9
SWAY_S = (4.1, 5.7)
"""How long one sway to the side, and one nod, take."""
BLINK_S = (0.3, 0.45, 1.0, 1.15)
"""From being asked: the lids begin to fall, are down, begin to rise, are up."""
BLINK_AGAIN_S = 2.5
"""From one such blink to the next."""
NOISE = 1.6
"""Grey levels: a real sensor is never without, and no two of its pictures are equal."""
NOISE_ROOM_PX = 64
"""One sheet of noise serves all frames, each time from another place."""
KEPT_POSES = 24
MAX_DIM_EV = 8.0
_SIDES = {Cue.LOOK_AHEAD: 0.0, Cue.TURN_LEFT: 1.0, Cue.TURN_RIGHT: -1.0, Cue.BLINK: 0.0}
MAX_RECORDED = 8
"""Acts of the challenge that a recording shows."""
_OPTIONS = frozenset({"file", "flat", "fps", "size", "faces", "dim", "replay"})
_SIZE = re.compile(r"([1-9]\d{2,3})x([1-9]\d{2,3})", re.ASCII)


class HeadCamera:
    """A camera port over one portrait."""

    simulated = True

    def __init__(
        self,
        file: Path,
        *,
        flat: bool = False,
        fps: float = FPS,
        size_px: tuple[int, int] = SIZE_PX,
        faces: int = 1,
        noise: float = NOISE,
        dim_ev: float = 0.0,
        recorded: Sequence[Cue] = (),
    ) -> None:
        """Choose who stands before the camera; nothing is opened yet.

        Args:
            file: the portrait, as `hw.camera.portrait` describes it.
            flat: whether it is a print that is held up.
            fps: frames a second, as `hw.camera.pace` allows.
            size_px: width and height of a frame, `MIN_SIZE_PX` to `MAX_SIZE_PX`.
            faces: how many copies of the person: one of `FACES`.
            noise: the sensor's, in grey levels; 0 repeats the same picture bit by bit.
            dim_ev: how often the light is halved, 0 to `MAX_DIM_EV`.
            recorded: the acts of the challenge that a recording shows; none: it is no recording.

        Raises:
            ValueError: a value out of its range.
        """
        if not all(np.less_equal(MIN_SIZE_PX, size_px) & np.less_equal(size_px, MAX_SIZE_PX)):
            raise ValueError("size out of range")
        if faces not in FACES:
            raise ValueError("another number of faces")
        self._file, self._flat, self._faces = file, flat, faces
        self._fps, self._size_px = checked_fps(fps), size_px
        self._head: Head | None = None
        self._pace = Pace(fps)
        self._motion = _Motion()
        self._drawn: dict[Pose, NDArray[np.uint8]] = {}
        self._noise = Noise(size_px, noise) if noise else None
        self._blink_ns: int | None = None
        if not 0 <= dim_ev <= MAX_DIM_EV:
            raise ValueError("dim out of range")
        self._dim_ev, self._bias_ev = dim_ev, 0.0
        if len(recorded) > MAX_RECORDED or Cue.LOOK_AHEAD in recorded:
            raise ValueError("no recording of a challenge")
        self._recorded = tuple(recorded)
        self._tape: list[tuple[float, Cue]] = []

    @classmethod
    def from_url_query(cls, query: Mapping[str, str]) -> Self:
        """Choose by the values of a URL.

        They are `file=HEAD.npz[&flat=1][&fps=N][&size=WxH][&faces=0|3][&dim=EV][&replay=ACT,ACT]`;
        an act is `turn_left`, `turn_right` or `blink`.

        Raises:
            BadDeviceURL: an option that is not known, or a value that it does not take.
        """
        if query.keys() - _OPTIONS or not query.get("file"):
            options = ", ".join(sorted(_OPTIONS))
            raise BadDeviceURL("camera", f"the simulator takes {options}, and needs file")
        size = _SIZE.fullmatch(query.get("size", "640x480"))
        if query.get("flat", "0") not in {"0", "1"} or size is None:
            raise BadDeviceURL("camera", "flat is 0 or 1, size is WIDTHxHEIGHT")
        try:
            return cls(
                Path(query["file"]),
                flat=query.get("flat") == "1",
                fps=float(query.get("fps", FPS)),
                size_px=(int(size[1]), int(size[2])),
                faces=int(query.get("faces", "1")),
                dim_ev=float(query.get("dim", "0")),
                recorded=[Cue(act) for act in query["replay"].split(",")]
                if "replay" in query
                else (),
            )
        except ValueError as error:
            raise BadDeviceURL("camera", "fps, size, faces, dim or replay out of range") from error

    def open(self) -> None:
        """Load the portrait and draw the first pose.

        Raises:
            DeviceMissing: there is no such file.
            DeviceFailed: it is no portrait.
        """
        self.close()
        width, height = self._size_px
        head = Head(portrait.load(self._file), width=width, height=height, flat=self._flat)
        self._drawn = {Pose(): self._draw(head, Pose())}
        self._head, self._motion, self._pace = head, _Motion(), Pace(self._fps)
        self._blink_ns = None
        # The same recording each time it is put in.
        self._tape = tape(self._recorded, np.random.default_rng(0))

    def frames(self) -> Iterator[Frame]:
        """Yield frames at the chosen pace; who comes late gets the frame of now.

        Their `rgb` is read-only.

        Raises:
            DeviceFailed: the camera is not open.
        """
        begun_ns: int | None = None
        while (head := self._head) is not None:
            seq = self._pace.wait()
            if self._head is not head:
                continue
            taken_ns = time.monotonic_ns()
            begun_ns = taken_ns if begun_ns is None else begun_ns
            self._play((taken_ns - begun_ns) / 1e9, taken_ns)
            rgb = self._seen(head, self._pose(taken_ns, seq))
            rgb = _lit(rgb, self._bias_ev - self._dim_ev)
            if self._noise is not None:
                rgb = self._noise.on(rgb, seq)
            yield Frame(rgb, taken_ns, seq)
        raise DeviceFailed("camera", "not open")

    def cue(self, cue: Cue) -> None:
        """Let the person, or whoever holds the print, begin to do what is asked.

        A recording goes on as it was recorded.
        """
        if not self._recorded:
            self._act(cue, time.monotonic_ns())

    def _play(self, since_s: float, now_ns: int) -> None:
        """Let the recorded person do what was done until then."""
        while self._tape and self._tape[0][0] <= since_s:
            self._act(self._tape.pop(0)[1], now_ns)

    def _act(self, cue: Cue, now_ns: int) -> None:
        self._motion = self._motion.towards(_SIDES[cue], now_ns)
        self._blink_ns = now_ns if cue is Cue.BLINK else None

    def set_controls(self, controls: Controls) -> None:
        """Expose the next frames by so much more or less; their colours are as they are."""
        self._bias_ev = controls.exposure_bias_ev

    def close(self) -> None:
        """Forget the portrait."""
        self._head, self._drawn, self._bias_ev = None, {}, 0.0

    def _pose(self, at_ns: int, seq: int) -> Pose:
        """Return the pose of an instant, one of the few that are drawn; alive, yet repeatable."""
        if seq == 0:
            return Pose()
        side = self._motion.side(at_ns)
        if self._flat:
            yaw, pitch = PRINT_TURN_DEG * side, PRINT_TILT_DEG * abs(side)
        else:
            yaw, pitch = TURN_DEG * side, 0.0
        shake, nod = (SWAY_DEG * math.sin(2 * math.pi * seq / self._fps / s) for s in SWAY_S)
        step = 1 if abs(yaw) < 2 else 2
        shut = 0.0
        if self._blink_ns is not None:
            shut = lids((at_ns - self._blink_ns) / 1e9 % BLINK_AGAIN_S)
        return Pose(float(step * round((yaw + shake) / step)), float(round(pitch + nod)), shut)

    def _seen(self, head: Head, pose: Pose) -> NDArray[np.uint8]:
        drawn = self._drawn
        rgb = drawn.pop(pose, None)
        if rgb is None:
            rgb = self._draw(head, pose)
            if len(drawn) >= KEPT_POSES:
                drawn.pop(next(iter(drawn)))
        drawn[pose] = rgb
        return rgb

    def _draw(self, head: Head, pose: Pose) -> NDArray[np.uint8]:
        if self._faces == 0:
            rgb = backdrop(*self._size_px)
        elif self._faces == 1:
            rgb = head.render(pose)
        else:
            rgb = _crowd(head.render(pose), self._faces)
        rgb.setflags(write=False)
        return rgb


class Noise:
    """A sensor's noise: the same for the same number of a frame, another for another."""

    def __init__(self, size_px: tuple[int, int], level: float) -> None:
        """Make the sheet.

        Args:
            size_px: width and height of a frame.
            level: standard deviation, in grey levels.
        """
        width, height = size_px
        shape = (height + NOISE_ROOM_PX, width + NOISE_ROOM_PX, 3)
        chance = np.random.default_rng(0)
        self._sheet = np.rint(chance.normal(0, level, shape)).astype(np.int16)

    def on(self, rgb: NDArray[np.uint8], seq: int) -> NDArray[np.uint8]:
        """Return a frame with the noise of its number: (H, W, 3) uint8, read-only."""
        height, width = rgb.shape[:2]
        # The steps share no divisor with the room, so that no place comes twice for long.
        down, along = (
            seq * 37 % NOISE_ROOM_PX,
            (seq * 23 + seq // NOISE_ROOM_PX) % NOISE_ROOM_PX,
        )
        noisy = rgb + self._sheet[down : down + height, along : along + width]
        out: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
        out.setflags(write=False)
        return out


def _lit(rgb: NDArray[np.uint8], light_ev: float) -> NDArray[np.uint8]:
    """Return a frame in so many times twice the light, as a camera's gamma shows it."""
    if light_ev == 0:
        return rgb
    table = np.rint(np.arange(256) * 2 ** (light_ev / GAMMA)).clip(0, 255).astype(np.uint8)
    lit: NDArray[np.uint8] = table[rgb]
    lit.setflags(write=False)
    return lit


def lids(since_s: float) -> float:
    """Return how far the eyes are shut so long after being asked, in quarters from 0 to 1."""
    begin, down, rise, up = BLINK_S
    falling = np.interp(since_s, (begin, down, rise, up), (0.0, 1.0, 1.0, 0.0))
    return round(float(falling) * 4) / 4


class _Motion:
    """A turn from one side to another; -1 is the person's right, 1 the left."""

    def __init__(self, since_ns: int = 0, start: float = 0.0, end: float = 0.0) -> None:
        self._since_ns, self._start, self._end = since_ns, start, end

    def side(self, at_ns: int) -> float:
        done = min(max((at_ns - self._since_ns) / 1e9 / TURN_S, 0.0), 1.0)
        return self._start + (self._end - self._start) * done * done * (3 - 2 * done)

    def towards(self, end: float, at_ns: int) -> _Motion:
        """Go on from where it stands; asked for the same again, go on as before."""
        return self if end == self._end else _Motion(at_ns, self.side(at_ns), end)


def _crowd(rgb: NDArray[np.uint8], copies: int) -> NDArray[np.uint8]:
    """Return a frame with the middle of a frame in it, smaller, several times side by side."""
    height, width = rgb.shape[:2]
    half = rgb[::2, ::2]
    tile = width // copies
    left = (half.shape[1] - tile) // 2
    crowd = backdrop(width, height)
    top = (height - half.shape[0]) // 2
    row = np.tile(half[:, left : left + tile], (1, copies, 1))
    crowd[top : top + len(row), : row.shape[1]] = row
    return crowd
