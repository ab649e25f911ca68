"""`tram models calibrate finger`: what a score of two fingers means, fitted to sets of fingers.

Knows options, files and exit codes. What is fitted is `models.evaluate.fit`'s, what the file holds
`models.calibration`'s.

Exit codes: 0 fitted and written; 2 usage; 3 a file or a model cannot be used, or there are too few
scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from models.calibration import NOMINAL_FMR, Calibration, Source, encode
from models.evaluate import fingers, fit
from models.evaluate.finger_sets import FingerSet, every_pair, list_set
from models.finger import fusion
from models.finger.minutiae import DPI
from tram.models_calibrate import SAFETY, ratio_of, tell, write
from tram.models_evaluate import FILE, FOLDER, MODELS, OUT
from tram.models_evaluate_finger import CALIBRATION, PRECISIONS, open_tools
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from models.evaluate.finger_sets import Comparisons
    from models.evaluate.fingers import Prints, Tools
    from models.finger.fusion import Weights

LIMITS: Final = (
    "Nominal rates. Comparisons that share a finger are not independent, the sets have few fingers "
    "each, and none of the pictures is from a kiosk's module or from a chip: at these rates "
    "nothing is proven for them. What is marked extrapolated rests on the shape of the tail, and "
    "1e-5 is always to be read so."
)


class Sets:
    """Folders of fingers as one set: fingers of two folders are two fingers.

    Attributes:
        of: all pictures, by finger.
        dpi: of each picture.
        name: of the folders.
    """

    def __init__(self, folders: Sequence[Path], dpi: Sequence[float]) -> None:
        """List the folders. Raises PictureFileError."""
        resolutions = list(dpi) if len(dpi) == len(folders) else [dpi[0]] * len(folders)
        files: list[Path] = []
        numbers: list[tuple[int, int]] = []
        first: list[bool] = []
        self.dpi: list[float] = []
        for place, folder in enumerate(folders):
            found = list_set(folder)
            files += found.files
            numbers += [(place, int(each)) for each in found.fingers]
            first += found.first.tolist()
            self.dpi += [resolutions[place]] * len(found.files)
        fingers_of = np.unique(np.array(numbers), axis=0, return_inverse=True)[1].ravel()
        self.of = FingerSet(tuple(files), fingers_of, np.array(first, dtype=np.bool_))
        self.name = "+".join(folder.resolve().name for folder in folders)

    def pairs(self) -> Comparisons:
        """Return each two pictures once, across the folders."""
        return every_pair(self.of)

    def files(self) -> Iterator[tuple[Path, str, float]]:
        """Yield each picture's path, how an error names it, and its resolution."""
        for place, (path, dpi) in enumerate(zip(self.of.files, self.dpi, strict=True)):
            yield path, f"{path.parent}, picture {place + 1} of all", dpi

    def extract(self, tools: Tools, made: Any = None) -> Prints:
        """Extract every picture; see `models.evaluate.fingers.extract`."""
        counted = Counted("pictures", len(self.of.files))
        return fingers.extract(self.files(), tools, simulated=None, tick=counted.tick, made=made)


def source_of(name: str, hashes: Iterable[str], of: FingerSet, pairs: Comparisons) -> Source:
    """Return on whom something is fitted."""
    return Source(
        set=name,
        pictures=tuple(sorted(set(hashes))),
        subjects=len(np.unique(of.fingers)),
        genuine=int(pairs.same.sum()),
        impostor=int((~pairs.same).sum()),
    )


def fitted(
    source: Source,
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
    *,
    weights: Weights,
    safety: float,
    others: Sequence[NDArray[np.float64]] = (),
    limits: str = LIMITS,
) -> Calibration:
    """Return what these scores mean.

    Args:
        source: on whom it is fitted.
        scores: (K,), -1..1.
        same: (K,), whether they are of one finger.
        weights: by which they were made.
        safety: as for `models.evaluate.fit.thresholds`.
        others: impostor scores of other ways to take the same pictures; each rate's threshold is
            the highest that any way asks for.
        limits: what it does not prove.

    Raises:
        FitError: there are too few.
    """
    ways = [scores[~same], *others]
    return Calibration(
        modality="finger",
        net=weights.net,
        pipeline=fusion.pipeline(weights),
        commit=commit(),
        safety=safety,
        thresholds=fit.strictest(ways, rates=NOMINAL_FMR, safety=safety),
        source=source,
        ratio=ratio_of(source, scores[same], scores[~same]),
        limits=limits,
    )


sets_option = click.option(
    "--images",
    type=FOLDER,
    multiple=True,
    required=True,
    help="Pictures, named FINGER_IMPRESSION.EXT; fingers of two folders are two fingers.",
)
dpi_option = click.option(
    "--dpi",
    type=click.FloatRange(250, 1270),
    multiple=True,
    default=(float(DPI),),
    show_default=True,
    help="Of the pictures: once for all folders, or once for each in the same order.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PRECISIONS[0],
    show_default=True,
    help="Of the net's weights.",
)
out_option = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file."
)


def check_dpi(images: tuple[Path, ...], dpi: tuple[float, ...]) -> None:
    """Accept one resolution, or one for each folder. Raises UsageError."""
    if len(dpi) not in {1, len(images)}:
        raise click.UsageError("one --dpi, or one for each --images")


@click.command("finger")
@sets_option
@dpi_option
@click.option(
    "--safety",
    type=click.FloatRange(1, 1000),
    default=SAFETY,
    show_default=True,
    help="Between a nominal rate and the rate here.",
)
@precision_option
@click.option("--weights", "weights_file", type=FILE, help="Of the evidence; else the shipped.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@out_option
def finger(
    *,
    images: tuple[Path, ...],
    dpi: tuple[float, ...],
    safety: float,
    precision: Any,
    weights_file: Path | None,
    directory: Path,
    out: Path,
) -> None:
    """Set thresholds for nominal false match rates, and fit a log-likelihood ratio.

    Every two pictures are compared, across folders too. The file keeps numbers, and the beginning
    of each picture's hash so that nobody evaluates on it by mistake: no picture, no minutia.

    Example: tram models calibrate finger --images DB1_B --images DB2_B --dpi 500 --dpi 569
    --out site.json
    """
    check_dpi(images, dpi)
    with failing("tram models calibrate", {}):
        tools = open_tools(directory, precision, weights_file)
        sets = Sets(images, dpi)
        prints, pairs = sets.extract(tools), sets.pairs()
        counted = Counted("comparisons", len(pairs.a))
        compared = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick)
        scores = fingers.scores_of(compared.evidence, tools.weights)
        source = source_of(sets.name, prints.hashes, sets.of, pairs)
        found = fitted(source, scores, pairs.same, weights=tools.weights, safety=safety)
        write(out, encode(found))
    tell(found, out, name=CALIBRATION)
