"""When a finger is asked for, and what follows of it: plain rules beside the table."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from msgspec import UNSET
from session_material import TODAY, findings, in_force

from emrtd.lds.dg3 import FingerPosition
from kiosk.session import effects as ef
from kiosk.session import events as ev
from kiosk.session import states as ss
from kiosk.session.machine import Site, step
from kiosk.session.verdict import FINGER_ROWS, Case, decide, fingers_of
from wire.policy import Finger, Layer
from wire.reasons import Outcome, Reason
from wire.record import FaceBand, FingerBand, LiveBand

CARD = findings()["with fingers"]
LIVING = LiveBand.PASSED
SAME, UNSURE, OTHER, NONE = (
    ev.FaceMatch(band, LIVING, 3)
    for band in (FaceBand.SAME, FaceBand.UNSURE, FaceBand.DIFFERENT, FaceBand.NONE)
)
PRINT = ev.FaceMatch(FaceBand.SAME, LiveBand.FAILED, 3)


def after_face(match: ev.FaceMatch, finger: Finger, card: object = CARD) -> ss.State:
    state = ss.MatchingFace(3, card, TODAY)
    return step(state, ev.FaceJudged(match), Site(in_force(finger=finger)))


@pytest.mark.parametrize(
    ("match", "finger", "asked"),
    [
        (SAME, "never", False),
        (SAME, "ask", True),
        (SAME, "instead", True),
        (SAME, "require", True),
        (UNSURE, "ask", False),  # it could change nothing
        (UNSURE, "instead", True),
        (UNSURE, "require", False),
        (OTHER, "instead", False),  # a finger never outvotes another face
        (OTHER, "require", False),
        (PRINT, "instead", False),  # nor a picture
        (NONE, "require", False),
    ],
)
def test_a_finger_is_asked_for_only_where_something_hangs_on_it(
    match: ev.FaceMatch, finger: Finger, *, asked: bool
) -> None:
    state, effects = after_face(match, finger)
    if not asked:
        assert isinstance(state, ss.ConfirmingCard)
        assert state.finger is None
        assert effects == (ef.ConfirmCard(),)
        return
    assert state == ss.MatchingFinger(4, CARD, TODAY, match)
    assert effects == (ef.MatchFinger(fingers_of(CARD), "1e-4"),)


@pytest.mark.parametrize("finger", get_args(Finger))
@pytest.mark.parametrize("name", ["genuine 2021", "fingers are none", "issuer unknown"])
def test_without_a_reference_nobody_is_asked(name: str, finger: Finger) -> None:
    assert fingers_of(findings()[name]) == ()
    state, _ = after_face(SAME, finger, findings()[name])
    assert isinstance(state, ss.ConfirmingCard)


def test_the_cards_fingers_are_those_of_its_signed_file() -> None:
    positions = [each.position for each in fingers_of(CARD)]
    assert positions == [FingerPosition.RIGHT_INDEX, FingerPosition.LEFT_INDEX]


def test_a_policy_that_asks_for_no_face_may_ask_for_a_finger() -> None:
    site = Site(in_force((Layer.PA, Layer.CHIP), finger="require"))
    state, _ = step(ss.ReadingChip(2, 2), ev.ChipRead(CARD, TODAY), site)
    assert isinstance(state, ss.MatchingFinger)
    assert state.match is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.TimerFired(4), Reason.NO_FINGER),
        (ev.FingerDeclined(), Reason.FINGER_DECLINED),
        (ev.FingerJudged(ev.FingerMatch(reasons=(Reason.DEVICE_MISSING,))), Reason.DEVICE_MISSING),
    ],
)
@pytest.mark.parametrize(
    ("finger", "outcome"),
    [("ask", Outcome.ACCEPTED), ("instead", Outcome.ACCEPTED), ("require", Outcome.REFERRED)],
)
def test_a_finger_that_is_not_there_ends_no_service(
    finger: Finger, outcome: Outcome, event: ev.Event, reason: Reason
) -> None:
    site = Site(in_force(finger=finger))
    state, effects = step(ss.MatchingFinger(4, CARD, TODAY, SAME), event, site)
    assert effects == (ef.ConfirmCard(),)
    filing, _ = step(state, ev.CardConfirmed(), site)
    assert filing.verdict.outcome is outcome
    assert filing.verdict.reasons == ((reason,) if finger == "require" else ())
    assert filing.verdict.bands.finger is FingerBand.NONE


def by_the_rules(
    match: ev.FaceMatch, finger: ev.FingerMatch | None, asked: Finger
) -> tuple[Outcome, Reason | None]:
    """Return what follows of a genuine card, by what is said of the product in plain English."""
    if finger and finger.simulated:
        return Outcome.REFERRED, Reason.POLICY_SIMULATOR
    same = finger is not None and finger.band in {"same", "same_strong"}
    if match.live != "passed":
        return Outcome.REFERRED, Reason.NOT_LIVE
    if match.band == "different":
        return Outcome.NOT_HOLDER, Reason.FACE_NOT_HOLDER
    stands_in = asked == "instead" and match.band == "unsure" and same
    if match.band not in {"same", "same_strong"} and not stands_in:
        return Outcome.REFERRED, Reason.FACE_UNSURE
    if finger and Reason.FINGER_REPLAYED in finger.reasons:
        return Outcome.REFERRED, Reason.FINGER_REPLAYED
    if finger and finger.band == "different":
        return Outcome.REFERRED, Reason.FINGER_NOT_HOLDER
    if asked == "require" and not same:
        if finger is None:
            return Outcome.REFERRED, Reason.NO_REFERENCE
        return Outcome.REFERRED, (*finger.reasons, Reason.FINGER_UNSURE)[0]
    return Outcome.ACCEPTED, None


def test_every_finger_beside_every_face_under_every_policy() -> None:
    why = ((), (Reason.NO_FINGER,), (Reason.QUALITY_FINGER_DRY,), (Reason.FINGER_REPLAYED,))
    fingers = [None] + [
        ev.FingerMatch(band, 1, reasons, simulated=simulated)
        for band, reasons, simulated in product(FingerBand, why, (False, True))
    ]
    rows = set()
    for match, finger, asked in product(
        (SAME, UNSURE, OTHER, PRINT, NONE), fingers, get_args(Finger)
    ):
        policy = in_force(finger=asked)
        verdict = decide(Case(CARD, TODAY, match, policy, finger=finger))
        expected = by_the_rules(match, finger, asked)
        assert (verdict.outcome, (*verdict.reasons, None)[0]) == expected, (match, finger, asked)
        rows.add(verdict.row)
    assert {row.name for row in FINGER_ROWS} <= rows
    assert Outcome.REFUSED not in {row.outcome for row in FINGER_ROWS}


def test_what_was_asked_and_how_it_went_stands_in_the_record_and_only_then() -> None:
    finger = ev.FingerMatch(FingerBand.SAME, 2)
    told = decide(Case(CARD, TODAY, SAME, in_force(finger="ask"), finger=finger))
    assert told.bands.finger is FingerBand.SAME
    assert told.finger is finger
    silent = decide(Case(CARD, TODAY, SAME, in_force(finger="ask")))
    assert silent.bands.finger is UNSET


def test_the_screen_is_told_what_to_do() -> None:
    state = ss.MatchingFinger(4, CARD, TODAY, SAME)
    site = Site(in_force(finger="ask"))
    state, effects = step(state, ev.FingerCued(ev.FingerCue.LIFT, 7), site)
    state, more = step(state, ev.FingerHinted(Reason.QUALITY_FINGER_DRY), site)
    assert (state.cue, state.position, state.hint) == (
        ev.FingerCue.LIFT,
        7,
        Reason.QUALITY_FINGER_DRY,
    )
    assert effects == more == ()


def test_a_session_that_ends_at_the_finger_keeps_its_evidence() -> None:
    site = Site(in_force(finger="ask"))
    for state in (
        ss.MatchingFinger(4, CARD, TODAY, SAME),
        ss.ConfirmingCard(4, CARD, TODAY, SAME, ev.FingerMatch(FingerBand.SAME)),
    ):
        filing, _ = step(state, ev.CardGone(), site)
        assert filing.verdict.bands.face is FaceBand.SAME
    assert filing.verdict.bands.finger is FingerBand.SAME
