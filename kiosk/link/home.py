"""What the link is told: whose link it is, its TLS files, where broker and station are.

Knows names below one folder: a whole device home, or one that holds only what is read here. Does
not read the station's key, its trust, its reader or its camera.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Self

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from kiosk.link.mqtt import Address
from kiosk.link.shipper import Settings
from wire.record import DeviceID
from wire.topics import DEFAULT_SHARDS, MAX_SHARDS

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 65_536


class LinkHomeUnusableError(Exception):
    """The folder lacks a file, or one of them is not what it should be."""


class _Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class _DeviceFile(msgspec.Struct, frozen=True):
    """The part of device.toml that the link reads; its other keys are the station's."""

    id: DeviceID
    broker: _Broker
    shards: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHARDS)] = DEFAULT_SHARDS


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """How one link runs.

    Attributes:
        device: whose link it is; its certificate bears this name.
        socket: where the station listens.
        broker: where the broker is, and the TLS files.
        shards: how many topic shards the fleet has.
        settings: how much is held, and for how long.
    """

    device: str
    socket: Path
    broker: Address
    shards: int = DEFAULT_SHARDS
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def load(cls, home: Path, socket: Path) -> Self:
        """Read device.toml and the certificate's name from a folder.

        Raises:
            LinkHomeUnusableError: one is missing, or the certificate is another device's.
        """
        keys = home / "keys"
        certificate = keys / "tls.cert.pem"
        try:
            told = msgspec.convert(tomllib.loads(_text(home / "device.toml")), _DeviceFile)
            named = _common_name(_text(certificate).encode())
        except (OSError, ValueError, RecursionError) as error:
            # Neither library's message is repeated: it may quote the file.
            raise LinkHomeUnusableError(f"{home}: {type(error).__name__}") from None
        if named != told.id:
            raise LinkHomeUnusableError(f"{certificate} is not {told.id}'s")
        address = Address(
            host=told.broker.host,
            port=told.broker.port,
            authority=keys / "broker-ca.pem",
            certificate=certificate,
            key=keys / "tls.key.pem",
        )
        return cls(device=told.id, socket=socket, broker=address, shards=told.shards)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError("too long")
    return raw.decode()


def _common_name(pem: bytes) -> str | None:
    """Return the one common name of a certificate, if it has exactly one."""
    names = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None
