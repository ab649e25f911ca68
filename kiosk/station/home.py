"""A device home: where its files lie, and what device.toml and fleet.json say.

Knows names below a folder and the shapes of two files. Makes nothing (provisioning does), opens no
device and no queue. Private keys are read by their drivers, never here.
"""

from __future__ import annotations

import base64
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from kiosk.bundles.files import read_bounded
from kiosk.outbox.store import DEFAULT_QUOTA_BYTES, MIN_QUOTA_BYTES
from wire.errors import WireError
from wire.record import Code, DeviceID
from wire.seal import Recipient, Recipients
from wire.topics import MAX_SHARDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NetName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
"""The net that compares faces: "mobilefacenet", "dlib-resnet", "strict" or a supplied one's."""
MAX_CONFIG_BYTES: Final = 65_536
MAX_FLEET_BYTES: Final = 4 * 1024 * 1024


class HomeUnusableError(Exception):
    """The folder is not a device home, or one of its files is not what it should be."""


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the broker is; only the link reads it."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65_535)]


class DeviceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """device.toml.

    Attributes:
        id: the device's name.
        site: the code of the place where it stands.
        card_url: its card reader.
        camera_url: its camera.
        shards: how many topic shards its fleet has.
        broker: where the link reaches the broker.
        procedure: which public procedure asks, a code.
        queue_bytes: the queue's file never grows beyond.
        finger_url: its fingerprint sensor; None: it has none.
        net: which net compares faces, and no other; "strict": two that must agree. None: the one
            whose file is there.
    """

    id: DeviceID
    site: Code
    card_url: Annotated[str, Meta(min_length=1, max_length=4096)]
    camera_url: Annotated[str, Meta(min_length=1, max_length=4096)]
    shards: Annotated[int, Meta(ge=1, le=MAX_SHARDS)]
    broker: Broker
    procedure: Code = "identity-check"
    queue_bytes: Annotated[int, Meta(ge=MIN_QUOTA_BYTES, le=2**40)] = DEFAULT_QUOTA_BYTES
    net: NetName | None = None
    finger_url: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None


class _Recipient(Struct, frozen=True, forbid_unknown_fields=True):
    id: Code
    public_key: Annotated[str, Meta(max_length=8192)]


class _Recipients(Struct, frozen=True, forbid_unknown_fields=True):
    operations: _Recipient
    identity: _Recipient


class _FleetFile(Struct, frozen=True, forbid_unknown_fields=True):
    recipients: _Recipients
    receipt_keys: Annotated[dict[str, str], Meta(max_length=MAX_SHARDS)]
    policy_keys: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)]


@dataclass(frozen=True, slots=True)
class FleetKeys:
    """Whom a device seals for and whom it believes: public keys only.

    Attributes:
        recipients: the two readers of its records.
        receipt_keys: shard to the key that signs its receipts, DER.
        policy_keys: who may sign a policy, DER.
    """

    recipients: Recipients
    receipt_keys: Mapping[int, bytes] = field(repr=False)
    policy_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceHome:
    """Paths below one folder, and what two of its files say."""

    root: Path

    @property
    def outbox(self) -> Path:
        """The queue."""
        return self.root / "outbox.db"

    @property
    def station_key(self) -> Path:
        """Signs groups."""
        return self.root / "keys" / "station.key.pem"

    @property
    def trust(self) -> Path:
        """The issuers that are trusted: *.der and *.crl."""
        return self.root / "trust"

    @property
    def terminal(self) -> Path:
        """What chips are shown by who may read their fingerprints, if this device may."""
        return self.root / "terminal"

    @property
    def policy(self) -> Path:
        """The signed policy."""
        return self.root / "policy.cose"

    @property
    def link_socket(self) -> Path:
        """Where the link connects, if nothing else is said."""
        return self.root / "link.sock"

    def config(self) -> DeviceConfig:
        """Read device.toml.

        Raises:
            HomeUnusableError: it is not there, or not what it should be.
        """
        path = self.root / "device.toml"
        try:
            given = tomllib.loads(read_bounded(path, limit=MAX_CONFIG_BYTES).decode())
            return msgspec.convert(given, DeviceConfig)
        except (OSError, ValueError, RecursionError) as error:
            raise HomeUnusableError(f"{path}: {error}") from error

    def fleet_keys(self) -> FleetKeys:
        """Read fleet.json.

        Raises:
            HomeUnusableError: it is not there, or not what it should be.
        """
        path = self.root / "fleet.json"
        try:
            given = msgspec.json.decode(read_bounded(path, limit=MAX_FLEET_BYTES), type=_FleetFile)
            return FleetKeys(
                Recipients(
                    operations=_recipient(given.recipients.operations),
                    identity=_recipient(given.recipients.identity),
                ),
                {int(shard): _der(text) for shard, text in given.receipt_keys.items()},
                tuple(map(_der, given.policy_keys)),
            )
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError, WireError) as error:
            raise HomeUnusableError(f"{path}: {error}") from error


def _recipient(given: _Recipient) -> Recipient:
    return Recipient(given.id, _der(given.public_key))


def _der(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
