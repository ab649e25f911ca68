"""Turn and scale a face so that its eyes, nose and mouth lie where the embedder expects them.

Knows the five points of the mesh and the ArcFace template. Matching stands and falls with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture
from models.face.mesh import eyes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

SIDE: Final = 112
NOSE_TIP: Final = 1
MOUTH_CORNERS: Final = (61, 291)
"""The person's right, then left."""
TEMPLATE: Final = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
"""Right eye, left eye, nose, right and left corner of the mouth in a 112 by 112 picture."""


def five_points(mesh: Mesh) -> NDArray[np.float32]:
    """Return (5, 2) float32: right eye, left eye, nose tip, right and left mouth corner."""
    rest = mesh.points[[NOSE_TIP, *MOUTH_CORNERS], :2]
    return np.concatenate([eyes_of(mesh.points), rest])


def align(rgb: NDArray[np.uint8], mesh: Mesh) -> NDArray[np.uint8]:
    """Cut the face out of a picture, upright, on the template.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: its points in that picture.

    Returns:
        (112, 112, 3) uint8, RGB; black where the picture ends.

    Raises:
        PictureError: it is no such array.
    """
    picture.check(rgb)
    to_frame = picture.similarity(np.array(TEMPLATE), five_points(mesh))
    return picture.cut(rgb, to_frame, side=SIDE)
