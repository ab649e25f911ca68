"""The curves a test card may use: by name, by the standard's parameter id, in two libraries.

Knows where a curve lives and how to draw a private number for it from a given source of randomness.
Does not know any protocol. `ecdsa` serves where a generator is mapped (PACE), `cryptography`
everywhere else.

Spec: [9303-11], the standardised domain parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ecdsa
from cryptography.hazmat.primitives.asymmetric import ec

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
        points: the curve in `ecdsa`, for arithmetic with another generator.
        keys: the curve in `cryptography`, for keys, agreement and signatures.
    """

    name: str
    parameter_id: int
    points: Any
    keys: ec.EllipticCurve

    @property
    def order(self) -> int:
        """The number of points."""
        return int(self.points.order)

    @property
    def field_bytes(self) -> int:
        """The length of one coordinate in bytes."""
        return (int(self.points.curve.p()).bit_length() + 7) // 8

    def private_number(self, randomness: Randomness) -> int:
        """Draw a uniform number from 1 to order - 1, as many bytes a draw as the order has.

        Raises:
            ValueError: the source gave nothing usable in `MAX_DRAWS` draws.
        """
        size = (self.order.bit_length() + 7) // 8
        excess = size * 8 - self.order.bit_length()
        for _ in range(MAX_DRAWS):
            number = int.from_bytes(randomness(size), "big") >> excess
            if 0 < number < self.order:
                return number
        raise ValueError("the source of randomness gave no usable number")

    def private_key(self, randomness: Randomness) -> ec.EllipticCurvePrivateKey:
        """Make a key pair from drawn bytes."""
        return ec.derive_private_key(self.private_number(randomness), self.keys)


CURVES: Mapping[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve("P-256", 12, ecdsa.NIST256p, ec.SECP256R1()),
        Curve("brainpoolP256r1", 13, ecdsa.BRAINPOOLP256r1, ec.BrainpoolP256R1()),
        Curve("P-384", 15, ecdsa.NIST384p, ec.SECP384R1()),
        Curve("brainpoolP384r1", 16, ecdsa.BRAINPOOLP384r1, ec.BrainpoolP384R1()),
        Curve("brainpoolP512r1", 17, ecdsa.BRAINPOOLP512r1, ec.BrainpoolP512R1()),
        Curve("P-521", 18, ecdsa.NIST521p, ec.SECP521R1()),
    )
}
