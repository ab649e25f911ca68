"""The lids, on photographs whose eyes are open and on the same ones with the lid drawn down."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from face_material import (
    MODELS,
    NAMES,
    READY,
    WHY_NOT,
    frontal,
    look,
    mesh_of,
    photograph,
    slanted,
)

from models.face.iris import Iris, openness_of
from models.face.mesh import Mesh
from models.face.picture import PictureError
from models.manifest import load_verified
from models.runtime import ModelError

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)
LIDS = {
    "right": ((33, 7, 163, 144, 145, 153, 154, 155, 133), (246, 161, 160, 159, 158, 157, 173)),
    "left": ((362, 382, 381, 380, 374, 373, 390, 249, 263), (398, 384, 385, 386, 387, 388, 466)),
}
"""Points of the mesh along the lower lid and between the corners along the upper one, from left to
right in the picture."""


@cache
def iris():
    return Iris(load_verified(MODELS, "iris-landmark"))


def shut(name, *, by=1.0, eyes=("right", "left")):
    """Return the photograph with the skin above each eye stretched down over it."""
    rgb, points = photograph(name), mesh_of(name).points[:, :2]
    drawn, rows = rgb.astype(float), np.arange(len(rgb)) + 0.5
    for eye in eyes:
        lower = points[list(LIDS[eye][0])]
        upper = np.stack([lower[0], *points[list(LIDS[eye][1])], lower[-1]])
        for x in range(int(np.ceil(lower[0, 0])), int(lower[-1, 0])):
            low, lid = (np.interp(x + 0.5, each[:, 0], each[:, 1]) for each in (lower, upper))
            brow, new = lid - 1.2 * (low - lid), lid + by * (low - lid)
            inside = (rows > brow) & (rows < new)
            source = brow + (rows[inside] - brow) * (lid - brow) / (new - brow) - 0.5
            above, share = np.floor(source).astype(int), (source % 1)[:, None]
            drawn[inside, x] = rgb[above, x] * (1 - share) + rgb[above + 1, x] * share
    return drawn.round().astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_lids_that_meet_narrow_the_gap(name):
    closed = shut(name)
    ratio = iris().openness(closed, look(closed)) / iris().openness(photograph(name), mesh_of(name))
    print(f"{name}: {ratio:.2f} of open")
    assert ratio < 0.8


@pytest.mark.parametrize("name", NAMES)
def test_lids_half_way_lie_between(name):
    gaps = [iris().openness(shut(name, by=by), mesh_of(name)) for by in (0.0, 0.5, 1.0)]
    assert gaps[0] > gaps[1] > gaps[2] > 0


@pytest.mark.parametrize("eye", ["right", "left"])
def test_each_eye_is_read_by_itself(eye):
    winked = iris().contours(shut("biden", eyes=(eye,)), mesh_of("biden"))
    open_ = iris().contours(photograph("biden"), mesh_of("biden"))
    ratios = [
        openness_of(one) / openness_of(other) for one, other in zip(winked, open_, strict=True)
    ]
    closed, other = ratios if eye == "right" else ratios[::-1]
    assert closed < 0.75
    assert other == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_print_that_is_tilted_keeps_its_lids_apart(name):
    rgb, found = frontal(name)
    ahead = iris().openness(rgb, found)
    for yaw, pitch in ((8, 0), (-8, 0), (0, 8), (0, -8)):
        tilted = slanted(name, yaw=yaw, pitch=pitch)
        assert iris().openness(tilted, look(tilted)) > 0.85 * ahead


@pytest.mark.parametrize("name", NAMES)
def test_the_contour_lies_on_the_meshs_own_eye(name):
    found = mesh_of(name)
    right, left = iris().contours(photograph(name), found)
    for contour, corners in ((right, (33, 133)), (left, (263, 362))):
        assert contour.shape == (71, 2)
        away = np.hypot(*(contour[[0, 8]] - found.points[list(corners), :2]).T)
        assert away.max() < 0.12 * found.eye_distance_px


def test_a_mirrored_picture_has_mirrored_eyes():
    rgb, found = photograph("biden"), mesh_of("biden")
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    there = iris().contours(mirrored, look(mirrored))
    here = iris().contours(rgb, found)
    for one, other in zip(here, there[::-1], strict=True):
        assert openness_of(one) == pytest.approx(openness_of(other), rel=0.1)


def test_openness_is_the_gap_over_the_width():
    contour = np.zeros((71, 2), np.float32)
    contour[:9, 0] = np.arange(9)
    contour[9:16] = contour[1:8] - (0.0, 2.0)
    assert openness_of(contour) == pytest.approx(0.25)
    assert openness_of(contour[:, ::-1] * 7) == pytest.approx(0.25)
    with pytest.raises(ModelError):
        openness_of(np.zeros((71, 2), np.float32))


def test_eyes_outside_the_picture_and_other_nets_are_typed_errors():
    with pytest.raises(PictureError):
        iris().openness(np.zeros((4, 4, 3), np.uint8), mesh_of("biden"))
    with pytest.raises(ModelError):
        Iris(load_verified(MODELS, "face-landmark"))
    away = Mesh(points=mesh_of("biden").points + np.float32(1e5), confidence=20.0)
    assert np.isfinite(iris().openness(photograph("biden"), away))
