"""A module of the ZFM family played on a pseudo-terminal, person and bad cable included.

Knows the module's side of the dialogue, with a framing of its own: nothing is shared with the
driver. It hears only what is said at its own speed, takes as long as the bytes take on a line, and
keeps its settings when it is unplugged. The person lays the next picture on the sensor, and lifts
the finger once an image was fetched. Not a model of a sensor: pictures are cut, given noise and put
in 16 greys, no more.

Spec: [R503].
"""

from __future__ import annotations

import os
import select
import termios
import threading
import time
import tty
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import BadDeviceURL, DeviceFailed
from hw.finger.errors import DEVICE
from hw.finger.pictures import half_bytes, in_window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

BITS_A_BYTE: Final = 10
LOOK_UP_S: Final = 0.02
CATCH_UP_S: Final = 0.002
"""So much of what a sleep took too long is made good; more would be time that nothing was said."""
STOP_S: Final = 2.0
LOOKING_S: Final = 0.12
STARTING_S: Final = 0.2
LIFTED_LOOKS: Final = 2
"""So often the sensor is found empty after an image was fetched."""
SPOILT_FRAME: Final = 3
"""Which of an image's frames a fault befalls."""
READY: Final = b"\x55"
_MOST_COMMAND_BYTES: Final = 512
MIN_SPEED, MAX_SPEED = 0.1, 10_000.0
MAX_NOISE: Final = 64.0


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of module.

    Attributes:
        width_px: of its sensor.
        height_px: of its sensor.
        has_light: whether it knows AuraLedConfig.
        can_reset: whether it knows SoftRst.
        tells_image: whether its status says that the buffer holds an image.
    """

    width_px: int
    height_px: int
    has_light: bool
    can_reset: bool
    tells_image: bool


MODELS: Final = {
    "r503": Model(192, 192, has_light=True, can_reset=True, tells_image=True),
    "as608": Model(256, 288, has_light=False, can_reset=False, tells_image=False),
}

FAULTS: Final = {
    "lost_byte": "a byte of an image's frame is lost",
    "lost_begin": "the first byte of a frame is lost",
    "lost_end": "the last frame of an image is lost",
    "flipped_bit": "a bit of an image's frame is flipped",
    "wrong_sum": "an image's frame has a wrong checksum",
    "garbage": "noise between an image's frames",
    "false_head": "noise before an answer looks like the head of a long frame",
    "silence": "the module falls silent within an image, and answers nothing for a while",
    "reset": "the module starts anew within an image",
    "odd_size": "images are of a size that no sensor known here has",
    "no_upload": "the module does not give its image",
    "no_download": "the module takes no image",
    "no_light": "the module knows no light",
    "strange_code": "the module answers with a code that means nothing",
    "late_speed": "a new speed comes with the module's next start",
    "deaf": "the module answers nothing at all",
    "wrong_password": "the module wants another password",
    "no_finger": "nobody ever touches the sensor",
}
"""What may go wrong, once for a module's life; `NAME:always` each time anew."""
_LASTING: Final = frozenset(
    {
        "odd_size",
        "no_upload",
        "no_download",
        "no_light",
        "late_speed",
        "deaf",
        "wrong_password",
        "no_finger",
    }
)
_SILENT_S: Final = 1.2


