"""A card's end of secure messaging with 3DES, from single DES and its own few lines of TLV."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from reader_material import do

from emrtd.apdu import Command


def pad8(data: bytes) -> bytes:
    padded = bytearray(data) + b"\x80"
    while len(padded) % 8:
        padded.append(0)
    return bytes(padded)


def triple_des(key: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(TripleDES((key + key[:8])[:24]), CBC(bytes(8)))
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return worker.update(data) + worker.finalize()


def retail_mac(key: bytes, padded: bytes) -> bytes:
    """Return MAC algorithm 3: DES with the first key, and the last block turned twice."""
    first, second = key[:8] * 3, key[8:] * 3
    last = triple_des(first, padded)[-8:]
    return triple_des(first, triple_des(second, last, decrypt=True))


@dataclass
class TripleDESCardEnd:
    """Opens commands, protects responses; keys may have any parity."""

    encryption: bytes
    mac: bytes
    counter: int = 0

    def open(self, raw: bytes) -> tuple[bytes, bytes, int | None]:
        self.counter += 1
        command, header = Command.from_bytes(raw), raw[:4]
        body, checksum = command.data[:-10], command.data[-10:]
        signed = self.counter.to_bytes(8, "big") + pad8(header) + (pad8(body) if body else b"")
        assert checksum == b"\x8e\x08" + retail_mac(self.mac, signed)
        data, le, at = b"", None, 0
        while at < len(body):
            tag, size, at = body[at], body[at + 1], at + 2
            if size > 0x80:
                count = size - 0x80
                size, at = int.from_bytes(body[at : at + count], "big"), at + count
            value, at = body[at : at + size], at + size
            if tag == 0x97:
                le = int.from_bytes(value, "big") or 256 ** len(value)
            else:
                assert (tag, value[0]) == (0x87, 1)
                plain = triple_des(self.encryption, value[1:], decrypt=True).rstrip(b"\0")
                assert plain[-1] == 0x80
                data = plain[:-1]
        return header, data, le

    def protect(self, data: bytes, sw: int = 0x9000) -> bytes:
        self.counter += 1
        body = do(0x87, b"\1" + triple_des(self.encryption, pad8(data))) if data else b""
        body += do(0x99, sw.to_bytes(2, "big"))
        mac = retail_mac(self.mac, self.counter.to_bytes(8, "big") + pad8(body))
        return body + do(0x8E, mac) + sw.to_bytes(2, "big")
