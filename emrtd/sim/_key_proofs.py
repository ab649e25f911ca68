"""How a card proves that it holds its private keys: chip and active authentication.

Knows the key agreement and the signature, from the private key's side. Does not know whether the
key is the one that the card's signed files announce: a clone runs this same code.

Spec: [9303-11] "Chip Authentication" and "Active Authentication"; [9796-2] scheme 1; [9303-11]
Appendix F shows the message's structure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from emrtd.sim._curves import Randomness

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CHALLENGE_BYTES = 8
_TRAILER_SHA256 = b"\x34\xcc"
_PARTIAL_RECOVERY = b"\x6a"


def agree(key: ec.EllipticCurvePrivateKey, reader_key: bytes) -> bytes:
    """Agree on a secret with the reader's ephemeral key, an uncompressed point.

    Raises:
        StatusError: 6A80, it is no point of the card's curve.
    """
    size = (key.curve.key_size + 7) // 8
    if len(reader_key) != 1 + 2 * size or reader_key[0] != 4:
        raise StatusError(0x6A80)
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, reader_key)
    except ValueError as error:
        raise StatusError(0x6A80) from error
    return key.exchange(ec.ECDH(), theirs)


def sign(key: SigningKey, challenge: bytes, *, randomness: Randomness) -> bytes:
    """Sign a reader's challenge: ISO 9796-2 with SHA-256, or plain ECDSA (r and s) with SHA-256."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _sign_with_recovery(key, challenge, randomness=randomness)
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(challenge, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _sign_with_recovery(
    key: rsa.RSAPrivateKey, challenge: bytes, *, randomness: Randomness
) -> bytes:
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    size = key.key_size // 8
    recoverable = randomness(size - hashlib.sha256().digest_size - 3)
    digest = hashlib.sha256(recoverable + challenge).digest()
    message = _PARTIAL_RECOVERY + recoverable + digest + _TRAILER_SHA256
    return pow(int.from_bytes(message, "big"), numbers.d, modulus).to_bytes(size, "big")
