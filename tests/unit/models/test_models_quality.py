"""The gates: what is spoiled on purpose is refused for that reason, and the photographs pass."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from face_material import (
    DATA,
    NAMES,
    READY,
    WHY_NOT,
    frontal,
    look,
    mesh_of,
    photograph,
    read,
    turned,
)
from PIL import Image, ImageFilter

from models.evaluate.degrade import eyes_covered, lit_from_a_side, mouth_covered
from models.face.align import align
from models.face.light import measure
from models.face.pose import mouth_opening, pose_of
from models.face.quality import LIVE, PORTRAIT, Limits, assess

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


def failure(rgb):
    return assess(rgb, look(rgb)).first_failure


@pytest.mark.parametrize("name", NAMES)
def test_a_good_photograph_passes(name):
    assert assess(photograph(name), mesh_of(name)).first_failure is None
    assert failure(frontal(name)[0]) is None


@pytest.mark.parametrize("name", NAMES)
def test_blur_is_refused_where_it_costs_matches(name):
    rgb, there = frontal(name)
    # The pictures that were measured had 42 px between the eyes, and lost a quarter at 3 px.
    one_px = there.eye_distance_px / 42
    image = Image.fromarray(rgb)
    blurs = [
        assess(np.asarray(image.filter(ImageFilter.GaussianBlur(each * one_px))), there)
        for each in (0.5, 1, 2, 3)
    ]
    assert [each.first_failure for each in blurs[:1]] == [None]
    assert blurs[-1].first_failure == "quality_sharpness"
    found = [each.light.blur for each in blurs]
    assert found == sorted(found)


@pytest.mark.parametrize("name", NAMES)
def test_darkness_and_glare_are_refused(name):
    rgb, there = frontal(name)
    dark = (rgb * 0.15).astype(np.uint8)
    glare = np.clip(rgb.astype(int) * 4, 0, 255).astype(np.uint8)
    assert assess(dark, there).first_failure == "quality_exposure"
    assert assess(glare, there).first_failure == "quality_exposure"
    assert assess((rgb * 0.6).astype(np.uint8), there).first_failure is None
    assert assess(np.full_like(rgb, 128), there).first_failure == "quality_exposure"


def test_a_face_too_far_away_is_refused():
    rgb, _ = frontal("obama")
    near = np.asarray(Image.fromarray(rgb).resize((180, 180), Image.Resampling.LANCZOS))
    far = np.asarray(Image.fromarray(rgb).resize((120, 120), Image.Resampling.LANCZOS))
    assert failure(near) is None
    assert failure(far) == "quality_size"
    assert assess(far, look(far)).failure_within(PORTRAIT) is None


@pytest.mark.parametrize("yaw", [-35, 35])
def test_a_face_turned_away_is_refused_and_the_side_is_known(yaw):
    rgb = turned("obama", yaw=yaw)
    assert failure(rgb) == "quality_pose"
    assert np.sign(pose_of(look(rgb)).yaw_deg) == np.sign(yaw)


@pytest.mark.parametrize("roll", [-30, -15, 15, 30])
def test_roll_is_measured_and_limited(roll):
    rgb, there = frontal("obama")
    found = look(np.asarray(Image.fromarray(rgb).rotate(-roll)))
    assert pose_of(found).roll_deg - pose_of(there).roll_deg == pytest.approx(roll, abs=3)


@pytest.mark.parametrize("pitch", [-15, -8, 8, 15])
def test_a_nod_is_a_pitch_and_nothing_else(pitch):
    there = mesh_of("obama")
    sine, cosine = np.sin(np.radians(pitch)), np.cos(np.radians(pitch))
    # The chin, below, goes back.
    nod = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    before = pose_of(there)
    after = pose_of(replace(there, points=(there.points @ nod.T).astype(np.float32)))
    assert abs(before.pitch_deg) < 5
    assert after.pitch_deg - before.pitch_deg == pytest.approx(pitch, abs=1)
    assert after.yaw_deg == pytest.approx(before.yaw_deg, abs=1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"eye_distance_px": float("nan")}, "quality_size"),
        ({"eye_distance_px": 31.0}, "quality_size"),
        ({"mouth_opening": 0.61}, "quality_expression"),
        ({"mouth_opening": float("nan")}, "quality_expression"),
        ({"brightness": float("nan")}, "quality_exposure"),
        ({"clipped": 0.26}, "quality_exposure"),
        ({"contrast": 11.0}, "quality_exposure"),
        ({"evenness": 0.44}, "quality_light"),
        ({"evenness": float("nan")}, "quality_light"),
        ({"blur": float("nan")}, "quality_sharpness"),
        ({"blur": 0.67}, "quality_sharpness"),
        ({"eye_contrast": 0.16}, "quality_eyes"),
        ({"mouth_contrast": 0.14}, "quality_mouth"),
        ({"mouth_light": 0.34}, "quality_mouth"),
    ],
)
def test_every_limit_has_its_code(change, code):
    good = assess(photograph("obama"), mesh_of("obama"))
    own = {each.name for each in fields(good)}
    light = replace(good.light, **{k: v for k, v in change.items() if k not in own})
    spoiled = replace(good, light=light, **{k: v for k, v in change.items() if k in own})
    assert spoiled.first_failure == code


@pytest.mark.parametrize("name", NAMES)
def test_a_lamp_at_one_side_is_refused(name):
    rgb, there = frontal(name)
    assert assess(lit_from_a_side(rgb, there, 0.2), there).first_failure == "quality_light"
    assert assess(lit_from_a_side(rgb, there, 0.8), there).first_failure is None


@pytest.mark.parametrize("name", NAMES)
def test_dark_glasses_and_masks_are_refused(name):
    rgb, there = frontal(name)
    for cover, code in ((eyes_covered, "quality_eyes"), (mouth_covered, "quality_mouth")):
        covered = cover(rgb, there, 1.0)
        assert assess(covered, there).first_failure == code
        # Where a net still sees a face under the cover, its own mesh says the same.
        seen = look(covered)
        assert seen is None or assess(covered, seen).first_failure in {code, "quality_pose"}


def test_a_black_mask_is_refused_as_well():
    rgb, there = frontal("obama")
    light = assess(rgb, there).light
    aligned = align(rgb, there)
    dark = aligned.copy()
    dark[72:] //= 6
    assert light.mouth_light > 0.6
    assert measure(dark).mouth_light < 0.35


def test_blue_skin_is_told_from_skin():
    for name in NAMES:
        rgb, there = frontal(name)
        assert assess(rgb, there).light.warmth > 0.05
        swapped = np.ascontiguousarray(rgb[..., ::-1])
        assert assess(swapped, there).light.warmth < -0.05
        grey = np.repeat(rgb[..., :1], 3, axis=2)
        assert assess(grey, there).light.warmth == 0


def test_a_yawn_opens_the_mouth():
    there = mesh_of("obama3")
    points = there.points.copy()
    height = points[152, 1] - points[10, 1]
    points[[178, 14, 402], 1] += height / 5
    assert mouth_opening(there) < 0.55
    assert mouth_opening(replace(there, points=points)) > 0.6


def test_limits_are_the_callers_choice():
    good = assess(photograph("obama"), mesh_of("obama"))
    assert good.failure_within(LIVE) is None
    assert good.failure_within(Limits(min_eye_px=1000)) == "quality_size"
    assert good.failure_within(replace(LIVE, max_roll_deg=0.1)) == "quality_pose"


@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/faces/orl")
def test_hardly_anybody_in_a_controlled_set_is_refused_but_for_pose():
    failures = []
    for person in range(1, 41):
        rgb = read(Path(DATA, "data", "faces", "orl", f"s{person}_1.png"))
        failures.append(assess(rgb, look(rgb)).failure_within(PORTRAIT))
    assert len(failures) == 40
    assert set(failures) <= {None, "quality_pose"}
    assert failures.count("quality_pose") <= 8
