"""Write files that only their owner can read, and never over another.

Knows modes and folders. Does not know what is in a file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600


class AlreadyThereError(Exception):
    """A home or a file that would be made is already there; nothing was changed in it."""


def make_folder(path: Path) -> Path:
    """Make a folder of mode 0700, with its parents; one that is there is narrowed."""
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    path.chmod(FOLDER_MODE)
    return path


def write_new(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600.

    Raises:
        AlreadyThereError: a file of that name exists.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError as error:
        raise AlreadyThereError(f"{path} is already there") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
