"""What a screen is shown of each state: all that it may know, and nothing that accuses."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.sim import Chip, Holder, TestPKI, personalise
from emrtd.verify import Check, Checks, ChipOutcome, Findings
from kiosk.session.events import FaceCue
from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from kiosk.session.states import (
    AskingKey,
    ConfirmingCard,
    Filing,
    Idle,
    MatchingFace,
    Parting,
    ReadingChip,
    Showing,
)
from kiosk.session.verdict import TABLE, Verdict
from kiosk.station.view import (
    OUT_OF_SERVICE,
    RETRY,
    STEPS,
    Around,
    CheckLine,
    Screen,
    check_lines,
    receipt_word,
    view_of,
)
from wire.reasons import Outcome, Reason
from wire.record import LANES, Bands, CheckBand, FaceBand, LiveBand, RecordIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

TODAY = date(2026, 6, 1)
RECORD = RecordIdentity("kiosk-1", bytes(16), "normal", 17)
UNASKED = Checks(pa=Check.ABSENT, aa=Check.ABSENT, ca=Check.ABSENT)
NOTHING = Findings(ChipOutcome.UNREADABLE, (), UNASKED, None, None)
"""Of which nothing is known: a view has no use for what a chip is."""
PASSED = Bands(
    pa=CheckBand.PASSED, aa=CheckBand.PASSED, ca=CheckBand.PASSED, face=FaceBand.SAME,
    live=LiveBand.PASSED,
)  # fmt: skip

AROUNDS = st.builds(
    Around,
    online=st.booleans(),
    waiting=st.integers(0, 9),
    delivered=st.booleans(),
    trust_days=st.none() | st.integers(0, 999),
    policy=st.sampled_from(["none", "ptest-1"]),
    policy_days_left=st.integers(-1, 99),
    simulated=st.booleans(),
)
BANDS = st.builds(
    Bands,
    pa=st.sampled_from(CheckBand),
    aa=st.sampled_from(CheckBand),
    ca=st.sampled_from(CheckBand),
    face=st.sampled_from(FaceBand),
    live=st.sampled_from(LiveBand),
)
REASONS = st.lists(st.sampled_from(Reason), max_size=4).map(tuple)
VERDICTS = st.builds(Verdict, st.sampled_from(Outcome), REASONS, BANDS)
RECORDS = st.none() | st.builds(
    RecordIdentity, st.just("kiosk-1"), st.just(bytes(16)), st.sampled_from(LANES),
    st.integers(1, 2**53 - 1),
)  # fmt: skip
SHOWN = st.builds(Showing, st.just(6), VERDICTS, RECORDS) | st.builds(
    Parting, st.just(7), VERDICTS, RECORDS
)


def test_each_state_has_its_screen_and_its_one_thing_to_say() -> None:
    stands = Verdict(Outcome.ACCEPTED, (), PASSED)
    expected = {
        Idle(): (Screen.WELCOME, Prompt.PLACE_CARD, 0),
        AskingKey(1, 3): (Screen.KEY, Prompt.ENTER_KEY, 1),
        AskingKey(3, 2, refused=True): (Screen.KEY, Prompt.KEY_REFUSED, 1),
        ReadingChip(2, 2): (Screen.READING, Prompt.HOLD_CARD_STILL, 2),
        ConfirmingCard(4, NOTHING, TODAY, None): (Screen.CHECKING, Prompt.CHECKING, 3),
        Filing(5, stands): (Screen.CHECKING, Prompt.SAVING, 4),
        Showing(6, stands, RECORD): (Screen.VERDICT, Prompt.ACCEPTED, 4),
        Parting(7, stands, RECORD): (Screen.VERDICT, Prompt.ACCEPTED, 4),
    }
    for state, told in expected.items():
        view = view_of(state, Around())
        assert (view.screen, view.prompt, view.step) == told
    assert {step for _, _, step in expected.values()} == set(range(STEPS + 1))


@pytest.mark.parametrize("cue", FaceCue)
def test_a_cue_is_said_with_its_hint(cue: FaceCue) -> None:
    state = MatchingFace(3, NOTHING, TODAY, cue, Reason.QUALITY_SIZE)
    view = view_of(state, Around())
    assert (view.screen, view.prompt.value) == (Screen.FACE, cue.value)
    assert view.hint is Reason.QUALITY_SIZE


@pytest.mark.parametrize("trouble", sorted(OUT_OF_SERVICE))
def test_a_kiosk_that_cannot_work_invites_nobody(trouble: Reason) -> None:
    view = view_of(Idle(), Around(trouble=trouble))
    assert (view.screen, view.prompt) == (Screen.WELCOME, Prompt.OUT_OF_SERVICE)


def test_attempts_are_told_where_the_key_is_asked_for() -> None:
    assert view_of(AskingKey(1, 2), Around()).attempts_left == 2
    assert view_of(ReadingChip(1, 2), Around()).attempts_left is None


def steps_of_a_reading() -> list[tuple[str, int, int]]:
    """Return phase, done and total of every command of a real inspection."""

    def stream(seed: str) -> Callable[[int], bytes]:
        return lambda size: hashlib.shake_256(seed.encode()).digest(size)

    pki = TestPKI.create(
        stream("pki"),
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=datetime(2035, 1, 1, tzinfo=UTC),
    )
    holder = Holder(
        number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
        issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
    )  # fmt: skip
    jpeg = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
    card = personalise(holder, jpeg, generation="2021", pki=pki, randomness=stream("card"))
    chip, seen = Chip(card, randomness=stream("chip")), []

    def transmit(command: Command) -> Response:
        seen.append((command.step.phase, command.step.done, command.step.total))
        return Response.from_bytes(chip.answer(command.to_bytes()))

    dialogue = inspect(
        CAN("012345"), wanted=frozenset({"DG1", "DG2", "DG13"}), randomness=stream("reader"),
        aa_nonce=bytes(8),
    )  # fmt: skip
    drive(dialogue, transmit)
    return seen


def test_a_real_reading_is_always_known_how_far_and_never_goes_back() -> None:
    steps = steps_of_a_reading()
    told = [view_of(ReadingChip(2, 2, *step), Around()).progress for step in steps]
    assert {phase for phase, _, _ in steps} > {"access", "sod", "chip_auth", "dg1", "dg2"}
    assert None not in told
    assert all(before <= after for before, after in pairwise(told))
    assert told[0] < 0.1
    assert told[-1] > 0.5


@given(st.text() | st.sampled_from(["dg2", "sod"]), st.integers(), st.integers())
def test_whatever_a_chip_claims_a_bar_stays_in_its_frame(phase: str, done: int, total: int) -> None:
    progress = view_of(ReadingChip(2, 2, phase, abs(done), total), Around()).progress
    assert progress is None or 0 <= progress <= 1


@given(SHOWN, AROUNDS)
def test_accepted_is_shown_only_of_an_accepted_session_with_a_record(
    state: Showing | Parting, around: Around
) -> None:
    view = view_of(state, around)
    accepted = state.verdict.outcome is Outcome.ACCEPTED and state.record is not None
    assert (view.prompt is Prompt.ACCEPTED) == accepted
    assert (view.outcome is Outcome.ACCEPTED) == accepted
    assert bool(view.checks) == accepted
    assert (view.delivery is Delivery.NOT_STORED) == (state.record is None)
    assert bool(view.receipt) == (state.record is not None)


@given(SHOWN, AROUNDS)
def test_delivered_is_said_only_when_the_fleet_has_signed(
    state: Showing | Parting, around: Around
) -> None:
    delivered = view_of(state, around).delivery is Delivery.DELIVERED
    assert delivered == (state.record is not None and around.delivered)


@given(SHOWN, SHOWN, AROUNDS)
def test_all_who_are_sent_to_the_desk_are_shown_the_same(
    one: Showing | Parting, other: Showing | Parting, around: Around
) -> None:
    views = [view_of(dataclasses.replace(each, record=RECORD), around) for each in (one, other)]
    if views[0].prompt is views[1].prompt is Prompt.GO_TO_DESK:
        assert views[0] == views[1]


@given(BANDS, AROUNDS)
def test_who_is_not_the_holder_is_shown_what_a_doubtful_card_is_shown(
    bands: Bands, around: Around
) -> None:
    """The rows of the table that send to the desk, against the one about another face."""
    other = Verdict(Outcome.NOT_HOLDER, (Reason.FACE_NOT_HOLDER,), bands)
    view = view_of(Showing(6, other, RECORD), around)
    assert view.prompt is Prompt.GO_TO_DESK
    for outcome, reason in (
        (Outcome.REFUSED, Reason.CHIP_KEY_MISMATCH),
        (Outcome.REFUSED, Reason.DATA_HASH_MISMATCH),
        (Outcome.REFERRED, Reason.NOT_LIVE),
        (Outcome.REFERRED, Reason.FACE_UNSURE),
        (Outcome.REFERRED, Reason.ISSUER_UNKNOWN),
        (Outcome.REFERRED, Reason.CARD_STATUS_EXPIRED),
    ):
        assert view_of(Showing(6, Verdict(outcome, (reason,)), RECORD), around) == view


def test_no_face_of_another_is_called_a_thing_to_do_better() -> None:
    """What a person may simply try again is neither proof against a card nor against a face."""
    assert Reason.FACE_NOT_HOLDER not in RETRY
    assert not RETRY & OUT_OF_SERVICE
    assert {row.outcome for row in TABLE} <= {
        Outcome.REFUSED,
        Outcome.REFERRED,
        Outcome.NOT_HOLDER,
    }


@given(SHOWN, AROUNDS)
def test_what_is_advised_follows_the_deciding_reason(
    state: Showing | Parting, around: Around
) -> None:
    view = view_of(state, around)
    assert view.retry == (view.prompt is Prompt.TRY_AGAIN)
    if state.record is not None and state.verdict.reasons:
        if state.verdict.outcome is Outcome.ACCEPTED:
            return
        first = state.verdict.reasons[0]
        assert view.retry == (first in RETRY)
        assert (view.prompt is Prompt.OUT_OF_SERVICE) == (first in OUT_OF_SERVICE)


@given(BANDS)
def test_each_check_is_told_as_the_bands_have_it(bands: Bands) -> None:
    lines = {line.name: line.state for line in check_lines(Verdict(Outcome.ACCEPTED, (), bands))}
    assert list(lines) == [
        CheckName.ISSUER, CheckName.CHIP, CheckName.LIVE, CheckName.FACE, CheckName.FINGER,
    ]  # fmt: skip
    assert (lines[CheckName.ISSUER] is CheckState.PASSED) == (bands.pa is CheckBand.PASSED)
    chip = {bands.aa, bands.ca}
    assert (lines[CheckName.CHIP] is CheckState.PASSED) == (
        CheckBand.PASSED in chip and chip <= {CheckBand.PASSED, CheckBand.ABSENT}
    )
    assert lines[CheckName.FACE] in {CheckState.PASSED, CheckState.NOT_DONE}
    assert (lines[CheckName.FACE] is CheckState.PASSED) == bands.face.startswith("same")
    assert (lines[CheckName.LIVE] is CheckState.PASSED) == (bands.live is LiveBand.PASSED)
    assert lines[CheckName.FINGER] is CheckState.NOT_DONE


def test_an_accepted_session_shows_its_checks() -> None:
    view = view_of(Showing(6, Verdict(Outcome.ACCEPTED, (), PASSED), RECORD), Around())
    assert CheckLine(CheckName.CHIP, CheckState.PASSED) in view.checks
    assert view.receipt == "N-17"


@given(st.sampled_from(LANES), st.integers(1, 2**53 - 1), st.binary(min_size=16, max_size=16))
def test_a_receipt_names_a_record_and_neither_device_nor_person(
    lane: str, seq: int, epoch: bytes
) -> None:
    word = receipt_word(str(RecordIdentity("kiosk-1", epoch, lane, seq)))
    assert word == f"{lane[0].upper()}-{seq}"
    assert len({each[0] for each in LANES}) == len(LANES)
