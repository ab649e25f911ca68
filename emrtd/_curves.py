"""The standardised elliptic curves, and arithmetic on their points.

Knows the domain parameters of PACE and chip authentication, and that a point from a chip is nothing
before it was found on its curve. A key pair on the standard's generator and a secret shared by it
are OpenSSL's wherever it has the curve; what it does not offer, a full point or a generator of
one's own, is multiplied here, and that is not constant-time: it is for keys that live for one
dialogue.

Spec: [9303-11] 9.5.1, and appendix B for the integrated mapping; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import ecdsa
from cryptography.hazmat.primitives.asymmetric import ec
from ecdsa.ellipticcurve import INFINITY, PointJacobi

from emrtd.errors import ChipMalformed, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.dialogue import Randomness

UNCOMPRESSED = b"\x04"
MAX_DRAWS = 128
"""Each draw of a scalar fails with a probability below one half."""


class Point(NamedTuple):
    """An affine point, never the one at infinity."""

    x: int
    y: int


def draw_scalar(order: int, randomness: Randomness) -> int:
    """Draw a private key, uniform in 1..order-1, by rejection.

    Raises:
        ValueError: the source gives no randomness.
    """
    bits = order.bit_length()
    size = (bits + 7) // 8
    for _ in range(MAX_DRAWS):
        drawn = randomness(size)
        if len(drawn) != size:
            break
        scalar = int.from_bytes(drawn, "big") & ((1 << bits) - 1)
        if 0 < scalar < order:
            return scalar
    raise ValueError("the randomness gives no scalar")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One curve with cofactor 1, so that every point on it but infinity will do.

    Attributes:
        p: the field's prime.
        a: of the equation.
        b: of the equation.
        order: of every point.
        generator: the standard's base point.
    """

    p: int
    a: int
    b: int
    order: int
    generator: Point
    _equation: Any
    _openssl: ec.EllipticCurve | None

    PUBLIC_KEY_TAG: ClassVar[int] = 0x86

    @property
    def strength_bits(self) -> int:
        """What breaking it costs, as the length of a symmetric key."""
        return self.order.bit_length() // 2

    @property
    def maps_integers(self) -> bool:
        """Whether `map_integer` is defined; on P-224 it is not."""
        return self.p % 4 == 3

    @property
    def field_bytes(self) -> int:
        """How long a coordinate is."""
        return (self.p.bit_length() + 7) // 8

    def multiply(self, scalar: int, point: Point) -> Point:
        """Return scalar times point. Raises ChipMalformed at infinity."""
        if self._openssl and point == self.generator and 0 < scalar < self.order:
            return _public(ec.derive_private_key(scalar, self._openssl))
        return _affine(self._jacobi(point) * scalar)

    def agree(self, private: int, theirs: Point) -> tuple[Point, bytes]:
        """Return our public key on the standard's generator, and the secret shared with theirs.

        Args:
            private: 1 to order - 1.
            theirs: a point that was found on this curve.
        """
        if self._openssl is None:
            own = self.multiply(private, self.generator)
            return own, self.secret(self.multiply(private, theirs))
        key = ec.derive_private_key(private, self._openssl)
        peer = ec.EllipticCurvePublicNumbers(theirs.x, theirs.y, self._openssl).public_key()
        return _public(key), key.exchange(ec.ECDH(), peer)

    def add(self, one: Point, other: Point) -> Point:
        """Return the sum. Raises ChipMalformed at infinity."""
        return _affine(self._jacobi(one) + self._jacobi(other))

    def coordinate(self, value: int) -> bytes:
        """Encode a coordinate in its full length."""
        return value.to_bytes(self.field_bytes, "big")

    def encode(self, point: Point) -> bytes:
        """Encode a point, uncompressed."""
        return UNCOMPRESSED + self.coordinate(point.x) + self.coordinate(point.y)

    def decode(self, raw: bytes) -> Point:
        """Decode an uncompressed point.

        Raises:
            ChipMalformed: another form or length, or not on the curve.
        """
        if len(raw) != 1 + 2 * self.field_bytes or raw[:1] != UNCOMPRESSED:
            raise _no_element("not an uncompressed point")
        x, y = raw[1 : 1 + self.field_bytes], raw[1 + self.field_bytes :]
        point = Point(int.from_bytes(x, "big"), int.from_bytes(y, "big"))
        if max(point) >= self.p or not self._equation.contains_point(*point):
            raise _no_element("not on the curve")
        return point

    def secret(self, point: Point) -> bytes:
        """Return the shared secret that a point is: its first coordinate."""
        return self.coordinate(point.x)

    def map_integer(self, value: int) -> Point:
        """Return the point that the integrated mapping gives a field element.

        Raises:
            ChipMalformed: that field element has none; three have none.
        """
        # [9303-11] appendix B.2, in its order and with its names.
        p, a, b = self.p, self.a, self.b
        alpha = -value * value % p
        denominator = a * (alpha + alpha * alpha) % p
        if not denominator:
            raise ChipMalformed("PACE map nonce", "the nonce has no generator")
        x2 = -b * (1 + alpha + alpha * alpha) * pow(denominator, -1, p) % p
        x3 = alpha * x2 % p
        h2 = (pow(x2, 3, p) + a * x2 + b) % p
        u = pow(value, 3, p) * h2 % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        if root * root * h2 % p == 1:
            return Point(x2, root * h2 % p)
        return Point(x3, root * u % p)

    def _jacobi(self, point: Point) -> Any:
        return PointJacobi(self._equation, point.x, point.y, 1, self.order)


def _no_element(why: str) -> ChipMalformed:
    return ChipMalformed("public key", why, fault=Fault.PUBLIC_KEY_INVALID)


def _public(key: ec.EllipticCurvePrivateKey) -> Point:
    numbers = key.public_key().public_numbers()
    return Point(numbers.x, numbers.y)


def _affine(result: Any) -> Point:
    if result == INFINITY:
        raise _no_element("the point at infinity")
    return Point(int(result.x()), int(result.y()))


def _curve(source: Any, openssl: ec.EllipticCurve | None = None) -> Curve:
    base = source.generator
    generator = Point(int(base.x()), int(base.y()))
    p, equation = int(source.curve.p()), source.curve
    a, b = int(equation.a()) % p, int(equation.b()) % p
    return Curve(p, a, b, int(source.order), generator, equation, openssl)


STANDARDISED: Mapping[int, Curve] = MappingProxyType(
    {
        8: _curve(ecdsa.NIST192p, ec.SECP192R1()),
        9: _curve(ecdsa.BRAINPOOLP192r1),
        10: _curve(ecdsa.NIST224p, ec.SECP224R1()),
        11: _curve(ecdsa.BRAINPOOLP224r1),
        12: _curve(ecdsa.NIST256p, ec.SECP256R1()),
        13: _curve(ecdsa.BRAINPOOLP256r1, ec.BrainpoolP256R1()),
        14: _curve(ecdsa.BRAINPOOLP320r1),
        15: _curve(ecdsa.NIST384p, ec.SECP384R1()),
        16: _curve(ecdsa.BRAINPOOLP384r1, ec.BrainpoolP384R1()),
        17: _curve(ecdsa.BRAINPOOLP512r1, ec.BrainpoolP512R1()),
        18: _curve(ecdsa.NIST521p, ec.SECP521R1()),
    }
)
"""By the identifier of the standardised domain parameters; 0 to 2 are not elliptic."""
