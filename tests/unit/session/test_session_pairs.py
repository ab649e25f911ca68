"""Every state beside every event, each with whatever it may carry."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from session_material import PASSWORD, RECORD, TODAY, findings, in_force
from session_strategies import EVENTS, STATES, event_of, sites, state_of, verdicts

from emrtd.errors import Fault
from emrtd.verify import ChipOutcome
from kiosk.session import effects as ef
from kiosk.session import events as ev
from kiosk.session import states as ss
from kiosk.session.machine import Site, step, timeout_s
from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from kiosk.session.verdict import NOTHING_CHECKED, Verdict
from wire.policy import Layer
from wire.reasons import Outcome, Reason
from wire.record import CheckBand, FaceBand, FingerBand, LiveBand

ACTIVE = (
    ss.AskingKey, ss.ReadingChip, ss.MatchingFace, ss.MatchingFinger, ss.ConfirmingCard,
)  # fmt: skip
LEAVING = (ev.CardGone, ev.Cancelled, ev.Dismissed, ev.TimerFired)
ENDING = (ev.CardGone, ev.Cancelled, ev.TimerFired, ev.DeviceFailed)

LEADS = {
    (ss.Idle, ev.CardSeen): {ss.AskingKey},
    (ss.AskingKey, ev.KeyGiven): {ss.ReadingChip},
    (ss.ReadingChip, ev.KeyRefused): {ss.AskingKey, ss.Filing},
    (ss.ReadingChip, ev.ChipFailed): {ss.Filing},
    (ss.ReadingChip, ev.ChipRead): {
        ss.MatchingFace, ss.MatchingFinger, ss.ConfirmingCard, ss.Filing,
    },
    (ss.MatchingFace, ev.FaceJudged): {ss.MatchingFinger, ss.ConfirmingCard},
    (ss.MatchingFinger, ev.FingerJudged): {ss.ConfirmingCard},
    (ss.MatchingFinger, ev.FingerDeclined): {ss.ConfirmingCard},
    (ss.ConfirmingCard, ev.CardConfirmed): {ss.Filing},
    (ss.ConfirmingCard, ev.CardSwapped): {ss.Filing},
    (ss.ConfirmingCard, ev.ChipFailed): {ss.Filing},
    (ss.Filing, ev.RecordStored): {ss.Showing},
    (ss.Filing, ev.RecordRefused): {ss.Showing},
    (ss.Filing, ev.TimerFired): {ss.Showing},
    **{(ss.Showing, kind): {ss.Idle} for kind in LEAVING},
    (ss.Showing, ev.CardGone): {ss.Parting},
    **{(ss.Parting, kind): {ss.Idle} for kind in LEAVING},
    **{pair: {ss.Filing} for pair in product(ACTIVE, ENDING)},
    (ss.MatchingFinger, ev.TimerFired): {ss.ConfirmingCard},
}  # fmt: skip
"""Where an event that is in time may lead; every other pair changes no state for another."""

INSIDE = {
    (ss.ReadingChip, ev.Progressed),
    (ss.MatchingFace, ev.FaceCued),
    (ss.MatchingFace, ev.FaceHinted),
    (ss.MatchingFinger, ev.FingerCued),
    (ss.MatchingFinger, ev.FingerHinted),
}
"""What changes a state's particulars and leaves it where it is."""

EFFECTS = {
    (ss.Idle, ss.AskingKey): {(), (ef.WatchFaces,)},
    (ss.AskingKey, ss.ReadingChip): {(ef.ReadChip,)},
    (ss.ReadingChip, ss.AskingKey): {()},
    (ss.ReadingChip, ss.MatchingFace): {(ef.MatchFace,)},
    (ss.ReadingChip, ss.ConfirmingCard): {(ef.ConfirmCard,)},
    (ss.ReadingChip, ss.MatchingFinger): {(ef.MatchFinger,)},
    (ss.MatchingFace, ss.MatchingFinger): {(ef.MatchFinger,)},
    (ss.MatchingFace, ss.ConfirmingCard): {(ef.ConfirmCard,)},
    (ss.MatchingFinger, ss.ConfirmingCard): {(ef.ConfirmCard,)},
    (ss.Filing, ss.Showing): {(ef.Show,)},
    (ss.Showing, ss.Idle): {()},
    (ss.Showing, ss.Parting): {()},
    (ss.Parting, ss.Idle): {()},
    **{(kind, ss.Filing): {(ef.FileRecord, ef.Forget)} for kind in ACTIVE},
}


def late(state: ss.State, event: ev.Event) -> bool:
    meant_for = getattr(event, "timer", getattr(event, "asked", state.timer))
    return meant_for != state.timer


