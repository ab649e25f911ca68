"""`tram models calibrate`: what a score means, fitted to pictures or to scores that a site kept.

Knows options, files and exit codes. What is fitted is `models.evaluate.fit`'s, what the file holds
`models.calibration`'s.

Exit codes: 0 fitted and written; 2 usage; 3 a file, a list or a model cannot be used, or there are
too few scores.
"""

from __future__ import annotations

import io
import math
import re
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np

from models.calibration import NOMINAL_FMR, OWN, Calibration, Ratio, Source, encode, laxer_rates
from models.evaluate import faces, fit, pictures
from models.evaluate.intervals import rule_of_three
from models.evaluate.pairs import MAX_BYTES, PairsError, parse
from tram.models_evaluate import FILE, FOLDER, MODELS, OUT, files_of
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.evaluate.faces import Eyes

SAFETY: Final = 3.0
MAX_SCORES_BYTES: Final = 64 * 1024 * 1024
NUMBERED: Final = re.compile(r"(.+)_\d+")
LIMITS: Final = (
    "Nominal rates. Comparisons that share a person are not independent, and none of the pictures "
    "is from a kiosk's camera or from a card: at these rates nothing is proven for them. What is "
    "marked extrapolated rests on the shape of the tail, and 1e-5 is always to be read so."
)


class _Set:
    """The scores of one set of pictures, and what it is called by."""

    def __init__(
        self,
        name: str,
        hashes: Sequence[str],
        subjects: int,
        genuine: NDArray[np.floating],
        impostor: NDArray[np.floating],
    ) -> None:
        self.genuine, self.impostor = genuine, impostor
        self.source = Source(
            set=name,
            pictures=tuple(sorted(set(hashes))),
            subjects=subjects,
            genuine=len(genuine),
            impostor=len(impostor),
        )


@click.group()
def calibrate() -> None:
    """Fit what a score means.

    Example: tram models calibrate face --images DIR --out FILE
    """


@calibrate.command("face")
@click.option("--images", type=FOLDER, multiple=True, help="Pictures, named PERSON_NUMBER.EXT.")
@click.option("--pairs", "pairs_file", type=FILE, help="Only these pairs of the one folder.")
@click.option(
    "--impostor-scores", "scores_file", type=FILE, help="Instead: a site's own scores, one a line."
)
@click.option(
    "--ratio-images", type=FOLDER, help="Another set, to fit the log-likelihood ratio on."
)
@click.option(
    "--safety",
    type=click.FloatRange(1, 1000),
    default=SAFETY,
    show_default=True,
    help="Between a nominal rate and the rate here.",
)
@click.option("--net", help="A net's name, or strict: both. Else the one that is there.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file."
)
def face(
    *,
    images: tuple[Path, ...],
    pairs_file: Path | None,
    scores_file: Path | None,
    ratio_images: Path | None,
    safety: float,
    net: str | None,
    directory: Path,
    out: Path,
) -> None:
    """Set thresholds for nominal false match rates, and fit a log-likelihood ratio.

    Whose picture it is stands in its name: what is before the last _ and the number behind it; a
    name without them is a person of its own. Folders in the folder are not looked into: give each
    with its own --images, in which the same name is another person.

    The thresholds need impostor scores only; the ratio needs several pictures of each person, from
    the same set or from another one. The file keeps numbers, and the beginning of the hash of each
    picture's file so that nobody evaluates on it by mistake: no picture, no embedding, no name. The
    same picture saved again has another hash, and is not recognised.

    A kiosk uses the file instead of the shipped one once it lies among its model files as
    calibration-NET.json. Where it takes for the same what the shipped one does not, a warning says
    so.

    Example: tram models calibrate face --images DIR --safety 3 --out site.json
    """
    if (len(images) > 0) == (scores_file is not None):
        raise click.UsageError("either --images or --impostor-scores")
    if pairs_file is not None and len(images) != 1:
        raise click.UsageError("--pairs goes with exactly one --images")
    with failing("tram models calibrate", {PairsError: str(pairs_file)}):
        eyes = faces.open_eyes(directory, net)
        if scores_file is not None:
            main = _scores(scores_file)
        elif pairs_file is not None:
            main = _pairs(images[0], pairs_file, eyes)
        else:
            main = _folders(images, eyes)
        second = _folders((ratio_images,), eyes) if ratio_images is not None else main
        found = Calibration(
            modality="face",
            net=eyes.embedder.id,
            pipeline=eyes.embedder.pipeline,
            commit=commit(),
            safety=safety,
            thresholds=fit.thresholds(main.impostor, rates=NOMINAL_FMR, safety=safety),
            source=main.source,
            ratio=ratio_of(second.source, second.genuine, second.impostor),
            limits=LIMITS,
        )
        write(out, encode(found))
    tell(found, out, name=eyes.embedder.name)


