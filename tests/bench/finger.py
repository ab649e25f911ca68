"""Fingers: extraction, comparison, and how often both are wrong, beside NBIS on the same pictures.

Times are processor times of one thread. Pictures are drawn ridges where there are no evaluation
sets; errors are counted only on these, FVC2002's DB1_B and DB3_B, and in sample: the program's
weights were fitted on them (docs/reference/finger-accuracy.md has what was not).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from models.evaluate import fingers
from models.evaluate.finger_report import eer_by_rule
from models.evaluate.finger_sets import every_pair, list_set
from models.evaluate.rates import curve_of
from models.finger.extract import Extractor
from models.finger.fusion import score
from models.finger.prepared import prepare
from tests.bench.measure import median_cpu_ms, row
from tram.models_evaluate_finger import open_tools

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.evaluate.finger_sets import Comparisons, FingerSet
    from tests.bench.measure import Row

MODELS = Path("build/models")
PEER = Path("build/nbis/bin/python")
PEER_SCRIPT = Path(__file__).with_name("finger_peer.py")
SETS = ("DB1_B", "DB3_B")
NBIS = "NBIS (nbis-py), on the same pictures"
YARDSTICK = "a product of two 512 x 512 float32 matrices"
DRAWN, PEER_S = 6, 600


def rows() -> Iterator[Row]:
    """Measure the steps on drawn or real fingers, then errors on real ones."""
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder))
        yield from _steps(files)
    if (data := os.environ.get("TRAM_TESTDATA")) is None:
        print("no errors counted: TRAM_TESTDATA", file=sys.stderr)
        return
    for name in SETS:
        yield from _errors(list_set(Path(data, "data", "fingers", "fvc2002", name)), name)


def _steps(files: Sequence[Path]) -> Iterator[Row]:
    extractor = Extractor(MODELS)
    greys = [_grey(path) for path in files]
    found = [extractor.extract(grey).minutiae for grey in greys]
    ready = [prepare(each) for each in found]
    peer = _peer(files)
    spent = {
        "finger_extract": median_cpu_ms(lambda: extractor.extract(greys[0]), times=9),
        "finger_cylinders": median_cpu_ms(lambda: prepare(found[0]), times=21),
        "finger_match": median_cpu_ms(lambda: _every(ready), times=9)
        / (len(ready) * (len(ready) - 1) / 2),
    }
    floor = _product_ms()
    for name, ms in spent.items():
        told = {"finger_extract": "extract_ms", "finger_match": "match_ms"}.get(name)
        if peer is not None and told is not None:
            yield row(name, ms, "ms", baseline=max(peer[told], 1e-3), of=NBIS)
        else:
            yield row(name, ms, "ms", baseline=floor, of=YARDSTICK)


def _errors(of: FingerSet, name: str) -> Iterator[Row]:
    """Count errors by FVC's protocol; without the peer there is nothing to hold them against."""
    peer = _peer(of.files)
    if peer is None:
        return
    tools = open_tools(MODELS, "int8", None)
    pairs = every_pair(of)
    prints = fingers.extract(
        ((path, str(place), 500.0) for place, path in enumerate(of.files)),
        tools,
        simulated=None,
        tick=lambda: None,
    )
    compared = fingers.compared(prints, pairs.a, pairs.b, tick=lambda: None)
    own = fingers.scores_of(compared.evidence, tools.weights)
    theirs = np.array(peer["scores"], dtype=np.float64)

    for what, unit, rate in (
        ("eer", "% (FVC, 280 and 45 comparisons, in sample)", _eer),
        ("fnmr", "% (at FMR 1e-3, 280 and 2,880 comparisons, in sample)", _fnmr),
    ):
        yield row(
            f"finger_{what}_{name.lower()}",
            100 * rate(own, pairs),
            unit,
            baseline=max(100 * rate(theirs, pairs), 1e-3),
            of=NBIS,
        )


def _eer(scores: NDArray[np.float64], pairs: Comparisons) -> float:
    fvc = pairs.fvc
    return eer_by_rule(curve_of(scores[fvc & pairs.same], scores[fvc & ~pairs.same]))


def _fnmr(scores: NDArray[np.float64], pairs: Comparisons) -> float:
    return curve_of(scores[pairs.same], scores[~pairs.same]).fnmr_at_fmr(1e-3)


def _peer(files: Sequence[Path]) -> dict[str, Any] | None:
    """Return what the peer found; None, and why on stderr, where it is not there."""
    try:
        done = subprocess.run(
            [str(PEER.absolute()), "-P", str(PEER_SCRIPT), *map(str, files)],
            capture_output=True, check=True, timeout=PEER_S,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(
            f"no peer ({type(error).__name__}): {PEER_SCRIPT.name} says how it is made",
            file=sys.stderr,
        )
        return None
    return found


def _every(ready: Sequence[Any]) -> None:
    for place, a in enumerate(ready):
        for b in ready[place + 1 :]:
            score(a, b)


def _files(folder: Path) -> list[Path]:
    """Return pictures of 384 by 320 or so: real ones, or drawn into a folder."""
    if (data := os.environ.get("TRAM_TESTDATA")) is not None:
        found = list_set(Path(data, "data", "fingers", "fvc2002", SETS[0])).files
        return list(found[:DRAWN])
    files = []
    for seed in range(DRAWN):
        files.append(folder / f"{seed}_1.png")
        Image.fromarray(_drawn(seed)).save(files[-1])
    return files


def _drawn(seed: int) -> NDArray[np.uint8]:
    """Return waves whose ridges end where their phase turns."""
    chance = np.random.default_rng(seed)
    down, right = np.mgrid[0:384, 0:320].astype(float)
    phase = 2 * np.pi / 9 * (right * np.sin(seed) + down * np.cos(seed))
    for x, y in chance.uniform(20, 300, (40, 2)):
        phase += chance.choice([-1, 1]) * np.arctan2(down - y, right - x)
    return np.round(127.5 - 100 * np.cos(phase)).astype(np.uint8)


def _grey(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("L"), dtype=np.uint8)


def _product_ms() -> float:
    square = np.random.default_rng(0).random((512, 512)).astype(np.float32)
    return median_cpu_ms(lambda: square @ square, times=21)
