"""Print how exposed each unit is by systemd's own measure, and fail above its ceiling."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNITS = Path(__file__).parents[2] / "systemd"
CEILING = {
    "kiosk-station.service": 0.4,
    "kiosk-station.service with finger-serial": 0.6,
    "kiosk-station.service with finger-sbi": 0.7,
    "kiosk-vision@.service": 0.6,
    "kiosk-touch@.service": 0.4,
    "kiosk-sbi@.service": 1.1,
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


def exposure_with(drop_in: Path, unit: Path) -> float:
    """Return the level of a unit to which a drop-in was added."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(shutil.copy(unit, folder))
        added = copied.with_name(f"{unit.name}.d")
        added.mkdir()
        shutil.copy(drop_in, added)
        return exposure(copied)


def levels() -> dict[str, float]:
    """Return the level of every unit, and of every unit with each of its drop-ins."""
    found = {unit.name: exposure(unit) for unit in sorted(UNITS.glob("*.service"))}
    for drop_in in sorted(UNITS.glob("*.d/*.conf")):
        unit = UNITS / f"{drop_in.parent.stem}.service"
        found[f"{unit.name} with {drop_in.stem}"] = exposure_with(drop_in, unit)
    return found


def main() -> int:
    """Measure every unit; 1 if one is above its ceiling or has none."""
    worst = 0
    for name, level in levels().items():
        ceiling = CEILING.get(name, 0.0)
        print(f"exposure {name:41} {level:.1f} (ceiling {ceiling:.1f})")
        worst |= level > ceiling
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
