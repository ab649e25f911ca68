"""Card-verifiable certificates, written by a test country and read by a chip.

Knows the certificate's objects, its dates and its signature over elliptic curves. Does not know who
is trusted: that is `_terminal_auth`. RSA certificates are neither written nor read.

Spec: [TR-03110-3] certificates for terminal authentication; [TR-03111] plain signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emrtd.errors import ChipMalformed
from emrtd.sim import _der
from emrtd.sim._curves import CURVES, Curve
from emrtd.sim._protocols import INSPECTION_SYSTEM, TA_ECDSA
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 2048
MAX_REFERENCE_BYTES = 16

CVCA, DV_DOMESTIC, DV_FOREIGN, TERMINAL = 0xC0, 0x80, 0x40, 0x00
"""The role: the two highest bits of the authorisation."""
READS_FINGERS, READS_IRIS = 0x01, 0x02
"""The rights of an inspection system."""

_HASHES: Mapping[int, hashes.HashAlgorithm] = {
    3: hashes.SHA256(), 4: hashes.SHA384(), 5: hashes.SHA512(),
}  # fmt: skip
_PROFILE = b"\0"


@dataclass(frozen=True, slots=True)
class CVCertificate:
    """What a chip reads in a certificate; nothing in it is trusted yet.

    Attributes:
        issuer: certification authority reference.
        holder: certificate holder reference.
        scheme: last arc of the signature algorithm of the holder's key.
        point: the holder's public key, uncompressed.
        curve: a name of `CURVES` if the certificate brings domain parameters, else "".
        role: `CVCA`, `DV_DOMESTIC`, `DV_FOREIGN` or `TERMINAL`.
        rights: `READS_FINGERS` and `READS_IRIS`.
        since: effective date.
        until: expiration date.
        body: the signed bytes, with tag and length.
        signature: r and s, one after the other.
    """

    issuer: bytes
    holder: bytes
    scheme: int
    point: bytes
    curve: str
    role: int
    rights: int
    since: date
    until: date
    body: bytes
    signature: bytes

    @classmethod
    def from_bytes(cls, raw: bytes) -> CVCertificate:
        """Decode a certificate with or without its outer object.

        Raises:
            ChipMalformed: not a certificate, or one of another profile, type or algorithm.
        """
        objects = parse(raw, limit=MAX_BYTES)
        if [each.tag for each in objects] == [0x7F21]:
            objects = parse(objects[0].value)
        if [each.tag for each in objects] != [0x7F4E, 0x5F37]:
            raise ChipMalformed("CVC", "a certificate is a body and a signature")
        body, signature = objects
        parts = {each.tag: each.value for each in parse(body.value)}
        if not parts.keys() >= {0x5F29, 0x42, 0x7F49, 0x5F20, 0x7F4C, 0x5F25, 0x5F24}:
            raise ChipMalformed("CVC", "something is missing")
        if parts[0x5F29] != _PROFILE or not all(
            0 < len(parts[tag]) <= MAX_REFERENCE_BYTES for tag in (0x42, 0x5F20)
        ):
            raise ChipMalformed("CVC", "another profile, or a reference out of bounds")
        scheme, point, curve = _public_key(parts[0x7F49])
        authorisation = _authorisation(parts[0x7F4C])
        return cls(
            issuer=parts[0x42], holder=parts[0x5F20], scheme=scheme, point=point, curve=curve,
            role=authorisation & 0xC0, rights=authorisation & 0x3F, since=_date(parts[0x5F25]),
            until=_date(parts[0x5F24]), body=body.to_bytes(), signature=signature.value,
        )  # fmt: skip


def issue(
    *,
    issuer: str,
    holder: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    authorisation: int,
    since: date,
    until: date,
) -> bytes:
    """Issue a certificate with its outer object; one of a country signer brings its curve.

    Args:
        issuer: certification authority reference.
        holder: certificate holder reference; two letters, a name, five digits.
        key: whose public half is certified.
        issuer_key: that signs.
        authorisation: role and rights in one byte.
        since: effective date.
        until: expiration date.
    """
    point = point_of(key)
    brings_curve = authorisation & 0xC0 == CVCA
    algorithm = _der.oid(f"{TA_ECDSA}.{scheme_of(key)}")
    parameters = _parameters(curve_of(key)) if brings_curve else [b"", b""]
    public_key = algorithm + parameters[0] + encode(0x86, point) + parameters[1]
    body = encode(
        0x7F4E,
        encode(0x5F29, _PROFILE)
        + encode(0x42, issuer.encode("ascii"))
        + encode(0x7F49, public_key)
        + encode(0x5F20, holder.encode("ascii"))
        + encode(0x7F4C, _der.oid(INSPECTION_SYSTEM) + encode(0x53, bytes((authorisation,))))
        + encode(0x5F25, bytes(int(digit) for digit in f"{since:%y%m%d}"))
        + encode(0x5F24, bytes(int(digit) for digit in f"{until:%y%m%d}")),
    )
    return encode(0x7F21, body + encode(0x5F37, sign_plain(issuer_key, body)))


def sign_plain(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign as a terminal and its issuers do: r and s, one after the other."""
    signature = key.sign(message, ec.ECDSA(_HASHES[scheme_of(key)], deterministic_signing=True))
    size = (key.curve.key_size + 7) // 8
    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))


