"""`python -m tests.vectors.leader.make`: record what Keras makes of a rendered picture.

Writes keras.npz: the picture, what the net says wherever a minutia is at all likely, and which
minutiae there are. Needs a network once, for the packages of requirements/leader.txt.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.proof.other_environment import ROOT, python_with, run

HERE = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests" / "unit" / "models"))
LIKELY = 0.05
MIN_QUALITY = 0.3
BLUR = np.array([0.0625, 0.25, 0.375, 0.25, 0.0625])


def picture() -> np.ndarray:
    """Return ridges with noise, a faint patch and an empty corner."""
    from ridge_material import ridges

    rng = np.random.default_rng(5)
    grey = ridges((160, 192), turn=0.6, seed=5)[0].astype(float)
    grey += rng.normal(0, 25, grey.shape)
    grey[:40, :50] = 250
    grey[100:130, 120:160] = 200 + (grey[100:130, 120:160] - 128) * 0.2
    return np.clip(grey.round(), 0, 255).astype(np.uint8)


def main() -> None:
    """Render, ask, write."""
    grey = picture()
    with tempfile.TemporaryDirectory() as scratch:
        given, out = Path(scratch, "in.npz"), Path(scratch, "out.npz")
        np.savez(given, picture=grey)
        judge = python_with(ROOT / "requirements" / "leader.txt")
        run(judge, "tests.proof.leader_judge", [given, out])
        with np.load(out) as judged:
            said, versions = judged["picture"], judged["versions"]
    sure = np.pad(said[..., 0].astype(float), 2)
    for axis in (0, 1):
        sure = np.apply_along_axis(np.convolve, axis, sure, BLUR, "same")
    blurred = sure[2:-2, 2:-2]
    rows, columns = np.nonzero(blurred >= LIKELY)
    peak_rows, peak_columns = np.nonzero(said[..., 3] >= MIN_QUALITY)
    np.savez_compressed(
        HERE / "keras.npz",
        grey=grey,
        rows=rows.astype(np.int16),
        columns=columns.astype(np.int16),
        sure=blurred[rows, columns].astype(np.float32),
        angle=said[rows, columns, 1],
        ending=said[rows, columns, 2],
        peak_rows=peak_rows.astype(np.int16),
        peak_columns=peak_columns.astype(np.int16),
        peak_sure=said[peak_rows, peak_columns, 3],
        source=f"pyfing 0.7.3, {versions}",
    )


if __name__ == "__main__":
    main()
