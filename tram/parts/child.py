"""A child process for a demo or a test: watched, and ended by its own id with bounded waits.

Knows one process. What it is and how it starts stands in who derives from it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

END_S = 5.0


def ended_with_us(*command: str) -> list[str]:
    """Return the command that also ends when the thread that starts it does, whatever ended that.

    The second line behind `Child.stop`: for a parent that was killed. Without setpriv, the command
    as it is.
    """
    setpriv = shutil.which("setpriv")
    return [*([] if setpriv is None else [setpriv, "--pdeathsig", "TERM", "--"]), *command]


class Child(ABC):
    """One process at a time; a context manager. `start`, `stop` and `kill` again and again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it does its work; harmless while it lives."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in order (SIGTERM), or by force after `END_S` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_S)

    def kill(self) -> None:
        """End it at once (SIGKILL): a power cut."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(END_S)


class TramChild(Child):
    """`tram …` as a process of its own. Its log is appended to."""

    def __init__(self, *arguments: str, log: Path) -> None:
        super().__init__()
        self._arguments = arguments
        self._log = log

    def start(self) -> None:
        """Start it; harmless while it lives. Raises OSError."""
        if self.running:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ended_with_us(sys.executable, "-m", "tram", *self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
