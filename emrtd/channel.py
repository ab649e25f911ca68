"""What carries commands to a chip: the plain channel, and the contract of every channel.

Knows how many commands a chip may cost and how a long response is fetched in pieces. Does not
protect anything: `secure_messaging` wraps this channel.

Spec: [7816-4].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emrtd.apdu import Command, Response
from emrtd.errors import ChannelBroken, ChipMalformed, ChipRefused, Fault

if TYPE_CHECKING:
    from emrtd.dialogue import Dialogue

MAX_FETCHES = 32
"""For one response: eight kilobytes in the shortest pieces that a chip has a reason to send."""
_MORE_WAITING = 0x61
_GET_RESPONSE = 0xC0


class Channel(Protocol):
    """Carries one command at a time."""

    def exchange(self, command: Command) -> Dialogue[Response]:
        """Send a command and return its response, whatever the status.

        Raises:
            ChipGone: the transport lost the chip.
            ChipMalformed: the chip asks for more work than its data is worth.
            ChannelBroken: the channel is protected and its protection failed.
        """


class PlainChannel:
    """The unprotected channel; one for a whole inspection, so that it can count."""

    def __init__(self, *, max_commands: int) -> None:
        """Begin.

        Args:
            max_commands: how many commands may be sent before the chip is given up.
        """
        self._left = max_commands

    def exchange(self, command: Command) -> Dialogue[Response]:
        """Send a command; fetch what waits (61xx). Raises ChipGone, ChipMalformed."""
        response = yield from self._send(command)
        collected = response.data
        fetches = 0
        while response.sw >> 8 == _MORE_WAITING:
            fetches += 1
            if fetches > MAX_FETCHES:
                raise ChipMalformed("GET RESPONSE", "no end of it", fault=Fault.WORK_EXCEEDED)
            le = response.sw & 0xFF or 256
            fetch = Command(0, _GET_RESPONSE, 0, 0, le=le, step=command.step)
            response = yield from self._send(fetch)
            collected += response.data
        return Response(collected, response.sw)

    def _send(self, command: Command) -> Dialogue[Response]:
        if self._left <= 0:
            raise ChipMalformed(
                "transmit", "more commands than an inspection may need", fault=Fault.WORK_EXCEEDED
            )
        self._left -= 1
        response = yield command
        return response


class OpenChannel(Channel, Protocol):
    """What a chip is read through once it is open."""

    @property
    def below(self) -> Channel:
        """The channel that carries this one's commands."""

    @property
    def alive(self) -> bool:
        """Whether the channel can still carry a command."""

    def close(self) -> None:
        """Carry nothing more."""


class ClearChannel:
    """The channel of a chip that asks for no access: open, and nothing in it is protected."""

    def __init__(self, below: Channel) -> None:
        """Begin; `below` carries the commands as they are."""
        self.below = below
        self._open = True

    @property
    def alive(self) -> bool:
        """Whether it was not closed yet."""
        return self._open

    def close(self) -> None:
        """Carry nothing more."""
        self._open = False

    def exchange(self, command: Command) -> Dialogue[Response]:
        """Send a command as it is. Raises ChannelBroken, ChipGone, ChipMalformed."""
        if not self._open:
            raise ChannelBroken("transmit", "the channel is closed")
        return (yield from self.below.exchange(command))


def ask(channel: Channel, command: Command, *, doing: str) -> Dialogue[bytes]:
    """Send a command that must succeed and return its data.

    Raises:
        ChipRefused: any status but 9000.
    """
    response = yield from channel.exchange(command)
    if not response.ok:
        raise ChipRefused(response.sw, doing)
    return response.data
