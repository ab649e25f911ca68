"""Make the pages of docs/reference that are made from the code; with `--check`, say which are old.

Exit codes: 0 made, or fresh; 1 a page is not what the code says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import commands_page
import emrtd_page
import face_accuracy_page
import face_quality_page
import finger_accuracy_page
import liveness_page
import performance_page
import reasons_page
import session_page

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE: Final = Path(__file__).parent / "reference"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "commands.md": commands_page.render,
    "emrtd.md": emrtd_page.render,
    "face-accuracy.md": face_accuracy_page.render,
    "face-quality.md": face_quality_page.render,
    "finger-accuracy.md": finger_accuracy_page.render,
    "liveness.md": liveness_page.render,
    "performance.md": performance_page.render,
    "reasons.md": reasons_page.render,
    "session.md": session_page.render,
}


def stale() -> list[str]:
    """Return the names of pages that are not what the code says."""
    return [name for name, render in PAGES.items() if _read(REFERENCE / name) != render()]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Make or check all pages; return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--check", action="store_true", help="write nothing")
    old = stale()
    if options.parse_args().check:
        for name in old:
            print(f"docs/reference/{name} is old: run docs/generate.py", file=sys.stderr)
        return 1 if old else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in old:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
