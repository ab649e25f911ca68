"""468 points of a face, in the picture's own coordinates.

Knows MediaPipe's face mesh and the square it wants to see. The depth is what the net expects of a
face, not measured: a flat picture of a face gets a face's depth too (models.face.liveness tells
them apart by how they turn).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture
from models.face.detect import KeyPoint
from models.runtime import ModelError, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.detect import Face

NAME: Final = "face-landmark"
SIDE: Final = 192
POINTS: Final = 468
ROI_SCALE: Final = 1.5
MIN_CONFIDENCE: Final = 5.0
"""Logit. On faces 19 to 54 was seen, elsewhere at most 3.3."""
RIGHT_EYE: Final = (33, 133)
"""Outer and inner corner of the person's right eye, which is on the picture's left."""
LEFT_EYE: Final = (263, 362)


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """The points of one face.

    Attributes:
        points: (468, 3) float32: x, y in pixels of the picture, origin top left; z in the same
            scale, smaller is nearer to the camera, 0 about the middle of the head.
        confidence: logit; above `MIN_CONFIDENCE` it is a face.
    """

    points: NDArray[np.float32] = field(repr=False)
    confidence: float = field(repr=False)

    @property
    def is_face(self) -> bool:
        """Whether the net saw a face where it looked."""
        return self.confidence > MIN_CONFIDENCE

    @property
    def eyes(self) -> NDArray[np.float32]:
        """(2, 2) float32: the middles of the person's right and left eye, x and y in pixels."""
        return eyes_of(self.points)

    @property
    def eye_distance_px(self) -> float:
        """Pixels between the middles of the eyes."""
        right, left = self.eyes
        return float(np.hypot(*(left - right)))


class Mesher:
    """The mesh net and the way its points return to the picture. For one thread."""

    def __init__(self, net: bytes, *, threads: int = 1) -> None:
        """Load the net.

        Args:
            net: the verified model file `NAME`.
            threads: for the runtime.

        Raises:
            ModelError: it is another net.
        """
        self._net = load(net, threads=threads)
        if (self._net.inputs, self._net.outputs) != (
            ((1, SIDE, SIDE, 3),),
            ((1, 1, 1, POINTS * 3), (1, 1, 1, 1)),
        ):
            raise ModelError(NAME, "altered", "another net's shapes")

    def mesh(self, rgb: NDArray[np.uint8], face: Face) -> Mesh:
        """Fit the points to a face that was found, in two passes.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            face: where the detector saw it.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        picture.check(rgb)
        corners = face.box.reshape(2, 2)
        right, left = face.points[KeyPoint.RIGHT_EYE], face.points[KeyPoint.LEFT_EYE]
        first = self._look(rgb, corners, right=right, left=left)
        return self.follow(rgb, first) if first.is_face else first

    def follow(self, rgb: NDArray[np.uint8], last: Mesh) -> Mesh:
        """Fit the points again near where they were: one pass, in the same or the next picture.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            last: the points as they were.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        picture.check(rgb)
        flat = last.points[:, :2]
        corners = np.stack([flat.min(axis=0), flat.max(axis=0)])
        right, left = last.eyes
        return self._look(rgb, corners, right=right, left=left)

    def _look(
        self,
        rgb: NDArray[np.uint8],
        corners: NDArray[np.float32],
        *,
        right: NDArray[np.float32],
        left: NDArray[np.float32],
    ) -> Mesh:
        size_px = (
            float(np.clip((corners[1] - corners[0]).max(), 1, picture.MAX_SIDE_PX)) * ROI_SCALE
        )
        across = (left - right).astype(float)
        to_frame = picture.turned_square(
            corners.mean(axis=0), size_px=size_px, roll=np.arctan2(across[1], across[0]), side=SIDE
        )
        square = picture.cut(rgb, to_frame, side=SIDE)
        values, logit = self._net.run([square[None].astype(np.float32) / 255.0])
        inside = values.reshape(POINTS, 3).astype(float)
        points = np.empty((POINTS, 3), dtype=np.float32)
        points[:, :2] = inside[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
        points[:, 2] = inside[:, 2] * (size_px / SIDE)
        if not (np.isfinite(points).all() and np.isfinite(logit).all()):
            raise ModelError(NAME, "failed", "the net gave no numbers")
        return Mesh(points=points, confidence=float(logit.reshape(())))


def eyes_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (2, 2): x, y of the middles of the person's right and left eye."""
    return np.stack(
        [points[list(RIGHT_EYE), :2].mean(axis=0), points[list(LEFT_EYE), :2].mean(axis=0)]
    )