def verifies(signature: bytes, message: bytes, *, point: bytes, curve: Curve, scheme: int) -> bool:
    """Whether a plain signature is one of that key; nothing is said about the key."""
    half = len(signature) // 2
    if not half or len(signature) % 2 or curve.keys is None:
        return False
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve.keys, point)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[scheme]))
    except (InvalidSignature, ValueError):
        return False
    return True


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key's public point, uncompressed."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def scheme_of(key: ec.EllipticCurvePrivateKey) -> int:
    """Return the last arc of the algorithm whose digest is as long as the key."""
    return 3 if key.curve.key_size <= 256 else 4 if key.curve.key_size <= 384 else 5


def curve_of(key: ec.EllipticCurvePrivateKey) -> Curve:
    """Return the key's curve."""
    return next(each for each in CURVES.values() if each.keys and each.keys.name == key.curve.name)


def _parameters(curve: Curve) -> list[bytes]:
    """Return what stands before and after the public point."""
    group: Any = curve.points.curve
    p, size = curve.prime, curve.field_bytes
    before = (
        encode(0x81, p.to_bytes(size, "big"))
        + encode(0x82, (int(group.a()) % p).to_bytes(size, "big"))
        + encode(0x83, (int(group.b()) % p).to_bytes(size, "big"))
        + encode(0x84, curve.encode(curve.generator))
        + encode(0x85, curve.order.to_bytes((curve.order.bit_length() + 7) // 8, "big"))
    )
    return [before, encode(0x87, b"\x01")]


def _public_key(raw: bytes) -> tuple[int, bytes, str]:
    """Return scheme, point and the name of the curve, "" if the issuer's is meant."""
    objects = parse(raw)
    parts = {each.tag: each.value for each in objects}
    prefix = _der.oid_value(TA_ECDSA)
    algorithm = parts.get(0x06, b"")
    if algorithm[:-1] != prefix or algorithm[-1] not in _HASHES or 0x86 not in parts:
        raise ChipMalformed("CVC", "a key of another kind")
    if parts.keys() == {0x06, 0x86}:
        return algorithm[-1], parts[0x86], ""
    written = b"".join(each.to_bytes() for each in objects if 0x81 <= each.tag <= 0x85)
    for name, curve in CURVES.items():
        if curve.keys is not None and written == _parameters(curve)[0]:
            return algorithm[-1], parts[0x86], name
    raise ChipMalformed("CVC", "a curve that is none of the standard's")


def _authorisation(raw: bytes) -> int:
    objects = parse(raw)
    if [each.tag for each in objects] != [0x06, 0x53] or len(objects[1].value) != 1:
        raise ChipMalformed("CVC", "no authorisation")
    if objects[0].value != _der.oid_value(INSPECTION_SYSTEM):
        raise ChipMalformed("CVC", "not for inspection systems")
    return objects[1].value[0]


def _date(raw: bytes) -> date:
    if len(raw) != 6 or max(raw) > 9:
        raise ChipMalformed("CVC", "no date")
    year, month, day = (10 * raw[at] + raw[at + 1] for at in (0, 2, 4))
    try:
        return date(2000 + year, month, day)
    except ValueError as error:
        raise ChipMalformed("CVC", "no date") from error
