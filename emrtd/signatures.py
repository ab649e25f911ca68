"""Public keys as states and chips encode them, and one signature checked with one of them.

Knows RSA (PKCS #1 v1.5 and PSS) and ECDSA, on curves that are named or written out. Does not know
whose key it is, nor what a good signature is worth.

A curve that is written out is used only after its field, both coefficients, generator, order and
cofactor were each found equal to those of a curve known by name: with a generator of one's own
choice anyone can sign for any key (CVE-2020-0601).

Spec: [9303-12] algorithms; [5480]; [4055].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import ecdsa
from asn1crypto import algos, keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from emrtd._asn1 import load, reading
from emrtd.errors import ChipLied, ChipMalformed, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_RSA_BITS = 2048
"""Of a signer or an issuer; a chip's own key may be shorter."""
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 64
MAX_KEY_INFO_BYTES = 4096
MAX_SALT_BYTES = 512

DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": hashes.SHA1(),  # noqa: S303 - refused unless a caller allows it by name
    "2.16.840.1.101.3.4.2.4": hashes.SHA224(),
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
"""Object identifier to digest."""

_Kind = Literal["pkcs1", "pss", "ecdsa"]
_RSA, _RSA_PSS, _EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
_SIGNATURES: Mapping[str, tuple[_Kind, str]] = {
    "1.2.840.113549.1.1.5": ("pkcs1", "1.3.14.3.2.26"),
    "1.2.840.113549.1.1.14": ("pkcs1", "2.16.840.1.101.3.4.2.4"),
    "1.2.840.113549.1.1.11": ("pkcs1", "2.16.840.1.101.3.4.2.1"),
    "1.2.840.113549.1.1.12": ("pkcs1", "2.16.840.1.101.3.4.2.2"),
    "1.2.840.113549.1.1.13": ("pkcs1", "2.16.840.1.101.3.4.2.3"),
    "1.2.840.10045.4.1": ("ecdsa", "1.3.14.3.2.26"),
    "1.2.840.10045.4.3.1": ("ecdsa", "2.16.840.1.101.3.4.2.4"),
    "1.2.840.10045.4.3.2": ("ecdsa", "2.16.840.1.101.3.4.2.1"),
    "1.2.840.10045.4.3.3": ("ecdsa", "2.16.840.1.101.3.4.2.2"),
    "1.2.840.10045.4.3.4": ("ecdsa", "2.16.840.1.101.3.4.2.3"),
}
_MGF1 = "1.2.840.113549.1.1.8"
_PRIME_FIELD = "1.2.840.10045.1.1"

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class _Curve:
    """A curve known by name, with every parameter; all of these have cofactor 1."""

    keys: ec.EllipticCurve
    p: int
    a: int
    b: int
    generator: tuple[int, int]
    order: int


def _known(points: Any, curve: ec.EllipticCurve) -> tuple[str, _Curve]:
    group, base = points.curve, points.generator
    p = int(group.p())
    return ".".join(map(str, points.oid)), _Curve(
        curve, p, int(group.a()) % p, int(group.b()) % p,
        (int(base.x()), int(base.y())), int(points.order),
    )  # fmt: skip


