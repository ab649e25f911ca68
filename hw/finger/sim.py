"""A simulated sensor: `sim://finger?images=DIR`.

The real driver, through pyserial, on a module that is played on a pseudo-terminal: speeds, frames,
timing and a bad cable are met as with a real one. What it gives says "sim". As of a real sensor, no
two images are equal bit by bit, unless it is told `noise=0`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from hw.finger.errors import PortClosed
from hw.finger.pictures import load_folder
from hw.finger.played import PlayedModule
from hw.finger.r503 import R503

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hw.finger.port import Agreed, FingerImage, Light, Phase


NOISE: Final = 3.0
"""Greys of 256: it moves one pixel in seven to the next of 16."""


class SimulatedFinger:
    """A finger port: the real driver, on a module that is played."""

    simulated = True

    def __init__(self, module: PlayedModule) -> None:
        """Take a module; it is plugged in by `open` and pulled out by `close`."""
        self.module = module
        self._changing = threading.Lock()
        self._driver: R503 | None = None

    @classmethod
    def of_folder(
        cls,
        folder: Path,
        *,
        model: str = "r503",
        fault: str | None = None,
        speed: float = 1.0,
        noise: float = NOISE,
    ) -> SimulatedFinger:
        """Play a module on which a folder's pictures are laid in the order of their names.

        Raises:
            DeviceMissing, BadPicture: there are no pictures, or they cannot be used.
            BadDeviceURL: no such model, fault, speed or noise.
        """
        pictures = load_folder(folder)
        return cls(PlayedModule(pictures, model=model, fault=fault, speed=speed, noise=noise))

    @property
    def agreed(self) -> Agreed | None:
        """What the driver agreed on with the played module."""
        driver = self._driver
        return None if driver is None else driver.agreed

    def open(self) -> None:
        """Plug the module in and open the driver on its line."""
        with self._changing:
            if self._driver is not None:
                return
            driver = R503(self.module.plug_in(), source="sim")
            try:
                driver.open()
            except BaseException:
                self.module.unplug()
                raise
            self._driver = driver

    def capture(
        self, *, timeout_s: float, on_phase: Callable[[Phase], None] | None = None
    ) -> FingerImage:
        """Capture through the driver."""
        return self._open_driver().capture(timeout_s=timeout_s, on_phase=on_phase)

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:
        """Wait through the driver."""
        return self._open_driver().wait_until(finger=finger, timeout_s=timeout_s)

    def show(self, light: Light) -> None:
        """Show through the driver."""
        driver = self._driver
        if driver is not None:
            driver.show(light)

    def forget(self) -> None:
        """Forget through the driver."""
        self._open_driver().forget()

    def close(self) -> None:
        """Close the driver and pull the module out."""
        with self._changing:
            driver, self._driver = self._driver, None
            if driver is not None:
                driver.close()
                self.module.unplug()

    def _open_driver(self) -> R503:
        driver = self._driver
        if driver is None:
            raise PortClosed
        return driver
