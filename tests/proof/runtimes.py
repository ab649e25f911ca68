"""Both tensor runtimes give the same answers: LiteRT, and tflite-runtime with its older numpy.

Knows how far apart they may be. The older runtime computes nets with weights of 8 bits by another
kernel, so that its numbers are near and not equal.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.proof.other_environment import ROOT, python_with, run

OLD = ROOT / "requirements" / "tflite-runtime.txt"
WALK = "tests.proof.face_walk"
LIMITS = {"points": 0.01, "open": 0.01, "embedding": 0.1}
"""Greatest distance: of points in distances of the eyes, of openness, of embeddings of length 1."""


def prove() -> tuple[bool, str, dict[str, float]]:
    """Return whether they agree, in words, and by how much they differ."""
    with tempfile.TemporaryDirectory() as scratch:
        new, old = Path(scratch, "new.npz"), Path(scratch, "old.npz")
        run(Path(sys.executable), WALK, [new])
        run(python_with(OLD), WALK, [old])
        with np.load(new) as here, np.load(old) as there:
            return _compared(dict(here), dict(there))


def _compared(
    new: dict[str, np.ndarray], old: dict[str, np.ndarray]
) -> tuple[bool, str, dict[str, float]]:
    if str(new["runtime"][0]) == str(old["runtime"][0]) or new.keys() != old.keys():
        return False, "the same runtime twice, or other results", {}
    figures: dict[str, float] = {}
    for kind in LIMITS:
        names = [name for name in new if name.startswith(f"{kind}/")]
        away = [np.linalg.norm(np.atleast_1d(new[name] - old[name]), axis=-1) for name in names]
        figures[kind] = round(max(float(each.max()) for each in away), 6)
    for name, took in new.items():
        if name.startswith("ms/"):
            figures |= {f"{name} new": round(float(took), 2)}
            figures |= {f"{name} old": round(float(old[name]), 2)}
    passed = all(figures[kind] <= limit for kind, limit in LIMITS.items())
    told = ", ".join(f"{kind} {figures[kind]:.2g} (at most {LIMITS[kind]})" for kind in LIMITS)
    runtimes = f"{new['runtime'][0]} (numpy {new['numpy']}), {old['runtime'][0]} ({old['numpy']})"
    return passed, f"{runtimes}: {told}", figures
