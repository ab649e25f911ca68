"""The dialogue with a module over its line: a command, its answer, and images either way.

Knows that a line may lose, change and add bytes, and that a late answer must not be taken for the
next one's. Does not know when to ask what: that is the driver's.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceTimeout
from hw.finger.errors import DEVICE, LineTorn, ModuleRefused, WrongPassword
from hw.finger.module import (
    MAX_IMAGE_BYTES,
    SENSORS,
    Ask,
    Code,
    Parameters,
    Setting,
    parse_parameters,
)
from hw.finger.packets import (
    ANY_ADDRESS,
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    Kind,
    Packet,
    PacketParser,
    pack,
)

if TYPE_CHECKING:
    from hw.finger.line import Line

ANSWER_S: Final = 0.6
HELLO_S: Final = 0.25
"""An answer at the right speed takes 30 ms at 9600 baud, and at a wrong one none comes."""
TOUCH_S: Final = 1.5
"""GenImg takes up to a second ([R503]: 0.2 s; older optical modules: 1 s)."""
GAP_S: Final = 0.5
"""Within an image nothing comes for no longer."""
STALL_S: Final = 1.5
SLOWEST: Final = 3
"""An image takes no longer than `SLOWEST` times what the line needs, and so long beyond it."""
TRIES: Final = 3
READY: Final = b"\x55"
"""What a module says once it has started."""
MOST_UPLOADED_BYTES: Final = 2 * MAX_IMAGE_BYTES
"""More is no image of any of these sensors."""
SMALLEST_DOWNLOAD: Final = 64
_FRAME_BYTES: Final = MAX_FRAME_BYTES - MAX_PAYLOAD_BYTES
"""What a frame adds to its payload."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What came of an image.

    Attributes:
        content: its bytes; if it did not end, those up to where the first is in doubt.
        ended: whether its end came; if not, the module fell silent.
    """

    content: bytes = field(repr=False)
    ended: bool


class Talk:
    """One conversation; used by one thread."""

    def __init__(self, line: Line, *, password: int = 0, address: int = ANY_ADDRESS) -> None:
        """Begin one; nothing is said yet."""
        self.line = line
        self._password = password.to_bytes(4, "big")
        self._address = address
        self._parser = PacketParser(address=address)
        self._waiting: deque[Packet] = deque()
        self._begun = b""

    def ask(
        self,
        what: Ask,
        operands: bytes = b"",
        *,
        timeout_s: float = ANSWER_S,
        tries: int = TRIES,
    ) -> tuple[int, bytes]:
        """Ask until there is an answer.

        Args:
            what: the instruction; asking it twice must do no harm.
            operands: what follows it.
            timeout_s: how long each answer is waited for.
            tries: how often it is said, if no answer comes or the module did not understand.

        Returns:
            The confirmation code, and what follows it.

        Raises:
            DeviceTimeout: no answer.
            LineTorn: it never understood.
            PortClosed, OutOfTime, LineBroken: as for a line.
        """
        for left in range(tries - 1, -1, -1):
            self._say(Kind.COMMAND, bytes([what]) + operands)
            try:
                answer = self._next(timeout_s=timeout_s)
            except DeviceTimeout:
                if not left:
                    raise
                continue
            if answer.kind is Kind.ANSWER and answer.payload:
                if answer.payload[0] != Code.NOT_UNDERSTOOD:
                    return answer.payload[0], answer.payload[1:]
                if not left:
                    break
            self.hush(at_most_s=timeout_s)
        raise LineTorn("the module does not understand what is said to it")

    def do(self, what: Ask, operands: bytes = b"", *, timeout_s: float = ANSWER_S) -> bytes:
        """Ask, and return what follows the confirmation that it was done.

        Raises:
            ModuleRefused: it was not.
            DeviceTimeout, DeviceFailed: as for `ask`.
        """
        code, rest = self.ask(what, operands, timeout_s=timeout_s)
        if code != Code.DONE:
            raise ModuleRefused(what.name, code)
        return rest

    def greets(self) -> bool:
        """Say the password once and return whether the module answers, at the line's speed.

        Raises:
            WrongPassword: it answers, and wants another.
            ModuleRefused: it answers something else.
        """
        try:
            code, _ = self.ask(Ask.VfyPwd, self._password, timeout_s=HELLO_S, tries=1)
        except (DeviceTimeout, LineTorn):
            self.hush(at_most_s=HELLO_S)
            return False
        if code == Code.WRONG_PASSWORD:
            raise WrongPassword
        if code != Code.DONE:
            raise ModuleRefused(Ask.VfyPwd.name, code)
        return True

    def parameters(self) -> Parameters:
        """Return the module's settings. Raises DeviceTimeout, DeviceFailed."""
        return parse_parameters(self.do(Ask.ReadSysPara))

    def sets(self, setting: Setting, value: int) -> bool:
        """Change a setting, and return whether the module said that it did."""
        try:
            code, _ = self.ask(Ask.SetSysPara, bytes([setting, value]), tries=1)
        except (DeviceTimeout, LineTorn):
            return False
        return code == Code.DONE

    def seconds_for_image(self, image_bytes: int, *, packet_bytes: int) -> float:
        """Return how long an image takes on the line at this speed, in frames of that size."""
        return self.line.seconds_for(_framed(image_bytes, packet_bytes))

    def late_answer(self, *, timeout_s: float) -> int | None:
        """Return the code of an answer that was not waited for, None if it does not come."""
        try:
            answer = self._next(timeout_s=timeout_s)
        except DeviceTimeout:
            return None
        return answer.payload[0] if answer.kind is Kind.ANSWER and answer.payload else None

    def upload(self) -> Uploaded:
        """Fetch the image in the module's buffer, which keeps it.

        What comes too slowly is as good as silence.

        Raises:
            LineTorn: it came to its end, and not whole; ask again.
            DeviceTimeout: the module does not begin.
            ModuleRefused: it has none to give.
        """
        before = self._parser.discarded_bytes
        self.do(Ask.UpImage)
        begun = time.monotonic()
        image, sound_bytes, kind = bytearray(), 0, Kind.DATA
        while kind is Kind.DATA and len(image) <= MOST_UPLOADED_BYTES:
            until = begun + STALL_S + SLOWEST * self.line.seconds_for(len(image))
            try:
                packet = self._next(timeout_s=min(GAP_S, until - time.monotonic()))
            except DeviceTimeout:
                return Uploaded(bytes(image[:sound_bytes]), ended=False)
            kind = packet.kind
            image += packet.payload
            if self._parser.discarded_bytes == before:
                sound_bytes = len(image)
        if kind is not Kind.LAST_DATA:
            self.hush(at_most_s=self.line.seconds_for(MOST_UPLOADED_BYTES))
            raise LineTorn
        if len(image) not in SENSORS and self._parser.discarded_bytes > before:
            raise LineTorn
        return Uploaded(bytes(image), ended=True)

    def download(self, image: bytes, *, packet_bytes: int) -> None:
        """Write an image into the module's buffer.

        Raises:
            ModuleRefused: it takes none.
            DeviceTimeout, DeviceFailed: it is not known whether it was taken.
        """
        self.do(Ask.DownImage)
        size = max(packet_bytes, SMALLEST_DOWNLOAD)
        for at in range(0, len(image), size):
            last = at + size >= len(image)
            kind = Kind.LAST_DATA if last else Kind.DATA
            self.line.write(pack(kind, image[at : at + size], address=self._address))
        # There is no answer to the last frame; the next command's comes when it was taken.
        sending_s = self.line.seconds_for(_framed(len(image), size))
        self.do(Ask.ReadSysPara, timeout_s=ANSWER_S + sending_s)

    def await_ready(self, *, at_most_s: float) -> None:
        """Let a module start: it says a single byte when it has, or nothing in its time."""
        for chunk in self.line.chunks(until=time.monotonic() + at_most_s):
            if READY in chunk:
                return

    def hush(self, *, at_most_s: float) -> None:
        """Let what is still being said pass by."""
        self.line.await_quiet(at_most_s=at_most_s)
        self._parser.clear()
        self._waiting.clear()

    def _say(self, kind: Kind, payload: bytes) -> None:
        self._parser.clear()
        self._waiting.clear()
        self.line.write(pack(kind, payload, address=self._address))

    def _next(self, *, timeout_s: float) -> Packet:
        if not self._waiting:
            for chunk in self.line.chunks(until=time.monotonic() + timeout_s):
                self._waiting += self._parser.feed(chunk) if chunk else self._parser.settle()
                if self._waiting:
                    break
            else:
                raise DeviceTimeout(DEVICE, "the module does not answer")
        return self._waiting.popleft()


def _framed(image_bytes: int, packet_bytes: int) -> int:
    return image_bytes + -(-image_bytes // packet_bytes) * _FRAME_BYTES