@pytest.mark.parametrize(
    ("state_kind", "event_kind"),
    list(product(STATES, EVENTS)),
    ids=lambda kind: kind.__name__,
)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_pair(state_kind: type, event_kind: type, data: st.DataObject) -> None:
    state, event = data.draw(state_of(state_kind)), data.draw(event_of(event_kind))
    site = data.draw(sites)
    after, effects = step(state, event, site)
    assert step(state, event, site) == (after, effects)
    pair = (state_kind, event_kind)
    if late(state, event) or pair not in LEADS.keys() | INSIDE:
        assert after is state
        assert effects == ()
    elif pair in INSIDE:
        assert type(after) is state_kind
        assert after.timer == state.timer
        assert effects == ()
    else:
        assert type(after) in LEADS[pair]
        assert tuple(map(type, effects)) in EFFECTS[state_kind, type(after)]
        assert after.timer == state.timer + (type(after) is not ss.Idle)
    _accepts_rightly(state, event, site, after)
    _carries_the_verdict(after, effects)


def _accepts_rightly(state: ss.State, event: ev.Event, site: Site, after: ss.State) -> None:
    """Nothing is accepted by a step but what was proved, and shown so but what is stored."""
    if after is state or not isinstance(after, ss.Filing | ss.Showing):
        return
    if after.verdict.outcome is not Outcome.ACCEPTED:
        assert after.verdict.reasons
        return
    if isinstance(after, ss.Showing):
        assert isinstance(state, ss.Filing)
        assert state.verdict.outcome is Outcome.ACCEPTED
        assert isinstance(event, ev.RecordStored)
        assert event.asked == state.timer
        assert after.record is event.record
        return
    assert isinstance(state, ss.ConfirmingCard)
    assert isinstance(event, ev.CardConfirmed)
    layers, match = site.policy.policy.layers, state.match
    assert site.policy.why_none is None
    assert state.findings.outcome in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}
    assert state.findings.checks.pa.value == "passed"
    assert Layer.CHIP not in layers or state.findings.holder is not None
    assert not {Layer.LIVE, Layer.FACE} & {*layers} or match.live is LiveBand.PASSED
    finger, asked = state.finger, site.policy.policy.on_finger
    same_finger = finger is not None and finger.band in {FingerBand.SAME, FingerBand.SAME_STRONG}
    instead = same_finger and asked == "instead" and match.band is FaceBand.UNSURE
    same_face = Layer.FACE not in layers or match.band in {FaceBand.SAME, FaceBand.SAME_STRONG}
    assert same_face or instead
    assert same_finger or asked != "require"
    assert finger is None or finger.band is not FingerBand.DIFFERENT
    assert finger is None or Reason.FINGER_REPLAYED not in finger.reasons
    seen_simulated = site.card_simulated or any(
        each is not None and each.simulated for each in (match, finger)
    )
    assert site.policy.policy.simulators_allowed or not seen_simulated


def _carries_the_verdict(after: ss.State, effects: tuple[ef.Effect, ...]) -> None:
    """What is filed is what stands in the state, and what is shown too."""
    for effect in effects:
        match effect:
            case ef.FileRecord(verdict):
                assert after == ss.Filing(after.timer, verdict)
            case ef.Show(verdict, record):
                assert after == ss.Showing(after.timer, verdict, record)


@settings(max_examples=200, deadline=None)
@given(state=st.one_of(*map(state_of, STATES)), site=sites)
def test_every_state_but_idle_ends_by_itself(state: ss.State, site: Site) -> None:
    for _ in range(5):
        if isinstance(state, ss.Idle):
            break
        limit = timeout_s(state, site)
        assert limit is not None
        assert 1 <= limit <= 600
        before = state
        state, _ = step(state, ev.TimerFired(state.timer), site)
        assert type(state) is not type(before)
    assert isinstance(state, ss.Idle)
    assert timeout_s(state, site) is None


SITE = Site(in_force())
GENUINE, CLONE = findings()["genuine 2021"], findings()["clone"]


