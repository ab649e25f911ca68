"""Print how exposed each unit is by systemd's own measure, and fail above its ceiling."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

UNITS = Path(__file__).parents[2] / "systemd"
CEILING = {
    "kiosk-station.service": 0.4,
    "kiosk-vision@.service": 0.6,
    "kiosk-link.service": 1.3,
    "fleet-ingest.service": 1.3,
}


def exposure(unit: Path) -> float:
    """Return systemd's overall exposure level of a unit file, 0 (safe) to 10."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        raise SystemExit(f"systemd-analyze said nothing of {unit.name}: {done.stderr.strip()}")
    return float(found[1])


def main() -> int:
    """Measure every unit; 1 if one is above its ceiling or has none."""
    worst = 0
    for unit in sorted(UNITS.glob("*.service")):
        level, ceiling = exposure(unit), CEILING.get(unit.name, 0.0)
        print(f"exposure {unit.name:26} {level:.1f} (ceiling {ceiling:.1f})")
        worst |= level > ceiling
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
