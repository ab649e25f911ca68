"""Where a session stands: gerunds, each a frozen value with all that it knows.

Knows what each state carries. Every state but `Idle` has a time after which it ends by itself:
`machine.timeout_s`. Does not know how one follows another (`machine`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from kiosk.session.events import FaceCue, FaceMatch, FingerCue, FingerMatch

if TYPE_CHECKING:
    from datetime import date

    from emrtd.verify import Findings
    from kiosk.session.verdict import Verdict
    from wire.reasons import Reason
    from wire.record import RecordIdentity


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody is there.

    Attributes:
        timer: the serial of the last timer; it grows by one with each new state.
    """

    timer: int = 0


@dataclass(frozen=True, slots=True)
class AskingKey:
    """A card lies there; its key is awaited.

    Attributes:
        attempts_left: how often it may still be given.
        refused: whether the last one did not open the card.
    """

    timer: int
    attempts_left: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ReadingChip:
    """The chip is being read.

    Attributes:
        attempts_left: how often the key may be given again if this one is refused.
        phase: of the inspection.
        done: bytes of the current file already read.
        total: bytes of the current file, 0 while unknown.
    """

    timer: int
    attempts_left: int
    phase: str = "access"
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class MatchingFace:
    """The living face is being compared with the chip's portrait."""

    timer: int
    findings: Findings = field(repr=False)
    today: date
    cue: FaceCue = FaceCue.LOOK_AHEAD
    hint: Reason | None = None


@dataclass(frozen=True, slots=True)
class MatchingFinger:
    """A finger is being compared with the chip's fingerprints; the session goes on in any case.

    Attributes:
        match: what was found about the face, None if it was not asked for.
        position: the finger that is asked for, 1 right thumb to 10 left little; 0: any.
    """

    timer: int
    findings: Findings = field(repr=False)
    today: date
    match: FaceMatch | None
    cue: FingerCue = FingerCue.PLACE
    position: int = 0
    hint: Reason | None = None


@dataclass(frozen=True, slots=True)
class ConfirmingCard:
    """The chip is asked once more, so that it can't have been swapped."""

    timer: int
    findings: Findings = field(repr=False)
    today: date
    match: FaceMatch | None
    finger: FingerMatch | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """The verdict stands; its record is on the way to the disk."""

    timer: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Showing:
    """The verdict is on the screen.

    Attributes:
        record: None if it could not be filed.
    """

    timer: int
    verdict: Verdict
    record: RecordIdentity | None


@dataclass(frozen=True, slots=True)
class Parting:
    """The card was taken; the verdict stays long enough to be read.

    Attributes:
        record: None if it could not be filed.
    """

    timer: int
    verdict: Verdict
    record: RecordIdentity | None


State: TypeAlias = (
    Idle
    | AskingKey
    | ReadingChip
    | MatchingFace
    | MatchingFinger
    | ConfirmingCard
    | Filing
    | Showing
    | Parting
)

Active: TypeAlias = AskingKey | ReadingChip | MatchingFace | MatchingFinger | ConfirmingCard
"""A session that can still end by itself, by the person, or by the card."""
