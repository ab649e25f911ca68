"""A dead lens and swapped colours are the camera's failure, and nothing shorter is."""

from __future__ import annotations

import numpy as np
import pytest

from hw.errors import DeviceFailed
from kiosk.vision.lens import BLACK_S, COLD, COLD_FACES, Lens

BLACK = np.zeros((48, 64, 3), np.uint8)
HALL = np.full((48, 64, 3), 40, np.uint8)


def test_a_black_lens_fails_after_a_while() -> None:
    lens = Lens()
    lens.see(BLACK, at_s=10.0, warmth=None)
    lens.see(BLACK, at_s=10.0 + BLACK_S - 0.1, warmth=None)
    with pytest.raises(DeviceFailed):
        lens.see(BLACK, at_s=10.0 + BLACK_S, warmth=None)


def test_a_hand_before_the_lens_is_forgiven() -> None:
    lens = Lens()
    for at_s in range(40):
        lens.see(HALL if at_s % 4 == 0 else BLACK, at_s=float(at_s), warmth=None)


def test_noise_in_the_dark_is_still_black() -> None:
    noise = np.random.default_rng(1).integers(0, 9, BLACK.shape, dtype=np.uint8)
    lens = Lens()
    lens.see(noise, at_s=0.0, warmth=None)
    with pytest.raises(DeviceFailed):
        lens.see(noise, at_s=BLACK_S, warmth=None)


def test_face_after_face_of_blue_skin_means_swapped_colours() -> None:
    lens = Lens()
    for frame in range(COLD_FACES - 1):
        lens.see(HALL, at_s=frame / 10, warmth=COLD - 0.01)
        lens.see(HALL, at_s=frame / 10, warmth=None)
    with pytest.raises(DeviceFailed):
        lens.see(HALL, at_s=1.0, warmth=COLD - 0.01)


def test_skin_in_any_light_and_pictures_without_colour_are_fine() -> None:
    lens = Lens()
    for frame in range(100):
        lens.see(HALL, at_s=frame / 10, warmth=(0.2, 0.05, 0.0, COLD - 0.01)[frame % 4])
