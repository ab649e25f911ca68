"""The object identifiers of what a test card can do.

Spec: [9303-11], object identifiers; [9303-10] for the security object and active authentication.
"""

from __future__ import annotations

from emrtd.sim._secure_channel import AES_BITS

_BSI_SMARTCARD = "0.4.0.127.0.7.2.2"

PK_ECDH = f"{_BSI_SMARTCARD}.1.2"
TERMINAL_AUTH = f"{_BSI_SMARTCARD}.2"
ACTIVE_AUTH = "2.23.136.1.1.5"
LDS_SECURITY_OBJECT = "2.23.136.1.1.1"
ECDSA_PLAIN_SHA256 = "0.4.0.127.0.7.1.1.4.1.3"
VIETNAMESE_RECORD = "1.0.10646.1.0.8"


def pace_oid(aes_bits: int) -> str:
    """Return PACE, ECDH, generic mapping, with AES of that key length."""
    return f"{_BSI_SMARTCARD}.4.2.{_strength(aes_bits)}"


def chip_auth_oid(aes_bits: int) -> str:
    """Return chip authentication, ECDH, with AES of that key length."""
    return f"{_BSI_SMARTCARD}.3.2.{_strength(aes_bits)}"


def _strength(aes_bits: int) -> int:
    return AES_BITS.index(aes_bits) + 2
