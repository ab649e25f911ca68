"""A reader under PC/SC: `pcsc://0`, or `pcsc://NAME` with a part of the reader's name.

Knows the service's calls and that their result codes lie: a card pulled in mid-command may come
back as a success without bytes, so what is gone is found by asking what is still there. Does not
know what commands mean. The service's library is imported by the first `connect`; which service it
talks to (PCSCLITE_CSOCK_NAME) is settled for the whole process then.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from emrtd.errors import ChipGone
from hw.card.part10 import (
    MAX_EXTENDED_COMMAND_BYTES,
    MAX_SHORT_COMMAND_BYTES,
    max_command_bytes,
    properties_control_code,
)
from hw.card.port import CardInfo
from hw.errors import BadDeviceURL, DeviceFailed, DeviceMissing, DeviceTimeout

WAIT_SLICE_S = 0.2
"""A card that does not answer, and a port that is being closed, are looked at again that often."""
CLOSE_S = 2.0
SERVICE_SOCKET = "pcscd.comm"
VIRTUAL_READER = "Virtual PCD"
"""How the names of vpcd's readers begin."""
VIRTUAL_COMMAND_BYTES = 65_535
"""Its driver answers no questions; a frame to the card holds that much."""
_GET_FEATURE_REQUEST = 3400

_establishing = threading.Lock()


