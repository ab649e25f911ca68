"""Fit and measure the finger lane on the evaluation sets, and keep the reports beside the page.

Needs TRAM_TESTDATA and the model files. What comparisons found is kept in build/finger-measured, so
that a second run only weighs it anew; `--fresh` compares again. Weights and thresholds are fitted
on two sets and reported on the other two, both ways, by the functions that `tram models train`,
`calibrate` and `evaluate` use, and so is the gate; with `--ship` those fitted on all four replace
the shipped ones. The sets' templates, by another extractor, are compared with each other and with
the program's own minutiae. Where build/nbis is there (tests/bench/finger_peer.py says how), NFIQ 2
judges the same pictures.
Writes docs/reference/measured/finger/*.json, of which `docs/generate.py` makes
docs/reference/finger-accuracy.md. Takes half a minute for each set and way on a free core, with
OMP_NUM_THREADS=1: BLAS's own threads make it far slower on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import astuple, replace
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
import numpy as np
from PIL import Image

from models import calibration
from models.evaluate import finger_quality, finger_report, fingers
from models.evaluate.finger_fit import MODULES, SENSED, WAYS
from models.evaluate.fingers import Simulated
from models.finger import fusion, quality, template
from models.finger.minutiae import DPI as MINUTIAE_DPI
from models.finger.minutiae import minutiae
from models.finger.prepared import MIN_COMPARED
from models.finger.quality import Quality
from models.finger.touches import match_together, ready
from tram.models_calibrate import SAFETY
from tram.models_calibrate_finger import LIMITS, Sets, source_of
from tram.models_calibrate_finger import fitted as calibrated
from tram.models_evaluate_finger import open_tools
from tram.models_train_finger import Compared, fates, gated, passing
from tram.models_train_finger import fitted as weighed
from tram.parts.measured import Counted, commit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from models.calibration import Calibration
    from models.evaluate.fingers import Prints, Tools
    from models.finger.fusion import Weights
    from models.finger.minutiae import Minutiae

DOCS: Final = Path(__file__).parent
OUT: Final = DOCS / "reference" / "measured" / "finger"
KEPT: Final = DOCS.parent / "build" / "finger-measured"
MODELS: Final = DOCS.parent / "build" / "models"
PEER: Final = DOCS.parent / "build" / "nbis" / "bin" / "python"
PEER_SCRIPT: Final = DOCS.parent / "tests" / "bench" / "finger_peer.py"
PEER_S: Final = 900
DPI: Final = {"DB1_B": 500.0, "DB2_B": 569.0, "DB3_B": 500.0, "DB4_B": 500.0}
PLAIN: Final = WAYS[0].name
HALVES: Final = (("DB1_B", "DB2_B"), ("DB3_B", "DB4_B"))
SEVERAL: Final = {
    "192x192-3": Simulated(MODULES[1], touches=3, seed=1),
    "192x192-3-again": Simulated(MODULES[1], touches=3, seed=2),
    "192x192-2-whole": Simulated(MODULES[1], touches=2, seed=1, whole_reference=True),
    "192x192-3-whole": Simulated(MODULES[1], touches=3, seed=1, whole_reference=True),
}


MODULE_WAYS: Final = ("256x288", "192x192-2-whole", "192x192-3-whole", "192x192-3")
"""In which thresholds must hold, besides for whole pictures: those in which a kiosk decides. By one
touch of the smaller window it does not (`kiosk.vision.feel`)."""
PAIR_WAYS: Final = ("192x192-2-whole", "192x192-3", "strained")
PAIR_FMR: Final = 1e-3
OF_MODULES: Final = (
    "Each threshold is the highest of those that whole pictures ask for, one touch in a window of "
    "256 by 288 pixels, and two or three in one of 192 by 192 against a whole picture or against "
    "as many; what is counted beside it is of whole pictures."
)


class Found(NamedTuple):
    """What the comparisons of some folders found.

    Attributes:
        evidence: (K, T, 6).
        sets: the folders.
        hashes: of each picture's file.
        failures: pictures of which nothing could be extracted.
        ms: of an extraction, and of a comparison.
        seen: the figures of each picture; None where nothing could be looked for in it.
    """

    evidence: NDArray[np.float64]
    sets: Sets
    hashes: tuple[str, ...]
    failures: int
    ms: tuple[float, float]
    seen: tuple[quality.Quality | None, ...]


class Bench:
    """The evaluation sets, compared once in each way."""

    def __init__(self, data: Path, tools: Tools) -> None:
        self._data, self.tools = data, tools

    def found(self, names: tuple[str, ...], way: str) -> Found:
        """Return what comparing each two pictures of some folders found, kept or new.

        The way is one of `WAYS` or of `SEVERAL`, by its name, or one that was kept before.

        As they are, all folders are compared across at once, and parts are taken of that.
        """
        compared = tuple(DPI) if way == PLAIN else names
        sets = self._sets(compared)
        kept = KEPT / f"{way}-{'+'.join(compared)}.npz"
        if not kept.exists():
            self._compare(sets, kept, way)
        chosen = np.isin([path.parent.name for path in sets.of.files], names)
        pairs = sets.pairs()
        with np.load(kept) as held:
            return Found(
                held["evidence"][chosen[pairs.a] & chosen[pairs.b]],
                self._sets(names),
                tuple(held["hashes"][chosen].tolist()),
                int(held["failed"][chosen].sum()),
                tuple(held["ms"].tolist()),
                tuple(map(_quality, held["seen"][chosen])),
            )

    def _sets(self, names: tuple[str, ...]) -> Sets:
        return Sets([self._data / name for name in names], [DPI[name] for name in names])

    def _compare(self, sets: Sets, kept: Path, way: str) -> None:
        click.echo(kept.stem, err=True)
        made = {each.name: each.made for each in WAYS}.get(way)
        pairs = sets.pairs()
        counted = Counted("pictures", len(sets.of.files))
        prints = fingers.extract(
            sets.files(), self.tools, simulated=SEVERAL.get(way), tick=counted.tick, made=made
        )
        counted = Counted("comparisons", len(pairs.a))
        compared = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick)
        KEPT.mkdir(parents=True, exist_ok=True)
        self._keep(kept, prints, compared)

    def _keep(self, kept: Path, prints: Prints, compared: fingers.Compared) -> None:
        part = kept.with_suffix(".part.npz")
        nothing = (np.nan,) * len(Quality.__slots__)
        np.savez(
            part,
            evidence=compared.evidence,
            hashes=np.array(prints.hashes),
            failed=prints.failed,
            ms=np.array([prints.median_ms, compared.mean_ms]),
            seen=np.array([nothing if each is None else astuple(each) for each in prints.seen]),
        )
        part.replace(kept)

    def templates(self, name: str, *, crossed: bool) -> Found:
        """Return what comparing the other extractor's templates of a folder found.

        Args:
            name: of the folder.
            crossed: whether the live side is the program's own minutiae.
        """
        way = "crossed" if crossed else "templates"
        kept, sets = KEPT / f"{way}-{name}.npz", self._sets((name,))
        if not kept.exists():
            click.echo(kept.stem, err=True)
            own = sets.extract(self.tools)
            theirs = tuple(ready([_template(path, DPI[name])]) for path in sets.of.files)
            few = [len(each.joined) < MIN_COMPARED for each in theirs]
            prints = replace(
                own,
                live=own.live if crossed else theirs,
                kept=theirs,
                failed=own.failed | few if crossed else np.array(few),
            )
            pairs = sets.pairs()
            counted = Counted("comparisons", len(pairs.a))
            self._keep(kept, prints, fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick))
        return self.found((name,), way)

    def compared(self, names: tuple[str, ...]) -> list[Compared]:
        """Return what some sets are fitted on: each in every way."""
        return [
            Compared(way.name, found.evidence[:, 0], found.sets.pairs(), found.seen, found.hashes)
            for way in WAYS
            for found in (self.found((name,), way.name) for name in names)
        ]

    def weights(self, names: tuple[str, ...]) -> Weights:
        """Return weights fitted on some sets in every way."""
        return weighed("+".join(names), self.compared(names), self.tools.manifest.id)

    def calibration(self, names: tuple[str, ...], weights: Weights) -> Calibration:
        """Return what scores by these weights mean, fitted on some sets and across them.

        Thresholds hold too where a module of either size takes the sensor's place, for one touch
        and for several.
        """
        found = self.found(names, PLAIN)
        pairs = found.sets.pairs()
        return calibrated(
            source_of(found.sets.name, found.hashes, found.sets.of, pairs),
            fingers.scores_of(found.evidence, weights),
            pairs.same,
            weights=weights,
            safety=SAFETY,
            others=[self._impostors(names, way, weights) for way in MODULE_WAYS],
            limits=f"{LIMITS} {OF_MODULES}",
        )

    def _impostors(self, names: tuple[str, ...], way: str, weights: Weights) -> NDArray[np.float64]:
        """Return the scores of two fingers of a set as a module shows them, of all sets."""
        found = [self.found((name,), way) for name in names]
        return np.concatenate(
            [fingers.scores_of(each.evidence, weights)[~each.sets.pairs().same] for each in found]
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
                "pipeline": fusion.pipeline(weights),
                "weights": {"set": weights.set, "commit": weights.commit},
            },
            "commit": commit(),
        }


def main() -> int:
    """Fit and measure; return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--fresh", action="store_true", help="compare again")
    options.add_argument("--ship", action="store_true", help="replace the shipped files")
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
        gate = gated(weights, bench.compared(every))
        quality.FILE.write_bytes(quality.encode(gate))
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
    gate = gated(weights, bench.compared(fit_on))
    least = passing(weights, bench.compared(fit_on))

    def report(name: str, way: str, found: Found) -> None:
        _keep(f"{name}-{way}", bench.report(found, weights, against, in_sample=False))

    for name in report_on:
        for way in (*(each.name for each in WAYS), *SEVERAL):
            report(name, way, bench.found((name,), way))
        report(name, "templates", bench.templates(name, crossed=False))
        report(name, "crossed", bench.templates(name, crossed=True))
        _keep(f"{name}-gate", _gate_report(bench, name, gate, weights, least))
        _keep(f"{name}-pairs", _pairs_report(bench, name, weights, against))


