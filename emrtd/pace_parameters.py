"""Which ways to run PACE a chip offers that this library can go, and over which groups.

Knows how a chip names its domain parameters. Parameters that a chip writes out are unsigned and may
be made to leak the password: they are used only if each of them is that of a standardised group.

Spec: [9303-11] 9.2.1, 9.2.2, 9.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emrtd._crypto import Cipher
from emrtd._curves import STANDARDISED as CURVES
from emrtd._der import integer, oid, sequence
from emrtd._groups import MODULAR, STANDARDISED
from emrtd.errors import ChipMalformed
from emrtd.security_infos import PACEDomainParameterInfo, PACEInfo
from emrtd.tlv import parse_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrtd._curves import Curve
    from emrtd._groups import Group, ModularGroup
    from emrtd.security_infos import SecurityInfo
    from emrtd.tlv import TLV

_STANDARDISED_PARAMETERS = "0.4.0.127.0.7.1.2"
_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_DH_PUBLIC_NUMBER = "1.2.840.10046.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"
_OCTET_STRING = 0x04

_LAST_STANDARDISED = 31
_VERSION = 2
_TRIPLE_DES_BITS = 80
"""What two-key 3DES is worth once an attacker has much to compare."""


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """How strong a way to open a chip is; the greater, the better. The weakest is BAC's.

    Attributes:
        bits: the weaker of cipher and group, as the length of a symmetric key.
        aes: whether the cipher is AES.
        key_bytes: of the cipher.
        chip_authenticated: whether the chip proves itself in passing.
    """

    bits: int = 0
    aes: bool = False
    key_bytes: int = 0
    chip_authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to run PACE that can be gone.

    Attributes:
        info: as the chip announced it.
        cipher: of nonce and channel.
        key_bytes: of the cipher.
        mapping: "GM", "IM" or "CAM".
        group: where keys are agreed.
    """

    info: PACEInfo
    cipher: Cipher
    key_bytes: int
    mapping: str
    group: Group[Any]


def offer(info: PACEInfo, infos: Sequence[SecurityInfo] = ()) -> Offer | None:
    """Return an announced way if it can be gone, else None.

    Args:
        info: the way.
        infos: all that stands beside it, domain parameters among them.
    """
    agreement, _, mapping = (info.mapping or "").partition("-")
    group = _group(info, infos)
    if group is None or info.cipher is None or info.key_bytes is None or info.version != _VERSION:
        return None
    if agreement != ("ECDH" if group in CURVES.values() else "DH"):
        return None
    if mapping == "IM" and not group.maps_integers:
        return None
    # [9303-11] table 3 has no 3DES for it, and 9.2.1 asks for an identifier, which names the key.
    if mapping == "CAM" and (info.cipher is not Cipher.AES or info.parameter_id not in CURVES):
        return None
    return Offer(info, info.cipher, info.key_bytes, mapping, group)


def rank(info: PACEInfo, infos: Sequence[SecurityInfo] = ()) -> Rank:
    """Return how strong an announced way is, whether or not it can be gone.

    A group that is not known is taken to be as strong as the cipher.
    """
    key_bytes = info.key_bytes or 0
    bits = key_bytes * 8 if info.cipher is Cipher.AES else min(key_bytes * 8, _TRIPLE_DES_BITS)
    group = _group(info, infos)
    if group is not None:
        bits = min(bits, group.strength_bits)
    return Rank(bits, info.cipher is Cipher.AES, key_bytes, info.authenticates_chip)


def standardised(parameters: bytes) -> Group[Any] | None:
    """Return the standardised group that written-out parameters are, None if they are another.

    Args:
        parameters: AlgorithmIdentifier, DER.

    Raises:
        ChipMalformed: not domain parameters.
    """
    algorithm, *rest = sequence(parse_one(parameters), 1, 2)
    name = oid(algorithm)
    if not rest:
        return None
    if name == _STANDARDISED_PARAMETERS:
        return STANDARDISED.get(integer(rest[0]))
    if name == _EC_PUBLIC_KEY:
        return _curve(rest[0])
    return _modular_group(rest[0]) if name == _DH_PUBLIC_NUMBER else None


def _group(info: PACEInfo, infos: Sequence[SecurityInfo]) -> Group[Any] | None:
    if info.parameter_id is not None and info.parameter_id <= _LAST_STANDARDISED:
        return STANDARDISED.get(info.parameter_id)
    mine = [
        each
        for each in infos
        if isinstance(each, PACEDomainParameterInfo)
        and each.mapping == info.mapping
        and info.parameter_id in {None, each.parameter_id}
    ]
    if len(mine) != 1:
        return None
    try:
        return standardised(mine[0].parameters)
    except ChipMalformed:
        return None


def _curve(parameters: TLV) -> Curve | None:
    _, field_id, equation, base, order, *cofactor = sequence(parameters, 5, 6)
    field, p = sequence(field_id, 2)
    a, b, *_ = sequence(equation, 2, 3)
    if oid(field) != _PRIME_FIELD or [integer(each) for each in cofactor] not in ([], [1]):
        return None
    for curve in CURVES.values():
        # Every one of them: a curve that differs in its generator alone is a trap.
        if (integer(p), _octets(a), _octets(b), _octets(base), integer(order)) == (
            curve.p,
            curve.coordinate(curve.a),
            curve.coordinate(curve.b),
            curve.encode(curve.generator),
            curve.order,
        ):
            return curve
    return None


def _modular_group(parameters: TLV) -> ModularGroup | None:
    p, generator, order, *_ = sequence(parameters, 3, 5)
    written = integer(p), integer(generator), integer(order)
    for group in MODULAR.values():
        if written == (group.p, group.generator, group.order):
            return group
    return None


def _octets(item: TLV) -> bytes:
    if item.tag != _OCTET_STRING:
        raise ChipMalformed("domain parameters", "no octet string")
    return item.value
