"""The Delaunay triangulation of points within a rectangle, by Bowyer and Watson's insertion.

Knows points in the plane. Does not know what they are of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

CORNERS = 4
MARGIN = 0.5
"""How far within the rectangle a point lies at least."""
MAX_POINTS = 2000
_JITTER = 1e-3
"""Points on one circle or one line have no single triangulation; moved by so little, they have."""


def triangulate(inner: NDArray[np.float64], width: float, height: float) -> NDArray[np.intp]:
    """Triangulate a rectangle with points in it.

    Args:
        inner: (N, 2), x and y, at least `MARGIN` within the rectangle from (0, 0) to
            (width, height); N at most `MAX_POINTS`.
        width: of the rectangle, above twice `MARGIN`.
        height: likewise.

    Returns:
        (T, 3) indices into the rectangle's corners (0, 0), (width, 0), (width, height),
        (0, height) and then the inner points; each triangle turns the same way.

    Raises:
        ValueError: points too many, outside, or so close that rounding decides about them.
    """
    low, high = np.full(2, MARGIN), np.array([width, height]) - MARGIN
    if len(inner) > MAX_POINTS or not bool(np.all((inner >= low) & (inner <= high))):
        raise ValueError("points outside the rectangle, or too many")
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    moved = np.random.default_rng(0).uniform(-_JITTER, _JITTER, inner.shape)
    points = np.concatenate([corners, inner + moved])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    circles = _circles(points, triangles)
    for place in range(CORNERS, len(points)):
        gap = circles[:, :2] - points[place]
        hit = np.einsum("ij,ij->i", gap, gap) < circles[:, 2]
        rim = _rim(triangles[hit].tolist())
        new = np.array([(a, b, place) for a, b in rim], dtype=np.intp).reshape(-1, 3)
        triangles = np.concatenate([triangles[~hit], new])
        circles = np.concatenate([circles[~hit], _circles(points, new)])
    _refuse_gaps(points, triangles, width * height)
    return triangles


def _rim(triangles: list[list[int]]) -> Iterable[tuple[int, int]]:
    """Return the edges that no two of these triangles share."""
    edges = {edge for a, b, c in triangles for edge in ((a, b), (b, c), (c, a))}
    return [(a, b) for a, b in sorted(edges) if (b, a) not in edges]


def _circles(points: NDArray[np.float64], triangles: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the centre and the squared radius of each triangle's circle: (T, 3)."""
    a = points[triangles[:, 0]]
    b, c = points[triangles[:, 1]] - a, points[triangles[:, 2]] - a
    b2, c2 = (b**2).sum(axis=1), (c**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = 0.5 / (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
        x = (c[:, 1] * b2 - b[:, 1] * c2) * half
        y = (b[:, 0] * c2 - c[:, 0] * b2) * half
    return np.stack([a[:, 0] + x, a[:, 1] + y, x**2 + y**2], axis=1)


def _refuse_gaps(points: NDArray[np.float64], triangles: NDArray[np.intp], whole: float) -> None:
    a, b, c = (points[triangles[:, each]] for each in range(3))
    doubled = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    covered = doubled.sum() / 2
    if not bool(np.all(doubled > 0)) or abs(covered - whole) > 1e-6 * whole:
        raise ValueError("points too close to each other")
