"""What moves behind a face is told from the face, from light and from noise."""

from __future__ import annotations

import numpy as np

from models.face.backdrop import MAX_MOVING, Backdrop
from models.face.mesh import POINTS, Mesh

NUMBERS = np.random.default_rng(1)
HALL = NUMBERS.integers(40, 200, (60, 80, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
FACE = Mesh(
    points=np.stack(
        [NUMBERS.uniform(260, 380, POINTS), NUMBERS.uniform(140, 300, POINTS), np.zeros(POINTS)],
        axis=1,
    ).astype(np.float32),
    confidence=30.0,
)


def moving(before: np.ndarray, after: np.ndarray, mesh: Mesh = FACE) -> float:
    backdrop = Backdrop()
    assert backdrop.see(before, mesh) == 0
    return backdrop.see(after, mesh)


def test_nothing_moves_in_a_still_hall_with_noise() -> None:
    noisy = (HALL + NUMBERS.normal(0, 4, HALL.shape)).clip(0, 255).astype(np.uint8)
    assert moving(HALL, noisy) < 0.01


def test_light_that_changes_everywhere_is_no_motion() -> None:
    assert moving(HALL, (HALL + 40).astype(np.uint8)) < 0.01


def test_the_face_and_the_body_below_it_may_move() -> None:
    after = HALL.copy()
    after[304:] = 255 - after[304:]
    after[100:300, 220:420] = 255 - after[100:300, 220:420]
    assert moving(HALL, after) < 0.01


def test_one_who_walks_by_is_seen_and_forgiven() -> None:
    after = HALL.copy()
    after[:, 480:560] = NUMBERS.integers(0, 255, after[:, 480:560].shape)
    assert 0.05 < moving(HALL, after) < MAX_MOVING


def test_a_camera_that_is_pushed_is_not() -> None:
    assert moving(HALL, np.roll(HALL, 48, axis=1)) > MAX_MOVING


def test_a_face_that_fills_the_frame_says_nothing_of_what_is_behind() -> None:
    near = Mesh(points=(FACE.points - (320, 220, 0)) * 6 + (320, 220, 0), confidence=30.0)
    assert moving(HALL, 255 - HALL, near) == 0


def test_another_size_begins_anew() -> None:
    backdrop = Backdrop()
    backdrop.see(HALL, FACE)
    assert backdrop.see(255 - HALL[:240], FACE) == 0
