"""A face as 192 numbers, and how close two of them are.

Knows MobileFaceNet: two slots, one for the picture and one for its mirror image. An embedding is
biometric data: it does not print, and it is not stored. What a closeness means is
`models.face.decide`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.align import SIDE, align
from models.runtime import ModelError, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

NAME: Final = "mobilefacenet"
SIZE: Final = 192
SLOTS: Final = 2
MIN_NORM: Final = 1e-6


class Embedder:
    """The embedding net. For one thread."""

    def __init__(self, net: bytes, *, threads: int = 1) -> None:
        """Load the net.

        Args:
            net: the verified model file `NAME`.
            threads: for the runtime.

        Raises:
            ModelError: it is another net.
        """
        self._net = load(net, threads=threads)
        if (self._net.inputs, self._net.outputs) != (((SLOTS, SIDE, SIDE, 3),), ((SLOTS, SIZE),)):
            raise ModelError(NAME, "altered", "another net's shapes")

    def embed(self, rgb: NDArray[np.uint8], mesh: Mesh) -> NDArray[np.float32]:
        """Embed the face under a mesh.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            mesh: the face's points in that picture.

        Returns:
            (192,) float32, unit length; compare with `cosine`.

        Raises:
            PictureError: it is no such array.
            ModelError: the net failed.
        """
        return self.embed_aligned(align(rgb, mesh))

    def embed_aligned(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed a face that already lies on the template.

        Args:
            face: (112, 112, 3) uint8, RGB.

        Returns:
            (192,) float32, unit length.

        Raises:
            ModelError: the net failed.
        """
        both = np.stack([face, face[:, ::-1]]).astype(np.float32)
        (rows,) = self._net.run([(both - 127.5) / 128.0])
        return unit(unit(rows[0]) + unit(rows[1]))


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector scaled to length 1.

    Raises:
        ModelError: it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < MIN_NORM:
        raise ModelError(NAME, "failed", "the net gave no direction")
    scaled: NDArray[np.float32] = (vector / length).astype(np.float32)
    return scaled


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how close two embeddings are, -1..1; 1 is the same."""
    return float(np.clip(one.astype(np.float64) @ other.astype(np.float64), -1.0, 1.0))
