from __future__ import annotations

import pytest
from sim_material import script, stream

from emrtd.sim._curves import CURVES


@pytest.mark.parametrize("name", [name for name, curve in CURVES.items() if curve.keys])
def test_both_libraries_mean_the_same_curve(name: str) -> None:
    curve = CURVES[name]
    number = curve.private_number(stream(name))
    public = curve.private_key(stream(name)).public_key().public_numbers()
    point = curve.points.generator * number
    assert (point.x(), point.y()) == (public.x, public.y)


def test_a_draw_has_as_many_bits_as_the_order() -> None:
    assert CURVES["P-521"].private_number(script("00" * 65 + "80", "")) == 1
    assert CURVES["P-256"].private_number(script("00" * 31 + "01")) == 1


@pytest.mark.parametrize("unusable", ["00" * 32, "FF" * 32])
def test_what_is_out_of_range_is_drawn_again(unusable: str) -> None:
    for name in ("P-256", "brainpoolP256r1"):
        assert CURVES[name].private_number(script(unusable, "00" * 31 + "02")) == 2


def test_a_dead_source_is_noticed() -> None:
    with pytest.raises(ValueError, match="randomness"):
        CURVES["P-256"].private_number(bytes)


def test_a_curve_without_signatures_makes_no_signing_key() -> None:
    with pytest.raises(ValueError, match="no signatures"):
        CURVES["brainpoolP320r1"].private_key(stream("x"))