_CURVES: Mapping[str, _Curve] = dict(
    (
        _known(ecdsa.NIST224p, ec.SECP224R1()),
        _known(ecdsa.NIST256p, ec.SECP256R1()),
        _known(ecdsa.NIST384p, ec.SECP384R1()),
        _known(ecdsa.NIST521p, ec.SECP521R1()),
        _known(ecdsa.BRAINPOOLP256r1, ec.BrainpoolP256R1()),
        _known(ecdsa.BRAINPOOLP384r1, ec.BrainpoolP384R1()),
        _known(ecdsa.BRAINPOOLP512r1, ec.BrainpoolP512R1()),
    )
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a signature was made.

    Attributes:
        kind: the padding or the curve arithmetic.
        digest: of the signed bytes.
        mask_digest: of PSS's mask generation; otherwise the same as `digest`.
        salt_bytes: of PSS, otherwise 0.
    """

    kind: _Kind
    digest: hashes.HashAlgorithm
    mask_digest: hashes.HashAlgorithm
    salt_bytes: int = 0

    @property
    def weak(self) -> bool:
        """Whether it rests on SHA-1."""
        return is_weak(self.digest)


def is_weak(digest: hashes.HashAlgorithm) -> bool:
    """Return whether two texts with one digest can be made: SHA-1."""
    return isinstance(digest, hashes.SHA1)


def digest_of(algorithm: Any) -> hashes.HashAlgorithm:
    """Return the digest that an AlgorithmIdentifier of asn1crypto names.

    Raises:
        ChipMalformed: none that is known.
    """
    with reading("DigestAlgorithmIdentifier"):
        return DIGESTS[algorithm["algorithm"].dotted]


def digest_bytes(algorithm: hashes.HashAlgorithm, *parts: bytes) -> bytes:
    """Return the digest of the parts, one after the other."""
    digest = hashes.Hash(algorithm)
    for part in parts:
        digest.update(part)
    return digest.finalize()


def scheme_of(algorithm: Any, digest: hashes.HashAlgorithm | None = None) -> Scheme:
    """Return the scheme that an AlgorithmIdentifier of asn1crypto names.

    Args:
        algorithm: of a certificate, a revocation list or a SignerInfo.
        digest: what a SignerInfo names beside it; the two must agree.

    Raises:
        ChipMalformed: unknown, incomplete, or at odds with that digest.
    """
    with reading("SignatureAlgorithmIdentifier"):
        name = algorithm["algorithm"].dotted
        if name == _RSA_PSS:
            scheme = _pss(algorithm["parameters"].dump())
        elif name == _RSA and digest is not None:
            scheme = Scheme("pkcs1", digest, digest)
        else:
            kind, own = _SIGNATURES[name]
            scheme = Scheme(kind, DIGESTS[own], DIGESTS[own])
    if digest is not None and scheme.digest.name != digest.name:
        raise ChipMalformed("SignatureAlgorithmIdentifier", "two digests for one signature")
    return scheme


def _pss(der: bytes) -> Scheme:
    parameters = load(algos.RSASSAPSSParams, der)
    mask, salt = parameters["mask_gen_algorithm"], int(parameters["salt_length"])
    if (
        mask["algorithm"].dotted != _MGF1
        or int(parameters["trailer_field"]) != 1
        or not 0 <= salt <= MAX_SALT_BYTES
    ):
        raise ValueError("parameters of PSS")
    return Scheme(
        "pss", digest_of(parameters["hash_algorithm"]), digest_of(mask["parameters"]), salt
    )


def check_signature(
    key: PublicKey, scheme: Scheme, signature: bytes, signed: bytes, *, doing: str
) -> None:
    """Return only if that key signed those bytes so.

    Raises:
        ChipLied: SIGNATURE_INVALID.
    """
    try:
        match key, scheme.kind:
            case rsa.RSAPublicKey(), "pkcs1":
                key.verify(signature, signed, padding.PKCS1v15(), scheme.digest)
            case rsa.RSAPublicKey(), "pss":
                mask = padding.MGF1(scheme.mask_digest)
                key.verify(signature, signed, padding.PSS(mask, scheme.salt_bytes), scheme.digest)
            case ec.EllipticCurvePublicKey(), "ecdsa":
                key.verify(signature, signed, ec.ECDSA(scheme.digest))
            case _:
                raise ChipLied(Fault.SIGNATURE_INVALID, doing, "a key of another kind")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise ChipLied(Fault.SIGNATURE_INVALID, doing) from error


def load_public_key(der: bytes, *, min_rsa_bits: int = MIN_RSA_BITS) -> PublicKey:
    """Return the key of a SubjectPublicKeyInfo.

    Args:
        der: the structure.
        min_rsa_bits: the shortest RSA modulus to take.

    Raises:
        ChipMalformed: no such structure, an unknown curve, a point that is not on it, or an RSA
            key out of bounds.
    """
    if len(der) > MAX_KEY_INFO_BYTES:
        raise ChipMalformed("SubjectPublicKeyInfo", "too long")
    with reading("SubjectPublicKeyInfo"):
        info = load(keys.PublicKeyInfo, der)
        kind = info["algorithm"]["algorithm"].dotted
        if kind in {_RSA, _RSA_PSS}:
            return _rsa_key(info, min_bits=min_rsa_bits)
        if kind != _EC:
            raise ValueError("a key of another kind")
        curve = _curve(info["algorithm"]["parameters"])
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(info["public_key"]))


def describe_key(key: PublicKey) -> str:
    """Return kind and size for people, e.g. "RSA 4096" or "EC brainpoolP384r1"."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return f"EC {key.curve.name}"


def _rsa_key(info: Any, *, min_bits: int) -> rsa.RSAPublicKey:
    numbers = info["public_key"].parsed
    n, e = int(numbers["modulus"]), int(numbers["public_exponent"])
    if not min_bits <= n.bit_length() <= MAX_RSA_BITS or e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise ValueError("an RSA key out of bounds")
    return rsa.RSAPublicNumbers(e, n).public_key()


def _curve(parameters: Any) -> ec.EllipticCurve:
    if parameters.name == "named":
        return _CURVES[parameters.chosen.dotted].keys
    written = parameters.chosen
    if written["field_id"]["field_type"].dotted != _PRIME_FIELD:
        raise ValueError("not a prime field")
    p = int(written["field_id"]["parameters"])
    coefficients = tuple(
        int.from_bytes(bytes(written["curve"][name]), "big") for name in ("a", "b")
    )
    base, order = bytes(written["base"]), int(written["order"])
    cofactor = written["cofactor"].native
    for curve in _CURVES.values():
        if (
            (p, *coefficients, order) == (curve.p, curve.a, curve.b, curve.order)
            and cofactor in {None, 1}
            and base in _encodings(curve)
        ):
            return curve.keys
    raise ValueError("no curve that is known by name")


def _encodings(curve: _Curve) -> tuple[bytes, bytes]:
    """Return the generator uncompressed and compressed."""
    size = (curve.p.bit_length() + 7) // 8
    x, y = (each.to_bytes(size, "big") for each in curve.generator)
    return b"\x04" + x + y, bytes((2 + (y[-1] & 1),)) + x
