"""Find the one face that a still picture is about: a chip's portrait, a picture of a set.

Knows that a still was composed by somebody: the face it is about is large and near the middle, and
what the mesh does not confirm is none. A camera's frame is another matter: who else stands there
matters (kiosk.vision).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
"""Of the picture's sides: laid round it for another look when the face fills it to its edges."""


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
        return _look_again(rgb, detector, mesher)
    found.sort(key=lambda each: each[0], reverse=True)
    least = MIN_SHARE * found[0][0]
    return Acquired(found[0][1], sum(prominence >= least for prominence, _ in found))


def _look_again(rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher) -> Acquired:
    """Look at the picture with its edges drawn outwards, then at both in the mirror."""
    wider, shift = _with_margin(rgb)
    nowhere = np.zeros_like(shift)
    for look, seen, moved in (
        (_confirmed, wider, shift),
        (_confirmed_in_the_mirror, rgb, nowhere),
        (_confirmed_in_the_mirror, wider, shift),
    ):
        if found := look(seen, detector, mesher):
            mesh = max(found, key=lambda each: each[0])[1]
            return Acquired(replace(mesh, points=mesh.points - moved), 1)
    return Acquired(None, 0)


def _with_margin(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the picture with its edges drawn outwards and how far x, y, z moved by it.

    Where it would be too large by that, it is as it was.
    """
    high, wide = (int(side * MARGIN) for side in rgb.shape[:2])
    if max(rgb.shape[0] + 2 * high, rgb.shape[1] + 2 * wide) > MAX_SIDE_PX:
        return rgb, np.zeros(3, dtype=np.float32)
    padded = np.pad(rgb, ((high, high), (wide, wide), (0, 0)), mode="edge")
    return padded, np.array([wide, high, 0], dtype=np.float32)


def _confirmed(
    rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher
) -> list[tuple[float, Mesh]]:
    """Return prominence and points of each face whose mesh says that it is one."""
    meshes = [(face, mesher.mesh(rgb, face)) for face in detector.detect(rgb)]
    return [(_prominence(face, rgb.shape), mesh) for face, mesh in meshes if mesh.is_face]


def _confirmed_in_the_mirror(
    rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher
) -> list[tuple[float, Mesh]]:
    """Return prominence and points of each face that the mesh says is one when mirrored.

    The net is surer of some faces from the other side, and has their points right from either.
    """
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    found = []
    for face in detector.detect(rgb):
        there = mesher.mesh(mirrored, face.mirrored(rgb.shape[1]))
        if there.is_face:
            here = mesher.follow(rgb, mesher.mesh(rgb, face))
            mesh = replace(here, confidence=there.confidence)
            found.append((_prominence(face, rgb.shape), mesh))
    return found


def _prominence(face: Face, shape: tuple[int, ...]) -> float:
    """Return the face's width, less by how far it is from the middle; 0..1 or a little more."""
    height, width = shape[:2]
    left, top, right, bottom = face.box.astype(float)
    away = np.hypot((left + right - width) / 2, (top + bottom - height) / 2)
    return float((right - left) / max(height, width) * (1 - away / np.hypot(height, width)))
