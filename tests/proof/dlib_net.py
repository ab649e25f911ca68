"""dlib's net as it was converted, and its alignment, judged by dlib itself.

Knows where the original file comes from and how equal each form of the weights must be to it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from models.face import chip, detect, mesh
from models.face.mesh import Mesh
from models.manifest import load_verified
from models.runtime import load
from provisioning.weights_dlib import convert
from tests.proof.originals import original
from tests.proof.other_environment import ROOT, python_with, run

JUDGE = "tests.proof.dlib_judge"
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"
LIMITS = {"float32": 1e-5, "float16": 1e-3, "int8": 0.03, "chip": 3.0}
"""Of a descriptor's distance from dlib's, over its length; of the mean difference of a pixel."""
PARTS = (*range(27, 55), *range(60, 65))
"""dlib's numbers of the points of `models.face.chip.MEAN_FACE`."""


def prove() -> tuple[bool, str, dict[str, float]]:
    """Return whether dlib agrees, in words, and by how much it differs."""
    with tempfile.TemporaryDirectory() as scratch:
        packages, dat, given, out = (
            Path(scratch, name) for name in ("packages", "net.dat", "in.npz", "out.npz")
        )
        packages.mkdir()
        dat.write_bytes(original("dlib-resnet", packages))
        faces = _faces()
        chips = [chip.chip(rgb, points) for rgb, points in faces]
        rng = np.random.default_rng(1)
        chips += [rng.integers(0, 256, (150, 150, 3), dtype=np.uint8) for _ in range(3)]
        rgb, points = faces[0]
        parts = np.zeros((68, 2), np.int64)
        parts[list(PARTS)] = np.round(
            points.points[[each for each, *_ in chip.MEAN_FACE], :2] - 0.5
        )
        np.savez(given, chips=np.stack(chips), picture=rgb, parts=parts)
        run(python_with(ROOT / "requirements" / "dlib.txt"), JUDGE, [dat, given, out])
        with np.load(out) as judged:
            descriptors, theirs = judged["descriptors"], judged["chip"].astype(float)
        figures = {
            kind: max(
                float(np.linalg.norm(_descriptor(net, each) - right) / np.linalg.norm(right))
                for each, right in zip(chips, descriptors, strict=True)
            )
            for kind in ("float32", "float16", "int8")
            for net in [load(convert(dat.read_bytes(), weights=kind))]
        }
    rounded = points.points.copy()
    rounded[[each for each, *_ in chip.MEAN_FACE], :2] = parts[list(PARTS)] + 0.5
    mine = chip.chip(rgb, Mesh(points=rounded, confidence=points.confidence))
    figures["chip"] = float(np.abs(mine.astype(float) - theirs).mean())
    passed = all(figures[kind] <= limit for kind, limit in LIMITS.items())
    told = ", ".join(f"{kind} {figures[kind]:.1e} (at most {LIMITS[kind]:g})" for kind in LIMITS)
    return passed, f"{len(chips)} chips: {told}", figures


def _faces() -> list[tuple[np.ndarray, Mesh]]:
    detector = detect.Detector(load_verified(MODELS, detect.NAME))
    mesher = mesh.Mesher(load_verified(MODELS, mesh.NAME))
    found = []
    for path in sorted(PORTRAITS.iterdir()):
        with Image.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        found.append((rgb, mesher.mesh(rgb, detector.detect(rgb)[0])))
    return found


def _descriptor(net: object, face: np.ndarray) -> np.ndarray:
    return net.run([face[None].astype(np.float32)])[0][0].astype(float)
