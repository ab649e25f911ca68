"""Thresholds and ratios against laws that are known, and the file against all that it may hold."""

from __future__ import annotations

import hashlib
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipe_material import refusal_of

from kiosk.vision import port
from kiosk.vision.port import Ready
from models import calibration, manifest
from models.calibration import (
    NOMINAL_FMR,
    Calibration,
    CalibrationError,
    Ratio,
    Source,
    encode,
    find,
    identify,
    laxer_rates,
    parse,
    require_use,
    shipped,
)
from models.evaluate import fit
from models.evaluate.fit import FitError
from models.manifest import manifests
from wire import record

HASHES = ("0123456789abcdef", "00000000deadbeef")
FACES = sorted(
    each for each in calibration.FOLDER.glob("*.json") if calibration.load(each).modality == "face"
)


def source(**other):
    plain = {"set": "made up", "pictures": HASHES, "subjects": 9, "genuine": 5, "impostor": 90_000}
    return Source(**{**plain, **other})


def made(**other) -> Calibration:
    impostor = np.clip(np.random.default_rng(7).normal(0.1, 0.12, 90_000), -1, 1)
    plain = {
        "modality": "face",
        "net": "net-0123456789ab",
        "pipeline": "straight",
        "commit": "unknown",
        "safety": 3.0,
        "thresholds": fit.thresholds(impostor, rates=NOMINAL_FMR, safety=3),
        "source": source(),
        "ratio": Ratio(slope=50.0, offset=-20.0, floor=-6.0, source=source(pictures=HASHES[:1])),
        "limits": "made up",
    }
    return Calibration(**{**plain, **other})


MADE = made()


def zero(threshold, matches=0):
    """Return a threshold's fields with another count, and the rate that goes with it."""
    return {**threshold, "false_matches": matches, "measured_fmr": matches / 90_000}


# Thresholds


@pytest.mark.parametrize("safety", [1.0, 3.0, 10.0])
def test_a_threshold_is_the_lowest_that_keeps_the_rate_where_there_are_scores(safety):
    impostor = np.random.default_rng(3).normal(0.1, 0.12, 400_000).clip(-1, 1)
    for each in fit.thresholds(impostor, rates=NOMINAL_FMR, safety=safety):
        allowed = each.fmr / safety * len(impostor)
        reached = int((impostor >= each.score).sum())
        assert reached == each.false_matches
        assert each.measured_fmr == reached / len(impostor)
        assert each.extrapolated == (allowed < fit.RULE_OF_30)
        if not each.extrapolated:
            assert reached <= allowed
            lower = impostor[impostor < each.score].max()
            assert (impostor >= lower).sum() > allowed


@pytest.mark.parametrize("many", [5_000, 20_000])
def test_beyond_the_scores_the_threshold_keeps_its_rate_of_fresh_ones(many):
    """A normal law falls off faster than the exponential one that is fitted."""
    kept, randomness = [], np.random.default_rng(many)
    for _ in range(100):
        impostor = randomness.normal(0.1, 0.12, many).clip(-1, 1)
        found = fit.thresholds(impostor, rates=[1e-4], safety=3)
        assert found[0].extrapolated
        kept.append(math.erfc((found[0].score - 0.1) / 0.12 / 2**0.5) / 2 <= 1e-4)
    assert sum(kept) >= 90


def test_of_several_ways_the_strictest_counts_at_each_rate():
    """One way has more impostors of the middle, the other more of the highest scores."""
    randomness = np.random.default_rng(11)
    broad = randomness.normal(0.0, 0.10, 90_000).clip(-1, 1)
    tailed = np.concatenate([randomness.normal(-0.3, 0.05, 89_900), np.full(100, 0.6)])
    alone = [fit.thresholds(each, rates=NOMINAL_FMR, safety=3) for each in (broad, tailed)]
    both = fit.strictest([broad, tailed], rates=NOMINAL_FMR, safety=3)
    assert both[0].score == alone[0][0].score > alone[1][0].score
    assert both[-1].score == alone[1][-1].score > alone[0][-1].score
    for each in both:
        assert each.false_matches == int((broad >= each.score).sum())
        assert each.measured_fmr <= each.fmr / 3
    assert fit.strictest([broad], rates=NOMINAL_FMR, safety=3) == alone[0]


