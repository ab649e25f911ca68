"""What a screen shows, as one frozen value: screens render it and hold no logic.

Knows how a session's state looks from outside: which screen, what is said, how far it is, what was
checked against what and how old that is. Pure. Does not know words, widgets or devices, and carries
nothing of a person: no name, no number, no picture, no score.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from kiosk.session.events import FaceCue, FingerCue
from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from kiosk.session.states import (
    AskingKey,
    ConfirmingCard,
    Filing,
    Idle,
    MatchingFace,
    MatchingFinger,
    Parting,
    ReadingChip,
    Showing,
    State,
)
from wire.reasons import Outcome, Reason
from wire.record import CheckBand, FaceBand, FingerBand, LiveBand

if TYPE_CHECKING:
    from kiosk.session.verdict import Verdict

STEPS: Final = 4
"""The card's key, the chip, the person, the result."""


class Screen(StrEnum):
    """Which screen."""

    WELCOME = "welcome"
    KEY = "key"
    READING = "reading"
    FACE = "face"
    FINGER = "finger"
    CHECKING = "checking"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line under a verdict."""

    name: CheckName
    state: CheckState


@dataclass(frozen=True, slots=True)
class Around:
    """What is the case around the session.

    Attributes:
        online: whether records can leave now.
        waiting: records that the fleet has not signed for.
        delivered: whether it signed for the record on the screen.
        trust_days: age of the newest issuer's list in days, None if unknown.
        policy: the id of the policy in force.
        policy_days_left: days until it ends; negative if there is none.
        simulated: whether a simulated device takes part.
        trouble: the device that does not work just now, DEVICE_* or QUEUE_*; None: all do.
    """

    online: bool = False
    waiting: int = 0
    delivered: bool = False
    trust_days: int | None = None
    policy: str = "none"
    policy_days_left: int = -1
    simulated: bool = False
    trouble: Reason | None = None


@dataclass(frozen=True, slots=True)
class ViewModel:
    """One screen.

    Attributes:
        screen: which.
        prompt: the one thing that is said.
        hint: what to do differently just now: NO_FACE, SEVERAL_FACES, QUALITY_*.
        finger: on the finger screen, which one is asked for: 1 right thumb to 10 left little, 0
            any that is on the card.
        step: which of `STEPS`, from 1; 0 on the welcome screen.
        progress: 0 to 1 within the step; None: something is going on, nobody knows how far.
        attempts_left: how often the key may still be typed, on the key screen.
        outcome: on the verdict screen, as far as a person is told: ACCEPTED, REFERRED to the desk,
            or INCOMPLETE. Refused, not the holder and referred are one: no accusation, and no
            lesson for a forger.
        retry: whether the person may simply try again.
        checks: what was checked, of an accepted session only; else the desk says it.
        delivery: where the record is, on the verdict screen.
        receipt: a short word to name the record by at the desk; names nobody.
        around: what is the case around the session.
    """

    screen: Screen
    prompt: Prompt
    around: Around
    hint: Reason | None = None
    finger: int | None = None
    step: int = 0
    progress: float | None = None
    attempts_left: int | None = None
    outcome: Outcome | None = None
    retry: bool = False
    checks: tuple[CheckLine, ...] = ()
    delivery: Delivery | None = None
    receipt: str = ""


_READING: Final = {
    "select": 0.02, "access": 0.05, "com": 0.15, "sod": 0.2, "dg14": 0.3, "dg15": 0.32,
    "chip_auth": 0.36, "active_auth": 0.42, "dg1": 0.46, "dg13": 0.5, "dg2": 0.55,
}  # fmt: skip
"""Where in the reading each phase begins; the portrait is nearly half of it."""

_TOLD: Final = {
    Prompt.ACCEPTED: Outcome.ACCEPTED,
    Prompt.GO_TO_DESK: Outcome.REFERRED,
    Prompt.TRY_AGAIN: Outcome.INCOMPLETE,
    Prompt.OUT_OF_SERVICE: Outcome.INCOMPLETE,
}

_CUES: Final = {
    FaceCue.LOOK_AHEAD: Prompt.LOOK_AHEAD,
    FaceCue.TURN_LEFT: Prompt.TURN_LEFT,
    FaceCue.TURN_RIGHT: Prompt.TURN_RIGHT,
    FaceCue.BLINK: Prompt.BLINK,
}

_FINGER_CUES: Final = {
    FingerCue.PLACE: Prompt.PLACE_FINGER,
    FingerCue.LIFT: Prompt.LIFT_FINGER,
}

RETRY: Final = frozenset(
    {
        Reason.CHIP_GONE,
        Reason.WRONG_PASSWORD,
        Reason.TIMEOUT,
        Reason.CANCELLED,
        Reason.NO_FACE,
        Reason.SEVERAL_FACES,
        Reason.QUALITY_SIZE,
        Reason.QUALITY_SHARPNESS,
        Reason.QUALITY_EXPOSURE,
        Reason.QUALITY_POSE,
    }
)
"""What a person can do better the next time."""

OUT_OF_SERVICE: Final = frozenset(
    {
        Reason.QUEUE_FULL,
        Reason.QUEUE_FAILED,
        Reason.DEVICE_MISSING,
        Reason.DEVICE_FAILED,
        Reason.DEVICE_TIMEOUT,
        Reason.DEVICE_URL,
    }
)
"""What only staff can mend."""


def view_of(state: State, around: Around) -> ViewModel:
    """Return the screen of a state."""
    match state:
        case Idle():
            prompt = Prompt.OUT_OF_SERVICE if around.trouble else Prompt.PLACE_CARD
            return ViewModel(Screen.WELCOME, prompt, around)
        case AskingKey():
            return ViewModel(
                Screen.KEY,
                Prompt.KEY_REFUSED if state.refused else Prompt.ENTER_KEY,
                around,
                step=1,
                attempts_left=state.attempts_left,
            )
        case ReadingChip():
            return ViewModel(
                Screen.READING,
                Prompt.HOLD_CARD_STILL,
                around,
                step=2,
                progress=_reading_progress(state),
            )
        case MatchingFace():
            return ViewModel(Screen.FACE, _CUES[state.cue], around, hint=state.hint, step=3)
        case MatchingFinger():
            prompt = _FINGER_CUES[state.cue]
            return ViewModel(
                Screen.FINGER, prompt, around, hint=state.hint, finger=state.position, step=3
            )
        case ConfirmingCard():
            return ViewModel(Screen.CHECKING, Prompt.CHECKING, around, step=3)
        case Filing():
            return ViewModel(Screen.CHECKING, Prompt.SAVING, around, step=4)
        case Showing() | Parting():
            return _verdict_view(state, around)
        case _:  # pragma: no cover - the union is closed
            assert_never(state)


def _verdict_view(state: Showing | Parting, around: Around) -> ViewModel:
    verdict = state.verdict
    prompt, retry = _advice(verdict, stored=state.record is not None)
    if state.record is None:
        delivery = Delivery.NOT_STORED
    else:
        delivery = Delivery.DELIVERED if around.delivered else Delivery.STORED
    return ViewModel(
        Screen.VERDICT,
        prompt,
        around,
        step=STEPS,
        progress=1.0,
        outcome=_TOLD[prompt],
        retry=retry,
        checks=check_lines(verdict) if prompt is Prompt.ACCEPTED else (),
        delivery=delivery,
        receipt="" if state.record is None else receipt_word(str(state.record)),
    )


def _advice(verdict: Verdict, *, stored: bool) -> tuple[Prompt, bool]:
    """Return what is said, and whether the person may simply try again."""
    if verdict.outcome is Outcome.ACCEPTED and stored:
        return Prompt.ACCEPTED, False
    first = verdict.reasons[0] if verdict.reasons else Reason.QUEUE_FAILED
    if first in OUT_OF_SERVICE or not stored:
        return Prompt.OUT_OF_SERVICE, False
    if first in RETRY:
        return Prompt.TRY_AGAIN, True
    return Prompt.GO_TO_DESK, False


def check_lines(verdict: Verdict) -> tuple[CheckLine, ...]:
    """Return what was checked. Whether face and finger were the holder's is told if they were."""
    bands = verdict.bands
    chip = _best(bands.aa, bands.ca)
    face = CheckState.NOT_DONE
    if bands.face in {FaceBand.SAME, FaceBand.SAME_STRONG}:
        face = CheckState.PASSED
    same_finger = bands.finger in {FingerBand.SAME, FingerBand.SAME_STRONG}
    finger = CheckState.PASSED if same_finger else CheckState.NOT_DONE
    live = CheckState.PASSED if bands.live is LiveBand.PASSED else CheckState.NOT_DONE
    return (
        CheckLine(CheckName.ISSUER, _state(bands.pa)),
        CheckLine(CheckName.CHIP, chip),
        CheckLine(CheckName.LIVE, live),
        CheckLine(CheckName.FACE, face),
        CheckLine(CheckName.FINGER, finger),
    )


def _best(*bands: CheckBand) -> CheckState:
    """Return PASSED if one passed and none failed."""
    states = {_state(band) for band in bands}
    for state in (CheckState.NOT_PASSED, CheckState.PASSED):
        if state in states:
            return state
    return CheckState.NOT_DONE


def _state(band: CheckBand) -> CheckState:
    if band is CheckBand.PASSED:
        return CheckState.PASSED
    return CheckState.NOT_DONE if band is CheckBand.ABSENT else CheckState.NOT_PASSED


def _reading_progress(state: ReadingChip) -> float | None:
    begins = _READING.get(state.phase)
    if begins is None:
        return None
    if state.phase == "access" or state.total <= 0:
        return begins  # of "access" the bytes are one file's, and the key agreement follows it
    room = min((at for at in _READING.values() if at > begins), default=1.0) - begins
    return begins + room * min(state.done / state.total, 1.0)


def receipt_word(record: str) -> str:
    """Return the last part of a record's identity: lane initial and number, e.g. "N-17"."""
    _, _, lane, seq = record.rsplit("/", 3)
    return f"{lane[0].upper()}-{seq}"
