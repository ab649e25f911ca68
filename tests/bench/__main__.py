"""`python -m tests.bench --out build/bench.json`: every benchmark, one JSON row each.

A row: name, value, unit, baseline (the yardstick's value in the same unit), ratio (value over
baseline), of (what the yardstick is), machine, date.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import chip, face, finger, process, queue, trust

if TYPE_CHECKING:
    from tests.bench.measure import Row

SUITES = {
    "chip": chip.rows,
    "trust": trust.rows,
    "face": face.rows,
    "finger": finger.rows,
    "queue": queue.rows,
    "process": process.rows,
}


def machine() -> str:
    """Return processor, number of cores and kernel."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith(("model name", "Model"))
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"


def main() -> int:
    """Run the suites, print a line a row, write the file."""
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, default=Path("build/bench.json"))
    options.add_argument("--only", choices=sorted(SUITES))
    given = options.parse_args()
    where, when = machine(), datetime.now(UTC).isoformat(timespec="seconds")
    measured: list[dict[str, object]] = []
    for name, suite in SUITES.items():
        if given.only in {None, name}:
            print(f"{name} …", file=sys.stderr, flush=True)
            for row in suite():
                print(_line(row), flush=True)
                measured.append({**row._asdict(), "machine": where, "date": when})
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"{given.out}: {len(measured)} figures", file=sys.stderr)
    return 0


def _line(row: Row) -> str:
    return f"{row.name:34} {row.value:12.3f} {row.unit:9} {row.ratio:9.2f} times {row.of}"


if __name__ == "__main__":
    sys.exit(main())
