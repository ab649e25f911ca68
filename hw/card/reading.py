"""Run a dialogue over a reader, and tell how long each phase of it took.

Knows a card port and the shape of a dialogue. Does not know what is asked, nor what an answer
means.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from emrtd.apdu import Command, Response, Step
from emrtd.dialogue import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.dialogue import Dialogue
    from hw.card.port import CardPort

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a dialogue returned, and what it cost.

    Attributes:
        value: the dialogue's own value.
        apdus: commands sent.
        ms: milliseconds by phase, in the order in which phases began; their sum is the whole time.
            The reader's own computing counts to the phase of the command before it.
    """

    value: T
    apdus: int
    ms: Mapping[str, float]


class _Phases:
    """A stopwatch that is told when a phase goes on or another begins."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._current = ""
        self.ms: dict[str, float] = {}

    def enter(self, phase: str) -> None:
        now = self._clock()
        # What was computed before the first command belongs to the phase that it begins.
        spent_in = self._current or phase
        self.ms[spent_in] = self.ms.get(spent_in, 0.0) + (now - self._since) * 1000
        self._since, self._current = now, phase


def read(
    card: CardPort,
    dialogue: Dialogue[T],
    on_step: Callable[[Step], None] | None = None,
    *,
    on_command: Callable[[Command], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Reading[T]:
    """Run a dialogue with the connected card to its value.

    Args:
        card: a port with a card connected.
        dialogue: what is asked; closed on return, whatever happens.
        on_step: told before each command where the dialogue stands; must return at once.
        on_command: told of each command that is sent, with what it carries.
        clock: seconds on any clock that never goes back.

    Raises:
        EMRTDError: whatever the dialogue raises; ChipGone if the card left.
        ChipMalformed: the reader passed on something that is no response APDU.
        DeviceFailed: the reader itself failed.
    """
    phases, apdus = _Phases(clock), 0

    def transmit(command: Command) -> Response:
        nonlocal apdus
        phases.enter(command.step.phase)
        if on_step is not None:
            on_step(command.step)
        apdus += 1
        on_command(command)
        return Response.from_bytes(card.transmit(command.to_bytes()))

    with closing(dialogue):
        value = drive(dialogue, transmit)
    if apdus:
        phases.enter("")
    return Reading(value, apdus, phases.ms)
