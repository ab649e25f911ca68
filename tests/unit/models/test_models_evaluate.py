"""Rates against counting by hand and one by one; intervals against exact fractions and tables."""

from __future__ import annotations

import io
import os
import tracemalloc
import unicodedata
from fractions import Fraction
from itertools import combinations, pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.calibration import shipped
from models.evaluate import faces, intervals, pairs, pictures, rates, verification
from models.evaluate.faces import Extracted, Scored
from models.evaluate.pairs import PairsError
from models.evaluate.pictures import PictureFileError
from models.evaluate.rates import RatesError, curve_of

FEW = st.lists(st.integers(-8, 8).map(lambda each: each / 8), min_size=1, max_size=25)
"""Few distinct values, so that there are ties."""


def counted(genuine, impostor, threshold):
    """Return FMR and FNMR by counting."""
    return (
        sum(each >= threshold for each in impostor) / len(impostor),
        sum(each < threshold for each in genuine) / len(genuine),
    )


def rates_by_counting(genuine, impostor):
    cuts = [*sorted({*genuine, *impostor}), float("inf")]
    return [(cut, *counted(genuine, impostor, cut)) for cut in cuts]


def eer_by_crossing(genuine, impostor):
    """Return where the polygon of (FMR, FNMR) crosses the diagonal, segment by segment."""
    corners = [(Fraction(fmr), Fraction(fnmr)) for _, fmr, fnmr in exact(genuine, impostor)]
    for (x0, y0), (x1, y1) in pairwise(corners):
        if y0 < x0 and y1 >= x1:
            share = (x0 - y0) / ((x0 - y0) + (y1 - x1))
            return float(y0 + share * (y1 - y0))
    raise AssertionError


def exact(genuine, impostor):
    cuts = [*sorted({*genuine, *impostor}), float("inf")]
    return [
        (
            cut,
            Fraction(sum(each >= cut for each in impostor), len(impostor)),
            Fraction(sum(each < cut for each in genuine), len(genuine)),
        )
        for cut in cuts
    ]


@given(FEW, FEW)
def test_both_rates_are_what_counting_says(genuine, impostor):
    curve = curve_of(np.array(genuine), np.array(impostor))
    for cut, fmr, fnmr in rates_by_counting(genuine, impostor):
        assert curve.at(cut) == pytest.approx((fmr, fnmr), abs=1e-12)
    for between in (-1.5, -0.06, 0.31, 1.01):
        assert curve.at(between) == pytest.approx(counted(genuine, impostor, between), abs=1e-12)


@given(FEW, FEW)
def test_the_equal_error_rate_is_where_the_curve_crosses(genuine, impostor):
    curve = curve_of(np.array(genuine), np.array(impostor))
    assert curve.eer == pytest.approx(eer_by_crossing(genuine, impostor), abs=1e-9)


@given(FEW, FEW)
def test_the_area_is_the_share_of_pairs_in_order(genuine, impostor):
    won = sum((g > i) + (g == i) / 2 for g in genuine for i in impostor)
    area = curve_of(np.array(genuine), np.array(impostor)).auc
    assert area == pytest.approx(won / len(genuine) / len(impostor), abs=1e-12)


@given(FEW, FEW, st.sampled_from([0.5, 0.25, 0.1, 0.04, 0.01]))
def test_the_miss_rate_at_a_false_match_rate_is_the_best_that_keeps_it(genuine, impostor, fmr):
    keeping = [fnmr for _, rate, fnmr in exact(genuine, impostor) if rate <= Fraction(str(fmr))]
    found = curve_of(np.array(genuine), np.array(impostor)).fnmr_at_fmr(fmr)
    assert found == pytest.approx(float(min(keeping)), abs=1e-12)


@given(FEW, FEW)
def test_one_rate_falls_while_the_other_rises(genuine, impostor):
    curve = curve_of(np.array(genuine), np.array(impostor))
    assert (np.diff(curve.thresholds) > 0).all()
    assert (np.diff(curve.fmr) <= 0).all()
    assert (np.diff(curve.fnmr) >= 0).all()
    assert (curve.fmr[0], curve.fnmr[0], curve.fmr[-1], curve.fnmr[-1]) == (1, 0, 0, 1)


