"""`tram provision`: make a device's home and enter the device into its fleet.

Knows options and exit codes. What a device home holds stands in `provisioning.enrol`.

Exit codes: 0 done; 1 the fleet doesn't take this device like this; 2 usage; 3 a file failed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from fleet.home import FleetHome, HomeUnusableError
from fleet.store.store import StoreError
from provisioning.certificates import BadAuthorityError
from provisioning.enrol import EnrolmentError
from provisioning.enrol import enrol as enrol_device
from provisioning.private_files import AlreadyThereError
from wire.errors import WireError

NOT_TAKEN = 1
FAILED = 3

_FOLDER = click.Path(file_okay=False, path_type=Path)
_THERE = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def provision() -> None:
    """Make device homes and enrol them.

    Example: tram provision enrol --help
    """


@provision.command()
@click.option("--fleet", required=True, type=_THERE, help="The fleet home it will belong to.")
@click.option("--home", required=True, type=_FOLDER, help="The device home to make.")
@click.option("--device", required=True, help="Its name: 3 to 32 of a-z, 0-9 and hyphen.")
@click.option("--site", required=True, help="The code of the place where it stands.")
@click.option("--card", required=True, metavar="URL", help="Its card reader.")
@click.option("--camera", required=True, metavar="URL", help="Its camera.")
@click.option("--trust", required=True, type=_THERE, help="Whom it trusts: *.der and *.crl.")
@click.option("--net", help="Which net compares faces; strict: two. Else the one that is there.")
@click.option("--finger", metavar="URL", help="Its fingerprint sensor, if it has one.")
@click.option(
    "--terminal",
    type=_THERE,
    help="Certificates (*.cvcert) and terminal.key by which it may read chips' fingerprints.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def enrol(
    fleet: Path,
    home: Path,
    device: str,
    site: str,
    card: str,
    camera: str,
    trust: Path,
    net: str | None,
    finger: str | None,
    terminal: Path | None,
    as_json: bool,
) -> None:
    """Make a device's keys, certificate and home, and enter it into the fleet.

    Exit codes: 0 done; 1 the fleet doesn't take this device like this; 2 usage; 3 a file failed.

    Example: tram provision enrol --fleet build/fleet --home build/kiosk-1 --device kiosk-1
    --site hn-001 --card pcsc://0 --camera picamera:// --trust trust
    """
    try:
        enrol_device(
            FleetHome(fleet),
            home,
            device=device,
            site=site,
            card_url=card,
            camera_url=camera,
            trust=trust,
            net=net,
            finger_url=finger,
            terminal=terminal,
            now=datetime.now(UTC),
        )
    except (EnrolmentError, WireError) as error:
        raise _ended(error, NOT_TAKEN) from error
    except (AlreadyThereError, BadAuthorityError, HomeUnusableError, StoreError, OSError) as error:
        raise _ended(error, FAILED) from error
    made = {"device": device, "site": site, "home": str(home)}
    click.echo(json.dumps(made) if as_json else f"{device} is enrolled; its home is {home}")


def _ended(error: Exception, code: int) -> SystemExit:
    click.echo(f"tram provision: {error}", err=True)
    return SystemExit(code)
