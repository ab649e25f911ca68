"""A card's end of access: PACE in every mapping, group and cipher, BAC, and 3DES on the wire.

Written from the standard with raw primitives, and where the standard gives two ways to compute a
thing, with the other one: the integrated mapping is appendix B.3's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ecdsa
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from ecdsa.ellipticcurve import PointJacobi
from reader_material import cmac8, do, vector

from emrtd._groups import MODULAR
from emrtd.apdu import Command, Response

if TYPE_CHECKING:
    from collections.abc import Callable

CURVES = {
    8: ecdsa.NIST192p, 9: ecdsa.BRAINPOOLP192r1, 10: ecdsa.NIST224p, 11: ecdsa.BRAINPOOLP224r1,
    12: ecdsa.NIST256p, 13: ecdsa.BRAINPOOLP256r1, 14: ecdsa.BRAINPOOLP320r1, 15: ecdsa.NIST384p,
    16: ecdsa.BRAINPOOLP384r1, 17: ecdsa.BRAINPOOLP512r1, 18: ecdsa.NIST521p,
}  # fmt: skip
MAPPINGS = {1: "GM", 2: "GM", 3: "IM", 4: "IM", 6: "CAM"}
KEY_BYTES = {1: 16, 2: 16, 3: 24, 4: 32}
C0_128, C1_128 = (vector("9303_11_app_h1_pace_im_ecdh")[f"R_c{n}_128"] for n in (0, 1))
C0_256 = "D463D65234124EF7897054986DCA0A174E28DF758CBAA03F240616414D5A1676"
C1_256 = "54BD7255F0AAF831BEC3423FCF39D69B6CBF066677D0FAAE5AADD99DF8E53517"


def value_of(raw: bytes) -> bytes:
    """Return the value of an object whose tag has one byte."""
    return raw[2:] if raw[1] < 0x80 else raw[2 + raw[1] - 0x80 :]


def pad8(data: bytes) -> bytes:
    return data + b"\x80" + bytes(7 - len(data) % 8)


def des3(key: bytes, data: bytes, *, decrypt: bool = False, iv: bytes = bytes(8)) -> bytes:
    worker = Cipher(TripleDES(key + key[:8]), CBC(iv))
    cipher = worker.decryptor() if decrypt else worker.encryptor()
    return cipher.update(data) + cipher.finalize()


def retail(key: bytes, data: bytes) -> bytes:
    """MAC algorithm 3, step by step: encrypt with one key, decrypt with two, encrypt with one."""
    one, two = key[:8] * 3, key[8:] * 3

    def des(des_key: bytes, block: bytes, *, decrypt: bool = False) -> bytes:
        worker = Cipher(TripleDES(des_key), ECB())  # noqa: S305 - one block: DES itself
        cipher = worker.decryptor() if decrypt else worker.encryptor()
        return cipher.update(block) + cipher.finalize()

    state = bytes(8)
    for at in range(0, len(data), 8):
        state = des(one, bytes(a ^ b for a, b in zip(state, data[at : at + 8], strict=True)))
    return des(one, des(two, state, decrypt=True))


def odd(key: bytes) -> bytes:
    return bytes(b if b.bit_count() % 2 else b ^ 1 for b in key)


def kdf(secret: bytes, counter: int, cipher: int) -> bytes:
    digest = hashlib.sha1 if cipher < 3 else hashlib.sha256
    key = digest(secret + counter.to_bytes(4, "big")).digest()[: KEY_BYTES[cipher]]
    return odd(key) if cipher == 1 else key


@dataclass
class TripleDESEnd:
    """A card's secure messaging with 3DES: opens commands, protects responses."""

    encryption: bytes
    mac: bytes
    counter: int = 0

    def _next(self) -> bytes:
        self.counter = (self.counter + 1) % 2**64
        return self.counter.to_bytes(8, "big")

    def open(self, raw: bytes) -> tuple[bytes, bytes, int | None]:
        """Return header, data and Le of a protected command, after checking all of it."""
        counter, command, header = self._next(), Command.from_bytes(raw), raw[:4]
        body, checksum = command.data[:-10], command.data[-10:]
        signed = counter + pad8(header) + (pad8(body) if body else b"")
        assert checksum == b"\x8e\x08" + retail(self.mac, signed)
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
                plain = des3(self.encryption, secret, decrypt=True).rstrip(b"\0")
                assert plain[-1] == 0x80
                data = plain[:-1]
        return header, data, le

    def protect(self, data: bytes, sw: int = 0x9000) -> bytes:
        """Return a protected response."""
        counter = self._next()
        body = do(0x87, b"\x01" + des3(self.encryption, pad8(data))) if data else b""
        body += do(0x99, sw.to_bytes(2, "big"))
        signed = counter + pad8(body)
        return body + do(0x8E, retail(self.mac, signed)) + sw.to_bytes(2, "big")


