"""Edges between minutiae: whether pairs of minutiae can be of one finger together.

Knows pairs, each of a minutia here and one there. Two pairs agree where the edge between their
minutiae is as long on both sides and lies and points alike on both, within what skin stretches. No
side needs to be turned or moved for that. Does not know how alike the minutiae of a pair are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH_PX: Final = 5.0
LENGTH_SLOPE: Final = 1.6
ANGLE: Final = np.pi / 12
ANGLE_SLOPE: Final = 30.0
ROUNDS: Final = 5
KEPT: Final = 0.5
"""Of a pair's own likeness, in each round; the rest comes from those that agree with it."""


def agreement(
    place_a: NDArray[np.complex128],
    angle_a: NDArray[np.float64],
    place_b: NDArray[np.complex128],
    angle_b: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (K, K), 0..1: how well pair k's minutiae see those of pair l in the same place.

    Args:
        place_a: (K,) pixels: of the minutia here of each pair.
        angle_a: (K,) radians.
        place_b: (K,): of the minutia there.
        angle_b: (K,).
    """
    edge_a, edge_b = place_a[None, :] - place_a[:, None], place_b[None, :] - place_b[:, None]
    turn = np.exp(1j * (angle_b - angle_a))
    longer = np.abs(np.abs(edge_a) - np.abs(edge_b))
    points = np.abs(np.angle(turn[None, :] * turn[:, None].conj()))
    lies = np.abs(np.angle(edge_b * edge_a.conj() * turn[:, None].conj()))
    found = (
        _at_most(longer, LENGTH_PX, LENGTH_SLOPE)
        * _at_most(points, ANGLE, ANGLE_SLOPE)
        * _at_most(lies, ANGLE, ANGLE_SLOPE)
    )
    np.fill_diagonal(found, 0)
    return found


def relaxed(alike: NDArray[np.float64], agreeing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K,): the likeness of pairs after each has listened to those that agree with it.

    Args:
        alike: (K,), 0..1; K at least 2.
        agreeing: (K, K), 0..1: of each with each.
    """
    found = alike
    for _ in range(ROUNDS):
        found = KEPT * found + (1 - KEPT) / (len(alike) - 1) * (agreeing @ found)
    return found


def _at_most(value: NDArray[np.float64], limit: float, slope: float) -> NDArray[np.float64]:
    """Return 1 well below a limit, 0 well above, one half at it."""
    return 1 / (1 + np.exp(np.minimum(slope * (value - limit), 60.0)))
