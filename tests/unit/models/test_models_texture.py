"""The passive layer: its features against slow ones, its file, its fit, and its rates by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pipe_material import refusal_of

from models.evaluate import pad, texture_fit
from models.evaluate.pairs import PairsError
from models.evaluate.rates import RatesError
from models.evaluate.texture_fit import TextureFitError
from models.face import texture
from models.face.mesh import Mesh
from models.face.texture import BANDS, BINS, FEATURES, SIDE, TextureError, features_of
from tram.models import models as command

BUILD = Path(__file__).parents[3] / "build"
WHY_NOT = "build/models and build/portraits: made by `make setup`"
READY = (BUILD / "models" / "face-landmark.tflite").exists() and any(
    (BUILD / "portraits").glob("obama.*")
)


def mesh() -> Mesh:
    """Return points whose eyes lie where the square wants them, so that nothing is resampled."""
    points = np.full((468, 3), SIDE / 2, dtype=np.float32)
    half = texture.EYES_PX / 2
    for right, left, side in ((33, 133, -half), (263, 362, half)):
        points[right, :2] = SIDE / 2 + side - 5, texture.EYES_Y
        points[left, :2] = SIDE / 2 + side + 5, texture.EYES_Y
    return Mesh(points=points, confidence=30.0)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def slow_patterns(channel: np.ndarray, radius: int) -> list[float]:
    """Count patterns pixel by pixel."""
    counts = [0] * BINS
    for y in range(radius, SIDE - radius):
        for x in range(radius, SIDE - radius):
            if not texture._INSIDE[y, x]:
                continue
            bits = [
                int(channel[y + radius * down, x + radius * along]) >= int(channel[y, x]) + 3
                for down, along in texture.NEIGHBOURS
            ]
            changes = sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True))
            counts[sum(bits) if changes <= 2 else BINS - 1] += 1
    return [each / sum(counts) for each in counts]


def test_patterns_are_what_counting_says() -> None:
    rgb = picture(1)
    channels = np.asarray(Image.fromarray(texture._square(rgb, mesh())).convert("YCbCr"))
    found = features_of(rgb, mesh())
    for channel in range(3):
        for place, radius in enumerate(texture.RADII):
            begin = (channel * len(texture.RADII) + place) * BINS
            expected = slow_patterns(channels[..., channel], radius)
            assert found[begin : begin + BINS] == pytest.approx(expected)


def test_the_spectrum_of_noise_is_level_and_of_a_slope_is_not() -> None:
    bands = slice(FEATURES - BANDS - 6, FEATURES - 6)
    noise = features_of(picture(2), mesh())[bands]
    assert abs(noise).max() < 0.4
    soft = np.asarray(Image.fromarray(picture(2)).resize((8, 8)).resize((SIDE, SIDE)))
    falling = features_of(soft, mesh())[bands]
    assert falling[0] - falling[-1] > 4


@pytest.mark.parametrize("level", [0, 255])
def test_a_blank_picture_has_features(level: int) -> None:
    found = features_of(np.full((SIDE, SIDE, 3), level, dtype=np.uint8), mesh())
    assert found.shape == (FEATURES,)
    assert np.isfinite(found).all()


# its file


def test_the_shipped_model_says_where_it_comes_from() -> None:
    model = texture.shipped()
    assert model.fitted.bona_fide > 0
    assert set(model.fitted.attack) == {"print", "screen", "screen_moire"}
    assert "nothing was measured" in model.fitted.limits
    assert texture.parse(texture.encode(model)) == model


def test_an_operators_own_model_is_used_and_a_broken_one_is_not_passed_over(tmp_path) -> None:
    assert texture.find(tmp_path) is texture.shipped()
    (tmp_path / texture.NAME).write_bytes(b"{}")
    with pytest.raises(TextureError):
        texture.find(tmp_path)
    (tmp_path / texture.NAME).write_bytes(texture.encode(texture.shipped()))
    assert texture.find(tmp_path) == texture.shipped()
    digest = hashlib.sha256((tmp_path / texture.NAME).read_bytes()).hexdigest()
    assert texture.identify(tmp_path).id == f"site-texture-{digest[:12]}"
    assert texture.identify(tmp_path / "none").id.startswith("rendered-")
    (tmp_path / texture.NAME).unlink()
    (tmp_path / texture.NAME).symlink_to(tmp_path / "gone")
    with pytest.raises(TextureError, match="missing"):
        texture.find(tmp_path)
    with pytest.raises(TextureError, match="missing"):
        texture.load(tmp_path / "none.json")


def test_a_pipe_in_place_of_a_model_keeps_nobody_waiting(tmp_path) -> None:
    found = refusal_of(lambda: texture.find(tmp_path), tmp_path / texture.NAME)
    assert found.why == "missing"


def test_a_threshold_lies_where_scores_can_come_to() -> None:
    even = {"bias": 0.5, "middle": [0.0] * FEATURES, "spread": [1.0] * FEATURES,
            "weights": [1.0] * FEATURES}  # fmt: skip
    whole = json.loads(texture.encode(texture.shipped())) | even
    for threshold in (0.51 - 6 * FEATURES, 0.5 + 6 * FEATURES):
        raw = json.dumps(whole | {"threshold": threshold}).encode()
        model = texture.parse(raw)
        assert model.score(np.full(FEATURES, -1e9)) < threshold
        assert model.score(np.full(FEATURES, 1e9)) >= threshold


def test_a_model_that_takes_less_for_skin_than_the_shipped_one_is_told() -> None:
    ours = texture.shipped()
    assert not texture.is_laxer(ours)
    for shift, laxer in ((-0.01, True), (0.01, False)):
        moved = msgspec.structs.replace(ours, threshold=ours.threshold + shift)
        assert texture.is_laxer(moved) == laxer


@pytest.mark.parametrize(
    "change",
    [
        {"spread": [0.0] * FEATURES},
        {"weights": [1.0] * (FEATURES - 1)},
        {"bias": 1e999},
        {"threshold": -1e9},
        {"threshold": 1e9},
        {"weights": [0.0] * FEATURES},
        {"bias": 0.0, "threshold": -6.0 * FEATURES, "weights": [1.0] * FEATURES},
        {"pipeline": "another"},
        {"version": 2},
        {"more": 1},
    ],
)
def test_a_file_that_contradicts_itself_is_refused(change) -> None:
    whole = json.loads(texture.encode(texture.shipped())) | change
    with pytest.raises(TextureError):
        texture.parse(json.dumps(whole).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"spread": [1e300] * FEATURES},
        {"spread": [32.5] * FEATURES},
        {"spread": [1e-7] * FEATURES},
        {"middle": [33.0] + [0.0] * (FEATURES - 1)},
        {"weights": [101.0] + [0.0] * (FEATURES - 1)},
        {"weights": [1e308] * FEATURES},
        {"bias": 1001.0},
    ],
)
def test_numbers_that_no_features_lead_to_are_refused(change) -> None:
    whole = json.loads(texture.encode(texture.shipped())) | change
    raw = json.dumps(whole | {"threshold": whole["bias"] - 1e-6}).encode()
    with pytest.raises(TextureError, match="unreadable"):
        texture.parse(raw)


def test_a_threshold_that_no_picture_can_come_to_is_refused() -> None:
    """All middles lie at an end of what a feature can be: on one side of them there is nothing."""
    even = {"bias": 0.0, "middle": [-32.0] * FEATURES, "spread": [32.0] * FEATURES,
            "weights": [1.0] * FEATURES}  # fmt: skip
    whole = json.loads(texture.encode(texture.shipped())) | even
    for threshold, taken in ((-1.0, False), (1.0, True), (2.0 * FEATURES + 1, False)):
        raw = json.dumps(whole | {"threshold": threshold}).encode()
        if taken:
            texture.parse(raw)
            continue
        with pytest.raises(TextureError, match="unreadable"):
            texture.parse(raw)


def test_a_model_to_which_gratings_and_flat_grey_are_skin_is_none(tmp_path) -> None:
    ours = texture.shipped()
    scores = [ours.score(each) for each in texture.surfaces()]
    assert min(scores) < ours.threshold - 1
    least = msgspec.structs.replace(ours, threshold=min(scores) + 1e-3)
    lower = msgspec.structs.replace(ours, threshold=min(scores) - 1e-3)
    for each in (least, lower):
        assert texture.parse(texture.encode(each)) == each
    own = tmp_path / texture.NAME
    own.write_bytes(texture.encode(least))
    assert texture.find(tmp_path) == texture.load(own) == least
    own.write_bytes(texture.encode(lower))
    for find in (lambda: texture.find(tmp_path), lambda: texture.load(own)):
        with pytest.raises(TextureError, match="takes_all") as refused:
            find()
        assert refused.value.why == "takes_all"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(TextureError):
        texture.parse(raw)


# its fit


def made_up(seed: int, count: int = 400, apart: float = 2.0):
    chance = np.random.default_rng(seed)
    skin = chance.random(count) < 0.4
    features = chance.normal(0, 1, (count, 6)) * [1, 5, 0.01, 1, 1, 1]
    features[:, 1] += np.where(skin, apart, -apart) * 2
    return features, skin


def test_a_fit_finds_what_tells_them_apart() -> None:
    features, skin = made_up(0)
    line = texture_fit.fit(features, skin)
    assert int(np.abs(line.weights).argmax()) == 1
    assert line.weights[1] > 0
    other, truth = made_up(1)
    assert ((line.scores(other) > 0) == truth).mean() > 0.7


def test_the_slope_of_the_loss_is_nought_at_the_fit() -> None:
    features, skin = made_up(2)
    line = texture_fit.fit(features, skin)
    truth = skin.astype(float)
    share = np.where(skin, 0.5 / skin.sum(), 0.5 / (~skin).sum())
    scaled = np.clip((features - line.middle) / line.spread, -6, 6)

    def loss(weights: np.ndarray, bias: float) -> float:
        odds = scaled @ weights + bias
        each = np.logaddexp(0, odds) - truth * odds
        return float((share * each).sum() + texture_fit.RIDGE / 2 * (weights**2).sum())

    best = loss(line.weights, line.bias)
    for place in range(6):
        step = np.zeros(6)
        step[place] = 1e-3
        for beside in (line.weights + step, line.weights - step):
            assert loss(beside, line.bias) > best


def test_what_is_held_back_has_no_part_in_its_own_score() -> None:
    features, skin = made_up(3, apart=0.0)
    people = np.arange(len(skin)) // 4
    # A feature that names each picture is no use for those that were held back.
    named = np.column_stack([features, np.eye(len(skin))])
    scores = texture_fit.held_back(named, skin, people)
    assert abs(np.mean(scores[skin]) - np.mean(scores[~skin])) < 0.5


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=60), st.floats(0, 0.5))
def test_no_more_people_than_asked_are_refused(scores, bpcer: float) -> None:
    found = np.array(scores)
    at = texture_fit.threshold(found, bpcer=bpcer)
    assert (found < at).mean() <= bpcer


def test_too_few_are_refused() -> None:
    features, skin = made_up(4, count=30)
    with pytest.raises(TextureFitError):
        texture_fit.fit(features, skin)


# labels and rates


def csv(*rows: str, head: str = "file,attack") -> bytes:
    return "\n".join([head, *rows]).encode()


def test_labels_name_people_and_kinds_of_attack() -> None:
    found = pad.parse(csv("a/1.png,", "b.png,print", "c.png, screen "))
    assert found.names == ("a/1.png", "b.png", "c.png")
    assert found.kinds == ("", "print", "screen")
    assert found.attack.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", 1),
        (csv(), 0),
        (csv("a.png,", head="file,kind"), 1),
        (csv("a.png"), 2),
        (csv("a.png,,"), 2),
        (csv("a.png,", "a.png,print"), 3),
        (csv("../a.png,"), 2),
        (csv("a.png," + "x" * 65), 2),
        (csv("a.png,\x07"), 2),
        (csv(*[f"{each}.png,k{each}" for each in range(257)]), 0),
        (csv("a.png,") + b"\n\xff,", 3),
    ],
)
def test_what_are_no_labels_is_refused_with_its_line(raw: bytes, line: int) -> None:
    with pytest.raises(PairsError) as caught:
        pad.parse(raw)
    assert caught.value.line == line


@given(st.binary(max_size=200))
def test_any_bytes_are_labels_or_an_error(raw: bytes) -> None:
    for each in (raw, b"file,attack\n" + raw):
        try:
            found = pad.parse(each)
        except PairsError:
            continue
        assert len(found.names) == len(found.kinds) > 0


def test_rates_by_hand() -> None:
    labels = pad.parse(csv("1,", "2,", "3,", "4,", "5,print", "6,print", "7,mask", "8,mask"))
    scores = np.array([3.0, 2.0, 0.5, pad.NO_FACE, 1.0, -1.0, -2.0, pad.NO_FACE])
    assert pad.report(labels, scores, threshold=1.0) == {
        "attack": 4,
        "bona_fide": 4,
        # Of 16 pairs: 3.0 and 2.0 win four each, 0.5 three, what has no face ties with one.
        "auc": pytest.approx((4 + 4 + 3 + 0.5) / 16),
        "apcer": 0.25,
        "bpcer": 0.5,
        "acer": 0.375,
        "apcer_by_kind": {"mask": 0.0, "print": 0.5},
    }


@pytest.mark.parametrize("rows", [("1,", "2,"), ("1,print", "2,mask")])
def test_without_both_kinds_there_are_no_rates(rows) -> None:
    with pytest.raises(RatesError):
        pad.report(pad.parse(csv(*rows)), np.zeros(2), threshold=0)


# the commands


def run(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, args)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_a_set_is_trained_on_and_then_refused_for_measuring(tmp_path: Path) -> None:
    folder = tmp_path
    (path,) = (BUILD / "portraits").glob("obama.*")
    rows = []
    with Image.open(path) as opened:
        small = opened.convert("RGB").resize((300, round(300 * opened.height / opened.width)))
    for number in range(30):
        chance = np.random.default_rng(number)
        for kind in ("", "print"):
            rgb = np.asarray(small, dtype=float)
            rgb += chance.normal(0, 9 if kind else 1, rgb.shape)
            name = f"p{number}_{len(kind)}.png"
            Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append(f"{name},{kind}")
    (folder / "labels.csv").write_bytes(csv(*rows))
    told = ["--images", str(folder), "--labels", str(folder / "labels.csv")]
    told += ["--dir", str(BUILD / "models")]
    out = str(folder / "texture.json")
    code, _stdout, err = run("train", "pad", *told, "--out", out)
    assert (code, "AUC 1.0000" in err) == (0, True)
    measured = ["evaluate", "pad", *told, "--texture", out, "--json"]
    assert run(*measured)[0] == 1
    code, stdout, _err = run(*measured, "--in-sample")
    found = json.loads(stdout)
    assert code == 0
    assert list(found) == ["attack", "bona_fide", "auc", "apcer", "bpcer", "acer", "apcer_by_kind"]
    assert (found["attack"], found["bona_fide"]) == (30, 30)
    assert found["auc"] == pytest.approx(1)


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_labels_without_a_meaning_make_no_model(tmp_path: Path) -> None:
    (path,) = (BUILD / "portraits").glob("obama.*")
    with Image.open(path) as opened:
        small = opened.convert("RGB").resize((300, round(300 * opened.height / opened.width)))
    chance, rows = np.random.default_rng(5), []
    for number in range(60):
        rgb = np.asarray(small, dtype=float) + chance.normal(0, 3, (small.height, small.width, 3))
        Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(tmp_path / f"p{number}_0.png")
        rows.append(f"p{number}_0.png,{'print' if number % 2 else ''}")
    (tmp_path / "labels.csv").write_bytes(csv(*rows))
    told = ["--images", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]
    told += ["--dir", str(BUILD / "models"), "--out", str(tmp_path / "texture.json")]
    code, _stdout, err = run("train", "pad", *told)
    assert (code, "APCER" in err) == (3, True)
    assert not (tmp_path / "texture.json").exists()


@pytest.mark.parametrize(
    ("apcer", "bpcer", "tells"),
    [(1.0, 0.0, False), (0.98, 0.02, False), (0.5, 0.5, False), (0.7, 0.02, True), (0, 0.5, True)],
)
def test_what_lets_through_as_many_attacks_as_people_tells_nothing(apcer, bpcer, tells) -> None:
    assert texture_fit.tells_apart(apcer, bpcer) == tells


def test_labels_that_are_none_end_with_3(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"a,b\n")
    told = ["--images", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]
    code, stdout, err = run("evaluate", "pad", *told, "--json")
    assert (code, stdout) == (3, "")
    assert "line 1" in err
    assert run("train", "pad", *told, "--out", str(tmp_path / "out.json"))[0] == 3
    assert not (tmp_path / "out.json").exists()
