"""`tram models train finger`: fit the weights of a comparison's evidence to sets of fingers.

Knows options, files and exit codes. What is fitted is `models.evaluate.finger_fit`'s, what the file
holds `models.finger.fusion`'s.

Exit codes: 0 fitted and written; 2 usage; 3 a file or a model cannot be used, or there are too few
comparisons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from models.evaluate import fingers
from models.evaluate.finger_fit import WAYS, weigh
from models.finger import fusion
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
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray


@click.command("finger")
@sets_option
@dpi_option
@precision_option
@click.option("--dir", "directory", type=OUT, default=MODELS, show_default=True, help="The models.")
@out_option
def finger(
    *,
    images: tuple[Path, ...],
    dpi: tuple[float, ...],
    precision: Any,
    directory: Path,
    out: Path,
) -> None:
    """Fit what the evidence of a comparison weighs.

    Each folder's pictures are compared as they are and made worse: through a module's window, with
    skin stretched, dry, wet or scratched, and laid on in part. The file keeps numbers, and the
    beginning of each picture's hash so that nobody evaluates on it by mistake.

    Example: tram models train finger --images DB1_B --images DB2_B --dpi 500 --dpi 569
    --out weights.json
    """
    check_dpi(images, dpi)
    resolutions = dpi if len(dpi) == len(images) else dpi * len(images)
    with failing("tram models train", {}):
        tools = open_tools(directory, precision, None)
        found: list[NDArray[np.float64]] = []
        same: list[bool] = []
        hashes: set[str] = set()
        for way in WAYS:
            click.echo(f"  {way.name}", err=True)
            for folder, each_dpi in zip(images, resolutions, strict=True):
                sets = Sets((folder,), (each_dpi,))
                prints, pairs = sets.extract(tools, way.made), sets.pairs()
                counted = Counted("comparisons", len(pairs.a))
                compared = fingers.compared(prints, pairs.a, pairs.b, tick=counted.tick)
                found.append(compared.evidence[:, 0])
                same += pairs.same.tolist()
                hashes.update(prints.hashes)
        name = "+".join(folder.resolve().name for folder in images)
        weights = fitted(name, hashes, np.concatenate(found), np.array(same), tools.manifest.id)
        write(out, fusion.encode(weights))
    click.echo(f"{out}", err=True)


def fitted(
    name: str,
    hashes: Iterable[str],
    evidence: NDArray[np.float64],
    same: NDArray[np.bool_],
    net: str,
) -> fusion.Weights:
    """Return the weights of evidence that was found in every way. Raises TextureFitError."""
    weighed = weigh(evidence, same)
    return fusion.Weights(
        of_terms=weighed.of_terms,
        bias=weighed.bias,
        net=net,
        set=name,
        ways=tuple(way.name for way in WAYS),
        pictures=tuple(sorted(set(hashes))),
        genuine=int(same.sum()),
        impostor=int((~same).sum()),
        commit=commit(),
    )
