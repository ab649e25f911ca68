"""Sets of fingers, what a small module sees of them, and FVC's own rates."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ridge_material import ridges

from models.evaluate import finger_fit, finger_report, fingers, rates
from models.evaluate.finger_sets import FingerSet, every_pair, list_set
from models.evaluate.finger_touch import Window, middle_of, part, seen_by, strained, worn
from models.evaluate.fit import FitError
from models.evaluate.pictures import MAX_BYTES, PictureFileError, hash_of
from models.finger import fusion
from models.finger.fusion import terms
from models.finger.match import Evidence

FEW = st.lists(st.integers(-8, 8).map(lambda each: each / 8), min_size=1, max_size=25)


def folder_of(path, names):
    for name in names:
        (path / name).write_bytes(b"")
    return path


def test_names_are_split_at_the_last_underscore(tmp_path):
    names = ["012_10_1.png", "012_10_2.tif", "012_1_1.BMP", "list.csv", "012_10_1.iso"]
    found = list_set(folder_of(tmp_path, names))
    assert [each.name for each in found.files] == ["012_10_1.png", "012_10_2.tif", "012_1_1.BMP"]
    assert found.fingers[0] == found.fingers[1] != found.fingers[2]
    assert found.first.tolist() == [True, False, True]


def test_the_first_impression_is_the_lowest_number_not_the_first_name(tmp_path):
    found = list_set(folder_of(tmp_path, ["7_10.png", "7_9.png", "7_b.png"]))
    assert [each.stem for each, first in zip(found.files, found.first, strict=True) if first] == [
        "7_9"
    ]


@pytest.mark.parametrize("names", [[], ["1_1.iso"], ["11.png"], ["_1.png"], ["1_.png"]])
def test_what_is_no_set(tmp_path, names):
    with pytest.raises(PictureFileError) as caught:
        list_set(folder_of(tmp_path, names))
    assert not any(name in caught.value.where for name in names)


def test_the_protocols_have_as_many_comparisons_as_fvc(tmp_path):
    names = [
        f"{finger}_{impression}.png" for finger in range(101, 111) for impression in "12345678"
    ]
    found = every_pair(list_set(folder_of(tmp_path, names)))
    assert (found.same.sum(), (~found.same).sum()) == (280, 2880)
    assert (found.same & found.fvc).sum() == 280
    assert (~found.same & found.fvc).sum() == 45
    assert (found.a < found.b).all()


@given(FEW, FEW)
def test_fvcs_equal_error_rate_is_its_rule(genuine, impostor):
    """By the rule's own words: t1 the highest threshold with FNMR <= FMR, t2 the lowest above."""
    rows = []
    for cut in [*sorted({*genuine, *impostor}), np.inf]:
        fmr = sum(each >= cut for each in impostor) / len(impostor)
        rows.append((fmr, sum(each < cut for each in genuine) / len(genuine)))
    low = [row for row in rows if row[1] <= row[0]][-1]
    high = next(row for row in rows if row[1] >= row[0])
    expected = min(sum(low), sum(high)) / 2
    curve = rates.curve_of(np.array(genuine), np.array(impostor))
    assert finger_report.eer_by_rule(curve) == pytest.approx(expected)


def test_a_report_has_the_protocols_counts_and_all_pairs_rates():
    fingers = np.repeat(np.arange(4), 3)
    a, b = np.triu_indices(12, k=1)
    same = fingers[a] == fingers[b]
    fvc = same | ((a % 3 == 0) & (b % 3 == 0))
    scores = np.where(same, 0.5, 0.0) + np.arange(len(a)) / 1000
    scores[np.flatnonzero(~same & ~fvc)[0]] = 0.9
    told = {"calibration": None, "by_fvc": True}
    found = finger_report.report(scores, same, (fingers[a], fingers[b]), fvc=fvc, **told)
    assert (found["genuine"], found["impostor"]) == (12, 6)
    assert found["all_pairs"] == {"genuine": 12, "impostor": 54}
    assert found["eer"] == found["eer_fvc"] == found["zero_fmr"] == 0
    assert found["fnmr_at_fmr"]["1e-2"] == 1
    told["by_fvc"] = False
    found = finger_report.report(scores, same, (fingers[a], fingers[b]), fvc=fvc, **told)
    assert (found["genuine"], found["impostor"]) == (12, 54)
    assert found["zero_fmr"] == 1
    assert found["eer_fvc"] == 0
    found = finger_report.report(scores, same, (fingers[a], fingers[b]), fvc=None, **told)
    assert found["eer_fvc"] is None


def test_a_window_lies_about_the_middle_of_the_finger():
    grey = np.full((500, 400), 250, dtype=np.uint8)
    print_, *_ = ridges((200, 160))
    grey[60:260, 200:360] = print_
    across, down = middle_of(grey)
    assert (across, down) == pytest.approx((280, 160), abs=6)
    seen = seen_by(Window(120, 100), grey, np.random.default_rng(0))
    assert seen.shape == (100, 120)
    left, top = round(across - 60), round(down - 50)
    assert (seen == grey[top : top + 100, left : left + 120]).all()


