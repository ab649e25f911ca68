"""How much moves behind a face from one frame to the next.

Knows two small pictures and where the face and the body below it are. A hall where people pass is
nobody's fault: only when much of what is seen moves is the next person about to stand there, or the
camera is pushed. Whether the background moves as one with the face, as on a print, is another
question (`models.face.temporal`). Does not know time: who skips frames sees more motion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

CODE: Final = "quality_background"
MAX_MOVING: Final = 0.3
"""Of the background. One person who walks by at two metres covers a tenth to a fifth of a frame."""
STEP_PX: Final = 8
"""So far apart are the pixels that are looked at."""
CHANGED: Final = 25.0
"""Grey levels: more than a sensor's noise, less than a person before a wall."""
AROUND: Final = 0.6
"""Of the width of the face's points: what hair and neck take to each side."""
MIN_CELLS: Final = 100
"""With less background than this there is nothing to say."""


class Backdrop:
    """The background of one camera, frame by frame."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._last: NDArray[np.float32] | None = None

    def see(self, rgb: NDArray[np.uint8], mesh: Mesh) -> float:
        """Return the share of the background that changed since the last frame, 0..1.

        Light that changes everywhere alike, as automatic exposure does, is no motion.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            mesh: the face's points in it.
        """
        now = rgb[STEP_PX // 2 :: STEP_PX, STEP_PX // 2 :: STEP_PX].mean(axis=2, dtype=np.float32)
        last, self._last = self._last, now
        if last is None or last.shape != now.shape:
            return 0.0
        behind = _behind(now.shape, mesh)
        if int(behind.sum()) < MIN_CELLS:
            return 0.0
        change = (now - last)[behind]
        return float((np.abs(change - np.median(change)) > CHANGED).mean())


def _behind(shape: tuple[int, ...], mesh: Mesh) -> NDArray[np.bool_]:
    """Return (H, W): all but the head and what is below it."""
    flat = mesh.points[:, :2] / STEP_PX
    (left, top), (right, bottom) = flat.min(axis=0), flat.max(axis=0)
    aside, above = AROUND * (right - left), AROUND * (bottom - top)
    y, x = np.mgrid[: shape[0], : shape[1]]
    head = (x > left - aside) & (x < right + aside) & (y > top - above)
    body = y > bottom
    return np.asarray(~(head | body), dtype=np.bool_)