class PlayedModule:
    """A module on a pseudo-terminal; what it was set to outlives being unplugged."""

    def __init__(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        model: str = "r503",
        fault: str | None = None,
        speed: float = 1.0,
        baud: int = 57_600,
        packet_code: int = 2,
        noise: float = 0.0,
    ) -> None:
        """Make one, not plugged in.

        Args:
            pictures: (H, W) uint8 each, what the person lays on the sensor in turn.
            model: a name in `MODELS`.
            fault: a name in `FAULTS`, perhaps with ":always" behind it.
            speed: how many times faster than a real one; speeds on the line keep their relation.
            baud: what it is set to.
            packet_code: likewise, 0 to 3 for 32 to 256 bytes.
            noise: the sensor's, 0 to 64 of 256 greys; without any a picture is the same each time.

        Raises:
            BadDeviceURL: no such model, fault, speed or noise.
        """
        name, _, always = (fault or "").partition(":")
        if model not in MODELS or (fault and name not in FAULTS) or always not in {"", "always"}:
            raise BadDeviceURL(DEVICE, "the simulator has no such model or fault")
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise BadDeviceURL(DEVICE, "the simulator's speed is from 0.1 to 10000")
        if not 0 <= noise <= MAX_NOISE:
            raise BadDeviceURL(DEVICE, "the simulator's noise is from 0 to 64")
        self.model = MODELS[model]
        self.said: Counter[int] = Counter()
        """How often each instruction was understood."""
        self.lights: list[bytes] = []
        self.buffer: bytes | None = None
        """What the image buffer holds."""
        size = {"width_px": self.model.width_px, "height_px": self.model.height_px}
        self._windows = [in_window(each, **size) for each in pictures]
        self._noise, self._chance = noise, np.random.default_rng()
        self._fault, self._left = name, (1 << 30) if always or name in _LASTING else 1
        self._speed, self.baud, self._packet_code = speed, baud, packet_code
        self._next_baud = baud
        self._at, self._lifted, self._written = 0, 0, 0
        self._deaf_until = 0.0
        self._stopping = threading.Event()
        self._side: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def plug_in(self) -> str:
        """Start it and return the path of the line it is on.

        Raises:
            DeviceFailed: there is no pseudo-terminal to be had.
        """
        try:
            ours, theirs = os.openpty()
        except OSError as error:
            raise DeviceFailed(DEVICE, "no pseudo-terminal") from error
        tty.setraw(theirs)
        self._side = (ours, theirs)
        self.buffer, self.baud = None, self._next_baud
        self._stopping.clear()
        self._thread = threading.Thread(target=self._live, name="played-module", daemon=True)
        path = os.ttyname(theirs)
        self._thread.start()
        return path

    def unplug(self) -> None:
        """Pull it out; who has the line open finds it gone. Harmless when it is not plugged in."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STOP_S)
        side, self._side = self._side, None
        for each in side or ():
            os.close(each)

    def _sensed(self, window: NDArray[np.uint8]) -> bytes:
        """Return what the sensor makes of a window, each time with noise of its own."""
        if not self._noise:
            return half_bytes(window)
        seen = window + self._chance.normal(0, self._noise, window.shape)
        return half_bytes(np.clip(seen, 0, 255).astype(np.uint8))

    def _live(self) -> None:
        ears = self._ears()
        next(ears)
        # The line ends when it is unplugged, also while this writes.
        with suppress(OSError):
            while not self._stopping.is_set():
                for byte in self._heard():
                    command = ears.send(byte)
                    if command is not None and time.monotonic() >= self._deaf_until:
                        self._obey(command)

    def _heard(self) -> bytes:
        """Return what the host said, if it said it at the module's speed."""
        ours = self._ours()
        if not select.select([ours], [], [], LOOK_UP_S)[0]:
            return b""
        heard = os.read(ours, 4096)
        speed = termios.tcgetattr(ours)[5]
        if speed != getattr(termios, f"B{self.baud}"):
            return b""
        self._wait(len(heard) * BITS_A_BYTE / self.baud)
        return heard

    def _ears(self) -> Generator[tuple[int, bytes] | None, int, None]:
        """Take a byte at a time, and give a frame's kind and content once its sum is right."""
        heard = yield None
        while True:
            while heard != 0xEF:
                heard = yield None
            heard = yield None
            if heard != 0x01:
                continue
            rest = yield from _gather(7)
            kind, size = rest[4], rest[5] * 256 + rest[6]
            if rest[:4] != [0xFF] * 4 or not 2 <= size <= _MOST_COMMAND_BYTES:
                heard = yield None
                continue
            content = yield from _gather(size)
            total = kind + rest[5] + rest[6] + sum(content[:-2])
            right = total % 65_536 == content[-2] * 256 + content[-1]
            heard = yield (kind, bytes(content[:-2])) if right else None

    def _obey(self, frame: tuple[int, bytes]) -> None:
        kind, content = frame
        if self._fault == "deaf":
            return
        if kind in {0x02, 0x08}:
            self._take_image(content, last=kind == 0x08)
            return
        if kind != 0x01 or not content:
            return
        self.said[content[0]] += 1
        actions: dict[int, Callable[[bytes], None]] = {
            0x01: self._look, 0x0A: self._give_image, 0x0B: self._expect_image,
            0x0E: self._set, 0x0F: self._tell, 0x13: self._check_password,
            0x35: self._shine, 0x3D: self._restart,
        }  # fmt: skip
        action = actions.get(content[0])
        if action is None:
            self._answer(0x01)
        else:
            action(content[1:])

    def _look(self, _: bytes) -> None:
        self._wait(LOOKING_S)
        if self._now("strange_code"):
            self._answer(0x77)
        elif self._fault == "no_finger" or self._lifted:
            self._lifted = max(0, self._lifted - 1)
            self._answer(0x02)
        else:
            self.buffer = self._sensed(self._windows[self._at % len(self._windows)])
            if self._now("false_head"):
                self._emit(b"\xef\x01\xff\xff\xff\xff\x02\x01\x02")
            self._answer(0x00)

    def _give_image(self, _: bytes) -> None:
        if self.buffer is None or self._fault == "no_upload":
            self._answer(0x0F)
            return
        self._answer(0x00)
        image = self.buffer[:10_000] if self._fault == "odd_size" else self.buffer
        size = 32 << self._packet_code
        pieces = [image[at : at + size] for at in range(0, len(image), size)]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            frame = self._frame(0x08 if last else 0x02, piece)
            spoilt = self._spoil(frame, last=last) if number == SPOILT_FRAME or last else frame
            if spoilt is None:
                return
            self._emit(spoilt)
        self._at, self._lifted = self._at + 1, LIFTED_LOOKS

    def _spoil(self, frame: bytes, *, last: bool) -> bytes | None:
        """Return what becomes of a frame; None ends the image."""
        if last:
            return b"" if self._now("lost_end") else frame
        if self._now("lost_byte"):
            return frame[:40] + frame[41:]
        if self._now("lost_begin"):
            return frame[1:]
        if self._now("flipped_bit"):
            return frame[:30] + bytes([frame[30] ^ 0x10]) + frame[31:]
        if self._now("wrong_sum"):
            return frame[:-1] + bytes([frame[-1] ^ 0xFF])
        if self._now("garbage"):
            return b"\xef\x00\xef\x01\x55noise" + frame + b"\xef"
        if self._now("silence"):
            self._emit(frame[:50])
            self._deaf_until = time.monotonic() + _SILENT_S
            return None
        if self._now("reset"):
            self._emit(frame[:50])
            self._start_anew()
            return None
        return frame

    def _expect_image(self, _: bytes) -> None:
        if self._fault == "no_download":
            self._answer(0x0E)
            return
        self._written = 0
        self._answer(0x00)

    def _take_image(self, content: bytes, *, last: bool) -> None:
        """Write over what the buffer holds, from its beginning; the rest stays as it was."""
        whole = self.model.width_px * self.model.height_px // 2
        held = self.buffer or bytes(whole)
        end = min(self._written + len(content), whole)
        self.buffer = held[: self._written] + content[: end - self._written] + held[end:]
        self._written = end
        self._lifted = LIFTED_LOOKS if last else self._lifted

    def _set(self, operands: bytes) -> None:
        if len(operands) != 2 or operands[0] not in {4, 6}:
            self._answer(0x1A)
            return
        self._answer(0x00)
        if operands[0] == 6:
            self._packet_code = operands[1] & 3
        else:
            # The answer leaves at the old speed.
            termios.tcdrain(self._ours())
            self._next_baud = operands[1] * 9600
            if self._fault != "late_speed":
                self.baud = self._next_baud

    def _tell(self, _: bytes) -> None:
        holds = 8 if self.buffer is not None and self.model.tells_image else 0
        words = (holds, 9, 200, 3, 0xFFFF, 0xFFFF, self._packet_code, self._next_baud // 9600)
        self._answer(0x00, b"".join(each.to_bytes(2, "big") for each in words))

    def _check_password(self, operands: bytes) -> None:
        right = operands == bytes(4) and self._fault != "wrong_password"
        self._answer(0x00 if right else 0x13)

    def _shine(self, operands: bytes) -> None:
        if not self.model.has_light or self._fault == "no_light":
            self._answer(0x01)
            return
        self.lights.append(operands)
        self._answer(0x00)

    def _restart(self, _: bytes) -> None:
        if not self.model.can_reset:
            self._answer(0x01)
            return
        self._answer(0x00)
        self._start_anew()

    def _start_anew(self) -> None:
        self.buffer = None
        self._wait(STARTING_S)
        self._emit(READY)

    def _now(self, fault: str) -> bool:
        if self._fault != fault or not self._left:
            return False
        self._left -= 1
        return True

    def _answer(self, code: int, rest: bytes = b"") -> None:
        self._emit(self._frame(0x07, bytes([code]) + rest))

    @staticmethod
    def _frame(kind: int, content: bytes) -> bytes:
        size = len(content) + 2
        total = (kind + (size >> 8) + (size & 0xFF) + sum(content)) % 65_536
        ahead = [0xEF, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, kind, size >> 8, size & 0xFF]
        return bytes(ahead) + content + bytes([total >> 8, total & 0xFF])

    def _emit(self, what: bytes) -> None:
        """Send bytes, once the time that they take on the line has passed."""
        ours = self._ours()
        self._wait(len(what) * BITS_A_BYTE / self.baud)
        sent = 0
        while sent < len(what) and not self._stopping.is_set():
            if select.select([], [ours], [], LOOK_UP_S)[1]:
                sent += os.write(ours, what[sent:])

    def _wait(self, real_s: float) -> None:
        """Let time pass; what a sleep took too long is taken off the next."""
        now = time.monotonic()
        self._due = max(self._due, now - CATCH_UP_S) + real_s / self._speed
        if self._due > now:
            self._stopping.wait(self._due - now)

    def _ours(self) -> int:
        if self._side is None:
            raise OSError
        return self._side[0]


def _gather(count: int) -> Generator[None, int, list[int]]:
    gathered: list[int] = []
    while len(gathered) < count:
        gathered.append((yield None))
    return gathered
