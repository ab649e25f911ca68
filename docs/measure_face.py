"""Calibrate the face lane, measure it on the evaluation sets, and make the pages of both.

Needs TRAM_TESTDATA and the model files; takes half an hour. Writes models/calibrations,
docs/reference/measured/face, the plots, and the pages face-accuracy and face-quality. Where the
sources are not as committed, what it writes names no commit. What the page says was counted by hand
is not made here.
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
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.calibration import FOLDER, load
from models.evaluate import faces, pictures
from models.face.embed import CLEAN, NAME, STRICT, open_embedder
from tram.parts.measured import Counted, commit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DOCS: Final = Path(__file__).parent
MODELS: Final = DOCS.parent / "build" / "models"
OUT: Final = DOCS / "reference" / "measured" / "face"
PLOT: Final = DOCS / "images" / "face-det.svg"
HALVES: Final = {"s1_20": "s21_40", "s21_40": "s1_20"}
NETS: Final = (NAME, CLEAN, STRICT)
PARTS: Final = ("calibrations", "reports", "quality")
STRONG_FMR, SAME_FMR = 1e-5, 1e-4
COLOURS: Final = ("#0b5394", "#6aa84f", "#cc0000", "#666666")
WIDTH, HEIGHT, EDGE = 640, 480, 60
DECADES: Final = (-5, 0)


def main() -> int:
    """Calibrate and measure; return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--part", choices=PARTS, action="append", help="only this; again for more")
    parts = options.parse_args().part or PARTS
    if not (data := os.environ.get("TRAM_TESTDATA")):
        print("TRAM_TESTDATA names no folder", file=sys.stderr)
        return 1
    sets = Path(data, "data", "faces")
    if "calibrations" in parts:
        _calibrate(sets)
    if "reports" in parts:
        _report(sets)
    if "quality" in parts:
        _run("docs/face_quality.py", "--images", sets / "orl")
    _run("docs/generate.py")
    return 0


def _calibrate(sets: Path) -> None:
    for net in NETS:
        _tram(
            "calibrate", "face", "--images", sets / "lfw80", "--ratio-images", sets / "orl",
            "--net", net, "--out", FOLDER / f"{net}.json",
        )  # fmt: skip


def _report(sets: Path) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for net in NETS:
            for frames in (1, 3):
                name = f"orl-{net}-{frames}"
                _evaluate(sets, "orl_pairs.csv", scratch / name, net=net, frames=frames)
                curves[f"{net}, {frames} to 1"] = _curve(scratch / name)
                _keep(name, scratch / name)
        for fitted, reported in HALVES.items():
            own = scratch / f"{fitted}.json"
            _tram(
                "calibrate", "face", "--images", sets / "orl",
                "--pairs", sets / f"orl_{fitted}_pairs.csv", "--out", own,
            )  # fmt: skip
            for frames in (1, 3):
                name = f"orl-{reported}-by-{fitted}-{frames}"
                pairs = f"orl_{reported}_pairs.csv"
                _evaluate(sets, pairs, scratch / name, frames=frames, calibration=own)
                _keep(name, scratch / name)
    PLOT.write_text(plot({name: curves[name] for name in curves if CLEAN not in name}))
    (OUT / "tail.json").write_text(json.dumps(tail(sets / "lfw80"), indent=1) + "\n")


def _evaluate(
    sets: Path,
    pairs: str,
    out: Path,
    *,
    net: str = NAME,
    frames: int = 1,
    calibration: Path | None = None,
) -> None:
    own = [] if calibration is None else ["--calibration", calibration]
    _tram(
        "evaluate", "face", "--images", sets / "orl", "--pairs", sets / pairs, "--net", net,
        "--frames", frames, "--out", out, *own,
    )  # fmt: skip


def _tram(*arguments: object) -> None:
    _run("-m", "tram", "models", *arguments)


def _run(*arguments: object) -> None:
    words = [str(each) for each in arguments]
    print(" ".join(each.rpartition("/")[2] for each in words), file=sys.stderr, flush=True)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, cwd=DOCS.parent)


def tail(folder: Path) -> dict[str, Any]:
    """Return what the pictures that the thresholds rest on are like, one of each person.

    Of the pairs above a net's strictest threshold it counts those that the other net takes for the
    same, too: two nets seldom err on the same pair, so that these are for the most part no
    impostors but one person under two names.
    """
    files = pictures.listed(folder)
    counted = Counted("pictures", len(files))
    extracted = faces.extract(
        ((path, f"file {place + 1}") for place, path in enumerate(files)),
        faces.open_eyes(MODELS, STRICT),
        tick=counted.tick,
    )
    seen = extracted.rows[extracted.acquired]
    cut = open_embedder(MODELS, NAME).size
    rows = {NAME: seen[:, :cut] * np.sqrt(2), CLEAN: seen[:, cut:] * np.sqrt(2)}
    return {
        "set": folder.resolve().name,
        "pictures": len(files),
        "failures": int((~extracted.acquired).sum()),
        "several_faces": extracted.several,
        "strongest": {
            NAME: _agreed(rows[NAME], rows[CLEAN], NAME, CLEAN),
            CLEAN: _agreed(rows[CLEAN], rows[NAME], CLEAN, NAME),
        },
        "commit": commit(),
    }


def _agreed(
    one: NDArray[np.float32], other: NDArray[np.float32], net: str, other_net: str
) -> dict[str, int]:
    strong = load(FOLDER / f"{net}.json").score_at(STRONG_FMR)
    same = load(FOLDER / f"{other_net}.json").score_at(SAME_FMR)
    found = [(float(other[a] @ other[b]) >= same) for a, b in _pairs_above(one, strong)]
    return {"pairs": len(found), "other_net_agrees": sum(found)}


def _pairs_above(rows: NDArray[np.float32], threshold: float) -> Iterator[tuple[int, int]]:
    for place in range(len(rows) - 1):
        cosines = rows[place + 1 :] @ rows[place]
        for offset in np.flatnonzero(cosines >= threshold).tolist():
            yield place, place + 1 + offset


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
