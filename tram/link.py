"""`tram link`: the process of a kiosk that has the network, and nothing else.

Knows options, signals and exit codes. What it carries and when stands in `kiosk.link`.

Exit codes: 0 told to end; 2 usage; 3 a file is missing or is not what it should be.
"""

from __future__ import annotations

from pathlib import Path

import click

from kiosk.link.home import LinkConfig, LinkHomeUnusableError
from kiosk.link.main import run as run_link
from tram.parts.service import log_as_json, until_told

FAILED = 3


@click.group()
def link() -> None:
    """Carry sealed groups to the fleet's broker and receipts back.

    Example: tram link run --home /etc/tram/link --socket /run/tram-station/link.sock
    """


@link.command()
@click.option(
    "--home",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A device home, or a folder with its device.toml and TLS files only.",
)
@click.option(
    "--socket",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the station listens.",
)
def run(home: Path, path: Path) -> None:
    """Run until SIGTERM. A broker or a station that is away is awaited.

    JSON lines about machines go to stderr; nothing goes to stdout. Exit codes: 0 told to end; 2
    usage; 3 a file is missing or is not what it should be.

    Example: tram link run --home build/demo/kiosk --socket build/demo/kiosk/link.sock
    """
    log_as_json()
    try:
        run_link(LinkConfig.load(home, path), until_told())
    except LinkHomeUnusableError as error:
        click.echo(f"tram link: {error}", err=True)
        raise SystemExit(FAILED) from error
