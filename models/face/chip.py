"""Turn and scale a face so that it lies on dlib's mean face, as dlib's net was trained to see it.

Knows which points of the mesh are dlib's nose, eyes, upper lip and inner mouth. The mean face is
dlib 20.0.1's, dlib/image_transforms/interpolation.h (Boost Software License 1.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

SIDE: Final = 150
PADDING: Final = 0.25
"""Of the mean face's side, on each side of it."""
PIPELINE: Final = "mesh33"
"""Names how a face comes to a net: a calibration holds for no other."""
MEAN_FACE: Final = (
    (168, 0.490127, 0.203352),
    (197, 0.490127, 0.307009),
    (5, 0.490127, 0.409805),
    (4, 0.490127, 0.515625),
    (75, 0.36688, 0.587326),
    (97, 0.426036, 0.609345),
    (2, 0.490127, 0.628106),
    (326, 0.554217, 0.609345),
    (305, 0.613373, 0.587326),
    (33, 0.121737, 0.216423),
    (160, 0.187122, 0.178758),
    (158, 0.265825, 0.179852),
    (133, 0.334606, 0.231733),
    (153, 0.260918, 0.245099),
    (144, 0.182743, 0.244077),
    (362, 0.645647, 0.231733),
    (385, 0.714428, 0.179852),
    (387, 0.793132, 0.178758),
    (263, 0.858516, 0.216423),
    (373, 0.79751, 0.244077),
    (380, 0.719335, 0.245099),
    (61, 0.254149, 0.780233),
    (39, 0.340985, 0.745405),
    (37, 0.428858, 0.727388),
    (0, 0.490127, 0.742578),
    (267, 0.551395, 0.727388),
    (269, 0.639268, 0.745405),
    (291, 0.726104, 0.780233),
    (78, 0.290379, 0.784792),
    (82, 0.428096, 0.778746),
    (13, 0.490127, 0.785343),
    (312, 0.552157, 0.778746),
    (308, 0.689874, 0.784792),
)
"""Point of the mesh, x and y on the mean face: dlib's parts 27-54 and 60-64, in that order."""


def chip(rgb: NDArray[np.uint8], mesh: Mesh) -> NDArray[np.uint8]:
    """Cut the face out of a picture, upright, on the mean face.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: its points in that picture.

    Returns:
        (150, 150, 3) uint8, RGB; black where the picture ends.

    Raises:
        PictureError: it is no such array.
    """
    picture.check(rgb)
    here = mesh.points[[point for point, _, _ in MEAN_FACE], :2]
    return picture.cut(rgb, picture.similarity(template(), here), side=SIDE)


def template() -> NDArray[np.float64]:
    """Return (33, 2) float64: where the points lie in the chip, in pixels from its corner."""
    mean = np.array([place for _, *place in MEAN_FACE])
    return (PADDING + mean) / (2 * PADDING + 1) * SIDE