def test_of_an_exponential_tail_the_extrapolation_is_the_truth():
    randomness, scores = np.random.default_rng(5), []
    for _ in range(20):
        impostor = (randomness.exponential(0.04, 200_000) - 0.2).clip(-1, 1)
        (found,) = fit.thresholds(impostor, rates=[1e-5], safety=1)
        assert found.extrapolated
        scores.append(found.score)
    assert np.mean(scores) == pytest.approx(-0.2 - 0.04 * math.log(1e-5), abs=0.02)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1, 0.6), min_size=300, max_size=320),
    st.floats(1, 20),
    st.randoms(use_true_random=False),
)
def test_thresholds_rise_and_do_not_depend_on_the_order(scores, safety, chance):
    try:
        found = fit.thresholds(np.array(scores), rates=NOMINAL_FMR, safety=safety)
    except FitError as error:
        assert "too few" in str(error)  # noqa: PT017 - some laws reach beyond 1
        return
    cuts = [each.score for each in found]
    assert cuts == sorted(set(cuts))
    chance.shuffle(scores)
    assert fit.thresholds(np.array(scores), rates=NOMINAL_FMR, safety=safety) == found
    stricter = fit.thresholds(np.array(scores), rates=[1e-2], safety=safety + 1)
    assert stricter[0].score >= fit.thresholds(np.array(scores), rates=[1e-2], safety=1)[0].score


@pytest.mark.parametrize(
    ("impostor", "safety"),
    [
        (np.zeros(299), 3),
        (np.full(300, np.nan), 3),
        (np.full(300, 1.5), 3),
        (np.zeros(300), 0.5),
        (np.ones(300), 3),
        (np.r_[np.zeros(299), 1.0].repeat(3), 3),
    ],
)
def test_of_no_impostors_there_is_no_threshold(impostor, safety):
    with pytest.raises(FitError):
        fit.thresholds(impostor, rates=NOMINAL_FMR, safety=safety)


# The ratio


def test_of_two_normal_laws_the_ratio_is_the_known_line():
    """Of equal variances v, means a and b: (a - b) / v * (s - (a + b) / 2)."""
    randomness = np.random.default_rng(4)
    line = fit.ratio(randomness.normal(0.6, 0.15, 40_000), randomness.normal(0.2, 0.15, 400_000))
    slope = (0.6 - 0.2) / 0.15**2
    assert line.slope == pytest.approx(slope, rel=0.03)
    assert line.offset == pytest.approx(-slope * 0.4, rel=0.03)


def test_the_ratio_of_separate_scores_is_finite_and_lies_between():
    line = fit.ratio(np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.15]))
    assert 0 < line.slope < 1e3
    assert 0.2 < -line.offset / line.slope < 0.8


@pytest.mark.parametrize(
    ("genuine", "impostor"), [([], [0.1]), ([0.1], []), ([0.1, 0.2], [0.8, 0.9])]
)
def test_scores_that_do_not_rise_have_no_ratio(genuine, impostor):
    with pytest.raises(FitError):
        fit.ratio(np.array(genuine), np.array(impostor))


def test_the_cost_of_ratios():
    nothing = np.zeros(10)
    assert fit.cost(nothing, nothing) == pytest.approx(1)
    assert fit.cost(nothing + 50, nothing - 50) == pytest.approx(0, abs=1e-9)
    assert fit.cost(nothing - 3, nothing + 3) > 1
    # By hand: genuine 1/2 log2(1 + 1/4), impostor 1/2 log2(1 + 1/2).
    by_hand = (math.log2(1.25) + math.log2(1.5)) / 2
    assert fit.cost(np.array([math.log(4)]), np.array([math.log(0.5)])) == pytest.approx(by_hand)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_more_alike_is_never_less_evidence_and_never_more_than_was_measured(one, other):
    low, high = sorted([one, other])
    assert MADE.llr(low) <= MADE.llr(high)
    reached = [each.fmr for each in MADE.thresholds if high >= each.score]
    assert MADE.llr(high) <= -math.log(min(reached, default=1e-2))
    assert MADE.llr(low) >= MADE.ratio.floor
    assert MADE.llr(float("nan")) == MADE.ratio.floor


def test_without_genuine_scores_there_is_no_ratio():
    with pytest.raises(CalibrationError):
        made(ratio=None).llr(0.5)


# The file


def test_a_calibration_is_read_as_it_was_written():
    assert parse(encode(MADE)) == MADE
    assert parse(encode(made(ratio=None))).ratio is None


