"""A private opening key as a file: its two halves as PKCS#8 PEM, one after the other.

Knows the form of the file and the key's name, which is made from its public half, so that a key
cannot be taken for another. Does not know who may read it: that is the file's place and mode.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from wire.errors import Malformed
from wire.seal import MLKEM_SEED_BYTES, Compartment, OpeningKey, Randomness

MAX_FILE_BYTES = 4_096
_END = b"-----END PRIVATE KEY-----\n"
_PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_opening_key(compartment: Compartment, *, randomness: Randomness) -> OpeningKey:
    """Make a key for one compartment, named after its public half."""
    unnamed = OpeningKey.generate(compartment, randomness=randomness)
    return OpeningKey(_name(unnamed, compartment), unnamed.private)


def opening_key_to_pem(key: OpeningKey) -> bytes:
    """Return a key's file: ML-KEM-768, then X25519."""
    seed, scalar = key.private[:MLKEM_SEED_BYTES], key.private[MLKEM_SEED_BYTES:]
    return MLKEM768PrivateKey.from_seed_bytes(seed).private_bytes(
        *_PEM
    ) + X25519PrivateKey.from_private_bytes(scalar).private_bytes(*_PEM)


def opening_key_from_pem(pem: bytes, compartment: Compartment) -> OpeningKey:
    """Read a key's file.

    Raises:
        Malformed: it is not one.
    """
    halves = pem.split(_END) if len(pem) <= MAX_FILE_BYTES else []
    if len(halves) != 3 or halves[2].strip():
        raise Malformed("opening key", "not two PKCS#8 keys")
    try:
        mlkem, x25519 = (load_pem_private_key(half + _END, password=None) for half in halves[:2])
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Malformed("opening key", "not two PKCS#8 keys") from None
    if not isinstance(mlkem, MLKEM768PrivateKey) or not isinstance(x25519, X25519PrivateKey):
        raise Malformed("opening key", "not ML-KEM-768 and X25519")
    unnamed = OpeningKey(compartment, mlkem.private_bytes_raw() + x25519.private_bytes_raw())
    return OpeningKey(_name(unnamed, compartment), unnamed.private)


def _name(key: OpeningKey, compartment: Compartment) -> str:
    return f"{compartment}-{hashlib.sha256(key.recipient().public_key).hexdigest()[:16]}"
