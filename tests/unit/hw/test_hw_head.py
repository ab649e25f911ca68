"""The renderer, held against a pinhole of the test's own and against Pillow's plane transform."""

from __future__ import annotations

import time

import numpy as np
import pytest
from camera_material import (
    EDGE_DEPTH,
    EYES_APART,
    HEIGHT,
    MIDDLE,
    NOSE_DEPTH,
    NOSE_TIP,
    RADII,
    WIDTH,
    coloured_by_place,
    mark_x,
    marked,
    mesh,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw.camera import head as renderer
from hw.camera import portrait
from hw.camera.head import BACKDROP_RGB, CAMERA_DISTANCE, PAPER_SIZE, Head, Pose
from hw.errors import DeviceFailed

PICTURE, MESH = coloured_by_place(), mesh()
DISTANCE = CAMERA_DISTANCE * EYES_APART
AXIS = np.array([MIDDLE[0], MIDDLE[1] + RADII[1], EDGE_DEPTH])
FULL_TURNS = (-22, -9, 9, 22)


def portrait_of(rgb: np.ndarray = PICTURE, points: np.ndarray = MESH) -> portrait.Portrait:
    return portrait.parse(portrait.to_bytes(rgb, points))


def head(rgb: np.ndarray = PICTURE, *, flat: bool = False, scale: int = 1) -> Head:
    return Head(portrait_of(rgb), width=WIDTH * scale, height=HEIGHT * scale, flat=flat)


def seen_by_a_pinhole(place: np.ndarray, pose: Pose) -> np.ndarray:
    """Return where a point of the face appears: x, y."""
    x, y = (place[:2] - MIDDLE) * (DISTANCE + place[2]) / DISTANCE + MIDDLE - AXIS[:2]
    z = place[2] - AXIS[2]
    pitch, yaw = np.radians(pose.pitch_deg), np.radians(pose.yaw_deg)
    y, z = y * np.cos(pitch) - z * np.sin(pitch), y * np.sin(pitch) + z * np.cos(pitch)
    x, z = x * np.cos(yaw) - z * np.sin(yaw), x * np.sin(yaw) + z * np.cos(yaw)
    place_in_space = np.array([x, y]) + AXIS[:2] - MIDDLE
    return place_in_space * DISTANCE / (DISTANCE + z + AXIS[2]) + MIDDLE


def test_the_front_pose_is_the_picture() -> None:
    assert np.array_equal(head().render(Pose()), PICTURE)
    larger = head(scale=2).render(Pose()).reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))
    assert np.abs(larger - PICTURE).max() <= 2


@pytest.mark.parametrize("yaw", FULL_TURNS)
@pytest.mark.parametrize("pitch", [-6, 0, 6])
def test_each_point_is_where_a_pinhole_sees_it(yaw: float, pitch: float) -> None:
    pose = Pose(yaw, pitch)
    out = head().render(pose)
    inner = MESH[(np.hypot(*((MESH[:, :2] - MIDDLE) / RADII).T) < 0.5)]
    assert len(inner) > 100
    for place in inner:
        x, y = np.round(seen_by_a_pinhole(place, pose) - 0.5).astype(int)
        expected = place[:2] * [255 / WIDTH, 255 / HEIGHT]
        assert np.abs(out[y, x, :2] - expected).max() < 4, place


def test_a_head_that_turns_to_its_own_left_moves_its_nose_to_the_right_of_the_picture() -> None:
    turning = head(marked())
    at = [mark_x(turning.render(Pose(yaw))) for yaw in (-22, -10, 0, 10, 22)]
    assert at == sorted(at)
    assert at[2] == pytest.approx(MIDDLE[0], abs=1)
    expected = np.sin(np.radians(22)) * (EDGE_DEPTH - NOSE_DEPTH)
    assert at[4] - at[2] == pytest.approx(expected, rel=0.2)


def test_a_chin_that_goes_down_takes_the_nose_along() -> None:
    rows = [
        int(np.argmax(head(marked()).render(Pose(0, pitch))[..., 0].max(axis=1)))
        for pitch in (-8, 0, 8)
    ]
    assert rows == sorted(rows)
    assert rows[0] < rows[2]


