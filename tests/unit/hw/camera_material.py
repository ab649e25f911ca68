"""A made-up portrait: a smooth mesh, and a picture whose colours tell where they come from."""

from __future__ import annotations

import numpy as np

from hw.camera.head import EARS, FACE_OVAL
from hw.camera.portrait import OUTER_EYE_CORNERS, POINTS

WIDTH, HEIGHT = 320, 240
MIDDLE = np.array([160.0, 120.0])
RADII = np.array([52.0, 70.0])
"""Of the oval, in pixels."""
NOSE_TIP = 1
NOSE_DEPTH, EDGE_DEPTH = -33.0, 22.0
EYES_APART = 74.0


def mesh() -> np.ndarray:
    """(468, 3): a bowl with the nose's tip in front, sunflower seeds between it and the oval."""
    seeds = np.arange(POINTS)
    radius, angle = 0.9 * np.sqrt((seeds + 0.5) / POINTS), seeds * np.pi * (3 - 5**0.5)
    flat = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    # The oval begins at the forehead and goes clockwise as seen, over the person's left.
    around = np.arange(len(FACE_OVAL)) * 2 * np.pi / len(FACE_OVAL)
    flat[list(FACE_OVAL)] = np.column_stack([np.sin(around), -np.cos(around)])
    flat[NOSE_TIP] = 0, 0
    flat[list(OUTER_EYE_CORNERS)] = np.array([[-1, -0.6], [1, -0.6]]) * [EYES_APART / 104, 0.5]
    depth = NOSE_DEPTH + (EDGE_DEPTH - NOSE_DEPTH) * (flat**2).sum(axis=1)
    assert set(EARS) <= set(FACE_OVAL)
    return np.column_stack([MIDDLE + flat * RADII, depth])


def coloured_by_place(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, np.full(x.shape, 128)], axis=2).astype(
        np.uint8
    )


def marked(size_px: int = 5) -> np.ndarray:
    """(H, W, 3) uint8: grey, with a red square at the tip of the nose."""
    rgb = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    x, y = MIDDLE.astype(int) - size_px // 2
    rgb[y : y + size_px, x : x + size_px] = 255, 0, 0
    return rgb


def mark_x(rgb: np.ndarray) -> float:
    """Return how far to the right the middle of the red mark lies, in pixels."""
    redness = np.clip(rgb[..., 0].astype(int) - rgb[..., 1] - 60, 0, None)
    assert redness.sum() > 0
    return float((redness.sum(axis=0) * np.arange(rgb.shape[1])).sum() / redness.sum())
