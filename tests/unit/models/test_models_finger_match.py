"""The matcher: which finger, however it lies; and a cylinder by the book, cell by cell."""

from __future__ import annotations

import math
import time

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from minutiae_material import finger, moved, shuffled, touched_again

from models.calibration import shipped
from models.finger import cylinders, fusion
from models.finger.align import motions
from models.finger.cylinders import cylinders_of, likeness
from models.finger.edges import agreement, relaxed
from models.finger.fusion import score
from models.finger.match import NOTHING, compare
from models.finger.minutiae import MAX_MINUTIAE, MinutiaeError, minutiae, none
from models.finger.prepared import prepare

SEEDS = st.integers(0, 10_000)
TURNS = st.floats(-math.pi, math.pi)
SAME = 0.02
"""Of scores of the same two fingers: a minutia at a limit may fall to either side."""


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, count=st.integers(0, 60), turn=TURNS, x=st.floats(-300, 300))
def test_neither_turn_nor_move_nor_order_makes_a_difference(seed, count, turn, x):
    here = finger(seed, count)
    there = touched_again(here, seed + 7) if count else finger(seed + 7, 30)
    once = score(prepare(here), prepare(there))
    again = score(
        prepare(shuffled(moved(here, turn=turn, x=x, y=-x), seed)), prepare(shuffled(there, seed))
    )
    assert again == pytest.approx(once, abs=SAME)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, counts=st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_which_is_named_first_makes_no_difference(seed, counts):
    a, b = prepare(finger(seed, counts[0])), prepare(finger(seed + 1, counts[1]))
    assert score(a, b) == score(b, a)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_another_touch_is_nearer_than_another_finger(seed):
    here = finger(seed)
    own = score(prepare(here), prepare(touched_again(here, seed + 7)))
    other = score(prepare(here), prepare(touched_again(finger(seed + 500_000), seed + 7)))
    assert own > 0.1 > other
    assert own - other > 0.2


def test_the_same_touch_is_nearest():
    here = prepare(finger(1))
    assert score(here, here) > score(here, prepare(touched_again(finger(1), 2)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_cannot_be_compared_speaks_for_another_finger(count):
    few, many = prepare(finger(1, count)), prepare(finger(1))
    assert compare(few, many) == compare(many, few) == NOTHING
    assert -1 <= score(few, many) < 0
    assert score(few, few) == score(few, many)


def test_other_weights_are_another_pipeline():
    ours = fusion.shipped()
    assert fusion.pipeline(ours) == shipped("finger").pipeline
    others = {"bias": ours.bias + 1e-5, "net": "another", "of_terms": ours.of_terms[::-1]}
    for name, other in others.items():
        changed = msgspec.structs.replace(ours, **{name: other})
        assert fusion.pipeline(changed) != fusion.pipeline(ours)
    assert fusion.pipeline(msgspec.structs.replace(ours, set="x")) == fusion.pipeline(ours)


def test_as_many_as_there_may_be_take_bounded_time():
    chance = np.random.default_rng(5)
    most = minutiae(
        *chance.uniform(0, 1000, (2, MAX_MINUTIAE)),
        chance.uniform(0, 6, MAX_MINUTIAE),
        chance.random(MAX_MINUTIAE),
    )
    a, b = prepare(most), prepare(shuffled(most, 3))
    assert len(a) == 100
    begun = time.process_time()
    assert score(a, b) == pytest.approx(score(a, a), abs=1e-4)
    assert time.process_time() - begun < 1.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.0, 5.0, 5.0001, 4096.0, -4096.0]), TURNS), max_size=9))
def test_minutiae_on_top_of_each_other_are_no_error(rows):
    same = minutiae([x for x, _ in rows], [0.0] * len(rows), [a for _, a in rows], [1] * len(rows))
    for other in (same, finger(3)):
        assert -1 <= score(prepare(same), prepare(other)) <= 1


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(allow_nan=True)] * 5), max_size=8))
def test_any_numbers_are_minutiae_or_refused(rows):
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    try:
        found = minutiae(*columns)
    except MinutiaeError:
        return
    assert len(found) == len(rows)
    assert ((found.angle >= 0) & (found.angle < 2 * np.pi)).all()
    assert ((found.quality >= 0) & (found.quality <= 1)).all()
    assert math.isfinite(score(prepare(found), prepare(found)))


@pytest.mark.parametrize(
    "columns",
    [
        ([1.0], [1.0, 2.0], [0.0], [1.0]),
        ([[1.0]], [[1.0]], [[0.0]], [[1.0]]),
        ([4097.0], [1.0], [0.0], [1.0]),
        ([1.0], [1.0], [0.0], [1.1]),
        ([1.0], [1.0], [0.0], [1.0], [-0.1]),
        (["a"], [1.0], [0.0], [1.0]),
        ([0.0] * 1001,) * 4,
    ],
)
def test_what_are_no_minutiae(columns):
    with pytest.raises(MinutiaeError):
        minutiae(*columns)


def test_the_best_keep_their_order():
    found = minutiae([1, 2, 3, 4], [0] * 4, [0] * 4, [0.1, 0.9, 0.5, 0.9]).best(2)
    assert found.x.tolist() == [2, 4]
    assert len(none()) == 0


