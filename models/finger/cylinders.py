"""Minutia Cylinder-Code: what surrounds each minutia, as a vector that neither turns nor moves.

Knows how a cylinder is made and how two are compared. Each minutia looks at its neighbours in its
own frame: a cylinder's base is a disc round it, its height the difference of directions, and a
cell is full where a neighbour stands about there and points about so. Cells off the finger are
left out of both. Does not know which finger a cylinder is of, nor what likeness is enough.

After Cappelli, Ferrara and Maltoni, "Minutia Cylinder-Code: a new representation and matching
technique for fingerprint recognition", 2010; real-valued cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS_PX: Final = 70.0
SIDE: Final = 16
"""Cells across a base."""
SECTIONS: Final = 5
"""Cells along the height, which is one turn."""
PLACE_SPREAD_PX: Final = 28 / 3
ANGLE_SPREAD: Final = 2 * np.pi / 9
FULL: Final = 0.01
STEEPNESS: Final = 400.0
HULL_MARGIN_PX: Final = 50.0
"""So far beyond its outermost minutiae a finger is taken to go on."""
MIN_VALID: Final = 0.75
"""Of a base's cells, on the finger."""
MIN_JOINT: Final = 0.6
"""Of a base's cells, on both fingers."""
MIN_NEIGHBOURS: Final = 2
DIRECTIONS: Final = np.exp(2j * np.pi * np.arange(64) / 64)
"""In which a hull is bounded: its corners are cut by less than a pixel."""

_ACROSS: Final = (np.arange(SIDE) - (SIDE - 1) / 2) * 2 * RADIUS_PX / SIDE
_COLUMN, _ROW = np.nonzero(np.hypot(_ACROSS[:, None], _ACROSS[None, :]) <= RADIUS_PX)
_REACH: Final = RADIUS_PX + 3 * PLACE_SPREAD_PX
_STEP: Final = 2 * np.pi / SECTIONS
_HEIGHTS: Final = -np.pi + (np.arange(SECTIONS) + 0.5) * _STEP
CELLS: Final = len(_COLUMN)


@dataclass(frozen=True, slots=True, eq=False)
class Cylinders:
    """The cylinders of N minutiae.

    Attributes:
        cells: (N, `CELLS` * `SECTIONS`) float32, 0..1; 0 where not valid.
        valid: (N, `CELLS`) float32: 1 where a base's cell lies on the finger.
        energy: (N, `CELLS`) float32: the sum of squares of the cells above each of the base.
        usable: (N,) float32: 1 where enough is valid, and enough neighbours were seen.
    """

    cells: NDArray[np.float32] = field(repr=False)
    valid: NDArray[np.float32] = field(repr=False)
    energy: NDArray[np.float32] = field(repr=False)
    usable: NDArray[np.float32] = field(repr=False)


def cylinders_of(place: NDArray[np.complex128], angle: NDArray[np.float64]) -> Cylinders:
    """Return the cylinder of each minutia.

    Args:
        place: (N,) pixels at 500 dpi, the imaginary part growing upwards; N at least 1.
        angle: (N,) radians, counter-clockwise.
    """
    to = place[None, :] - place[:, None]
    apart = np.abs(to)
    np.fill_diagonal(apart, np.inf)
    seen = apart < _REACH
    most = max(int(seen.sum(axis=1).max()), 1)
    who = np.argsort(apart, axis=1, kind="stable")[:, :most]
    local = np.take_along_axis(to, who, axis=1) * np.exp(-1j * angle)[:, None]
    counts = np.take_along_axis(seen, who, axis=1).astype(np.float32)
    across = _bell(local.real) * counts[:, None, :]
    along = _bell(local.imag)
    turned = _HEIGHTS[None, :, None] - (angle[:, None] - angle[who])[:, None, :]
    heights = _share(turned - 2 * np.pi * np.round(turned / (2 * np.pi)))
    base = across[:, _COLUMN, :] * along[:, _ROW, :]
    heaped = base @ heights.transpose(0, 2, 1)
    full = 1 / (1 + np.exp(np.clip(-STEEPNESS * (heaped - FULL), -60, 60)))
    valid = _on_finger(place, angle)
    cells = np.where(valid[:, :, None], full, 0).astype(np.float32)
    usable = (valid.mean(axis=1) >= MIN_VALID) & (seen.sum(axis=1) >= MIN_NEIGHBOURS)
    return Cylinders(
        cells=cells.reshape(len(place), -1),
        valid=valid.astype(np.float32),
        energy=(cells**2).sum(axis=2),
        usable=usable.astype(np.float32),
    )


def likeness(a: Cylinders, b: Cylinders) -> NDArray[np.float32]:
    """Return (N, M), 0..1: how alike each cylinder of one is to each of the other.

    Over the cells that are valid in both, 1 is the same; 0 where too few are, or nothing is there.
    """
    in_b, in_a = a.energy @ b.valid.T, a.valid @ b.energy.T
    apart = np.sqrt(np.maximum(in_b + in_a - 2 * (a.cells @ b.cells.T), 0))
    whole = np.sqrt(in_b) + np.sqrt(in_a)
    joint = a.valid @ b.valid.T
    compared = (joint >= MIN_JOINT * CELLS) & (whole > 0)
    usable = a.usable[:, None] * b.usable[None, :]
    found = np.where(compared, 1 - apart / np.maximum(whole, np.float32(1e-6)), 0) * usable
    return np.asarray(np.maximum(found, 0), dtype=np.float32)


def support(
    place: NDArray[np.complex128], directions: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Return (D,): how far the hull of places reaches in each direction, from the origin."""
    found: NDArray[np.float64] = (place[:, None] * directions.conj()).real.max(axis=0)
    return found


def _on_finger(place: NDArray[np.complex128], angle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (N, CELLS): which cells lie within the hull of all minutiae and a margin."""
    reach = support(place, DIRECTIONS) + HULL_MARGIN_PX
    disc = (_ACROSS[_COLUMN] + 1j * _ACROSS[_ROW])[None, :] * np.exp(1j * angle)[:, None]
    cells = (disc + place[:, None]).ravel()
    inside = np.stack([cells.real, cells.imag], axis=1) @ np.stack(
        [DIRECTIONS.real, DIRECTIONS.imag]
    )
    found: NDArray[np.bool_] = (inside <= reach).all(axis=1).reshape(len(place), CELLS)
    return found


def _bell(offset: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, SIDE, K): what a neighbour at an offset adds to each line of cells."""
    away = (offset[:, None, :] - _ACROSS[None, :, None]) / PLACE_SPREAD_PX
    height = math.sqrt(1 / (PLACE_SPREAD_PX * math.sqrt(2 * math.pi)))
    return (height * np.exp(-(away**2) / 2)).astype(np.float32)


def _share(turned: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, SECTIONS, K): the share of a neighbour's direction in each section."""
    wide = ANGLE_SPREAD * math.sqrt(2)
    upper, lower = _erf((turned + _STEP / 2) / wide), _erf((turned - _STEP / 2) / wide)
    return ((upper - lower) / 2).astype(np.float32)


def _erf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the error function, to 1.5e-7: `math.erf` for arrays."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    return np.sign(x) * (1 - series * np.exp(-(x**2)))
