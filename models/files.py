"""One way to read a file that lies among the models: a regular one, bounded, at once.

Knows kinds of files and sizes. Does not know what they hold. A pipe, a socket or a device in place
of a file would keep its reader waiting for ever; here it is as good as none.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, *, limit: int) -> bytes:
    """Return a regular file's bytes, and no more than one beyond the limit.

    Args:
        path: the file; links are followed.
        limit: bytes that the caller takes; what is longer is for it to refuse.

    Raises:
        OSError: it is not there, no regular file, or cannot be read.
    """
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        return file.read(limit + 1)


def _at_once(path: str, flags: int) -> int:
    # Without the flag, to open a pipe is to wait for whoever writes.
    return os.open(path, flags | os.O_NONBLOCK)
