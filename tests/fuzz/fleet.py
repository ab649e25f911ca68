"""Ingest's parsers: whatever a broker delivers, on whatever topic; a key's file."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from fleet.ingest.deliveries import RefusedError, read_delivery, read_group, read_status, topic_of
from fleet.opening_key import opening_key_from_pem
from fleet.store.store import Device
from wire.cose import PrivateKeySigner, sign1
from wire.errors import WireError
from wire.seal import PRIVATE_BYTES, OpeningKey
from wire.topics import Topic, shard_of

_STATION = PrivateKeySigner(ec.derive_private_key(7, ec.SECP256R1()))
_TOPIC = Topic(shard_of("kiosk-1"), "kiosk-1", "ev")


@cache
def _key() -> OpeningKey:
    return OpeningKey("operations-1", bytes(range(PRIVATE_BYTES)))


def _device(name: str) -> Device:
    return Device(name, "hn-1", _STATION.public_key_der, simulators_allowed=False, enrolled_at="")


def _group(raw: bytes) -> object:
    return read_group(raw, _TOPIC, enrolled=_device, key=_key(), simulators_allowed=False)


def _signed_group(payload: bytes) -> object:
    """Let a true station sign anything at all."""
    return _group(sign1(payload, _STATION, kind="group"))


def _signed_tombstone(payload: bytes) -> object:
    """Let a true station call anything at all a tombstone."""
    raw = sign1(payload, _STATION, kind="tombstone")
    return read_delivery(raw, _TOPIC, enrolled=_device, key=_key(), simulators_allowed=False)


def _status(raw: bytes) -> object:
    return read_status(raw, _TOPIC, enrolled=_device)


def _topic(raw: bytes) -> object:
    return topic_of(raw.decode("latin-1"), shards=64)


def _opening_key(raw: bytes) -> object:
    return opening_key_from_pem(raw, "operations")


TARGETS = {
    "fleet.group": (_group, (RefusedError,)),
    "fleet.signed_group": (_signed_group, (RefusedError,)),
    "fleet.signed_tombstone": (_signed_tombstone, (RefusedError,)),
    "fleet.status": (_status, (RefusedError,)),
    "fleet.topic": (_topic, (RefusedError,)),
    "fleet.opening_key": (_opening_key, (WireError,)),
}
