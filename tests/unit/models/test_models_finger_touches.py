"""Several touches as one, and a touch that was played again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minutiae_material import finger, moved, shuffled, touched_again

from models.finger.fusion import score
from models.finger.minutiae import minutiae, none
from models.finger.prepared import prepare
from models.finger.replay import coinciding, is_replay
from models.finger.touches import MAX_TOUCHES, TouchesError, join, ready, together

SEEDS = st.integers(0, 10_000)


def window(of, left, top, side=220.0):
    """Return what a small module sees of a finger."""
    return of.where((of.x >= left) & (of.x < left + side) & (of.y >= top) & (of.y < top + side))


def test_touches_show_together_what_none_shows_alone():
    whole = finger(3, 90, side=320)
    seen = [window(whole, 0, 50), window(whole, 50, 0), window(whole, 90, 90)]
    touches = [
        touched_again(each, 40 + n, spread_px=1, lost=0, added=0) for n, each in enumerate(seen)
    ]
    joined = join(touches)
    assert joined.used == (0, 1, 2)
    union = {(x, y) for each in seen for x, y in zip(each.x.tolist(), each.y.tolist(), strict=True)}
    assert max(map(len, touches)) < len(joined.minutiae) <= len(union) + 8
    assert len(joined.minutiae) > 0.9 * len(union)
    here = prepare(touched_again(whole, 77))
    alone = max(score(prepare(each), here) for each in touches)
    assert score(prepare(joined.minutiae), here) > alone


def test_a_touch_of_another_finger_is_left_out():
    own, other = finger(3, 60), finger(4, 50)
    joined = join([touched_again(own, 5), other, touched_again(own, 6)])
    assert joined.used == (0, 2)
    assert score(prepare(joined.minutiae), prepare(other)) < 0.05


def test_one_touch_is_itself_and_nothing_is_no_finger():
    assert len(join([finger(1)]).minutiae) == 40
    assert len(join([none(), none()]).minutiae) == 0
    assert join([none(), finger(1), none()]).used == (1,)


def test_ready_are_all_touches_and_last_what_they_make():
    assert [len(each) for each in ready([finger(1)])] == [40]
    touches = [touched_again(finger(3, 60), 5), touched_again(finger(3, 60), 6)]
    found = ready(touches)
    assert [len(each) for each in found[:2]] == [len(each) for each in touches]
    assert len(found) == 3
    assert len(found[2]) > max(map(len, touches))


@pytest.mark.parametrize("count", [0, MAX_TOUCHES + 1])
def test_how_many_touches_there_may_be(count):
    with pytest.raises(TouchesError):
        join([finger(1)] * count)


def test_two_fingers_are_more_evidence_than_one():
    assert together([4.0, 3.5]) == 7.5
    assert together([4.0, -9.0]) < 0
    assert together([]) == 0


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, turn=st.floats(-3.1, 3.1), x=st.floats(-200, 200))
def test_the_same_picture_is_a_replay_however_it_is_laid(seed, turn, x):
    here = finger(seed)
    there = shuffled(moved(here, turn=turn, x=x, y=x / 2), seed)
    assert is_replay(here, there)
    assert is_replay(there, here)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_noise_and_a_lost_corner_do_not_hide_a_replay(seed):
    here = finger(seed)
    chance = np.random.default_rng(seed)
    noisy = minutiae(
        here.x + chance.uniform(-0.6, 0.6, len(here)),
        here.y + chance.uniform(-0.6, 0.6, len(here)),
        here.angle + chance.normal(0, 0.01, len(here)),
        np.clip(here.quality - chance.uniform(0, 0.2, len(here)), 0, 1),
        here.ending,
    )
    assert is_replay(here, noisy.where((noisy.x > 60) | (noisy.y > 60)))


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_another_touch_is_no_replay_and_another_finger_neither(seed):
    here = finger(seed)
    assert not is_replay(here, touched_again(here, seed + 1))
    assert coinciding(here, touched_again(here, seed + 1)) < 0.75
    assert not is_replay(here, finger(seed + 77_000))


def test_of_hardly_anything_only_the_same_is_a_replay():
    assert is_replay(none(), none())
    assert is_replay(finger(1, 2), finger(1, 2))
    assert not is_replay(finger(1, 2), finger(2, 2))
    assert not is_replay(finger(1, 2), finger(1, 40))
