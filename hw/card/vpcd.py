"""The card's side of a virtual reader: plays a chip to vpcd, which a real PC/SC service drives.

Knows vpcd's framing: two bytes of length, big-endian, then a control byte or a command APDU.
Does not know what a chip answers. It is no reader driver: `hw.card.pcsc` is at the other end.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from emrtd.errors import ChipGone
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from types import TracebackType

    from hw.card.chip import PlayedChip

HOST = "127.0.0.1"
PORT = 35963
"""Where Debian's vpcd listens for the card of its first slot."""
MAX_PAYLOAD_BYTES = 0xFFFF
CONNECT_S = 2.0
POLL_S = 0.2
"""How soon a stop is noticed on a silent wire."""
AWAY_S = 0.5
"""How long a card stays away at least. pcscd looks every 0.4 s; if a card was exchanged between two
looks, it takes the reader for empty until that card is taken away too."""
SEEN_S = 2.0
INSERTIONS = 3
END_S = 2.0

_log = logging.getLogger(__name__)


class Control(IntEnum):
    """The payloads of one byte."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


def react(chip: PlayedChip, payload: bytes) -> bytes | None:
    """Return a chip's answer to one payload of the reader, None if none is due.

    Raises:
        ChipGone: the chip left.
        DeviceFailed: the reader asked something that vpcd does not ask, or no frame holds the
            answer.
    """
    if len(payload) != 1:
        if not payload:
            raise DeviceFailed("card", "an empty frame from the virtual reader")
        response = chip.answer(payload)
        if len(response) > MAX_PAYLOAD_BYTES:
            raise DeviceFailed("card", "no frame holds so long an answer")
        return response
    match payload[0]:
        case Control.POWER_OFF:
            return None
        case Control.POWER_ON | Control.RESET:
            chip.reset()
            return None
        case Control.ATR:
            return chip.atr
        case unknown:
            raise DeviceFailed("card", f"unknown control byte {unknown:02X}")


def play(
    chip: PlayedChip, host: str = HOST, port: int = PORT, *, stop: threading.Event | None = None
) -> None:
    """Play a chip until stopped; a chip that leaves is put back after `AWAY_S` seconds.

    Raises:
        OSError: no virtual reader listens there now. One that goes away later is waited for.
    """
    stop = stop or threading.Event()
    wire: socket.socket | None = _connected(host, port)
    while not stop.is_set():
        if wire is not None:
            _serve(chip, wire, stop)
        if stop.wait(AWAY_S):
            return
        try:
            wire = _connected(host, port)
        except OSError:
            wire = None
    if wire is not None:
        wire.close()


class VirtualCard:
    """A card that a test or a demo puts into a virtual reader, takes out and swaps.

    A thread answers while it is in. Also a context manager: it is taken out at the end.
    """

    def __init__(self, host: str = HOST, port: int = PORT) -> None:
        """Stand before the reader whose vpcd listens there."""
        self._address = (host, port)
        self._slot: _Slot | None = None
        self._wire: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._left_s = -AWAY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def inserted(self) -> bool:
        """Whether a chip answers; false after it left by itself."""
        return self._thread is not None and self._thread.is_alive()

    def insert(self, chip: PlayedChip) -> None:
        """Put a chip in and wait until it is powered; one that is in is taken out first.

        Raises:
            DeviceMissing: no virtual reader listens.
            DeviceTimeout: it listens, and no service looks at it.
        """
        for _ in range(INSERTIONS):
            self.remove()
            time.sleep(max(self._left_s + AWAY_S - time.monotonic(), 0.0))
            try:
                wire = _connected(*self._address)
            except OSError as error:
                raise DeviceMissing("card", f"no virtual reader: {error.strerror}") from error
            self._wire, self._slot, self._stop = wire, _Slot(chip), threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._slot, wire, self._stop), name="card", daemon=True
            )
            self._thread.start()
            if self._slot.powered.wait(SEEN_S):
                return
        self.remove()
        raise DeviceTimeout("card", "nobody powers the card in the virtual reader")

    def swap(self, chip: PlayedChip) -> None:
        """Let another chip, freshly powered, answer from now on; the reader is not told.

        Between a disconnect and a connect this is the fast way to present the next card; within
        a session it is an attack.

        Raises:
            DeviceMissing: no card is in.
        """
        if self._slot is None or not self.inserted:
            raise DeviceMissing("card", "no card is in the virtual reader")
        chip.reset()
        self._slot.chip = chip

    def remove(self) -> None:
        """Take the chip out; harmless when none is in. Frees a reader that waits for its answer."""
        self._stop.set()
        wire, self._wire = self._wire, None
        if wire is not None:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(END_S)
        self._slot = None

    def _run(self, slot: _Slot, wire: socket.socket, stop: threading.Event) -> None:
        try:
            _serve(slot, wire, stop)
        finally:
            self._left_s = time.monotonic()


class _Slot:
    """A chip that can be another from one command to the next."""

    def __init__(self, chip: PlayedChip) -> None:
        self.chip = chip
        self.powered = threading.Event()

    @property
    def atr(self) -> bytes:
        return self.chip.atr

    def reset(self) -> None:
        self.chip.reset()
        self.powered.set()

    def answer(self, command: bytes) -> bytes:
        return self.chip.answer(command)


def _connected(host: str, port: int) -> socket.socket:
    wire = socket.create_connection((host, port), timeout=CONNECT_S)
    wire.settimeout(POLL_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def _serve(chip: PlayedChip, wire: socket.socket, stop: threading.Event) -> None:
    """Answer until the reader hangs up, the chip leaves or stop is set; then hang up."""
    with wire:
        try:
            while (payload := _receive(wire, stop)) is not None:
                response = react(chip, payload)
                if response is not None:
                    wire.sendall(len(response).to_bytes(2, "big") + response)
        except (ChipGone, OSError):
            return
        except DeviceFailed as error:
            _log.warning("virtual_card_ended reason=%s", error.reason)


def _receive(wire: socket.socket, stop: threading.Event) -> bytes | None:
    """Return the next payload, None at the end."""
    head = _exactly(2, wire, stop)
    return None if head is None else _exactly(int.from_bytes(head, "big"), wire, stop)


def _exactly(size: int, wire: socket.socket, stop: threading.Event) -> bytes | None:
    received = bytearray()
    while len(received) < size:
        # vpcd sends a frame in two writes: the second waits for the acknowledgement of the first,
        # which Linux delays by 40 ms unless it is told not to, each time.
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        try:
            part = wire.recv(size - len(received))
        except TimeoutError:
            if stop.is_set():
                return None
            continue
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not part:
            return None
        received += part
    return bytes(received)