class PCSCReader:
    """A card port over one reader of the PC/SC service.

    Each connection has a service context of its own, so that a service that was restarted, or a
    reader plugged in again, is found by the next `connect`. The card is held exclusively.
    """

    def __init__(self, wanted: str) -> None:
        """Choose a reader; nothing is opened yet.

        Args:
            wanted: decimal digits are a place in the service's list, anything else a part of one
                reader's name.
        """
        self._wanted = wanted
        self._calling = threading.Lock()
        self._closed = False
        self._wire: socket.socket | None = None
        self._context: Any = None
        self._card: Any = None
        self._protocol: Any = None
        self._name = ""

    @property
    def simulated(self) -> bool:
        """Whether the reader that was connected is vpcd's virtual one; records say so."""
        return self._name.startswith(VIRTUAL_READER)

    def connect(self, *, timeout_s: float) -> CardInfo:
        """Wait for a card and power it.

        Raises:
            DeviceMissing: no such reader, or its service is away.
            DeviceTimeout: no card answered within timeout_s.
            BadDeviceURL: several readers carry that name.
        """
        deadline = time.monotonic() + timeout_s
        with self._calling:
            self._release()
            try:
                self._establish()
                self._name = self._choose()
                self._await_card(deadline)
                return self._info()
            except BaseException:
                self._release()
                raise

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU, return its response.

        Raises:
            ChipGone: the card left, or what lies there is not the one that was connected.
            DeviceFailed: the reader or its service failed, or `close` was called meanwhile.
            ValueError: no command is that long.
        """
        if len(command) > MAX_EXTENDED_COMMAND_BYTES:
            raise ValueError("longer than any command APDU")
        with self._calling:
            if self._card is None:
                raise ChipGone(message="no card is connected")
            scard = _scard()
            result, response = scard.SCardTransmit(self._card, self._protocol, list(command))
            # A failed call returns memory that nobody wrote: only a success is looked at.
            if result == scard.SCARD_S_SUCCESS and len(response) >= 2:
                return bytes(response)
            raise self._why_lost()

    def present(self) -> bool:
        """Whether the connected card is still there; the service notices within half a second."""
        with self._calling:
            if self._card is None:
                return False
            scard = _scard()
            # This call fails for good once the card left, even if another lies there by now.
            return bool(scard.SCardStatus(self._card)[0] == scard.SCARD_S_SUCCESS)

    def disconnect(self) -> None:
        """Power the card down."""
        with self._calling:
            self._release()

    def close(self) -> None:
        """Release the reader; a call that hangs in another thread is cut off from the service."""
        self._closed = True
        if not self._calling.acquire(blocking=False):
            wire = self._wire
            if wire is not None:
                with contextlib.suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)
            if not self._calling.acquire(timeout=CLOSE_S):
                return
        try:
            self._release()
        finally:
            self._calling.release()

    def _establish(self) -> None:
        scard = _scard()
        with _establishing:
            before = _open_sockets()
            result, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            if result != scard.SCARD_S_SUCCESS:
                self._context = None
                raise DeviceMissing("card", _text(result))
            self._wire = _service_socket(_open_sockets() - before)

    def _choose(self) -> str:
        scard = _scard()
        result, names = scard.SCardListReaders(self._context, [])
        if result != scard.SCARD_S_SUCCESS or not names:
            raise DeviceMissing("card", "no reader is attached")
        if self._wanted.isdecimal():
            if int(self._wanted) < len(names):
                return str(names[int(self._wanted)])
            raise DeviceMissing("card", f"no reader {self._wanted}, there are {len(names)}")
        fitting = [name for name in names if self._wanted in name]
        if len(fitting) > 1:
            raise BadDeviceURL("card", f"several readers carry that name: {', '.join(fitting)}")
        if not fitting:
            raise DeviceMissing("card", f"no reader is called that: {', '.join(names)}")
        return str(fitting[0])

    def _await_card(self, deadline: float) -> None:
        scard = _scard()
        state = scard.SCARD_STATE_UNAWARE
        while True:
            if self._closed:
                raise DeviceMissing("card", "the reader is closed")
            left_s = min(max(deadline - time.monotonic(), 0.0), WAIT_SLICE_S)
            result, states = scard.SCardGetStatusChange(
                self._context, int(left_s * 1000), [(self._name, state)]
            )
            if result == scard.SCARD_S_SUCCESS:
                state = states[0][1]
            elif result != scard.SCARD_E_TIMEOUT:
                raise DeviceMissing("card", _text(result))
            if _reader_is_lost(state):
                raise DeviceMissing("card", "the reader was taken away")
            # A card at the edge of the field may be mute now and answer in the next round, and no
            # change of state tells of it.
            if state & scard.SCARD_STATE_PRESENT and self._power():
                return
            if result == scard.SCARD_E_TIMEOUT and time.monotonic() >= deadline:
                raise DeviceTimeout("card", "no card answered on the reader")

    def _power(self) -> bool:
        scard = _scard()
        result, card, protocol = scard.SCardConnect(
            self._context,
            self._name,
            scard.SCARD_SHARE_EXCLUSIVE,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        if result != scard.SCARD_S_SUCCESS:
            return False
        self._card = card
        is_t1 = protocol == scard.SCARD_PROTOCOL_T1
        self._protocol = scard.SCARD_PCI_T1 if is_t1 else scard.SCARD_PCI_T0
        return True

    def _info(self) -> CardInfo:
        scard = _scard()
        result, _, _, _, atr = scard.SCardStatus(self._card)
        if result != scard.SCARD_S_SUCCESS:
            raise DeviceTimeout("card", "the card left again")
        return CardInfo(self._name, bytes(atr), self._max_command_bytes())

    def _max_command_bytes(self) -> int:
        if self.simulated:
            return VIRTUAL_COMMAND_BYTES
        features = self._control(_scard().SCARD_CTL_CODE(_GET_FEATURE_REQUEST))
        code = properties_control_code(features)
        if code is None:
            return MAX_SHORT_COMMAND_BYTES
        return max_command_bytes(self._control(code))

    def _control(self, code: int) -> bytes:
        """Return what the driver answers, nothing if it does not know the question."""
        scard = _scard()
        result, answer = scard.SCardControl(self._card, code, [])
        return bytes(answer) if result == scard.SCARD_S_SUCCESS else b""

    def _why_lost(self) -> ChipGone | DeviceFailed:
        """Return what a failed transmit means, by what is still there; the connection is over."""
        scard = _scard()
        result, states = scard.SCardGetStatusChange(
            self._context, 0, [(self._name, scard.SCARD_STATE_UNAWARE)]
        )
        self._release()
        if self._closed:
            return DeviceFailed("card", "the reader was closed")
        if result != scard.SCARD_S_SUCCESS:
            return DeviceFailed("card", _text(result))
        if _reader_is_lost(states[0][1]):
            return DeviceFailed("card", "the reader was taken away")
        return ChipGone(message="the reader lost the card")

    def _release(self) -> None:
        """Let go of card and context; the service may be dead, so results say nothing."""
        card, self._card = self._card, None
        context, self._context = self._context, None
        wire, self._wire = self._wire, None
        if card is not None:
            _scard().SCardDisconnect(card, _scard().SCARD_UNPOWER_CARD)
        if context is not None:
            _scard().SCardReleaseContext(context)
        if wire is not None:
            wire.close()


def _scard() -> Any:
    """Return the binding of the service's library, imported on first use."""
    try:
        return importlib.import_module("smartcard.scard")
    except ImportError as error:
        raise DeviceMissing("card", "PC/SC is not installed") from error


def _text(result: int) -> str:
    return str(_scard().SCardGetErrorMessage(result))


def _reader_is_lost(state: int) -> bool:
    scard = _scard()
    lost = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE
    return bool(state & lost)


def _open_sockets() -> set[tuple[int, str]]:
    """Return this process's sockets, each with its identity: descriptors are soon used again."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if (identity := str(entry.readlink())).startswith("socket:"):
                    found.add((int(entry.name), identity))
    return found


def _service_socket(candidates: set[tuple[int, str]]) -> socket.socket | None:
    """Return a second handle on the connection to the service, None if it is not found.

    The library has no call that ends a transmit under way; to cut its connection is the only way,
    and the connection is its own secret.
    """
    for descriptor, _ in candidates:
        try:
            copy = os.dup(descriptor)
        except OSError:
            continue
        try:
            wire = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        if _peer(wire).endswith(f"/{SERVICE_SOCKET}"):
            return wire
        wire.close()
    return None


def _peer(wire: socket.socket) -> str:
    """Return the path a UNIX socket is connected to, nothing for any other."""
    try:
        peer = wire.getpeername()
    except OSError:
        return ""
    return peer if isinstance(peer, str) else ""
