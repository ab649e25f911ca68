"""The session: one citizen from the card on the reader to the verdict on the screen.

`step` is a reducer: state and event in, state and effects out. No clock, no chance, no I/O. These
hold for every sequence of events (tests walk them all): a session files exactly one record; after
`FileRecord` comes only `Forget`, after `RecordStored` only `Show`; every state but `Idle` has a
time after which it ends by itself, and ends on `CardGone` and `Cancelled` unless its record is
being filed. Pairs that the table does not name change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kiosk.session.effects import (
    ConfirmCard,
    Effect,
    FileRecord,
    Forget,
    MatchFace,
    MatchFinger,
    ReadChip,
    Show,
    WatchFaces,
)
from kiosk.session.events import (
    Cancelled,
    CardConfirmed,
    CardGone,
    CardSeen,
    CardSwapped,
    ChipFailed,
    ChipRead,
    DeviceFailed,
    Dismissed,
    Event,
    FaceCued,
    FaceHinted,
    FaceJudged,
    FingerCued,
    FingerDeclined,
    FingerHinted,
    FingerJudged,
    FingerMatch,
    KeyGiven,
    KeyRefused,
    Progressed,
    RecordRefused,
    RecordStored,
    TimerFired,
)
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
from kiosk.session.verdict import (
    Case,
    Verdict,
    bands_of,
    decide,
    decide_card,
    fingers_of,
    portrait_of,
    wants_finger,
)
from wire.policy import Layer
from wire.reasons import Outcome, Reason

if TYPE_CHECKING:
    from datetime import date

    from emrtd.verify import Findings
    from kiosk.session.events import FaceMatch
    from kiosk.session.policy import PolicyInForce
    from kiosk.session.states import Active
    from wire.record import RecordIdentity

Step = tuple[State, tuple[Effect, ...]]

PARTING_S: Final = 6
"""How long a verdict stays at most once the card is taken: to be read, by whoever is in a hurry."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is the case at this device: taken when a session begins, kept until it ends.

    Attributes:
        policy: what decides.
        card_simulated: whether no real reader stands behind the card.
    """

    policy: PolicyInForce
    card_simulated: bool = False


def timeout_s(state: State, site: Site) -> int | None:
    """Return after how many seconds `TimerFired(state.timer)` is due; None only for `Idle`."""
    patience = site.policy.policy.patience
    match state:
        case AskingKey():
            return patience.key
        case ReadingChip():
            return patience.reading
        case MatchingFace():
            return patience.face
        case MatchingFinger():
            return patience.finger_s
        case ConfirmingCard():
            return patience.confirming
        case Filing():
            return patience.filing
        case Showing():
            return patience.showing
        case Parting():
            return min(patience.showing, PARTING_S)
    return None


def step(state: State, event: Event, site: Site) -> Step:
    """Return the state after an event, and what to do, in order."""
    if _is_late(event, state):
        return state, ()
    match state:
        case Idle():
            return _when_idle(state, event, site)
        case Filing():
            return _when_filing(state, event)
        case Showing() | Parting():
            return _when_shown(state, event)
        case MatchingFinger():
            if on := _when_finger_ended(state, event, site):
                return on
    return _when_ended(state, event) or _when_active(state, event, site)


def _is_late(event: Event, state: State) -> bool:
    """Whether an event was meant for a state that is over."""
    match event:
        case TimerFired(timer):
            return timer != state.timer
        case RecordStored(asked=asked) | RecordRefused(asked=asked):
            return asked != state.timer
    return False


def _when_idle(state: Idle, event: Event, site: Site) -> Step:
    if isinstance(event, CardSeen):
        asking = AskingKey(state.timer + 1, site.policy.policy.key_attempts)
        # Nobody is filmed whom nothing will be asked about.
        wanted = site.policy.why_none is None and _face_asked(site)
        return asking, (WatchFaces(),) if wanted else ()
    return state, ()


def _when_ended(state: Active, event: Event) -> Step | None:
    """Return how a session ends before anything was decided, None if it goes on."""
    match event:
        case CardGone():
            return _file(state, _left(state, Reason.CHIP_GONE))
        case Cancelled():
            return _file(state, _left(state, Reason.CANCELLED))
        case TimerFired():
            return _file(state, _left(state, Reason.TIMEOUT))
        case DeviceFailed(reason):
            return _file(state, _ended(state, Outcome.INCOMPLETE, reason))
    return None


def _when_active(state: Active, event: Event, site: Site) -> Step:
    match state, event:
        case AskingKey(), KeyGiven(password):
            reading = ReadingChip(state.timer + 1, state.attempts_left - 1)
            return reading, (ReadChip(password, fingers=_fingers_wanted(site)),)
        case ReadingChip(), Progressed(phase, done, total):
            return replace(state, phase=phase, done=done, total=total), ()
        case ReadingChip(attempts_left=left), KeyRefused() if left < 1:
            return _file(state, _ended(state, Outcome.INCOMPLETE, Reason.WRONG_PASSWORD))
        case ReadingChip(), KeyRefused():
            return AskingKey(state.timer + 1, state.attempts_left, refused=True), ()
        case ReadingChip() | ConfirmingCard(), ChipFailed(fault, lied):
            outcome = Outcome.REFUSED if lied else Outcome.REFERRED
            return _file(state, _ended(state, outcome, Reason(fault.value)))
        case ReadingChip(), ChipRead():
            return _after_chip(state, event, site)
        case MatchingFace(), FaceCued(cue):
            return replace(state, cue=cue), ()
        case MatchingFace(), FaceHinted(hint):
            return replace(state, hint=hint), ()
        case MatchingFace(), FaceJudged(match):
            return _after_face(state, _case(site, state.findings, state.today, match))
        case MatchingFinger(), FingerCued(cue, position):
            return replace(state, cue=cue, position=position), ()
        case MatchingFinger(), FingerHinted(hint):
            return replace(state, hint=hint), ()
        case ConfirmingCard(), CardConfirmed():
            case = _case(site, state.findings, state.today, state.match)
            return _file(state, decide(replace(case, finger=state.finger)))
        case ConfirmingCard(), CardSwapped():
            return _file(state, _ended(state, Outcome.REFUSED, Reason.CARD_SWAPPED))
    return state, ()


def _when_filing(state: Filing, event: Event) -> Step:
    match event:
        case RecordStored(record):
            return _show(state, state.verdict, record)
        case RecordRefused(reason):
            return _show(state, _unfiled(state.verdict, reason), None)
        case TimerFired():
            return _show(state, _unfiled(state.verdict, Reason.QUEUE_FAILED), None)
    return state, ()


def _when_shown(state: Showing | Parting, event: Event) -> Step:
    match state, event:
        case Showing(), CardGone():
            return Parting(state.timer + 1, state.verdict, state.record), ()
        case _, CardGone() | Dismissed() | Cancelled() | TimerFired():
            return Idle(state.timer), ()
    return state, ()


def _after_chip(state: ReadingChip, read: ChipRead, site: Site) -> Step:
    case = _case(site, read.findings, read.today, None)
    decided = decide_card(case)
    if decided is not None:
        return _file(state, decided)
    portrait = portrait_of(read.findings) if _face_asked(site) else None
    if portrait is None:  # where a face is asked for, the table has referred its absence already
        return _after_face(state, case)
    matching = MatchingFace(state.timer + 1, read.findings, read.today)
    return matching, (MatchFace(portrait, site.policy.policy.face_fmr),)


def _face_asked(site: Site) -> bool:
    return not {Layer.FACE, Layer.LIVE}.isdisjoint(site.policy.policy.layers)


def _fingers_wanted(site: Site) -> bool:
    """Whether fingerprints are read at all: nobody's are taken out of a chip for nothing."""
    return site.policy.why_none is None and site.policy.policy.on_finger != "never"


