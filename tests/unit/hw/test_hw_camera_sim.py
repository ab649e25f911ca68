"""The simulated camera: the contract, who moves on cue and how, and what its URL may say."""

from __future__ import annotations

import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from camera_material import HEIGHT, MIDDLE, NOSE_TIP, WIDTH, coloured_by_place, mark_x, marked, mesh
from contract_camera import FPS, CameraContract
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.camera import portrait
from hw.camera.attack import tape
from hw.camera.controls import Controls
from hw.camera.head import BACKDROP_RGB
from hw.camera.port import Cue, Frame
from hw.camera.sim import KEPT_POSES, TURN_DEG, TURN_S, HeadCamera, _Motion
from hw.errors import BadDeviceURL, DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

SIZE_PX = (WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads") / "head.npz"
    path.write_bytes(portrait.to_bytes(marked(), mesh()))
    return path


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("red") / "head.npz"
    card = np.full((HEIGHT, WIDTH, 3), (200, 30, 40), np.uint8)
    path.write_bytes(portrait.to_bytes(card, mesh()))
    return path


@pytest.fixture
def make(file: Path):
    opened: list[HeadCamera] = []

    def one(**options: object) -> HeadCamera:
        camera = HeadCamera(file, **{"fps": FPS, "size_px": SIZE_PX, "noise": 0, **options})
        camera.open()
        opened.append(camera)
        return camera

    yield one
    for camera in opened:
        camera.close()


class TestContract(CameraContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self, file: Path, red: Path):
        class HeadRig:
            def camera(self) -> HeadCamera:
                return HeadCamera(file, fps=FPS, size_px=SIZE_PX)

            def red(self) -> HeadCamera:
                return HeadCamera(red, fps=FPS, size_px=SIZE_PX)

            def broken(self) -> HeadCamera:
                return HeadCamera(file.parent, fps=FPS)

        return HeadRig()


class TestPrintContract(CameraContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self, file: Path, red: Path):
        class PrintRig:
            def camera(self) -> HeadCamera:
                return HeadCamera(file, fps=FPS, size_px=SIZE_PX, flat=True)

            def red(self) -> HeadCamera:
                return HeadCamera(red, fps=FPS, size_px=SIZE_PX, flat=True)

            def broken(self) -> HeadCamera:
                return HeadCamera(file.with_name("none.npz"), fps=FPS, flat=True)

        return PrintRig()


def during(camera: HeadCamera, seconds: float) -> list[Frame]:
    until = time.monotonic() + seconds
    frames = []
    for frame in camera.frames():
        frames.append(frame)
        if time.monotonic() > until:
            return frames
    raise AssertionError


def test_left_is_the_persons_own_left_and_lies_on_the_right_of_the_picture(make) -> None:
    camera = make()
    ahead = mark_x(next(camera.frames()).rgb)
    assert ahead == pytest.approx(MIDDLE[0], abs=1)
    places = {}
    for cue in (Cue.TURN_LEFT, Cue.TURN_RIGHT, Cue.LOOK_AHEAD):
        camera.cue(cue)
        places[cue] = mark_x(during(camera, 1.15 * TURN_S)[-1].rgb) - ahead
    assert places[Cue.TURN_LEFT] > 12
    assert places[Cue.TURN_RIGHT] < -12
    assert abs(places[Cue.LOOK_AHEAD]) < 3


def test_a_turn_is_smooth_and_takes_its_time(make) -> None:
    camera = make()
    camera.cue(Cue.TURN_LEFT)
    begun = time.monotonic_ns()
    yaw = [camera._pose(begun + step * 50_000_000, 1).yaw_deg for step in range(25)]
    assert yaw == sorted(yaw)
    assert yaw[0] <= 1
    assert yaw[-1] == pytest.approx(TURN_DEG, abs=1)
    assert max(b - a for a, b in pairwise(yaw)) <= 4
    half_way = next(step for step, at in enumerate(yaw) if at >= TURN_DEG / 2) * 0.05
    assert half_way == pytest.approx(TURN_S / 2, abs=0.11)


def test_a_cue_repeated_changes_nothing(make) -> None:
    camera = make()
    ahead = mark_x(next(camera.frames()).rgb)
    until = time.monotonic() + 1.3 * TURN_S
    while time.monotonic() < until:
        camera.cue(Cue.TURN_LEFT)
        left = mark_x(next(camera.frames()).rgb)
    assert left - ahead > 12


@settings(deadline=None)
@given(st.floats(0, 1.2), st.floats(0, 1.2))
def test_a_cue_that_comes_during_a_turn_is_followed_from_there(first: float, then: float) -> None:
    at_ns = int(first * TURN_S * 1e9)
    turning = _Motion().towards(1.0, 0)
    assert turning.towards(1.0, at_ns) is turning
    back = turning.towards(-1.0, at_ns)
    assert back.side(at_ns) == turning.side(at_ns)
    assert -1 <= back.side(at_ns + int(then * TURN_S * 1e9)) <= back.side(at_ns)
    assert back.side(at_ns + int(1.01 * TURN_S * 1e9)) == pytest.approx(-1)


def test_who_looks_ahead_sways_a_little(make) -> None:
    camera = make(fps=10)
    frames = [camera._pose(0, seq) for seq in range(120)]
    assert {abs(pose.yaw_deg) for pose in frames} == {0, 1}
    assert {abs(pose.pitch_deg) for pose in frames} == {0, 1}
    assert any(a != b for a, b in pairwise(frames))


def test_who_is_asked_to_blink_does_so_again_until_something_else_is_asked(make) -> None:
    camera = make(fps=10)
    camera.cue(Cue.BLINK)
    begun_ns = camera._blink_ns
    shut = [camera._pose(begun_ns + int(at_s * 1e9), 1).shut for at_s in np.arange(0.1, 6, 0.25)]
    closings = sum(b > 0.5 >= a for a, b in pairwise(shut))
    assert (closings, max(shut), min(shut)) == (3, 1.0, 0.0)
    camera.cue(Cue.LOOK_AHEAD)
    assert camera._pose(begun_ns + int(0.7e9), 1).shut == 0


def test_the_same_frame_of_the_same_portrait_is_the_same(make) -> None:
    seen: dict[int, np.ndarray] = {}
    for _ in range(2):
        for frame in islice(make().frames(), 8):
            assert np.array_equal(seen.setdefault(frame.seq, frame.rgb), frame.rgb)


def test_few_pictures_are_kept_and_none_can_be_painted_over(make) -> None:
    camera = make(fps=200)
    for cue in (Cue.TURN_LEFT, Cue.TURN_RIGHT, Cue.LOOK_AHEAD):
        camera.cue(cue)
        for frame in during(camera, TURN_S):
            assert not frame.rgb.flags.writeable
            assert len(camera._drawn) <= KEPT_POSES
    camera.close()
    assert not camera._drawn


def test_a_print_turns_as_a_whole_and_tilts(make) -> None:
    camera = make(flat=True)
    corner = next(camera.frames()).rgb
    assert (corner[:8] == BACKDROP_RGB).all()
    camera.cue(Cue.TURN_LEFT)
    turned = during(camera, 1.15 * TURN_S)[-1].rgb
    paper = ~(turned == BACKDROP_RGB).all(axis=2)
    left, right = np.flatnonzero(paper.any(axis=0))[[0, -1]]
    # What turns to its own left has its left edge, on the right-hand side, farther away.
    assert paper[:, left + 4].sum() > paper[:, right - 4].sum() + 20
    assert abs(mark_x(turned) - MIDDLE[0]) < 3


def test_a_recording_does_what_it_shows_and_not_what_is_asked(make) -> None:
    camera = make(recorded=[Cue.TURN_LEFT])
    places = []
    first_act_s = tape([Cue.TURN_LEFT], np.random.default_rng(0))[0][0]
    until = time.monotonic() + first_act_s + 1.15 * TURN_S
    for frame in camera.frames():
        camera.cue(Cue.TURN_RIGHT)
        places.append(mark_x(frame.rgb) - MIDDLE[0])
        if time.monotonic() > until:
            break
    assert places[-1] > 12
    assert min(places) > -3
    assert max(places[: len(places) // 3]) < 3


def test_a_recording_is_the_same_each_time_and_begins_with_its_first_frame(make) -> None:
    camera = make(recorded=[Cue.TURN_LEFT, Cue.BLINK])
    begun = list(camera._tape)
    assert [cue for _, cue in begun[:4]] == [
        Cue.TURN_LEFT, Cue.LOOK_AHEAD, Cue.BLINK, Cue.LOOK_AHEAD
    ]  # fmt: skip
    time.sleep(1.1 * begun[0][0])
    next(camera.frames())
    assert camera._tape == begun
    camera._play(begun[2][0], time.monotonic_ns())
    assert camera._blink_ns is not None
    camera._play(begun[3][0], time.monotonic_ns())
    assert camera._tape == begun[4:]
    camera.close()
    camera.open()
    assert camera._tape == begun


def test_a_url_puts_a_recording_in(file: Path) -> None:
    asked = {"file": str(file), "replay": "turn_left,blink"}
    assert HeadCamera.from_url_query(asked)._recorded == (Cue.TURN_LEFT, Cue.BLINK)
    assert HeadCamera.from_url_query({"file": str(file)})._recorded == ()


def test_nobody_one_and_three(make) -> None:
    nobody = next(make(faces=0).frames()).rgb
    assert (nobody == BACKDROP_RGB).all()
    three = next(make(faces=3).frames()).rgb
    assert three.shape == (HEIGHT, WIDTH, 3)
    red = (three[..., 0] > 200) & (three[..., 1] < 60)
    columns = np.flatnonzero(red.any(axis=0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 20) + 1)
    assert len(groups) == 3
    gaps = [b.mean() - a.mean() for a, b in pairwise(groups)]
    assert gaps == [WIDTH // 3, WIDTH // 3]


def test_the_first_frame_is_drawn_when_the_camera_opens(file: Path) -> None:
    camera = HeadCamera(file)
    frames = camera.frames()
    begun = time.process_time()
    camera.open()
    opened = time.process_time()
    first = next(frames)
    assert first.rgb.shape == (480, 640, 3)
    assert opened - begun < 1
    assert time.process_time() - opened < (opened - begun) / 5
    camera.close()


def test_a_portrait_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        HeadCamera(tmp_path / "none.npz").open()
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"PK\x03\x04")
    with pytest.raises(DeviceFailed):
        HeadCamera(bad).open()
    points = mesh()
    points[NOSE_TIP, 2] = -WIDTH + 1
    bad.write_bytes(portrait.to_bytes(coloured_by_place(), points))
    camera = HeadCamera(bad)
    with pytest.raises(DeviceFailed):
        camera.open()
    with pytest.raises(DeviceFailed):
        next(camera.frames())


def test_a_url_chooses(file: Path) -> None:
    camera = HeadCamera.from_url_query(
        {"file": str(file), "flat": "1", "fps": "25", "size": "320x240", "faces": "3"}
    )
    camera.open()
    assert next(camera.frames()).rgb.shape == (240, 320, 3)
    camera.close()


@pytest.mark.parametrize(
    "options",
    [
        {"flat": "yes"},
        {"flat": ""},
        {"fps": "0"},
        {"fps": "nan"},
        {"fps": "fast"},
        {"size": "640"},
        {"size": "640x480x3"},
        {"size": "159x120"},
        {"size": "9999x9999"},
        {"size": "\uff16\uff14\uff10x480"},
        {"faces": "2"},
        {"faces": "-1"},
        {"faces": "one"},
        {"blink": "1"},
        {"file": ""},
        {"replay": ""},
        {"replay": "turn_left,"},
        {"replay": "look_ahead"},
        {"replay": "left"},
        {"replay": ",".join(["blink"] * 9)},
    ],
)
def test_a_url_that_asks_for_something_else_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(BadDeviceURL) as caught:
        HeadCamera.from_url_query({"file": "/home/of/someone.npz", **options})
    assert "someone" not in str(caught.value)


def test_a_dark_hall_is_as_light_as_the_camera_is_told(make) -> None:
    normal, dark = make(noise=0), make(noise=0, dim_ev=2.0)
    light = next(normal.frames()).rgb.mean()
    assert next(dark.frames()).rgb.mean() < 0.6 * light
    dark.set_controls(Controls(exposure_bias_ev=2.0))
    assert next(dark.frames()).rgb.mean() == pytest.approx(light, abs=0.5)
    dark.close()
    dark.open()
    assert next(dark.frames()).rgb.mean() < 0.6 * light


@pytest.mark.parametrize("dim", [-0.1, 8.1, float("nan")])
def test_how_dark_a_hall_can_be_is_bounded(file: Path, dim: float) -> None:
    with pytest.raises(ValueError, match="dim"):
        HeadCamera(file, dim_ev=dim)
