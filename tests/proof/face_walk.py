"""`python -m tests.proof.face_walk OUT`: all nets on all photographs, in the runtime that is here.

Writes the numbers and the milliseconds to OUT, an npz file. Needs numpy, Pillow, msgspec and one of
the two runtimes: nothing else of the environment that tests are made of.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from models.face import detect, iris, mesh
from models.face.embed import STRICT, open_embedder
from models.manifest import load_verified, manifests
from models.runtime import RUNTIMES, load

BUILD = Path(__file__).parents[2] / "build"
MODELS, PORTRAITS = BUILD / "models", BUILD / "portraits"
REPEATS = 15


def walk() -> dict[str, np.ndarray]:
    """Return points, openness and embeddings by photograph, and median milliseconds by net."""
    detector = detect.Detector(load_verified(MODELS, detect.NAME))
    mesher = mesh.Mesher(load_verified(MODELS, mesh.NAME))
    lids = iris.Iris(load_verified(MODELS, iris.NAME))
    strict = open_embedder(MODELS, STRICT)
    found: dict[str, np.ndarray] = {}
    for path in sorted(PORTRAITS.iterdir()):
        with Image.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        (face, *_) = detector.detect(rgb)
        points = mesher.mesh(rgb, face)
        found[f"points/{path.stem}"] = points.points / points.eye_distance_px
        found[f"open/{path.stem}"] = np.array(lids.openness(rgb, points))
        found[f"embedding/{path.stem}"] = strict.embed(rgb, points)
    return found


def median_ms(name: str) -> float:
    """Return how long one run of a net takes, one thread."""
    net = load(load_verified(MODELS, name))
    inputs = [
        np.random.default_rng(1).uniform(0, 1, each).astype(np.float32) for each in net.inputs
    ]
    took = []
    for _ in range(REPEATS):
        begun_ns = time.perf_counter_ns()
        net.run(inputs)
        took.append((time.perf_counter_ns() - begun_ns) / 1e6)
    return float(np.median(took))


def main() -> None:
    """Walk, measure, write."""
    found = walk()
    found |= {f"ms/{name}": np.array(median_ms(name)) for name in manifests()}
    loaded = [name for name in RUNTIMES if name in sys.modules]
    np.savez(sys.argv[1], runtime=np.array(loaded), numpy=np.array(np.__version__), **found)


if __name__ == "__main__":
    main()