def _gate_report(
    bench: Bench, name: str, gate: quality.Gate, weights: Weights, least: float
) -> dict[str, Any]:
    """Return what a gate says of a set beside what was; `least` is the score that passes."""
    found = bench.compared((name,))
    whole = fates(weights, found, least)
    plain = found[0]
    scores = fingers.scores_of(plain.evidence[:, None], weights)
    return {
        "set": name,
        "gate": {"set": gate.set, "weights": gate.weights, "bias": gate.bias, "least": gate.least},
        "fmr": gate.fmr,
        "bins": [each._asdict() for each in finger_quality.bins(gate, whole)],
        "ways": {
            each.way: finger_quality.refused(gate, fates(weights, [each], least))._asdict()
            for each in found
            if each.way in SENSED
        },
        "rank_correlation": _against_nfiq2(gate, bench.found((name,), PLAIN), scores),
        "commit": commit(),
    }


def _pairs_report(
    bench: Bench, name: str, weights: Weights, against: Calibration
) -> dict[str, Any]:
    """Return how two fingers fare together, as a kiosk decides, beside the first of them alone.

    Each two fingers that follow each other stand for a person; one impression of both is the
    reference, another of both is live. Impostors are every two of these people.
    """
    found: dict[str, Any] = {}
    for way in PAIR_WAYS:
        of = bench.found((name,), way)
        pairs, number = of.sets.pairs(), len(of.sets.of.files)
        table = np.full((number, number), np.nan)
        table[pairs.a, pairs.b] = table[pairs.b, pairs.a] = fingers.scores_of(of.evidence, weights)
        found[way] = _of_people(table, of.sets.of.fingers, against)
    return {"set": name, "fmr": PAIR_FMR, "ways": found, "commit": commit()}


