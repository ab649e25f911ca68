"""What a chip announces about itself: EF.CardAccess, DG14, DG15 and EF.CardSecurity.

Knows how each security info is encoded. Does not know who signs it.

Spec: [9303-11] "Security Infos"; [9303-10] data groups 14 and 15.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emrtd.sim import _der
from emrtd.sim._cipher import CIPHERS
from emrtd.sim._curves import CURVES, Curve
from emrtd.sim._files import DATA_GROUP_TAGS
from emrtd.sim._key_proofs import SCHEMES
from emrtd.sim._protocols import (
    ACTIVE_AUTH,
    PK_DH,
    PK_ECDH,
    STANDARDISED_DOMAIN,
    TERMINAL_AUTH,
    chip_auth_oid,
)
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emrtd.sim._domains import Domain
    from emrtd.sim._key_proofs import ChipKey, SigningKey
    from emrtd.sim._protocols import PACEOffer

_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"
_DH_PUBLIC_NUMBER = "1.2.840.10046.2.1"
_PACE_VERSION = 2
_CHIP_AUTH = re.compile(rb"(\x04\x00\x7f\x00\x07\x02\x02\x03[\x01\x02])[\x01-\x04]", re.DOTALL)
"""Its object identifiers, encoded."""
_UNKNOWN_CIPHER = b"\x09"


def pace_infos(offers: Sequence[PACEOffer], *, parameter_ids: bool = True) -> list[bytes]:
    """Return a PACEInfo for each way in.

    Args:
        offers: in the order of the file.
        parameter_ids: whether each info names its domain; else each is followed by a
            PACEDomainParameterInfo, and all must have one domain.

    Raises:
        ValueError: several domains and no identifiers.
    """
    if not parameter_ids and len({each.domain for each in offers}) > 1:
        raise ValueError("several domains need their identifiers")
    infos = []
    for offer in offers:
        number = offer.parameters.parameter_id
        parts = [_der.oid(offer.oid), _der.integer(_PACE_VERSION)]
        infos.append(_der.sequence(*parts, *([_der.integer(number)] if parameter_ids else [])))
    if not parameter_ids:
        domain = {each.family: each.parameters for each in offers}
        infos += [_der.sequence(_der.oid(oid), standardised(domain[oid])) for oid in domain]
    return infos


def chip_auth_infos(
    key: ChipKey, cipher: str, *, key_id: int | None, explicit: bool
) -> tuple[bytes, bytes]:
    """Return ChipAuthenticationInfo and ChipAuthenticationPublicKeyInfo.

    Args:
        key: the chip's.
        cipher: a name of `CIPHERS`.
        key_id: the key's number, None for none.
        explicit: write the domain's parameters out.
    """
    number = [] if key_id is None else [_der.integer(key_id)]
    oid = chip_auth_oid(key.parameters, CIPHERS[cipher])
    info = _der.sequence(_der.oid(oid), _der.integer(1), *number)
    return info, chip_auth_public(key, public_key(key, explicit=explicit), key_id=key_id)


def chip_auth_public(key: ChipKey, info: bytes, *, key_id: int | None) -> bytes:
    """Return ChipAuthenticationPublicKeyInfo over an encoded SubjectPublicKeyInfo."""
    number = [] if key_id is None else [_der.integer(key_id)]
    oid = PK_DH if key.parameters.agreement == "dh" else PK_ECDH
    return _der.sequence(_der.oid(oid), info, *number)


def with_newer_chip_auth(group: bytes) -> bytes:
    """Return a data group 14 whose chip authentication is by a cipher that nobody knows yet."""
    return _CHIP_AUTH.sub(lambda found: found[1] + _UNKNOWN_CIPHER, group)


def terminal_auth_info() -> bytes:
    """Return TerminalAuthenticationInfo of version 1, without a place for EF.CVCA."""
    return _der.sequence(_der.oid(TERMINAL_AUTH), _der.integer(1))


def active_auth_info(scheme: str) -> bytes:
    """Return ActiveAuthenticationInfo, which only elliptic curve keys need."""
    algorithm = _der.oid(SCHEMES[scheme].announced)
    return _der.sequence(_der.oid(ACTIVE_AUTH), _der.integer(1), algorithm)


def infos_file(infos: Iterable[bytes]) -> bytes:
    """Return security infos as a file holds them: EF.CardAccess, or what CardSecurity signs."""
    return _der.set_of(*infos)


def dg14(infos: Iterable[bytes]) -> bytes:
    """Return data group 14."""
    return encode(DATA_GROUP_TAGS["DG14"], _der.set_of(*infos))


def dg15(info: bytes) -> bytes:
    """Return data group 15 from a SubjectPublicKeyInfo, DER."""
    return encode(DATA_GROUP_TAGS["DG15"], info)


def standardised(domain: Domain) -> bytes:
    """Return an AlgorithmIdentifier that names a domain by the standard's number."""
    return _der.sequence(_der.oid(STANDARDISED_DOMAIN), _der.integer(domain.parameter_id))


def standardised_key(key: ChipKey) -> bytes:
    """Return a SubjectPublicKeyInfo as EF.CardSecurity has it in the worked example."""
    return _der.sequence(standardised(key.parameters), _der.bits(key.public))


def public_key(key: ChipKey, *, explicit: bool) -> bytes:
    """Return a SubjectPublicKeyInfo as DG14 has it."""
    domain: Any = key.parameters
    if domain.agreement == "dh":
        numbers = (domain.prime, domain.generator, domain.order)
        parameters = _der.sequence(*(_der.integer(each) for each in numbers))
        value = _der.integer(domain.power(domain.generator, key.number))
        algorithm = _der.sequence(_der.oid(_DH_PUBLIC_NUMBER), parameters)
        return _der.sequence(algorithm, _der.bits(value))
    return _curve_key(domain, key.public, explicit=explicit)


def signing_key(key: SigningKey, *, explicit: bool) -> bytes:
    """Return a SubjectPublicKeyInfo as DG15 has it.

    Args:
        key: whose public half it is.
        explicit: for an elliptic curve key, write the curve's parameters out as states do.
    """
    public = key.public_key()
    if not explicit or not isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    name = public.curve.name
    curve = next(each for each in CURVES.values() if each.keys and each.keys.name == name)
    return _curve_key(curve, point, explicit=True)


def _curve_key(curve: Curve, point: bytes, *, explicit: bool) -> bytes:
    parameters = _parameters(curve) if explicit else _der.oid(curve.oid)
    algorithm = _der.sequence(_der.oid(_EC_PUBLIC_KEY), parameters)
    return _der.sequence(algorithm, _der.bits(point))


def _parameters(curve: Curve) -> bytes:
    group: Any = curve.points.curve
    p, size = curve.prime, curve.field_bytes
    coefficients = (
        _der.octets((int(each) % p).to_bytes(size, "big")) for each in (group.a(), group.b())
    )
    return _der.sequence(
        _der.integer(1),
        _der.sequence(_der.oid(_PRIME_FIELD), _der.integer(p)),
        _der.sequence(*coefficients),
        _der.octets(curve.encode(curve.generator)),
        _der.integer(curve.order),
        _der.integer(1),
    )
