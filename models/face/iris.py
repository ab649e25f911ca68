"""How open the eyes are: the gap between the lids over the width of the eye.

Knows the iris net, its two eyes and its contour. The number is for comparing one person's frames
with each other; people differ, and a head that turns narrows it. Does not know what a blink is
(`models.face.liveness`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture
from models.face.mesh import LEFT_EYE, RIGHT_EYE
from models.runtime import ModelError, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

NAME: Final = "iris-landmark"
SIDE: Final = 64
POINTS: Final = 71
IRIS_POINTS: Final = 5
ROI_SCALE: Final = 2.3
LOWER: Final = slice(1, 8)
"""Points of the lower lid between the corners, which are 0 (outer) and 8 (inner)."""
UPPER: Final = slice(9, 16)
"""Points of the upper lid, each above the one of the lower lid."""
CORNERS: Final = (0, 8)


class Iris:
    """The iris net. For one thread."""

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
            ((1, POINTS * 3), (1, IRIS_POINTS * 3)),
        ):
            raise ModelError(NAME, "altered", "another net's shapes")

    def openness(self, rgb: NDArray[np.uint8], mesh: Mesh) -> float:
        """Return how open the eyes under a mesh are, the mean of both.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            mesh: the face's points in that picture.

        Returns:
            The gap between the lids over the distance of the corners: about .2 to .4 of open eyes,
            less of closed ones, though never 0.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        return float(np.mean([openness_of(each) for each in self.contours(rgb, mesh)]))

    def contours(
        self, rgb: NDArray[np.uint8], mesh: Mesh
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the contours of the person's right and left eye.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            mesh: the face's points in that picture.

        Returns:
            Each (71, 2) float32: x and y in pixels of the picture, origin top left. Points 0 to 8
            run along the lower lid from the outer to the inner corner, 9 to 15 along the upper.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        picture.check(rgb)
        right, left = mesh.points[list(RIGHT_EYE), :2], mesh.points[list(LEFT_EYE), :2]
        return self._look(rgb, right), self._look(rgb, left[::-1], mirrored=True)

    def _look(
        self, rgb: NDArray[np.uint8], corners: NDArray[np.float32], *, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """Return the contour of the eye between two corners, the one left in the picture first."""
        across = (corners[1] - corners[0]).astype(float)
        size_px = float(np.clip(np.hypot(*across), 1, picture.MAX_SIDE_PX)) * ROI_SCALE
        to_frame = picture.turned_square(
            corners.mean(axis=0), size_px=size_px, roll=np.arctan2(across[1], across[0]), side=SIDE
        )
        if mirrored:
            to_frame = to_frame @ np.array([[-1, 0, SIDE], [0, 1, 0], [0, 0, 1]])
        square = picture.cut(rgb, to_frame, side=SIDE)
        values, _ = self._net.run([square[None].astype(np.float32) / 255.0])
        if not np.isfinite(values).all():
            raise ModelError(NAME, "failed", "the net gave no numbers")
        inside = values.reshape(POINTS, 3)[:, :2].astype(float)
        points: NDArray[np.float32] = (inside @ to_frame[:, :2].T + to_frame[:, 2]).astype(
            np.float32
        )
        return points


def openness_of(contour: NDArray[np.float32]) -> float:
    """Return the mean gap between the lids of an eye over the distance of its corners.

    Args:
        contour: (71, 2), as `Iris.contours` returns it.

    Raises:
        ModelError: its corners are in one place.
    """
    corners = contour[CORNERS[1]] - contour[CORNERS[0]]
    width = float(np.hypot(*corners.astype(float)))
    if width < 1e-3:
        raise ModelError(NAME, "failed", "the net gave no eye")
    gaps = np.hypot(*(contour[UPPER] - contour[LOWER]).astype(float).T)
    return float(gaps.mean() / width)