def test_the_set_is_known_by_its_hashes():
    assert MADE.overlap(frozenset(HASHES)) == 2
    assert MADE.overlap(frozenset(["f" * 16])) == 0
    assert MADE.ratio_overlap(frozenset(HASHES)) == 1
    assert made(ratio=None).ratio_overlap(frozenset(HASHES)) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"format": "tram-calibration-2"},
        {"modality": "gait"},
        {"net": "Net"},
        {"commit": "HEAD"},
        {"safety": 0.5},
        {"safety": "3"},
        {"thresholds": []},
        {"thresholds": "swapped"},
        {"thresholds": "lower"},
        {"thresholds": "beyond"},
        {"thresholds": "below"},
        {"thresholds": "unknown rate"},
        {"thresholds": "more than its rate"},
        {"thresholds": "other count"},
        {"thresholds": "more matches above"},
        {"source": {}},
        {"ratio": {"slope": -1.0}},
        {"limits": "x" * 2001},
    ],
    ids=str,
)
def test_what_is_no_calibration_is_refused(change):
    whole = json.loads(encode(MADE))
    first, second, *_, last = whole["thresholds"]
    known = {
        "swapped": [second, first],
        "lower": [first, {**second, "score": first["score"]}],
        "beyond": [first, second, {**last, "score": 1.01}],
        "below": [{**first, "score": -1.01}, second],
        "unknown rate": [first, {**second, "fmr": 2e-3}],
        "more than its rate": [{**first, "false_matches": 301, "measured_fmr": 301 / 90_000}],
        "other count": [{**first, "false_matches": first["false_matches"] - 1}],
        "more matches above": [zero(first), zero(second, 1)],
    }
    for name, value in change.items():
        whole[name] = known.get(value, value) if isinstance(value, str) else value
    with pytest.raises(CalibrationError) as caught:
        parse(json.dumps(whole).encode())
    assert caught.value.why == "unreadable"


@pytest.mark.parametrize("field", sorted(json.loads(encode(MADE))))
def test_every_field_is_needed(field):
    whole = json.loads(encode(MADE))
    del whole[field]
    if field in {"format", "ratio"}:
        assert parse(json.dumps(whole).encode()).format == MADE.format
        return
    with pytest.raises(CalibrationError):
        parse(json.dumps(whole).encode())


def test_a_file_that_is_cut_off_or_too_long_is_refused():
    raw = encode(MADE).strip()
    for end in range(0, len(raw), 7):
        with pytest.raises(CalibrationError):
            parse(raw[:end])
    with pytest.raises(CalibrationError):
        parse(b" " * (calibration.MAX_BYTES + 1))
    with pytest.raises(CalibrationError):
        parse(b"[" * 100_000)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_calibration_or_an_error(raw):
    with pytest.raises(CalibrationError):
        parse(raw)


def test_there_is_no_threshold_between_rates():
    assert MADE.score_at(1e-4) == MADE.thresholds[2].score
    with pytest.raises(KeyError):
        MADE.score_at(2e-4)


HOW = {"modality": "face", "net": MADE.net, "pipeline": MADE.pipeline}


def test_a_calibration_holds_for_its_own_net_and_pipeline():
    assert require_use(MADE, **HOW, rates=NOMINAL_FMR) is MADE
    for other in ({"net": "other-000000000000"}, {"pipeline": "bent"}, {"modality": "finger"}):
        with pytest.raises(CalibrationError) as caught:
            require_use(MADE, **{**HOW, **other})
        assert caught.value.why == "other_net"


def test_a_refusal_says_what_is_there_and_what_was_calibrated():
    with pytest.raises(CalibrationError, match=r"straight.*bent") as caught:
        require_use(MADE, **{**HOW, "pipeline": "bent"})
    assert "make it again" in str(caught.value)


def test_a_calibration_without_a_rate_that_is_asked_for_is_of_no_use():
    partly = made(thresholds=MADE.thresholds[:2])
    assert require_use(partly, **HOW, rates=(1e-2, 1e-3)) is partly
    with pytest.raises(CalibrationError, match=r"0\.0001") as caught:
        require_use(partly, **HOW, rates=(1e-3, 1e-4))
    assert caught.value.why == "no_rate"


@pytest.mark.parametrize("score", ["NaN", "Infinity", "1e999", "-1e999", "1.0000001", "null"])
def test_a_threshold_that_is_no_score_is_refused(score):
    raw = encode(MADE).decode()
    mark = f'"score": {MADE.thresholds[-1].score!r}'
    assert mark in raw
    with pytest.raises(CalibrationError):
        parse(raw.replace(mark, f'"score": {score}').encode())


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1.5])
def test_none_is_made_of_what_is_no_score_either(score):
    last = MADE.thresholds[-1]
    fields = {each: getattr(last, each) for each in last.__struct_fields__}
    with pytest.raises(ValueError, match="no score"):
        made(thresholds=(*MADE.thresholds[:-1], type(last)(**{**fields, "score": score})))