def test_a_cylinder_is_the_papers():
    """Cell by cell, by the paper's formulas and the library's own error function."""
    of = finger(11, 14, side=160)
    place, angle = of.x.astype(float) - 1j * of.y, of.angle.astype(float)
    found = cylinders_of(place, angle)
    cells = found.cells.reshape(len(of), cylinders.CELLS, cylinders.SECTIONS)
    step = 2 * math.pi / cylinders.SECTIONS
    spread, wide = cylinders.PLACE_SPREAD_PX, cylinders.ANGLE_SPREAD * math.sqrt(2)
    centres = [
        (i, j)
        for i in range(cylinders.SIDE)
        for j in range(cylinders.SIDE)
        if math.hypot(_across(i), _across(j)) <= cylinders.RADIUS_PX
    ]
    assert len(centres) == cylinders.CELLS
    for m in (0, 6, 13):
        for cell, (i, j) in list(enumerate(centres))[::7]:
            at = place[m] + (_across(i) + 1j * _across(j)) * np.exp(1j * angle[m])
            for section in range(cylinders.SECTIONS):
                height = -math.pi + (section + 0.5) * step
                heaped = 0.0
                for t in range(len(of)):
                    if t == m or abs(place[t] - place[m]) >= cylinders.RADIUS_PX + 3 * spread:
                        continue
                    near = math.exp(-(abs(place[t] - at) ** 2) / (2 * spread**2))
                    near /= spread * math.sqrt(2 * math.pi)
                    turned = height - (angle[m] - angle[t])
                    turned -= 2 * math.pi * round(turned / (2 * math.pi))
                    upper = math.erf((turned + step / 2) / wide)
                    heaped += near * (upper - math.erf((turned - step / 2) / wide)) / 2
                full = 1 / (1 + math.exp(-400 * (heaped - 0.01)))
                if found.valid[m, cell]:
                    assert cells[m, cell, section] == pytest.approx(full, abs=2e-4)
                else:
                    assert cells[m, cell, section] == 0


def _across(index):
    return (index - (cylinders.SIDE - 1) / 2) * 2 * cylinders.RADIUS_PX / cylinders.SIDE


def test_likeness_is_the_distance_of_what_both_show():
    a, b = prepare(finger(1)).cylinders, prepare(touched_again(finger(1), 4)).cylinders
    found = likeness(a, b)
    assert ((found >= 0) & (found <= 1)).all()
    compared = 0
    for i, j in [(0, 0), (3, 5), (7, 2), (20, 20), (12, 25)]:
        both = np.repeat((a.valid[i] * b.valid[j]) > 0, cylinders.SECTIONS)
        if not found[i, j]:
            continue
        x, y = a.cells[i][both].astype(float), b.cells[j][both].astype(float)
        expected = 1 - np.linalg.norm(x - y) / (np.linalg.norm(x) + np.linalg.norm(y))
        assert found[i, j] == pytest.approx(expected, abs=1e-4)
        compared += 1
    assert compared >= 2
    assert np.diag(likeness(a, a))[a.usable > 0] == pytest.approx(1, abs=2e-3)


@given(seed=SEEDS, turn=TURNS)
def test_edges_of_a_finger_that_was_turned_agree(seed, turn):
    of = finger(seed, 12)
    place, angle = of.x.astype(float) - 1j * of.y, of.angle.astype(float)
    agreeing = agreement(place, angle, place * np.exp(1j * turn) + 5, angle + turn)
    others = ~np.eye(12, dtype=bool)
    assert (agreeing[others] > 0.9).all()
    assert (np.diag(agreeing) == 0).all()
    wrong = agreement(place, angle, np.roll(place, 1), np.roll(angle, 1))
    assert wrong[others].mean() < 0.1


def test_pairs_that_nobody_agrees_with_fade():
    agreeing = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=float)
    found = relaxed(np.array([0.5, 0.5, 0.9]), agreeing)
    assert found[0] == found[1] > found[2]


@given(seed=SEEDS, turn=TURNS)
def test_a_motion_is_found_again_and_one_pair_is_enough(seed, turn):
    of = finger(seed, 9)
    place, angle = of.x.astype(float) - 1j * of.y, of.angle.astype(float)
    there = place * np.exp(1j * turn) + (3 - 8j)
    weights = np.stack([np.ones(9), np.eye(9)[4]])
    found = motions(place, angle, there, angle + turn, weights)
    assert np.abs(found.turn * place + found.move - there).max() < 1e-6


@given(st.binary(max_size=300))
def test_any_bytes_are_weights_or_refused(raw):
    with pytest.raises(fusion.WeightsError):
        fusion.parse(raw)


def test_weights_are_read_as_they_were_written(tmp_path):
    raw = fusion.encode(fusion.shipped())
    assert fusion.parse(raw) == fusion.shipped()
    for cut in (1, len(raw) // 2, len(raw) - 3):
        with pytest.raises(fusion.WeightsError):
            fusion.parse(raw[:cut])
    with pytest.raises(fusion.WeightsError) as caught:
        fusion.load(tmp_path / "none.json")
    assert caught.value.why == "missing"
    with pytest.raises(fusion.WeightsError):
        fusion.parse(b" " * (fusion.MAX_BYTES + 1))


@settings(deadline=None)
@given(seed=SEEDS)
def test_each_term_speaks_the_way_it_should(seed):
    here = finger(seed)
    found = compare(prepare(here), prepare(touched_again(here, seed)))
    weights = fusion.shipped()
    assume(found != NOTHING)
    for better in (
        found._replace(local=found.local + 0.05),
        found._replace(together=found.together + 2),
        found._replace(missing=found.missing * 0.5),
        found._replace(edges=found.edges * 2),
        found._replace(kinds=found.kinds + 1),
    ):
        assert fusion.score_of(better, weights) > fusion.score_of(found, weights)
