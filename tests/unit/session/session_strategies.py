"""Any state, any event, any site, as Hypothesis draws them."""

from __future__ import annotations

from datetime import date
from typing import get_args

from hypothesis import strategies as st
from msgspec import UNSET
from session_material import PASSWORD, RECORD, TODAY, findings, in_force

from emrtd.errors import Fault
from kiosk.session import events as ev
from kiosk.session import states as ss
from kiosk.session.machine import Site
from kiosk.session.verdict import Verdict
from wire.policy import ALL_LAYERS, Finger, Layer
from wire.reasons import Outcome, Reason
from wire.record import FaceBand, FingerBand, LiveBand

STATES = get_args(ss.State)
EVENTS = get_args(ev.Event)

POLICY_REASONS = (Reason.POLICY_MISSING, Reason.POLICY_UNSIGNED, Reason.POLICY_EXPIRED)

timers = st.integers(0, 5)
reasons = st.sampled_from(Reason)
known = st.sampled_from(sorted(findings())).map(lambda name: findings()[name])
days = st.one_of(st.just(TODAY), st.dates(), st.sampled_from((date.min, date.max)))
matches = st.builds(
    ev.FaceMatch,
    band=st.sampled_from(FaceBand),
    live=st.sampled_from(LiveBand),
    frames=st.integers(0, 9),
    reasons=st.sampled_from(((), (), (), (Reason.NO_FACE,), (Reason.QUALITY_SIZE,))),
    simulated=st.booleans(),
)
fingers = st.builds(
    ev.FingerMatch,
    band=st.sampled_from(FingerBand),
    touches=st.integers(0, 3),
    reasons=st.sampled_from(((), (), (Reason.NO_FINGER,), (Reason.FINGER_REPLAYED,))),
    simulated=st.booleans(),
)
verdicts = st.builds(Verdict, st.sampled_from(Outcome), st.tuples(reasons))
policies = st.builds(
    in_force,
    st.one_of(st.just(ALL_LAYERS), st.sets(st.sampled_from(Layer)).map(sorted)),
    simulators=st.booleans(),
    attempts=st.integers(1, 5),
    downgrade=st.sampled_from((UNSET, "accept", "refer", "refuse")),
    finger=st.sampled_from((UNSET, *get_args(Finger))),
    why_none=st.sampled_from((None, None, None, *POLICY_REASONS)),
)
sites = st.builds(Site, policies, st.booleans())

_attempts = st.integers(-1, 5)
_record = st.just(RECORD)
_hint = st.none() | reasons
_STATES = {
    ss.Idle: st.builds(ss.Idle, timers),
    ss.AskingKey: st.builds(ss.AskingKey, timers, _attempts, st.booleans()),
    ss.ReadingChip: st.builds(ss.ReadingChip, timers, _attempts),
    ss.MatchingFace: st.builds(
        ss.MatchingFace, timers, known, days, st.sampled_from(ev.FaceCue), _hint
    ),
    ss.MatchingFinger: st.builds(
        ss.MatchingFinger,
        timers,
        known,
        days,
        st.none() | matches,
        st.sampled_from(ev.FingerCue),
        st.integers(0, 10),
        _hint,
    ),
    ss.ConfirmingCard: st.builds(
        ss.ConfirmingCard, timers, known, days, st.none() | matches, st.none() | fingers
    ),
    ss.Filing: st.builds(ss.Filing, timers, verdicts),
    ss.Showing: st.builds(ss.Showing, timers, verdicts, st.none() | _record),
    ss.Parting: st.builds(ss.Parting, timers, verdicts, st.none() | _record),
}
_EVENTS = {
    ev.CardSeen: st.builds(ev.CardSeen, st.booleans()),
    ev.KeyGiven: st.just(ev.KeyGiven(PASSWORD)),
    ev.Progressed: st.builds(ev.Progressed, st.sampled_from(("dg2", "new")), timers, timers),
    ev.ChipRead: st.builds(ev.ChipRead, known, days),
    ev.ChipFailed: st.builds(ev.ChipFailed, st.sampled_from(Fault), st.booleans()),
    ev.FaceCued: st.builds(ev.FaceCued, st.sampled_from(ev.FaceCue)),
    ev.FaceHinted: st.builds(ev.FaceHinted, _hint),
    ev.FaceJudged: st.builds(ev.FaceJudged, matches),
    ev.FingerCued: st.builds(ev.FingerCued, st.sampled_from(ev.FingerCue), st.integers(0, 10)),
    ev.FingerHinted: st.builds(ev.FingerHinted, _hint),
    ev.FingerJudged: st.builds(ev.FingerJudged, fingers),
    ev.DeviceFailed: st.builds(ev.DeviceFailed, reasons),
    ev.RecordStored: st.builds(ev.RecordStored, _record, timers),
    ev.RecordRefused: st.builds(ev.RecordRefused, reasons, timers),
    ev.TimerFired: st.builds(ev.TimerFired, timers),
}


def state_of(kind: type) -> st.SearchStrategy:
    return _STATES[kind]


def event_of(kind: type) -> st.SearchStrategy:
    """Return events of a kind; a kind that carries nothing has one."""
    return _EVENTS[kind] if kind in _EVENTS else st.builds(kind)


any_event = st.one_of(*(event_of(kind) for kind in EVENTS))
