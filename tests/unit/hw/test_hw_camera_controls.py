"""Exposure for the face: where it ends, that it rests there, that the next person begins anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.camera.controls import (
    DEAD_EV,
    FORGET_S,
    GAMMA,
    MAX_BIAS_EV,
    SETTLE_S,
    TARGET_LUMA,
    Controls,
    FaceExposure,
)


def watched(luma_at_zero: float, *, seconds: float = 12.0) -> tuple[float, float, int]:
    """Return the luma at the end, the bias, and how often it was changed; a frame each 0.1 s."""
    exposure, bias, changes = FaceExposure(), 0.0, 0
    for frame in range(int(seconds * 10)):
        luma = min(luma_at_zero * 2 ** (bias / GAMMA), 255.0)
        controls = exposure.see(luma, at_s=frame / 10)
        if controls is not None:
            assert controls.white_balance_k is None
            bias, changes = controls.exposure_bias_ev, changes + 1
    return min(luma_at_zero * 2 ** (bias / GAMMA), 255.0), bias, changes


@given(st.floats(20, 255))
def test_a_face_in_any_light_ends_near_the_target_and_rests(luma: float) -> None:
    ended, bias, changes = watched(luma)
    off = abs(ended - TARGET_LUMA) <= TARGET_LUMA * (2 ** (DEAD_EV / GAMMA) - 1) + 1
    assert off or abs(bias) == MAX_BIAS_EV
    assert changes <= 4


def test_a_face_that_is_lit_well_is_left_in_peace() -> None:
    for luma in (95.0, 120.0, 160.0):
        assert watched(luma)[2] == 0


def test_a_change_is_waited_for() -> None:
    exposure = FaceExposure()
    assert exposure.see(40.0, at_s=0.0) == Controls(exposure_bias_ev=1.0)
    assert exposure.see(40.0, at_s=SETTLE_S - 0.01) is None
    assert exposure.see(40.0, at_s=SETTLE_S) == Controls(exposure_bias_ev=2.0)


def test_the_next_person_begins_with_the_cameras_own_exposure() -> None:
    exposure = FaceExposure()
    assert exposure.see(40.0, at_s=0.0) is not None
    assert exposure.see(None, at_s=FORGET_S - 0.1) is None
    assert exposure.see(None, at_s=FORGET_S + 0.1) == Controls()
    assert exposure.see(None, at_s=FORGET_S + 9.0) is None


@pytest.mark.parametrize("bias", [3.1, -3.1, float("nan"), float("inf")])
def test_a_bias_is_bounded(bias: float) -> None:
    with pytest.raises(ValueError, match="bias"):
        Controls(exposure_bias_ev=bias)


@pytest.mark.parametrize("kelvin", [0, 1999, 10_001])
def test_white_balance_is_bounded(kelvin: int) -> None:
    with pytest.raises(ValueError, match="white balance"):
        Controls(white_balance_k=kelvin)
