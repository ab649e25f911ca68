"""Find the one face that a still picture is about: a chip's portrait, a picture of a set.

Knows that a still was composed by somebody: the face it is about is large and near the middle, and
what the mesh does not confirm is none. A camera's frame is another matter: who else stands there
matters (kiosk.vision).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from models.face import picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.detect import Detector, Face
    from models.face.mesh import Mesh, Mesher

MIN_SHARE: Final = 0.5
"""A second face counts where its prominence is at least this share of the first one's. A ghost
image or somebody in the background has less."""
MARGINS: Final = (0.0, 0.5, 1.0)
"""Of the picture's sides: laid round it one after the other, until a face is found: a detector does
not see one that fills the picture to its edges."""
GREY: Final = 127
"""Of a margin. With the edges drawn outwards instead, a third of ORL's faces stayed unseen when cut
to what lies between brows and chin; so one of 150 does."""
MAX_FRAMED_PX: Final = 1536
"""Of the longer side of a picture with its margin, so that a large one costs no memory."""


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
    picture.check(rgb)
    for margin in MARGINS:
        framed = _framed(rgb, margin)
        if found := _confirmed(framed.rgb, detector, mesher):
            return _most_prominent(found, framed)
    return Acquired(None, 0)


class _Framed(NamedTuple):
    """A picture with a margin; points of it times `scale`, less `shift`, are the picture's own."""

    rgb: NDArray[np.uint8]
    scale: int
    shift: NDArray[np.float32]


def _framed(rgb: NDArray[np.uint8], margin: float) -> _Framed:
    """Lay a margin round a picture, which is made smaller first where the whole would be large.

    What is nothing then, a line, is left as it is.
    """
    scale = int(max(rgb.shape[:2]) * (1 + 2 * margin) / MAX_FRAMED_PX) + 1
    if not margin or min(rgb.shape[:2]) < scale * picture.MIN_SIDE_PX:
        return _Framed(rgb, 1, np.zeros(3, dtype=np.float32))
    small = np.asarray(Image.fromarray(rgb).reduce(scale)) if scale > 1 else rgb
    height, width = small.shape[:2]
    high, wide = int(height * margin), int(width * margin)
    framed = np.full((height + 2 * high, width + 2 * wide, 3), GREY, dtype=np.uint8)
    framed[high : high + height, wide : wide + width] = small
    return _Framed(framed, scale, np.array([wide * scale, high * scale, 0], dtype=np.float32))


def _most_prominent(found: list[tuple[float, Mesh]], framed: _Framed) -> Acquired:
    most, mesh = max(found, key=lambda each: each[0])
    count = sum(prominence >= MIN_SHARE * most for prominence, _ in found)
    points = mesh.points * framed.scale - framed.shift
    return Acquired(replace(mesh, points=points), count)


def _confirmed(
    rgb: NDArray[np.uint8], detector: Detector, mesher: Mesher
) -> list[tuple[float, Mesh]]:
    """Return prominence and points of each face whose mesh says that it is one."""
    found = []
    for face in detector.detect(rgb):
        mesh = mesher.mesh(rgb, face)
        if not mesh.is_face:
            mesh = _asked_in_the_mirror(rgb, face, mesh, mesher)
        if mesh.is_face:
            found.append((_prominence(face, rgb.shape), mesh))
    return found


def _asked_in_the_mirror(rgb: NDArray[np.uint8], face: Face, unsure: Mesh, mesher: Mesher) -> Mesh:
    """Return the points of a face with the confidence that the net has when it is mirrored.

    The net is surer of some faces from the other side, and has their points right from either.
    """
    there = mesher.mesh(rgb[:, ::-1], face.mirrored(rgb.shape[1]))
    here = mesher.follow(rgb, unsure) if there.is_face else unsure
    return replace(here, confidence=there.confidence)


def _prominence(face: Face, shape: tuple[int, ...]) -> float:
    """Return the face's width, less by how far it is from the middle; 0..1 or a little more."""
    height, width = shape[:2]
    left, top, right, bottom = face.box.astype(float)
    away = np.hypot((left + right - width) / 2, (top + bottom - height) / 2)
    return float((right - left) / max(height, width) * (1 - away / np.hypot(height, width)))
