"""`tram camera`: prepare a person for the simulated camera from a photograph.

Knows options and exit codes. The mesh comes from the model files, the file is `hw.camera.sim`'s.

Exit codes: 0 done; 2 usage; 3 a file failed, or there is not one face on it.
"""

from __future__ import annotations

from pathlib import Path

import click

FAILED = 3


@click.group()
def camera() -> None:
    """Prepare a simulated person for the camera.

    Example: tram camera head --picture face.jpg --out head.npz
    """


@camera.command("head")
@click.option(
    "--picture",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A photograph of one face, from the front.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The head's file."
)
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="The model files.",
)
def head(picture: Path, out: Path, models: Path) -> None:
    """Make a head that `sim://camera?file=…` turns before the camera.

    Example: tram camera head --picture face.jpg --out head.npz
    """
    from tram.parts.head_press import press

    try:
        press(picture, out, models=models)
    except (OSError, ValueError) as error:
        click.echo(f"tram camera: {error}", err=True)
        raise SystemExit(FAILED) from error
    click.echo(f"wrote {out}", err=True)
