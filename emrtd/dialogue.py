"""A dialogue with a chip is a generator: it yields commands, receives responses, returns a value.

Knows no wire, no clock and no thread: whoever drives a dialogue brings them. A transport reports a
lost chip by raising `ChipGone` from `transmit`; it is thrown into the dialogue, so that the
dialogue may close its keys, and then out to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from emrtd.apdu import Command, Response
from emrtd.errors import ChipGone

T = TypeVar("T")
Dialogue: TypeAlias = Generator[Command, Response, T]
Transmit: TypeAlias = Callable[[Command], Response]
Randomness: TypeAlias = Callable[[int], bytes]
"""Returns that many unpredictable bytes; the library never makes its own."""


def drive(dialogue: Dialogue[T], transmit: Transmit) -> T:
    """Run a dialogue over a transport to its value.

    Raises:
        EMRTDError: whatever the dialogue raises; ChipGone if the transport lost the chip.
    """
    try:
        command = next(dialogue)
        while True:
            try:
                response = transmit(command)
            except ChipGone as gone:
                command = dialogue.throw(gone)
            else:
                command = dialogue.send(response)
    except StopIteration as stop:
        value: T = stop.value
        return value
