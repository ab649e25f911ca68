"""Sealing for a reader elsewhere: group keys wrapped by HPKE, record keys derived from them.

Knows three steps. A group key is random and wrapped for one recipient with the hybrid of ML-KEM-768
and X25519 ([9180], base mode), bound by `info` to the group it belongs to. A record key is HKDF-
SHA-256 of the group key for one (sequence number, compartment), so that opening one person opens
one person. A part is AES-256-GCM under its record key, bound by associated data to its place. A
record key seals exactly one part, therefore the nonce is twelve zero bytes. Does not know what is
inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wire.canonical import dump
from wire.errors import Malformed, SealBroken
from wire.record import Code, Lane, RecordType
from wire.versions import WIRE_VERSION

Compartment = Literal["operations", "identity"]
"""Which reader a part is for."""

Randomness = Callable[[int], bytes]
"""Gives that many unpredictable bytes, e.g. secrets.token_bytes."""

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
MLKEM_SEED_BYTES: Final = 64
MLKEM_PUBLIC_BYTES: Final = 1_184
X25519_BYTES: Final = 32
PRIVATE_BYTES: Final = MLKEM_SEED_BYTES + X25519_BYTES
PUBLIC_BYTES: Final = MLKEM_PUBLIC_BYTES + X25519_BYTES
WRAPPED_BYTES: Final = 1_088 + X25519_BYTES + KEY_BYTES + TAG_BYTES
"""Both encapsulations, the sealed group key and its tag."""

_NONCE: Final = bytes(12)
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Someone to seal for.

    Attributes:
        id: the name of the key, as the fleet calls it.
        public_key: PUBLIC_BYTES: the ML-KEM-768 encapsulation key, then the X25519 public key.
    """

    id: str
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check the key and its name. Raises Malformed."""
        _check_name(self.id)
        _public_key(self.public_key)


@dataclass(frozen=True, slots=True)
class Recipients:
    """The two readers of a station's records: they never hold each other's key."""

    operations: Recipient
    identity: Recipient


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A recipient's private key.

    Attributes:
        id: the name of the key.
        private: PRIVATE_BYTES: the ML-KEM-768 seed, then the X25519 private key.
    """

    id: str
    private: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check the key and its name. Raises Malformed."""
        _check_name(self.id)
        if len(self.private) != PRIVATE_BYTES:
            raise Malformed("opening key", f"not {PRIVATE_BYTES} bytes")

    @classmethod
    def generate(cls, key_id: str, *, randomness: Randomness) -> OpeningKey:
        """Make a new key. Raises Malformed if the name isn't one."""
        return cls(key_id, randomness(PRIVATE_BYTES))

    def recipient(self) -> Recipient:
        """Return the public half."""
        mlkem, x25519 = self._halves()
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return Recipient(self.id, public)

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        return (
            MLKEM768PrivateKey.from_seed_bytes(self.private[:MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(self.private[MLKEM_SEED_BYTES:]),
        )

    def unwrap(self, wrapped: bytes, *, info: bytes) -> bytes:
        """Return the group key that was wrapped for this key and this info.

        Raises:
            SealBroken: it was wrapped for another key or another group, or it was changed.
        """
        try:
            return _SUITE.decrypt(wrapped, MLKEM768X25519PrivateKey(*self._halves()), info=info)
        except (InvalidTag, ValueError):
            raise SealBroken("group key", "it does not open with this key here") from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed part stands; opening it elsewhere fails.

    Attributes:
        device, epoch, lane, seq: the record's identity.
        type: the record's type.
        compartment: for which reader.
        recipient: the name of that reader's key.
    """

    device: str
    epoch: bytes
    lane: Lane
    seq: int
    type: RecordType
    compartment: Compartment
    recipient: str

    def associated_data(self) -> bytes:
        """Return the deterministic CBOR array of the wire version and every attribute."""
        return dump(
            [
                WIRE_VERSION,
                self.device,
                self.epoch,
                self.lane,
                self.seq,
                self.type,
                self.compartment,
                self.recipient,
            ]
        )


def wrap_info(
    *, device: str, epoch: bytes, lane: Lane, first: int, compartment: Compartment, recipient: str
) -> bytes:
    """Return what a wrapped group key is bound to."""
    label = "tram group key"
    return dump([label, WIRE_VERSION, device, epoch, lane, first, compartment, recipient])


def wrap(group_key: bytes, recipient: Recipient, *, info: bytes) -> bytes:
    """Wrap a group key for a recipient: WRAPPED_BYTES.

    Raises:
        Malformed: the recipient's X25519 half is a point of small order, which protects nothing.
    """
    public_key = _public_key(recipient.public_key)
    try:
        return _SUITE.encrypt(group_key, public_key, info=info)
    except ValueError:
        raise Malformed("recipient key", "a key that nothing can be sealed for") from None


def record_key(group_key: bytes, *, seq: int, compartment: Compartment) -> bytes:
    """Derive the 32-byte key of one record's part."""
    info = dump(["tram record key", WIRE_VERSION, seq, compartment])
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=info).derive(group_key)


def seal_part(key: bytes, plain: bytes, place: Place) -> bytes:
    """Seal a part with its own record key: TAG_BYTES longer."""
    return AESGCM(key).encrypt(_NONCE, plain, place.associated_data())


def open_part(key: bytes, sealed: bytes, place: Place) -> bytes:
    """Open a part.

    Raises:
        SealBroken: another key, another place, or it was changed.
    """
    if len(key) != KEY_BYTES:  # a shorter one would be another cipher
        raise SealBroken(f"{place.compartment} part", "not the key of a record")
    try:
        return AESGCM(key).decrypt(_NONCE, sealed, place.associated_data())
    except InvalidTag:
        raise SealBroken(
            f"{place.compartment} part", "it does not open with this key here"
        ) from None


def _public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    if len(raw) != PUBLIC_BYTES:
        raise Malformed("recipient key", f"not {PUBLIC_BYTES} bytes")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:]),
        )
    except ValueError:
        raise Malformed("recipient key", "not a public key of this suite") from None


def _check_name(key_id: str) -> None:
    try:
        msgspec.convert(key_id, Code)
    except msgspec.ValidationError:
        raise Malformed("key id", "not a code") from None