def _after_face(state: Active, case: Case) -> Step:
    """Ask for a finger if something may still hang on it and the chip gave what to compare with."""
    fingers = fingers_of(case.findings) if wants_finger(case) else ()
    if not fingers:
        return _confirm(state, case, None)
    matching = MatchingFinger(state.timer + 1, case.findings, case.today, case.match)
    return matching, (MatchFinger(fingers, case.policy.policy.fmr_of_finger),)


def _when_finger_ended(state: MatchingFinger, event: Event, site: Site) -> Step | None:
    """Go on with whatever was found about a finger, None if nothing yet.

    A finger that does not come, or a module that fails, never ends a service.
    """
    match event:
        case FingerJudged(found):
            finger = found
        case FingerDeclined():
            finger = FingerMatch(reasons=(Reason.FINGER_DECLINED,))
        case TimerFired():
            finger = FingerMatch(reasons=(Reason.NO_FINGER,))
        case _:
            return None
    return _confirm(state, _case(site, state.findings, state.today, state.match), finger)


def _confirm(state: Active, case: Case, finger: FingerMatch | None) -> Step:
    confirming = ConfirmingCard(state.timer + 1, case.findings, case.today, case.match, finger)
    return confirming, (ConfirmCard(),)


def _case(site: Site, findings: Findings, today: date, match: FaceMatch | None) -> Case:
    return Case(findings, today, match, site.policy, site.card_simulated)


def _file(state: Active, verdict: Verdict) -> Step:
    return Filing(state.timer + 1, verdict), (FileRecord(verdict), Forget())


def _show(state: Filing, verdict: Verdict, record: RecordIdentity | None) -> Step:
    return Showing(state.timer + 1, verdict, record), (Show(verdict, record),)


def _left(state: Active, reason: Reason) -> Verdict:
    """Return the verdict on a session that the person left, or forgot."""
    if isinstance(state, AskingKey) and state.refused:
        # Whoever leaves after a refused key leaves because of it.
        return Verdict(Outcome.INCOMPLETE, (Reason.WRONG_PASSWORD,))
    return _ended(state, Outcome.INCOMPLETE, reason)


def _ended(state: Active, outcome: Outcome, reason: Reason) -> Verdict:
    """Return a verdict on a session that ended early, with the evidence that there is."""
    match state:
        case MatchingFace():
            return Verdict(outcome, (reason,), bands_of(state.findings, None))
        case MatchingFinger():
            bands = bands_of(state.findings, state.match)
            return Verdict(outcome, (reason,), bands, match=state.match)
        case ConfirmingCard():
            bands = bands_of(state.findings, state.match, state.finger)
            return Verdict(outcome, (reason,), bands, match=state.match, finger=state.finger)
    return Verdict(outcome, (reason,))


def _unfiled(verdict: Verdict, reason: Reason) -> Verdict:
    """Return the verdict on a session whose record is not known to be kept: nothing is accepted."""
    accepted = verdict.outcome is Outcome.ACCEPTED
    outcome = Outcome.INCOMPLETE if accepted else verdict.outcome
    return replace(verdict, outcome=outcome, reasons=(reason, *verdict.reasons))
