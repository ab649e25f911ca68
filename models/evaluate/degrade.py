"""Pictures of faces made worse on purpose, by a known amount.

Knows what a hall does to a face: it is far away, moves, stands in the dark, in glare or with a
window at its side, and has something before eyes or mouth. Each is a function of a picture and the
points of the face in it; lengths are shares of the distance between the eyes, so that one amount
means the same on any picture. What is laid over a face is one shade with a soft ripple: real
glasses and masks have reflections, folds and patterns, and none of these is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.face.mesh import LEFT_EYE, RIGHT_EYE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from models.face.mesh import Mesh

    Picture = NDArray[np.uint8]

LENS: Final = (0.95, 0.65)
"""Half the width and height of what covers an eye, in widths of that eye."""
MASK: Final = (
    234, 123, 50, 36, 142, 126, 217, 174, 196, 197, 419, 399, 437, 355, 371, 266, 280, 352, 454,
    323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93,
)  # fmt: skip
"""The mesh's points round the edge of what covers mouth and nose, from ear to ear and back."""
RIPPLE: Final = 0.12
RIPPLES: Final = 40.0
"""In the height of a picture, in radians."""
CORNERS: Final = 24


class Series(NamedTuple):
    """One way of making pictures worse.

    Attributes:
        unit: of its amounts.
        amounts: from none to much.
        apply: takes a picture, its points and an amount; returns another picture.
    """

    unit: str
    amounts: tuple[float, ...]
    apply: Callable[[Picture, Mesh, float], Picture]


def blurred(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture blurred by a Gaussian of so many hundredths of the eyes' distance."""
    sigma = amount / 100 * mesh.eye_distance_px
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma)))


def exposed(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture with so many times its light, clipped at white."""
    del mesh
    return _rounded(rgb.astype(np.float64) * amount)


def lit_from_a_side(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture with only that share of the light on the person's right half."""
    right, left = mesh.eyes.astype(np.float64)
    across = left - right
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]] + 0.5
    middle = (right + left) / 2
    place = ((x - middle[0]) * across[0] + (y - middle[1]) * across[1]) / (across @ across)
    share = amount + (1 - amount) * np.clip(place * 2 + 0.5, 0, 1)
    return _rounded(rgb * share[..., None])


def farther(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture so small that the eyes are so many pixels apart; never larger."""
    scale = min(amount / mesh.eye_distance_px, 1.0)
    size = tuple(max(round(side * scale), 16) for side in rgb.shape[1::-1])
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def eyes_covered(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture with dark lenses that let so much less light through; 0 none, 1 all."""
    lens = np.zeros(rgb.shape[:2], dtype=bool)
    for corners in (RIGHT_EYE, LEFT_EYE):
        points = mesh.points[list(corners), :2].astype(np.float64)
        width = float(np.hypot(*(points[1] - points[0])))
        angles = np.linspace(0, 2 * np.pi, CORNERS)
        edge = np.stack([np.cos(angles) * LENS[0], np.sin(angles) * LENS[1]], axis=1) * width
        lens |= _inside(rgb, points.mean(axis=0) + edge)
    return _painted(rgb, lens, shade=22.0, opacity=amount)


def mouth_covered(rgb: Picture, mesh: Mesh, amount: float) -> Picture:
    """Return the picture with a light mask of that opacity over mouth and nose, 0..1."""
    mask = _inside(rgb, mesh.points[list(MASK), :2].astype(np.float64))
    return _painted(rgb, mask, shade=205.0, opacity=amount)


SERIES: Final[Mapping[str, Series]] = {
    "blur": Series("% of the eyes' distance", (0, 1, 2, 3, 4, 5, 6, 7, 8, 10), blurred),
    "dark": Series("of the light", (1, 0.6, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07), exposed),
    "glare": Series("times the light", (1, 1.5, 2, 2.5, 3, 4, 6, 8), exposed),
    "side": Series("of the light on one half", (1, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05),
                   lit_from_a_side),
    "far": Series("px between the eyes", (40, 32, 24, 20, 16, 13, 11, 9, 7), farther),
    "eyes": Series("opacity", (0, 0.3, 0.5, 0.7, 0.8, 0.9, 1), eyes_covered),
    "mouth": Series("opacity", (0, 0.3, 0.5, 0.7, 0.8, 0.9, 1), mouth_covered),
}  # fmt: skip


def _inside(rgb: Picture, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (H, W): where a polygon is."""
    stencil = Image.new("1", rgb.shape[1::-1])
    ImageDraw.Draw(stencil).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.asarray(stencil, dtype=np.bool_)


def _painted(rgb: Picture, where: NDArray[np.bool_], *, shade: float, opacity: float) -> Picture:
    rows = np.arange(rgb.shape[0]) * RIPPLES / rgb.shape[0]
    colour = (shade * (1 + RIPPLE * np.sin(rows)))[:, None, None]
    share = (where * opacity)[..., None]
    return _rounded(rgb * (1 - share) + colour * share)


def _rounded(values: NDArray[np.floating]) -> Picture:
    return np.asarray(values.round().clip(0, 255), dtype=np.uint8)
