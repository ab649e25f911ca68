"""Fingerprints of nobody: ridges grown from a seed, and touches of them, for demo and practice.

Knows how ridges run (a loop's core and delta, by the zero-pole model of Sherlock and Monro) and
grows them out of noise by filters along that field, as they come with minutiae of their own. A
touch is the same finger moved, turned, stretched and pressed differently. Nobody's finger is in it,
and no accuracy may be measured on it: real skin is worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT_PX, WIDTH_PX = 400, 320
"""Of a whole finger, at 500 pixels an inch."""
RIDGE_PX: Final = 9.0
"""From ridge to ridge."""
DIRECTIONS: Final = 16
ROUNDS: Final = 14
_SIGMA_PX: Final = 4.0


@dataclass(frozen=True, slots=True)
class Pressed:
    """How a touch differs from the finger.

    Attributes:
        turn_deg: counter-clockwise.
        right_px: how far the finger lies to the right.
        down_px: how far it lies further down.
        stretch_px: how far skin is drawn aside at most.
        ink: how broad ridges are: 0 as broad as furrows, positive broader.
        noise: standard deviation of the sensor's noise, 0..1.
    """

    turn_deg: float = 0.0
    right_px: float = 0.0
    down_px: float = 0.0
    stretch_px: float = 0.0
    ink: float = 0.0
    noise: float = 0.03


def touch(seed: int, pressed: Pressed | None = None, *, number: int = 0) -> NDArray[np.uint8]:
    """Return one touch of a finger.

    Args:
        seed: which finger.
        pressed: how; by default drawn from seed and number, as people touch.
        number: which touch: its noise, and by default everything, follows from it.

    Returns:
        (HEIGHT_PX, WIDTH_PX) uint8, ridges dark, 500 pixels an inch.
    """
    chance = np.random.default_rng((seed, number))
    pressed = pressed or _by_chance(chance)
    ridges = _sampled(_grown(seed), pressed, chance)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    middle_x, middle_y = WIDTH_PX / 2 + pressed.right_px, HEIGHT_PX / 2 + pressed.down_px
    away = np.hypot((x - middle_x) / (0.44 * WIDTH_PX), (y - middle_y) / (0.45 * HEIGHT_PX))
    skin = 1 / (1 + np.exp((away - 1) * 25))
    dark = 1 / (1 + np.exp(-4.0 * (ridges + pressed.ink)))
    seen = 1 - 0.85 * dark * skin + chance.normal(0, pressed.noise, dark.shape)
    return np.asarray(np.clip(seen * 255, 0, 255), dtype=np.uint8)


def _by_chance(chance: np.random.Generator) -> Pressed:
    return Pressed(
        turn_deg=float(chance.uniform(-12, 12)),
        right_px=float(chance.uniform(-14, 14)),
        down_px=float(chance.uniform(-14, 14)),
        stretch_px=float(chance.uniform(0, 3)),
        ink=float(chance.uniform(-0.2, 0.3)),
    )


def _sampled(
    ridges: NDArray[np.float64], pressed: Pressed, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Return the ridges where they lie in a touch; what was beyond the finger is furrow."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float64)
    x, y = x - WIDTH_PX / 2 - pressed.right_px, y - HEIGHT_PX / 2 - pressed.down_px
    turn = np.deg2rad(pressed.turn_deg)
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    phases = chance.uniform(0, 2 * np.pi, 2)
    x = x + pressed.stretch_px * np.sin(2 * np.pi * y / HEIGHT_PX + phases[0])
    y = y + pressed.stretch_px * np.sin(2 * np.pi * x / WIDTH_PX + phases[1])
    return _bilinear(ridges, y + HEIGHT_PX / 2, x + WIDTH_PX / 2)


def _bilinear(
    field: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    y, x = np.clip(y, 0, HEIGHT_PX - 1.001), np.clip(x, 0, WIDTH_PX - 1.001)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    upper = field[top, left] * (1 - right) + field[top, left + 1] * right
    lower = field[top + 1, left] * (1 - right) + field[top + 1, left + 1] * right
    mixed: NDArray[np.float64] = upper * (1 - down) + lower * down
    return mixed


@lru_cache(maxsize=8)
def _grown(seed: int) -> NDArray[np.float64]:
    """Return a finger's ridges, -1 furrow to 1 ridge: noise, filtered along the field and cut."""
    chance = np.random.default_rng(seed)
    direction = _field(chance)
    nearest = np.round(direction / (np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
    ridges = chance.normal(0, 1, (HEIGHT_PX, WIDTH_PX))
    filters = [_filter(each * np.pi / DIRECTIONS) for each in range(DIRECTIONS)]
    for _ in range(ROUNDS):
        spectrum = np.fft.rfft2(ridges)
        along = np.empty_like(ridges)
        for number, response in enumerate(filters):
            here = nearest == number
            along[here] = np.fft.irfft2(spectrum * response, ridges.shape)[here]
        ridges = np.tanh(3 * along / along.std())
    return ridges


def _field(chance: np.random.Generator) -> NDArray[np.float64]:
    """Return where ridges run, radians from the x axis to y downwards, in 0..pi."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float64)
    side = 1 if chance.random() < 0.5 else -1
    core = (WIDTH_PX / 2 + chance.uniform(-15, 15), 0.42 * HEIGHT_PX + chance.uniform(-20, 20))
    delta = (WIDTH_PX / 2 + side * chance.uniform(80, 110), 0.78 * HEIGHT_PX)
    turned = np.arctan2(y - core[1], x - core[0]) - np.arctan2(y - delta[1], x - delta[0])
    waves = 0.15 * np.sin(y / chance.uniform(60, 90) + chance.uniform(0, 6))
    direction: NDArray[np.float64] = np.mod(turned / 2 + waves, np.pi)
    return direction


def _filter(direction: float) -> NDArray[np.float64]:
    """Return the response, in the frequency plane, of a filter for ridges that run so."""
    down, right = np.fft.fftfreq(HEIGHT_PX)[:, None], np.fft.rfftfreq(WIDTH_PX)[None, :]
    across_x, across_y = -np.sin(direction) / RIDGE_PX, np.cos(direction) / RIDGE_PX
    narrow = 2 * (np.pi * _SIGMA_PX) ** 2
    response: NDArray[np.float64] = np.exp(
        -narrow * ((right - across_x) ** 2 + (down - across_y) ** 2)
    ) + np.exp(-narrow * ((right + across_x) ** 2 + (down + across_y) ** 2))
    return response
