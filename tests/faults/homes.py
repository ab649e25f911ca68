"""A fleet, its devices and their queues as the product makes and opens them, for the faults."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from hw.keys.file import FileKey
from kiosk.outbox import Draft, Outbox
from provisioning.enrol import enrol
from provisioning.fleet_home import init
from tests.faults.content import identity_of, operations_of
from wire.record import IdentityPart, OperationsPart

if TYPE_CHECKING:
    from pathlib import Path

    from fleet.home import FleetHome
    from kiosk.station.home import DeviceHome


BELOW_EPHEMERAL = range(15_000, 30_000)


def draft_of(mark: int, lane: Any) -> Draft:
    """The record of a mark as the product takes it."""
    identity = identity_of(mark)
    return Draft(
        lane=lane,
        operations=msgspec.convert(operations_of(mark), OperationsPart),
        identity=None if identity is None else msgspec.convert(identity, IdentityPart),
    )


def make_fleet(folder: Path, *devices: str, shards: int) -> FleetHome:
    """Make a fleet and its devices' homes, each in a folder of its name."""
    now = datetime.now(UTC)
    port = quiet_port()
    home = init(folder / "fleet", now=now, port=port, shards=shards, simulators_allowed=True)
    trust = folder / "trust"
    trust.mkdir()
    (trust / "issuer.der").write_bytes(b"whom the chips' issuers are is not asked")
    for device in devices:
        enrol(
            home,
            folder / device,
            device=device,
            site="hn-ward-7",
            card_url="sim://card",
            camera_url="sim://camera",
            trust=trust,
            now=now,
        )
    return home


def quiet_port() -> int:
    """A free port that the kernel gives to nobody while a killed broker is away from it."""
    while True:
        port = random.SystemRandom().choice(BELOW_EPHEMERAL)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def open_queue(home: DeviceHome, **options: Any) -> Outbox:
    """Open a device's queue as its station does."""
    return Outbox.open(
        home.outbox,
        device=home.config().id,
        signer=FileKey(home.station_key),
        recipients=home.fleet_keys().recipients,
        **options,
    )
