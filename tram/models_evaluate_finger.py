"""`tram models evaluate finger`: how often fingers are told apart wrongly, with intervals.

Knows options, files and exit codes. What is measured is `models.evaluate`'s.

Exit codes: 0 measured; 1 refused, because weights or thresholds were fitted on these pictures;
2 usage; 3 a file, a list or a model cannot be used.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from models.calibration import CalibrationError, find, load, require_use
from models.evaluate import finger_report, fingers
from models.evaluate.finger_sets import Comparisons, every_pair, list_set
from models.evaluate.finger_touch import Window
from models.evaluate.fingers import Simulated
from models.evaluate.pairs import Pairs, PairsError, parse
from models.evaluate.pictures import within
from models.finger import fusion
from models.finger.minutiae import DPI
from models.finger.touches import MAX_TOUCHES
from tram.models_evaluate import FILE, FOLDER, MODELS, OUT, bounded, digest, refuse_overlap
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.calibration import Calibration
    from models.evaluate.fingers import Tools
    from models.finger.extract import Precision

CALIBRATION = "finger"
PRECISIONS = ("int8", "fp16")
MIN_WINDOW_PX, MAX_WINDOW_PX = 64, 1000
MAX_JITTER_PX = 500


class _Size(click.ParamType[tuple[int, int]]):
    """WxH in pixels."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        sides = re.fullmatch(r"(\d{1,4})x(\d{1,4})", str(value))
        if sides is None:
            self.fail("not WIDTHxHEIGHT", param, ctx)
        size = int(sides[1]), int(sides[2])
        if not all(MIN_WINDOW_PX <= side <= MAX_WINDOW_PX for side in size):
            self.fail(f"a side is not {MIN_WINDOW_PX} to {MAX_WINDOW_PX} pixels", param, ctx)
        return size


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is compared with what.

    Attributes:
        files: the pictures, and how an error names each.
        fingers: (N,): which finger each shows.
        pairs: the comparisons.
        told: whether it is known which pairs are of the FVC protocol.
    """

    files: tuple[tuple[Path, str], ...]
    fingers: NDArray[np.intp]
    pairs: Comparisons
    told: bool


@click.command("finger")
@click.option("--images", type=FOLDER, required=True, help="Pictures, named FINGER_IMPRESSION.EXT.")
@click.option(
    "--protocol",
    type=click.Choice(["fvc", "all", "pairs"]),
    default="all",
    show_default=True,
    help="fvc: impostors are first impressions; all: each two pictures; pairs: those of --pairs.",
)
@click.option("--pairs", "pairs_file", type=FILE, help="CSV: a,b,same; a is the reference.")
@click.option(
    "--dpi",
    type=click.FloatRange(250, 1270),
    default=float(DPI),
    show_default=True,
    help="Of the pictures, whatever they say.",
)
@click.option("--crop", type=_Size(), help="A module's window, in pixels at 500 dpi.")
@click.option("--bits", type=click.IntRange(1, 8), default=8, show_default=True, help="Of a pixel.")
@click.option(
    "--jitter-px",
    type=click.IntRange(0, MAX_JITTER_PX),
    default=0,
    show_default=True,
    help="So far off the finger's middle the window lies at most.",
)
@click.option(
    "--touches",
    type=click.IntRange(1, MAX_TOUCHES),
    default=1,
    show_default=True,
    help="So many touches of the window.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of chance.")
@click.option(
    "--whole-reference", is_flag=True, help="The reference is the whole picture, as a chip's is."
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PRECISIONS[0],
    show_default=True,
    help="Of the net's weights.",
)
@click.option("--weights", "weights_file", type=FILE, help="Of the evidence; else the shipped.")
@click.option(
    "--calibration", "calibration_file", type=FILE, help="Its thresholds; else the shipped ones."
)
@click.option("--in-sample", is_flag=True, help="Even on pictures that these were fitted on.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def finger(*, as_json: bool, **options: Any) -> None:
    """Compare fingers, each extracted once, and report how often that is wrong.

    Rates are fractions, with 95 % intervals: the exact one joined with a bootstrap by finger. A
    picture of which nothing can be extracted counts in `failures`, and matches nobody.

    By fvc, genuine are each two impressions of one finger once, impostor the first impressions of
    each two fingers: counts, AUC, EER, FMR100, FMR1000 and ZeroFMR are of these. FNMR at a FMR and
    what is at thresholds are of all pairs in any case; eer_fvc is FVC's own rule.

    With --crop, --bits, --jitter-px and --touches a small module takes the set's sensor's place.
    Its window lies about the middle of the finger, not of the picture. It serves both sides: the
    reference is enrolled with as many touches, each off the middle by chance of its own. The mean
    of the two most alike and of what the touches of either side make joined counts. With
    --whole-reference only the live side is the module's. Times are processor time.

    Example: tram models evaluate finger --images DB1_B --protocol fvc --json
    """
    options["simulated"] = _simulated(options)
    if (options["protocol"] == "pairs") != (options["pairs_file"] is not None):
        raise click.UsageError("--pairs goes with --protocol pairs")
    with failing("tram models evaluate", {PairsError: str(options["pairs_file"])}):
        whole = measure(options)
    if as_json:
        click.echo(json.dumps(whole, ensure_ascii=False, indent=1))
        return
    for line in _lines(whole):
        click.echo(line)


def measure(options: dict[str, Any]) -> dict[str, Any]:
    """Return the report. Raises what `tram.parts.measured.failing` tells."""
    images: Path = options["images"]
    tools = open_tools(options["directory"], options["precision"], options["weights_file"])
    calibration = _calibration(options["calibration_file"], options["directory"], tools)
    chosen = choose(images, options["pairs_file"])
    hashes = fingers.hashes_of(chosen.files)
    overlap = _refuse(calibration, tools, hashes, in_sample=options["in_sample"])
    counted = Counted("pictures", len(chosen.files))
    prints = fingers.extract(
        ((path, where, options["dpi"]) for path, where in chosen.files),
        tools,
        simulated=options["simulated"],
        tick=counted.tick,
    )
    pairs = chosen.pairs
    counted = Counted("comparisons", len(pairs.a))
    found = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick)
    return {
        "set": images.resolve().name,
        "set_sha256": digest(hashes),
        "protocol": options["protocol"],
        "pictures": len(chosen.files),
        "failures": int(prints.failed.sum()),
        **finger_report.report(
            fingers.scores_of(found.evidence, tools.weights),
            pairs.same,
            (chosen.fingers[pairs.a], chosen.fingers[pairs.b]),
            fvc=pairs.fvc if chosen.told else None,
            calibration=calibration,
            by_fvc=options["protocol"] == "fvc",
        ),
        "simulated": _told(options["simulated"]),
        "in_sample": overlap > 0,
        "ms": {"extract": round(prints.median_ms, 3), "match": round(found.mean_ms, 4)},
        "model": {
            "name": tools.manifest.name,
            "sha256": tools.manifest.sha256,
            "pipeline": fusion.pipeline(tools.weights),
            "weights": {"set": tools.weights.set, "commit": tools.weights.commit},
        },
        "commit": commit(),
    }


def open_tools(directory: Path, precision: Precision, weights_file: Path | None) -> Tools:
    """Load net and weights.

    Raises:
        ModelError: the net cannot be used.
        CalibrationError: the weights cannot.
    """
    try:
        weights = fusion.shipped() if weights_file is None else fusion.load(weights_file)
    except fusion.WeightsError as error:
        raise CalibrationError(error.why, "the weights") from error
    return fingers.open_tools(directory, precision=precision, weights=weights)


def choose(images: Path, pairs_file: Path | None) -> Chosen:
    """Return which pictures are compared.

    Raises:
        PictureFileError: the folder has none, or they have other names.
        PairsError: the file is no list of pairs.
    """
    if pairs_file is not None:
        return _listed(images, pairs_file, parse(bounded(pairs_file)))
    found = list_set(images)
    files = tuple(
        (path, f"{images}, picture {place + 1} in order of name")
        for place, path in enumerate(found.files)
    )
    return Chosen(files, found.fingers, every_pair(found), told=True)


def _listed(images: Path, pairs_file: Path, pairs: Pairs) -> Chosen:
    files = tuple(
        (within(images, name), f"{pairs_file}: line {line}")
        for name, line in zip(pairs.names, pairs.lines, strict=True)
    )
    nothing = np.zeros_like(pairs.same)
    return Chosen(
        files, pairs.subjects(), Comparisons(pairs.a, pairs.b, pairs.same, nothing), told=False
    )


def _simulated(options: dict[str, Any]) -> Simulated | None:
    """Return the module; None: the pictures are compared as they are."""
    given = options["bits"] != 8 or options["jitter_px"] or options["touches"] != 1
    if options["crop"] is None:
        if given or options["whole_reference"]:
            raise click.UsageError("a module needs its window: --crop WxH")
        return None
    width_px, height_px = options["crop"]
    window = Window(width_px, height_px, options["bits"], options["jitter_px"])
    return Simulated(
        window, options["touches"], options["seed"], whole_reference=options["whole_reference"]
    )


def _told(simulated: Simulated | None) -> dict[str, Any] | None:
    if simulated is None:
        return None
    window = simulated.window
    return {
        "crop": f"{window.width_px}x{window.height_px}",
        "bits": window.bits,
        "jitter_px": window.jitter_px,
        "touches": simulated.touches,
        "seed": simulated.seed,
        "whole_reference": simulated.whole_reference,
    }


def _calibration(file: Path | None, directory: Path, tools: Tools) -> Calibration | None:
    """Return the calibration of this net; by default the kiosk's, None if it has none."""
    try:
        found = find(directory, CALIBRATION).calibration if file is None else load(file)
        return require_use(
            found,
            modality="finger",
            net=tools.manifest.id,
            pipeline=fusion.pipeline(tools.weights),
        )
    except CalibrationError as error:
        if file is not None:
            raise
        click.echo(f"tram models evaluate: no thresholds: {error}", err=True)
        return None


