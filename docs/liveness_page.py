"""The page about liveness: made of the table that `tram models attacks play --out` kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tram.parts.attacks_page import page

KEPT: Final = Path(__file__).parent / "reference" / "measured" / "liveness.json"


def render() -> str:
    """Return the page, Markdown."""
    return page(json.loads(KEPT.read_text(encoding="utf-8")))