def _of_people(
    table: NDArray[np.float64], of: NDArray[np.intp], against: Calibration
) -> dict[str, int]:
    """Return counts: comparisons of one person and of two, and those in which each rule errs."""
    shown = [np.flatnonzero(of == finger) for finger in np.unique(of)]
    people = list(zip(shown[::2], shown[1::2], strict=False))
    counts = dict.fromkeys(("genuine", "missed_one", "missed_two", "impostor", "passed_two"), 0)
    least = against.score_at(PAIR_FMR)
    for (here, both), (there, other) in product(people, repeat=2):
        same = here is there
        for a, b in product(range(len(here)), range(len(there))):
            if same and a >= b:
                continue
            scores = [float(table[here[a], there[b]]), float(table[both[a], other[b]])]
            two = match_together(scores, against, PAIR_FMR)
            counts["genuine" if same else "impostor"] += 1
            if same:
                counts["missed_one"] += scores[0] < least
                counts["missed_two"] += not two
            else:
                counts["passed_two"] += two
    return counts


def _against_nfiq2(
    gate: quality.Gate, found: Found, scores: NDArray[np.float64]
) -> dict[str, float | int] | None:
    """Return how alike gate, NFIQ 2 and a picture's mean score with its finger's others rank."""
    files, pairs = found.sets.of.files, found.sets.pairs()
    nfiq2 = _nfiq2(files)
    if nfiq2 is None:
        return None
    mean = [
        scores[pairs.same & ((pairs.a == place) | (pairs.b == place))].mean()
        for place in range(len(files))
    ]
    rated = np.array([each is not None for each in nfiq2])
    of = {
        "gate": np.array([0.0 if each is None else gate.chance(each) for each in found.seen]),
        "nfiq2": np.array([each or 0 for each in nfiq2]),
        "score": np.array(mean),
    }
    ranks: dict[str, float | int] = {
        f"{a}_{b}": round(finger_quality.rank_correlation(of[a][rated], of[b][rated]), 3)
        for a, b in combinations(of, 2)
    }
    return {"rated": int(rated.sum()), **ranks}


