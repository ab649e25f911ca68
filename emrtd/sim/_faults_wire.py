"""Lies told on the wire: cards that leave, and responses that are not what the chip answered.

Knows bytes and their order. The expected finding of each was written first.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from emrtd.errors import ChipGone, Fault
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._manner import Manner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.apdu import Command


class _Torn(Manner):
    """Leaves once, at its n-th command ever; put back, it answers."""

    _count = 0
    _away = False

    def powered(self) -> None:
        self._away = False

    def asked(self) -> None:
        self._count += 1
        self._away = self._away or self._count == self.number
        if self._away:
            raise ChipGone(message="the card left the field")


class _Silent(Manner):
    """Falls silent in the same place of every session."""

    _SPEAKS = 12

    def powered(self) -> None:
        self._count = 0

    def asked(self) -> None:
        self._count += 1
        if self._count > self._SPEAKS:
            raise ChipGone(message="the chip stopped answering")


class _Exchanged(Manner):
    """From its n-th command on, a chip that knows no session answers."""

    _count = 0

    def asked(self) -> None:
        self._count += 1

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        return b"\x69\x88" if protected and self._count >= self.number else response


class _Swapped(Manner):
    """From its n-th command on, another card's files lie behind the channel."""

    _count = 0

    def asked(self) -> None:
        self._count += 1

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        del command
        return (bytes(len(data)), sw) if self._count >= self.number else (data, sw)


class _Slow(Manner):
    """Takes half a minute for everything; whoever plays the chip may wait that long."""

    delay_s = 30.0


class _Dead(Manner):
    def answered(self, response: bytes, *, protected: bool) -> bytes:
        del response, protected
        return b"\x6f\x00"


class _NthProtected(Manner):
    """Does something to one response of the channel that access opened."""

    _NTH = 3

    def powered(self) -> None:
        self._count = 0
        self._last = b""

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._count += protected
        sent = self.instead(response) if protected and self._count == self._NTH else response
        self._last = response
        return sent

    @abstractmethod
    def instead(self, response: bytes) -> bytes:
        """Return what is sent that once."""


class _WrongMAC(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        return response[:-3] + bytes((response[-3] ^ 1,)) + response[-2:]


class _Replayed(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        del response
        return self._last


class _WithoutMAC(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        return response[:-12] + response[-2:]


class _Unprotected(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        return response[-2:]


class _OtherStatus(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        # No file is deactivated: no response has this one by itself.
        return response[:-2] + b"\x62\x83"


class _SessionLost(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        del response
        return b"\x69\x88"


class _Nothing(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        del response
        return b""


class _TooMuch(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        return bytes(65_537) + response[-2:]


class _EndlessResponse(Manner):
    def powered(self) -> None:
        self._begun = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._begun = self._begun or protected
        return bytes(64) + b"\x61\x40" if self._begun else response


class _Reads(Manner):
    """Does something to what READ BINARY yields after access."""

    def powered(self) -> None:
        self._open = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._open = self._open or protected
        return response

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        if command.ins in {0xB0, 0xB1} and self._open:
            return self.read(data), sw
        return data, sw

    @abstractmethod
    def read(self, data: bytes) -> bytes:
        """Return what is read instead."""


class _EmptyReads(_Reads):
    def read(self, data: bytes) -> bytes:
        del data
        return b""


class _GenerousReads(_Reads):
    def read(self, data: bytes) -> bytes:
        return data + bytes(16)


class _StingyReads(_Reads):
    def read(self, data: bytes) -> bytes:
        return data[:16]


CASES: Mapping[str, FaultCase] = {
    "torn": FaultCase(
        "leaves the field at its n-th command; put back, it answers",
        Fault.CHIP_GONE,
        _Torn,
        takes_number=True,
    ),
    "silent": FaultCase("stops answering after twelve commands", Fault.CHIP_GONE, _Silent),
    "exchanged": FaultCase(
        "from its n-th command on a chip answers that knows nothing of the session",
        Fault.SESSION_LOST,
        _Exchanged,
        takes_number=True,
    ),
    "swapped": FaultCase(
        "from its n-th command on the channel leads to another card's files",
        Fault.CARD_SWAPPED,
        _Swapped,
        takes_number=True,
    ),
    "slow": FaultCase("takes half a minute for every answer", "genuine", _Slow),
    "dead": FaultCase("answers 6F00 to everything", Fault.CHIP_REFUSED, _Dead, card="passport"),
    "wrong_mac": FaultCase(
        "one bit of one response's checksum is wrong", Fault.CHANNEL_BROKEN, _WrongMAC
    ),
    "replayed_response": FaultCase(
        "one response is the one before it, again", Fault.CHANNEL_BROKEN, _Replayed
    ),
    "mac_missing": FaultCase("one response has no checksum", Fault.CHANNEL_BROKEN, _WithoutMAC),
    "unprotected_response": FaultCase(
        "one response of the channel is a bare status", Fault.CHANNEL_BROKEN, _Unprotected
    ),
    "status_changed": FaultCase(
        "one response's bare status is another than its protected one",
        Fault.CHANNEL_BROKEN,
        _OtherStatus,
    ),
    "session_lost": FaultCase(
        "the chip forgets the session in its midst (6988)", Fault.SESSION_LOST, _SessionLost
    ),
    "empty_response": FaultCase(
        "one response has not even a status", Fault.RESPONSE_MALFORMED, _Nothing
    ),
    "oversized_response": FaultCase(
        "one response is longer than any may be", Fault.RESPONSE_MALFORMED, _TooMuch
    ),
    "loop_61xx": FaultCase(
        "every response after access says that more is waiting",
        Fault.WORK_EXCEEDED,
        _EndlessResponse,
    ),
    "empty_reads": FaultCase(
        "reading succeeds and yields nothing", Fault.RESPONSE_MALFORMED, _EmptyReads
    ),
    "generous_reads": FaultCase(
        "reading yields more than was asked for", Fault.RESPONSE_MALFORMED, _GenerousReads
    ),
    "stingy_reads": FaultCase(
        "reading yields sixteen bytes at most, whatever was asked for", "genuine", _StingyReads
    ),
}
"""Name to case."""
