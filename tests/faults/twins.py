"""Does the checker catch every wrong twin of the product, and let the right one pass?

Runs `seeded` in a process of its own and judges what it left on the disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.faults.checker import Keys, Opener, check
from tests.faults.disk import in_memory

ROOT = Path(__file__).parents[2]
SEEDED_S = 120
LEAST = 10


class Twin(NamedTuple):
    """One of them: its bug (none: "goes-on"), what it counts as, and what was found."""

    bug: str
    caught_as: frozenset[str]
    found: frozenset[str]

    @property
    def caught(self) -> bool:
        """Whether the right name was said; of the one without a bug, no name at all."""
        return bool(self.caught_as & self.found) if self.caught_as else not self.found


def judged() -> list[Twin]:
    """Let every twin live and judge each."""
    with TemporaryDirectory(prefix="faults-", dir=in_memory()) as made:
        folder = Path(made)
        subprocess.run(
            [sys.executable, "-m", "tests.faults.seeded", folder],
            cwd=ROOT,
            check=True,
            timeout=SEEDED_S,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return [_judge(one) for one in sorted(folder.iterdir())]


def _judge(folder: Path) -> Twin:
    home = folder / "fleet"
    keys = Keys.read(home / "ingest" / "operations.key.pem", home / "records" / "identity.key.pem")
    found = check(
        folder / "kiosk-1" / "truth",
        folder / "kiosk-1" / "outbox.db",
        home / "fleet.db",
        device="kiosk-1",
        opener=Opener(keys),
        drained=True,
    )
    names = frozenset((folder / "caught_as").read_text().split())
    if not found.said:
        return Twin(folder.name, names, frozenset({"nothing was filed"}))
    return Twin(folder.name, names, frozenset(one.name for one in found.findings))


def all_caught(twins: list[Twin]) -> bool:
    """Whether there are enough of them and each was caught."""
    return sum(bool(one.caught_as) for one in twins) >= LEAST and all(one.caught for one in twins)