@given(FEW, FEW, st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_matter(genuine, impostor, chance):
    curve = curve_of(np.array(genuine), np.array(impostor))
    chance.shuffle(genuine)
    chance.shuffle(impostor)
    again = curve_of(np.array(genuine), np.array(impostor))
    assert (again.eer, again.auc) == (curve.eer, curve.auc)
    assert (again.fnmr == curve.fnmr).all()


@given(FEW, FEW)
def test_a_weight_counts_like_a_repetition(genuine, impostor):
    weights = np.arange(len(impostor)) % 3 + 1.0
    weighed = rates.curve(
        rates.places(np.array(genuine), np.array(impostor)), impostor_weights=weights
    )
    repeated = curve_of(np.array(genuine), np.repeat(impostor, weights.astype(int)))
    assert weighed.eer == pytest.approx(repeated.eer, abs=1e-12)
    assert weighed.auc == pytest.approx(repeated.auc, abs=1e-12)


def test_a_small_case_by_hand():
    curve = curve_of(np.array([0.9, 0.8, 0.7, 0.4]), np.array([0.5, 0.3, 0.2, 0.1, 0.0]))
    assert curve.at(0.45) == (0.2, 0.25)
    assert curve.at(0.5) == (0.2, 0.25)
    assert curve.auc == pytest.approx(19 / 20)
    # At 0.4 it is (.2, 0), at 0.5 (.2, .25): the line between both meets the diagonal at .2.
    assert curve.eer == pytest.approx(0.2)
    assert curve.fnmr_at_fmr(0.2) == 0
    assert curve.fnmr_at_fmr(0.19) == 0.25
    assert curve.det(10) == [(0.4, 0.2, 0.0), (0.7, 0.0, 0.25)]


def test_a_rate_that_divides_exactly_is_reached():
    genuine, impostor = np.array([1.0]), np.arange(78_000) / 78_000
    curve = curve_of(genuine, impostor)
    assert curve.fmr[curve.place_at_fmr(1e-3)] == pytest.approx(78 / 78_000, abs=1e-15)


@pytest.mark.parametrize(
    ("genuine", "impostor"), [([], [0.1]), ([0.1], []), ([float("nan")], [0.1])]
)
def test_without_scores_there_is_no_rate(genuine, impostor):
    with pytest.raises(RatesError):
        curve_of(np.array(genuine, float), np.array(impostor, float))


@given(FEW, FEW, st.integers(2, 12))
def test_the_curve_that_is_kept_is_a_part_of_the_whole(genuine, impostor, points):
    curve = curve_of(np.array(genuine), np.array(impostor))
    kept = curve.det(points)
    assert len(kept) <= points
    corners = {(fmr, fnmr) for _, fmr, fnmr in curve.det(10_000)}
    assert (counted(genuine, impostor, min(genuine))[0], 0.0) in corners, "no miss, least FMR"
    for cut, fmr, fnmr in kept:
        assert curve.at(cut) == (fmr, fnmr)


# Intervals


def tail_at_least(errors, trials, rate):
    """Return P(X >= errors) exactly."""
    return sum(
        comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(errors, trials + 1)
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_exact_bounds_leave_two_and_a_half_percent_in_each_tail(case):
    errors, trials = case
    low, high = intervals.clopper_pearson(errors, trials)
    assert 0 <= low <= errors / trials <= high <= 1
    if errors:
        assert float(tail_at_least(errors, trials, Fraction(low))) == pytest.approx(0.025, rel=1e-9)
    if errors < trials:
        below = 1 - tail_at_least(errors + 1, trials, Fraction(high))
        assert float(below) == pytest.approx(0.025, rel=1e-9)


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 100, 0.0490, 0.1762),
        (50, 100, 0.3983, 0.6017),
    ],
)
def test_exact_bounds_are_those_of_the_tables(errors, trials, low, high):
    assert intervals.clopper_pearson(errors, trials) == pytest.approx((low, high), abs=6e-5)


def test_bounds_of_many_trials_are_those_of_the_normal_law():
    low, high = intervals.clopper_pearson(10_000, 8_000_000)
    around = 1.959964 * (10_000**0.5) / 8_000_000
    assert (low, high) == pytest.approx((0.00125 - around, 0.00125 + around), rel=2e-4)


