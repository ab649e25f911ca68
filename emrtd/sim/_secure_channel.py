"""The card's end of AES secure messaging, and the keys it runs under.

Knows how a card takes a protected command apart and puts its own answer under protection. Does not
know the reader's end: this is a second reading of the standard, and imports nothing of the first.

Spec: [9303-11] "Secure Messaging" and "Key Derivation Mechanism"; [7816-4].
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from emrtd.apdu import Command
from emrtd.errors import ChipMalformed
from emrtd.sim._status import StatusError
from emrtd.tlv import TLV, encode, parse

BLOCK = 16
MAC_BYTES = 8
AES_BITS = (128, 192, 256)

_OBJECTS_MISSING = 0x6987
_OBJECTS_WRONG = 0x6988


def derive_key(secret: bytes, *, counter: int, aes_bits: int) -> bytes:
    """Derive one AES key: counter 1 encrypts, 2 authenticates, 3 comes from a password."""
    seed = secret + counter.to_bytes(4, "big")
    if aes_bits == 128:
        return hashlib.sha1(seed).digest()[:16]  # noqa: S324 - the standard's choice for AES-128
    return hashlib.sha256(seed).digest()[: aes_bits // 8]


def encrypt(key: bytes, plain: bytes, *, iv: bytes = bytes(BLOCK)) -> bytes:
    """Encrypt whole blocks by AES-CBC."""
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def decrypt(key: bytes, secret: bytes, *, iv: bytes) -> bytes:
    """Decrypt whole blocks by AES-CBC."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(secret) + decryptor.finalize()


def mac(key: bytes, message: bytes) -> bytes:
    """Return the 8-byte AES-CMAC of a message."""
    cmac = CMAC(AES(key))
    cmac.update(message)
    return cmac.finalize()[:MAC_BYTES]


def pad(data: bytes) -> bytes:
    """Append 80 and zeros up to a whole number of blocks; always at least one byte."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def unpad(padded: bytes) -> bytes:
    """Remove what `pad` appended. Raises StatusError (6988) if that is not what is there."""
    data, mark, zeros = padded.rpartition(b"\x80")
    if not mark or any(zeros) or len(zeros) >= BLOCK:
        raise StatusError(_OBJECTS_WRONG)
    return data


class SecureChannel:
    """One session's keys and its send sequence counter."""

    def __init__(self, secret: bytes, *, aes_bits: int) -> None:
        self._encrypting = derive_key(secret, counter=1, aes_bits=aes_bits)
        self._authenticating = derive_key(secret, counter=2, aes_bits=aes_bits)
        self._counter = 0

    def unwrap(self, command: Command) -> Command:
        """Return the command that was protected.

        Raises:
            StatusError: 6987 or 6988; the session must end.
        """
        ssc = self._next_counter()
        objects = self._objects(command, ssc)
        data = b""
        cryptogram_tag = 0x85 if command.ins & 1 else 0x87
        if objects and objects[0].tag == cryptogram_tag:
            data = self._open(objects.pop(0), ssc)
        le = _expected_length(objects.pop(0)) if objects and objects[0].tag == 0x97 else None
        if objects:
            raise StatusError(_OBJECTS_WRONG)
        return Command(command.cla & ~0x0C, command.ins, command.p1, command.p2, data, le)

    def wrap(self, data: bytes, sw: int, *, odd_ins: bool) -> bytes:
        """Protect an answer: cryptogram if there is data, status, checksum, status again."""
        ssc = self._next_counter()
        status = sw.to_bytes(2, "big")
        body = b""
        if data:
            cryptogram = encrypt(self._encrypting, pad(data), iv=self._iv(ssc))
            body = encode(0x85, cryptogram) if odd_ins else encode(0x87, b"\x01" + cryptogram)
        body += encode(0x99, status)
        return body + encode(0x8E, mac(self._authenticating, ssc + pad(body))) + status

    def _next_counter(self) -> bytes:
        self._counter += 1
        return self._counter.to_bytes(BLOCK, "big")

    def _iv(self, ssc: bytes) -> bytes:
        return encrypt(self._encrypting, ssc)

    def _objects(self, command: Command, ssc: bytes) -> list[TLV]:
        try:
            objects = list(parse(command.data))
        except ChipMalformed as error:
            raise StatusError(_OBJECTS_WRONG) from error
        if not objects or objects[-1].tag != 0x8E:
            raise StatusError(_OBJECTS_MISSING)
        checksum = objects.pop().value
        # The checksum covers the bytes as sent, and the checksum object ends them: 8E 08 + 8.
        covered = command.data[: -2 - MAC_BYTES]
        header = pad(bytes((command.cla, command.ins, command.p1, command.p2)))
        expected = mac(self._authenticating, ssc + header + (pad(covered) if covered else b""))
        if not hmac.compare_digest(checksum, expected):
            raise StatusError(_OBJECTS_WRONG)
        return objects

    def _open(self, cryptogram: TLV, ssc: bytes) -> bytes:
        secret = cryptogram.value
        if cryptogram.tag == 0x87:
            if secret[:1] != b"\x01":
                raise StatusError(_OBJECTS_WRONG)
            secret = secret[1:]
        if not secret or len(secret) % BLOCK:
            raise StatusError(_OBJECTS_WRONG)
        return unpad(decrypt(self._encrypting, secret, iv=self._iv(ssc)))


def _expected_length(protected_le: TLV) -> int:
    value = int.from_bytes(protected_le.value, "big")
    match len(protected_le.value):
        case 1:
            return value or 256
        case 2:
            return value or 65536
        case _:
            raise StatusError(_OBJECTS_WRONG)
