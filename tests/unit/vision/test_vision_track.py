"""What a track makes of what two nets say; here they say what is written down for each frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from vision_material import turned

from kiosk.vision.track import SEARCH_EVERY_S, Track
from models.face.detect import Face

if TYPE_CHECKING:
    from models.face.mesh import Mesh

RGB = np.zeros((480, 640, 3), dtype=np.uint8)
FAST_S = 1 / 30
HEAD = turned(0.0)
NO_HEAD = replace(HEAD, confidence=-30.0)


def face_of(mesh: Mesh) -> Face:
    flat = mesh.points[:, :2]
    points = np.zeros((6, 2), dtype=np.float32)
    points[:2] = mesh.eyes
    return Face(np.concatenate([flat.min(axis=0), flat.max(axis=0)]), points, 0.9)


@dataclass
class Said:
    """A detector and a mesher: what each finds next; a search that nobody expected fails."""

    faces: list[tuple[Face, ...]] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)

    def detect(self, _rgb: np.ndarray) -> tuple[Face, ...]:
        return self.faces.pop(0)

    def mesh(self, _rgb: np.ndarray, _face: Face) -> Mesh:
        return self.meshes.pop(0)

    def follow(self, _rgb: np.ndarray, _last: Mesh) -> Mesh:
        return self.meshes.pop(0)


def test_points_that_are_no_face_are_searched_for_and_not_followed() -> None:
    said = Said([(face_of(HEAD),), ()], [HEAD, NO_HEAD])
    track = Track(said, said)
    assert track.see(RGB, at_s=1.0).mesh is HEAD
    assert track.see(RGB, at_s=1.0 + FAST_S) == (0, None), "at once, between two searches too"
    assert (said.faces, said.meshes) == ([], [])


def test_what_is_searched_and_is_no_face_either_is_nobody() -> None:
    said = Said([(face_of(HEAD),)] * 2, [HEAD, NO_HEAD, NO_HEAD])
    track = Track(said, said)
    track.see(RGB, at_s=1.0)
    assert track.see(RGB, at_s=1.0 + FAST_S) == (0, None)


def test_points_that_moved_far_are_fitted_twice_and_must_be_a_face_still() -> None:
    aside = turned(0.0, shift_px=30.0)
    for second, faces in ((aside, 1), (replace(aside, confidence=-30.0), 0)):
        said = Said([(face_of(HEAD),), ()], [HEAD, aside, second])
        track = Track(said, said)
        track.see(RGB, at_s=1.0)
        assert track.see(RGB, at_s=1.0 + FAST_S).faces == faces
        assert said.meshes == []


@pytest.mark.parametrize("after_s", [SEARCH_EVERY_S, -1.0])
def test_who_is_followed_is_looked_for_all_the_same_now_and_then(after_s: float) -> None:
    said = Said([(face_of(HEAD),)] * 2, [HEAD, HEAD])
    track = Track(said, said)
    track.see(RGB, at_s=0.0)
    assert track.see(RGB, at_s=after_s) == (1, HEAD)
    assert said.faces == []
