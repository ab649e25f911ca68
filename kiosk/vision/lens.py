"""Whether what the camera gives can be pictures of people at all: not black, not in wrong colours.

Knows the look of a covered or dead lens, and that no skin is blue: red and blue were taken for each
other where face after face seems so, and the nets would still find them. Neither is the citizen's
to mend. Does not know why; the camera has failed. Frames that repeat are `hw.camera.fresh`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw.errors import DeviceFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLACK_LEVEL: Final = 12
"""No pixel of a black frame is lighter. A dark hall has its lamps and its door."""
BLACK_S: Final = 5.0
"""A lens that is covered by a hand for a moment has not failed."""
COLD: Final = -0.04
"""Of `models.face.light.Light.warmth`; skin of 579 people read 0.05 or more in 98 of 100, and never
less than 0, which pictures without colour have."""
COLD_FACES: Final = 8
"""In a row."""
STEP_PX: Final = 8


class Lens:
    """One camera's frames in a row."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._black_since_s: float | None = None
        self._cold = 0

    def see(self, rgb: NDArray[np.uint8], *, at_s: float, warmth: float | None) -> None:
        """Take the next frame.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            at_s: when it was taken, monotonic.
            warmth: of the one face on it; None: there is none.

        Raises:
            DeviceFailed: the lens has been black, or its colours have been swapped, for too long.
        """
        if int(rgb[::STEP_PX, ::STEP_PX].max()) > BLACK_LEVEL:
            self._black_since_s = None
        elif self._black_since_s is None:
            self._black_since_s = at_s
        elif at_s - self._black_since_s >= BLACK_S:
            raise DeviceFailed("camera", "it is black")
        if warmth is not None:
            self._cold = self._cold + 1 if warmth < COLD else 0
        if self._cold >= COLD_FACES:
            raise DeviceFailed("camera", "red and blue are swapped")
