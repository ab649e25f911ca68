"""What opens a chip, and the keys that are derived from it or agreed with it.

Knows the key derivation function and the two passwords printed on a document. Does not know how a
password is typed or scanned, nor what protocol a key will be used in. No password and no key is
ever printed: every `repr` here hides.

Spec: [9303-11].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from emrtd.errors import ChipMalformed
from emrtd.mrz import MRZ, information
from emrtd.mrz import parse as parse_mrz

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAN_DIGITS = 6


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


def derive_key(secret: bytes, use: KeyUse, *, key_bytes: int) -> bytes:
    """Derive an AES key.

    Args:
        secret: a shared secret or a password's value.
        use: what the key is for.
        key_bytes: 16 (by SHA-1), 24 or 32 (by SHA-256).
    """
    return _HASHES[key_bytes](secret + use.to_bytes(4, "big"))[:key_bytes]


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two AES keys of a secure channel."""

    encryption: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    @classmethod
    def derive(cls, secret: bytes, *, key_bytes: int) -> SessionKeys:
        """Derive both from a shared secret."""
        return cls(
            derive_key(secret, KeyUse.ENCRYPTION, key_bytes=key_bytes),
            derive_key(secret, KeyUse.MAC, key_bytes=key_bytes),
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


Password: TypeAlias = CAN | MRZKey


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
