"""A second reader of the wire, written from docs/reference/wire.md: nothing of `wire` is imported.

It stands on cbor2 and on the primitives of cryptography alone (HMAC, ML-KEM, X25519, AES-GCM), so
that the key encapsulation, the key schedule and the places are each spelled out once more.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

XWING_LABEL = bytes.fromhex("5c2e2f2f5e5c")
HPKE_SUITE = b"HPKE" + bytes.fromhex("647a00010002")


def cbor(value: object) -> bytes:
    """The deterministic encoding."""
    return cbor2.dumps(value, canonical=True)


def payload_of(signed: bytes) -> bytes:
    """The third element of a COSE_Sign1."""
    return cbor2.loads(signed).value[2]


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """RFC 5869 with SHA-256."""
    return hmac.new(salt, secret, hashlib.sha256).digest()


def hkdf_expand(key: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256."""
    out, block = b"", b""
    while len(out) < size:
        number = bytes([len(out) // 32 + 1])
        block = hmac.new(key, block + info + number, hashlib.sha256).digest()
        out += block
    return out[:size]


def xwing_decapsulate(private: bytes, encapsulated: bytes) -> bytes:
    """The hybrid's shared secret: SHA3-256 over both secrets, the X25519 share and key, a label."""
    mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:64])
    x25519 = X25519PrivateKey.from_private_bytes(private[64:])
    share = encapsulated[1088:]
    secrets = mlkem.decapsulate(encapsulated[:1088]) + x25519.exchange(
        X25519PublicKey.from_public_bytes(share)
    )
    public = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(secrets + share + public + XWING_LABEL).digest()


def hpke_open(private: bytes, wrapped: bytes, info: bytes) -> bytes:
    """RFC 9180 base mode, single shot, empty associated data."""
    shared = xwing_decapsulate(private, wrapped[:1120])

    def extract(salt: bytes, label: bytes, secret: bytes) -> bytes:
        return hkdf_extract(salt, b"HPKE-v1" + HPKE_SUITE + label + secret)

    def expand(key: bytes, label: bytes, context: bytes, size: int) -> bytes:
        head = size.to_bytes(2, "big") + b"HPKE-v1" + HPKE_SUITE + label
        return hkdf_expand(key, head + context, size)

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key = expand(secret, b"key", context, 32)
    nonce = expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, wrapped[1120:], b"")


def open_part(body: dict[str, Any], seq: int, compartment: str, private: bytes) -> dict[str, Any]:
    """Open one part of one record of a group's body."""
    wrapped = body[compartment]
    place = [body["device"], body["epoch"], body["lane"]]
    recipient = wrapped["recipient"]
    info = cbor(["tram group key", 1, *place, body["first"], compartment, recipient])
    group_key = hpke_open(private, wrapped["wrapped"], info)
    key = hkdf_expand(
        hkdf_extract(b"", group_key), cbor(["tram record key", 1, seq, compartment]), 32
    )
    record = body["records"][seq - body["first"]]
    sealed = record[1 if compartment == "operations" else 2]
    associated = cbor([1, *place, seq, record[0], compartment, recipient])
    return cbor2.loads(AESGCM(key).decrypt(bytes(12), sealed, associated))


def genesis(device: str, epoch: bytes, lane: str) -> bytes:
    """The head before a lane's first group."""
    return hashlib.sha256(cbor(["tram genesis", 1, device, epoch, lane])).digest()


def next_head(previous: bytes, payload: bytes) -> bytes:
    """The head after a group."""
    return hashlib.sha256(previous + hashlib.sha256(payload).digest()).digest()


def shard(device: str, shards: int = 64) -> int:
    """Where a device's topics are."""
    return int(hashlib.sha256(device.encode()).hexdigest()[:16], 16) % shards
