"""What each target would rather meet: real values, made here from made-up people and keys.

Random bytes never get past the head of a DER structure; what is changed in one that is sound does.
A module here stands for the rooms it names, and gives the inputs of each target by its name.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path


@cache
def corpora() -> dict[str, list[bytes]]:
    """Return the seeds of every target, by its name."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            found |= import_module(f"tests.fuzz.corpus.{path.stem}").seeds()
    return found
