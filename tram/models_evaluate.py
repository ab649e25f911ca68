"""`tram models evaluate`: how often a net is wrong on a set of pictures, with counts and intervals.

Knows options, files and exit codes. What is measured is `models.evaluate`'s.

Exit codes: 0 measured; 1 refused, because the thresholds were fitted on these pictures; 2 usage;
3 a file, a list or a model cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from models.calibration import SITE, CalibrationError, find, identify, require_use
from models.evaluate import faces, pad, pictures, surfaces, verification
from models.evaluate.intervals import clopper_pearson
from models.evaluate.pairs import MAX_BYTES, Pairs, PairsError, parse
from models.face.decide import RATES
from models.face.texture import find as find_texture
from models.face.texture import load as load_texture
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.calibration import Calibration, Found
    from models.evaluate.faces import Extracted, Eyes, Scored

MODELS = Path("build/models")
DET_POINTS = 2000
MAX_FRAMES = 16
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(file_okay=False, path_type=Path)


@click.group()
def evaluate() -> None:
    """Measure how often a net is wrong.

    Example: tram models evaluate face --images DIR --pairs PAIRS.csv --json
    """


@evaluate.command("face")
@click.option("--images", type=FOLDER, required=True, help="The folder with the pictures.")
@click.option("--pairs", "pairs_file", type=FILE, required=True, help="CSV: a,b,same.")
@click.option(
    "--frames",
    type=click.IntRange(1, MAX_FRAMES),
    default=1,
    show_default=True,
    help="So many pictures of one person are judged together, as frames are.",
)
@click.option("--net", help="A net's name, or strict: both. Else the one that is there.")
@click.option(
    "--calibration", "calibration_file", type=FILE, help="Its thresholds; else the kiosk's."
)
@click.option("--in-sample", is_flag=True, help="Even on pictures that it was fitted on.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@click.option("--out", type=OUT, help="Keep the report and the DET curve here.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def face(
    *,
    images: Path,
    pairs_file: Path,
    frames: int,
    net: str | None,
    calibration_file: Path | None,
    in_sample: bool,
    directory: Path,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare pairs of pictures, each embedded once, and report how often that is wrong.

    Rates are fractions. `failures` counts pictures without a face: their pairs, `lost`, are in no
    rate but the generalised ones, where they do not match. Of several people on a picture the most
    prominent counts: large and near the middle; `several_faces` counts such pictures. A picture
    that is missing or damaged ends the measurement. Every figure has a 95 % interval: the exact one
    joined with a bootstrap by subject.

    Names in the list are paths in the folder; blanks around them and a needless ./ are left out,
    and accents may be composed otherwise than on the disk. A pair that is listed again, in either
    order, counts once: `repeated` says how many were. One that is said to be and not to be of one
    person, or that is of a picture with itself, is an error. `copies` counts pictures whose file is
    byte for byte that of another one: pairs of them prove nothing.

    Pictures that the thresholds were fitted on are refused without --in-sample. They are known by
    the hash of their file alone: the same picture saved again, cut, or with other metadata, is not
    recognised.

    With --frames N the pictures of one person stand for frames: for each picture and each person,
    the pairs of both are taken in order of name, N at a time. The curve sweeps their mean; at the
    thresholds they are judged as the kiosk judges frames: all must agree.

    Example: tram models evaluate face --images orl --pairs orl_pairs.csv --frames 3 --json
    """
    with failing("tram models evaluate", {PairsError: str(pairs_file)}):
        pairs = parse(bounded(pairs_file))
        eyes = faces.open_eyes(directory, net)
        found = _calibration(calibration_file, eyes, directory)
        calibration = None if found is None else found.calibration
        counted = Counted("pictures", len(pairs.names))
        extracted = faces.extract(files_of(images, pairs_file, pairs), eyes, tick=counted.tick)
        overlap = refuse_overlap(calibration, extracted.hashes, in_sample=in_sample)
        begun = time.perf_counter()
        scored = faces.compare(pairs, extracted, embedder=eyes.embedder, frames=frames)
        match_ms = (time.perf_counter() - begun) * 1000 / max(scored.scores.size, 1)
        lost = faces.lost(pairs, extracted, embedder=eyes.embedder, frames=frames)
        whole = {
            "set": images.resolve().name,
            "set_sha256": digest(extracted.hashes),
            "frames": frames,
            "pictures": len(pairs.names),
            "failures": int((~extracted.acquired).sum()),
            "several_faces": extracted.several,
            "contradictions": pairs.contradictions(),
            "repeated": pairs.repeated,
            "copies": len(extracted.hashes) - len(set(extracted.hashes)),
            **verification.report(scored, calibration, lost=lost),
            "cllr": _cost(scored, calibration, extracted, in_sample=in_sample),
            "in_sample": overlap > 0,
            "ms": {"extract": round(extracted.median_ms, 3), "match": round(match_ms, 6)},
            "model": {
                "name": eyes.embedder.name,
                "sha256": eyes.sha256,
                "pipeline": eyes.embedder.pipeline,
                "calibration": None if found is None else found.id,
            },
            "commit": commit(),
        }
    if out is not None:
        _keep(out, whole, scored)
    if as_json:
        click.echo(json.dumps(whole, ensure_ascii=False, indent=1))
        return
    for line in _lines(whole):
        click.echo(line)


