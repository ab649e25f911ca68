"""A head that turns passes, whatever side it is asked for; a picture that is slanted never does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from face_material import DATA, NAMES, READY, WHY_NOT, frontal, look, read, slanted, turned

from models.face.liveness import MIN_TURN_DEG, STABLE, Progress, Turn, TurnChallenge, measure
from models.face.mesh import Mesh
from models.face.quality import pose_of

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)
NAN = float("nan")
FLAT_YAW = (-45, -30, -15, 15, 30, 45)
FLAT_PITCH = (-30, 0, 30)
SLANTS = [*product(FLAT_YAW, FLAT_PITCH), (30, 45), (-45, -45), (45, 45)]


@cache
def head(name, yaw):
    return look(turned(name, yaw=yaw))


def ahead(name):
    return frontal(name)[1]


def asked(direction, name="obama"):
    return TurnChallenge(direction, reference=ahead(name))


def test_the_points_are_thirty_four_and_each_counts_once():
    assert len(set(STABLE)) == len(STABLE) == 34
    assert all(0 <= each < 468 for each in STABLE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("direction", "sign"), [("left", 1), ("right", -1)])
def test_a_head_that_turns_as_asked_and_comes_back_passes(name, direction, sign):
    challenge = asked(direction, name)
    steps = [0, 10, 23, 25, 23, 18, 0]
    said = [challenge.feed(head(name, sign * yaw)) for yaw in steps]
    assert said[:3] == [Progress.WAITING] * 3
    assert Progress.PASSED not in said[:-1]
    assert said[-1] is Progress.PASSED


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_picture_never_turns_however_it_is_slanted(name):
    for yaw, pitch in SLANTS:
        found = look(slanted(name, yaw=yaw, pitch=pitch))
        if found is not None:
            turn = measure(ahead(name), found)
            assert not (abs(turn.yaw_deg) >= MIN_TURN_DEG and turn.solid)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", ["left", "right"])
def test_a_flat_picture_waved_about_does_not_pass(name, direction):
    challenge = asked(direction, name)
    for yaw in (0, 30, 40, 45, 20, 0, -30, -40, -45, -20, 0):
        found = look(slanted(name, yaw=yaw))
        said = challenge.feed(found) if found is not None else challenge.lost()
        assert said in {Progress.WAITING, Progress.FAILED}


def test_turning_the_other_way_fails_for_good():
    challenge = asked("left")
    for yaw in (0, -25, -25, 0, 25, 25, 0):
        said = challenge.feed(head("obama", yaw))
    assert said is Progress.FAILED
    assert challenge.lost() is Progress.FAILED


def test_one_frame_is_not_enough():
    challenge = asked("left")
    assert [challenge.feed(head("obama", yaw)) for yaw in (0, 25, 0, 0)] == [Progress.WAITING] * 4


def test_who_does_not_come_back_has_not_passed():
    challenge = asked("left")
    for _ in range(20):
        said = challenge.feed(head("obama", 25))
    assert said is Progress.TURNED


def test_a_face_that_was_lost_begins_again():
    challenge = asked("left")
    challenge.feed(head("obama", 25))
    assert challenge.feed(head("obama", 25)) is Progress.TURNED
    assert challenge.lost() is Progress.WAITING
    assert challenge.feed(ahead("obama")) is Progress.WAITING
    no_face = Mesh(points=ahead("obama").points, confidence=3.0)
    challenge.feed(head("obama", 25))
    assert challenge.feed(no_face) is Progress.WAITING
    assert challenge.feed(head("obama", 25)) is Progress.WAITING


def test_a_challenge_needs_a_face_and_a_side():
    no_face = Mesh(points=ahead("obama").points, confidence=3.0)
    with pytest.raises(ValueError, match="face"):
        TurnChallenge("left", reference=no_face)
    with pytest.raises(ValueError, match="direction"):
        TurnChallenge("up", reference=ahead("obama"))


@pytest.mark.parametrize(("yaw", "low", "high"), [(25, 12, 25), (-25, -25, -12), (0, -0.5, 0.5)])
def test_left_is_the_persons_own_left(yaw, low, high):
    for name in NAMES:
        assert low <= measure(ahead(name), head(name, yaw)).yaw_deg <= high


@pytest.mark.parametrize(
    "change", [{"residual": 0.0499}, {"rigidity": 0.879}, {"tilt_deg": 9.1}, {"residual": NAN}]
)
def test_every_limit_alone_keeps_a_turn_from_being_solid(change):
    turn = Turn(yaw_deg=20.0, residual=0.05, rigidity=0.88, tilt_deg=9.0)
    assert turn.solid
    assert not replace(turn, **change).solid


def test_points_that_collapse_prove_nothing():
    points = ahead("obama").points * 0 + 7
    turn = measure(ahead("obama"), Mesh(points=points, confidence=50.0))
    assert not turn.solid


@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/faces/orl")
def test_real_heads_that_look_aside_are_solid():
    folder = Path(DATA, "data", "faces", "orl")
    far, solid = 0, 0
    for person in range(21, 41):
        shots = [look(read(folder / f"s{person}_{shot}.png")) for shot in range(1, 11)]
        reference = min(shots, key=lambda each: abs(pose_of(each).yaw_deg))
        turns = [measure(reference, each) for each in shots if each is not reference]
        aside = [each for each in turns if abs(each.yaw_deg) >= 15]
        far += len(aside)
        solid += sum(each.solid for each in aside)
    print(f"ORL s21-s40: {far} pictures turned 15 degrees or more from the frontal, {solid} solid")
    assert far >= 15
    assert solid / far >= 0.7
