"""Make a fleet: its authority, broker, receipt keys, opening keys and policy key, in one folder.

Knows what belongs to whom. Whoever runs ingest is given `ingest/`, never `records/`, `policy/` or
`ca/`. This is the form for development and a few hundred devices on one machine; a ceremony on
separate machines makes the same files.
"""

from __future__ import annotations

import json
import secrets
import socket
from base64 import b64encode
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fleet.home import INGEST_NAME, FleetConfig, FleetHome
from fleet.opening_key import new_opening_key, opening_key_to_pem
from fleet.store.store import Store
from provisioning.broker_files import access_list, configuration
from provisioning.certificates import Authority, Identity, key_from_pem, new_key, private_pem
from provisioning.policies import default_policy
from provisioning.private_files import AlreadyThereError, make_folder, write_new
from wire.cose import PrivateKeySigner
from wire.policy import sign_policy
from wire.topics import DEFAULT_SHARDS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from wire.policy import Finger
    from wire.seal import OpeningKey

AUTHORITY_NAME = "Tram fleet authority"


def init(
    root: Path,
    *,
    now: datetime,
    host: str = "127.0.0.1",
    port: int = 0,
    shards: int = DEFAULT_SHARDS,
    simulators_allowed: bool = False,
    finger: Finger = "never",
) -> FleetHome:
    """Make a fleet home and return it.

    Args:
        root: a folder that does not exist yet, or is empty.
        now: when its certificates begin.
        host: where devices and ingest will reach the broker; its certificate says so.
        port: the broker's port; 0 takes one that is free on `host` now.
        shards: how many topic shards, each with its own receipt key.
        simulators_allowed: whether records made with simulated devices are taken.
        finger: what its first policy asks a finger for.

    Raises:
        AlreadyThereError: there is something in the folder.
    """
    if root.exists() and any(root.iterdir()):
        raise AlreadyThereError(f"{root} is not empty")
    home = FleetHome(make_folder(root).resolve())
    config = FleetConfig(
        host=host,
        port=port or free_port(host),
        shards=shards,
        simulators_allowed=simulators_allowed,
    )
    write_new(home.config_file, _toml(config).encode())
    authority = Authority.create(AUTHORITY_NAME, now=now)
    _write_identity(home.authority, authority.identity, name="ca")
    _make_broker(home, config, authority, now=now)
    _make_ingest(home, config, authority, now=now)
    _sign_first_policy(home, config, finger=finger, now=now)
    Store.open(home.database).close()
    return home


def free_port(host: str) -> int:
    """Return a TCP port that nobody listens on at `host` at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _make_broker(
    home: FleetHome, config: FleetConfig, authority: Authority, *, now: datetime
) -> None:
    _write_identity(home.broker, authority.issue_server(config.host, now=now), name="tls")
    write_new(home.broker / "ca.cert.pem", authority.certificate_pem)
    text = configuration(home.broker, host=config.host, port=config.port)
    write_new(home.broker / "mosquitto.conf", text.encode())
    write_new(home.broker / "acl", access_list(ingest=INGEST_NAME).encode())


def _make_ingest(
    home: FleetHome, config: FleetConfig, authority: Authority, *, now: datetime
) -> None:
    """Make every key that signs or opens, and fleet.json with their public halves."""
    _write_identity(home.ingest, authority.issue_client(INGEST_NAME, now=now), name="tls")
    write_new(home.ingest / "ca.cert.pem", authority.certificate_pem)
    operations = new_opening_key("operations", randomness=secrets.token_bytes)
    write_new(home.operations_key, opening_key_to_pem(operations))
    make_folder(home.records)
    identity = new_opening_key("identity", randomness=secrets.token_bytes)
    write_new(home.identity_key, opening_key_to_pem(identity))
    make_folder(home.policy)
    public = {
        "recipients": {"operations": _recipient(operations), "identity": _recipient(identity)},
        "receipt_keys": {
            str(shard): _new_signing_key(home.receipt_key(shard)) for shard in range(config.shards)
        },
        "policy_keys": [_new_signing_key(home.policy_key)],
    }
    write_new(home.public_file, json.dumps(public, indent=1).encode())


def _sign_first_policy(
    home: FleetHome, config: FleetConfig, *, finger: Finger, now: datetime
) -> None:
    """Write the policy that devices get until somebody signs another."""
    signer = PrivateKeySigner(key_from_pem(home.policy_key.read_bytes()))
    policy = default_policy(now, simulators_allowed=config.simulators_allowed, finger=finger)
    write_new(home.policy_file, sign_policy(policy, signer))


def _write_identity(folder: Path, identity: Identity, *, name: str) -> None:
    make_folder(folder)
    write_new(folder / f"{name}.cert.pem", identity.certificate_pem)
    write_new(folder / f"{name}.key.pem", identity.key_pem)


def _new_signing_key(path: Path) -> str:
    """Write a new P-256 key and return its public half, DER in base64."""
    key = new_key()
    make_folder(path.parent)
    write_new(path, private_pem(key))
    return b64encode(public_der(key)).decode()


def public_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half as SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _recipient(key: OpeningKey) -> dict[str, str]:
    public = key.recipient()
    return {"id": public.id, "public_key": b64encode(public.public_key).decode()}


def _toml(config: FleetConfig) -> str:
    return (
        f"host = {json.dumps(config.host)}\n"
        f"port = {config.port}\n"
        f"shards = {config.shards}\n"
        f"simulators_allowed = {json.dumps(config.simulators_allowed)}\n"
    )