def test_each_state_has_its_own_patience() -> None:
    states = (
        ss.AskingKey(1, 3), ss.ReadingChip(1, 3), ss.MatchingFace(1, GENUINE, TODAY),
        ss.MatchingFinger(1, GENUINE, TODAY, None), ss.ConfirmingCard(1, GENUINE, TODAY, None),
        ss.Filing(1, Verdict(Outcome.ACCEPTED, ())),
        ss.Showing(1, Verdict(Outcome.ACCEPTED, ()), None),
        ss.Parting(1, Verdict(Outcome.ACCEPTED, ()), None),
    )  # fmt: skip
    assert [timeout_s(state, SITE) for state in states] == [60, 60, 45, 40, 5, 10, 20, 6]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.CardGone(), Reason.CHIP_GONE),
        (ev.Cancelled(), Reason.CANCELLED),
        (ev.TimerFired(4), Reason.TIMEOUT),
        (ev.DeviceFailed(Reason.DEVICE_TIMEOUT), Reason.DEVICE_TIMEOUT),
    ],
)
@pytest.mark.parametrize("kind", ACTIVE)
def test_a_session_that_ends_early_is_incomplete_and_keeps_its_evidence(
    kind: type, event: ev.Event, reason: Reason
) -> None:
    match = ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED)
    state = {
        ss.AskingKey: ss.AskingKey(4, 2),
        ss.ReadingChip: ss.ReadingChip(4, 2),
        ss.MatchingFace: ss.MatchingFace(4, GENUINE, TODAY),
        ss.MatchingFinger: ss.MatchingFinger(4, GENUINE, TODAY, match),
        ss.ConfirmingCard: ss.ConfirmingCard(4, GENUINE, TODAY, match),
    }[kind]
    if (kind, type(event)) == (ss.MatchingFinger, ev.TimerFired):
        state, _ = step(state, event, SITE)  # a finger that does not come ends no service
        event = ev.TimerFired(5)
    after, _ = step(state, event, SITE)
    verdict = after.verdict
    assert (verdict.outcome, verdict.reasons) == (Outcome.INCOMPLETE, (reason,))
    known = kind in {ss.MatchingFace, ss.MatchingFinger, ss.ConfirmingCard}
    assert verdict.bands.pa is (CheckBand.PASSED if known else CheckBand.ABSENT)
    assert verdict.bands == NOTHING_CHECKED or known
    judged = kind in {ss.MatchingFinger, ss.ConfirmingCard}
    assert (verdict.match, verdict.bands.face) == (
        (match, FaceBand.SAME) if judged else (None, FaceBand.NONE)
    )


@pytest.mark.parametrize("event", [ev.CardGone(), ev.Cancelled(), ev.TimerFired(4)])
def test_whoever_leaves_after_a_refused_key_leaves_because_of_it(event: ev.Event) -> None:
    after, _ = step(ss.AskingKey(4, 2, refused=True), event, SITE)
    assert after.verdict == Verdict(Outcome.INCOMPLETE, (Reason.WRONG_PASSWORD,))


@pytest.mark.parametrize("lied", [True, False])
@pytest.mark.parametrize(
    "state", [ss.ReadingChip(4, 2), ss.ConfirmingCard(4, GENUINE, TODAY, None)]
)
@pytest.mark.parametrize("fault", Fault)
def test_a_reading_that_fails_is_refused_only_if_a_proof_did_not_hold(
    state: ss.State, fault: Fault, *, lied: bool
) -> None:
    after, _ = step(state, ev.ChipFailed(fault, lied), SITE)
    assert after.verdict.outcome is (Outcome.REFUSED if lied else Outcome.REFERRED)
    assert after.verdict.reasons == (Reason(fault.value),)


def test_a_swapped_card_is_refused() -> None:
    same = ev.FaceMatch(FaceBand.SAME_STRONG, LiveBand.PASSED)
    after, _ = step(ss.ConfirmingCard(4, GENUINE, TODAY, same), ev.CardSwapped(), SITE)
    assert (after.verdict.outcome, after.verdict.reasons) == (
        Outcome.REFUSED,
        (Reason.CARD_SWAPPED,),
    )


def test_a_refused_key_may_be_given_again_as_often_as_the_policy_says() -> None:
    for attempts in range(1, 6):
        site = Site(in_force(attempts=attempts))
        state, _ = step(ss.Idle(), ev.CardSeen(), site)
        for tried in range(1, attempts + 1):
            assert state.attempts_left == attempts - tried + 1
            assert state.refused is (tried > 1)
            state, effects = step(state, ev.KeyGiven(PASSWORD), site)
            assert effects == (ef.ReadChip(PASSWORD),)
            state, _ = step(state, ev.KeyRefused(), site)
        assert isinstance(state, ss.Filing)
        assert state.verdict.reasons == (Reason.WRONG_PASSWORD,)
        assert state.verdict.outcome is Outcome.INCOMPLETE


def test_the_portrait_is_sent_to_be_matched_at_the_policys_rate() -> None:
    from emrtd.lds import dg2

    after, effects = step(ss.ReadingChip(4, 2), ev.ChipRead(GENUINE, TODAY), SITE)
    assert after == ss.MatchingFace(5, GENUINE, TODAY)
    (image,) = dg2.parse(GENUINE.groups.files["DG2"]).faces
    assert effects == (ef.MatchFace(image.data, "1e-4"),)


