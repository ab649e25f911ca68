"""The port of a device key: it signs, and never shows itself.

Drivers: file (a PEM key on disk); a TPM is to be another. Keys are NIST P-256, because a TPM 2.0
has it.
"""

from __future__ import annotations

from typing import Protocol


class KeyPort(Protocol):
    """One private key that can sign."""

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign SHA-256 of message with ECDSA: r || s, 64 bytes (the COSE ES256 form).

        Raises:
            DeviceFailed: the key cannot be used.
        """
        ...

    def close(self) -> None:
        """Release the key."""
        ...
