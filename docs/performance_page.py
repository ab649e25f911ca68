"""The page of what things cost: made of the figures that `python -m tests.bench --out` kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT: Final = Path(__file__).parent / "reference" / "measured" / "bench.json"
HEAD: Final = """\
# What things cost

`python -m tests.bench --out docs/reference/measured/bench.json` measures, `docs/generate.py` makes
this page of it; `make bench` measures here and keeps the figures in `build/bench.json`. No figure
is of a kiosk's own computer.

Each figure stands beside a yardstick that was measured in the same run, in the same unit: another
machine has other figures and much the same ratios. Milliseconds are of one thread, processor time
but where a name says `wall`. What a name means, its module in `tests/bench` says; rows with a peer
are of the same pictures.
"""


def render() -> str:
    """Return the page, Markdown."""
    return "".join([HEAD, *_tables(json.loads(KEPT.read_text(encoding="utf-8")))])


def _tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a section for each room, the first word of a name."""
    room = ""
    for row in rows:
        if (begins := row["name"].partition("_")[0]) != room:
            room = begins
            yield f"\n## {room}\n\nMeasured {row['date'][:10]} on {row['machine']}.\n\n"
            yield "| figure | value | | yardstick | ratio | of |\n|---|---:|---|---:|---:|---|\n"
        yield (
            f"| `{row['name']}` | {row['value']:,.4g} | {row['unit']} | {row['baseline']:,.4g} "
            f"| {row['ratio']:,.3g} | {row['of']} |\n"
        )
