"""Who does what is asked, who plays a tape, and what paper, screens and lenses do to a picture."""

from __future__ import annotations

import numpy as np
import pytest
from camera_material import HEIGHT, WIDTH, coloured_by_place, mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.camera import portrait
from hw.camera.attack import ATTACKS, Cast, Kind, Scene
from hw.camera.fresh import Freshness
from hw.camera.head import Head, Pose
from hw.camera.optics import Lens, Paper, Screen
from hw.camera.port import Cue, Frame

SIZE_PX = (WIDTH, HEIGHT)
NS = 1_000_000_000


@pytest.fixture(scope="module")
def cast() -> Cast:
    found = portrait.parse(portrait.to_bytes(coloured_by_place(), mesh()))
    return Cast({"holder": found, "other": found}, size_px=SIZE_PX)


def head(**how: object) -> Head:
    found = portrait.parse(portrait.to_bytes(coloured_by_place(), mesh()))
    return Head(found, width=WIDTH, height=HEIGHT, **how)


def scene(cast: Cast, kind: Kind, *, seed: int = 0, recorded: tuple[Cue, ...] = ()) -> Scene:
    return Scene(kind, cast, "holder", "other", np.random.default_rng(seed), recorded)


def test_eyes_close_on_a_head_and_on_a_print_with_holes_and_on_no_other() -> None:
    for how, closes in (({}, True), ({"flat": True, "holes": True}, True), ({"flat": True}, False)):
        before = head(**how)
        changed = (before.render(Pose(shut=1.0)) != before.render(Pose())).any(axis=2)
        assert changed.any() == closes
        if closes:
            rows = np.flatnonzero(changed.any(axis=1))
            assert np.ptp(rows) < HEIGHT / 3, "only about the eyes"


def test_lids_fall_in_steps() -> None:
    one = head()
    shut = [one.render(Pose(shut=each)).astype(int) for each in (0, 0.25, 0.5, 0.75, 1)]
    gaps = [int(np.abs(each - shut[0]).sum()) for each in shut]
    assert gaps[0] == 0
    assert len(set(gaps)) == 5


def test_a_bent_print_looks_flat_from_the_front_and_from_no_other_side() -> None:
    """It is printed so that it does: the more cunning of two."""
    for turn, most, least in ((0, 3, 0), (20, 255, 4)):
        flat, bent = (head(flat=True, bend=bend).render(Pose(turn)) for bend in (0.0, 0.35))
        gap = np.abs(flat.astype(int) - bent.astype(int)).mean()
        assert least <= gap <= most


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_gives_frames(cast: Cast, kind: Kind) -> None:
    playing = scene(cast, kind, recorded=(Cue.TURN_LEFT, Cue.BLINK))
    for seq in range(4):
        shown = playing.frame(seq, seq / 8)
        assert (shown.rgb.shape, shown.rgb.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        playing.cue(Cue.TURN_LEFT, seq / 8)


@pytest.mark.parametrize("kind", Kind)
def test_only_what_is_injected_is_not_fresh(cast: Cast, kind: Kind) -> None:
    playing, fresh = scene(cast, kind, recorded=(Cue.TURN_LEFT,)), Freshness()
    for seq in range(45):
        shown = playing.frame(seq, 1 + seq / 8)
        frame = Frame(shown.rgb, int(shown.taken_s * NS), shown.seq)
        fresh.take(frame, now_ns=int((1 + seq / 8) * NS))
    assert (fresh.flaw is not None) == (kind in {Kind.INJECTED_LOOP, Kind.INJECTED_GAP})


def yaw(cast: Cast, kind: Kind, cue: Cue, **how: object) -> float:
    playing = scene(cast, kind, **how)
    playing.frame(0, 0.0)
    playing.cue(cue, 0.1)
    playing.frame(1, 3.5)
    return playing._actor.pose(3.5).yaw_deg


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_a_person_turns_as_asked_and_a_hasty_one_does_not(seed: int) -> None:
    found = portrait.parse(portrait.to_bytes(coloured_by_place(), mesh()))
    cast = Cast({"holder": found, "other": found}, size_px=SIZE_PX)
    assert yaw(cast, Kind.PERSON, Cue.TURN_LEFT, seed=seed) >= 18
    assert yaw(cast, Kind.HASTY_PERSON, Cue.TURN_LEFT, seed=seed) <= -18


def test_a_tape_hears_nobody(cast: Cast) -> None:
    left = [
        yaw(cast, Kind.REPLAY, cue, recorded=(Cue.TURN_LEFT, Cue.TURN_LEFT))
        for cue in (Cue.TURN_LEFT, Cue.TURN_RIGHT, Cue.BLINK)
    ]
    assert len(set(left)) == 1


def test_every_kind_is_an_attack_or_a_person() -> None:
    assert set(Kind) - set(ATTACKS) == {Kind.PERSON, Kind.HASTY_PERSON}


# optics

SCENE = coloured_by_place()


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_each_medium_gives_a_picture_of_the_same_size_and_another_look(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for shown in (
        Paper.drawn(chance).show(SCENE),
        Screen.drawn(chance).show(SCENE, 0.5),
        Lens.drawn(chance).see(SCENE, chance),
    ):
        assert (shown.shape, shown.dtype) == (SCENE.shape, np.uint8)
        assert (shown != SCENE).any()


def test_paper_has_less_range_and_a_good_screen_no_grid() -> None:
    black_and_white = np.repeat(np.array([[0], [255]], dtype=np.uint8), 64, axis=0)
    sheet = np.repeat(np.repeat(black_and_white, 128, axis=1)[..., None], 3, axis=2)
    printed = Paper.drawn(np.random.default_rng(1)).show(sheet)
    assert printed[:40].mean() > 15
    assert printed[-40:].mean() < 245
    flat = np.full((128, 128, 3), 128, dtype=np.uint8)
    rough = [
        float(np.abs(np.diff(Screen.drawn(np.random.default_rng(1), good=good).show(flat)[..., 1]
                             .astype(int), axis=1)).mean())
        for good in (True, False)
    ]  # fmt: skip
    assert rough[0] < 0.2 < rough[1]


def test_no_two_pictures_of_a_lens_are_equal() -> None:
    chance = np.random.default_rng(0)
    lens = Lens.drawn(chance)
    seen = {lens.see(SCENE, chance).tobytes() for _ in range(5)}
    assert len(seen) == 5
