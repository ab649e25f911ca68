"""Faces, their points and their place on the template: two nets and plane geometry as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from face_material import (
    NAMES,
    READY,
    WHY_NOT,
    detector,
    frontal,
    look,
    mesh_of,
    mesher,
    photograph,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.face.align import RAISED_PX, TEMPLATE, align, five_points
from models.face.detect import Face, KeyPoint
from models.face.picture import PictureError, cut, similarity, turned_square

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


@pytest.mark.parametrize("name", NAMES)
def test_each_photograph_has_one_face_and_two_nets_agree_on_it(name):
    (face,) = detector().detect(photograph(name))
    found = mesher().mesh(photograph(name), face)
    assert found.is_face
    assert found.confidence > 19
    seen = face.points[[KeyPoint.RIGHT_EYE, KeyPoint.LEFT_EYE, KeyPoint.NOSE_TIP]]
    off_px = np.linalg.norm(five_points(found)[:3] - seen, axis=1)
    # On a face turned aside the detector's nose lies off the mesh's, never by more than this.
    assert (off_px < 0.32 * found.eye_distance_px).all()
    assert found.eyes[0, 0] < found.eyes[1, 0]
    left, top, right, bottom = face.box
    inside = (found.points[:, :2] > (left, top)) & (found.points[:, :2] < (right, bottom))
    assert inside.mean() > 0.8


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
        np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8),
        np.tile(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (480, 1, 3)),
    ],
    ids=["black", "white", "noise", "ramp"],
)
def test_where_there_is_no_face_none_is_found(rgb):
    assert detector().detect(rgb) == ()


def test_a_mesh_where_there_is_no_face_says_so():
    ramp = np.tile(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (480, 1, 3))
    box = np.array([200, 100, 400, 300], np.float32)
    points = np.array([[250, 160], [350, 160]] + [[300, 220]] * 4, np.float32)
    found = mesher().mesh(ramp, Face(box, points, 0.9))
    assert not found.is_face


def test_three_people_are_three_faces():
    trio = np.concatenate([frontal(name)[0] for name in ("obama", "biden", "astronaut")], 1)
    faces = detector().detect(trio)
    assert len(faces) == 3
    middles = sorted(float(face.box[[0, 2]].mean()) for face in faces)
    np.testing.assert_allclose(middles, [180, 540, 900], atol=25)


@pytest.mark.parametrize(("left", "top"), [(100, 0), (0, 150), (80, 40)])
def test_a_face_that_is_elsewhere_is_found_there(left, top):
    rgb, there = frontal("obama")
    wider = np.zeros((360 + top, 360 + left, 3), np.uint8)
    wider[top:, left:] = rgb
    moved = look(wider).points - there.points
    np.testing.assert_allclose(np.median(moved, axis=0), (left, top, 0), atol=1.5)


def test_a_turned_picture_has_its_points_turned():
    rgb, there = frontal("obama")
    angle = np.radians(15)
    middle = np.array([180, 180])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    image = Image.fromarray(rgb).rotate(-15, resample=Image.Resampling.BICUBIC)
    expected = (there.points[:, :2] - middle) @ turn.T + middle
    off_px = np.linalg.norm(look(np.asarray(image)).points[:, :2] - expected, axis=1)
    assert np.median(off_px) < 0.03 * there.eye_distance_px


def test_a_mirrored_picture_has_its_points_mirrored():
    rgb, there = frontal("obama")
    eyes = look(np.ascontiguousarray(rgb[:, ::-1])).eyes
    # The net itself leans to the left by most of one of its 192 pixels.
    np.testing.assert_allclose(eyes[:, 0], 360 - there.eyes[::-1, 0], atol=4)
    np.testing.assert_allclose(eyes[:, 1], there.eyes[::-1, 1], atol=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_face_is_where_the_detector_sees_it_in_the_mirror(name):
    rgb = photograph(name)
    (face,) = detector().detect(rgb)
    (seen,) = detector().detect(np.ascontiguousarray(rgb[:, ::-1]))
    meant = face.mirrored(rgb.shape[1])
    assert np.abs(meant.box - seen.box).max() < 0.15 * (seen.box[2] - seen.box[0])
    # The ear that is turned away is guessed.
    off_px = np.linalg.norm(meant.points - seen.points, axis=1)[: KeyPoint.RIGHT_EAR]
    assert off_px.max() < 0.15 * (seen.box[2] - seen.box[0])


def test_following_a_still_face_finds_it_where_it_was():
    rgb, there = frontal("obama2")
    off_px = np.abs(mesher().follow(rgb, there).points - there.points)
    assert np.median(off_px) < 0.02 * there.eye_distance_px


def test_nothing_about_a_person_is_printed():
    (face,) = detector().detect(photograph("obama"))
    assert repr(face) == "Face()"
    assert repr(mesh_of("obama")) == "Mesh()"


@pytest.mark.parametrize("name", NAMES)
def test_an_aligned_face_has_its_eyes_on_the_template(name):
    face = align(photograph(name), mesh_of(name))
    assert face.shape == (112, 112, 3)
    # Found once more in the small picture, with a border that the detector needs.
    again = look(np.pad(face, ((56, 56), (56, 56), (0, 0)), mode="edge"))
    raised = np.array(TEMPLATE) - (0.0, RAISED_PX)
    off_px = np.linalg.norm(five_points(again) - 56 - raised, axis=1)
    assert off_px[:2].max() < 4
    assert off_px.mean() < 6


@given(
    angle=st.floats(-3, 3),
    scale=st.floats(0.01, 100),
    shift=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
)
def test_a_similarity_is_recovered_from_its_points(angle, scale, shift):
    matrix = turned_square(np.array(shift), size_px=scale * 112, roll=angle, side=112)
    target = np.array(TEMPLATE) @ matrix[:, :2].T + matrix[:, 2]
    found = similarity(np.array(TEMPLATE), target)
    np.testing.assert_allclose(found, matrix, rtol=1e-6, atol=1e-6 * (1 + scale))


def test_a_cut_shows_the_pixels_it_names():
    rgb = np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)
    as_it_is = turned_square(np.array([30.0, 20.0]), size_px=16, roll=0, side=16)
    np.testing.assert_array_equal(cut(rgb, as_it_is, side=16), rgb[12:28, 22:38])
    beside = turned_square(np.array([500.0, 20.0]), size_px=16, roll=0, side=16)
    assert not cut(rgb, beside, side=16).any()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((100, 100), np.uint8),
        np.zeros((100, 100, 4), np.uint8),
        np.zeros((100, 100, 3), np.float32),
        np.zeros((15, 100, 3), np.uint8),
        np.zeros((16, 8193, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(array):
    with pytest.raises(PictureError):
        detector().detect(array)
    with pytest.raises(PictureError):
        align(array, mesh_of("obama"))
