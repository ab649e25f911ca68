"""Where a fleet's files lie, and the one file that says how it is run.

Knows names below a folder. Makes nothing (provisioning does) and reads no key.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec

from wire.topics import DEFAULT_SHARDS, MAX_SHARDS

if TYPE_CHECKING:
    from pathlib import Path

INGEST_NAME = "fleet.ingest"
"""Ingest's user name at the broker. It has a dot, so that no device id can equal it."""


class HomeUnusableError(Exception):
    """The folder is not a fleet home, or its fleet.toml is not what it should be."""


class FleetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """fleet.toml.

    Attributes:
        host: where devices and ingest reach the broker.
        port: its port.
        shards: how many topic shards there are; fixed when the fleet is made.
        simulators_allowed: whether records made with simulated devices are taken.
    """

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    shards: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHARDS)] = DEFAULT_SHARDS
    simulators_allowed: bool = False


@dataclass(frozen=True, slots=True)
class FleetHome:
    """Paths below one folder."""

    root: Path

    @property
    def config_file(self) -> Path:
        """fleet.toml: how the fleet is run."""
        return self.root / "fleet.toml"

    @property
    def public_file(self) -> Path:
        """fleet.json: what a device must know of its fleet; nothing secret."""
        return self.root / "fleet.json"

    @property
    def database(self) -> Path:
        """fleet.db: devices, lanes, records, the audit chain."""
        return self.root / "fleet.db"

    @property
    def authority(self) -> Path:
        """The certificate authority: ca.cert.pem, ca.key.pem."""
        return self.root / "ca"

    @property
    def broker(self) -> Path:
        """The broker: mosquitto.conf, acl, its TLS files."""
        return self.root / "broker"

    @property
    def ingest(self) -> Path:
        """Ingest: its TLS files, receipt keys, the operations opening key."""
        return self.root / "ingest"

    @property
    def operations_key(self) -> Path:
        """Opens operations parts."""
        return self.ingest / "operations.key.pem"

    @property
    def records(self) -> Path:
        """The custodian of identity parts. Ingest is never given this folder."""
        return self.root / "records"

    @property
    def identity_key(self) -> Path:
        """Opens identity parts."""
        return self.records / "identity.key.pem"

    @property
    def policy(self) -> Path:
        """Who signs policies."""
        return self.root / "policy"

    @property
    def policy_key(self) -> Path:
        """Signs policies."""
        return self.policy / "policy.key.pem"

    @property
    def policy_file(self) -> Path:
        """policy.cose: the signed policy in force, copied to each device at its enrolment."""
        return self.policy / "policy.cose"

    def receipt_key(self, shard: int) -> Path:
        """Signs the receipts of one shard."""
        return self.ingest / "receipts" / f"{shard:04}.key.pem"

    def config(self) -> FleetConfig:
        """Read fleet.toml.

        Raises:
            HomeUnusableError: it is not there, or not what it should be.
        """
        try:
            given = tomllib.loads(self.config_file.read_text())
            return msgspec.convert(given, FleetConfig)
        except (OSError, ValueError) as error:
            raise HomeUnusableError(f"{self.config_file}: {error}") from error
