"""What the layers say of sights that were made up: clean before, foul after, or not to be read."""

from __future__ import annotations

import numpy as np
import pytest
from vision_material import LOOK, SKIN, Room, sight

from kiosk.vision.layers import Layers, Seen

FOUL = 80.0
"""A moire that a rendered screen gives; a person's is 10 here."""


def layers(*sights) -> Layers:
    found = Layers(SKIN)
    for each in sights:
        found.follow(each)
        found.look(each)
    return found


def moving(frames: int, **how) -> list:
    """A face that is nowhere twice: no two frames of one scene."""
    return [sight(0.1 * place, shift_px=10.0 * place, **how) for place in range(frames)]


def still(frames: int, **how) -> list:
    return [sight(0.1 * place, **how) for place in range(frames)]


def pass_after(room: Room, **how) -> None:
    """Be asked, and do it before something else than before."""
    room.ask("left")
    room.see(1, **how)
    room.see(3, yaw=24, **how)
    room.see(4, **how)


@pytest.mark.parametrize("foul", [{"moire": FOUL}, {"skin": -10.0}], ids=["moire", "texture"])
@pytest.mark.parametrize("waited", [0, 3 * LOOK, 20 * LOOK])
def test_waiting_cleanly_dilutes_nothing(foul, waited: int) -> None:
    room = Room(turn=None)
    room.see(LOOK + waited)
    pass_after(room, **foul)
    assert (room.last.live, room.examination.met) == ("failed", True)


def test_what_was_seen_before_anything_was_asked_is_not_held_against_anybody() -> None:
    room = Room(turn=None)
    room.see(3 * LOOK, moire=FOUL)
    pass_after(room)
    assert room.last.live == "passed"


@pytest.mark.parametrize("one", [60.0, 1e9, float("inf")])
def test_one_frame_outweighs_no_others(one: float) -> None:
    scores = [-10.0, one, -10.0]
    assert layers(*(sight(0.1, skin=each) for each in scores)).texture is Seen.SOMETHING
    people = [5.0, -one, 5.0]
    assert layers(*(sight(0.1, skin=each) for each in people)).texture is Seen.NOTHING_WRONG


def test_a_surface_whose_score_is_no_number_was_not_looked_at() -> None:
    assert layers(*still(5, skin=float("nan"))).texture is Seen.COULD_NOT_LOOK


def test_a_surface_that_is_foul_of_late_is_foul() -> None:
    found = layers(*still(200), *still(20, skin=-10.0, moire=FOUL))
    assert found.texture is Seen.SOMETHING
    found = layers(*still(200), *still(120, moire=FOUL))
    assert found.traces is Seen.SOMETHING


@pytest.mark.parametrize("unread", [float("nan"), 0.0, float("inf")])
def test_where_neither_grids_nor_stripes_can_be_read_nobody_looked(unread: float) -> None:
    found = layers(*moving(12, moire=unread, behind_px=None))
    assert found.traces is Seen.COULD_NOT_LOOK
    assert found.verdict is Seen.COULD_NOT_LOOK


@pytest.mark.parametrize(
    "sights",
    [moving(12, behind_px=None), still(12, moire=0.0), still(12, moire=0.0, behind_px=None)],
    ids=["grids", "stripes", "stripes before a plain wall"],
)
def test_one_of_them_is_enough(sights) -> None:
    assert layers(*sights).traces is Seen.NOTHING_WRONG


def test_a_wall_that_goes_along_is_seen_whatever_else_cannot_be_read() -> None:
    sways = [40 * np.sin(0.7 * place) for place in range(24)]
    rigid = [sight(0.1, shift_px=sway, behind_px=sway, moire=0.0) for sway in sways]
    stays = [sight(0.1, shift_px=sway, moire=0.0) for sway in sways]
    assert layers(*stays).traces is Seen.COULD_NOT_LOOK
    assert layers(*rigid).traces is Seen.SOMETHING


def test_a_person_moves_before_a_wall_and_a_medium_with_it() -> None:
    for along, live in ((0.0, "passed"), (1.0, "failed"), (None, "passed")):
        room = Room(turn=None)
        room.see(LOOK)
        room.ask("left")
        for place in range(14):
            sway = 12.0 * np.sin(0.7 * place)
            behind_px = None if along is None else along * sway
            room.see(shift_px=sway, behind_px=behind_px)
            if place == 7:
                room.see(3, yaw=24, shift_px=sway, behind_px=behind_px)
        assert room.last.live == live, along