def _refuse(
    calibration: Calibration | None, tools: Tools, hashes: tuple[str, ...], *, in_sample: bool
) -> int:
    """Return how many pictures thresholds or weights were fitted on.

    Raises:
        CalibrationError: there are some, and that was not asked for.
    """
    overlap = refuse_overlap(calibration, hashes, in_sample=in_sample)
    by_weights = len(set(hashes).intersection(tools.weights.pictures))
    if by_weights and not in_sample:
        raise CalibrationError(
            "in_sample",
            f"the weights were fitted on {by_weights} of these pictures; --in-sample measures "
            "anyway, and proves nothing about others",
        )
    return max(overlap, by_weights)


def _lines(whole: dict[str, Any]) -> Iterator[str]:
    def percent(rate: float, interval: list[float]) -> str:
        return f"{rate:9.4%}  [{interval[0]:.4%} .. {interval[1]:.4%}]"

    ci = whole["ci95"]
    yield (
        f"{whole['set']}: {whole['pictures']:,} pictures of {whole['subjects']:,} fingers, "
        f"{whole['failures']} without minutiae; {whole['genuine']:,} genuine, "
        f"{whole['impostor']:,} impostor comparisons{' (in sample)' if whole['in_sample'] else ''}"
    )
    yield f"EER                 {percent(whole['eer'], ci['eer'])}"
    if whole["eer_fvc"] is not None:
        yield f"EER by FVC          {percent(whole['eer_fvc'], ci['eer_fvc'])}"
    for name in finger_report.FVC:
        yield f"{name.upper():<20}{whole[name]:9.4%}"
    for name, rate in whole["fnmr_at_fmr"].items():
        zero = "  (too few impostors to resolve)" if name in whole["unresolved"] else ""
        yield f"FNMR at FMR {name}    {percent(rate, ci['fnmr_at_fmr'][name])}{zero}"
    for name, at in whole["fmr_at_threshold"].items():
        both = ci["fmr_at_threshold"][name]
        yield f"at nominal {name}: FMR {percent(at['fmr'], both['fmr'])}"
        yield f"               FNMR {percent(at['fnmr'], both['fnmr'])}"
    yield f"AUC {whole['auc']:.6f}, extract {whole['ms']['extract']:.1f} ms, match "
    yield f"{whole['ms']['match']:.2f} ms a comparison"
