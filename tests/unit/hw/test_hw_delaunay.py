"""The triangulation: it covers the rectangle once, and no point lies in another's circle."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.camera.delaunay import MAX_POINTS, _refuse_gaps, triangulate

WIDTH, HEIGHT = 640.0, 480.0
CORNERS = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]])
INNER = np.array([[100.0, 100.0], [300.0, 120.0], [200.0, 300.0]])
MOVED = 0.002
"""More than points are moved by, so that ties are decided."""


def doubled_areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = points[triangles].transpose(1, 0, 2)
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def assert_covers(inner: np.ndarray, triangles: np.ndarray) -> None:
    points = np.concatenate([CORNERS, inner])
    assert len(triangles) == 2 * len(inner) + 2
    assert np.array_equal(np.unique(triangles), np.arange(len(points)))
    assert doubled_areas(points, triangles).sum() == pytest.approx(2 * WIDTH * HEIGHT, rel=1e-4)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_no_point_lies_within_the_circle_of_a_triangle(seed: int, count: int) -> None:
    inner = np.random.default_rng(seed).uniform([1, 1], [WIDTH - 1, HEIGHT - 1], (count, 2))
    triangles = triangulate(inner, WIDTH, HEIGHT)
    assert_covers(inner, triangles)
    points = np.concatenate([CORNERS, inner])
    for triangle in triangles:
        a, b, c = points[triangle]
        # The centre is as far from each corner: two linear equations, solved by numpy.
        sides = np.array([b - a, c - a])
        if abs(np.linalg.det(sides)) < 1:
            continue
        centre = a + np.linalg.solve(sides, (sides**2).sum(axis=1) / 2)
        radius = np.hypot(*(centre - a))
        others = np.delete(points, triangle, axis=0)
        gaps = np.hypot(*(others - centre).T)
        assert not len(gaps) or gaps.min() > radius - MOVED * (1 + radius)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), unique=True, max_size=60),
)
def test_points_on_lines_and_circles_are_no_trouble(places: list[tuple[int, int]]) -> None:
    inner = np.array(places, dtype=float).reshape(-1, 2) * 45
    assert_covers(inner, triangulate(inner, WIDTH, HEIGHT))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 639.5), st.floats(0.5, 479.5)), max_size=40))
def test_any_points_within_are_triangulated_or_refused(places: list[tuple[float, float]]) -> None:
    inner = np.array(places, dtype=float).reshape(-1, 2)
    try:
        triangles = triangulate(inner, WIDTH, HEIGHT)
    except ValueError:
        return
    points = np.concatenate([CORNERS, inner])
    assert triangles.min() >= 0
    assert triangles.max() < len(points)
    assert doubled_areas(points, triangles).sum() == pytest.approx(2 * WIDTH * HEIGHT, rel=1e-4)


def test_a_triangulation_with_a_hole_or_a_fold_is_refused() -> None:
    triangles = triangulate(INNER, WIDTH, HEIGHT)
    points = np.concatenate([CORNERS, INNER])
    _refuse_gaps(points, triangles, WIDTH * HEIGHT)
    folded = triangles.copy()
    folded[0] = folded[0][::-1]
    for spoilt in (triangles[1:], folded, np.concatenate([triangles, triangles[:1]])):
        with pytest.raises(ValueError, match="close"):
            _refuse_gaps(points, spoilt, WIDTH * HEIGHT)


@pytest.mark.parametrize(
    "inner",
    [[[0.2, 9]], [[9, 479.8]], [[-5, 5]], [[float("nan"), 5]], [[1e300, 5]]],
)
def test_points_outside_are_refused(inner: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="outside"):
        triangulate(np.array(inner), WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="many"):
        triangulate(np.full((MAX_POINTS + 1, 2), 9.0), WIDTH, HEIGHT)


def test_a_face_takes_no_time() -> None:
    inner = np.random.default_rng(1).uniform([1, 1], [WIDTH - 1, HEIGHT - 1], (540, 2))
    begun = time.process_time()
    triangulate(inner, WIDTH, HEIGHT)
    assert time.process_time() - begun < 1
