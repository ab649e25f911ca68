"""One face is followed from frame to frame; who steps beside it, or stands elsewhere, is seen."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from vision_scene import HOLDER, MODELS, OTHER, READY, SIZE_PX, WHY_NOT, press

from hw.camera import portrait
from hw.camera.head import Head, Pose
from kiosk.vision.sight import Eyes
from kiosk.vision.track import SEARCH_EVERY_S, Track
from models.face import detect, embed, mesh
from models.face.detect import Detector
from models.face.embed import Embedder, cosine
from models.face.mesh import Mesher
from models.manifest import load_verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)

FAST_S, SLOW_S = 1 / 30, 1 / 10
NOBODY = np.full((SIZE_PX[1], SIZE_PX[0], 3), 120, dtype=np.uint8)
TURN = (0, 4, 8, 12, 16, 20, 24, 20, 16, 12, 8, 4, 0)
"""Degrees, a frame each at ten a second: as fast as the simulated person turns."""
ASIDE_PX = 150


@cache
def detector() -> Detector:
    return Detector(load_verified(MODELS, detect.NAME))


@cache
def mesher() -> Mesher:
    return Mesher(load_verified(MODELS, mesh.NAME))


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("heads")
    width, height = SIZE_PX

    @cache
    def head(who: str) -> Head:
        return Head(portrait.load(press(who, folder)), width=width, height=height, flat=False)

    @cache
    def rendered(who: str, yaw: int = 0) -> np.ndarray:
        return head(who).render(Pose(float(yaw)))

    return rendered


class Watched:
    """A track that tells what it did in each frame."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._track = Track(detector(), mesher(), timed=self._note)
        self._now_s = 100.0

    @contextmanager
    def _note(self, phase: str) -> Iterator[None]:
        self.done.append(phase)
        yield

    def see(self, rgb: np.ndarray, *, after_s: float = FAST_S):
        self.done.clear()
        self._now_s += after_s
        return self._track.see(rgb, at_s=self._now_s)


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return a frame with two people, each nearer to the middle than before."""
    middle = SIZE_PX[0] // 2
    return np.concatenate(
        [left[:, ASIDE_PX : ASIDE_PX + middle], right[:, ASIDE_PX : ASIDE_PX + middle]], axis=1
    )


def test_a_fast_camera_is_searched_now_and_then_and_a_slow_one_always(render) -> None:
    track = Watched()
    searched = []
    for _ in range(10):
        assert track.see(render(HOLDER)).faces == 1
        searched.append("detect" in track.done)
        assert "mesh" in track.done
    assert searched == [True, False, False] * 3 + [True]
    for _ in range(3):
        assert track.see(render(HOLDER), after_s=SLOW_S).faces == 1
        assert track.done == ["mesh", "detect"], "it is followed, and nobody stands beside it"


def test_who_steps_beside_the_face_is_seen_within_a_fifth_of_a_second(render) -> None:
    two = beside(render(HOLDER), render(OTHER))
    assert len(detector().detect(two)) == 2, "the scene shows two"
    for before in range(3):
        track = Watched()
        for _ in range(before + 1):
            assert track.see(render(HOLDER)).faces == 1
        seen = [track.see(two).faces for _ in range(int(0.2 / FAST_S))]
        assert seen[-1] == 2
        assert seen.index(2) * FAST_S <= SEARCH_EVERY_S
        assert set(seen[seen.index(2) :]) == {2}


def test_points_that_are_followed_are_those_that_two_passes_find(render) -> None:
    embedder = Embedder(load_verified(MODELS, embed.NAME))
    track = Watched()
    for yaw in TURN:
        rgb = render(HOLDER, yaw)
        found = track.see(rgb, after_s=SLOW_S).mesh
        fresh = mesher().mesh(rgb, detector().detect(rgb)[0])
        away = np.linalg.norm((found.points - fresh.points)[:, :2], axis=1)
        assert away.mean() < 0.1 * fresh.eye_distance_px
        assert cosine(embedder.embed(rgb, found), embedder.embed(rgb, fresh)) > 0.97


@pytest.mark.parametrize("fps", [10, 30])
def test_a_face_elsewhere_is_found_there(render, fps: int) -> None:
    track = Watched()
    track.see(np.roll(render(HOLDER), -ASIDE_PX, axis=1), after_s=1 / fps)
    there = np.roll(render(OTHER), ASIDE_PX, axis=1)
    for _ in range(4):
        found = track.see(there, after_s=1 / fps).mesh
    expected = mesher().mesh(there, detector().detect(there)[0])
    assert np.abs(found.eyes - expected.eyes).max() < 0.1 * expected.eye_distance_px


def test_who_steps_in_front_is_meant_and_no_longer_who_was_followed(render) -> None:
    small = render(HOLDER)[::3, 128:-128:3]
    high, wide = small.shape[:2]
    alone, both = NOBODY.copy(), np.roll(render(OTHER), ASIDE_PX, axis=1)
    alone[:high, :wide] = both[:high, :wide] = small
    track = Watched()
    assert track.see(alone, after_s=SLOW_S).mesh.eyes[:, 0].max() < wide
    found = track.see(both, after_s=SLOW_S)
    assert found.faces == 1
    assert found.mesh.eyes[:, 0].min() > wide


def test_a_face_that_is_gone_is_none_at_once_and_comes_back(render) -> None:
    track = Watched()
    assert track.see(render(HOLDER)).faces == 1
    assert track.see(NOBODY) == (0, None)
    assert track.see(NOBODY) == (0, None)
    assert track.see(render(HOLDER)).mesh.is_face


def test_a_clock_that_began_anew_is_searched(render) -> None:
    track = Watched()
    track.see(render(HOLDER))
    track.see(render(HOLDER), after_s=-50)
    assert "detect" in track.done


def test_the_eyes_embed_as_the_net_alone_does(render) -> None:
    from hw.camera.port import Frame

    for net in (embed.NAME, embed.CLEAN, embed.STRICT):
        eyes = Eyes(MODELS, net)
        sight = eyes.look(Frame(render(HOLDER), 1, 0))
        alone = embed.open_embedder(MODELS, net).embed(render(HOLDER), sight.mesh)
        np.testing.assert_array_equal(sight.embed(), alone)
