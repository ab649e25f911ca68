"""Measure the face lane on the evaluation sets and keep the reports beside the page they make.

Needs TRAM_TESTDATA and the model files. Writes docs/reference/measured/face/*.json and the plot;
`docs/generate.py` makes docs/reference/face-accuracy.md of them. Takes some minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parent
OUT: Final = DOCS / "reference" / "measured" / "face"
PLOT: Final = DOCS / "images" / "face-det.svg"
HALVES: Final = {"s1_20": "s21_40", "s21_40": "s1_20"}
NETS: Final = ("mobilefacenet", "dlib-resnet", "strict")
COLOURS: Final = ("#0b5394", "#6aa84f", "#cc0000", "#666666")
WIDTH, HEIGHT, EDGE = 640, 480, 60
DECADES: Final = (-5, 0)


def main() -> int:
    """Measure; return the exit code."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    if not (data := os.environ.get("TRAM_TESTDATA")):
        print("TRAM_TESTDATA names no folder", file=sys.stderr)
        return 1
    faces = Path(data, "data", "faces")
    OUT.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for net in NETS:
            for frames in (1, 3) if net != "dlib-resnet" else (1,):
                name = f"orl-{net}-{frames}"
                _evaluate(faces, "orl_pairs.csv", scratch / name, net=net, frames=frames)
                curves[f"{net}, {frames} to 1"] = _curve(scratch / name)
                _keep(name, scratch / name)
        for fitted, reported in HALVES.items():
            own = scratch / f"{fitted}.json"
            _tram(
                "calibrate", "face", "--images", faces / "orl",
                "--pairs", faces / f"orl_{fitted}_pairs.csv", "--out", own,
            )  # fmt: skip
            for frames in (1, 3):
                name = f"orl-{reported}-by-{fitted}-{frames}"
                _evaluate(
                    faces,
                    f"orl_{reported}_pairs.csv",
                    scratch / name,
                    frames=frames,
                    calibration=own,
                )
                _keep(name, scratch / name)
    PLOT.write_text(plot({name: curves[name] for name in curves if "dlib" not in name}))
    return 0


def _evaluate(
    faces: Path,
    pairs: str,
    out: Path,
    *,
    net: str = NETS[0],
    frames: int = 1,
    calibration: Path | None = None,
) -> None:
    own = [] if calibration is None else ["--calibration", calibration]
    _tram(
        "evaluate", "face", "--images", faces / "orl", "--pairs", faces / pairs, "--net", net,
        "--frames", frames, "--out", out, *own,
    )  # fmt: skip


def _tram(*arguments: object) -> None:
    command = [sys.executable, "-m", "tram", "models", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=DOCS.parent)


def _keep(name: str, made: Path) -> None:
    report: dict[str, Any] = json.loads((made / "report.json").read_text())
    (OUT / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


def _curve(made: Path) -> list[tuple[float, float]]:
    with (made / "det.csv").open(newline="") as file:
        return [(float(row["fmr"]), float(row["fnmr"])) for row in csv.DictReader(file)]


def plot(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Return DET curves as an SVG: FMR across, FNMR up, both logarithmic."""

    def place(rate: float, *, across: bool) -> float:
        low, high = DECADES
        share = (max(math.log10(max(rate, 1e-9)), low) - low) / (high - low)
        if across:
            return EDGE + share * (WIDTH - 2 * EDGE)
        return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for decade in range(DECADES[0], DECADES[1] + 1):
        x, y = place(10.0**decade, across=True), place(10.0**decade, across=False)
        parts += [
            (
                f'<path d="M{x:.1f} {EDGE}V{HEIGHT - EDGE}M{EDGE} {y:.1f}H{WIDTH - EDGE}" '
                'stroke="#ddd" fill="none"/>'
            ),
            f'<text x="{x:.1f}" y="{HEIGHT - EDGE + 18}" text-anchor="middle">1e{decade}</text>',
            f'<text x="{EDGE - 8}" y="{y + 4:.1f}" text-anchor="end">1e{decade}</text>',
        ]
    for place_in_list, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[place_in_list % len(COLOURS)]
        points = " ".join(
            f"{place(fmr, across=True):.1f},{place(fnmr, across=False):.1f}" for fmr, fnmr in curve
        )
        y = EDGE + 18 * (place_in_list + 1)
        parts += [
            f'<polyline points="{points}" stroke="{colour}" stroke-width="2" fill="none"/>',
            f'<text x="{WIDTH - EDGE - 8}" y="{y}" text-anchor="end" fill="{colour}">{name}</text>',
        ]
    parts += [
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 14}" text-anchor="middle">FMR</text>',
        (
            f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" '
            f'transform="rotate(-90 16 {HEIGHT / 2})">FNMR</text>'
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
