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
RAISED_PX: Final = 3.0
"""The mesh puts nose tip and mouth corners lower on a face than the detectors that the template was
made with, so that the face would lie too low. On ORL s1-s20 the misses at an FMR of 1e-4 fell from
1.7 to 0.4 %; from 3 to 5 px it is level, at 8 it is worse than without."""
PIPELINE: Final = "mesh5-raised3"
"""Names how a face comes to a net: a calibration holds for no other."""


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
    template = np.array(TEMPLATE) - (0.0, RAISED_PX)
    to_frame = picture.similarity(template, five_points(mesh))
    return picture.cut(rgb, to_frame, side=SIDE)
