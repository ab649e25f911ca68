"""Grown fingerprints: the same each time, nobody's, with ridges as far apart as on a finger."""

from __future__ import annotations

import numpy as np
import pytest

from tram.parts.finger_press import HEIGHT_PX, RIDGE_PX, WIDTH_PX, Pressed, touch


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_a_touch_is_the_same_each_time_and_another_the_next() -> None:
    first = touch(7, number=1)
    assert first.shape == (HEIGHT_PX, WIDTH_PX)
    assert np.array_equal(first, touch(7, number=1))
    assert not np.array_equal(first, touch(7, number=2))


def test_the_same_finger_pressed_alike_is_alike_and_another_is_not() -> None:
    still = Pressed(noise=0.0)
    pressed = touch(7, still, number=1)
    assert likeness(pressed, touch(7, still, number=2)) > 0.99
    middle = np.s_[100:300, 80:240]
    assert abs(likeness(pressed[middle], touch(8, still)[middle])) < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_ridges_are_as_far_apart_as_on_a_finger(seed: int) -> None:
    middle = touch(seed, Pressed(noise=0.0))[136:264, 96:224].astype(np.float64)
    power = np.abs(
        np.fft.fft2((middle - middle.mean()) * np.hanning(128)[:, None] * np.hanning(128))
    )
    down, right = np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :]
    frequency = float((np.hypot(down, right) * power).sum() / power.sum())
    peak = np.hypot(
        *(
            axis.ravel()[at]
            for axis, at in zip(
                (down, right), np.unravel_index(power.argmax(), power.shape), strict=True
            )
        )
    )
    assert 0.8 < peak * RIDGE_PX < 1.25
    assert frequency < 0.3


def test_where_a_finger_is_not_there_is_no_ridge() -> None:
    corner = touch(3, Pressed(noise=0.0))[:20, :20]
    assert corner.min() > 230