@pytest.mark.parametrize(
    ("finger", "why_none", "wanted"),
    [
        ("never", None, False),
        (UNSET, None, False),
        ("ask", None, True),
        ("require", Reason.POLICY_EXPIRED, False),
    ],
)
def test_nobodys_fingerprints_are_read_for_nothing(
    finger: str, why_none: Reason | None, *, wanted: bool
) -> None:
    site = Site(in_force(finger=finger, why_none=why_none))
    _, (reading,) = step(ss.AskingKey(1, 3), ev.KeyGiven(PASSWORD), site)
    assert reading == ef.ReadChip(PASSWORD, fingers=wanted)


@pytest.mark.parametrize(
    ("layers", "why_none", "filmed"),
    [
        ((Layer.PA, Layer.CHIP, Layer.VALIDITY), None, False),
        ((Layer.FACE,), None, True),
        ((Layer.LIVE,), None, True),
        ((Layer.LIVE, Layer.FACE), Reason.POLICY_EXPIRED, False),
    ],
)
def test_nobody_is_filmed_for_nothing(
    layers: tuple[Layer, ...], why_none: Reason | None, *, filmed: bool
) -> None:
    site = Site(in_force(layers, why_none=why_none))
    _, effects = step(ss.Idle(), ev.CardSeen(), site)
    assert effects == ((ef.WatchFaces(),) if filmed else ())


@pytest.mark.parametrize(
    ("layers", "next_state"),
    [
        ((), ss.ConfirmingCard),
        ((Layer.CHIP, Layer.VALIDITY), ss.ConfirmingCard),
        ((Layer.FACE,), ss.MatchingFace),
        ((Layer.LIVE,), ss.MatchingFace),
    ],
)
def test_a_face_is_asked_for_only_if_the_policy_asks(
    layers: tuple[Layer, ...], next_state: type
) -> None:
    after, _ = step(ss.ReadingChip(4, 2), ev.ChipRead(GENUINE, TODAY), Site(in_force(layers)))
    assert type(after) is next_state


def test_a_clone_never_meets_the_camera() -> None:
    after, effects = step(ss.ReadingChip(4, 2), ev.ChipRead(CLONE, TODAY), SITE)
    assert after.verdict.outcome is Outcome.REFUSED
    assert effects == (ef.FileRecord(after.verdict), ef.Forget())


@settings(max_examples=50)
@given(verdict=verdicts)
def test_what_is_not_known_to_be_stored_is_not_accepted(verdict: Verdict) -> None:
    filing = ss.Filing(4, verdict)
    for event, reason in (
        (ev.RecordRefused(Reason.QUEUE_FULL, 4), Reason.QUEUE_FULL),
        (ev.TimerFired(4), Reason.QUEUE_FAILED),
    ):
        shown, _ = step(filing, event, SITE)
        assert shown.record is None
        assert shown.verdict.reasons == (reason, *verdict.reasons)
        accepted = verdict.outcome is Outcome.ACCEPTED
        assert shown.verdict.outcome is (Outcome.INCOMPLETE if accepted else verdict.outcome)
    shown, _ = step(filing, ev.RecordStored(RECORD, 4), SITE)
    assert shown == ss.Showing(5, verdict, RECORD)


def test_a_slow_disk_never_vouches_for_the_next_citizens_record() -> None:
    filing = ss.Filing(9, Verdict(Outcome.ACCEPTED, ()))
    for stale in (ev.RecordStored(RECORD, 5), ev.RecordRefused(Reason.QUEUE_FULL, 5)):
        assert step(filing, stale, SITE) == (filing, ())


def test_nothing_of_a_person_is_in_what_is_printed() -> None:
    match = ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED)
    read = ev.ChipRead(GENUINE, TODAY)
    things: list[object] = [read, ev.KeyGiven(PASSWORD), ss.MatchingFace(4, GENUINE, TODAY),
                            ss.ConfirmingCard(4, GENUINE, TODAY, match)]  # fmt: skip
    things += step(ss.ReadingChip(4, 2), read, SITE)
    things += step(ss.AskingKey(4, 2), ev.KeyGiven(PASSWORD), SITE)
    printed = repr(things)
    assert "ReadChip" in printed
    for secret in ("012345", "999195", "NGUYEN", "Nguy", "xff", "FFD8", "files"):
        assert secret not in printed


@pytest.mark.parametrize("closed", [Prompt, CheckName, CheckState, Delivery])
def test_what_is_said_is_a_closed_list_of_codes(closed: type) -> None:
    assert [each.value for each in closed] == [each.name.lower() for each in closed]
