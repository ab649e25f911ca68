"""Fingers that never were, and what a sensor of four bits makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw.finger import line, played, r503, talk
from hw.finger.played import MODELS

if TYPE_CHECKING:
    import pytest
    from numpy.typing import NDArray

SPEED = 500.0
READY = {"baud": 115_200, "packet_code": 3, "speed": SPEED}
"""A module that a driver has set already."""


def expect_a_fast_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take silence for silence sooner: the played module is `SPEED` times faster than a real."""
    for name, seconds in (("HELLO_S", 0.12), ("GAP_S", 0.25), ("TOUCH_S", 0.6)):
        monkeypatch.setattr(talk, name, seconds)
    monkeypatch.setattr(r503, "HELLO_S", 0.12)
    monkeypatch.setattr(r503, "TOUCH_S", 0.6)
    monkeypatch.setattr(r503, "START_S", 0.03)
    monkeypatch.setattr(line, "QUIET_S", 0.04)
    monkeypatch.setattr(line, "LOOK_UP_S", 0.02)
    monkeypatch.setattr(played, "_SILENT_S", 0.4)


def ridges(seed: int, *, height: int = 300, width: int = 310) -> NDArray[np.uint8]:
    """Return (height, width) uint8: bent stripes with noise, another for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    bend = rng.uniform(0.01, 0.03) * (x - width / 2) ** 2 / 10
    wave = 127 + 100 * np.sin((y + bend) * 2 * np.pi / 9 + seed)
    return np.clip(wave + rng.normal(0, 12, wave.shape), 0, 255).astype(np.uint8)


def as_captured(picture: NDArray[np.uint8], model: str) -> NDArray[np.uint8]:
    """Return what a model must give of a picture at least as large as its sensor."""
    height, width = MODELS[model].height_px, MODELS[model].width_px
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.round(picture[top : top + height, left : left + width] // 16 * 17).astype(np.uint8)
