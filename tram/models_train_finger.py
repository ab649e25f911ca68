"""`tram models train finger`: fit what evidence weighs, and the gate, to sets of fingers.

Knows options, files and exit codes. What is fitted is `models.evaluate.finger_fit`'s and
`finger_quality`'s, what the files hold `models.finger.fusion`'s and `quality`'s.

Exit codes: 0 fitted and written; 2 usage; 3 a file or a model cannot be used, or there are too few
comparisons.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from models.evaluate import finger_quality, fingers
from models.evaluate.finger_fit import SENSED, WAYS, weigh
from models.evaluate.rates import RatesError
from models.finger import fusion, quality
from tram.models_calibrate import write
from tram.models_calibrate_finger import (
    Sets,
    check_dpi,
    dpi_option,
    out_option,
    precision_option,
    sets_option,
)
from tram.models_evaluate import MODELS, OUT
from tram.models_evaluate_finger import open_tools
from tram.parts.measured import Counted, commit, failing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.evaluate.finger_sets import Comparisons


class Compared(NamedTuple):
    """What comparing each two pictures of a folder in one way found.

    Attributes:
        way: its name.
        evidence: (K, 6), the fields of `models.finger.match.Evidence`.
        pairs: K pairs.
        seen: the figures of each picture; None where nothing could be looked for in it.
        hashes: of each picture's file.
    """

    way: str
    evidence: NDArray[np.float64]
    pairs: Comparisons
    seen: tuple[quality.Quality | None, ...]
    hashes: tuple[str, ...]


@click.command("finger")
@sets_option
@dpi_option
@precision_option
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@out_option
@click.option(
    "--gate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of a gate, fitted too.",
)
def finger(
    *,
    images: tuple[Path, ...],
    dpi: tuple[float, ...],
    precision: Any,
    directory: Path,
    out: Path,
    gate: Path | None,
) -> None:
    """Fit what the evidence of a comparison weighs.

    Each folder's pictures are compared as they are and made worse: through a module's window, with
    skin stretched, dry, wet or scratched, and laid on in part. The file keeps numbers, and the
    beginning of each picture's hash so that nobody evaluates on it by mistake.

    With --gate the chance that a touch matches another one of its finger is fitted to the pictures
    as they are and through the windows: whether they match is judged by these weights, at the score
    that one impostor pair of a thousand reaches.

    Example: tram models train finger --images DB1_B --images DB2_B --dpi 500 --dpi 569
    --out weights.json --gate gate.json
    """
    check_dpi(images, dpi)
    resolutions = dpi if len(dpi) == len(images) else dpi * len(images)
    with failing("tram models train", {}):
        tools = open_tools(directory, precision, None)
        found: list[Compared] = []
        for way in WAYS:
            click.echo(f"  {way.name}", err=True)
            for folder, each_dpi in zip(images, resolutions, strict=True):
                sets = Sets((folder,), (each_dpi,))
                prints, pairs = sets.extract(tools, way.made), sets.pairs()
                counted = Counted("comparisons", len(pairs.a))
                evidence = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick).evidence[
                    :, 0
                ]
                found.append(Compared(way.name, evidence, pairs, prints.seen, prints.hashes))
        name = "+".join(folder.resolve().name for folder in images)
        weights = fitted(name, found, tools.manifest.id)
        if gate is not None:
            write(gate, quality.encode(gated(weights, found)))
        write(out, fusion.encode(weights))
    click.echo(f"{out}", err=True)


def fitted(name: str, found: Sequence[Compared], net: str) -> fusion.Weights:
    """Return the weights of evidence that was found in every way. Raises FitError."""
    same = np.concatenate([each.pairs.same for each in found])
    weighed = weigh(np.concatenate([each.evidence for each in found]), same)
    return fusion.Weights(
        of_terms=weighed.of_terms,
        bias=weighed.bias,
        net=net,
        set=name,
        ways=tuple(way.name for way in WAYS),
        pictures=_pictures(found),
        genuine=int(same.sum()),
        impostor=int((~same).sum()),
        commit=commit(),
    )


def gated(weights: fusion.Weights, found: Sequence[Compared]) -> quality.Gate:
    """Return the gate of what was found by sensors, judged by weights fitted on the same.

    Raises:
        FitError: as `models.evaluate.finger_quality.fit_gate`.
        RatesError: there were no two fingers.
    """
    of = fates(weights, found, passing(weights, found))
    fit = finger_quality.fit_gate(of)
    return quality.Gate(
        weights=fit.weights,
        bias=fit.bias,
        least=finger_quality.LEAST,
        fmr=finger_quality.FMR,
        net=weights.net,
        set=weights.set,
        pictures=_pictures(found),
        genuine=len(of.passed),
        passed=int(of.passed.sum()),
        commit=weights.commit,
    )


def passing(weights: fusion.Weights, found: Sequence[Compared]) -> float:
    """Return the score that `finger_quality.FMR` of two fingers reach on sensors.

    Raises:
        RatesError: there were no two fingers.
    """
    scores = [_scores(weights, each)[~each.pairs.same] for each in _sensed(found)]
    if not sum(map(len, scores)):
        raise RatesError("no two fingers were compared")
    return float(np.quantile(np.concatenate(scores), 1 - finger_quality.FMR))


def fates(weights: fusion.Weights, found: Sequence[Compared], least: float) -> finger_quality.Fates:
    """Return how touches of sensors fared where two fingers match from a score on."""
    return finger_quality.joined(
        [
            finger_quality.fates(each.seen, each.pairs, _scores(weights, each), least)
            for each in _sensed(found)
        ]
    )


def _sensed(found: Sequence[Compared]) -> list[Compared]:
    return [each for each in found if each.way in SENSED]


def _scores(weights: fusion.Weights, of: Compared) -> NDArray[np.float64]:
    return fingers.scores_of(of.evidence[:, None], weights)


def _pictures(found: Sequence[Compared]) -> tuple[str, ...]:
    return tuple(sorted({picture for each in found for picture in each.hashes}))
