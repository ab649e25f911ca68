"""A picture of a finger as a small module would have taken it, or a worse day.

Knows what lies between a good sensor and the module of a kiosk: a window that shows only a part of
the finger, and few levels of grey; and what makes one touch unlike another: how it lies, how skin
is stretched, how dry or wet it is. All of it by chance that is given. It is a simulation: a real
module has other noise, and a real finger is put down anew each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from models.finger.segment import BLOCK_PX, segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

KNOTS: Final = 5
"""Across a picture: between them stretch and moisture are smooth."""
PATCHES: Final = 12
CLEAR: Final = 0.5
TWIST: Final = 0.015
"""For each pixel of stretch, in radians at `TWIST_PX`; it grows with the square of the distance."""
TWIST_PX: Final = 150.0


class Window(NamedTuple):
    """What a module sees.

    Attributes:
        width_px: at 500 dpi.
        height_px: at 500 dpi.
        bits: of a pixel, 1 to 8.
        jitter_px: so far, at most, its middle is from the finger's, across and down.
    """

    width_px: int
    height_px: int
    bits: int = 8
    jitter_px: int = 0


def seen_by(window: Window, grey: Grey, randomness: np.random.Generator) -> Grey:
    """Return what a module sees of a finger that is laid onto it about in the middle.

    The middle is that of the finger, not of the picture: whoever uses a module lays the finger on
    it. Where the picture ends, the window goes on in the grey of its edges.

    Args:
        window: of the module.
        grey: (H, W) uint8 at 500 dpi.
        randomness: how far off the middle.

    Returns:
        (`window.height_px`, `window.width_px`) uint8.
    """
    across, down = middle_of(grey)
    off = randomness.integers(-window.jitter_px, window.jitter_px + 1, size=2)
    left = round(across - window.width_px / 2) + int(off[0])
    top = round(down - window.height_px / 2) + int(off[1])
    seen = np.full((window.height_px, window.width_px), _edge_of(grey), dtype=np.uint8)
    rows = slice(max(top, 0), min(top + window.height_px, grey.shape[0]))
    columns = slice(max(left, 0), min(left + window.width_px, grey.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        shown = grey[rows, columns]
        row, column = rows.start - top, columns.start - left
        seen[row : row + shown.shape[0], column : column + shown.shape[1]] = shown
    return _of_bits(seen, window.bits)


def middle_of(grey: Grey) -> tuple[float, float]:
    """Return the middle of the finger's clear ridges, across and down, in pixels.

    Each block counts by its contrast, and not at all where it has less than half of the strong
    ones': smudges, and the next joint, which no module would show, do not draw the middle away.
    """
    found = segment(grey)
    weights = np.where(found.contrast >= CLEAR * found.strength, found.contrast, 0) * found.blocks
    if not weights.any():
        return grey.shape[1] / 2, grey.shape[0] / 2
    rows, columns = np.indices(weights.shape) + 0.5
    middle = [float((weights * each).sum() / weights.sum()) * BLOCK_PX for each in (columns, rows)]
    return middle[0], middle[1]


def strained(grey: Grey, randomness: np.random.Generator) -> Grey:
    """Return a finger turned a little, its skin stretched and twisted, dry or wet in places."""
    turned = _laid(
        grey,
        randomness,
        turn=float(randomness.normal(0, 0.15)),
        stretch_px=float(randomness.uniform(2, 7)),
        scale=float(randomness.uniform(0.97, 1.03)),
    )
    return worn(turned, randomness)


def part(grey: Grey, randomness: np.random.Generator) -> Grey:
    """Return a part of a finger that was laid on badly: up to 60 degrees turned, off the middle."""
    turn = float(randomness.uniform(-np.pi / 3, np.pi / 3))
    off = randomness.uniform(-1, 1, size=2) * (50, 60)
    middle = np.array(middle_of(grey)) + off
    laid = _laid(grey, randomness, turn=turn, stretch_px=2.0, middle=middle, size=(260, 300))
    return worn(laid, randomness)


def worn(grey: Grey, randomness: np.random.Generator) -> Grey:
    """Return a finger with dry or wet patches, blurred, paler, noisy, and scratched."""
    found = grey.astype(np.float64)
    kind = randomness.integers(3)
    if kind < 2:
        patches = _smooth(randomness.random((PATCHES, PATCHES)), grey.shape)
        depth = randomness.uniform(100, 350)
        found += np.clip(patches - 0.55, 0, 1) * (depth if kind else -depth)
    blurred = Image.fromarray(found.clip(0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(float(randomness.uniform(0.4, 1.5)))
    )
    found = np.asarray(blurred, dtype=np.float64)
    found = (found - 128) * randomness.uniform(0.35, 1) + 128 + randomness.uniform(-30, 30)
    found += randomness.normal(size=found.shape) * randomness.uniform(2, 14)
    for _ in range(int(randomness.integers(0, 5))):
        _scratch(found, randomness)
    return np.asarray(found.clip(0, 255), dtype=np.uint8)


def _laid(
    grey: Grey,
    randomness: np.random.Generator,
    *,
    turn: float,
    stretch_px: float,
    scale: float = 1.0,
    middle: NDArray[np.float64] | None = None,
    size: tuple[int, int] | None = None,
) -> Grey:
    """Return a finger turned, stretched and cut: each pixel fetched from where skin brought it."""
    height, width = grey.shape
    columns, rows = size or (width, height)
    across, down = (width / 2, height / 2) if middle is None else middle
    x, y = np.meshgrid(np.arange(columns) - columns / 2, np.arange(rows) - rows / 2)
    knots = randomness.normal(size=(2, KNOTS, KNOTS)) * stretch_px
    z = x + _smooth(knots[0], x.shape) + 1j * (y + _smooth(knots[1], x.shape))
    far = (np.hypot(x, y) / TWIST_PX) ** 2
    z *= np.exp(1j * (turn + randomness.normal() * TWIST * stretch_px * far)) / scale
    return _fetched(grey, z.real + across, z.imag + down)


def _fetched(grey: Grey, x: NDArray[np.float64], y: NDArray[np.float64]) -> Grey:
    """Return pixels at places between pixels, bilinearly; beyond the picture, its edges' grey."""
    framed = np.pad(grey.astype(np.float64), 1, constant_values=_edge_of(grey))
    x = np.clip(x + 1, 0, framed.shape[1] - 1.001)
    y = np.clip(y + 1, 0, framed.shape[0] - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, below = x - left, y - top
    upper = framed[top, left] * (1 - right) + framed[top, left + 1] * right
    lower = framed[top + 1, left] * (1 - right) + framed[top + 1, left + 1] * right
    return np.asarray((upper * (1 - below) + lower * below).round(), dtype=np.uint8)


def _smooth(knots: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a field of a shape that goes smoothly through knots laid evenly over it."""
    size = (shape[1], shape[0])
    image = Image.fromarray(knots.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float64)


def _scratch(grey: NDArray[np.float64], randomness: np.random.Generator) -> None:
    """Draw a thin line, in place."""
    begin = randomness.uniform(0, 1, size=2) * grey.shape
    angle, length = randomness.uniform(0, np.pi), randomness.uniform(60, 200)
    steps = np.arange(0, length, 0.5)
    rows = (begin[0] + steps * np.sin(angle)).astype(np.intp)
    columns = (begin[1] + steps * np.cos(angle)).astype(np.intp)
    kept = (rows >= 0) & (rows < grey.shape[0]) & (columns >= 0) & (columns < grey.shape[1])
    grey[rows[kept], columns[kept]] = randomness.choice([0.0, 200.0, 255.0])


def _of_bits(grey: Grey, bits: int) -> Grey:
    """Return a picture with so many bits of grey, spread over 0..255 again."""
    most = (1 << bits) - 1
    return np.asarray((grey >> (8 - bits)).astype(np.uint16) * 255 // most, dtype=np.uint8)


def _edge_of(grey: Grey) -> int:
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return int(np.median(edges))
