"""Whether what stands before a screen is lit by it, colour by colour, in the order that was drawn.

Knows the mean colours of a face while a screen shows one colour after the other. Skin before the
screen takes on each; a recording keeps the light that it was made in, and a screen that is held up
outshines it. Does not know who drew the order, nor which screen. A bright hall drowns it, so that
too faint a response says nothing: then this layer could not look.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture
from models.face.liveness import STABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.face.mesh import Mesh

MIN_FLASHES: Final = 4
"""With three colours there are 24 orders of four in which no colour follows itself."""
MIN_COLOURS: Final = 3
MIN_FRAMES: Final = 2
"""Of each flash, once the light has come."""
FAINT: Final = 0.012
"""Of the light: a response below it cannot be told from what a camera does by itself."""
MATCHES: Final = 0.8
"""Correlation of the response with what was shown."""


class Colour(StrEnum):
    """What a screen shows."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Response(StrEnum):
    """What was seen."""

    FOLLOWED = "followed"
    IGNORED = "ignored"
    """The face changed otherwise, or hardly, where it should have been lit."""
    TOO_FAINT = "too_faint"
    """Nothing changed, neither as shown nor otherwise."""


_SHARES: Final = {
    Colour.RED: (1.0, 0.0, 0.0),
    Colour.GREEN: (0.0, 1.0, 0.0),
    Colour.BLUE: (0.0, 0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Lit:
    """A face in one frame.

    Attributes:
        shown: what the screen showed when the frame was taken.
        rgb: the mean light of the face, red, green and blue, 0..255.
    """

    shown: Colour
    rgb: tuple[float, float, float]


class FlashError(ValueError):
    """The colours that were shown cannot tell anything: too few, or one followed itself."""


def light_of(rgb: NDArray[np.uint8], mesh: Mesh) -> tuple[float, float, float]:
    """Return the mean light of the middle of a face, red, green and blue, 0..255.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: of the face.

    Raises:
        PictureError: it is no such array.
    """
    picture.check(rgb)
    points = mesh.points[list(STABLE), :2]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    height, width = rgb.shape[:2]
    rows = slice(int(np.clip(top, 0, height - 1)), int(np.clip(bottom, 1, height)) + 1)
    columns = slice(int(np.clip(left, 0, width - 1)), int(np.clip(right, 1, width)) + 1)
    red, green, blue = rgb[rows, columns].reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)


def response(lit: Sequence[Lit]) -> Response:
    """Return whether a face followed the colours.

    What is compared is how each colour's share of the light departs from its mean over all frames,
    so that exposure and white balance that drift slowly do not matter.

    Args:
        lit: frames in the order they were taken, each once its colour had come.

    Raises:
        FlashError: fewer than `MIN_FLASHES` flashes, or `MIN_COLOURS` colours, or `MIN_FRAMES`
            frames of a flash.
    """
    flashes = _flashes(lit)
    colours = {shown for shown, _ in flashes}
    if len(flashes) < MIN_FLASHES or len(colours) < MIN_COLOURS:
        raise FlashError("too few flashes")
    if min(len(frames) for _, frames in flashes) < MIN_FRAMES:
        raise FlashError("too few frames of a flash")
    seen = np.array([np.mean(frames, axis=0) for _, frames in flashes])
    shares = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1e-9)
    shown = np.array([_SHARES[each] for each, _ in flashes])
    moved, asked = shares - shares.mean(axis=0), shown - shown.mean(axis=0)
    strength = float(np.sqrt((moved**2).mean()))
    if strength < FAINT / 3:
        return Response.TOO_FAINT
    alike = float((moved * asked).sum() / np.sqrt((moved**2).sum() * (asked**2).sum()))
    if alike >= MATCHES:
        return Response.FOLLOWED if strength >= FAINT else Response.TOO_FAINT
    return Response.IGNORED


def _flashes(lit: Sequence[Lit]) -> list[tuple[Colour, list[tuple[float, float, float]]]]:
    found: list[tuple[Colour, list[tuple[float, float, float]]]] = []
    for each in lit:
        if not found or found[-1][0] is not each.shown:
            found.append((each.shown, []))
        found[-1][1].append(each.rgb)
    return found