@evaluate.command("pad")
@click.option("--images", type=FOLDER, required=True, help="The folder with the pictures.")
@click.option("--labels", "labels_file", type=FILE, required=True, help="CSV: file,attack.")
@click.option(
    "--texture", "texture_file", type=FILE, help="A model of texture; else the one that is used."
)
@click.option("--in-sample", is_flag=True, help="Even on pictures that it was fitted on.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def pad_command(
    *,
    images: Path,
    labels_file: Path,
    texture_file: Path | None,
    in_sample: bool,
    directory: Path,
    as_json: bool,
) -> None:
    """Measure how well the passive layer of liveness tells people from attacks, by itself.

    The column attack names the kind of attack, and is empty for a person. Rates are fractions at
    the model's own threshold. apcer is of all attacks together; apcer_by_kind has each kind's, the
    worst of which is what ISO/IEC 30107-3 asks for. A picture without a face is answered by
    nothing: it counts as refused, attack or not. What the challenge and the traces of several
    frames add is not measured here: tram models attacks.

    Example: tram models evaluate pad --images captures --labels labels.csv --json
    """
    with failing("tram models evaluate", {PairsError: str(labels_file)}):
        labels = pad.parse(bounded(labels_file))
        model = find_texture(directory) if texture_file is None else load_texture(texture_file)
        counted = Counted("pictures", len(labels.names))
        measured = surfaces.measure(
            images,
            labels,
            surfaces.open_finder(directory),
            where=str(labels_file),
            tick=counted.tick,
        )
        overlap = len(set(measured.hashes).intersection(model.fitted.pictures))
        if overlap and not in_sample:
            raise CalibrationError(
                "in_sample",
                f"the model was fitted on {overlap} of these pictures; --in-sample measures "
                "anyway, and proves nothing about others",
            )
        scores = np.array(
            [
                model.score(each) if seen else pad.NO_FACE
                for each, seen in zip(measured.features, measured.seen, strict=True)
            ]
        )
        whole = pad.report(labels, scores, threshold=model.threshold)
    click.echo(f"{int((~measured.seen).sum())} pictures without a face", err=True)
    if as_json:
        click.echo(json.dumps(whole, ensure_ascii=False, indent=1))
        return
    for line in _pad_lines(whole):
        click.echo(line)


def _pad_lines(whole: dict[str, Any]) -> Iterator[str]:
    def percent(rate: float, trials: int) -> str:
        low, high = clopper_pearson(round(rate * trials), trials)
        return f"{rate:8.2%}  [{low:.2%} .. {high:.2%}]"

    yield f"{whole['attack']:,} attacks, {whole['bona_fide']:,} of people; AUC {whole['auc']:.4f}"
    yield f"APCER  {percent(whole['apcer'], whole['attack'])}"
    yield f"BPCER  {percent(whole['bpcer'], whole['bona_fide'])}"
    for kind, rate in whole["apcer_by_kind"].items():
        yield f"  {kind}: {rate:.2%}"


