"""Make a device's home and enter the device into its fleet.

Knows the files of a device home and what they hold. Does not know what a kiosk does with them. The
keys are made here and written to files; a device with a secure element makes its own, and then
only public halves travel.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from fleet.store.store import DeviceKnownError, Store
from kiosk.station.home import NetName
from provisioning.certificates import Authority, new_key, private_pem
from provisioning.fleet_home import public_der
from provisioning.private_files import AlreadyThereError, make_folder, write_new
from wire.record import Code
from wire.topics import device_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import ec

    from fleet.home import FleetConfig, FleetHome

SIMULATED_SCHEMES = ("sim://", "file://")
"""Devices that a fleet without simulators does not enrol."""

TRUST_ENDINGS = (".der", ".crl")


class EnrolmentError(Exception):
    """The device cannot be enrolled like this; nothing was made."""


def enrol(
    fleet: FleetHome,
    home: Path,
    *,
    device: str,
    site: str,
    card_url: str,
    camera_url: str,
    trust: Path,
    now: datetime,
    net: str | None = None,
    finger_url: str | None = None,
    terminal: Path | None = None,
) -> None:
    """Make a device home and enrol its station key.

    Args:
        fleet: the fleet it will belong to.
        home: a folder that does not exist yet, or is empty.
        device: its name: 3 to 32 of a-z, 0-9 and hyphen.
        site: the code of the place where it stands.
        card_url: its card reader.
        camera_url: its camera.
        trust: a folder with the issuers' certificates (*.der) and revocation lists (*.crl).
        now: when its certificate begins.
        net: the net that compares faces, "strict" for two that must agree; None: the one whose file
            is there.
        finger_url: its fingerprint sensor; None: it has none.
        terminal: a folder with the certificates (*.cvcert) and the key (terminal.key) by which it
            may read chips' fingerprints; None: it may not.

    Raises:
        EnrolmentError: the device is enrolled already, trusts nobody, stands nowhere, compares by
            what is no net's name, or simulates in a fleet that takes no simulators. Nothing was
            made.
        AlreadyThereError: there is something in the folder.
        BadAuthorityError, HomeUnusableError, StoreError: the fleet home cannot be used.
        OSError: a file cannot be read or written.
        wire.errors.Malformed: not a device id.
    """
    config = fleet.config()
    device_id(device)
    _check_code(site, Code, "the site is not a code: 1 to 64 of A-Z a-z 0-9 . _ + -")
    if net is not None:
        _check_code(net, NetName, "the net is no name: 1 to 40 of a-z 0-9 -")
    for url in (card_url, camera_url, finger_url or ""):
        if not config.simulators_allowed and url.lower().startswith(SIMULATED_SCHEMES):
            raise EnrolmentError(f"this fleet takes no simulators: {url}")
    home = home.absolute()
    if home.exists() and any(home.iterdir()):
        raise AlreadyThereError(f"{home} is not empty")
    station = new_key()
    devices = {"card_url": card_url, "camera_url": camera_url, "finger_url": finger_url}
    described = _toml(device, site, devices, net, config)
    home.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as being_made:
        made = make_folder(Path(being_made) / "home")
        _fill(made, fleet, device=device, station=station, trusted=_trusted(trust), now=now)
        if terminal is not None:
            shown = make_folder(made / "terminal")
            for path in (*terminal.glob("*.cvcert"), terminal / "terminal.key"):
                write_new(shown / path.name, path.read_bytes())
        write_new(made / "device.toml", described.encode())
        with Store.open(fleet.database) as store:
            try:
                store.enrol(
                    device,
                    site=site,
                    station_key=public_der(station),
                    simulators_allowed=config.simulators_allowed,
                    at=now,
                )
            except DeviceKnownError as error:
                raise EnrolmentError(str(error)) from error
        made.rename(home)


def _check_code(given: str, kind: object, message: str) -> None:
    try:
        msgspec.convert(given, kind)
    except msgspec.ValidationError:
        raise EnrolmentError(message) from None


def _trusted(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix in TRUST_ENDINGS)
    if not any(path.suffix == ".der" for path in found):
        raise EnrolmentError(f"{folder} has no certificate (*.der)")
    return found


def _fill(
    home: Path,
    fleet: FleetHome,
    *,
    device: str,
    station: ec.EllipticCurvePrivateKey,
    trusted: list[Path],
    now: datetime,
) -> None:
    """Write everything of a device home but what describes it."""
    authority = Authority.load(
        (fleet.authority / "ca.cert.pem").read_bytes(),
        (fleet.authority / "ca.key.pem").read_bytes(),
    )
    tls = authority.issue_client(device, now=now)
    keys, trust = make_folder(home / "keys"), make_folder(home / "trust")
    write_new(keys / "station.key.pem", private_pem(station))
    write_new(keys / "tls.key.pem", tls.key_pem)
    write_new(keys / "tls.cert.pem", tls.certificate_pem)
    write_new(keys / "broker-ca.pem", authority.certificate_pem)
    for path in trusted:
        write_new(trust / path.name, path.read_bytes())
    write_new(home / "fleet.json", fleet.public_file.read_bytes())
    write_new(home / "policy.cose", fleet.policy_file.read_bytes())


def _toml(
    device: str,
    site: str,
    devices: Mapping[str, str | None],
    net: str | None,
    config: FleetConfig,
) -> str:
    """Return device.toml. A JSON string without control characters is a TOML string too."""
    urls = "".join(
        f"{name} = {json.dumps(url, ensure_ascii=False)}\n" for name, url in devices.items() if url
    )
    chosen = "" if net is None else f"net = {json.dumps(net)}\n"
    return (
        f"id = {json.dumps(device)}\n"
        f"site = {json.dumps(site)}\n"
        f"{urls}"
        f"shards = {config.shards}\n"
        f"{chosen}\n"
        "[broker]\n"
        f"host = {json.dumps(config.host)}\n"
        f"port = {config.port}\n"
    )
