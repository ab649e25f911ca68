"""What is preloaded under SQLite (`disk.c`), compiled where there is a compiler."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp


def in_memory() -> str | None:
    """A folder that no sync waits for, if there is one: for what judges no sync."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@cache
def compiled() -> Path | None:
    """The library, made once a process; None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder = mkdtemp(prefix="faults-disk-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Path(folder) / "disk.so"
    source = Path(__file__).with_name("disk.c")
    words = ["-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl", "-lpthread"]
    subprocess.run([compiler, *words], check=True)
    return made
