"""Find the one face that a still picture is about: a chip's portrait, a picture of a set.

Knows that a still was composed by somebody: the face it is about is large and near the middle, and
what the mesh does not confirm is none. A camera's frame is another matter: who else stands there
matters (kiosk.vision).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.picture import MAX_SIDE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.detect import Detector, Face
    from models.face.mesh import Mesh, Mesher

MIN_SHARE: Final = 0.5
"""A second face counts where its prominence is at least this share of the first one's. A ghost
image or somebody in the background has less."""
MARGIN: Final = 0.5
"""Of the picture's sides: laid round it for a second look when the face fills it to its edges."""


@dataclass(frozen=True, slots=True)
class Acquired:
    """What a still shows.

    Attributes:
        mesh: the points of the most prominent face; None: there is none.
        faces: how many are prominent.
    """

    mesh: Mesh | None
    faces: int


def acquire(rgb: NDArray[np.uint8], *, detector: Detector, mesher: Mesher) -> Acquired:
    """Find the face that a still is about.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        detector: finds boxes.
        mesher: confirms them.

    Raises:
        PictureError: it is no such array.
        ModelError: a net failed.
    """
    found = _confirmed(rgb, detector, mesher)
    if not found:
        return _look_with_margin(rgb, detector, mesher)
    found.sort(key=lambda each: each[0], reverse=True)
    least = MIN_SHARE * found[0][0]
    return Acquired(found[0][1], sum(prominence >= least for prominence, _ in found))


def _look_with_margin(rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher) -> Acquired:
    """Look once more, at the picture with its edges drawn outwards."""
    height, width = rgb.shape[:2]
    if max(height, width) * (1 + 2 * MARGIN) > MAX_SIDE_PX:
        return Acquired(None, 0)
    high, wide = int(height * MARGIN), int(width * MARGIN)
    padded = np.pad(rgb, ((high, high), (wide, wide), (0, 0)), mode="edge")
    if not (found := _confirmed(padded, detector, mesher)):
        return Acquired(None, 0)
    mesh = max(found, key=lambda each: each[0])[1]
    shift = np.array([wide, high, 0], dtype=np.float32)
    return Acquired(type(mesh)(points=mesh.points - shift, confidence=mesh.confidence), 1)


def _confirmed(
    rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher
) -> list[tuple[float, Mesh]]:
    """Return prominence and points of each face whose mesh says that it is one."""
    meshes = [(face, mesher.mesh(rgb, face)) for face in detector.detect(rgb)]
    return [(_prominence(face, rgb.shape), mesh) for face, mesh in meshes if mesh.is_face]


def _prominence(face: Face, shape: tuple[int, ...]) -> float:
    """Return the face's width, less by how far it is from the middle; 0..1 or a little more."""
    height, width = shape[:2]
    left, top, right, bottom = face.box.astype(float)
    away = np.hypot((left + right - width) / 2, (top + bottom - height) / 2)
    return float((right - left) / max(height, width) * (1 - away / np.hypot(height, width)))
