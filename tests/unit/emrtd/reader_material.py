"""What the reader's tests share: vectors, scripted chance, the card's end of secure messaging.

The card's end is written with raw primitives and its own few lines of TLV, so that it cannot repeat
a mistake of `emrtd`'s.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from emrtd.apdu import Command, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emrtd.dialogue import Randomness, Transmit

VECTORS = Path(__file__).parents[2] / "vectors"

PRINTED_COMPOSITE = "UTO<<<<<<<<<<<1ERIKSSON"
COMPUTED_COMPOSITE = "UTO<<<<<<<<<<<2ERIKSSON"


def computed(zone: str) -> str:
    """Return a zone with the composite check digit that ICAO's rule gives.

    Appendix D prints 1 for its card of three lines, whose other digits are right. By hand, the
    weights 7, 3, 1 running on over the fields that part 5 names: L898902C<3 gives 147+24+9+56+27+0+
    14+36+0+21 = 334, 6908061 gives 18+9+0+24+0+42+3 = 96, 9406236 gives 9+28+0+6+14+9+6 = 72, the
    fillers nothing. That is 502, so the digit is 2.
    """
    return zone.replace(PRINTED_COMPOSITE, COMPUTED_COMPOSITE)


def vector(name: str) -> dict[str, Any]:
    """Load one of ICAO's vector files."""
    return json.loads((VECTORS / "icao" / f"{name}.json").read_text(encoding="utf-8"))


def testdata(*parts: str) -> Path:
    """Return a file of the evaluation sets; the test is skipped by the file's name without it."""
    path = Path(os.environ.get("TRAM_TESTDATA", "absent")).joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"TRAM_TESTDATA: {'/'.join(parts)}")
    return path


testdata.__test__ = False  # type: ignore[attr-defined] # pytest takes every test* for a test


def script(*parts: str) -> Randomness:
    """Return a source that gives exactly these hexadecimal bytes."""
    rest = bytes.fromhex("".join(parts))

    def randomness(size: int) -> bytes:
        nonlocal rest
        assert len(rest) >= size, "the script is used up"
        drawn, rest = rest[:size], rest[size:]
        return drawn

    return randomness


def stream(seed: str) -> Randomness:
    """Return a source of bytes that gives the same ones each time."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness


def replay(pairs: Iterable[tuple[str, str]]) -> Transmit:
    """Return a chip that gives each recorded response to exactly the recorded command."""
    left = list(pairs)

    def transmit(command: Command) -> Response:
        expected, answer = left.pop(0)
        assert command.to_bytes().hex().upper() == expected
        return Response.from_bytes(bytes.fromhex(answer))

    transmit.left = left  # type: ignore[attr-defined] # a test looks whether all were asked
    return transmit


def answering(answer: Callable[[Command], bytes], seen: list[Command] | None = None) -> Transmit:
    """Return a chip that answers by a function, and keeps what it was asked."""

    def transmit(command: Command) -> Response:
        if seen is not None:
            seen.append(command)
        return Response.from_bytes(answer(command))

    return transmit


def pad(data: bytes) -> bytes:
    padded = bytearray(data) + b"\x80"
    while len(padded) % 16:
        padded.append(0)
    return bytes(padded)


def cmac8(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()[:8]


def cbc(key: bytes, counter: int, data: bytes, *, decrypt: bool = False) -> bytes:
    ecb = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block: the standard's vector
    cipher = Cipher(AES(key), CBC(ecb.update(counter.to_bytes(16, "big")) + ecb.finalize()))
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return worker.update(data) + worker.finalize()


def do(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 128:
        return bytes((tag, size)) + value
    return bytes((tag, 0x81, size) if size < 256 else (tag, 0x82, size >> 8, size & 255)) + value


@dataclass
class CardEnd:
    """A card's secure messaging: opens commands, protects responses."""

    encryption: bytes
    mac: bytes
    counter: int = 0

    def open(self, raw: bytes) -> tuple[bytes, bytes, int | None]:
        """Return header, data and Le of a protected command, after checking all of it."""
        self.counter += 1
        command = Command.from_bytes(raw)
        header = raw[:4]
        assert header[0] & 0x0C == 0x0C
        body, checksum = command.data[:-10], command.data[-10:]
        signed = self.counter.to_bytes(16, "big") + pad(header) + (pad(body) if body else b"")
        assert checksum == b"\x8e\x08" + cmac8(self.mac, signed)
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
                assert tag == (0x85 if header[1] & 1 else 0x87)
                secret = value if tag == 0x85 else value[1:]
                assert tag == 0x85 or value[0] == 1
                plain = cbc(self.encryption, self.counter, secret, decrypt=True).rstrip(b"\0")
                assert plain[-1] == 0x80
                data = plain[:-1]
        assert command.le in {256, 65536}
        return header, data, le

    def protect(
        self, data: bytes, sw: int = 0x9000, *, tag: int = 0x87, status: bytes | None = None
    ) -> bytes:
        """Return a protected response."""
        self.counter += 1
        body = b""
        if data:
            secret = cbc(self.encryption, self.counter, pad(data))
            body = do(tag, secret if tag == 0x85 else b"\x01" + secret)
        body += do(0x99, sw.to_bytes(2, "big") if status is None else status)
        return self.sealed(body) + sw.to_bytes(2, "big")

    def sealed(self, body: bytes) -> bytes:
        """Return a body with its checksum, at the counter as it is."""
        signed = self.counter.to_bytes(16, "big") + pad(body)
        return body + do(0x8E, cmac8(self.mac, signed))
