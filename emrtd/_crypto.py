"""The two block ciphers as the chip protocols use them: CBC, a checksum, and the padding.

Knows keys as bytes. Does not know where they come from or what they protect.

Spec: [9303-11] 9.8.6, 9.8.7, which take padding and retail MAC from ISO/IEC 9797-1.
"""

from __future__ import annotations

from enum import StrEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers import CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

MAC_BYTES = 8
_DES_BYTES = 8
_TRIPLE_DES_BYTES = 16


class Cipher(StrEnum):
    """A block cipher, and the checksum that goes with it: CMAC with AES, the retail MAC with 3DES.

    The length of an AES key is the key's own; the keys of 3DES are two.
    """

    AES = "AES"
    TRIPLE_DES = "3DES"

    @property
    def block_bytes(self) -> int:
        """How long a block is."""
        return 16 if self is Cipher.AES else _DES_BYTES

    @property
    def zero_iv(self) -> bytes:
        """The initialisation vector of zeros."""
        return bytes(self.block_bytes)

    def pad(self, data: bytes) -> bytes:
        """Append 80 and zeros up to a whole number of blocks; at least one byte is added."""
        return data + b"\x80" + bytes(-(len(data) + 1) % self.block_bytes)

    def unpad(self, padded: bytes) -> bytes:
        """Take the padding off.

        Raises:
            ValueError: the last block carries none.
        """
        data = padded.rstrip(b"\0")
        if not data.endswith(b"\x80") or len(padded) - len(data) >= self.block_bytes:
            raise ValueError("no padding")
        return data[:-1]

    def encrypt(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """Encrypt whole blocks in CBC."""
        encryptor = _Cipher(_algorithm(self, key), CBC(iv)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """Decrypt whole blocks in CBC.

        Raises:
            ValueError: not a whole number of blocks.
        """
        decryptor = _Cipher(_algorithm(self, key), CBC(iv)).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Return the checksum's eight bytes over whole blocks, which nothing pads again.

        Raises:
            ValueError: with 3DES, not a whole number of blocks, or none.
        """
        if self is Cipher.AES:
            cmac = CMAC(AES(key))
            cmac.update(data)
            return cmac.finalize()[:MAC_BYTES]
        return _retail_mac(key, data)

    def checksum(self, key: bytes, message: bytes) -> bytes:
        """Return the checksum's eight bytes over a message of any length."""
        return self.mac(key, message if self is Cipher.AES else self.pad(message))


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block with AES: how secure messaging makes its initialisation vectors."""
    encryptor = _Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, never two
    return encryptor.update(block) + encryptor.finalize()


def _algorithm(cipher: Cipher, key: bytes) -> CipherAlgorithm:
    return AES(key) if cipher is Cipher.AES else _triple_des(key)


def _triple_des(key: bytes) -> TripleDES:
    """Return 3DES with two keys.

    Raises:
        ValueError: not two keys.
    """
    if len(key) != _TRIPLE_DES_BYTES:
        raise ValueError("3DES has two keys of eight bytes")
    return TripleDES(key + key[:_DES_BYTES])


def _retail_mac(key: bytes, data: bytes) -> bytes:
    """Return MAC algorithm 3: DES in CBC with the first key, and the last block with both."""
    if not data:
        raise ValueError("no block to authenticate")
    # 3DES with three times the same key is DES.
    single = _Cipher(TripleDES(key[:_DES_BYTES] * 3), CBC(bytes(_DES_BYTES))).encryptor()
    head = single.update(data[:-_DES_BYTES]) + single.finalize()
    chained = head[-_DES_BYTES:] or bytes(_DES_BYTES)
    return Cipher.TRIPLE_DES.encrypt(key, chained, data[-_DES_BYTES:])
