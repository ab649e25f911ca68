"""A lamp of our own on made-up faces: skin follows it, recordings and dark lamps do not."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.face.flash import Colour, FlashError, Lit, Response, light_of, response
from models.face.mesh import Mesh

LAMP = {Colour.RED: (1, 0, 0), Colour.GREEN: (0, 1, 0), Colour.BLUE: (0, 0, 1)}
ORDERS = [
    order
    for order in product(Colour, repeat=4)
    if all(a != b for a, b in pairwise(order)) and len(set(order)) == 3
]


SKIN = (180.0, 130.0, 110.0)


def faces(shown, *, lamp: float, skin=SKIN, played=None, seed: int = 0) -> list[Lit]:
    """Return three frames of each flash; a recording was lit by another order, `played`."""
    chance = np.random.default_rng(seed)
    found = []
    for colour, lit_by in zip(shown, played or shown, strict=True):
        for _ in range(3):
            light = np.array(skin) * (1 + lamp * np.array(LAMP[lit_by]))
            seen = light * chance.uniform(0.9, 1.1) + chance.normal(0, 0.3, 3)
            found.append(Lit(colour, tuple(seen)))
    return found


@given(
    st.sampled_from(ORDERS),
    st.floats(0.12, 0.6),
    st.tuples(*[st.floats(60, 220)] * 3),
    st.integers(0, 99),
)
def test_skin_follows_the_lamp_whatever_its_colour(order, lamp, skin, seed) -> None:
    assume(max(skin) < 2 * min(skin))
    assert response(faces(order, lamp=lamp, skin=skin, seed=seed)) is Response.FOLLOWED


def test_a_recording_of_another_order_does_not() -> None:
    passed = [
        (order, played)
        for order in ORDERS
        for played in ORDERS
        if order != played and response(faces(order, lamp=0.3, played=played)) is Response.FOLLOWED
    ]
    assert passed == []


@given(st.sampled_from(ORDERS), st.integers(0, 99))
def test_light_that_is_the_same_all_the_time_says_nothing(order, seed: int) -> None:
    assert response(faces(order, lamp=0.0, seed=seed)) is Response.TOO_FAINT


def test_a_lamp_that_can_hardly_be_seen_says_nothing() -> None:
    assert response(faces(ORDERS[0], lamp=0.02)) is Response.TOO_FAINT


def test_too_little_cannot_be_judged() -> None:
    whole = faces(ORDERS[0], lamp=0.3)
    with pytest.raises(FlashError):
        response(whole[:9])
    with pytest.raises(FlashError):
        response([])
    with pytest.raises(FlashError):
        response(whole[:10])
    two = [Colour.RED, Colour.BLUE] * 3
    with pytest.raises(FlashError):
        response(faces(two, lamp=0.3))


def test_the_light_is_that_of_the_middle_of_the_face() -> None:
    points = np.zeros((468, 3), dtype=np.float32)
    points[:, 0], points[:, 1] = np.linspace(40, 60, 468), np.linspace(30, 50, 468)
    rgb = np.zeros((100, 100, 3), dtype=np.uint8)
    rgb[20:60, 30:70] = 200, 100, 50
    assert light_of(rgb, Mesh(points=points, confidence=30)) == (200, 100, 50)
    outside = Mesh(points=points + 500, confidence=30)
    assert light_of(rgb, outside) == (0, 0, 0)