@dataclass
class PACECard:
    """A card's end of PACE; what it would answer may be changed step by step.

    Attributes:
        arcs: of the protocol, e.g. (2, 2).
        parameter_id: of the standardised domain parameters.
        secret: what the password key is derived from.
        change: step ("nonce", "map", "agree", "prove") to a function of the honest answer.
    """

    arcs: tuple[int, int]
    parameter_id: int
    secret: bytes = b"123456"
    nonce: bytes | None = None
    static: int = 0x1234567
    change: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    seen: list[Command] = field(default_factory=list)
    keys: tuple[bytes, bytes] = (b"", b"")

    def __post_init__(self) -> None:
        self.mapping, self.cipher = MAPPINGS[self.arcs[0]], self.arcs[1]
        self.block = 8 if self.cipher == 1 else 16
        length = KEY_BYTES[self.cipher]
        self.s = self.nonce or hashlib.sha512(b"nonce").digest()[: length + -length % 16]
        if self.parameter_id in CURVES:
            source = CURVES[self.parameter_id]
            self.curve, self.order, self.g = source.curve, source.order, source.generator
            self.p, self.width = self.curve.p(), (self.curve.p().bit_length() + 7) // 8
        else:
            group = MODULAR[self.parameter_id]
            self.p, self.order, self.g = group.p, group.order, group.generator
            self.curve, self.width = None, len(group.secret(2))

    @property
    def protocol(self) -> bytes:
        return bytes.fromhex("04007F0007020204") + bytes(self.arcs)

    def __call__(self, command: Command) -> Response:
        self.seen.append(command)
        if command.ins == 0x22:
            return Response(b"", 0x9000)
        body = value_of(command.data)
        tag, value = (body[0], value_of(body)) if body else (0, b"")
        step, answer = {
            0: ("nonce", self._nonce), 0x81: ("map", self._map), 0x83: ("agree", self._agree),
            0x85: ("prove", self._prove),
        }[tag]  # fmt: skip
        objects = answer(value)
        return Response(do(0x7C, self.change.get(step, bytes)(objects)), 0x9000)

    def _nonce(self, _: bytes) -> bytes:
        return do(0x80, self._cbc(kdf(self.secret, 3, self.cipher), self.s))

    def _map(self, value: bytes) -> bytes:
        if self.mapping == "IM":
            self.base = self._integrated(value)
            return do(0x82, b"")
        own = 0xABCDEF0123
        self.map_key = own
        theirs = self._decode(value)
        answer = do(0x82, self._encode(self._times(own, self.g)))
        moved = self._times(int.from_bytes(self.s, "big"), self.g)
        shared = self._times(own, theirs)
        self.base = moved + shared if self.curve else moved * shared % self.p
        return answer

    def _agree(self, value: bytes) -> bytes:
        own = 0x77777777123
        self.theirs = value
        public = self._encode(self._times(own, self.base))
        shared = self._times(own, self._decode(value))
        secret = int(shared.x()) if self.curve else shared
        raw = secret.to_bytes(self.width, "big")
        self.keys = kdf(raw, 1, self.cipher), kdf(raw, 2, self.cipher)
        self.public = public
        return do(0x84, public)

    def _prove(self, value: bytes) -> bytes:
        assert value == self._token(self.public), "the terminal's token"
        answer = do(0x86, self._token(self.theirs))
        if self.mapping == "CAM":
            answer += do(0x8A, self._chip_auth_data())
        return answer

    def _chip_auth_data(self) -> bytes:
        data = pow(self.static, -1, self.order) * self.map_key % self.order
        size = (self.order.bit_length() + 7) // 8
        plain = data.to_bytes(size, "big") + b"\x80"
        ecb = Cipher(AES(self.keys[0]), ECB()).encryptor()  # noqa: S305 - one block: the vector
        iv = ecb.update(b"\xff" * 16) + ecb.finalize()
        worker = Cipher(AES(self.keys[0]), CBC(iv)).encryptor()
        return worker.update(plain + bytes(-len(plain) % 16)) + worker.finalize()

    def _token(self, public: bytes) -> bytes:
        value = do(0x06, self.protocol) + do(0x86 if self.curve else 0x84, public)
        data = b"\x7f" + do(0x49, value)
        return retail(self.keys[1], pad8(data)) if self.cipher == 1 else cmac8(self.keys[1], data)

    def _cbc(self, key: bytes, data: bytes) -> bytes:
        if self.cipher == 1:
            return des3(key, data)
        worker = Cipher(AES(key), CBC(bytes(16))).encryptor()
        return worker.update(data) + worker.finalize()

    def _times(self, scalar: int, element: Any) -> Any:
        return element * scalar if self.curve else pow(element, scalar, self.p)

    def _encode(self, element: Any) -> bytes:
        if not self.curve:
            return element.to_bytes((element.bit_length() + 7) // 8, "big")
        return b"\x04" + b"".join(
            int(each).to_bytes(self.width, "big") for each in (element.x(), element.y())
        )

    def _decode(self, raw: bytes) -> Any:
        if not self.curve:
            return int.from_bytes(raw, "big")
        x, y = raw[1 : 1 + self.width], raw[1 + self.width :]
        return PointJacobi(self.curve, int.from_bytes(x, "big"), int.from_bytes(y, "big"), 1)

    def _integrated(self, t: bytes) -> Any:
        wide = KEY_BYTES[self.cipher] > 16
        c0, c1 = (bytes.fromhex(each) for each in ((C0_128, C1_128), (C0_256, C1_256))[wide])
        bits, k = len(c0) * 8, self._cbc(t, self.s)
        x = b""
        for _ in range(-(-(self.p.bit_length() + 64) // bits)):
            k, out = self._cbc(k[: len(t)], c0), self._cbc(k[: len(t)], c1)
            x += out
        r = int.from_bytes(x, "big") % self.p
        if not self.curve:
            return pow(r, (self.p - 1) // self.order, self.p)
        return self._jacobian(r)

    def _jacobian(self, t: int) -> PointJacobi:
        """Appendix B.3."""
        p, a, b = self.p, int(self.curve.a()), int(self.curve.b())
        alpha = -t * t % p
        z = a * (alpha + alpha**2) % p
        x2 = -b * z * (1 + alpha + alpha**2) % p
        x3 = alpha * x2 % p
        h2 = (x2**3 + a * x2 * z**4 + b * z**6) % p
        u = -alpha * t * h2 % p
        big_a = pow(h2, p - 1 - (p + 1) // 4, p)
        x, y = (x2, big_a * h2) if big_a**2 * h2 % p == 1 else (x3, big_a * u)
        inverse = pow(z, -1, p)
        return PointJacobi(self.curve, x * inverse**2 % p, y % p * inverse**3 % p, 1, self.order)
