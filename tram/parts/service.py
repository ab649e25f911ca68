"""What every long-running process of ours does: JSON lines to stderr, an orderly end on a signal.

Knows which keys a log line may have: a closed list of words about machines. Whatever else somebody
logs by mistake is left out and counted, so that no line can hold a person.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict, WrappedLogger

KEYS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "code",
        "device",
        "dropped",
        "error",
        "filed",
        "groups",
        "lane",
        "outcome",
        "row",
        "session",
        "shards",
        "simulators",
        "state",
        "topics",
        "why",
    }
)
"""What a log line may have."""

MAX_TEXT_CHARS = 200
OURS = frozenset({"hw", "kiosk", "fleet", "models", "tram", "provisioning"})
"""Whose event names are constants of our own."""


def log_as_json(to: TextIO | None = None) -> None:
    """Send every log event there, one JSON object a line.

    Args:
        to: a text file that stays open; None: stderr.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_known_keys,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(
            file=cast("TextIO", _Unfailing(to or sys.stderr))
        ),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_NamesOnly()]
    root.setLevel(logging.DEBUG if os.environ.get("TRAM_LOG") == "debug" else logging.INFO)


class _Unfailing(io.TextIOBase):
    """A text file that may be full or closed: what is logged about goes on without its log."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str, /) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()


class _NamesOnly(logging.Handler):
    """Libraries' and drivers' events by name alone: what they were formatted with is left out."""

    def emit(self, record: logging.LogRecord) -> None:
        name = str(record.msg).split(maxsplit=1)[0] if record.msg else ""
        ours = record.name.split(".", 1)[0] in OURS
        structlog.get_logger().log(
            record.levelno, name if ours else "library_event", state=record.name
        )


def only_known_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep the keys that may be logged, with short plain values; count the others."""
    kept = {
        key: value[:MAX_TEXT_CHARS] if isinstance(value, str) else value
        for key, value in event.items()
        if key in KEYS and isinstance(value, str | int | float | None)
    }
    if left_out := len(event) - len(kept):
        kept["left_out"] = left_out
    return kept


INTERRUPTED: Final = 130
"""What a shell calls a program that Ctrl-C ended."""
LAST_S: Final = 20.0
"""How long an orderly end may take, where a terminal that is gone may hold up whoever draws."""


def until_told() -> threading.Event:
    """Return an event that SIGTERM, SIGINT and a closed terminal set. Main thread only."""
    stopping = threading.Event()
    for number in (signal.SIGINT, *_endings()):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


@contextmanager
def ending_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end what runs within as Ctrl-C does. Main thread only.

    It has `LAST_S` seconds for that, once; then the process ends, and its children with it.
    """
    last = threading.Timer(LAST_S, os._exit, (INTERRUPTED,))
    last.daemon = True
    told = threading.Event()

    def end(*_: object) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        last.start()
        told.set()
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _endings()}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    except (Exception, SystemExit):
        if not told.is_set():
            raise
        # What fails on the way out, for want of a terminal, is not why we end.
        raise KeyboardInterrupt from None
    finally:
        last.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _endings() -> tuple[signal.Signals, ...]:
    """Return what ends a process beside Ctrl-C; not SIGHUP where nohup keeps it away."""
    kept_away = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM,) if kept_away else (signal.SIGTERM, signal.SIGHUP)
