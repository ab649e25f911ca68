"""The port of a light whose colour can be chosen, as a kiosk's own screen, and a simulated one.

Knows colours as shares of red, green and blue. Does not know who draws them, nor who looks at what
they light. An infrared lamp or a second camera would be ports of their own; there are none yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DARK = (0.0, 0.0, 0.0)
REACH = 0.45
"""The simulated light falls off from the middle of the frame, where somebody stands before it, by
so many of the frame's heights: what is behind is lit less."""


class LightPort(Protocol):
    """A light."""

    def show(self, rgb: tuple[float, float, float]) -> None:
        """Show a colour, or `DARK`.

        Args:
            rgb: shares of red, green and blue, 0..1.

        Raises:
            DeviceFailed: it does not answer.
        """
        ...


@dataclass(slots=True)
class SimulatedLight:
    """A screen before which somebody stands in a hall.

    Attributes:
        strength: how much of its own light the skin sends back, over the hall's; a bright screen in
            a dim hall has .3, in daylight .02.
    """

    strength: float = 0.25
    _rgb: tuple[float, float, float] = DARK

    def show(self, rgb: tuple[float, float, float]) -> None:
        """Show a colour.

        Raises:
            ValueError: a share is not from 0 to 1.
        """
        if not all(0 <= each <= 1 for each in rgb):
            raise ValueError("no colour")
        self._rgb = rgb

    def on(self, scene: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a scene as this light and the hall's together show it: (H, W, 3) uint8.

        Skin and cloth send it back; a screen that is held up shines by itself, and should not be
        given to it.
        """
        height, width = scene.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        away = np.hypot(x - width / 2, y - height / 2) / (REACH * height)
        near = (1 / (1 + away**2))[..., None]
        gain = 1 + near * (np.array(self._rgb, dtype=np.float32) * np.float32(self.strength))
        lit: NDArray[np.uint8] = np.clip(scene * gain + 0.5, 0, 255).astype(np.uint8)
        return lit