@pytest.mark.parametrize("yaw", FULL_TURNS)
def test_the_nearer_side_hides_the_farther(yaw: float) -> None:
    """A tower on the cheek covers what lies behind it when the head turns, and is never holed."""
    points = MESH.copy()
    near = np.hypot(*((points[:, :2] - MIDDLE) / RADII).T) < 0.35
    points[near, 2] -= 40
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb[(((x - MIDDLE[0]) / RADII[0]) ** 2 + ((y - MIDDLE[1]) / RADII[1]) ** 2) < 0.3**2] = 255
    out = Head(portrait_of(rgb, points), width=WIDTH, height=HEIGHT).render(Pose(yaw))
    row = out[int(MIDDLE[1]), :, 0] > 128
    assert 20 < row.sum() < 60
    assert np.ptp(np.flatnonzero(row)) == row.sum() - 1


def test_the_background_stays() -> None:
    turned = head().render(Pose(22, 4))
    border = np.ones((HEIGHT, WIDTH), dtype=bool)
    border[8:-8, 60:-60] = False
    assert np.array_equal(turned[border], PICTURE[border])
    assert not np.array_equal(turned, PICTURE)


@pytest.mark.parametrize("yaw", [-28, 0, 15, 28])
@pytest.mark.parametrize("pitch", [0, 8])
def test_a_print_is_a_plane(yaw: float, pitch: float) -> None:
    out = head(flat=True).render(Pose(yaw, pitch))
    half = np.array([WIDTH, HEIGHT]) / 2
    a, b = np.radians(yaw), np.radians(pitch)
    corners = []
    for x, y in np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half:
        down, away = y * np.cos(b), y * np.sin(b)
        right, away = x * np.cos(a) - away * np.sin(a), x * np.sin(a) + away * np.cos(a)
        corners.append(np.array([right, down]) * DISTANCE / (DISTANCE + away) * PAPER_SIZE + half)
    rows, wanted = [], []
    for (x, y), (u, v) in zip(
        corners, np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [WIDTH, HEIGHT], strict=True
    ):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    plane = np.linalg.solve(np.array(rows), np.array(wanted))
    by_pillow = np.asarray(
        Image.fromarray(PICTURE).transform(
            (WIDTH, HEIGHT), Image.Transform.PERSPECTIVE, tuple(plane), Image.Resampling.BILINEAR
        )
    )
    on_paper = by_pillow[..., 2] > 0
    assert on_paper.mean() > 0.5
    assert np.abs(out.astype(int) - by_pillow)[on_paper].max() <= 3
    off_paper = out[~on_paper & (out == BACKDROP_RGB).all(axis=2)]
    assert len(off_paper) > 0.9 * (~on_paper).sum()


def test_the_picture_is_fitted_into_another_frame() -> None:
    wide = Head(portrait_of(), width=480, height=240).render(Pose())
    assert np.array_equal(wide[:, 80:400], PICTURE)
    assert np.array_equal(wide[:, 0], PICTURE[:, 0])


def test_a_frame_is_drawn_in_time() -> None:
    big = head(scale=2)
    begun = time.process_time()
    for yaw in (5, 15, 22):
        big.render(Pose(yaw))
    assert (time.process_time() - begun) / 3 < 0.5


def test_points_that_hide_each_other_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "MAX_CANDIDATES", 1000)
    with pytest.raises(DeviceFailed):
        head().render(Pose(3))


def test_points_before_the_lens_are_refused() -> None:
    points = MESH.copy()
    points[NOSE_TIP, 2] = -(WIDTH - 1)
    with pytest.raises(DeviceFailed):
        Head(portrait_of(points=points), width=WIDTH, height=HEIGHT)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 60), st.booleans())
def test_any_points_are_drawn_or_refused(seed: int, spread: float, flat: bool) -> None:
    noise = np.random.default_rng(seed).normal(0, 1, MESH.shape) * spread
    low, high = [2.01, 2.01, -300], [WIDTH - 2.01, HEIGHT - 2.01, 300]
    try:
        found = portrait_of(points=np.clip(MESH + noise, low, high))
        out = Head(found, width=160, height=120, flat=flat).render(Pose(22, 5))
    except DeviceFailed:
        return
    assert out.shape == (120, 160, 3)
