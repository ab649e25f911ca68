"""Several touches as one, and a touch that was played again."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minutiae_material import finger, moved, shuffled, touched_again

from models.calibration import shipped
from models.finger import fusion
from models.finger.match import compare
from models.finger.minutiae import minutiae, none
from models.finger.prepared import prepare
from models.finger.replay import coinciding, is_replay
from models.finger.touches import (
    MAX_TOUCHES,
    TouchesError,
    compare_each,
    join,
    match_together,
    ready,
    score,
    score_of_each,
    together,
)

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
    alone = max(fusion.score(prepare(each), here) for each in touches)
    assert fusion.score(prepare(joined.minutiae), here) > alone


def test_a_touch_of_another_finger_is_left_out():
    own, other = finger(3, 60), finger(4, 50)
    joined = join([touched_again(own, 5), other, touched_again(own, 6)])
    assert joined.used == (0, 2)
    assert fusion.score(prepare(joined.minutiae), prepare(other)) < 0.05


def test_one_touch_is_itself_and_nothing_is_no_finger():
    assert len(join([finger(1)]).minutiae) == 40
    assert len(join([none(), none()]).minutiae) == 0
    assert join([none(), finger(1), none()]).used == (1,)


def test_ready_are_all_touches_and_what_they_make():
    once = ready([finger(1)])
    assert [len(each) for each in once.alone] == [40]
    assert once.joined is once.alone[0]
    touches = [touched_again(finger(3, 60), 5), touched_again(finger(3, 60), 6)]
    found = ready(touches)
    assert [len(each) for each in found.alone] == [len(each) for each in touches]
    assert len(found.joined) > max(map(len, touches))


def test_of_one_touch_each_there_is_one_comparison():
    a, b = ready([finger(3)]), ready([touched_again(finger(3), 5)])
    assert compare_each(a, b) == (compare(a.joined, b.joined),)
    assert score(a, b) == fusion.score(a.joined, b.joined)


def test_of_several_the_most_alike_and_the_joined_count_half_each():
    own = finger(3, 60)
    live = ready([touched_again(own, 5), window(touched_again(own, 6), 0, 0, 120)])
    kept = ready([touched_again(own, 7), touched_again(own, 8), touched_again(own, 9)])
    found = [score_of_each([each], fusion.shipped()) for each in compare_each(live, kept)]
    alone = [fusion.score(a, b) for a in live.alone for b in kept.alone]
    assert found == [*alone, fusion.score(live.joined, kept.joined)]
    assert len(set(alone)) > 1
    assert score(live, kept) == pytest.approx((max(alone) + found[-1]) / 2)
    assert score(kept, live) == pytest.approx(score(live, kept))
    assert len(compare_each(ready([own]), kept)) == len(compare_each(kept, ready([own]))) == 3 + 1


def test_many_touches_of_another_finger_are_not_many_chances():
    """The best of nine comparisons of two fingers is likelier to be high than one is."""
    best, fused = [], []
    for seed in range(12):
        live, kept = (
            ready([touched_again(finger(n, 25), n + k) for k in (100, 200, 300)])
            for n in (seed, seed + 500)
        )
        evidence = compare_each(live, kept)
        best.append(max(score_of_each([each], fusion.shipped()) for each in evidence))
        fused.append(score_of_each(evidence, fusion.shipped()))
    assert all(both <= most for both, most in zip(fused, best, strict=True))
    assert np.mean(fused) < np.mean(best) - 0.01


@pytest.mark.parametrize("count", [0, MAX_TOUCHES + 1])
def test_how_many_touches_there_may_be(count):
    with pytest.raises(TouchesError):
        join([finger(1)] * count)


def test_two_fingers_match_by_what_both_say_and_by_one_that_nearly_does_alone():
    ours = shipped("finger")
    at = ours.score_at
    assert match_together([at(1e-4), at(1e-4)], ours, 1e-4)
    assert not match_together([at(1e-4), -0.2], ours, 1e-4), "the other speaks against it"
    near = at(1e-3) + 1e-6
    assert match_together([near, near], ours, 1e-4) is (
        together([ours.llr(near)] * 2) >= ours.llr(at(1e-4))
    )
    wrong = msgspec.structs.replace(
        ours, ratio=msgspec.structs.replace(ours.ratio, slope=0.1, offset=9.0)
    )
    assert not match_together([0.0, 0.0], wrong, 1e-4), "whatever a ratio says"
    assert not match_together([at(1e-2)] * 2, wrong, 1e-5)


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


def test_of_hardly_anything_chance_may_make_the_same():
    assert not is_replay(none(), none())
    assert not is_replay(finger(1, 9), finger(1, 9))
    assert is_replay(finger(1, 12), finger(1, 12))
    assert not is_replay(finger(1, 2), finger(1, 40))
