"""Print what was last proven, when and at which commit, and which evaluation sets were absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

PROOF = Path(__file__).parents[1] / "docs" / "proof"
SETS = ("vectors", "data/csca", "data/faces/orl", "data/faces/lfw80", "data/fingers/fvc2002")


def main() -> None:
    """Print both lists."""
    named = os.environ.get("TRAM_TESTDATA")
    for name in SETS:
        if named is None or not (Path(named) / name).is_dir():
            print(f"evaluation set absent: {name}")
    for path in sorted(PROOF.glob("*.json")):
        proof = json.loads(path.read_text())
        print(
            f"last proven: {path.stem} on {proof['date']} at {proof['commit']}: {proof['summary']}"
        )


if __name__ == "__main__":
    main()
