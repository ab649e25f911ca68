"""The block cipher as the chip protocols use it: AES in CBC, CMAC, and the padding.

Knows keys as bytes. Does not know where they come from or what they protect.

Spec: [9303-11]; [9797-1] for the padding.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK_BYTES = 16
MAC_BYTES = 8
ZERO_IV = bytes(BLOCK_BYTES)


def pad(data: bytes) -> bytes:
    """Append 80 and zeros up to a whole number of blocks; at least one byte is added."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK_BYTES)


def unpad(padded: bytes) -> bytes:
    """Take the padding off.

    Raises:
        ValueError: the last block carries none.
    """
    data = padded.rstrip(b"\0")
    if not data.endswith(b"\x80") or len(padded) - len(data) >= BLOCK_BYTES:
        raise ValueError("no padding")
    return data[:-1]


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block: how secure messaging makes its initialisation vectors."""
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, never two
    return encryptor.update(block) + encryptor.finalize()


def encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks in CBC."""
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks in CBC.

    Raises:
        ValueError: not a whole number of blocks.
    """
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def mac(key: bytes, data: bytes) -> bytes:
    """Return the first eight bytes of the CMAC."""
    cmac = CMAC(AES(key))
    cmac.update(data)
    return cmac.finalize()[:MAC_BYTES]
