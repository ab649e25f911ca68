"""What is asked for, in what order, how often, and that every layer must pass."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_material import LOOK, Room, steps

from kiosk.station.chance import PAUSE_S, STEPS, TURNS, VARIANTS, WITHIN_S, by_chance
from kiosk.vision.challenge import BACK_WITHIN_S
from kiosk.vision.port import MAX_CHALLENGES

SIDES = {"turn_left": 24.0, "turn_right": -24.0}


def asked(*challenges, seconds: float = 60, skin: float | None = 0.0) -> Room:
    room = Room(turn=None, skin=skin)
    room.challenge(*challenges, seconds=seconds)
    return room


def follow(room: Room, *, wrong: int = 0, **how) -> None:
    """Do what is asked, until there is an answer; the first turns to the wrong side."""
    done = 0
    for _ in range(40):
        if room.last is not None and hasattr(room.last, "live"):
            return
        new = room.cues[done:]
        done = len(room.cues)
        if new and new[-1] in SIDES:
            side = -1 if wrong else 1
            wrong = max(wrong - 1, 0)
            room.see(3, yaw=side * SIDES[new[-1]], **how)
        elif new and new[-1] == "blink":
            room.see(3, **how)
            room.see(6, shut=True, **how)
        room.see(4, **how)


@pytest.mark.parametrize("acts", [*VARIANTS[0], *VARIANTS[1]], ids="-".join)
def test_every_variant_can_be_met(acts) -> None:
    room = asked(steps(*acts, pause_s=0.6))
    follow(room)
    assert room.last.live == "passed"
    assert room.last.tries == 1
    assert [each for each in room.cues if each != "look_ahead"] == list(acts)
    assert room.cues.count("look_ahead") == len(acts)


def test_who_turns_to_the_wrong_side_once_is_asked_for_something_else() -> None:
    room = asked(steps("left", "blink"), steps("blink", "right"))
    follow(room, wrong=1)
    assert (room.last.live, room.last.tries) == ("passed", 2)
    assert room.cues == ["turn_left", "look_ahead", "blink", "look_ahead", "turn_right",
                         "look_ahead"]  # fmt: skip


def test_whoever_acts_before_being_asked_a_second_time_has_no_third() -> None:
    for early in ({"yaw": 24}, {"shut": True}):
        room = asked(steps("left", "blink"), steps("blink", "right", "left", pause_s=2.0))
        room.see(LOOK)
        room.see(3, yaw=-24)
        room.see(LOOK)
        assert room.cues == ["turn_left", "look_ahead"]
        room.see(8, **early)
        assert (room.last.live, room.last.tries) == ("failed", 1)


def test_eyes_that_are_closed_on_purpose_where_a_turn_is_asked_go_astray() -> None:
    room = asked(steps("left", "right", pause_s=0.5))
    room.see(LOOK + 6)
    assert room.cues == ["turn_left"]
    room.see(6, shut=True)
    assert (room.last.live, room.last.tries) == ("failed", 1)


def test_a_blink_by_itself_is_nothing() -> None:
    room = asked(steps("left", "right", pause_s=0.5))
    room.see(LOOK + 6)
    for _ in range(4):
        room.see(3, shut=True)
        room.see(5)
    assert room.cues == ["turn_left"]
    room.see(3, yaw=24)
    assert room.cues == ["turn_left", "look_ahead"]


def test_a_blink_by_itself_is_not_what_was_asked() -> None:
    room = asked(steps("blink", "left"))
    room.see(LOOK + 3)
    for _ in range(4):
        room.see(3, shut=True)
        room.see(4)
    assert room.cues == ["blink"]


def test_who_turns_to_the_wrong_side_twice_is_not() -> None:
    room = asked(steps("left", "blink"), steps("right", "left"))
    follow(room, wrong=2)
    assert (room.last.live, room.last.tries) == ("failed", 2)


def test_a_second_try_needs_all_of_its_steps() -> None:
    room = asked(steps("left", "right"), steps("right", "left"))
    room.see(LOOK)
    room.see(3, yaw=24)
    room.see(3)
    room.see(3, yaw=24)
    room.see(LOOK)
    assert room.cues[-1] == "turn_right", "it begins at the beginning"
    room.see(3, yaw=-24)
    room.see(4)
    assert room.last.cue == "turn_left"


@pytest.mark.parametrize("acts", [("left", "left"), ("right", "blink"), ("blink", "left")])
def test_what_is_shown_before_it_is_asked_for_does_not_count(acts) -> None:
    room = asked(steps(*acts, pause_s=2.0))
    room.see(LOOK + 3)
    room.see(3, yaw=24 if acts[0] == "left" else -24)
    assert room.cues == []
    room.see(45)
    assert room.cues == [room.examination._question.challenges[0][0].act], "it is asked anew"


def test_a_turn_during_the_pause_uses_the_try_once_something_was_asked() -> None:
    room = asked(steps("left", "right", pause_s=2.0))
    room.see(LOOK + 25)
    room.see(3, yaw=24)
    room.see(3)
    room.see(3, yaw=-24)
    assert (room.last.live, room.last.tries) == ("failed", 1)


def test_eyes_that_stay_open_or_shut_do_not_blink() -> None:
    for shut in (False, True):
        room = asked(steps("blink", "left"))
        room.see(LOOK + 3)
        assert room.cues == ["blink"]
        room.see(100, shut=shut)
        assert (room.last.live, room.cues) == ("failed", ["blink"])


def test_one_shut_frame_is_no_blink() -> None:
    room = asked(steps("blink", "left"))
    room.see(LOOK + 3)
    for _ in range(10):
        room.see(1, shut=True)
        room.see(3)
    assert room.cues == ["blink"]


def test_eyes_are_not_read_of_a_head_that_is_turned_aside() -> None:
    room = asked(steps("blink", "left"))
    room.see(LOOK + 3)
    room.see(6, shut=True, yaw=9)
    room.see(6, yaw=9)
    assert room.cues == ["blink"]
    assert room.last.cue == "blink", "nor is it wrong"


def test_nobody_does_in_no_time_what_was_just_asked() -> None:
    room = asked(steps("left", "blink"))
    while not room.cues:
        room.see(after_s=0.04)
    room.see(3, yaw=24, after_s=0.04)
    assert (room.last.live, room.cues) == ("failed", ["turn_left"])


def test_whoever_stays_half_turned_to_the_wrong_side_is_waited_for() -> None:
    room = asked(steps("left"), steps("right", "left"))
    room.see(LOOK)
    room.see(3, yaw=-24)
    room.see(20, yaw=-15)
    assert room.cues == ["turn_left", "look_ahead"]
    room.see(LOOK)
    assert room.cues[2:] == ["turn_right"]


@pytest.mark.parametrize("back_deg", [1.0, 2.0, 4.0])
def test_whoever_is_still_turning_back_is_not_asked_yet(back_deg: float) -> None:
    """Asked from there, looking ahead would be a turn to the other side."""
    room = asked(steps("left"), steps("right", "left"))
    room.see(LOOK)
    room.see(3, yaw=-24)
    assert room.cues == ["turn_left", "look_ahead"]
    yaw = -28.0
    while yaw < 0:
        room.see(1, yaw=yaw)
        yaw += back_deg
    room.see(LOOK + 3)
    assert room.cues[2:] == ["turn_right"]
    room.see(3, yaw=-24)
    room.see(4)
    assert room.last.cue == "turn_left"


def test_the_reference_is_a_face_at_rest() -> None:
    room = asked(steps("left"))
    for place in range(30):
        room.see(1, yaw=(-14.0, 14.0)[place // 3 % 2])
    assert room.cues == []
    room.see(LOOK)
    assert room.cues == ["turn_left"]


def test_one_frame_that_left_no_trace_is_a_layer_that_could_not_look() -> None:
    room = asked(steps("left"))
    room.see(LOOK)
    room.see(3, yaw=24)
    room.see(1, yaw=12, moire=None)
    room.see(5)
    assert (room.last.live, room.last.reasons) == ("absent", ("live_layer_missing",))


def test_a_turn_where_a_blink_is_asked_goes_astray() -> None:
    room = asked(steps("blink", "left"))
    room.see(LOOK + 3)
    room.see(2, yaw=24)
    assert (room.last.live, room.last.tries) == ("failed", 1)


def test_who_stays_turned_is_too_late() -> None:
    room = asked(steps("left", "blink"))
    room.see(LOOK)
    room.see(int(BACK_WITHIN_S / 0.1) + 8, yaw=24)
    assert room.last.live == "failed"


def test_breaking_off_after_something_was_asked_uses_a_try() -> None:
    room = asked(steps("left", "blink"), steps("right", "left"))
    for _ in range(2):
        room.see(LOOK)
        room.see(faces=0)
    room.see(LOOK)
    assert (room.last.live, room.last.tries) == ("failed", 2)
    assert [each for each in room.cues if each != "look_ahead"] == ["turn_left", "turn_right"]


# the other layers


@pytest.mark.parametrize("how", [{"skin": -0.1}, {"moire": 400.0}], ids=["texture", "moire"])
def test_a_challenge_that_is_met_is_not_enough(how) -> None:
    room = asked(steps("left", "right"))
    follow(room, **how)
    assert (room.last.live, room.last.reasons, room.last.band) == ("failed", (), "same")


@pytest.mark.parametrize("how", [{"skin": None}, {"moire": None}], ids=["texture", "traces"])
def test_a_layer_that_cannot_look_is_never_a_pass(how) -> None:
    room = asked(steps("left", "right"))
    follow(room, **how)
    assert (room.last.live, room.last.reasons) == ("absent", ("live_layer_missing",))


def test_without_a_texture_model_nobody_passes() -> None:
    room = asked(steps("left", "right"), skin=None)
    follow(room)
    assert (room.last.live, room.last.reasons) == ("absent", ("live_layer_missing",))


@pytest.mark.parametrize("begun", [0, LOOK, LOOK + 2])
def test_frames_that_are_not_fresh_end_it_at_once(begun: int) -> None:
    room = asked(steps("left", "right"))
    room.see(begun)
    room.see(1, fresh=False)
    assert (room.last.live, room.last.band) == ("failed", "none")
    assert room.last.reasons == ("frames_not_fresh",)


def test_frames_that_were_not_fresh_before_the_question_end_it_too() -> None:
    room = Room(turn=None)
    room.see(5, fresh=False)
    assert not room.said
    room.challenge(steps("left"))
    room.see(1, fresh=False)
    assert room.last.reasons == ("frames_not_fresh",)


WAYS = st.lists(
    st.fixed_dictionaries(
        {
            "frames": st.integers(1, 8),
            "yaw": st.sampled_from([0.0, 0.0, 24.0, -24.0]),
            "shut": st.booleans(),
            "faces": st.sampled_from([1, 1, 1, 1, 1, 1, 0]),
        }
    ),
    max_size=30,
)


@settings(max_examples=120, deadline=None)
@given(ways=WAYS, drawn=st.integers(0, 2**32))
def test_whoever_passes_has_shown_what_was_asked_in_that_order(ways, drawn: int) -> None:
    challenges = by_chance(Random(drawn))
    room = asked(*challenges, seconds=60)
    room.see(LOOK)
    for way in ways:
        room.see(**way)
    if room.last is None or getattr(room.last, "live", "") != "passed":
        return
    acts = [step.act for step in challenges[room.last.tries - 1]]
    assert [each for each in room.cues if each != "look_ahead"][-len(acts) :] == acts
    turns = [way for way in ways if way["yaw"] and way["faces"] == 1]
    assert {SIDES[act] for act in acts if act in SIDES} <= {way["yaw"] for way in turns}
    if "blink" in acts:
        assert any(way["shut"] for way in ways)


# chance


def test_every_variant_has_a_turn_and_none_is_told_twice() -> None:
    for variants, count, length in zip(VARIANTS, (8, 18), STEPS, strict=True):
        assert len(set(variants)) == len(variants) == count
        assert all(len(each) == length and TURNS.intersection(each) for each in variants)


def test_challenges_are_drawn_evenly_and_the_second_begins_otherwise() -> None:
    firsts, seconds = Counter(), Counter()
    for seed in range(4000):
        drawn = by_chance(Random(seed))
        assert len(drawn) == MAX_CHALLENGES
        first, second = (tuple(step.act for step in each) for each in drawn)
        assert second[: len(first)] != first
        firsts[first] += 1
        seconds[second] += 1
        for each, (low, high) in zip(drawn, PAUSE_S, strict=True):
            assert all(low <= step.pause_s <= high for step in each)
            assert all(WITHIN_S[0] <= step.within_s <= WITHIN_S[1] for step in each)
    # Chi-squared with 7 degrees of freedom: 24.3 is passed by chance once in a thousand.
    assert sum((each - 500) ** 2 / 500 for each in firsts.values()) < 24.3
    assert len(seconds) == 18
    assert max(seconds.values()) < 1.6 * min(seconds.values())


def test_no_first_challenge_played_round_and_round_shows_a_second_one() -> None:
    for first in VARIANTS[0]:
        again = first * 3
        held = {again[at : at + STEPS[1]] for at in range(len(first))}
        assert held.isdisjoint(VARIANTS[1])


def test_the_system_is_asked_for_chance() -> None:
    assert len({by_chance() for _ in range(8)}) == 8
