"""A picture of ridges whose minutiae are known, because they were put there.

Ridges are the crests of a wave; wherever its phase turns once about a point, one ridge more passes
on one side than on the other: there is a minutia, which looks to the side with more of them.
"""

from __future__ import annotations

import numpy as np

PERIOD_PX = 9.0
APART_PX = 44.0
BORDER_PX = 30.0


def ridges(shape, *, turn=0.0, seed=0):
    """Return the picture, and of each minutia x, y and angle.

    Args:
        shape: rows and columns.
        turn: the ridges' direction, radians counter-clockwise from the right.
        seed: where the minutiae lie, and on which side.
    """
    height, width = shape
    rng = np.random.default_rng(seed)
    spots: list[np.ndarray] = []
    for spot in rng.uniform(BORDER_PX, [width - BORDER_PX, height - BORDER_PX], (400, 2)):
        if all(np.hypot(*(spot - each)) > APART_PX for each in spots):
            spots.append(spot)
    x, y = np.stack(spots).T
    sides = np.where(np.arange(len(x)) % 2, 1, -1)
    down, right = np.mgrid[0:height, 0:width].astype(float)
    # Upwards across the ridges; y grows downwards.
    across = -right * np.sin(turn) - down * np.cos(turn)
    phase = 2 * np.pi / PERIOD_PX * across
    for each_x, each_y, side in zip(x, y, sides, strict=True):
        phase += side * np.arctan2(each_y - down, right - each_x)
    grey = np.round(127.5 - 100 * np.cos(phase)).astype(np.uint8)
    return grey, x, y, np.mod(np.where(sides > 0, 0.0, np.pi) + turn, 2 * np.pi)
