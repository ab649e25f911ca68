"""The curves a test card may use: by name and by the standard's parameter id.

Knows where a curve lives in two libraries, points as a chip sends and takes them, and the mapping
of a number to a point. Does not know any protocol. `ecdsa` serves wherever a chip's own arithmetic
is needed, `cryptography` for signatures.

Spec: [9303-11], the standardised domain parameters and "PACE Integrated Mapping".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ecdsa
from cryptography.hazmat.primitives.asymmetric import ec
from ecdsa.ellipticcurve import INFINITY, PointJacobi

if TYPE_CHECKING:
    from collections.abc import Mapping

Randomness = Callable[[int], bytes]
"""Returns that many unpredictable bytes; a script of bytes makes a chip repeatable."""

MAX_DRAWS = 256
"""A source that gives no usable number in so many draws is no source of randomness."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One elliptic curve of prime order (all of these have cofactor 1).

    Attributes:
        name: as the command line takes it.
        parameter_id: the standard's number of these domain parameters.
        points: the curve in `ecdsa`, for arithmetic.
        keys: the curve in `cryptography`; None where that library does not know it.
        oid: the curve's object identifier.
    """

    name: str
    parameter_id: int
    points: Any
    keys: ec.EllipticCurve | None
    oid: str

    agreement = "ecdh"
    key_tag = 0x86
    """The tag of a public key of this kind inside an authentication token."""

    @property
    def order(self) -> int:
        """The number of points."""
        return int(self.points.order)

    @property
    def prime(self) -> int:
        """The size of the field."""
        return int(self.points.curve.p())

    @property
    def field_bytes(self) -> int:
        """The length of one coordinate in bytes."""
        return (self.prime.bit_length() + 7) // 8

    @property
    def generator(self) -> Any:
        """The standard's generator."""
        return self.points.generator

    def private_number(self, randomness: Randomness) -> int:
        """Draw a uniform number from 1 to order - 1, as many bytes a draw as the order has.

        Raises:
            ValueError: the source gave nothing usable in `MAX_DRAWS` draws.
        """
        return draw(self.order, randomness)

    def private_key(self, randomness: Randomness) -> ec.EllipticCurvePrivateKey:
        """Make a key pair from drawn bytes.

        Raises:
            ValueError: the library of signatures does not know this curve.
        """
        if self.keys is None:
            raise ValueError(f"no signatures on {self.name}")
        return ec.derive_private_key(self.private_number(randomness), self.keys)

    def power(self, element: Any, number: int) -> Any:
        """Multiply a point."""
        return element * number

    def combine(self, one: Any, other: Any) -> Any:
        """Add two points."""
        return one + other

    def is_neutral(self, element: Any) -> bool:
        """Whether a point is the one at infinity."""
        return bool(element == INFINITY)

    def encode(self, element: Any) -> bytes:
        """Write a point uncompressed."""
        return bytes(element.to_bytes("uncompressed"))

    def decode(self, raw: bytes) -> Any:
        """Read an uncompressed point.

        Raises:
            ValueError: it is none of this curve.
        """
        size = self.field_bytes
        if len(raw) != 1 + 2 * size or raw[0] != 4:
            raise ValueError("no uncompressed point")
        x, y = (int.from_bytes(half, "big") for half in (raw[1 : 1 + size], raw[1 + size :]))
        curve = self.points.curve
        if max(x, y) >= curve.p() or not curve.contains_point(x, y):
            raise ValueError("not on the curve")
        return PointJacobi(curve, x, y, 1, self.order)

    def secret(self, element: Any) -> bytes:
        """Return the secret that a shared point stands for: its x."""
        return int(element.x()).to_bytes(self.field_bytes, "big")

    def compressed(self, raw: bytes) -> bytes:
        """Return what stands for a public key in a signed message: its x."""
        return raw[1 : 1 + self.field_bytes]

    def element_of(self, number: int) -> Any:
        """Map a field element to a point, in affine coordinates.

        Raises:
            ValueError: the field has no such mapping (3 modulo 4 only), or the number none.
        """
        p = self.prime
        if p % 4 != 3:
            raise ValueError(f"no integrated mapping on {self.name}")
        curve = self.points.curve
        a, b = int(curve.a()) % p, int(curve.b()) % p
        alpha = -number * number % p
        divisor = (alpha + alpha * alpha) % p
        if not divisor:
            raise ValueError("the number maps to no point")
        x2 = -b * pow(a, -1, p) * (1 + pow(divisor, -1, p)) % p
        x3 = alpha * x2 % p
        h2 = (x2**3 + a * x2 + b) % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        if root * root * h2 % p == 1:
            x, y = x2, root * h2 % p
        else:
            x, y = x3, root * pow(number, 3, p) * h2 % p
        return PointJacobi(curve, x, y, 1, self.order)


def draw(order: int, randomness: Randomness) -> int:
    """Draw a uniform number from 1 to order - 1.

    Raises:
        ValueError: the source gave nothing usable in `MAX_DRAWS` draws.
    """
    size = (order.bit_length() + 7) // 8
    excess = size * 8 - order.bit_length()
    for _ in range(MAX_DRAWS):
        number = int.from_bytes(randomness(size), "big") >> excess
        if 0 < number < order:
            return number
    raise ValueError("the source of randomness gave no usable number")


_BRAINPOOL = "1.3.36.3.3.2.8.1.1"

CURVES: Mapping[str, Curve] = MappingProxyType(
    {
        curve.name: curve
        for curve in (
            Curve("P-192", 8, ecdsa.NIST192p, ec.SECP192R1(), "1.2.840.10045.3.1.1"),
            Curve("brainpoolP192r1", 9, ecdsa.BRAINPOOLP192r1, None, f"{_BRAINPOOL}.3"),
            Curve("P-224", 10, ecdsa.NIST224p, ec.SECP224R1(), "1.3.132.0.33"),
            Curve("brainpoolP224r1", 11, ecdsa.BRAINPOOLP224r1, None, f"{_BRAINPOOL}.5"),
            Curve("P-256", 12, ecdsa.NIST256p, ec.SECP256R1(), "1.2.840.10045.3.1.7"),
            Curve(
                "brainpoolP256r1", 13, ecdsa.BRAINPOOLP256r1, ec.BrainpoolP256R1(),
                f"{_BRAINPOOL}.7",
            ),
            Curve("brainpoolP320r1", 14, ecdsa.BRAINPOOLP320r1, None, f"{_BRAINPOOL}.9"),
            Curve("P-384", 15, ecdsa.NIST384p, ec.SECP384R1(), "1.3.132.0.34"),
            Curve(
                "brainpoolP384r1", 16, ecdsa.BRAINPOOLP384r1, ec.BrainpoolP384R1(),
                f"{_BRAINPOOL}.11",
            ),
            Curve(
                "brainpoolP512r1", 17, ecdsa.BRAINPOOLP512r1, ec.BrainpoolP512R1(),
                f"{_BRAINPOOL}.13",
            ),
            Curve("P-521", 18, ecdsa.NIST521p, ec.SECP521R1(), "1.3.132.0.35"),
        )
    }
)  # fmt: skip
