"""The touch worker: one socket to the station, one citizen's fingers, then the end.

Knows the loop between both, its clock and its exit. What is on an image is `feel`'s. Says nothing
on standard error but the names of its phases.

Exit codes: 0 the finger was judged, or the station hung up; 1 a model failed; 2 the station sent
what is no agreed frame, or one out of turn.
"""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Final

from kiosk.vision import harden
from kiosk.vision.feel import Feel
from kiosk.vision.port import VisionFrameError
from kiosk.vision.touch_port import (
    MAX_FRAME_BYTES,
    MAX_IMAGE_BYTES,
    MAX_REFERENCES,
    MAX_TOUCHES,
    CodedTouch,
    Compare,
    Part,
    Reference,
    Touch,
    TouchJudged,
    decode_to_touch,
    encode,
)
from kiosk.vision.worker import Exit, Phase, say
from models.runtime import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from kiosk.vision.touch_port import FromTouch, ToTouch

LIFE_S: Final = 900
"""The kernel ends the process then, wherever it is stuck."""
WORK_S: Final = 12
"""And so long after an image came, if nothing was answered: a codec or a net hangs."""


class _StationLeftError(Exception):
    """The station hung up, or does not read."""


def run(*, fd: int, models: Path) -> Exit:
    """Serve one citizen over an inherited socket, and return how to exit.

    Args:
        fd: of the SOCK_SEQPACKET socket to the station.
        models: the folder of the model files.
    """
    held = harden.isolate(fd)
    say(Phase.STARTED)
    with socket.socket(fileno=fd) as connection:
        try:
            feel = Feel(models)
            held |= harden.seal()
            say(Phase.LOADED, without=[each for each in harden.Measure if each not in held])
            if feel.laxer:
                say(Phase.LAXER)
            _Worker(connection, feel).serve()
        except _StationLeftError:
            say(Phase.STATION_LEFT)
            return Exit.DONE
        except VisionFrameError:
            say(Phase.FRAME_REFUSED)
            return Exit.REFUSED
        except ModelError:
            say(Phase.FAILED)
            return Exit.FAILED
    say(Phase.JUDGED)
    return Exit.DONE


class _Worker:
    """What one citizen's frames may be, in which order."""

    def __init__(self, connection: socket.socket, feel: Feel) -> None:
        self._connection = connection
        self._feel = feel
        self._image = bytearray()
        self._references = self._touches = 0
        self._comparing = False

    def serve(self) -> None:
        """Answer until the finger is judged.

        Raises:
            VisionFrameError, _StationLeftError, ModelError: it ended otherwise.
        """
        _end_within(LIFE_S)
        while True:
            frame = self._receive()
            _end_within(WORK_S)
            answer = self._take(frame)
            if answer is not None:
                self._send(answer)
            if isinstance(answer, TouchJudged):
                return
            _end_within(LIFE_S)

    def _take(self, frame: ToTouch) -> FromTouch | None:
        match frame:
            case Part(data) if len(self._image) + len(data) <= MAX_IMAGE_BYTES:
                self._image += data
                return None
            case Reference() if not self._comparing and self._references < MAX_REFERENCES:
                self._references += 1
                self._feel.refer(frame, self._taken())
                return None
            case Compare(fmr) if not self._comparing and self._references:
                self._comparing = True
                return self._feel.begin(fmr)
            case Touch() if self._comparing and self._touches < MAX_TOUCHES:
                self._touches += 1
                pixels = self._taken()
                if len(pixels) != frame.width_px * frame.height_px:
                    raise VisionFrameError("not as many pixels as were told")
                return self._feel.touch(frame, pixels, last=self._touches == MAX_TOUCHES)
            case CodedTouch() if self._comparing and self._touches < MAX_TOUCHES:
                self._touches += 1
                return self._feel.coded(frame, self._taken(), last=self._touches == MAX_TOUCHES)
        raise VisionFrameError("not that, or not now")

    def _taken(self) -> bytes:
        image = bytes(self._image)
        self._image.clear()
        if not image:
            raise VisionFrameError("no image")
        return image

    def _receive(self) -> ToTouch:
        try:
            raw, _, flags, _ = self._connection.recvmsg(MAX_FRAME_BYTES + 1)
        except OSError as error:
            raise _StationLeftError from error
        if not raw:
            raise _StationLeftError
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise VisionFrameError("longer than a frame, or with descriptors")
        return decode_to_touch(raw)

    def _send(self, frame: FromTouch) -> None:
        try:
            self._connection.sendall(encode(frame))
        except OSError as error:
            raise _StationLeftError from error


def _end_within(seconds: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