def test_the_rule_of_three():
    assert intervals.rule_of_three(300) == pytest.approx(0.00994, abs=1e-5)
    assert intervals.rule_of_three(30_000) < 1e-4
    assert intervals.trials_without_error(1e-4) == 29_956
    count = intervals.trials_without_error(1e-3)
    assert intervals.rule_of_three(count) <= 1e-3 < intervals.rule_of_three(count - 1)


@pytest.mark.parametrize("case", [(-1, 5), (6, 5), (0, 0)])
def test_there_is_no_interval_of_no_rate(case):
    with pytest.raises(ValueError, match="no rate"):
        intervals.clopper_pearson(*case)


# Pairs


def csv(*rows, head="a,b,same"):
    return "\n".join([head, *rows]).encode()


def test_pairs_name_each_picture_once_and_find_who_is_who():
    found = pairs.parse(csv("x/1,x/2,1", "x/2,y,1", "z,x/1,0", "z,w,0"))
    assert found.names == ("x/1", "x/2", "y", "z", "w")
    assert found.lines == (2, 2, 3, 4, 5)
    one, two, three, z, w = found.subjects().tolist()
    assert one == two == three
    assert len({one, z, w}) == 3
    assert found.contradictions() == 0
    assert pairs.parse(csv("a,b,1", "b,c,1", "a,c,0")).contradictions() == 1


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", 1),
        (b"a,b\nx,y\n", 1),
        (b'"a\nx",b,same\nx,y,1\n', 1),
        (csv(), 0),
        (csv("x,y,1", "x,y"), 3),
        (csv("x,y,1", "x,y,1,2"), 3),
        (csv("x,y,maybe"), 2),
        (csv("x,x,1"), 2),
        (csv("x,y,1", "./x,x,1"), 3),
        (csv("x,y,1", "d//./x,d/x ,1"), 3),
        (csv("\u00e1,a\u0301,1"), 2),
        (csv("x,y,1", "x,z,1", "x,y,0", "z,x,0"), 4),
        (csv("x,y,1", "y,./x,0"), 3),
        (csv(".,x,1"), 2),
        (csv(" ,x,1"), 2),
        (csv(",x,1"), 2),
        (csv("../x,y,1"), 2),
        (csv("/x,y,1"), 2),
        (csv("a\\x,y,1"), 2),
        (csv("x,y,1") + b"\n\xff,y,1", 3),
        (csv('"x,y,1'), 2),
        (csv("x\x00,y,1"), 2),
        (csv("x" * 1025 + ",y,1"), 2),
        (csv("x,y,1", "p,q,1" + " " * 9_000), 3),
        (csv("x,y,1", '"x', *["y" * 4_000] * 40), 36),
    ],
)
def test_what_is_no_list_of_pairs_is_refused_with_its_line(raw, line):
    with pytest.raises(PairsError) as caught:
        pairs.parse(raw)
    assert caught.value.line == line


@given(st.binary(max_size=200))
def test_any_bytes_are_pairs_or_an_error(raw):
    for each in (raw, b"a,b,same\n" + raw):
        try:
            found = pairs.parse(each)
        except PairsError:
            continue
        assert len(found.a) == len(found.b) == len(found.same) > 0


def test_a_list_may_have_blanks_behind_commas_quotes_and_other_ends_of_lines():
    found = pairs.parse(b'A, B, Same\r\nx 1/y.png, "z, w.png", 1\r\n\r\nx 1/y.png, v, False\r\n')
    assert found.names == ("x 1/y.png", "z, w.png", "v")
    assert found.same.tolist() == [True, False]


