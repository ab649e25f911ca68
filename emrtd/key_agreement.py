"""The static keys of chips for agreeing on a secret, and the agreement with one of them.

Knows SubjectPublicKeyInfo as chips write it: points on standardised curves, named, numbered or
written out, and integers modulo a prime. Does not know whether a key is signed, nor what the secret
is for. Our own key lives for one agreement.

A key is nothing before it was found in its group: a point on its curve, all of which have cofactor
1; an integer in the subgroup that its parameters name. Parameters as PKCS #3 writes them name no
subgroup, and then only its range can be checked: the chip's key is signed and ours is used once, so
that a small subgroup gives away nothing. A curve that is written out is taken only if every
parameter is that of a standardised one (CVE-2020-0601).

Spec: [9303-11] chip authentication; [TR-03110-3] domain parameters; [5480].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emrtd._curves import STANDARDISED as CURVES
from emrtd._curves import Curve, draw_scalar
from emrtd._der import INTEGER, OID, integer, oid, sequence
from emrtd._groups import MODULAR, STANDARDISED, ModularGroup
from emrtd.errors import ChipMalformed
from emrtd.tlv import TLV, parse_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd._groups import Group
    from emrtd.dialogue import Randomness

MAX_KEY_INFO_BYTES = 4096
MIN_PRIME_BITS, MAX_PRIME_BITS = 1024, 3072
MIN_SUBGROUP_BITS = 160

_DOING = "SubjectPublicKeyInfo"
_BIT_STRING, _OCTET_STRING = 0x03, 0x04
_EC, _PRIME_FIELD = "1.2.840.10045.2.1", "1.2.840.10045.1.1"
_DH_X9_42, _DH_PKCS_3 = "1.2.840.10046.2.1", "1.2.840.113549.1.3.1"
_STANDARDISED = "0.4.0.127.0.7.1.2"
_NAMED: Mapping[str, int] = {
    "1.2.840.10045.3.1.1": 8,
    "1.3.36.3.3.2.8.1.1.3": 9,
    "1.3.132.0.33": 10,
    "1.3.36.3.3.2.8.1.1.5": 11,
    "1.2.840.10045.3.1.7": 12,
    "1.3.36.3.3.2.8.1.1.7": 13,
    "1.3.36.3.3.2.8.1.1.9": 14,
    "1.3.132.0.34": 15,
    "1.3.36.3.3.2.8.1.1.11": 16,
    "1.3.36.3.3.2.8.1.1.13": 17,
    "1.3.132.0.35": 18,
}
"""Curves by name, to their identifier among the standardised domain parameters."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of one agreement.

    Attributes:
        public: our key, as it is sent.
        compressed: our key, as terminal authentication signs it.
        secret: what both sides know now.
    """

    public: bytes = field(repr=False)
    compressed: bytes = field(repr=False)
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AgreementKey:
    """A chip's static key, found in its group.

    Attributes:
        group: that group.
        element: a point or an integer.
    """

    group: Group[Any]
    element: Any

    @property
    def kind(self) -> str:
        """Either "DH" or "ECDH"."""
        return "ECDH" if isinstance(self.group, Curve) else "DH"

    @property
    def bits(self) -> int:
        """How long the field's prime is."""
        return self.group.p.bit_length()

    def agree(self, randomness: Randomness) -> Agreement:
        """Agree on a secret with whoever holds the private key.

        Raises:
            ValueError: the source gives no randomness.
            ChipMalformed: the secret is the neutral element.
        """
        private = draw_scalar(self.group.order, randomness)
        own, secret = self.group.agree(private, self.element)
        return Agreement(self.group.encode(own), compress(self.group, own), secret)


def compress(group: Group[Any], element: Any) -> bytes:
    """Return a public key as terminal authentication names it.

    Returns:
        The first coordinate of a point, or the SHA-1 of an integer.
    """
    if isinstance(group, Curve):
        return group.secret(element)
    return hashlib.sha1(group.encode(element), usedforsecurity=False).digest()