def _folders(folders: tuple[Path, ...], eyes: Eyes) -> _Set:
    """Compare every picture with every other; who is who stands in the names."""
    files = [each for folder in folders for each in pictures.listed(folder)]
    people = [f"{path.parent}/{_person(path)}" for path in files]
    if len(set(people)) == len(people):
        click.echo(
            "  warning: no two pictures are of one person by their names, PERSON_NUMBER.EXT: each "
            "counts as a person of its own, and the thresholds are wrong if that is not so",
            err=True,
        )
    counted = Counted("pictures", len(files))
    extracted = faces.extract(
        ((path, f"{path.parent}, file {place + 1} in order of name")
         for place, path in enumerate(files)),
        eyes,
        tick=counted.tick,
    )  # fmt: skip
    subjects = np.unique(people, return_inverse=True)[1][extracted.acquired]
    rows = extracted.rows[extracted.acquired]
    name = "+".join(folder.resolve().name for folder in folders)
    return _Set(
        name,
        extracted.hashes,
        len(np.unique(subjects)),
        faces.every_score(rows, subjects, same=True, embedder=eyes.embedder),
        faces.every_score(rows, subjects, same=False, embedder=eyes.embedder),
    )


def _person(path: Path) -> str:
    """Return whose picture it is: its name without extension and number."""
    numbered = NUMBERED.fullmatch(path.stem)
    return numbered[1] if numbered else path.stem


def _pairs(images: Path, pairs_file: Path, eyes: Eyes) -> _Set:
    with pairs_file.open("rb") as file:
        pairs = parse(file.read(MAX_BYTES + 1))
    counted = Counted("pictures", len(pairs.names))
    extracted = faces.extract(files_of(images, pairs_file, pairs), eyes, tick=counted.tick)
    scored = faces.compare(pairs, extracted, embedder=eyes.embedder)
    alike = scored.scores[:, 0]
    return _Set(
        f"{images.resolve().name}, {pairs_file.name}",
        extracted.hashes,
        len(np.union1d(scored.a, scored.b)),
        alike[scored.same],
        alike[~scored.same],
    )


def _scores(path: Path) -> _Set:
    """Read a site's scores: decimal numbers, one a line."""
    with path.open("rb") as file:
        raw = file.read(MAX_SCORES_BYTES + 1)
    if len(raw) > MAX_SCORES_BYTES:
        raise fit.FitError(f"{path}: the file is too large")
    found = array("d")
    for line, text in enumerate(io.BytesIO(raw), start=1):
        if not text.strip():
            continue
        try:
            found.append(float(text))
        except ValueError as error:
            raise fit.FitError(f"{path}: line {line}: no number") from error
    return _Set("scores of a site", (), 0, np.empty(0), np.array(found, dtype=np.float64))


def ratio_of(
    source: Source, genuine: NDArray[np.floating], impostor: NDArray[np.floating]
) -> Ratio | None:
    """Fit the ratio; None: no two pictures are of one person or finger. Raises FitError."""
    if not source.genuine:
        return None
    line = fit.ratio(genuine, impostor)
    # So low a score was not seen of one person: it says no more than how often it was looked for.
    floor = math.log(rule_of_three(source.genuine))
    return Ratio(slope=line.slope, offset=line.offset, floor=floor, source=source)


def tell(found: Calibration, out: Path, *, name: str) -> None:
    """Say on stderr what was fitted, where it went, and by which name a kiosk knows it."""
    for each in found.thresholds:
        how = "extrapolated" if each.extrapolated else f"{each.false_matches} above it here"
        click.echo(f"  {each.fmr:g}: {each.score:.4f} ({how})", err=True)
    for rate in laxer_rates(found, name):
        click.echo(f"  warning: at {rate:g} it is laxer than the shipped calibration", err=True)
    click.echo(f"{out}: a kiosk uses it as {OWN.format(name)} among its model files", err=True)


def write(out: Path, raw: bytes) -> None:
    """Write the file whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(raw)
    part.replace(out)
