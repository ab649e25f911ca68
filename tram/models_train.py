"""`tram models train`: fit a model of texture to an operator's own pictures.

Knows options, files and exit codes. What is fitted is `models.evaluate.texture_fit`'s, what the
file holds `models.face.texture`'s.

Exit codes: 0 fitted and written; 2 usage; 3 a file, the labels or a model cannot be used, there are
too few pictures, or what was fitted tells attacks and people hardly apart.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import numpy as np

from models.evaluate import pad, texture_fit
from models.evaluate.pairs import MAX_BYTES, PairsError
from models.evaluate.rates import curve_of
from models.evaluate.surfaces import measure, open_finder
from models.face.texture import NAME, PIPELINE, Fitted, Texture, encode, require_sight
from tram.models_evaluate import FILE, FOLDER, MODELS, OUT
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.evaluate.surfaces import Finder

BPCER: Final = 0.02
NUMBERED: Final = re.compile(r"(.+)_\d+")
LIMITS: Final = (
    "Holds for the camera, the light and the kinds of attack that it was fitted on; for others "
    "nothing was measured. The threshold was set on pictures that were held back of the same set."
)


@click.group()
def train() -> None:
    """Fit a model to an operator's own pictures.

    Example: tram models train pad --images DIR --labels LABELS.csv --out FILE
    """


@train.command("pad")
@click.option(
    "--images", type=FOLDER, multiple=True, required=True, help="Captures, named PERSON_NUMBER.EXT."
)
@click.option(
    "--labels",
    "labels_files",
    type=FILE,
    multiple=True,
    required=True,
    help="CSV: file,attack; one for each --images, in the same order.",
)
@click.option(
    "--bpcer",
    type=click.FloatRange(0, 0.5),
    default=BPCER,
    show_default=True,
    help="So many people may be taken for attacks: sets the threshold.",
)
@click.option("--name", help="What the set is called; else its folder.")
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help=f"The file; as {NAME} among the model files it is used instead of the shipped one.",
)
def pad_command(
    *,
    images: tuple[Path, ...],
    labels_files: tuple[Path, ...],
    bpcer: float,
    name: str | None,
    directory: Path,
    out: Path,
) -> None:
    """Fit the passive layer of liveness to captures of a site's own camera.

    Pictures of people and of attacks as that camera sees them, at least 30 of each, better hundreds
    of many people. The threshold is set on people who were held back. The file keeps numbers, and
    the beginning of each picture's hash so that nobody evaluates on it by mistake: no picture.

    Example: tram models train pad --images captures --labels labels.csv --out texture.json
    """
    if len(images) != len(labels_files):
        raise click.UsageError("one --labels for each --images")
    with failing("tram models train", {}):
        finder = open_finder(directory)
        sets = [_read(*each, finder) for each in zip(images, labels_files, strict=True)]
        features = np.concatenate([each.features for each in sets])
        kinds = [kind for each in sets for kind in each.kinds]
        people = np.unique(
            [f"{place}/{who}" for place, each in enumerate(sets) for who in each.people],
            return_inverse=True,
        )[1]
        skin = np.array([not each for each in kinds], dtype=np.bool_)
        scores = texture_fit.held_back(features, skin, people)
        at = texture_fit.threshold(scores[skin], bpcer=bpcer)
        apcer, missed = float((scores[~skin] >= at).mean()), float((scores[skin] < at).mean())
        if not texture_fit.tells_apart(apcer, missed):
            raise texture_fit.TextureFitError(
                f"held back: APCER {apcer:.4f} at BPCER {missed:.4f}, little better than chance: "
                "no model was written"
            )
        line = texture_fit.fit(features, skin)
        found = Texture(
            pipeline=PIPELINE,
            middle=_rounded(line.middle),
            spread=_rounded(line.spread),
            weights=_rounded(line.weights),
            bias=round(line.bias, 6),
            threshold=round(at, 6),
            fitted=Fitted(
                set=name or "+".join(each.resolve().name for each in images),
                bona_fide=int(skin.sum()),
                attack=dict(sorted(Counter(each for each in kinds if each).items())),
                pictures=tuple(sorted({found for each in sets for found in each.hashes})),
                commit=commit(),
                limits=LIMITS,
            ),
        )
        require_sight(found)
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f".{out.name}.part")
        part.write_bytes(encode(found))
        part.replace(out)
    area = curve_of(scores[skin], scores[~skin]).auc
    click.echo(
        f"held back: AUC {area:.4f}, APCER {apcer:.4f} at BPCER {missed:.4f}; "
        f"{sum(each.without_face for each in sets)} pictures without a face",
        err=True,
    )
    click.echo(f"{out}", err=True)


class _Set(NamedTuple):
    """The pictures of one folder on which there is a face."""

    features: NDArray[np.float64]
    kinds: list[str]
    people: list[str]
    hashes: tuple[str, ...]
    without_face: int


def _read(images: Path, labels_file: Path, finder: Finder) -> _Set:
    try:
        with labels_file.open("rb") as file:
            labels = pad.parse(file.read(MAX_BYTES + 1))
    except PairsError as error:
        raise PairsError(error.line, f"{labels_file}: {error.why}") from error
    counted = Counted("pictures", len(labels.names))
    measured = measure(images, labels, finder, where=str(labels_file), tick=counted.tick)
    places = np.flatnonzero(measured.seen).tolist()
    return _Set(
        measured.features[places],
        [labels.kinds[each] for each in places],
        [_person(labels.names[each]) for each in places],
        measured.hashes,
        int((~measured.seen).sum()),
    )


def _person(name: str) -> str:
    """Return whose picture it is: its name without extension and number."""
    stem = Path(name).with_suffix("").as_posix()
    numbered = NUMBERED.fullmatch(stem)
    return numbered[1] if numbered else ""


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(each), 6) for each in values)
