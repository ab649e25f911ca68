"""What a device can fail with. The kiosk turns each into a prompt and a reason."""

from __future__ import annotations


class DeviceError(Exception):
    """A device is missing, broken or silent; staff can act, the citizen cannot.

    Attributes:
        device: "card", "camera", "keys".
        reason: the closed reason code, e.g. "device_missing", "device_failed", "device_timeout".
        detail: what else is known; may be empty.
    """

    def __init__(self, device: str, reason: str, message: str = "") -> None:
        super().__init__(f"{device}: {reason}" + (f" ({message})" if message else ""))
        self.device = device
        self.reason = reason
        self.detail = message


class DeviceMissing(DeviceError):
    """No such device is attached."""

    def __init__(self, device: str, message: str = "") -> None:
        super().__init__(device, "device_missing", message)


class DeviceFailed(DeviceError):
    """The device is there and does not do its work."""

    def __init__(self, device: str, message: str = "") -> None:
        super().__init__(device, "device_failed", message)


class DeviceTimeout(DeviceError):
    """The device did not answer in its time."""

    def __init__(self, device: str, message: str = "") -> None:
        super().__init__(device, "device_timeout", message)


class BadDeviceURL(DeviceError):
    """A device URL that no driver understands."""

    def __init__(self, device: str, message: str = "") -> None:
        super().__init__(device, "device_url", message)
