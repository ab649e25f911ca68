"""Find faces in a picture: boxes and six key points.

Knows the anchors and the weighted suppression of MediaPipe's short-range detector. Finding a face
says nothing about its quality (models.face.quality), and faces beyond about two metres are missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face import picture
from models.runtime import ModelError, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME: Final = "face-detection-short-range"
SIDE: Final = 128
GRIDS: Final = ((16, 2), (8, 6))
"""Cells a side, and anchors a cell."""
ANCHORS: Final = 896
VALUES: Final = 16
MIN_SCORE: Final = 0.5
MIN_OVERLAP: Final = 0.3
"""Intersection over union above which two boxes are one face."""
MAX_LOGIT: Final = 80.0


class KeyPoint(IntEnum):
    """The rows of `Face.points`; left and right are the person's own."""

    RIGHT_EYE = 0
    LEFT_EYE = 1
    NOSE_TIP = 2
    MOUTH = 3
    RIGHT_EAR = 4
    LEFT_EAR = 5


MIRRORED: Final = (
    KeyPoint.LEFT_EYE,
    KeyPoint.RIGHT_EYE,
    KeyPoint.NOSE_TIP,
    KeyPoint.MOUTH,
    KeyPoint.LEFT_EAR,
    KeyPoint.RIGHT_EAR,
)
"""Which point of a face takes the place of each when left becomes right."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in a picture; pixels, origin top left.

    Attributes:
        box: (4,) float32: left, top, right, bottom; may reach beyond the picture.
        points: (6, 2) float32: x, y by `KeyPoint`.
        score: 0.5..1.
    """

    box: NDArray[np.float32] = field(repr=False)
    points: NDArray[np.float32] = field(repr=False)
    score: float = field(repr=False)

    def mirrored(self, width_px: int) -> Face:
        """Return the face where it is in the mirrored picture, whose width is given."""
        left, top, right, bottom = self.box
        points = self.points[list(MIRRORED)].copy()
        points[:, 0] = width_px - points[:, 0]
        box = np.array([width_px - right, top, width_px - left, bottom], dtype=np.float32)
        return Face(box=box, points=points, score=self.score)


class Detector:
    """The detector net and what makes faces of its numbers. For one thread."""

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
            ((1, ANCHORS, VALUES), (1, ANCHORS, 1)),
        ):
            raise ModelError(NAME, "altered", "another net's shapes")
        self._anchors = _anchors()

    def detect(self, rgb: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Find the faces in a picture, the surest first.

        Args:
            rgb: (H, W, 3) uint8, RGB.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        picture.check(rgb)
        height, width = rgb.shape[:2]
        size_px = float(max(height, width))
        whole = picture.turned_square(
            np.array([width / 2, height / 2]), size_px=size_px, roll=0.0, side=SIDE
        )
        square = picture.cut(rgb, whole, side=SIDE)
        regressors, logits = self._net.run([square[None].astype(np.float32) / 127.5 - 1.0])
        scores = _sigmoid(logits.reshape(ANCHORS))
        rows = self._rows(regressors.reshape(ANCHORS, VALUES))
        good = (scores > MIN_SCORE) & np.isfinite(rows).all(axis=1)
        good &= (rows[:, 2:4] > rows[:, 0:2]).all(axis=1)
        shift = np.array([width - size_px, height - size_px]) / 2
        return tuple(
            _face(row, score, size_px=size_px, shift=shift)
            for row, score in _merged(rows[good], scores[good])
        )

    def _rows(self, regressors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (896, 16): left, top, right, bottom, six points; fractions of the square."""
        pairs = regressors.reshape(ANCHORS, VALUES // 2, 2) / SIDE
        center = pairs[:, 0] + self._anchors
        half = pairs[:, 1] / 2
        points = pairs[:, 2:] + self._anchors[:, None]
        corners = np.concatenate([center - half, center + half], axis=1)
        return np.concatenate([corners, points.reshape(ANCHORS, -1)], axis=1)


def _anchors() -> NDArray[np.float32]:
    """Return the (896, 2) centres of the anchors, fractions of the square."""
    found = []
    for cells, repeat in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        found.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeat, axis=0))
    return np.concatenate(found).astype(np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded = np.clip(np.nan_to_num(logits, nan=-MAX_LOGIT), -MAX_LOGIT, MAX_LOGIT)
    return (1 / (1 + np.exp(-bounded))).astype(np.float32)


def _merged(
    rows: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], float]]:
    """Return one weighted mean for each heap of overlapping boxes, the surest first."""
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    faces = []
    while len(rows):
        same = _overlap(rows[0], rows) > MIN_OVERLAP
        same[0] = True
        weights = scores[same]
        faces.append(((rows[same] * weights[:, None]).sum(axis=0) / weights.sum(), scores[0]))
        rows, scores = rows[~same], scores[~same]
    return [(row, float(score)) for row, score in faces]


def _overlap(one: NDArray[np.float32], many: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the intersection over union of one box with each of many."""
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[2:4], many[:, 2:4])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    either = np.prod(one[2:4] - one[:2]) + np.prod(many[:, 2:4] - many[:, :2], axis=1) - both
    shares: NDArray[np.float32] = both / np.maximum(either, 1e-12)
    return shares


def _face(
    row: NDArray[np.float32], score: float, *, size_px: float, shift: NDArray[np.float64]
) -> Face:
    points = (row.reshape(-1, 2) * size_px + shift).astype(np.float32)
    return Face(box=points[:2].reshape(4), points=points[2:], score=score)
