"""What the simulator's tests share: scripted chance, a made-up card, a raw terminal.

The terminal knows the session keys that ICAO's worked example publishes and nothing of `emrtd`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from emrtd import terminal_auth
from emrtd.cvc import parse_cvc
from emrtd.sim import CardImage, Chip, Holder, TestPKI

VECTORS = Path(__file__).parents[2] / "vectors"
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
UNTIL = datetime(2035, 1, 1, tzinfo=UTC)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)

JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B0801900 12C01011100FFD9".replace(" ", ""))
"""The shortest thing that has a JPEG's frame header: 300 x 400. Nobody decodes it here."""

HOLDER = Holder(
    number="999195012345",
    name="Nguyễn Thị Mẫu",
    birth=date(1995, 1, 1),
    sex="F",
    issued=date(2021, 6, 1),
    expiry=date(2035, 1, 1),
    spouse="Lê Văn C",
    old_number="999345678",
)


def vector(name: str) -> dict[str, Any]:
    """Load one vector file."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def stream(seed: str):
    """Return a source of bytes that gives the same ones each time."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness


def script(*parts: str):
    """Return a source that gives exactly these bytes, and fails when they are used up."""
    rest = bytes.fromhex("".join(parts))

    def randomness(size: int) -> bytes:
        nonlocal rest
        assert len(rest) >= size, "the script is used up"
        drawn, rest = rest[:size], rest[size:]
        return drawn

    return randomness


def make_pki(seed: str = "pki") -> TestPKI:
    return TestPKI.create(stream(seed), valid_from=SINCE, valid_until=UNTIL)


def terminal_of(pki: TestPKI) -> terminal_auth.Terminal:
    """Return the inspection system of a PKI, for the library's reader."""
    certificates = (pki.verifier.certificate, pki.terminal.certificate)
    point, *chain = map(parse_cvc, (pki.cvca.certificate, *certificates))
    signer = terminal_auth.SoftwareSigner(pki.terminal.key, signs=chain[-1].key)
    return terminal_auth.Terminal((point,), tuple(chain), signer)


class Terminal:
    """The reader's end of AES secure messaging, from published session keys."""

    def __init__(self, chip: Chip, *, encrypting: str, authenticating: str) -> None:
        self.chip = chip
        self.encrypting = bytes.fromhex(encrypting)
        self.authenticating = bytes.fromhex(authenticating)
        self.counter = 0

    def protect(
        self,
        ins: int,
        p1: int,
        p2: int,
        data: bytes = b"",
        le: int | None = None,
        *,
        cla: int = 0x0C,
    ) -> bytes:
        """Return a protected command with extended lengths, so that any answer fits."""
        self.counter += 1
        body = b""
        if data:
            secret = self._cbc(data + b"\x80" + bytes(-(len(data) + 1) % 16), decrypt=False)
            body += _object(0x85, secret) if ins & 1 else _object(0x87, b"\x01" + secret)
        if le is not None:
            size = 1 if le <= 256 else 2
            body += _object(0x97, (le % 256**size).to_bytes(size, "big"))
        return self._sealed(bytes((cla, ins, p1, p2)), body)

    def protect_anything(self, header: str, body: bytes) -> bytes:
        """Return a command whose checksum is right over whatever objects."""
        self.counter += 1
        return self._sealed(bytes.fromhex(header), body)

    def encrypted(self, blocks: bytes) -> bytes:
        """Encrypt whole blocks for the next command, without padding."""
        self.counter += 1
        secret = self._cbc(blocks, decrypt=False)
        self.counter -= 1
        return secret

    def _sealed(self, header: bytes, body: bytes) -> bytes:
        padded = body + b"\x80" + bytes(-(len(body) + 1) % 16) if body else b""
        body += _object(0x8E, self._mac(header + b"\x80" + bytes(11) + padded))
        return header + b"\0" + len(body).to_bytes(2, "big") + body + b"\0\0"

    def open(self, response: bytes, *, odd: bool = False) -> tuple[bytes, int]:
        """Check and decrypt a protected response."""
        self.counter += 1
        body, sw = response[:-2], response[-2:]
        signed, checksum = body[:-10], body[-8:]
        assert body[-10:-8] == b"\x8e\x08"
        assert checksum == self._mac(signed + b"\x80" + bytes(-(len(signed) + 1) % 16))
        assert signed[-4:] == b"\x99\x02" + sw
        secret = signed[:-4]
        if not secret:
            return b"", int.from_bytes(sw, "big")
        assert secret[0] == (0x85 if odd else 0x87)
        head = 2 if secret[1] < 0x80 else 2 + (secret[1] & 0x7F)
        secret = secret[head + (not odd) :]
        plain = self._cbc(secret, decrypt=True)
        return plain[: plain.rindex(b"\x80")], int.from_bytes(sw, "big")

    def ask(self, ins: int, p1: int, p2: int, data: bytes = b"", le: int | None = None):
        """Send one protected command, return data and status."""
        return self.open(self.chip.answer(self.protect(ins, p1, p2, data, le)), odd=bool(ins & 1))

    def _ssc(self) -> bytes:
        return self.counter.to_bytes(16, "big")

    def _cbc(self, data: bytes, *, decrypt: bool) -> bytes:
        one = Cipher(AES(self.encrypting), CBC(bytes(16))).encryptor()
        cipher = Cipher(AES(self.encrypting), CBC(one.update(self._ssc())))
        worker = cipher.decryptor() if decrypt else cipher.encryptor()
        return worker.update(data)

    def _mac(self, data: bytes) -> bytes:
        cmac = CMAC(AES(self.authenticating))
        cmac.update(self._ssc() + data)
        return cmac.finalize()[:8]


def _object(tag: int, value: bytes) -> bytes:
    size = len(value)
    length = bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return (
        bytes((tag,)) + (length if size < 128 or size > 255 else b"\x81" + bytes((size,))) + value
    )


def opened(card: CardImage, *more_randomness: str, fault: str | None = None) -> Terminal:
    """Open a chip with ICAO's worked example and return the terminal that holds its keys.

    The card must have the example's MRZ as a password.
    """
    example = vector("9303-11/pace_gm_ecdh_card_side.json")
    drawn = script(example["s"], example["map_ic_priv"], example["eph_ic_priv"], *more_randomness)
    chip = Chip(card, randomness=drawn, fault=fault)
    for command, response in example["apdus"]:
        assert chip.answer(bytes.fromhex(command)).hex().upper() == response
    return Terminal(chip, encrypting=example["KSenc"], authenticating=example["KSmac"])
