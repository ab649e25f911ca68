"""The port of a camera: fresh frames, in order, from the device that was opened.

Every driver (file, sim, picamera, v4l2) implements it in full and passes one contract suite: v4l2
on a stand-in of the kernel, picamera on one of the vendor's library. It knows nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hw.camera.controls import Controls


class Cue(StrEnum):
    """What the person in front of the camera is being asked to do."""

    LOOK_AHEAD = "look_ahead"
    TURN_LEFT = "turn_left"
    """The person's own left, which is on the right-hand side of a frame."""
    TURN_RIGHT = "turn_right"
    BLINK = "blink"
    """Close the eyes for a moment and open them again."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    Attributes:
        rgb: (H, W, 3) uint8, RGB, origin top left, not mirrored.
        monotonic_ns: when it was taken, on this machine's monotonic clock.
        seq: counts up by one from 0 since open; a gap means dropped frames.
    """

    rgb: NDArray[np.uint8] = field(repr=False)
    monotonic_ns: int
    seq: int


class CameraPort(Protocol):
    """A camera."""

    @property
    def simulated(self) -> bool:
        """Whether the frames come from a file or a renderer; every record says so."""
        ...

    def open(self) -> None:
        """Start the device. Stateless when it fails.

        Raises:
            DeviceMissing, DeviceFailed: there is no such camera, or it does not start.
        """
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames for as long as the caller asks; the newest, dropping those missed.

        Raises:
            DeviceFailed, DeviceTimeout: the stream broke or stalled.
        """
        ...

    def cue(self, cue: Cue) -> None:
        """Tell the device what the person is asked to do.

        A real camera may steer a light by it or ignore it; a simulated one plays the person.
        """
        ...

    def set_controls(self, controls: Controls) -> None:
        """Set exposure and white balance for the frames to come; what it has not is left.

        They are gone when the camera is closed.
        """
        ...

    def close(self) -> None:
        """Stop the device; harmless when it is not open."""
        ...
