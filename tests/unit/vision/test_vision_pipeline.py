"""The examination over synthetic heads: who passes, who does not, and what is said on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_material import FRAME_S, LOOK, Room, steps

from kiosk.vision.pipeline import (
    APART_S,
    FRONTAL_FRAMES,
    HINT_EVERY_S,
    KEPT_FRAMES,
    MAX_GAP_ASKED_S,
    MAX_GAP_S,
    PACE_S,
    RETURNED_FRAMES,
    UNLIKE_IN_A_ROW,
    UNLIKE_IN_ALL,
)
from kiosk.vision.port import Judged
from models.face.liveness import MIN_FRAMES

TURN_PATIENCE_S = 8.0
"""Of the steps that the room asks for."""

QUALITIES = ("quality_size", "quality_sharpness", "quality_exposure", "quality_pose")
SIDE = {"left": 1.0, "right": -1.0}


@pytest.mark.parametrize("turn", ["left", "right"])
def test_a_head_that_looks_turns_and_looks_again_passes(turn: str) -> None:
    room = Room(turn=turn)
    room.pass_turn(24.0 * SIDE[turn])
    assert room.cues == [f"turn_{turn}", "look_ahead"]
    frames = FRONTAL_FRAMES + RETURNED_FRAMES
    assert room.last == Judged(band="same", live="passed", frames=frames, tries=1)
    assert room.compared == [[0] * frames]


def test_who_only_half_turns_back_is_waited_for() -> None:
    room = Room()
    room.see(LOOK)
    room.see(3, yaw=24)
    room.see(10, yaw=10)
    assert room.last.cue == "look_ahead"
    room.see(RETURNED_FRAMES)
    assert room.last.live == "passed"


@pytest.mark.parametrize("turn", ["left", "right"])
def test_the_other_side_fails_at_once(turn: str) -> None:
    room = Room(turn=turn)
    room.pass_turn(-24.0 * SIDE[turn])
    assert room.cues == [f"turn_{turn}"]
    assert room.last == Judged(band="same", live="failed", frames=FRONTAL_FRAMES, tries=1)


def test_a_recording_that_turns_to_both_sides_fails() -> None:
    room = Room(turn="right")
    room.see(LOOK)
    for _ in range(3):
        room.see(3, yaw=24)
        room.see(3)
        room.see(3, yaw=-24)
        room.see(3)
    assert room.last.live == "failed"


@pytest.mark.parametrize("yaw", [15.0, 28.0, 40.0])
def test_a_print_that_is_turned_fails_when_patience_ends(yaw: float) -> None:
    room = Room(seconds=60)
    room.see(LOOK)
    room.see(int(TURN_PATIENCE_S / 0.1) + 2, yaw=yaw, flat=True)
    assert room.cues == ["turn_left"]
    assert room.last == Judged(band="same", live="failed", frames=FRONTAL_FRAMES, tries=1)


def test_who_does_not_turn_fails_when_patience_ends() -> None:
    room = Room(seconds=60)
    room.see(int(TURN_PATIENCE_S / 0.1) + LOOK + 2)
    assert room.last == Judged(band="same", live="failed", frames=FRONTAL_FRAMES, tries=1)


def test_frames_cover_half_a_second_however_fast_they_come() -> None:
    room = Room()
    least_s = APART_S * (FRONTAL_FRAMES - 1)
    room.see(int(least_s / 0.01), after_s=0.01)
    assert room.cues == []
    room.see(int((FRONTAL_FRAMES - 1) * PACE_S / 0.01), after_s=0.01)
    assert room.cues == ["turn_left"]


def test_a_fast_cameras_frames_pass_as_a_slow_ones_do() -> None:
    room = Room()
    for frames, yaw in ((3 * LOOK + 5, 0), (9, 24), (12, 0)):
        room.see(frames, yaw=yaw, after_s=FRAME_S / 3)
    assert room.cues == ["turn_left", "look_ahead"]
    assert room.last.live == "passed"


def test_frames_in_between_are_neither_recognised_nor_an_act() -> None:
    room = Room(seconds=10)
    room.see(LOOK + 2)
    assert room.cues == ["turn_left"]
    for _ in range(100):
        # "?" is nobody who could be recognised.
        room.see(2, yaw=24, who="?", after_s=FRAME_S / 3)
        room.see(after_s=FRAME_S / 3)
    assert room.cues == ["turn_left"]
    assert room.last.live == "failed"


def test_frames_in_between_break_the_track_all_the_same() -> None:
    room = Room(tries=2)
    room.see(LOOK)
    room.see(faces=2, after_s=FRAME_S / 3)
    assert room.cues == ["turn_left", "look_ahead"]


def test_somebody_else_before_a_fast_camera_is_noticed_as_soon() -> None:
    room = Room(tries=2)
    room.see(3 * LOOK, after_s=FRAME_S / 3)
    assert room.cues == ["turn_left"]
    room.see(3 * UNLIKE_IN_A_ROW, yaw=24, who="B", after_s=FRAME_S / 3)
    assert room.cues == ["turn_left", "look_ahead"]


def test_somebody_else_between_two_counted_frames_begins_the_track_anew() -> None:
    room = Room()
    room.see(LOOK - 2)
    room.see(who="B")
    room.see(LOOK - 1)
    assert room.cues == []
    room.see()
    assert room.cues == ["turn_left"]


def test_frames_from_before_the_question_count_while_the_track_holds() -> None:
    room = Room(turn=None)
    room.see(20)
    assert not room.said
    room.ask("left")
    room.see()
    assert room.cues == ["turn_left"]
    room.see(3, yaw=24)
    room.see(LOOK)
    assert room.last.frames == KEPT_FRAMES + RETURNED_FRAMES


def test_another_person_who_turns_does_not_count() -> None:
    room = Room(seconds=10, tries=2)
    room.see(LOOK)
    room.see(UNLIKE_IN_A_ROW, yaw=24, who="B")
    assert room.cues == ["turn_left", "look_ahead"], "it begins anew"
    room.see(LOOK)
    room.see(UNLIKE_IN_A_ROW - 1, yaw=24, who="B")
    room.see(LOOK)
    assert room.cues[-1] == "turn_left", "no turn was seen"
    room.see(100)
    assert room.last.live == "failed"


def test_somebody_alike_who_acts_for_a_picture_does_not_count() -> None:
    room = Room(seconds=20, tries=2)
    room.see(LOOK)
    room.see(20, yaw=24, who="a")
    room.see(3, yaw=3, flaw="quality_light", who="a")
    room.see(LOOK)
    room.see(200)
    assert room.last.live != "passed"


@settings(max_examples=60, deadline=None)
@given(
    before=st.sampled_from("AaB"),
    acting=st.lists(st.tuples(st.sampled_from("AaB"), st.integers(1, 3)), max_size=6),
    after=st.sampled_from("AaB"),
)
def test_only_who_turns_is_compared(before: str, acting: list[tuple[str, int]], after: str) -> None:
    room = Room(seconds=20)
    room.see(LOOK, who=before)
    for who, frames in acting:
        room.see(frames, yaw=24, who=who)
    room.see(LOOK, who=after)
    if room.last is not None and getattr(room.last, "live", "") == "passed":
        assert before == after
        assert sum(frames for who, frames in acting if who == before) >= MIN_FRAMES


@pytest.mark.parametrize(("card", "band"), [("A", "same"), ("a", "same"), ("B", "unsure")])
def test_who_acts_must_not_be_a_stranger_to_the_portrait(card: str, band: str) -> None:
    room = Room(card=card)
    room.pass_turn()
    assert room.last == Judged(band=band, live="passed", frames=5, tries=1)


def test_two_people_who_take_turns_are_not_one() -> None:
    room = Room(seconds=10)
    room.see(LOOK)
    for _ in range(UNLIKE_IN_ALL):
        room.see(UNLIKE_IN_A_ROW - 1, yaw=24, who="B")
        room.see(yaw=24)
    room.see(100)
    assert room.last.live == "failed"


def test_another_person_after_the_turn_does_not_count() -> None:
    room = Room(seconds=8, tries=2)
    room.see(LOOK, who="B")
    room.see(3, yaw=24, who="B")
    room.see(3, who="A")
    assert room.cues == ["turn_left", "look_ahead", "look_ahead"]
    room.see(100, who="A")
    assert room.last.live == "failed"
    assert all(set(each) == {0} for each in room.compared), "nobody else is compared"


def test_another_person_before_the_turn_begins_the_track_anew() -> None:
    room = Room()
    room.see(LOOK - 1, who="B")
    room.see(LOOK - 1, who="A")
    assert room.cues == []
    room.see(who="A")
    assert room.cues == ["turn_left"]


@pytest.mark.parametrize(
    "break_off",
    [
        {"faces": 0},
        {"faces": 2},
        {"shift_px": 200.0},
        {"after_s": MAX_GAP_S + 0.1, "flaw": "quality_size"},
    ],
    ids=["gone", "beside another", "jumped", "unseen for long"],
)
@pytest.mark.parametrize("turned", [False, True], ids=["before it turned", "after it turned"])
def test_a_broken_track_begins_anew(break_off: dict[str, object], *, turned: bool) -> None:
    room = Room(tries=2)
    room.see(LOOK)
    room.see(3 if turned else 0, yaw=24)
    room.see(**break_off)
    assert room.cues == ["turn_left", *["look_ahead"] * (1 + turned)]
    room.see(LOOK - 1)
    assert room.cues[-1] == "look_ahead", "too few frames again"
    room.pass_turn()
    assert room.cues[-2:] == ["turn_left", "look_ahead"]
    assert room.last.live == "passed"


@pytest.mark.parametrize("turned", [False, True], ids=["before it turned", "after it turned"])
@pytest.mark.parametrize(("longer_s", "breaks"), [(0.05, True), (-0.05, False)])
def test_who_was_asked_is_not_lost_sight_of(longer_s: float, *, breaks: bool, turned: bool) -> None:
    room = Room(tries=2)
    room.see(LOOK)
    room.see(3 if turned else 0, yaw=24)
    room.see(after_s=MAX_GAP_ASKED_S + longer_s)
    assert room.cues == ["turn_left", *["look_ahead"] * (turned + breaks)]


def test_frames_that_show_a_head_now_and_then_show_nobody() -> None:
    room = Room(seconds=200, tries=2)
    for _ in range(5):
        room.see(6, after_s=1.9)
        room.see(3, yaw=24, after_s=1.9)
    assert room.last.live != "passed"


def test_a_small_move_does_not_break_the_track() -> None:
    room = Room()
    for step in range(LOOK):
        room.see(shift_px=5.0 * step)
    for step in range(3):
        room.see(yaw=24, shift_px=30.0 + 10 * step)
    room.see(LOOK, shift_px=60)
    assert room.last.live == "passed"


@pytest.mark.parametrize(("faces", "reason"), [(0, "no_face"), (2, "several_faces")])
def test_without_one_face_there_is_a_reason_and_no_band(faces: int, reason: str) -> None:
    room = Room(seconds=2)
    room.see(25, faces=faces)
    assert room.last == Judged(band="none", live="absent", frames=0, reasons=(reason,))
    assert room.hints == [reason]


@pytest.mark.parametrize("flaw", QUALITIES)
def test_a_face_that_is_never_good_enough_has_that_reason(flaw: str) -> None:
    room = Room(seconds=2)
    room.see(25, flaw=flaw)
    assert room.last == Judged(band="none", live="absent", frames=0, reasons=(flaw,))
    assert room.hints == [flaw]


def test_the_most_frequent_flaw_since_the_question_is_the_reason() -> None:
    room = Room(turn=None)
    room.see(40, faces=0)
    room.ask("left", seconds=2)
    room.see(12, flaw="quality_size")
    room.see(9, flaw="quality_exposure")
    assert room.last.reasons == ("quality_size",)


def test_the_deadline_comes_in_the_middle_of_a_turn() -> None:
    room = Room(seconds=1.0)
    room.see(LOOK)
    room.see(2, yaw=24)
    room.see(6, yaw=24)
    assert room.last == Judged(band="same", live="failed", frames=FRONTAL_FRAMES, tries=1)


def test_the_deadline_comes_without_a_frame() -> None:
    room = Room(seconds=1.0)
    assert room.examination.expire(room.now_s + 0.99) == []
    answer = Judged(band="none", live="absent", frames=0)
    assert room.examination.expire(room.now_s + 1.0) == [answer]
    assert room.examination.expire(room.now_s + 1.1) == []


def test_of_whom_nobody_asked_anything_no_likeness_is_told() -> None:
    """A print that is held up a moment before the answer is due."""
    room = Room(turn=None)
    asked = steps("left", "blink", pause_s=1.0)
    room.challenge(asked, asked, seconds=10.0)
    room.see(91, faces=0)
    room.see(12, flat=True)
    assert room.cues == []
    assert room.last == Judged(band="none", live="absent", frames=0, reasons=("no_face",))
    assert room.compared == []


def test_nothing_is_said_after_the_last_word() -> None:
    room = Room()
    room.pass_turn()
    said = len(room.said)
    room.see(20, faces=0)
    assert len(room.said) == said


def test_a_turned_head_is_no_flaw_while_it_was_asked_to_turn() -> None:
    room = Room()
    room.pass_turn()
    assert room.hints == []


def test_hints_are_told_again_to_whoever_asks() -> None:
    room = Room(turn=None)
    room.see(5, flaw="quality_size")
    room.ask("left")
    room.see(5, flaw="quality_size")
    room.see(5)
    assert room.hints == ["quality_size", "quality_size", None]


FLAWS = st.sampled_from([None, "no_face", *QUALITIES])


@given(st.lists(st.tuples(FLAWS, st.floats(0.01, 1.0)), max_size=80))
def test_hints_change_each_time_and_not_too_often(frames: list[tuple[str | None, float]]) -> None:
    room = Room(turn=None)
    told = []
    for flaw, after_s in frames:
        before = len(room.hints)
        room.see(after_s=after_s, faces=0 if flaw == "no_face" else 1, flaw=flaw)
        told += [room.now_s] * (len(room.hints) - before)
    assert all(one != other for one, other in pairwise(room.hints))
    assert all(b - a >= HINT_EVERY_S - 1e-9 for a, b in pairwise(told))
    assert room.hints[:1] != [None]


STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "frames": st.integers(1, 9),
            "who": st.sampled_from("AABa"),
            "yaw": st.sampled_from([0.0, 0.0, 24.0, -24.0, 6.0]),
            "flat": st.booleans(),
            "faces": st.sampled_from([1, 1, 1, 1, 1, 0, 2]),
            "skin": st.sampled_from([5.0, 5.0, 5.0, -20.0]),
            "after_s": st.sampled_from([0.1, 0.1, 0.1, 3.0]),
        }
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_whatever_is_shown_only_one_persons_own_turn_passes(steps: list[dict[str, object]]) -> None:
    room = Room(seconds=12)
    for step in steps:
        room.see(**step)
    judged = [each for each in room.said if isinstance(each, Judged)]
    assert judged == room.said[-1:] or not judged, "one last word"
    assert all(len(set(each)) == 1 for each in room.compared), "one person is compared"
    if judged and judged[0].live == "passed":
        who = "AB?a"[room.compared[0][0]]
        turns = [step for step in steps if step["yaw"] == 24.0 and not step["flat"]]
        assert any(step["who"] == who and step["faces"] == 1 for step in turns)
        assert room.cues[-2:] == ["turn_left", "look_ahead"]