def test_a_sites_own_calibration_is_used_instead_of_the_shipped_one(tmp_path):
    assert find(tmp_path, "strict").calibration is shipped("strict")
    own = tmp_path / "calibration-strict.json"
    own.write_bytes(encode(MADE))
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    assert find(tmp_path, "strict") == (MADE, f"site-strict-{digest[:12]}")
    assert find(tmp_path, "mobilefacenet").calibration is shipped("mobilefacenet")
    kept = (calibration.FOLDER / "mobilefacenet.json").read_bytes()
    kept = hashlib.sha256(kept).hexdigest()[:12]
    assert find(tmp_path, "mobilefacenet").id == f"mobilefacenet-{kept}"


@pytest.mark.parametrize("broken", ["empty", "folder", "nowhere", "unreadable", "too large"])
def test_an_own_calibration_that_is_none_is_never_passed_over(broken, tmp_path):
    own = tmp_path / "calibration-mobilefacenet.json"
    match broken:
        case "empty":
            own.write_bytes(b"")
        case "folder":
            own.mkdir()
        case "nowhere":
            own.symlink_to(tmp_path / "gone")
        case "unreadable":
            own.write_bytes(encode(MADE)[:-40])
        case "too large":
            own.write_bytes(b" " * (calibration.MAX_BYTES + 1))
    with pytest.raises(CalibrationError):
        find(tmp_path, "mobilefacenet")


def test_a_pipe_in_place_of_an_own_calibration_keeps_nobody_waiting(tmp_path):
    own = tmp_path / "calibration-mobilefacenet.json"
    assert refusal_of(lambda: find(tmp_path, "mobilefacenet"), own).why == "missing"


def test_an_own_calibration_has_no_path_in_its_name(tmp_path):
    for name in ("../strict", "", ".", "a/b"):
        with pytest.raises(CalibrationError):
            find(tmp_path, name)


def test_a_file_that_is_named_is_identified_by_its_hash(tmp_path):
    (tmp_path / "any.json").write_bytes(encode(MADE))
    digest = hashlib.sha256(encode(MADE)).hexdigest()[:12]
    assert identify(tmp_path / "any.json", "x") == (MADE, f"x-{digest}")


@pytest.mark.parametrize("name", ["n" * 40, f"{'n' * 40}.int8x", f"{'n' * 37}.float168"])
def test_of_every_name_a_net_may_have_a_record_can_name_its_calibration(tmp_path, name):
    assert msgspec.convert(name, manifest.Name) == name
    (tmp_path / f"calibration-{name}.json").write_bytes(encode(MADE))
    found = find(tmp_path, name).id
    assert found.startswith(f"site-{name}-")
    for kind in (port.Name, record.Code):
        assert msgspec.convert(found, kind) == found
    assert Ready(models={"calibration": found}, simulated=True)


@pytest.mark.parametrize("name", ["n" * 41, f"{'n' * 40}.float1", f"{'n' * 38}.float168"])
def test_no_net_has_a_name_of_which_a_record_could_not_tell(name):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, manifest.Name)


def test_where_an_own_calibration_is_laxer_is_told_by_rate():
    ours = shipped("mobilefacenet")
    assert laxer_rates(ours, "mobilefacenet") == ()
    lower = [msgspec.structs.replace(each, score=each.score - 0.01) for each in ours.thresholds]
    mixed = msgspec.structs.replace(ours, thresholds=(*ours.thresholds[:2], *lower[2:]))
    assert laxer_rates(mixed, "mobilefacenet") == (1e-4, 1e-5)
    assert laxer_rates(mixed, "strict") == (), "the scores of other nets say nothing"
    assert laxer_rates(mixed, "nobody") == ()


@pytest.mark.parametrize("name", ["nobody", "../manifests/mobilefacenet", ".hidden", ""])
def test_only_what_is_shipped_is_found_by_name(name):
    with pytest.raises(CalibrationError):
        shipped(name)


@pytest.mark.parametrize("path", FACES, ids=lambda p: p.stem)
def test_what_is_shipped_holds_for_the_nets_of_their_manifests_and_has_every_rate(path):
    found = shipped(path.stem)
    ids = {each.id for each in manifests().values()}
    assert set(found.net.split("+")) <= ids
    assert [each.fmr for each in found.thresholds] == list(NOMINAL_FMR)
    assert found.thresholds[-1].extrapolated, "1e-5 is no measurement"
    assert found.safety >= 2
    assert found.source.subjects >= 4000
    assert found.ratio is not None
    assert not set(found.ratio.source.pictures) & set(found.source.pictures)
    assert found.llr(found.score_at(1e-4)) > 0
    assert encode(found) == path.read_bytes()


def test_every_embedder_that_comes_with_the_program_is_calibrated():
    embedders = {name for name, each in manifests().items() if each.role == "embed"}
    assert embedders | {"strict"} == {path.stem for path in FACES}
    assert shipped("finger").modality == "finger"
