"""Fingers of numbers: minutiae by chance, and what other touches make of them."""

from __future__ import annotations

import numpy as np

from models.finger.minutiae import Minutiae, minutiae


def finger(seed: int, count: int = 40, side: float = 300.0) -> Minutiae:
    """Return minutiae spread over a square, none on another, as ridges keep them apart."""
    chance = np.random.default_rng(seed)
    places: list[tuple[float, float]] = []
    while len(places) < count:
        place = tuple(chance.uniform(0, side, 2))
        if all(np.hypot(place[0] - x, place[1] - y) > 10 for x, y in places):
            places.append(place)
    x, y = np.array(places).reshape(-1, 2).T
    kinds = np.where(chance.random(count) < 0.65, 0.95, 0.05)
    return minutiae(x, y, chance.uniform(0, 2 * np.pi, count), chance.uniform(0.5, 1, count), kinds)


def moved(of: Minutiae, *, turn: float = 0.0, x: float = 0.0, y: float = 0.0) -> Minutiae:
    """Return them turned counter-clockwise about the picture's corner, then moved."""
    place = (of.x.astype(float) - 1j * of.y.astype(float)) * np.exp(1j * turn)
    return minutiae(
        place.real + x, -place.imag + y, of.angle.astype(float) + turn, of.quality, of.ending
    )


def shuffled(of: Minutiae, seed: int) -> Minutiae:
    """Return them in another order."""
    return of.where(np.random.default_rng(seed).permutation(len(of)))


def touched_again(
    of: Minutiae, seed: int, *, spread_px: float = 2.0, lost: float = 0.2, added: float = 0.15
) -> Minutiae:
    """Return what another touch might show: some lost, some more, all a little elsewhere."""
    chance = np.random.default_rng(seed)
    left = of.where(chance.random(len(of)) >= lost)
    new = finger(seed + 1, max(int(len(of) * added), 1))
    # Stretched smoothly, as skin is, by some pixels across the finger.
    across = np.concatenate([left.x, new.x]) + chance.normal(0, spread_px, len(left) + len(new))
    down = np.concatenate([left.y, new.y]) + chance.normal(0, spread_px, len(left) + len(new))
    bent = 6 * np.sin(across / 120 + chance.uniform(0, 6))
    return moved(
        minutiae(
            across,
            down + bent,
            np.concatenate([left.angle, new.angle]) + chance.normal(0, 0.06, len(across)),
            np.concatenate([left.quality, new.quality]),
            np.concatenate([left.ending, new.ending]),
        ),
        turn=float(chance.uniform(-1, 1)),
        x=float(chance.uniform(-50, 50)),
    )
