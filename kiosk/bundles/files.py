"""One way to read a file that somebody else may have put there: regular, bounded, at once.

Knows sizes and kinds of files. Does not know what they hold.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_bounded(path: Path, *, limit: int) -> bytes:
    """Return all of a file.

    Args:
        path: the file.
        limit: bytes allowed.

    Raises:
        ValueError: it is no regular file, or has more bytes.
        OSError: it cannot be read; FileNotFoundError if it is not there.
    """
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no regular file")
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise ValueError("too large")
    return raw


def _at_once(path: str, flags: int) -> int:
    # A pipe in its place would otherwise keep the reader waiting for a writer.
    return os.open(path, flags | os.O_NONBLOCK)
