"""The card's files other than the portrait, built from plain values.

Knows how each is encoded. Does not know who is on the card.

Spec: [9303-10]; [9303-11] security infos; the Vietnamese record of DG13 after public readers of it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emrtd.sim import _der
from emrtd.sim._files import COM_TAG, DATA_GROUP_TAGS
from emrtd.sim._protocols import (
    ACTIVE_AUTH,
    ECDSA_PLAIN_SHA256,
    PK_ECDH,
    TERMINAL_AUTH,
    VIETNAMESE_RECORD,
    chip_auth_oid,
    pace_oid,
)
from emrtd.tlv import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emrtd.sim._curves import Curve
    from emrtd.sim._key_proofs import SigningKey

_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_PRIME_FIELD = "1.2.840.10045.1.1"
_SHA256 = "2.16.840.1.101.3.4.2.1"


def pace_info(curve: Curve, aes_bits: int) -> bytes:
    """Return the PACEInfo of generic mapping on that curve."""
    return _der.sequence(
        _der.oid(pace_oid(aes_bits)), _der.integer(2), _der.integer(curve.parameter_id)
    )


def card_access(curve: Curve, aes_bits: int, *, chip_auth: bool) -> bytes:
    """Return EF.CardAccess as it was seen: PACE, chip and terminal authentication announced."""
    infos = [pace_info(curve, aes_bits), _der.sequence(_der.oid(TERMINAL_AUTH), _der.integer(1))]
    if chip_auth:
        infos.append(_der.sequence(_der.oid(chip_auth_oid(aes_bits)), _der.integer(1)))
    return _der.set_of(*infos)


def com(names: Iterable[str]) -> bytes:
    """Return EF.COM: LDS 1.7, Unicode 4.0.0, and the tags of the data groups."""
    tags = bytes(DATA_GROUP_TAGS[name] for name in names)
    parts = encode(0x5F01, b"0107") + encode(0x5F36, b"040000") + encode(0x5C, tags)
    return encode(COM_TAG, parts)


def dg1(mrz: str) -> bytes:
    """Return data group 1."""
    return encode(0x61, encode(0x5F1F, mrz.encode("ascii")))


def dg13(fields: Mapping[int, str | tuple[str, ...]]) -> bytes:
    """Return the Vietnamese record.

    Args:
        fields: number of the field to its text; the parents (13) and the spouse (14) as tuples.
    """
    entries = b"".join(_dg13_field(number, fields[number]) for number in sorted(fields))
    record = _der.sequence(_der.integer(1), _der.oid(VIETNAMESE_RECORD), encode(0x31, entries))
    return encode(DATA_GROUP_TAGS["DG13"], record)


def _dg13_field(number: int, value: str | tuple[str, ...]) -> bytes:
    if isinstance(value, tuple):
        parts = [_der.sequence(_der.utf8(person)) for person in value]
    else:
        parts = [(_der.printable if number in _DG13_PRINTABLE else _der.utf8)(value)]
    return _der.sequence(_der.integer(number), *parts)


_DG13_PRINTABLE = {1, 3, 11, 15, 16}


def dg14(
    curve: Curve, aes_bits: int, *, chip_auth: bytes | None, active_auth: SigningKey | None
) -> bytes:
    """Return data group 14.

    Args:
        curve: that of PACE, whose info is copied here under the signature.
        aes_bits: key length of both protocols.
        chip_auth: the chip's public key as SubjectPublicKeyInfo, DER.
        active_auth: only an elliptic curve key needs to be announced here.
    """
    infos = [pace_info(curve, aes_bits)]
    if chip_auth is not None:
        infos.append(_der.sequence(_der.oid(chip_auth_oid(aes_bits)), _der.integer(1)))
        infos.append(_der.sequence(_der.oid(PK_ECDH), chip_auth))
    if isinstance(active_auth, ec.EllipticCurvePrivateKey):
        infos.append(
            _der.sequence(_der.oid(ACTIVE_AUTH), _der.integer(1), _der.oid(ECDSA_PLAIN_SHA256))
        )
    return encode(DATA_GROUP_TAGS["DG14"], _der.set_of(*infos))


def dg15(public_key: bytes) -> bytes:
    """Return data group 15 from a SubjectPublicKeyInfo, DER."""
    return encode(DATA_GROUP_TAGS["DG15"], public_key)


def security_object(files: Mapping[str, bytes]) -> bytes:
    """Return the LDS security object over the data groups among these files, hashed by SHA-256."""
    groups = sorted((int(name[2:]), raw) for name, raw in files.items() if name.startswith("DG"))
    hashes = (
        _der.sequence(_der.integer(number), _der.octets(hashlib.sha256(raw).digest()))
        for number, raw in groups
    )
    algorithm = _der.sequence(_der.oid(_SHA256))
    return _der.sequence(_der.integer(0), algorithm, _der.sequence(*hashes))


def public_key_info(key: SigningKey, *, explicit: Curve | None) -> bytes:
    """Return a SubjectPublicKeyInfo, DER.

    Args:
        key: whose public half it is.
        explicit: for an elliptic curve key, write that curve's parameters out as states do;
            None names the curve.
    """
    public = key.public_key()
    if explicit is None or not isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    algorithm = _der.sequence(_der.oid(_EC_PUBLIC_KEY), _parameters(explicit))
    return _der.sequence(algorithm, _der.bits(point))


def _parameters(curve: Curve) -> bytes:
    group: Any = curve.points.curve
    p, size = int(group.p()), curve.field_bytes
    coefficients = (
        _der.octets((int(each) % p).to_bytes(size, "big")) for each in (group.a(), group.b())
    )
    return _der.sequence(
        _der.integer(1),
        _der.sequence(_der.oid(_PRIME_FIELD), _der.integer(p)),
        _der.sequence(*coefficients),
        _der.octets(curve.points.generator.to_bytes("uncompressed")),
        _der.integer(curve.order),
        _der.integer(1),
    )
