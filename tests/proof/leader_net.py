"""LEADER as it was converted, judged by its authors' own program under Keras.

Knows where the original weights come from, on which pictures it is asked, and how equal each form
of the weights must be. The pictures are rendered; where the evaluation data is there, real fingers
are among them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from models.finger.extract import MIN_QUALITY, found_in
from models.runtime import load
from provisioning.weights_leader import convert
from tests.proof.originals import original
from tests.proof.other_environment import ROOT, python_with, run

sys.path.insert(0, str(ROOT / "tests" / "unit" / "models"))
JUDGE = "tests.proof.leader_judge"
DATA = os.environ.get("TRAM_TESTDATA")
SENSORS = ((192, 192), (288, 256), (384, 320), (480, 512))
REAL_EACH = 27
"""Every so many of a set's pictures is taken."""
LIMITS = {
    "float32 sure": 1e-4, "float32 angle": 1e-3, "float32 same": 1.0,
    "float16 sure": 0.01, "float16 angle": 0.05, "float16 same": 0.995,
    "int8 sure": 0.05, "int8 angle": 0.5, "int8 same": 0.985,
}  # fmt: skip
"""Greatest difference at a minutia, of how sure it is and in radians; least share of all minutiae
that one finds where the other does, counted both ways."""
NEAR_PX = 2
ROUNDS = 5


def prove() -> tuple[bool, str, dict[str, float]]:
    """Return whether Keras agrees, in words, and by how much it differs."""
    pictures = _pictures()
    with tempfile.TemporaryDirectory() as scratch:
        packages = Path(scratch, "packages")
        packages.mkdir()
        raw = original("leader.int8", packages)
        given, out = Path(scratch, "in.npz"), Path(scratch, "out.npz")
        np.savez(given, **pictures)
        run(python_with(ROOT / "requirements" / "leader.txt"), JUDGE, [given, out])
        with np.load(out) as judged:
            said = {name: judged[name] for name in pictures}
    figures: dict[str, float] = {"pictures": len(pictures)}
    for weights in ("float32", "float16", "int8"):
        content = convert(raw, weights=weights)
        figures |= _compared(content, weights, pictures, said)
        if weights != "float32":
            figures |= _timed(content, weights)
    passed = all(
        figures[name] >= limit if name.endswith("same") else figures[name] <= limit
        for name, limit in LIMITS.items()
    )
    told = ", ".join(f"{name} {figures[name]:.3g}" for name in LIMITS)
    return passed, f"{len(pictures)} pictures, {figures['minutiae']:.0f} minutiae: {told}", figures


def _pictures() -> dict[str, np.ndarray]:
    """Return pictures by name, their sides multiples of 32: nothing is padded on either side."""
    from ridge_material import ridges

    found = {
        f"{rows}x{columns} {turn}": ridges((rows, columns), turn=turn, seed=rows)[0]
        for rows, columns in SENSORS
        for turn in (0.0, 1.1)
    }
    if DATA is not None:
        for folder in sorted(Path(DATA, "data", "fingers", "fvc2002").iterdir()):
            for path in sorted(folder.glob("*.png"))[::REAL_EACH]:
                with Image.open(path) as opened:
                    grey = np.asarray(opened.convert("L"))
                rows, columns = (side // 32 * 32 for side in grey.shape)
                found[f"{folder.name} {path.stem}"] = grey[:rows, :columns]
    return found


def _compared(
    content: bytes, weights: str, pictures: dict[str, np.ndarray], said: dict[str, np.ndarray]
) -> dict[str, float]:
    sure, angle, same, asked = 0.0, 0.0, 0, 0
    theirs = 0
    for name, grey in pictures.items():
        net = load(content, shape=(1, *grey.shape, 1))
        outputs = [each[0] for each in net.run([grey[None, ..., None].astype(np.float32)])]
        rows, columns = np.nonzero(said[name][..., 3] >= MIN_QUALITY)
        there = said[name][rows, columns]
        cosine, sine = outputs[1][rows, columns].T
        turned = np.angle(np.exp(1j * (np.arctan2(sine, cosine) - there[:, 1])))
        sure = max(sure, float(np.abs(outputs[0][rows, columns, 0] - there[:, 3]).max()))
        angle = max(angle, float(np.abs(turned).max()))
        mine = found_in(*outputs)
        away = np.maximum(np.abs(mine.x[:, None] - columns), np.abs(mine.y[:, None] - rows))
        near = away <= NEAR_PX
        same += int(near.any(axis=0).sum() + near.any(axis=1).sum())
        asked += sum(near.shape)
        theirs += len(rows)
    return {
        "minutiae": theirs,
        f"{weights} sure": round(sure, 6),
        f"{weights} angle": round(angle, 6),
        f"{weights} same": round(same / asked, 5),
        f"{weights} bytes": len(content),
    }


def _timed(content: bytes, weights: str) -> dict[str, float]:
    """Return milliseconds of processor time, one thread, the best of some runs."""
    found = {}
    for rows, columns in SENSORS:
        net = load(content, shape=(1, rows, columns, 1))
        grey = np.random.default_rng(1).uniform(0, 255, (1, rows, columns, 1)).astype(np.float32)
        net.run([grey])
        took = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            net.run([grey])
            took.append(time.process_time() - begun)
        found[f"{weights} {rows}x{columns} ms"] = round(min(took) * 1e3, 1)
    return found
