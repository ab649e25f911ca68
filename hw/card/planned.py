"""Read cards with as much at once as reader and chip carry, and learn from what breaks off.

Knows a card port, the memory of plans, and which failures may be a plan's. Does not know what a
dialogue asks. A plan that broke off may have spoilt the chip's session: the card is powered anew,
everything is begun again one step lower, and only what then comes through is remembered. A chip
that fails in short commands too is told as it is, and teaches nothing.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from emrtd.channel import PlainChannel
from emrtd.errors import ChannelBroken, ChipGone, ChipMalformed, ChipRefused, EMRTDError, Fault
from emrtd.read_plan import ReaderMemory, asks_for_much, negotiate
from hw.card.reading import Reading, read
from hw.errors import DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.apdu import Command, Step
    from emrtd.dialogue import Dialogue
    from emrtd.files import ReadPlan
    from hw.card.port import CardInfo, CardPort

T = TypeVar("T")

MAX_QUESTIONS = 40
"""Commands that a chip may cost before it told its limits."""
AGAIN_S = 2.0
"""How long a card may take to answer again when it is powered anew."""
AGAIN = "again"
"""The phase that the time of what broke off belongs to."""

_GET_RESPONSE = 0xC0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class PlannedReads:
    """Reads cards; one for each thread that does, as long as the thread lives.

    Attributes:
        memory: which plans came through, by reader and kind of chip.
    """

    memory: ReaderMemory = field(default_factory=ReaderMemory)

    def read(
        self,
        card: CardPort,
        info: CardInfo,
        dialogue: Callable[[ReadPlan], Dialogue[T]],
        on_step: Callable[[Step], None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> Reading[T]:
        """Run a dialogue with the connected card, again with less at once where that may help.

        It is begun again at most as often as there are steps in extended length; what `on_step`
        raises ends it at any command.

        Args:
            card: a port with a card connected.
            info: what its connection told.
            dialogue: makes what is asked; called for each try, so that each has its own nonces.
            on_step: told before each command where the dialogue stands; must return at once.
            clock: seconds on any clock that never goes back.

        Returns:
            The value, with all commands that were sent and all the time that it took.

        Raises:
            EMRTDError: whatever the last dialogue raises; ChipGone if the card left.
            DeviceFailed: the reader itself failed.
        """
        sent, began_s, again = _Sent(), clock(), False
        asked = read(card, self._negotiation(info), on_step, on_command=sent.note, clock=clock)
        plan = asked.value
        while True:
            try:
                done = read(card, dialogue(plan), on_step, on_command=sent.note, clock=clock)
                break
            except (ChannelBroken, ChipRefused, ChipMalformed) as error:
                if not sent.too_much(error):
                    raise
                _log.warning("card_read_again max_le=%d why=%s", plan.max_le, error.fault.value)
                lower = self.memory.failed(info.reader, info.atr, plan)
                plan, again = lower.plans[info.reader, info.atr], True
            info = _powered_anew(card)
        self.memory = self.memory.worked(info.reader, info.atr, plan)
        ms = dict(asked.ms)
        for phase, spent in done.ms.items():
            ms[phase] = ms.get(phase, 0.0) + spent
        lost = {AGAIN: (clock() - began_s) * 1000 - sum(ms.values())} if again else {}
        return Reading(done.value, sent.count, {**lost, **ms})

    def _negotiation(self, info: CardInfo) -> Dialogue[ReadPlan]:
        return negotiate(
            PlainChannel(max_commands=MAX_QUESTIONS),
            memory=self.memory,
            reader=info.reader,
            atr=info.atr,
            max_command_bytes=info.max_command_bytes,
        )


@dataclass(slots=True)
class _Sent:
    """What was sent so far."""

    count: int = 0
    last: Command | None = None

    def note(self, command: Command) -> None:
        self.count += 1
        if command.ins != _GET_RESPONSE:  # it fetches what is left of the answer to the last
            self.last = command

    def too_much(self, error: EMRTDError) -> bool:
        """Return whether that may have gone wrong because too much was asked for at once.

        What a chip says under protection, it says itself, however much was asked for.
        """
        if isinstance(error, ChipMalformed) and error.fault is not Fault.RESPONSE_MALFORMED:
            return False
        return self.last is not None and asks_for_much(self.last)


def _powered_anew(card: CardPort) -> CardInfo:
    try:
        return card.connect(timeout_s=AGAIN_S)
    except DeviceTimeout as error:
        raise ChipGone("power the card anew") from error
