"""Long walks: any sequence of events over many citizens, and what holds after every step."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from session_material import PASSWORD, RECORD, TODAY, findings, in_force
from session_strategies import EVENTS, any_event, event_of, sites

from emrtd.verify import ChipOutcome
from kiosk.session import effects as ef
from kiosk.session import events as ev
from kiosk.session import states as ss
from kiosk.session.machine import Site, step, timeout_s
from wire.policy import Layer
from wire.reasons import Outcome, Reason
from wire.record import FaceBand, FingerBand, LiveBand

GENUINE = findings()["genuine 2024"]
FINGERS = findings()["with fingers"]
GOOD = ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED)


class Sessions(RuleBasedStateMachine):
    """One kiosk; its log of the session under way is kept from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ss.State = ss.Idle()
        self.events: list[ev.Event] = []
        self.effects: list[ef.Effect] = []
        self.filed = self.sessions = 0

    @initialize(site=sites)
    def stand(self, site: Site) -> None:
        self.site = site

    def happen(self, event: ev.Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.site)
        if isinstance(before, ss.Idle) and not isinstance(self.state, ss.Idle):
            self.events, self.effects = [], []
            self.sessions += 1
        if self.state is not before:
            self.events.append(event)
        self.effects += effects
        self.filed += sum(isinstance(each, ef.FileRecord) for each in effects)
        assert self.state.timer >= before.timer
        if isinstance(self.state, ss.Idle) and not isinstance(before, ss.Idle):
            self.ended()

    @rule(event=any_event)
    def anything(self, event: ev.Event) -> None:
        self.happen(event)

    @rule(data=st.data())
    def what_usually_follows(self, data: st.DataObject) -> None:
        match self.state:
            case ss.Idle():
                self.happen(ev.CardSeen())
            case ss.AskingKey():
                self.happen(ev.KeyGiven(PASSWORD))
            case ss.ReadingChip():
                refused = data.draw(st.booleans())
                known = data.draw(st.sampled_from((GENUINE, FINGERS)))
                self.happen(ev.KeyRefused() if refused else ev.ChipRead(known, TODAY))
            case ss.MatchingFace():
                self.happen(ev.FaceJudged(GOOD))
            case ss.MatchingFinger():
                band = data.draw(st.sampled_from(FingerBand))
                self.happen(ev.FingerJudged(ev.FingerMatch(band, 1)))
            case ss.ConfirmingCard():
                self.happen(ev.CardConfirmed())
            case ss.Filing():
                self.happen(ev.RecordStored(RECORD, self.state.timer))
            case ss.Showing() | ss.Parting():
                self.happen(ev.Dismissed())

    @rule()
    def its_own_timer(self) -> None:
        before = self.state
        self.happen(ev.TimerFired(before.timer))
        assert isinstance(before, ss.Idle) == (self.state is before)

    @precondition(lambda self: isinstance(self.state, ss.Idle))
    @rule(site=sites)
    def a_new_policy_between_two_citizens(self, site: Site) -> None:
        self.site = site

    @invariant()
    def one_record_a_session(self) -> None:
        under_way = not isinstance(self.state, ss.Idle | ss.Filing | ss.Showing | ss.Parting)
        assert self.filed == self.sessions - under_way

    @invariant()
    def after_the_record_only_forget_and_show(self) -> None:
        kinds = [type(each) for each in self.effects]
        if ef.FileRecord in kinds:
            shown = isinstance(self.state, ss.Showing | ss.Parting | ss.Idle)
            assert kinds[kinds.index(ef.FileRecord) + 1 :] == [ef.Forget, ef.Show][: 1 + shown]
        else:
            assert not {ef.Forget, ef.Show} & set(kinds)

    @invariant()
    def keys_are_tried_as_often_as_the_policy_says(self) -> None:
        tried = sum(isinstance(each, ef.ReadChip) for each in self.effects)
        if not isinstance(self.state, ss.Idle):
            assert tried <= self.site.policy.policy.key_attempts

    @invariant()
    def whoever_is_there_is_waited_for_a_while(self) -> None:
        assert (timeout_s(self.state, self.site) is None) == isinstance(self.state, ss.Idle)

    @invariant()
    def accepted_only_by_the_whole_way(self) -> None:
        if not isinstance(self.state, ss.Showing | ss.Parting):
            return
        if self.state.verdict.outcome is not Outcome.ACCEPTED:
            return
        last = {type(event): event for event in self.events}
        required = {ev.CardSeen, ev.KeyGiven, ev.ChipRead, ev.CardConfirmed, ev.RecordStored}
        policy = self.site.policy.policy
        if {Layer.LIVE, Layer.FACE} & set(policy.layers):
            required.add(ev.FaceJudged)
            match = last[ev.FaceJudged].match
            assert not match.reasons
            assert match.live is LiveBand.PASSED
            instead = (
                policy.on_finger == "instead"
                and match.band is FaceBand.UNSURE
                and last[ev.FingerJudged].match.band.value.startswith("same")
            )
            same = instead or match.band.value.startswith("same")
            assert Layer.FACE not in policy.layers or same
        if policy.on_finger == "require":
            assert last[ev.FingerJudged].match.band.value.startswith("same")
        assert required <= last.keys()
        order = [type(event) for event in self.events if type(event) in required]
        assert order[0] is ev.CardSeen
        assert order[-2:] == [ev.CardConfirmed, ev.RecordStored]
        assert order.index(ev.ChipRead) > order.index(ev.KeyGiven)
        read = last[ev.ChipRead].findings
        assert read.outcome in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}
        assert read.holder is not None or Layer.CHIP not in policy.layers
        assert self.site.policy.why_none is None

    def ended(self) -> None:
        assert sum(isinstance(each, ef.FileRecord) for each in self.effects) == 1
        assert isinstance(self.effects[-1], ef.Show)

    def teardown(self) -> None:
        """Whatever happened, left alone it is ready for the next citizen."""
        for _ in range(4):
            self.happen(ev.TimerFired(self.state.timer))
        assert isinstance(self.state, ss.Idle)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)


