"""Which face a still is about: however it is cropped, and whoever else is on it."""

from __future__ import annotations

import numpy as np
import pytest
from face_material import NAMES, READY, WHY_NOT, detector, embedder, mesh_of, mesher, photograph
from PIL import Image

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
