"""The gate: figures of a touch that mean what they say, and a chance that they make together."""

from __future__ import annotations

import itertools
import json

import msgspec
import numpy as np
import pytest
from finger_net_material import READY, WHY_NOT, extractor
from hypothesis import given
from hypothesis import strategies as st
from ridge_material import ridges

from models.evaluate.finger_quality import (
    BINS,
    LEAST,
    Fates,
    Refused,
    bins,
    fates,
    fit_gate,
    joined,
    rank_correlation,
    refused,
)
from models.evaluate.finger_sets import Comparisons
from models.evaluate.fit import FitError
from models.finger.extract import Impression
from models.finger.minutiae import minutiae, none
from models.finger.quality import (
    ABSENT,
    AGAIN,
    BEST,
    CENTRE,
    PRESS,
    PX_A_MM,
    WIPE,
    GateError,
    Quality,
    assess,
    encode,
    parse,
    shipped,
)
from models.finger.segment import segment

GOOD = Quality(
    count=40, strong=30, sure=0.9, hull_mm2=120.0, area_mm2=160.0, ridges=0.5, offset_mm=0.4
)


def changed(**fields):
    told = {name: getattr(GOOD, name) for name in GOOD.__slots__}
    return Quality(**(told | fields))


def of(grey, found):
    return assess(grey, Impression(found, segment(grey)))


def test_a_square_of_minutiae_spans_its_area():
    grey = np.zeros((200, 200), np.uint8)
    side = 5 * PX_A_MM
    found = minutiae([20, 20 + side, 20, 20 + side, 60], [30, 30, 30 + side, 30 + side, 70],
                     [0] * 5, [0.9, 0.9, 0.5, 0.5, 0.7])  # fmt: skip
    quality = of(grey, found)
    assert quality.hull_mm2 == pytest.approx(25, rel=1e-3)
    assert (quality.count, quality.strong) == (5, 3)
    assert quality.sure == pytest.approx(3.5 / BEST)


@pytest.mark.parametrize("found", [none(), minutiae([3], [4], [0], [1])])
def test_nothing_spans_nothing(found):
    quality = of(np.full((64, 64), 200, np.uint8), found)
    assert quality.hull_mm2 == pytest.approx(0)
    assert quality.area_mm2 == 0
    assert quality.advice == ABSENT


def patch(rows, columns, *, level=127.5, swing=100.0):
    """Return ridges in a part of an empty surface; the level moves what is ridge and valley."""
    grey = np.full((288, 256), 250, np.uint8)
    down, right = np.mgrid[0:288, 0:256]
    wave = np.clip(level + 1.5 * swing * np.sin(2 * np.pi * (right + down) / 11.3), 0, 250)
    grey[rows, columns] = wave[rows, columns]
    return grey


def test_a_finger_beside_the_middle_is_told_to_come_there():
    middle = of(patch(slice(60, 228), slice(50, 206)), none())
    aside = of(patch(slice(100, 280), slice(100, 250)), none())
    assert middle.offset_mm < 0.6
    assert aside.offset_mm > 2.5
    assert aside.advice == CENTRE
    assert middle.area_mm2 == pytest.approx(168 * 156 / PX_A_MM**2, rel=0.3)


def test_ridges_that_run_into_each_other_are_wet_and_broken_ones_dry():
    whole = slice(20, 268), slice(20, 236)
    wet, well, dry = (of(patch(*whole, level=each), none()) for each in (20.0, 125.0, 262.0))
    assert wet.ridges > 0.6 > well.ridges > 0.4 > dry.ridges
    assert wet.advice == WIPE
    assert well.advice == AGAIN
    assert changed(ridges=0.12).advice == PRESS


def test_the_better_touch_has_the_better_chance():
    gate = shipped()
    worse = changed(count=6, strong=2, sure=0.15, hull_mm2=20.0, area_mm2=45.0)
    assert gate.chance(GOOD) > 0.9 > gate.least > gate.chance(worse)
    assert gate.failure(GOOD) is None
    assert gate.least == LEAST
    assert gate.failure(worse) == AGAIN
    assert gate.failure(changed(area_mm2=3.0)) == ABSENT


@given(strong=st.integers(0, 100), area=st.floats(0, 1e4))
def test_a_chance_is_a_chance_and_more_is_never_worse(strong, area):
    chance = shipped().chance(changed(strong=strong, area_mm2=area))
    assert 0 <= chance <= 1
    assert shipped().chance(changed(strong=strong + 1, area_mm2=area + 1)) >= chance


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_a_clear_print_passes_and_a_blank_one_does_not():
    grey = ridges((288, 256), seed=2)[0]
    assert shipped().failure(assess(grey, extractor().extract(grey))) is None
    blank = np.full((288, 256), 240, np.uint8)
    assert shipped().failure(assess(blank, extractor().extract(blank))) == ABSENT