def bounded(path: Path) -> bytes:
    """Read a file up to the most that its parser takes; one byte more lets it refuse."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def files_of(images: Path, pairs_file: Path, pairs: Pairs) -> Iterator[tuple[Path, str]]:
    """Yield where each picture of a list lies, and how an error names it."""
    for name, line in zip(pairs.names, pairs.lines, strict=True):
        yield pictures.within(images, name), f"{pairs_file}: line {line}"


def _calibration(file: Path | None, eyes: Eyes, directory: Path) -> Found | None:
    """Return the calibration of these nets; by default the kiosk's, None if they have none."""
    net = eyes.embedder
    try:
        found = find(directory, net.name) if file is None else identify(file, SITE + net.name)
        require_use(
            found.calibration, modality="face", net=net.id, pipeline=net.pipeline, rates=RATES
        )
    except CalibrationError as error:
        if file is not None:
            raise
        click.echo(f"tram models evaluate: no thresholds: {error}", err=True)
        return None
    return found


def refuse_overlap(
    calibration: Calibration | None, hashes: tuple[str, ...], *, in_sample: bool
) -> int:
    """Return how many pictures the thresholds were fitted on.

    Raises:
        CalibrationError: there are some, and that was not asked for.
    """
    overlap = 0 if calibration is None else calibration.overlap(frozenset(hashes))
    if overlap and not in_sample:
        raise CalibrationError(
            "in_sample",
            f"its thresholds were fitted on {overlap} of these pictures; --in-sample measures "
            "anyway, and proves nothing about others",
        )
    return overlap


def _cost(
    scored: Scored, calibration: Calibration | None, extracted: Extracted, *, in_sample: bool
) -> float | None:
    """Return C_llr, unless there is no ratio, or one that was fitted on these pictures."""
    if calibration is None or calibration.ratio is None:
        return None
    if calibration.ratio_overlap(frozenset(extracted.hashes)) and not in_sample:
        return None
    return verification.cost_of(scored, calibration)


def digest(hashes: tuple[str, ...]) -> str:
    """Return one hash of a set: of its pictures' hashes in order, a line each."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(hashes)).encode()).hexdigest()


def _keep(out: Path, whole: dict[str, Any], scored: Scored) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    corners = verification.curve_of(scored).det(DET_POINTS)
    rows = "".join(f"{threshold:.6f},{fmr:.9g},{fnmr:.9g}\n" for threshold, fmr, fnmr in corners)
    (out / "det.csv").write_text("threshold,fmr,fnmr\n" + rows)


def _lines(whole: dict[str, Any]) -> Iterator[str]:
    def percent(rate: float, interval: list[float]) -> str:
        return f"{rate:9.4%}  [{interval[0]:.4%} .. {interval[1]:.4%}]"

    ci = whole["ci95"]
    yield (
        f"{whole['set']}: {whole['pictures']:,} pictures of {whole['subjects']:,} people, "
        f"{whole['failures']} without a face; {whole['genuine']:,} genuine, "
        f"{whole['impostor']:,} impostor comparisons of {whole['frames']} to 1"
    )
    yield f"EER                 {percent(whole['eer'], ci['eer'])}"
    for name, rate in whole["fnmr_at_fmr"].items():
        zero = "  (too few impostors to resolve)" if name in whole["unresolved"] else ""
        yield f"FNMR at FMR {name}    {percent(rate, ci['fnmr_at_fmr'][name])}{zero}"
    for name, at in whole["fmr_at_threshold"].items():
        both = ci["fmr_at_threshold"][name]
        yield f"at nominal {name}: FMR {percent(at['fmr'], both['fmr'])}"
        yield f"               FNMR {percent(at['fnmr'], both['fnmr'])}"
    yield f"AUC {whole['auc']:.6f}, extract {whole['ms']['extract']:.1f} ms a picture"
