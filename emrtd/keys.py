"""What opens a chip, and the keys that are derived from it or agreed with it.

Knows the key derivation function, the two passwords printed on a document and the one that only
its holder knows. Does not know how a password is typed or scanned, nor what protocol a key will be
used in. No password and no key is
ever printed: every `repr` here hides.

Spec: [9303-11] 9.7; [TR-03110-3] for the PIN.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from emrtd._crypto import Cipher
from emrtd.errors import ChipMalformed
from emrtd.mrz import MRZ, information
from emrtd.mrz import parse as parse_mrz

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAN_DIGITS = 6
MIN_PIN_DIGITS, MAX_PIN_DIGITS = 4, 16
SEED_BYTES = 16
_DATES_CHARS = 14


class KeyUse(IntEnum):
    """The counter that the key derivation appends for each use."""

    ENCRYPTION = 1
    MAC = 2
    PASSWORD = 3


_HASHES: Mapping[int, Callable[[bytes], bytes]] = {
    16: lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    24: lambda data: hashlib.sha256(data).digest(),
    32: lambda data: hashlib.sha256(data).digest(),
}


def derive_key(secret: bytes, use: KeyUse, *, key_bytes: int, cipher: Cipher = Cipher.AES) -> bytes:
    """Derive a key.

    Args:
        secret: a shared secret or a password's value.
        use: what the key is for.
        key_bytes: 16 (by SHA-1), 24 or 32 (by SHA-256); of 3DES always 16.
        cipher: what the key is for; a key of 3DES has odd parity.
    """
    key = _HASHES[key_bytes](secret + use.to_bytes(4, "big"))[:key_bytes]
    return key if cipher is Cipher.AES else _with_odd_parity(key)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two keys of a secure channel, and the cipher that they are for."""

    encryption: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    cipher: Cipher = Cipher.AES

    @classmethod
    def derive(cls, secret: bytes, *, key_bytes: int, cipher: Cipher = Cipher.AES) -> SessionKeys:
        """Derive both from a shared secret; see `derive_key`."""
        return cls(
            derive_key(secret, KeyUse.ENCRYPTION, key_bytes=key_bytes, cipher=cipher),
            derive_key(secret, KeyUse.MAC, key_bytes=key_bytes, cipher=cipher),
            cipher,
        )


@dataclass(frozen=True, slots=True)
class CAN:
    """The card access number: six digits; on a Vietnamese card the last six of its number.

    Raises:
        ValueError: anything but six digits.
    """

    digits: str = field(repr=False)

    KIND: ClassVar[Literal["CAN"]] = "CAN"
    REFERENCE: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if len(self.digits) != CAN_DIGITS or not _digits(self.digits):
            raise ValueError("a CAN is six digits")

    def secret(self) -> bytes:
        """Return what the password key is derived from."""
        return self.digits.encode("ascii")


@dataclass(frozen=True, slots=True)
class MRZKey:
    """The three fields of the machine-readable zone that open a chip.

    Attributes:
        document_number: as in the zone, without its check digit; trailing fillers may be left away.
        birth: YYMMDD as in the zone, unknown parts as fillers.
        expiry: YYMMDD as in the zone.

    Raises:
        ValueError: a field that no zone can hold.
    """

    document_number: str = field(repr=False)
    birth: str = field(repr=False)
    expiry: str = field(repr=False)

    KIND: ClassVar[Literal["MRZ"]] = "MRZ"
    REFERENCE: ClassVar[int] = 1

    def __post_init__(self) -> None:
        try:
            information(self.document_number, self.birth, self.expiry)
        except ChipMalformed as error:
            raise ValueError(f"no such field: {error.doing}") from error

    @classmethod
    def from_mrz(cls, mrz: MRZ | str) -> MRZKey:
        """Take the key from a zone.

        Args:
            mrz: a parsed zone, or its lines joined.

        Raises:
            ChipMalformed: not a zone, or a check digit is wrong.
        """
        zone = parse_mrz(mrz) if isinstance(mrz, str) else mrz
        return cls(zone.document_number, zone.birth, zone.expiry)

    def secret(self) -> bytes:
        """Return what the password key is derived from."""
        zone = information(self.document_number, self.birth, self.expiry)
        return hashlib.sha1(zone.encode("ascii"), usedforsecurity=False).digest()

    def number_field(self) -> str:
        """Return the document number with its check digit."""
        zone = information(self.document_number, self.birth, self.expiry)
        return zone[:-_DATES_CHARS]

    def document_keys(self) -> SessionKeys:
        """Return the two keys of basic access control."""
        # [9303-11] 4.3.2: the most significant 16 bytes of the hash are the seed.
        seed = self.secret()[:SEED_BYTES]
        return SessionKeys.derive(seed, key_bytes=16, cipher=Cipher.TRIPLE_DES)


@dataclass(frozen=True, slots=True)
class PIN:
    """A secret number that only the holder knows; for cards that are opened by one.

    Raises:
        ValueError: anything but 4 to 16 digits.
    """

    digits: str = field(repr=False)

    KIND: ClassVar[Literal["PIN"]] = "PIN"
    REFERENCE: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if not MIN_PIN_DIGITS <= len(self.digits) <= MAX_PIN_DIGITS or not _digits(self.digits):
            raise ValueError("a PIN is four to sixteen digits")

    def secret(self) -> bytes:
        """Return what the password key is derived from."""
        return self.digits.encode("ascii")


Password: TypeAlias = CAN | MRZKey | PIN


def _with_odd_parity(key: bytes) -> bytes:
    """Set the last bit of each byte so that the number of its ones is odd."""
    return bytes(byte & 0xFE | (byte >> 1).bit_count() + 1 & 1 for byte in key)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