def test_chance_moves_a_window_no_further_than_it_may():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    begins = {
        int(seen_by(Window(64, 64, jitter_px=9), ramp, np.random.default_rng(n))[0, 0])
        for n in range(200)
    }
    assert (min(begins), max(begins)) == (
        round(middle_of(ramp)[0]) - 41,
        round(middle_of(ramp)[0]) - 23,
    )


def test_beyond_the_picture_a_window_goes_on_in_its_edges_grey():
    grey, *_ = ridges((100, 100))
    framed = np.pad(grey, 10, constant_values=200)
    seen = seen_by(Window(400, 300, bits=8), framed, np.random.default_rng(0))
    assert (seen[0] == 200).all()
    assert (seen == 200).mean() > 0.85


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_bits_leave_so_many_greys_from_black_to_white(bits):
    grey = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    seen = seen_by(Window(256, 256, bits=bits), grey, np.random.default_rng(0))
    assert len(np.unique(seen)) == 1 << bits
    assert (seen.min(), seen.max()) == (0, 255)


@pytest.mark.parametrize("way", [strained, part, worn])
def test_what_is_made_worse_is_another_picture_and_the_same_by_the_same_chance(way):
    grey, *_ = ridges((300, 260), seed=2)
    once, again = way(grey, np.random.default_rng(5)), way(grey, np.random.default_rng(5))
    assert (once == again).all()
    assert once.dtype == np.uint8
    other = way(grey, np.random.default_rng(6))
    assert once.shape == other.shape
    assert (once != other).mean() > 0.5


def test_weights_tell_apart_what_they_were_fitted_on():
    chance = np.random.default_rng(3)
    same = np.arange(400) < 80
    evidence = np.abs(chance.normal(size=(400, 6))) * (1, 5, 5, 5, 2e4, 1)
    evidence[same] += (1, 10, 0, 20, 1e4, 2)
    found = finger_fit.weigh(evidence, same)
    odds = [
        found.bias + sum(w * t for w, t in zip(found.of_terms, terms(Evidence(*row)), strict=True))
        for row in evidence.tolist()
    ]
    assert ((np.array(odds) > 0) == same).mean() > 0.97
    with pytest.raises(FitError):
        finger_fit.weigh(evidence[:90], same[:90])


def test_files_are_called_by_their_hash_and_no_pipe_keeps_a_reader_waiting(tmp_path):
    (tmp_path / "1_1.png").write_bytes(b"any bytes")
    (tmp_path / "1_2.png").symlink_to(tmp_path / "1_1.png")
    files = [(path, "row") for path in list_set(tmp_path).files]
    assert fingers.hashes_of(files) == (hash_of(b"any bytes"),) * 2
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for name, why in (("pipe", "missing"), ("none", "missing"), (".", "missing"), ("huge", "size")):
        with pytest.raises(PictureFileError) as caught:
            fingers.hashes_of([(tmp_path / name, "row")])
        assert (caught.value.where, caught.value.why) == ("row", why)


def test_a_set_has_no_pipes_folders_or_links_to_nothing(tmp_path):
    folder_of(tmp_path, ["1_1.png"])
    os.mkfifo(tmp_path / "1_2.png")
    (tmp_path / "1_3.png").mkdir()
    (tmp_path / "1_4.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "1_5.png").symlink_to("1_5.png")
    assert [each.name for each in list_set(tmp_path).files] == ["1_1.png"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, unique=True))
def test_each_two_pictures_are_compared_once_and_each_finger_has_one_first(names):
    names.sort()
    fingers_of = np.unique([finger for finger, _ in names], return_inverse=True)[1]
    first = np.array([not any(o[0] == n[0] and o[1] < n[1] for o in names) for n in names])
    of = FingerSet(tuple(Path(f"{a}_{b}") for a, b in names), fingers_of, first)
    found = every_pair(of)
    assert len(found.a) == len(names) * (len(names) - 1) // 2
    assert len(set(zip(found.a.tolist(), found.b.tolist(), strict=True))) == len(found.a)
    count = len(np.unique(fingers_of))
    assert (found.fvc & ~found.same).sum() == count * (count - 1) // 2
    assert (found.fvc | ~found.same).all()


def test_scores_are_of_all_touches():
    weights = fusion.shipped()
    weak, strong = Evidence(0.01, 0.0, 9.0, 0.0, 0.0, 0.0), Evidence(0.4, 20.0, 1.0, 90.0, 2e4, 3.0)
    one, two = (fusion.score_of(each, weights) for each in (weak, strong))
    found = fingers.scores_of(np.array([[weak], [strong]]), weights)
    assert found.tolist() == [one, two]
    found = fingers.scores_of(np.array([[strong, weak, weak], [weak, strong, strong]]), weights)
    assert found.tolist() == pytest.approx([(one + two) / 2, two])