def parse_key(der: bytes) -> AgreementKey:
    """Return the key of a SubjectPublicKeyInfo.

    Raises:
        ChipMalformed: no such structure, a group that is none of ours, parameters out of bounds, or
            a key that is not in its group.
    """
    algorithm, bits = sequence(parse_one(der, limit=MAX_KEY_INFO_BYTES), 2)
    group = _group(algorithm)
    if bits.tag != _BIT_STRING or bits.value[:1] != b"\0":
        raise ChipMalformed(_DOING, "no key in it")
    raw = bits.value[1:]
    if isinstance(group, Curve):
        return AgreementKey(group, group.decode(raw))
    number = integer(parse_one(raw, INTEGER))
    if not 1 < number < group.p - 1:
        raise ChipMalformed(_DOING, "a key out of range")
    return AgreementKey(group, group.decode(number.to_bytes((number.bit_length() + 7) // 8, "big")))


def find_curve(
    *, p: int, a: int, b: int, base: bytes, order: int, cofactor: int | None
) -> Curve | None:
    """Return the standardised curve that has all of these parameters.

    Args:
        p: the field's prime.
        a: of the equation.
        b: of the equation.
        base: the generator, as a point, compressed or not.
        order: of the generator.
        cofactor: None if it was not given.
    """
    for curve in CURVES.values():
        if (
            (p, a, b, order) == (curve.p, curve.a, curve.b, curve.order)
            and cofactor in {None, 1}
            and base in _encodings(curve)
        ):
            return curve
    return None


def _group(algorithm: TLV) -> Curve | ModularGroup:
    name, *rest = sequence(algorithm, 1, 2)
    if not rest:
        raise ChipMalformed(_DOING, "no domain parameters")
    parameters, kind = rest[0], oid(name)
    if kind == _EC:
        return _curve(parameters)
    if kind == _STANDARDISED:
        group = STANDARDISED.get(integer(parameters))
        if isinstance(group, Curve | ModularGroup):
            return group
    if kind == _DH_X9_42:
        p, g, q = map(integer, sequence(parameters, 3, 5)[:3])
        return _subgroup(p, g, q)
    if kind == _DH_PKCS_3:
        p, g = map(integer, sequence(parameters, 2, 3)[:2])
        return _prime_field(p, g)
    raise ChipMalformed(_DOING, "a group of another kind")


def _curve(parameters: TLV) -> Curve:
    if parameters.tag == OID:
        found = CURVES.get(_NAMED.get(oid(parameters), -1))
    else:
        _, field_id, equation, base, order, *cofactor = sequence(parameters, 5, 6)
        field_type, prime = sequence(field_id, 2)
        a, b = sequence(equation, 2, 3)[:2]
        strings = all(each.tag == _OCTET_STRING for each in (a, b, base))
        if oid(field_type) != _PRIME_FIELD or not strings:
            raise ChipMalformed(_DOING, "not a prime field")
        found = find_curve(
            p=integer(prime),
            a=int.from_bytes(a.value, "big"),
            b=int.from_bytes(b.value, "big"),
            base=base.value,
            order=integer(order),
            cofactor=integer(cofactor[0]) if cofactor else None,
        )
    if found is None:
        raise ChipMalformed(_DOING, "no curve that is standardised")
    return found


def _encodings(curve: Curve) -> tuple[bytes, bytes]:
    """Return the generator uncompressed and compressed."""
    x, y = curve.generator
    return curve.encode(curve.generator), bytes((2 + (y & 1),)) + curve.coordinate(x)


def _subgroup(p: int, g: int, q: int) -> ModularGroup:
    _check_prime(p, g)
    if not MIN_SUBGROUP_BITS <= q.bit_length() < p.bit_length() or (p - 1) % q or pow(g, q, p) != 1:
        raise ChipMalformed(_DOING, "no subgroup")
    return ModularGroup(p, q, g)


def _prime_field(p: int, g: int) -> ModularGroup:
    _check_prime(p, g)
    for known in MODULAR.values():
        if (p, g) == (known.p, known.generator):
            return known
    # The whole group: its order is known, that of the subgroup is not.
    return ModularGroup(p, p - 1, g)


def _check_prime(p: int, g: int) -> None:
    if not MIN_PRIME_BITS <= p.bit_length() <= MAX_PRIME_BITS or not p & 1 or not 1 < g < p - 1:
        raise ChipMalformed(_DOING, "a prime or a generator out of bounds")
