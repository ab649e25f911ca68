"""What the commands that measure have in common: progress, the program's commit, what went wrong.

Knows words, a clock and git. Does not know what is measured.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from models.calibration import CalibrationError
from models.evaluate.fit import FitError
from models.evaluate.pairs import PairsError
from models.evaluate.pictures import PictureFileError
from models.evaluate.rates import RatesError
from models.evaluate.texture_fit import TextureFitError
from models.face.picture import PictureError
from models.face.texture import TextureError
from models.runtime import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED, FAILED = 1, 3
QUIET_S: Final = 2.0
"""So long nothing is said, and so often after that."""
GIT_S: Final = 5.0
ROOT: Final = Path(__file__).parents[2]


class Counted:
    """Says on stderr how far a count has come, when it takes longer than `QUIET_S`."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._began = self._said = time.monotonic()

    def tick(self) -> None:
        """Count one."""
        self._done += 1
        now = time.monotonic()
        if now - self._said < QUIET_S:
            return
        self._said = now
        left_s = (now - self._began) / self._done * (self._total - self._done)
        click.echo(
            f"  {self._what}: {self._done:,} of {self._total:,}, {left_s:.0f} s left", err=True
        )


def commit() -> str:
    """Return the commit of the program's repository, 40 hex digits.

    Outside of one, and where the sources are not as committed, it is "unknown": such a commit
    would not hold the program that measured.
    """
    try:
        head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", "*.py")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head if len(head) == 40 and not changed else "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words],
        capture_output=True, text=True, timeout=GIT_S, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@contextmanager
def failing(command: str, files: dict[type[Exception], str]) -> Iterator[None]:
    """Turn what can go wrong into one sentence on stderr and an exit code.

    Args:
        command: whose sentence it is.
        files: the file that an error of that kind is about, told before it.
    """
    try:
        yield
    except (
        CalibrationError,
        FitError,
        ModelError,
        OSError,
        PairsError,
        PictureError,
        PictureFileError,
        RatesError,
        TextureError,
        TextureFitError,
    ) as error:
        about = files.get(type(error), "")
        where = f"{about}: " if about else ""
        what = error.strerror if isinstance(error, OSError) else str(error)
        click.echo(f"{command}: {where}{what}", err=True)
        refused = isinstance(error, CalibrationError) and error.why == "in_sample"
        raise SystemExit(REFUSED if refused else FAILED) from error
