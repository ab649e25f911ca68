"""Every parser that meets bytes from outside, by name, with the errors it may raise.

Each room lists its own in a module here, and `corpus` what each of them would rather meet; the
pytest run and `make fuzz` walk them all.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Target(NamedTuple):
    """A parser and what it may raise."""

    parse: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]


@cache
def targets() -> dict[str, Target]:
    """Return all targets, by name; their rooms are imported now and not before."""
    found: dict[str, Target] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem.startswith(("_", "test_")):
            continue
        for name, (parse, errors) in import_module(f"tests.fuzz.{path.stem}").TARGETS.items():
            found[name] = Target(parse, errors)
    return found
