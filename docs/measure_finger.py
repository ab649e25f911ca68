"""Fit and measure the finger lane on the evaluation sets, and keep the reports beside the page.

Needs TRAM_TESTDATA and the model files. What comparisons found is kept in build/finger-measured, so
that a second run only weighs it anew; `--fresh` compares again. Weights and thresholds are fitted
on two sets and reported on the other two, both ways, by the functions that `tram models train`,
`calibrate` and `evaluate` use; with `--ship` those fitted on all four replace the shipped ones.
Writes docs/reference/measured/finger/*.json, of which `docs/generate.py` makes
docs/reference/finger-accuracy.md. Takes half a minute for each set and way on a free core, with
OMP_NUM_THREADS=1: BLAS's own threads make it far slower on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import numpy as np

from models import calibration
from models.evaluate import finger_report, fingers
from models.evaluate.finger_fit import MODULES, WAYS
from models.evaluate.fingers import Simulated
from models.finger import fusion
from tram.models_calibrate import SAFETY
from tram.models_calibrate_finger import Sets, source_of
from tram.models_calibrate_finger import fitted as calibrated
from tram.models_evaluate_finger import open_tools
from tram.models_train_finger import fitted as weighed
from tram.parts.measured import Counted, commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from models.calibration import Calibration
    from models.evaluate.fingers import Tools
    from models.finger.fusion import Weights

DOCS: Final = Path(__file__).parent
OUT: Final = DOCS / "reference" / "measured" / "finger"
KEPT: Final = DOCS.parent / "build" / "finger-measured"
MODELS: Final = DOCS.parent / "build" / "models"
DPI: Final = {"DB1_B": 500.0, "DB2_B": 569.0, "DB3_B": 500.0, "DB4_B": 500.0}
PLAIN: Final = WAYS[0].name
HALVES: Final = (("DB1_B", "DB2_B"), ("DB3_B", "DB4_B"))
SEVERAL: Final = {
    "192x192-3": Simulated(MODULES[1], touches=3, seed=1),
    "192x192-3-whole": Simulated(MODULES[1], touches=3, seed=1, whole_reference=True),
}


class Found(NamedTuple):
    """What the comparisons of some folders found.

    Attributes:
        evidence: (K, T, 6).
        sets: the folders.
        hashes: of each picture's file.
        failures: pictures of which nothing could be extracted.
        ms: of an extraction, and of a comparison; 0: not measured in this run.
    """

    evidence: NDArray[np.float64]
    sets: Sets
    hashes: tuple[str, ...]
    failures: int
    ms: tuple[float, float]


class Bench:
    """The evaluation sets, compared once in each way."""

    def __init__(self, data: Path, tools: Tools) -> None:
        self._data, self.tools = data, tools

    def found(
        self,
        names: tuple[str, ...],
        way: str,
        *,
        made: Callable[..., Any] | None = None,
        simulated: Simulated | None = None,
    ) -> Found:
        """Return what comparing each two pictures of some folders found, kept or new.

        As they are, all folders are compared across at once, and parts are taken of that.
        """
        compared = tuple(DPI) if way == PLAIN else names
        sets = self._sets(compared)
        kept = KEPT / f"{way}-{'+'.join(compared)}.npz"
        if not kept.exists():
            self._compare(sets, kept, made, simulated)
        chosen = np.isin([path.parent.name for path in sets.of.files], names)
        pairs = sets.pairs()
        with np.load(kept) as held:
            return Found(
                held["evidence"][chosen[pairs.a] & chosen[pairs.b]],
                self._sets(names),
                tuple(held["hashes"][chosen].tolist()),
                int(held["failed"][chosen].sum()),
                tuple(held["ms"].tolist()),
            )

    def _sets(self, names: tuple[str, ...]) -> Sets:
        return Sets([self._data / name for name in names], [DPI[name] for name in names])

    def _compare(
        self, sets: Sets, kept: Path, made: Callable[..., Any] | None, simulated: Simulated | None
    ) -> None:
        click.echo(kept.stem, err=True)
        pairs = sets.pairs()
        counted = Counted("pictures", len(sets.of.files))
        prints = fingers.extract(
            sets.files(), self.tools, simulated=simulated, tick=counted.tick, made=made
        )
        counted = Counted("comparisons", len(pairs.a))
        compared = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick)
        KEPT.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part.npz")
        np.savez(
            part,
            evidence=compared.evidence,
            hashes=np.array(prints.hashes),
            failed=prints.failed,
            ms=np.array([prints.median_ms, compared.mean_ms]),
        )
        part.replace(kept)

    def weights(self, names: tuple[str, ...]) -> Weights:
        """Return weights fitted on some sets in every way."""
        found = [self.found((name,), way.name, made=way.made) for way in WAYS for name in names]
        return weighed(
            "+".join(names),
            (each for one in found for each in one.hashes),
            np.concatenate([one.evidence[:, 0] for one in found]),
            np.concatenate([one.sets.pairs().same for one in found]),
            self.tools.manifest.id,
        )

    def calibration(self, names: tuple[str, ...], weights: Weights) -> Calibration:
        """Return what scores by these weights mean, fitted on some sets and across them."""
        found = self.found(names, PLAIN)
        pairs = found.sets.pairs()
        return calibrated(
            source_of(found.sets.name, found.hashes, found.sets.of, pairs),
            fingers.scores_of(found.evidence, weights),
            pairs.same,
            net=self.tools.manifest.id,
            safety=SAFETY,
        )

    def report(
        self, found: Found, weights: Weights, against: Calibration, *, in_sample: bool
    ) -> dict[str, Any]:
        """Return the report of one set, by the FVC protocol."""
        pairs, of = found.sets.pairs(), found.sets.of
        return {
            "set": found.sets.name,
            "protocol": "fvc",
            "pictures": len(of.files),
            "failures": found.failures,
            **finger_report.report(
                fingers.scores_of(found.evidence, weights),
                pairs.same,
                (of.fingers[pairs.a], of.fingers[pairs.b]),
                fvc=pairs.fvc,
                calibration=against,
                by_fvc=True,
            ),
            "in_sample": in_sample,
            "ms": {"extract": round(found.ms[0], 3), "match": round(found.ms[1], 4)},
            "model": {
                "name": self.tools.manifest.name,
                "sha256": self.tools.manifest.sha256,
                "pipeline": fusion.PIPELINE,
                "weights": {"set": weights.set, "commit": weights.commit},
            },
            "commit": commit(),
        }


def main() -> int:
    """Fit and measure; return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--fresh", action="store_true", help="compare again")
    options.add_argument("--ship", action="store_true", help="replace the shipped weights")
    chosen = options.parse_args()
    if not (data := os.environ.get("TRAM_TESTDATA")):
        print("TRAM_TESTDATA names no folder", file=sys.stderr)
        return 1
    if chosen.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    bench = Bench(Path(data, "data", "fingers", "fvc2002"), open_tools(MODELS, "int8", None))
    every = tuple(DPI)
    weights = bench.weights(every)
    whole = bench.calibration(every, weights)
    if chosen.ship:
        fusion.FILE.write_bytes(fusion.encode(weights))
        (calibration.FOLDER / "finger.json").write_bytes(calibration.encode(whole))
    OUT.mkdir(parents=True, exist_ok=True)
    for fit_on, report_on in (HALVES, HALVES[::-1]):
        _measure(bench, fit_on, report_on)
    for name in every:
        _keep(f"{name}-shipped", bench.report(bench.found((name,), PLAIN), weights, whole,
                                               in_sample=True))  # fmt: skip
    return 0


def _measure(bench: Bench, fit_on: tuple[str, ...], report_on: Iterable[str]) -> None:
    weights = bench.weights(fit_on)
    against = bench.calibration(fit_on, weights)
    for name in report_on:
        found = bench.found((name,), PLAIN)
        _keep(f"{name}-plain", bench.report(found, weights, against, in_sample=False))
        for module, simulated in SEVERAL.items():
            found = bench.found((name,), module, simulated=simulated)
            _keep(f"{name}-{module}", bench.report(found, weights, against, in_sample=False))
        for way in WAYS:
            if way.made is not None:
                found = bench.found((name,), way.name, made=way.made)
                _keep(f"{name}-{way.name}", bench.report(found, weights, against, in_sample=False))


def _keep(name: str, report: dict[str, Any]) -> None:
    (OUT / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
