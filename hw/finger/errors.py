"""What a fingerprint sensor can fail with, beside what every device can.

Each is one of `hw.errors`' kinds, so that who knows only those acts rightly. No message holds
anything of a finger.
"""

from __future__ import annotations

from hw.errors import DeviceError, DeviceFailed, DeviceTimeout

DEVICE = "finger"


class NoFinger(DeviceTimeout):
    """Nobody touched the sensor in time, or nobody let go of it; the device is well."""

    def __init__(self) -> None:
        super().__init__(DEVICE, "no touch in time")


class PortClosed(DeviceFailed):
    """The port is not open, or was closed while it was waited for."""

    def __init__(self) -> None:
        super().__init__(DEVICE, "not open")


class NotForgotten(DeviceFailed):
    """The port is closed, and its device may still hold what was touched."""

    def __init__(self) -> None:
        super().__init__(DEVICE, "closed, and not forgotten")


class OutOfTime(DeviceError):
    """All the time that one call may take is over; whoever called the port gets DeviceTimeout.

    No DeviceTimeout itself, for one answer that does not come is asked for again.
    """

    def __init__(self) -> None:
        super().__init__(DEVICE, "device_timeout", "it comes to no end")


class LineBroken(DeviceFailed):
    """The line to the device is gone: unplugged, or its driver in the kernel failed."""

    def __init__(self) -> None:
        super().__init__(DEVICE, "the line broke")


class LineTorn(DeviceFailed):
    """Bytes were lost or changed on the way, again and again."""

    def __init__(self, message: str = "an image did not come whole") -> None:
        super().__init__(DEVICE, message)


class WrongPassword(DeviceFailed):
    """The module wants another password; it is not asked again, for it may lock itself."""

    def __init__(self) -> None:
        super().__init__(DEVICE, "the module wants another password")


class ModuleRefused(DeviceFailed):
    """The device answered, and not with what was asked of it.

    Attributes:
        doing: what was asked, e.g. "UpImage".
        code: its answer: a module's confirmation code, or a device service's error code.
    """

    def __init__(self, doing: str, code: int) -> None:
        super().__init__(DEVICE, f"{doing} was answered with {code}")
        self.doing = doing
        self.code = code


class UnknownImageSize(DeviceFailed):
    """An image came whole and is of a sensor that is not known here.

    Attributes:
        size_bytes: its length.
    """

    def __init__(self, size_bytes: int) -> None:
        super().__init__(DEVICE, f"no sensor known here has images of {size_bytes} bytes")
        self.size_bytes = size_bytes


class Unproven(DeviceFailed):
    """What a device service said is not signed by a device that is trusted, or answers another."""


class BadPicture(DeviceFailed):
    """A picture for the simulator cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(DEVICE, message)