def test_a_picture_is_one_however_its_path_is_spelled():
    found = pairs.parse(csv("./x/1.png, y ,1", "x//1.png,z,0", "y,x/./1.png ,1", "A\u0301,a,0",
                            "\u00c1,z,0"))  # fmt: skip
    assert found.names == ("x/1.png", "y", "z", "A\u0301", "a")
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == [
        (0, 1), (0, 2), (3, 4), (3, 2),
    ]  # fmt: skip
    assert found.lines == (2, 2, 3, 5, 5)
    assert found.repeated == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda each: each[0] != each[1]),
        min_size=1,
        max_size=40,
    )
)
def test_a_pair_counts_once_in_the_order_of_the_list(told):
    found = pairs.parse(csv(*(f"p{a},p{b},{(a + b) % 2}" for a, b in told)))
    once = list(dict.fromkeys(frozenset(each) for each in told))
    names = [int(each[1:]) for each in found.names]
    here = [frozenset((names[a], names[b])) for a, b in zip(found.a, found.b, strict=True)]
    assert here == once
    assert found.same.tolist() == [sum(each) % 2 == 1 for each in once]
    assert found.repeated == len(told) - len(once)


def test_a_list_may_begin_with_a_mark_of_its_encoding():
    assert pairs.parse(b"\xef\xbb\xbf" + csv("x,y,1")).names == ("x", "y")


@pytest.mark.parametrize(
    "rows",
    [["a,b,1", "a,c,0", "b,c,0", "a,d,1"], ["a,b,1", "c,d,1", "e,a,1"]],
    ids=["rows", "pictures"],
)
def test_a_list_has_so_many_rows_and_pictures_and_no_more(monkeypatch, rows):
    monkeypatch.setattr(pairs, "MAX_ROWS", 3)
    monkeypatch.setattr(pairs, "MAX_PICTURES", 4)
    assert len(pairs.parse(csv(*rows[:-1])).same) == len(rows) - 1
    with pytest.raises(PairsError, match="too many") as caught:
        pairs.parse(csv(*rows))
    assert caught.value.line == len(rows) + 1


