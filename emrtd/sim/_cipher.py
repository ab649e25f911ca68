"""The block ciphers of a chip's sessions: two-key triple DES, and AES with three key lengths.

Knows key derivation, CBC, the two checksums and the padding. Does not know what is protected, nor
where a secret comes from.

Spec: [9303-11] "Key Derivation Mechanism" and "Secure Messaging"; [9797-1] algorithm 3 and padding
method 2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENCRYPTING, AUTHENTICATING, PASSWORD = 1, 2, 3
"""What a derived key is for: the counter of its derivation."""
MAC_BYTES = 8

_OBJECTS_WRONG = 0x6988


@dataclass(frozen=True, slots=True)
class BlockCipher:
    """One choice of cipher and checksum.

    Attributes:
        name: "3DES" or "AES-" and the key's bits.
        strength: the last arc of every protocol's identifier.
        key_bytes: length of a key.
        block: length of a block in bytes.
    """

    name: str
    strength: int
    key_bytes: int
    block: int

    def derive(self, secret: bytes, counter: int) -> bytes:
        """Derive one key from a secret."""
        seed = secret + counter.to_bytes(4, "big")
        digest = hashlib.sha1(seed) if self.key_bytes == 16 else hashlib.sha256(seed)  # noqa: S324 - the standard's choice for keys of 16 bytes
        key = digest.digest()[: self.key_bytes]
        return _odd_parity(key) if self.block == 8 else key

    def encrypt(self, key: bytes, plain: bytes, *, iv: bytes | None = None) -> bytes:
        """Encrypt whole blocks in CBC; without `iv` it is zero."""
        encryptor = self._cbc(key, iv).encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def decrypt(self, key: bytes, secret: bytes, *, iv: bytes | None = None) -> bytes:
        """Decrypt whole blocks in CBC; without `iv` it is zero."""
        decryptor = self._cbc(key, iv).decryptor()
        return decryptor.update(secret) + decryptor.finalize()

    def session_iv(self, key: bytes, counter: bytes) -> bytes:
        """Return what secure messaging starts a cryptogram from."""
        return bytes(self.block) if self.block == 8 else self.encrypt(key, counter)

    def mac(self, key: bytes, blocks: bytes) -> bytes:
        """Return the 8-byte checksum of whole blocks: CMAC, or the retail MAC."""
        if self.block == 8:
            return _retail_mac(key, blocks)
        cmac = CMAC(AES(key))
        cmac.update(blocks)
        return cmac.finalize()[:MAC_BYTES]

    def mac_of_any(self, key: bytes, message: bytes) -> bytes:
        """Return the checksum of a message of any length: the retail MAC pads, CMAC need not."""
        return self.mac(key, self.pad(message) if self.block == 8 else message)

    def pad(self, data: bytes) -> bytes:
        """Append 80 and zeros up to a whole number of blocks; always at least one byte."""
        return data + b"\x80" + bytes(-(len(data) + 1) % self.block)

    def unpad(self, padded: bytes) -> bytes:
        """Remove what `pad` appended. Raises StatusError (6988) if that is not what is there."""
        data, mark, zeros = padded.rpartition(b"\x80")
        if not mark or any(zeros) or len(zeros) >= self.block:
            raise StatusError(_OBJECTS_WRONG)
        return data

    def _cbc(self, key: bytes, iv: bytes | None) -> Cipher[CBC]:
        algorithm = TripleDES(key + key[:8]) if self.block == 8 else AES(key)
        return Cipher(algorithm, CBC(iv or bytes(self.block)))


CIPHERS: Mapping[str, BlockCipher] = MappingProxyType(
    {
        cipher.name: cipher
        for cipher in (
            BlockCipher("3DES", 1, 16, 8),
            BlockCipher("AES-128", 2, 16, 16),
            BlockCipher("AES-192", 3, 24, 16),
            BlockCipher("AES-256", 4, 32, 16),
        )
    }
)
TRIPLE_DES = CIPHERS["3DES"]


def _retail_mac(key: bytes, blocks: bytes) -> bytes:
    """Chain single DES under the first half, then decrypt and encrypt the last block once more."""
    one, two = key[:8], key[8:]
    chained = _des(one).encryptor().update(blocks)[-8:]
    return _des(one).encryptor().update(_des(two).decryptor().update(chained))


def _des(key: bytes) -> Cipher[CBC]:
    return Cipher(TripleDES(key * 3), CBC(bytes(8)))


def _odd_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE | 1 - (byte >> 1).bit_count() % 2 for byte in key)