def _nfiq2(files: Iterable[Path]) -> list[int | None] | None:
    """Return NFIQ 2 of each picture, None where it finds none; None where the peer is not there."""
    try:
        done = subprocess.run(
            [str(PEER), "-P", str(PEER_SCRIPT), "--nfiq2", *map(str, files)],
            capture_output=True, check=True, timeout=PEER_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no NFIQ 2 ({type(error).__name__})", file=sys.stderr)
        return None
    found: list[int | None] = json.loads(done.stdout)["nfiq2"]
    return found


def _template(picture: Path, dpi: float) -> Minutiae:
    """Return the minutiae of the template beside a picture, in the picture's own proportions.

    The records say 300 by 400 pixels at 500 dpi of every sensor: the pictures were stretched to
    that before anything was looked for in them. Raises TemplateError.
    """
    held = template.parse(picture.with_suffix(".iso").read_bytes())[0]
    with Image.open(picture) as opened:
        size = opened.size
    across = size[0] * MINUTIAE_DPI / dpi / held.frame.width_px
    down = size[1] * MINUTIAE_DPI / dpi / held.frame.height_px
    found = held.minutiae()
    return minutiae(
        found.x * across,
        found.y * down,
        np.arctan2(down * np.sin(found.angle), across * np.cos(found.angle)),
        found.quality,
        found.ending,
    )


def _quality(row: NDArray[np.float64]) -> Quality | None:
    if np.isnan(row).any():
        return None
    count, strong, *figures = row.tolist()
    return Quality(int(count), int(strong), *figures)


def _keep(name: str, report: dict[str, Any]) -> None:
    (OUT / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
