"""Pictures made worse by a known amount: each does what it says, and misses are counted right."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from face_material import MODELS, READY, ROOT, WHY_NOT, frontal
from PIL import Image

from models.evaluate import faces, quality
from models.evaluate.degrade import SERIES
from models.evaluate.quality import Misses, Tried, kept, misses
from models.face import embed
from models.face.backdrop import MAX_MOVING
from models.face.quality import LIVE, PORTRAIT, assess

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)
MEASURED = {
    "blur": lambda each: -each.light.blur,
    "dark": lambda each: each.light.brightness,
    "glare": lambda each: -each.light.clipped,
    "side": lambda each: each.light.evenness,
    "eyes": lambda each: each.light.eye_contrast,
    "mouth": lambda each: each.light.mouth_contrast,
}
PAGE = ROOT / "docs" / "reference" / "face-quality.md"


@pytest.mark.parametrize("name", MEASURED)
def test_the_more_is_done_the_worse_it_measures(name):
    rgb, there = frontal("obama")
    worse = [SERIES[name].apply(rgb, there, amount) for amount in SERIES[name].amounts]
    found = [MEASURED[name](assess(each, there)) for each in worse]
    assert np.array_equal(worse[0], rgb)
    assert all(each.dtype == np.uint8 and each.shape == rgb.shape for each in worse)
    assert found[-1] < found[0]
    if name != "mouth":  # a mask in one shade is a little less even than skin that shines through
        assert found == sorted(found, reverse=True)


def test_farther_is_smaller():
    rgb, there = frontal("obama")
    small = SERIES["far"].apply(rgb, there, 16)
    assert small.shape[0] / rgb.shape[0] == pytest.approx(16 / there.eye_distance_px, rel=0.03)
    assert np.array_equal(SERIES["far"].apply(rgb, there, 1000), rgb)


def test_errors_are_counted_among_pictures_with_a_face():
    one = assess(*frontal("obama"))
    tried = [
        Tried(0, "blur", 1, one, np.array([0.9, 0.5]), np.array([0.2, 0.7], np.float32)),
        Tried(0, "blur", 2, None, np.empty(0), np.empty(0, np.float32)),
        Tried(1, "blur", 1, one, np.array([0.1]), np.array([0.3, 0.1], np.float32)),
    ]
    found = misses(tried, 0.6)
    assert found == Misses(pictures=2, comparisons=3, missed=2, strangers=4, taken=1)
    assert (found.fnmr, found.fmr) == (2 / 3, 1 / 4)
    assert (misses([], 0.6).fnmr, misses([], 0.6).fmr) == (0, 0)
    assert tuple(misses([], 0.6).interval) == (0, 1)
    low, high = misses(tried, 0.6).interval
    assert low < 2 / 3 < high
    assert kept(tried, LIVE) == [tried[0], tried[2]]


def test_worse_pictures_of_one_person_are_less_like_and_the_gate_knows_them(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in ("obama", "obama2", "biden")]
    for path in paths:
        Image.fromarray(frontal(path.stem)[0]).resize((180, 180)).save(path)
    ticks: list[None] = []
    tried = quality.try_all(
        [paths[:2], paths[2:]], faces.open_eyes(MODELS, embed.NAME), tick=lambda: ticks.append(None)
    )
    assert len(ticks) == 3
    assert len(tried) == 3 * sum(len(each.amounts) for each in SERIES.values())
    untouched = [each for each in tried if (each.series, each.amount) == ("blur", 0)]
    assert [(len(each.scores), len(each.strangers)) for each in untouched] == [
        (1, 1),
        (1, 1),
        (0, 2),
    ]
    assert misses(untouched, 0.6) == Misses(3, comparisons=2, missed=0, strangers=4, taken=0)
    assert len(kept(untouched, PORTRAIT)) == 3
    untouched = [each for each in untouched if each.person == 0]
    worst = [each for each in tried if (each.series, each.amount) == ("far", 7) and not each.person]
    assert np.mean([each.scores for each in worst]) < 0.7
    assert np.mean([each.scores for each in untouched]) > 0.75
    assert kept(worst, PORTRAIT) == []


def test_what_the_page_is_made_of_are_counts():
    if str(ROOT / "docs") not in sys.path:
        sys.path.append(str(ROOT / "docs"))
    measured = import_module("face_quality")
    good = assess(*frontal("obama"))
    one = Tried(0, "blur", 0, good, np.array([0.9, 0.5]), np.array([0.2, 0.7], np.float32))
    dim = replace(one, amount=2, quality=replace(good, light=replace(good.light, blur=0.9)))
    found = measured.counted([one], [one, dim], 0.6)
    seen, none = Misses(1, 2, 1, 2, 1)._asdict(), Misses(0, 0, 0, 0, 0)._asdict()
    assert found["untouched"] == {"seen": seen, "kept": seen}
    assert found["all"] == {"seen": Misses(2, 4, 2, 4, 2)._asdict(), "kept": seen}
    assert found["refused"] == {}
    first, _, third, *_ = found["by_series"]["blur"]
    assert first == {"amount": 0, "tried": 1, "chosen": seen, "reported": seen, "kept": seen}
    assert third == {"amount": 2, "tried": 1, "chosen": none, "reported": seen, "kept": none}
    limit = found["at_limits"][0]
    assert (limit["series"], limit["limit"]) == ("blur", LIVE.max_blur)
    assert (limit["within"], limit["beyond"]) == (seen, seen)
    assert found["limits"] == asdict(PORTRAIT)


@pytest.mark.skipif(not PAGE.exists(), reason="docs/reference/face-quality.md")
def test_the_page_shows_the_limits_that_hold():
    text = Path(PAGE).read_text(encoding="utf-8")
    low, high = LIVE.brightness
    for limit in (
        f"at least {LIVE.min_eye_px:g} ",
        f"{low:g} to {high:g}, at least {LIVE.min_contrast:g}, at most {LIVE.max_clipped:g} ",
        f"at least {LIVE.min_evenness:g} ",
        f"at most {LIVE.max_blur:g} ",
        f"{LIVE.max_yaw_deg:g}, {LIVE.max_pitch_deg:g}, {LIVE.max_roll_deg:g} ",
        f"at least {LIVE.min_eye_contrast:g} ",
        f"at least {LIVE.min_mouth_contrast:g}, {LIVE.min_mouth_light:g} ",
        f"at most {LIVE.max_mouth_opening:g} ",
        f"at most {MAX_MOVING:g} ",
    ):
        assert f"| {limit}|" in text, limit
