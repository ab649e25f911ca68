"""Which face a still is about: however it is cropped, and whoever else is on it."""

from __future__ import annotations

import numpy as np
import pytest
from face_material import NAMES, READY, WHY_NOT, detector, embedder, mesh_of, mesher, photograph
from PIL import Image, ImageFilter

from models.face.acquire import acquire
from models.face.embed import cosine

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


def look(rgb):
    return acquire(np.ascontiguousarray(rgb), detector=detector(), mesher=mesher())


def cropped(name, margin):
    """Return the photograph about the face, with a share of the face's size more on each side."""
    flat = mesh_of(name).points[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    left, top = np.maximum(low - (high - low) * margin, 0).astype(int)
    right, bottom = (high + (high - low) * margin).astype(int)
    return photograph(name)[top:bottom, left:right]


def tile(name, size):
    """Return a grey tile of 300 by 360 pixels with the face in its middle; so many pixels wide."""
    face = Image.fromarray(cropped(name, 0.4)).resize((size, size * 6 // 5))
    sheet = Image.new("RGB", (300, 360), (120, 120, 120))
    sheet.paste(face, ((300 - face.width) // 2, (360 - face.height) // 2))
    return np.asarray(sheet)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("margin", "least"), [(0.3, 0.95), (0.0, 0.85), (-0.1, 0.65)])
def test_a_face_that_fills_the_picture_is_found_and_is_the_same(name, margin, least):
    picture = cropped(name, margin)
    found = look(picture)
    assert found.faces == 1
    whole = embedder().embed(photograph(name), mesh_of(name))
    assert cosine(embedder().embed(np.ascontiguousarray(picture), found.mesh), whole) > least


def test_a_face_cut_by_the_edges_is_found_at_the_second_look():
    picture = cropped("obama3", -0.2)
    assert not detector().detect(np.ascontiguousarray(picture))
    found = look(picture)
    assert found.faces == 1
    whole = embedder().embed(photograph("obama3"), mesh_of("obama3"))
    assert cosine(embedder().embed(np.ascontiguousarray(picture), found.mesh), whole) > 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1, 3])
def test_a_face_cut_to_brows_and_chin_is_found_where_it_is(name, scale):
    picture = Image.fromarray(cropped(name, -0.15))
    large = picture.resize((picture.width * scale, picture.height * scale))
    found = look(np.asarray(large))
    assert found.faces == 1
    flat = mesh_of(name).points[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    begins = (low + (high - low) * 0.15).astype(int)
    expected = (mesh_of(name).eyes - begins) * scale
    assert np.abs(found.mesh.eyes - expected).max() < 0.1 * scale * mesh_of(name).eye_distance_px


def soft(name, eyes_px):
    """Return the face with some margin, blurred, with so many pixels between its eyes."""
    image = Image.fromarray(cropped(name, 0.6))
    share = eyes_px / mesh_of(name).eye_distance_px
    small = image.resize((int(image.width * share), int(image.height * share)))
    return np.asarray(small.filter(ImageFilter.GaussianBlur(1)))


@pytest.mark.parametrize(
    ("name", "eyes_px"),
    [
        pytest.param("biden", 10, id="the mesh is less sure"),
        pytest.param("astronaut", 10, id="it is sure in the mirror only"),
    ],
)
def test_a_face_that_is_small_and_soft_is_found_where_it_is(name, eyes_px):
    found = look(soft(name, eyes_px))
    assert found.faces == 1
    flat = mesh_of(name).points[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    begins = np.maximum(low - (high - low) * 0.6, 0).astype(int)
    expected = (mesh_of(name).eyes - begins) * eyes_px / mesh_of(name).eye_distance_px
    assert np.abs(found.mesh.eyes - expected).max() < 0.15 * eyes_px


def test_two_people_side_by_side_are_two():
    assert look(np.concatenate([tile("obama", 280), tile("biden", 280)], axis=1)).faces == 2


def test_somebody_small_at_the_side_is_not_meant():
    found = look(np.concatenate([tile("obama", 290), tile("biden", 110)], axis=1))
    assert found.faces == 1
    assert found.mesh.eyes[:, 0].max() < 300


@pytest.mark.parametrize("fill", [0, 127, 255])
def test_where_nobody_is_nobody_is_found(fill):
    found = look(np.full((200, 160, 3), fill, np.uint8))
    assert (found.mesh, found.faces) == (None, 0)


def test_noise_is_nobody():
    assert look(np.random.default_rng(2).integers(0, 256, (300, 240, 3), dtype=np.uint8)).faces == 0


@pytest.mark.parametrize("seed", [466, 6097, 4978])
def test_what_the_detector_takes_for_a_face_is_none_where_the_mesh_is_unsure(seed):
    # Of 8,000 such pictures these come closest to passing.
    cells = np.random.default_rng(seed).integers(0, 256, (4 + seed % 28,) * 2, dtype=np.uint8)
    spots = np.asarray(Image.fromarray(cells).resize((160, 160)).convert("RGB"))
    assert detector().detect(spots)
    assert look(spots).faces == 0
