"""A device key in a file: `file:///path/station.key.pem`.

Knows one kind of key, a NIST P-256 private key as unencrypted PKCS #8 in PEM, and refuses a file
that anyone but its owner may read. Does not know what is signed. Who can read the file is the
device: a TPM is the better home, and comes as another driver of the same port.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hw.errors import DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 4096
"""Such a key has 241."""
SCALAR_BYTES = 32
_PKCS8_PEM = b"-----BEGIN PRIVATE KEY-----"


class FileKey:
    """A key port over a PEM file; the key is in memory from `__init__` to `close`."""

    def __init__(self, path: Path) -> None:
        """Load a key.

        Raises:
            DeviceMissing: there is no such file.
            DeviceFailed: others may read it, or it holds no key of that kind.
        """
        self._key: ec.EllipticCurvePrivateKey | None = parse_key(_private_content(path))
        self._public_key_der = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new key in a new file that only its owner may read.

        Raises:
            DeviceFailed: the file is there already, or cannot be written.
        """
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DeviceFailed("keys", f"a new key file: {error.strerror}") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            _sync_directory(path.parent)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise DeviceFailed("keys", f"a new key file: {error.strerror}") from error
        return cls(path)

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self._public_key_der

    def sign(self, message: bytes) -> bytes:
        """Sign SHA-256 of message with ECDSA: r || s, 64 bytes.

        Raises:
            DeviceFailed: the key was closed.
        """
        if self._key is None:
            raise DeviceFailed("keys", "the key is closed")
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(SCALAR_BYTES, "big") + s.to_bytes(SCALAR_BYTES, "big")

    def close(self) -> None:
        """Forget the key."""
        self._key = None


def parse_key(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """Parse an unencrypted PKCS #8 PEM of a P-256 private key.

    Raises:
        DeviceFailed: it is none.
    """
    if len(raw) > MAX_FILE_BYTES or not raw.startswith(_PKCS8_PEM):
        raise DeviceFailed("keys", "no PKCS #8 private key")
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: that may quote what it could not parse.
        raise DeviceFailed("keys", "no PKCS #8 private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise DeviceFailed("keys", "not a P-256 key")
    return key


def _private_content(path: Path) -> bytes:
    """Return a file's bytes if only its owner may touch it, judged on the file that was opened."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DeviceFailed("keys", "the key is no regular file")
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise DeviceFailed("keys", "others than its owner may read the key file: chmod 600")
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise DeviceMissing("keys", "there is no key file") from error
    except OSError as error:
        raise DeviceFailed("keys", f"the key file: {error.strerror}") from error


def _at_once(path: str, flags: int) -> int:
    # A pipe that nobody writes to must not hold the start-up.
    return os.open(path, flags | os.O_NONBLOCK)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
