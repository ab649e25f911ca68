"""What is going on, on stderr: each step once, and every two seconds that it still goes on.

Knows words and a clock. Does not know what is done.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

TICK_S: Final = 2.0
LATE_S: Final = 1.5


@contextmanager
def said_if_late(what: str, *, after_s: float = LATE_S) -> Iterator[None]:
    """Say on stderr what is going on if it still goes on after so many seconds; else nothing."""
    late = threading.Timer(after_s, click.echo, (what,), {"err": True})
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


class Progress:
    """Says what begins, what goes on and how long it took; a context manager that ends it."""

    def __init__(self) -> None:
        self._what = ""
        self._since = self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def say(self, what: str) -> None:
        """Begin something; the same again goes on."""
        if what != self._what:
            self._finish()
            self._what, self._since = what, time.monotonic()
            click.echo(f"  {what} …", err=True)

    def end(self) -> None:
        """Nothing more; harmless when it has ended."""
        self._finish()
        self._ended.set()

    @property
    def seconds(self) -> float:
        """How long it has gone on in all."""
        return time.monotonic() - self._began

    def _finish(self) -> None:
        if self._what:
            click.echo(f"  {self._what}: {time.monotonic() - self._since:.1f} s", err=True)
            self._what = ""

    def _tick(self) -> None:
        while not self._ended.wait(TICK_S):
            what, spent = self._what, time.monotonic() - self._since
            if what and spent >= TICK_S:
                click.echo(f"  {what} … {spent:.0f} s", err=True)
