"""A private mosquitto that a demo or a test starts, stops and starts again.

Knows one process, ended by its own id with bounded waits. The configuration is the fleet home's;
what it permits is decided there.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tram.parts.child import Child, ended_with_us

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 5.0
POLL_S = 0.01
SBIN = "/usr/sbin:/usr/local/sbin"
"""Where Debian puts it; an ordinary user's PATH has neither."""


class BrokerError(Exception):
    """mosquitto is not installed, did not start in its time, or ended by itself."""


class Mosquitto(Child):
    """One broker process on the port its configuration names; a context manager.

    `stop` and `start` may be called again and again; `kill` is a power cut. The log goes to
    mosquitto.log beside the configuration.
    """

    def __init__(self, configuration: Path, *, host: str, port: int) -> None:
        super().__init__()
        self._configuration = configuration
        self._address = (host, port)

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            BrokerError: it is not installed, or did not come up in `READY_S` seconds.
        """
        if self.running:
            return
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=SBIN)
        if program is None:
            raise BrokerError("mosquitto is not installed")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ended_with_us(program, "-c", str(self._configuration)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers(self._process)

    @property
    def _log(self) -> Path:
        return self._configuration.parent / "mosquitto.log"

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if process.poll() is not None:
                self._process = None
                raise BrokerError(f"mosquitto ended with {process.returncode}; see {self._log}")
            try:
                with socket.create_connection(self._address, timeout=POLL_S * 10):
                    return
            except OSError:
                time.sleep(POLL_S)
        self.kill()
        raise BrokerError(f"mosquitto did not answer in {READY_S:.0f} s; see {self._log}")
