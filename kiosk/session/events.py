"""What can happen to a session: past participles, each a value.

Knows the names. Proofs travel inside: `ChipRead` carries the library's own findings, whose types
only the library can make. Does not know who tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from wire.record import FaceBand, FingerBand, LiveBand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from emrtd.errors import Fault
    from emrtd.keys import Password
    from emrtd.verify import Findings
    from wire.reasons import Reason
    from wire.record import RecordIdentity


class FaceCue(StrEnum):
    """What the person is asked to do before the camera."""

    LOOK_AHEAD = "look_ahead"
    TURN_LEFT = "turn_left"
    """The person's own left."""
    TURN_RIGHT = "turn_right"
    BLINK = "blink"


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """What the vision worker found; scores stay in the worker.

    Attributes:
        band: how like the chip's portrait the face was.
        live: whether a living head was seen.
        frames: how many frames were compared.
        reasons: why something could not be found, e.g. NO_FACE, QUALITY_SIZE; empty if it could.
        simulated: whether the frames came from a file or a renderer.
        models: role to the id of the model that played it.
        tries: how often the person was asked to show life, 0 if never.
    """

    band: FaceBand = FaceBand.NONE
    live: LiveBand = LiveBand.ABSENT
    frames: int = 0
    reasons: tuple[Reason, ...] = ()
    simulated: bool = False
    models: Mapping[str, str] = field(default_factory=dict)
    tries: int = 0


class FingerCue(StrEnum):
    """What the person is asked to do at the fingerprint module."""

    PLACE = "place"
    LIFT = "lift"


@dataclass(frozen=True, slots=True)
class FingerMatch:
    """What was found about a finger; scores stay in the worker.

    Attributes:
        band: how like one of the chip's fingerprints it was.
        touches: how many touches were compared.
        reasons: why something could not be found, e.g. NO_FINGER, DEVICE_MISSING, or
            FINGER_REPLAYED; empty if it could.
        simulated: whether the touches came from a simulator.
        models: role to the id of the model that played it.
    """

    band: FingerBand = FingerBand.NONE
    touches: int = 0
    reasons: tuple[Reason, ...] = ()
    simulated: bool = False
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardSeen:
    """A card was put on the reader.

    Attributes:
        simulated: whether no real reader stands behind it.
    """

    simulated: bool = False


@dataclass(frozen=True, slots=True)
class CardGone:
    """The card left the reader."""


@dataclass(frozen=True, slots=True)
class KeyGiven:
    """What opens the card was typed or scanned."""

    password: Password = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The card does not open with it; the card itself may be fine."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """Reading goes on.

    Attributes:
        phase: of the inspection, e.g. "access", "dg2".
        done: bytes of the current file already read.
        total: bytes of the current file, 0 while unknown.
    """

    phase: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class ChipRead:
    """The chip was read and judged.

    Attributes:
        findings: what it is, with every proof that was made.
        today: the day that dates are judged on.
    """

    findings: Findings = field(repr=False)
    today: date


@dataclass(frozen=True, slots=True)
class ChipFailed:
    """Reading ended in an error that is neither a lost card nor a wrong key.

    Attributes:
        fault: what went wrong.
        lied: whether a proof did not hold; else nothing is known.
    """

    fault: Fault
    lied: bool


@dataclass(frozen=True, slots=True)
class FaceCued:
    """The person was asked to do something."""

    cue: FaceCue


@dataclass(frozen=True, slots=True)
class FaceHinted:
    """Frames do not suffice yet: NO_FACE, SEVERAL_FACES or QUALITY_*; None: now they do."""

    hint: Reason | None


@dataclass(frozen=True, slots=True)
class FaceJudged:
    """The vision worker is done."""

    match: FaceMatch


@dataclass(frozen=True, slots=True)
class FingerCued:
    """The person was asked to do something.

    Attributes:
        cue: what.
        position: with which finger, 1 right thumb to 10 left little; 0: any that is on the card.
    """

    cue: FingerCue
    position: int = 0


@dataclass(frozen=True, slots=True)
class FingerHinted:
    """A touch does not suffice: QUALITY_FINGER_*; None: the last one did."""

    hint: Reason | None


@dataclass(frozen=True, slots=True)
class FingerJudged:
    """Finger, module and worker are done; whatever failed there is among the reasons."""

    match: FingerMatch


@dataclass(frozen=True, slots=True)
class FingerDeclined:
    """The person cannot put a finger down, or does not want to."""


@dataclass(frozen=True, slots=True)
class CardConfirmed:
    """The chip that was read answered once more, under the channel that it was read through."""


@dataclass(frozen=True, slots=True)
class CardSwapped:
    """What answered was not the chip that was read."""


@dataclass(frozen=True, slots=True)
class DeviceFailed:
    """A device that the session needs is missing, broken or silent."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class RecordStored:
    """The record is on the disk.

    Attributes:
        asked: the serial of the state whose record it is; another state ignores it, so that a slow
            disk never vouches for the next citizen's record.
    """

    record: RecordIdentity
    asked: int


@dataclass(frozen=True, slots=True)
class RecordRefused:
    """The record could not be filed: QUEUE_FULL or QUEUE_FAILED.

    Attributes:
        asked: the serial of the state whose record it is; another state ignores it.
    """

    reason: Reason
    asked: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A state lasted too long.

    Attributes:
        timer: the serial of the state that it was set for; another state ignores it.
    """

    timer: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The person wants to stop."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The person has read the verdict."""


Event: TypeAlias = (
    CardSeen
    | CardGone
    | KeyGiven
    | KeyRefused
    | Progressed
    | ChipRead
    | ChipFailed
    | FaceCued
    | FaceHinted
    | FaceJudged
    | FingerCued
    | FingerHinted
    | FingerJudged
    | FingerDeclined
    | CardConfirmed
    | CardSwapped
    | DeviceFailed
    | RecordStored
    | RecordRefused
    | TimerFired
    | Cancelled
    | Dismissed
)
