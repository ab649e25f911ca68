"""Made-up scenes: a wall that stays or goes along, stripes that run, grids that beat."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.face.liveness import STABLE
from models.face.mesh import Mesh
from models.face.temporal import (
    MIN_FRAMES,
    MOIRE,
    PATCH,
    Cue,
    Trace,
    TraceError,
    Watch,
    is_striped,
    moire_of,
    moves_along,
    trace,
)

HEIGHT, WIDTH = 480, 640
MIDDLE = np.array([320.0, 240.0])


def mesh(shift=(0.0, 0.0), *, turn: float = 0.0) -> Mesh:
    """Return points on an oval; a turn brings the near ones to one side."""
    angle = np.arange(468) * np.pi * (3 - 5**0.5)
    radius = np.sqrt((np.arange(468) + 0.5) / 468)
    flat = np.stack([90 * radius * np.sin(angle), 120 * radius * np.cos(angle)], axis=1)
    flat[[33, 133, 362, 263]] = [[-70, -35], [-35, -35], [35, -35], [70, -35]]
    flat[:, 0] += turn * (1 - radius**2) * 60
    points = np.zeros((468, 3), dtype=np.float32)
    points[:, :2] = flat + MIDDLE + shift
    return Mesh(points=points, confidence=30.0)


def wall(seed: int = 0) -> np.ndarray:
    """(H + 80, W + 80, 3): a soft pattern without any grid in it."""
    rough = np.random.default_rng(seed).integers(0, 256, (HEIGHT + 80, WIDTH + 80), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(rough).filter(ImageFilter.GaussianBlur(7)), dtype=float)
    soft = (soft - soft.mean()) * (35 / soft.std()) + 120
    return np.repeat(soft[..., None], 3, axis=2)


def frame(*, wall_shift=(0, 0), noise: float = 1.5, seed: int = 0, light=1.0) -> np.ndarray:
    """Return the wall, moved, in some light, as a sensor sees it."""
    along, down = wall_shift
    seen = wall()[40 - down : 40 - down + HEIGHT, 40 - along : 40 - along + WIDTH]
    grain = np.random.default_rng(seed).normal(0, noise, seen.shape)
    return np.rint(seen * light + grain).clip(0, 255).astype(np.uint8)


def sway(place: int) -> tuple[int, int]:
    return round(9 * np.sin(place * 0.7)), round(7 * np.sin(place * 0.45))


def seen(*, rigid: bool, turn: bool = False, frames: int = 24) -> list[Trace]:
    """Return the traces of a face that sways, before a wall that stays or goes along."""
    found = []
    for place in range(frames):
        shift = sway(place)
        face = mesh(shift, turn=np.sin(place * 0.5) if turn else 0.0)
        found.append(trace(frame(wall_shift=shift if rigid else (0, 0), seed=place), face))
    return found


def test_a_wall_that_goes_along_is_on_a_medium() -> None:
    assert moves_along(seen(rigid=True))


@pytest.mark.parametrize("turn", [False, True])
def test_a_wall_that_stays_is_behind_a_person(turn: bool) -> None:
    assert not moves_along(seen(rigid=False, turn=turn))


def test_a_hall_that_moves_otherwise_is_behind_a_person() -> None:
    found = []
    for place in range(24):
        along, down = sway(place)
        found.append(trace(frame(wall_shift=(-along, -down), seed=place), mesh((along, down))))
    assert not moves_along(found)


def test_a_person_who_keeps_still_says_nothing() -> None:
    still = [trace(frame(seed=place), mesh()) for place in range(12)]
    assert not moves_along(still)
    assert not is_striped(still)


def test_a_blank_wall_says_nothing() -> None:
    blank = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    assert not moves_along([trace(blank, mesh(sway(place))) for place in range(20)])


def striped(amplitude: float, *, cycles: float = 7.0, runs: float = 0.31) -> list[Trace]:
    down = np.arange(HEIGHT)[:, None, None] / HEIGHT
    found = []
    for place in range(12):
        wave = 1 + amplitude * np.sin(2 * np.pi * (cycles * down - runs * place))
        found.append(trace(frame(seed=place, light=wave), mesh()))
    return found


@pytest.mark.parametrize("cycles", [4.0, 7.5, 16.0])
def test_stripes_that_run_are_a_screens(cycles: float) -> None:
    assert is_striped(striped(0.03, cycles=cycles))


def test_faint_stripes_and_stripes_that_stand_are_none() -> None:
    assert not is_striped(striped(0.002))
    assert not is_striped(striped(0.03, runs=1.0))


def test_light_that_changes_as_a_whole_is_no_stripe() -> None:
    found = [trace(frame(seed=place, light=1 + 0.1 * (place % 2)), mesh()) for place in range(12)]
    assert not is_striped(found)


@pytest.mark.parametrize("period_px", [3.0, 4.5, 7.0])
@pytest.mark.parametrize("angle", [0.4, 0.8, 2.2])
def test_grids_that_beat_stand_out(period_px: float, angle: float) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wave = np.cos(2 * np.pi / period_px * (np.cos(angle) * x + np.sin(angle) * y))
    beating = frame(light=1 + 0.08 * wave[..., None])
    assert moire_of(beating, mesh()) > 2 * MOIRE
    for beside in ((300.0, 0.0), (-310.0, 230.0)):
        assert moire_of(beating, mesh(beside)) > MOIRE
        assert moire_of(frame(), mesh(beside)) < MOIRE
    assert moire_of(frame(), mesh()) < MOIRE / 2


def test_a_codecs_blocks_do_not() -> None:
    blocks = frame().astype(float) + 12 * ((np.arange(WIDTH) // 8) % 2)[None, :, None]
    blocks += 12 * ((np.arange(HEIGHT) // 8) % 2)[:, None, None]
    assert moire_of(blocks.clip(0, 255).astype(np.uint8), mesh()) < MOIRE


def test_in_a_picture_that_is_too_small_nobody_could_look() -> None:
    with pytest.raises(TraceError):
        moire_of(frame()[: PATCH - 1], mesh())


def test_too_few_frames_are_not_enough() -> None:
    watch = Watch()
    for each in seen(rigid=True)[: MIN_FRAMES - 1]:
        watch.add(each)
    assert not watch.enough
    assert watch.cues() == frozenset()


def test_what_was_found_is_named() -> None:
    watch = Watch()
    for each in seen(rigid=True):
        watch.add(each)
    assert watch.cues() == {Cue.RIGID_BACKGROUND}


def test_frames_of_another_size_are_refused() -> None:
    watch = Watch()
    watch.add(trace(frame(), mesh()))
    with pytest.raises(TraceError):
        watch.add(trace(frame()[:, :460], mesh()))


def test_a_trace_is_small() -> None:
    found = trace(frame(), mesh())
    assert found.small.shape == (120, 160)
    assert found.points.shape == (len(STABLE), 2)
    assert found.eye_distance == pytest.approx(105 / 4)