def test_a_list_takes_little_more_memory_than_its_numbers():
    raw = csv(*(f"{a},{b},1" for a, b in combinations(range(317), 2)))
    tracemalloc.start()
    found = pairs.parse(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = found.a.nbytes + found.b.nbytes + found.same.nbytes
    assert peak < 4 * held, "rows that are kept as texts take 15 times as much"


def test_an_error_names_no_picture():
    with pytest.raises(PairsError) as caught:
        pairs.parse(csv("Somebody,Somebody,1"))
    assert "Somebody" not in str(caught.value)


# Pictures


def coded(mode="RGB", size=(40, 30), kind="PNG"):
    into = io.BytesIO()
    Image.new(mode, size).save(into, kind)
    return into.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pictures_of_every_usual_kind_are_read(mode):
    assert pictures.decode(coded(mode), where="here").shape == (30, 40, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_of_16_bits_the_upper_8_are_read(kind):
    values = (np.arange(1200).reshape(30, 40) * 54).astype(np.uint16)
    into = io.BytesIO()
    Image.fromarray(values).save(into, kind)
    found = pictures.decode(into.getvalue(), where="here")
    assert (found == (values // 256)[..., None]).all()
    assert found.shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "format"),
        (b"a,b,same\n", "format"),
        (coded()[:60], "damaged"),
        (coded("F", kind="TIFF"), "format"),
        (coded(size=(15, 400)), "size"),
        (coded("1", size=(8000, 8000)), "size"),
        (coded("1", size=(20_000, 20)), "size"),
    ],
    ids=["nothing", "text", "cut", "fractions", "narrow", "huge", "long"],
)
def test_what_is_no_picture_is_refused_by_its_place(raw, why):
    with pytest.raises(PictureFileError) as caught:
        pictures.decode(raw, where="list.csv: line 7")
    assert (caught.value.where, caught.value.why) == ("list.csv: line 7", why)


def test_a_missing_picture_is_named_by_its_place(tmp_path):
    with pytest.raises(PictureFileError, match=r"^row 3: picture missing$"):
        pictures.read(tmp_path / "somebody.png", where="row 3")


def test_a_pipe_a_device_or_a_folder_is_no_picture(tmp_path):
    """A pipe that nobody writes to would keep the reader waiting for ever."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "pipe.png", tmp_path / "folder.png", Path("/dev/zero")):
        with pytest.raises(PictureFileError, match=r"^row 3: picture missing$"):
            pictures.read(path, where="row 3")


def in_layers(layers):
    into = io.BytesIO()
    Image.new("L", (2000, 2000)).save(into, "JPEG2000", no_jp2=True)
    raw = into.getvalue()
    at = raw.index(b"\xff\x52") + 6
    return raw[:at] + layers.to_bytes(2, "big") + raw[at + 2 :]


def in_scans(times):
    into = io.BytesIO()
    Image.new("L", (600, 600)).save(into, "JPEG", progressive=True)
    raw = into.getvalue()[:-2]
    return raw + raw[raw.rindex(b"\xff\xda") :] * times + b"\xff\xd9"


@pytest.mark.parametrize("make", [in_layers, in_scans])
def test_a_picture_that_asks_for_too_much_work_is_refused(make):
    assert pictures.decode(make(20), where="here").ndim == 3
    with pytest.raises(PictureFileError) as caught:
        pictures.decode(make(100), where="here")
    assert caught.value.why == "size"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_list", ["NFC", "NFD"])
def test_a_name_is_found_however_its_accents_are_composed(tmp_path, on_disk, in_list):
    folder = tmp_path / "ảnh"
    folder.mkdir()
    file = folder / unicodedata.normalize(on_disk, "Nguyễn 1.png")
    file.write_bytes(coded())
    assert pictures.within(folder, unicodedata.normalize(in_list, "Nguyễn 1.png")) == file
    assert pictures.within(folder, "nobody.png") == folder / "nobody.png"


# Scores and frames


class Cosines:
    """As much of an embedder as comparing takes."""

    def closeness(self, one, other):
        return (one.astype(float) * other).sum(axis=-1)


def protocol(people, shots):
    names = [f"p{person}_{shot}" for person in range(people) for shot in range(shots)]
    rows = [
        f"{a},{b},{int(a.split('_')[0] == b.split('_')[0])}"
        for place, a in enumerate(names)
        for b in names[place + 1 :]
    ]
    return pairs.parse(csv(*rows))


def extracted(found, size=8, *, missing=()):
    rows = np.random.default_rng(5).normal(size=(len(found.names), size)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    acquired = np.array([name not in missing for name in found.names])
    return Extracted(rows, acquired, tuple(found.names), several=0, median_ms=1.0)


def test_each_pair_is_scored_by_its_cosine_and_pairs_without_a_face_are_left_out():
    found = protocol(3, 4)
    seen = extracted(found, missing={"p1_2"})
    scored = faces.compare(found, seen, embedder=Cosines())
    assert (int(scored.same.sum()), int((~scored.same).sum())) == (15, 40)
    kept = [
        (a, b) for a, b in zip(found.a, found.b, strict=True)
        if seen.acquired[a] and seen.acquired[b]
    ]  # fmt: skip
    by_hand = [float(seen.rows[a] @ seen.rows[b]) for a, b in kept]
    assert scored.scores[:, 0] == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("frames", [1, 3])
def test_what_is_lost_with_a_picture_is_what_would_have_been_compared(frames):
    found = protocol(3, 7)
    whole, some = extracted(found), extracted(found, missing={"p1_2", "p0_5"})
    lost = faces.lost(found, some, embedder=Cosines(), frames=frames)
    every, seen = (
        faces.compare(found, each, embedder=Cosines(), frames=frames).same for each in (whole, some)
    )
    assert lost == (every.sum() - seen.sum(), (~every).sum() - (~seen).sum())
    assert faces.lost(found, whole, embedder=Cosines(), frames=frames) == (0, 0)
    if frames == 1:
        assert lost == (6 + 6, 14 + 14 - 1)


def test_generalised_rates_count_what_was_lost_as_no_match():
    subjects = np.repeat(np.arange(4), 5)
    a, b = np.triu_indices(20, 1)
    same = subjects[a] == subjects[b]
    scores = np.where(same, 0.9, 0.1)
    scores[np.flatnonzero(same)[0]], scores[np.flatnonzero(~same)[0]] = 0.1, 0.9
    scored = Scored(scores[:, None], same, subjects[a], subjects[b])
    whole = verification.report(
        scored, shipped("mobilefacenet"), lost=verification.Lost(genuine=9, impostor=50)
    )
    assert whole["lost"] == {"genuine": 9, "impostor": 50}
    at = whole["fmr_at_threshold"]["1e-4"]
    assert (at["fnmr"], at["fmr"]) == (1 / 40, 1 / 150)
    assert (at["generalised_fnmr"], at["generalised_fmr"]) == (10 / 49, 1 / 200)


def test_no_picture_serves_as_two_frames():
    found = pairs.parse(csv("p1,r,1", "p1,r,1", "r,p1,1", "./p1,r,1", "p1,q,0"))
    scored = faces.compare(found, extracted(found), embedder=Cosines(), frames=2)
    assert scored.scores.shape == (0, 2), "one listed four times is one frame"


@pytest.mark.parametrize("frames", [2, 3])
def test_frames_are_pictures_of_one_person_in_order_of_name(frames):
    found = protocol(3, 6)
    seen = extracted(found)
    scored = faces.compare(found, seen, embedder=Cosines(), frames=frames)
    place = {name: at for at, name in enumerate(found.names)}
    by_hand = []
    for reference in found.names:
        for person in range(3):
            others = [f"p{person}_{shot}" for shot in range(6)]
            others = sorted(each for each in others if each != reference)
            for begin in range(0, len(others) - frames + 1, frames):
                group = [place[each] for each in others[begin : begin + frames]]
                same = reference.startswith(f"p{person}_")
                alike = seen.rows[group] @ seen.rows[place[reference]]
                by_hand.append((same, *sorted(round(float(each), 4) for each in alike)))
    here = [
        (bool(same), *sorted(round(float(each), 4) for each in row))
        for same, row in zip(scored.same, scored.scores, strict=True)
    ]
    assert sorted(here) == sorted(by_hand)
    assert ((scored.a == scored.b) == scored.same).all()


def test_the_report_is_the_curves_and_holds_its_own_figures():
    found = protocol(6, 4)
    scored = faces.compare(found, extracted(found), embedder=Cosines())
    whole = verification.report(scored, None)
    alone = scored.scores[:, 0]
    curve = curve_of(alone[scored.same], alone[~scored.same])
    assert (whole["genuine"], whole["impostor"], whole["subjects"]) == (36, 240, 6)
    assert (whole["eer"], whole["auc"]) == (curve.eer, curve.auc)
    for name in ("eer", "auc"):
        low, high = whole["ci95"][name]
        assert low <= whole[name] <= high
    for name, rate in whole["fnmr_at_fmr"].items():
        low, high = whole["ci95"]["fnmr_at_fmr"][name]
        assert low <= rate <= high
    assert whole["unresolved"] == ["1e-3", "1e-4"]
    assert whole["fmr_at_threshold"] == {}


def test_people_who_are_told_apart_have_no_error_but_an_interval():
    subjects = np.repeat(np.arange(5), 4)
    a, b = np.triu_indices(20, 1)
    same = subjects[a] == subjects[b]
    scored = Scored(np.where(same, 0.9, 0.1)[:, None], same, subjects[a], subjects[b])
    whole = verification.report(scored, None)
    assert (whole["eer"], whole["auc"]) == (0, 1)
    assert whole["ci95"]["eer"] == pytest.approx([0, 1 - 0.025 ** (1 / 30)])


def test_the_interval_by_subject_is_wider_where_one_person_makes_all_errors():
    subjects = np.repeat(np.arange(20), 5)
    a, b = np.triu_indices(100, 1)
    same = subjects[a] == subjects[b]
    scores = np.where(same & (subjects[a] != 3), 0.9, 0.1)
    whole = verification.report(Scored(scores[:, None], same, subjects[a], subjects[b]), None)
    exact_high = intervals.clopper_pearson(10, 200).high
    assert whole["fnmr_at_fmr"]["1e-2"] == 0.05
    assert whole["ci95"]["fnmr_at_fmr"]["1e-2"][1] > exact_high + 0.03


def test_no_picture_starts_another_program() -> None:
    """Pillow would hand such a file to Ghostscript."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    assert Image.open(io.BytesIO(eps)).format == "EPS"
    with pytest.raises(PictureFileError):
        pictures.decode(eps, where="a file")