def walk(site: Site, events: list[ev.Event], state: ss.State | None = None) -> ss.State:
    state = state or ss.Idle()
    for event in events:
        state, _ = step(state, event, site)
    return state


WAY = [ev.CardSeen(), ev.KeyGiven(PASSWORD), ev.ChipRead(GENUINE, TODAY), ev.FaceJudged(GOOD),
       ev.CardConfirmed(), ev.RecordStored(RECORD, 5)]  # fmt: skip


def test_the_whole_way_is_accepted() -> None:
    shown = walk(Site(in_force()), WAY)
    assert isinstance(shown, ss.Showing)
    assert (shown.verdict.outcome, shown.verdict.reasons) == (Outcome.ACCEPTED, ())
    assert shown.record is RECORD


def test_no_step_of_the_way_can_be_left_out() -> None:
    for missing in range(len(WAY)):
        state = walk(Site(in_force()), WAY[:missing] + WAY[missing + 1 :])
        assert not isinstance(state, ss.Showing)


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    at=st.integers(0, len(WAY)),
    kind=st.sampled_from(EVENTS),
)
def test_one_strange_event_on_the_way_never_makes_it_easier(
    data: st.DataObject, at: int, kind: type
) -> None:
    """It is ignored, changes particulars, or ends the session: then the rest of the way is dead."""
    strange = data.draw(event_of(kind))
    state = walk(Site(in_force()), [*WAY[:at], strange, *WAY[at:]])
    if isinstance(state, ss.Showing) and state.verdict.outcome is Outcome.ACCEPTED:
        before = walk(Site(in_force()), WAY[:at])
        after = walk(Site(in_force()), [strange], before)
        natural = at < len(WAY) and type(after) is type(walk(Site(in_force()), WAY[: at + 1]))
        assert after is before or type(after) is type(before) or natural


def test_a_policy_that_becomes_stricter_on_the_way_is_obeyed() -> None:
    lax, strict = Site(in_force((Layer.CHIP,))), Site(in_force())
    asked_late = walk(lax, [ev.CardSeen(), ev.KeyGiven(PASSWORD), ev.ChipRead(GENUINE, TODAY)])
    assert isinstance(asked_late, ss.ConfirmingCard)
    filing = walk(strict, [ev.CardConfirmed()], asked_late)
    assert (filing.verdict.outcome, filing.verdict.reasons) == (
        Outcome.REFERRED,
        (Reason.NOT_LIVE,),
    )
    filing = walk(lax, [ev.CardConfirmed()], asked_late)
    assert filing.verdict.outcome is Outcome.ACCEPTED
