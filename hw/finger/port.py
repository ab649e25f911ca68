"""The port of a fingerprint sensor: one touch at a time, as pixels or as a coded record.

Every driver (r503, sim, fprint, sbi) implements it in full and passes the same contract suite. A
port is used by one thread; `close` alone may be called from another, and ends what waits. It knows
nothing of minutiae, of who touches, nor whether two touches are alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


class Phase(StrEnum):
    """How far a capture has come."""

    WAITING = "waiting"
    """A finger may touch now."""
    TAKEN = "taken"
    """The device holds an image; the finger should stay until the next phase."""
    RETRYING = "retrying"
    """The image did not come whole and is fetched again."""
    DONE = "done"
    """The image is here; the finger may leave."""


class Light(StrEnum):
    """What the sensor's own light shows, where it has one."""

    OFF = "off"
    WAITING = "waiting"
    BUSY = "busy"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One touch as pixels.

    Attributes:
        pixels: (H, W) uint8, grey, 0 black (ridges are dark) to 255 white, origin top left,
            read-only.
        dpi: pixels an inch, both ways.
        bits: how many bits of grey the sensor gave, 4 or 8; the rest is expansion.
        monotonic_ns: when it was taken, on this machine's monotonic clock.
        source: the kind of driver, e.g. "serial"; says nothing of the person.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    dpi: int
    bits: int
    monotonic_ns: int
    source: str


@dataclass(frozen=True, slots=True)
class CodedFinger:
    """One touch as the record that a device made, not decoded here: that is the models' work.

    Attributes:
        coded: the record, at most `hw.finger.sbi.MAX_RECORD_BYTES` long; untrusted content.
        format: how it is coded; "iso19794-4" is a finger image record of [19794-4].
        monotonic_ns: when it came, on this machine's monotonic clock.
        source: the kind of driver, e.g. "sbi".
    """

    coded: bytes = field(repr=False)
    format: str
    monotonic_ns: int
    source: str


Touch: TypeAlias = FingerImage | CodedFinger
"""What a capture gives."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a driver and its module agreed on.

    Attributes:
        baud: bits a second on the line.
        packet_bytes: of the image in each frame.
    """

    baud: int
    packet_bytes: int


@runtime_checkable
class OnLine(Protocol):
    """A sensor on a serial line, which can tell how they speak; for whoever installs it."""

    @property
    def agreed(self) -> Agreed | None:
        """What was agreed on; None while the port is not open."""
        ...


class FingerPort(Protocol):
    """A fingerprint sensor."""

    @property
    def simulated(self) -> bool:
        """Whether no real sensor stands behind this port; every record says so."""
        ...

    def open(self) -> None:
        """Find the device and make it ready. Stateless when it fails; harmless when it is open.

        Raises:
            DeviceMissing: there is no such device, or nothing answers on it.
            DeviceFailed: it does not start, wants another password, or cannot be trusted.
        """
        ...

    def capture(
        self, *, timeout_s: float, on_phase: Callable[[Phase], None] | None = None
    ) -> Touch:
        """Wait for a finger and give its image.

        Args:
            timeout_s: how long a finger is waited for. What follows a touch has bounds of the
                driver's own, said there.
            on_phase: told of each phase, on the caller's thread; must not call the port.

        Raises:
            NoFinger: nobody touched in time.
            PortClosed: the port is not open, or was closed meanwhile.
            DeviceTimeout: the device fell silent.
            DeviceFailed: it broke, refused, or gave no whole image.
        """
        ...

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:
        """Wait until a finger lies on the sensor, or none does.

        Returns:
            True once it is so; False, at once, from a device that cannot tell.

        Raises:
            NoFinger: it did not become so in time.
            PortClosed, DeviceTimeout, DeviceFailed: as for `capture`.
        """
        ...

    def show(self, light: Light) -> None:
        """Set the sensor's light; one that has none, or is not open, is left as it is.

        Raises:
            DeviceFailed: the line broke.
        """
        ...

    def forget(self) -> None:
        """Overwrite what the device itself still holds of a touch; nothing to do is done at once.

        Raises:
            PortClosed: the port is not open.
            DeviceTimeout, DeviceFailed: it could not be made sure of; also by who closed.
        """
        ...

    def close(self) -> None:
        """Forget, darken and let go of the device; harmless when it is not open.

        May be called from another thread: a call that waits there ends with PortClosed.
        """
        ...