def test_a_gate_is_read_as_it_was_written():
    gate = shipped()
    assert parse(encode(gate)) == gate


@pytest.mark.parametrize(
    "change",
    [{"weights": [1.0]}, {"weights": [1.0, -1.0]}, {"least": 1.5}, {"fmr": 0}, {"more": 1}],
)
def test_another_file_is_no_gate(change):
    told = json.loads(encode(shipped())) | change
    with pytest.raises(GateError):
        parse(json.dumps(told).encode())


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_no_gate(raw):
    with pytest.raises(GateError):
        parse(raw)


def test_a_fit_finds_the_chances_that_were_put_in():
    rng = np.random.default_rng(4)
    touches = [
        changed(strong=int(strong), area_mm2=float(area), sure=float(rng.uniform()))
        for strong, area in zip(rng.integers(1, 60, 400), rng.uniform(40, 200, 400), strict=True)
    ]
    wanted = np.array([each.features for each in touches]) @ [0.5, 1.0] - 3.0
    pairs = rng.integers(0, 400, (30_000, 2))
    passed = rng.uniform(size=len(pairs)) < 1 / (1 + np.exp(-wanted[pairs].sum(axis=1)))
    fitted = fit_gate(Fates(tuple(touches), pairs, passed))
    # A touch knows nothing of its partner: what it says is flatter than what both would.
    assert all(0.3 < each < 1.2 for each in fitted.weights)
    gate = msgspec.structs.replace(shipped(), weights=fitted.weights, bias=fitted.bias)
    chances = np.array([gate.chance(each) for each in touches])
    for low, high in itertools.pairwise(np.quantile(chances, [0, 0.3, 0.7, 1])):
        chosen = ((chances >= low) & (chances < high))[pairs[:, 0]]
        assert passed[chosen].mean() == pytest.approx(chances[pairs[:, 0]][chosen].mean(), abs=0.03)


def test_a_fit_wants_failures_too_and_sense():
    pairs = np.array([[0, 1]] * 50)
    with pytest.raises(FitError, match="fewer"):
        fit_gate(Fates((GOOD, GOOD), pairs, np.ones(50, bool)))
    touches = tuple(changed(strong=each, area_mm2=float(each)) for each in range(100))
    pairs = np.stack([np.arange(100), np.arange(100)], axis=1)
    with pytest.raises(FitError, match="worse"):
        fit_gate(Fates(touches, pairs, np.arange(100) < 50))


def test_fates_are_of_one_finger_and_of_what_could_be_looked_at():
    a, b = np.triu_indices(5, k=1)
    of = np.array([0, 0, 0, 1, 1])
    pairs = Comparisons(a, b, of[a] == of[b], of[a] == of[b])
    seen = [changed(strong=0), None, changed(strong=2), changed(strong=3), changed(strong=4)]
    found = fates(seen, pairs, np.where(a == 3, 0.5, 0.1), 0.5)
    assert [each.strong for each in found.touches] == [0, 2, 3, 4]
    assert found.pairs.tolist() == [[0, 1], [2, 3]]
    assert found.passed.tolist() == [False, True]
    twice = joined([found, found])
    assert twice.pairs.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert twice.touches == found.touches * 2


def test_what_a_gate_says_stands_beside_what_was():
    bad, good = changed(strong=1, area_mm2=30.0), changed(strong=40, area_mm2=190.0)
    low, high = (shipped().chance(each) for each in (bad, good))
    assert low < 0.6 <= high
    of = Fates((bad, good, good), np.array([[1, 2], [0, 1], [1, 2]]), np.array([True, False, True]))
    assert [each.touches for each in bins(shipped(), of)] == [1, 5]
    worse, better = bins(shipped(), of)
    assert (worse.said, worse.was) == (pytest.approx(low), 0)
    assert (better.said, better.was) == (pytest.approx(high), pytest.approx(4 / 5))
    assert worse.low <= low < better.low <= high
    assert refused(shipped(), of) == Refused(3, 1, 3, 1, 2, 0)


def test_a_chance_of_one_has_a_bin():
    sure = msgspec.structs.replace(shipped(), bias=1e4)
    of = Fates((GOOD,), np.array([[0, 0]]), np.array([True]))
    assert [(each.low, each.touches) for each in bins(sure, of)] == [(BINS[-2], 2)]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 99], 1.0),
        ([1, 2, 3, 4], [9, 4, 1, 0], -1.0),
        # Those that are equal share their mean rank; then it is Pearson's.
        ([1, 1, 2, 3], [1, 2, 2, 4], float(np.corrcoef([1.5, 1.5, 3, 4], [1, 2.5, 2.5, 4])[0, 1])),
        ([5, 5, 5], [1, 2, 3], 0.0),
    ],
)
def test_ranks_are_correlated_as_spearman_does(a, b, expected):
    assert rank_correlation(a, b) == pytest.approx(expected)
    assert rank_correlation(b, a) == pytest.approx(expected)
