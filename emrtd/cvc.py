"""Card verifiable certificates: who may read what is not for everyone, and a chain of them checked.

Knows the certificates of TR-03110, every byte of them: one encoding, one order of fields, nothing
left over. Does not know a chip's clock: a chain that holds here may be too old or too new for it.

In a chain every certificate names the holder of the one before, is signed by its key, may be
issued by its role, and begins while it is valid. Domain parameters stand in the certificates of a
country's authority (CVCA) only and hold for all that follow; the rights of a terminal are those
that the whole chain has. An authority's older key may have run out where a link leads on from it: a
chip that did not see the link yet still knows that key.

Spec: [TR-03110-3] CV certificates, terminal authentication; [TR-03111] for plain signatures.
"""

from __future__ import annotations

import hashlib
from dataclasses import InitVar, dataclass, field
from datetime import date
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import ecdsa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ecdsa.errors import MalformedPointError
from ecdsa.keys import BadSignatureError

from emrtd._der import oid_value
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.signatures import is_weak
from emrtd.tlv import TLV, encode, parse, parse_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_BYTES = 4096
MAX_CHAIN = 8
MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096
MAX_EXPONENT_BYTES = 8
MAX_COORDINATE_BYTES = 66

_DOING = "CV certificate"
_CERTIFICATE, _BODY, _SIGNATURE = 0x7F21, 0x7F4E, 0x5F37
_PROFILE, _ISSUER, _KEY, _HOLDER = 0x5F29, 0x42, 0x7F49, 0x5F20
_TEMPLATE, _EFFECTIVE, _EXPIRES, _EXTENSIONS = 0x7F4C, 0x5F25, 0x5F24, 0x65
_OID, _RIGHTS, _EXTENSION = 0x06, 0x53, 0x73
_FIELDS = (_PROFILE, _ISSUER, _KEY, _HOLDER, _TEMPLATE, _EFFECTIVE, _EXPIRES)
_RSA_FIELDS = (_OID, 0x81, 0x82)
_EC_FIELDS = (_OID, 0x86)
_EC_ALL_FIELDS = (_OID, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87)
_REFERENCE_LENGTHS = range(8, 17)
_COUNTRY_CHARS, _SEQUENCE_CHARS = 2, 5

_SHA1 = hashes.SHA1()  # noqa: S303 - refused unless a caller allows it by name
_TERMINAL_AUTH = "0.4.0.127.0.7.2.2.2."
_RSA_SCHEMES: Mapping[bytes, tuple[hashes.HashAlgorithm, bool]] = {
    oid_value(f"{_TERMINAL_AUTH}1.1"): (_SHA1, False),
    oid_value(f"{_TERMINAL_AUTH}1.2"): (hashes.SHA256(), False),
    oid_value(f"{_TERMINAL_AUTH}1.3"): (_SHA1, True),
    oid_value(f"{_TERMINAL_AUTH}1.4"): (hashes.SHA256(), True),
    oid_value(f"{_TERMINAL_AUTH}1.5"): (hashes.SHA512(), False),
    oid_value(f"{_TERMINAL_AUTH}1.6"): (hashes.SHA512(), True),
}
"""Object identifier to digest, and whether the padding is PSS."""
_EC_DIGESTS: Mapping[bytes, str] = {
    oid_value(f"{_TERMINAL_AUTH}2.1"): "sha1",
    oid_value(f"{_TERMINAL_AUTH}2.2"): "sha224",
    oid_value(f"{_TERMINAL_AUTH}2.3"): "sha256",
    oid_value(f"{_TERMINAL_AUTH}2.4"): "sha384",
    oid_value(f"{_TERMINAL_AUTH}2.5"): "sha512",
}
_CURVES = (
    ecdsa.NIST192p, ecdsa.NIST224p, ecdsa.NIST256p, ecdsa.NIST384p, ecdsa.NIST521p,
    ecdsa.BRAINPOOLP192r1, ecdsa.BRAINPOOLP224r1, ecdsa.BRAINPOOLP256r1, ecdsa.BRAINPOOLP320r1,
    ecdsa.BRAINPOOLP384r1, ecdsa.BRAINPOOLP512r1,
)  # fmt: skip
_SEAL = object()
"""Only who holds it can make a terminal; it never leaves this module."""


class Role(IntEnum):
    """What a holder is, the first two bits of its authorisation."""

    TERMINAL = 0
    FOREIGN_VERIFIER = 1
    """A document verifier (DV) that another country runs."""
    DOMESTIC_VERIFIER = 2
    AUTHORITY = 3
    """The country verifying certification authority (CVCA)."""


class TerminalKind(StrEnum):
    """What the rights are about."""

    INSPECTION = "IS"
    AUTHENTICATION = "AT"
    SIGNATURE = "ST"


class Right(IntEnum):
    """What an inspection system may read, a bit of its rights."""

    FINGERS = 0x01
    """DG3."""
    IRIS = 0x02
    """DG4."""


_KINDS: Mapping[bytes, tuple[TerminalKind, int]] = {
    oid_value("0.4.0.127.0.7.3.1.2.1"): (TerminalKind.INSPECTION, 1),
    oid_value("0.4.0.127.0.7.3.1.2.2"): (TerminalKind.AUTHENTICATION, 5),
    oid_value("0.4.0.127.0.7.3.1.2.3"): (TerminalKind.SIGNATURE, 1),
}
"""Object identifier of the role to kind, and how many bytes its rights have."""


@dataclass(frozen=True, slots=True)
class RSAKey:
    """A public key for RSA, and how its holder signs."""

    digest: hashes.HashAlgorithm
    pss: bool
    key: rsa.RSAPublicKey

    @property
    def weak(self) -> bool:
        """Whether its signatures rest on SHA-1."""
        return is_weak(self.digest)


@dataclass(frozen=True, slots=True)
class ECKey:
    """A public key for ECDSA, and how its holder signs.

    Attributes:
        digest: as hashlib names it.
        curve: of the ecdsa package; None if its issuer's holds.
        point: uncompressed; not on any curve before one is known.
    """

    digest: str
    curve: Any
    point: bytes

    @property
    def weak(self) -> bool:
        """Whether its signatures rest on SHA-1."""
        return self.digest == "sha1"


Key: TypeAlias = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class CVC:
    """A certificate, unproven.

    Attributes:
        raw: all of it.
        body: the signed part, tag and length included.
        signature: over `body`.
        issuer: reference of the key that signed it.
        holder: reference of the key in it.
        key: the holder's.
        kind: what the rights are about.
        role: what the holder is.
        rights: the bits of the authorisation without the role's.
        effective: its first day.
        expires: its last day.
    """

    raw: bytes = field(repr=False)
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    issuer: str
    holder: str
    key: Key = field(repr=False)
    kind: TerminalKind
    role: Role
    rights: int
    effective: date
    expires: date


@dataclass(frozen=True, slots=True)
class VerifiedTerminal:
    """A chain that holds. Only `verify_chain` makes one.

    Attributes:
        chain: from the trust point's first successor to the terminal.
        key: the terminal's, with its domain parameters.
        rights: what the whole chain allows.
    """

    chain: tuple[CVC, ...]
    key: Key = field(repr=False)
    rights: int
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only verify_chain makes a VerifiedTerminal")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the certificates")

    @property
    def holder(self) -> str:
        """The reference of the terminal's key."""
        return self.chain[-1].holder

    def check(self, signature: bytes, signed: bytes) -> None:
        """Return only if the terminal's key signed that. Raises ChipLied(SIGNATURE_INVALID)."""
        _check(self.key, signature, signed, doing="terminal's signature")


def parse_cvc(raw: bytes) -> CVC:
    """Parse a certificate.

    Raises:
        ChipMalformed: not one in the one encoding, or a key or a date out of bounds.
    """
    # The outermost length is never sent to a chip; one country wrote it longer than it need be.
    body, signature = _members(parse_one(raw, _CERTIFICATE, limit=MAX_BYTES), (_BODY, _SIGNATURE))
    parts = _canonical(body.value)
    tags = tuple(each.tag for each in parts)
    if tags not in {_FIELDS, (*_FIELDS, _EXTENSIONS)}:
        raise ChipMalformed(_DOING, "other fields than a certificate has")
    profile, issuer, key, holder, template, effective, expires = parts[: len(_FIELDS)]
    if profile.value != b"\0":
        raise ChipMalformed(_DOING, "another profile")
    for extensions in parts[len(_FIELDS) :]:
        _extensions(extensions)
    kind, role, rights = _authorisation(template)
    made = CVC(
        raw=raw,
        body=body.to_bytes(),
        signature=signature.value,
        issuer=reference(issuer.value),
        holder=reference(holder.value),
        key=_key(key, authority=role is Role.AUTHORITY),
        kind=kind,
        role=role,
        rights=rights,
        effective=_day(effective.value),
        expires=_day(expires.value),
    )
    if made.expires < made.effective or not made.signature:
        raise ChipMalformed(_DOING, "no validity or no signature")
    return made


def reference(raw: bytes) -> str:
    """Return a reference to a holder's key: country, mnemonic and sequence number.

    Raises:
        ChipMalformed: 8 to 16 printable characters of ISO 8859-1 it is not.
    """
    text = raw.decode("latin-1")
    country, number = text[:_COUNTRY_CHARS], text[-_SEQUENCE_CHARS:]
    if (
        len(text) not in _REFERENCE_LENGTHS
        or not text.isprintable()
        or not (country.isascii() and country.isalpha() and country.isupper())
        or not (number.isascii() and number.isalnum())
    ):
        raise ChipMalformed(_DOING, "no reference")
    return text


def path(certificates: Iterable[CVC], *, known: Iterable[str]) -> tuple[CVC, ...]:
    """Return the certificates that lead from a key that a chip knows to a terminal.

    Args:
        certificates: what the operator has, in any order.
        known: references that the chip gives.

    Returns:
        The shortest such path, the terminal last; empty if there is none. Nothing of it is checked.
    """
    by_holder: dict[str, list[CVC]] = {}
    for each in certificates:
        by_holder.setdefault(each.holder, []).append(each)
    ends = [each for made in by_holder.values() for each in made if each.role is Role.TERMINAL]
    wanted = frozenset(known)
    paths: list[tuple[CVC, ...]] = [(each,) for each in ends]
    for _ in range(MAX_CHAIN):
        for found in paths:
            if found[0].issuer in wanted:
                return found
        paths = [
            (before, *found)
            for found in paths
            for before in by_holder.get(found[0].issuer, [])
            if before not in found
        ][:MAX_CHAIN]
    return ()


def verify_chain(
    chain: Sequence[CVC],
    trust_point: CVC,
    *,
    on: date,
    kind: TerminalKind = TerminalKind.INSPECTION,
    allow_sha1: bool = False,
) -> VerifiedTerminal:
    """Return the terminal at the end of a chain that holds.

    Args:
        chain: from the trust point's first successor to the terminal.
        trust_point: an authority that the operator trusts.
        on: the day that it must be valid on.
        kind: what the terminal is.
        allow_sha1: accept signatures that rest on SHA-1.

    Raises:
        ChipLied: SIGNATURE_INVALID: a gap, a wrong signature, a role that may not issue or a weak
            digest; SIGNER_EXPIRED: not valid on that day.
        ChipMalformed: domain parameters are missing, or a point is not on its curve.
    """
    if not 1 <= len(chain) <= MAX_CHAIN or chain[-1].role is not Role.TERMINAL:
        raise _invalid("no chain to a terminal")
    if trust_point.role is not Role.AUTHORITY or trust_point.kind is not kind:
        raise _invalid("the trust point is no such authority")
    issuer, key, rights = trust_point, _with_curve(trust_point.key, None), trust_point.rights
    if issuer.issuer == issuer.holder:
        _check_issued(issuer, key, allow_sha1=allow_sha1)
    for each in chain:
        if each.issuer != issuer.holder or each.kind is not kind:
            raise _invalid("a gap in the chain")
        if not _may_issue(issuer.role, each.role):
            raise _invalid("a role that may not issue")
        _check_issued(each, key, allow_sha1=allow_sha1)
        if not issuer.effective <= each.effective <= issuer.expires:
            raise ChipLied(Fault.SIGNER_EXPIRED, _DOING, "issued out of its issuer's validity")
        superseded = each.role is Role.AUTHORITY
        if not superseded and not issuer.effective <= on <= issuer.expires:
            raise ChipLied(Fault.SIGNER_EXPIRED, _DOING)
        issuer, key, rights = each, _with_curve(each.key, key), rights & each.rights
    if not issuer.effective <= on <= issuer.expires:
        raise ChipLied(Fault.SIGNER_EXPIRED, _DOING)
    return VerifiedTerminal(tuple(chain), key, rights, seal=_SEAL)


def _may_issue(issuer: Role, holder: Role) -> bool:
    if issuer is Role.AUTHORITY:
        return holder is not Role.TERMINAL
    return issuer is not Role.TERMINAL and holder is Role.TERMINAL


def _check_issued(certificate: CVC, key: Key, *, allow_sha1: bool) -> None:
    if key.weak and not allow_sha1:
        raise _invalid("rests on SHA-1")
    _check(key, certificate.signature, certificate.body, doing=_DOING)


def _check(key: Key, signature: bytes, signed: bytes, *, doing: str) -> None:
    if isinstance(key, RSAKey):
        _check_rsa(key, signature, signed, doing=doing)
        return
    public = ecdsa.VerifyingKey.from_string(
        key.point, curve=key.curve, valid_encodings=("uncompressed",)
    )
    digest = hashlib.new(key.digest, signed, usedforsecurity=False).digest()
    try:
        public.verify_digest(signature, digest, allow_truncate=True)
    except BadSignatureError as error:
        raise ChipLied(Fault.SIGNATURE_INVALID, doing) from error


def _check_rsa(key: RSAKey, signature: bytes, signed: bytes, *, doing: str) -> None:
    # How long the salt is differs between issuers' tools, and gives nobody anything.
    pss = padding.PSS(padding.MGF1(key.digest), padding.PSS.AUTO)
    try:
        key.key.verify(signature, signed, pss if key.pss else padding.PKCS1v15(), key.digest)
    except InvalidSignature as error:
        raise ChipLied(Fault.SIGNATURE_INVALID, doing) from error


def _with_curve(key: Key, issuer: Key | None) -> Key:
    """Return the key with the domain parameters that hold for it."""
    if isinstance(key, RSAKey):
        return key
    curve = key.curve or (issuer.curve if isinstance(issuer, ECKey) else None)
    if curve is None:
        raise ChipMalformed(_DOING, "no domain parameters")
    try:
        ecdsa.VerifyingKey.from_string(key.point, curve=curve, valid_encodings=("uncompressed",))
    except MalformedPointError as error:
        raise ChipMalformed(_DOING, "a point that is not on its curve") from error
    return ECKey(key.digest, curve, key.point)


def _key(item: TLV, *, authority: bool) -> Key:
    parts = _canonical(item.value)
    tags = tuple(each.tag for each in parts)
    algorithm = parts[0].value if parts else b""
    if algorithm in _RSA_SCHEMES and tags == _RSA_FIELDS:
        return RSAKey(*_RSA_SCHEMES[algorithm], _rsa(parts[1].value, parts[2].value))
    digest = _EC_DIGESTS.get(algorithm)
    if digest is not None and tags == _EC_FIELDS:
        return ECKey(digest, None, _point(parts[1].value))
    if digest is not None and tags == _EC_ALL_FIELDS and authority:
        return ECKey(digest, _domain(parts), _point(parts[6].value))
    raise ChipMalformed(_DOING, "no key that its holder may have")


def _rsa(modulus: bytes, exponent: bytes) -> rsa.RSAPublicKey:
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    whole = modulus[:1] != b"\0" and exponent[:1] != b"\0" and len(exponent) <= MAX_EXPONENT_BYTES
    if not whole or not n & 1 or not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise ChipMalformed(_DOING, "an RSA key out of bounds")
    try:
        return rsa.RSAPublicNumbers(e, n).public_key()
    except ValueError as error:
        raise ChipMalformed(_DOING, "an RSA key that is none") from error


def _point(raw: bytes) -> bytes:
    if raw[:1] != b"\x04" or not len(raw) & 1 or len(raw) > 1 + 2 * MAX_COORDINATE_BYTES:
        raise ChipMalformed(_DOING, "not an uncompressed point")
    return raw


def _domain(parts: Sequence[TLV]) -> Any:
    """Return the known curve that has every one of these parameters."""
    given = {each.tag: each.value for each in parts}
    if any(len(each) > 1 + 2 * MAX_COORDINATE_BYTES for each in given.values()):
        raise ChipMalformed(_DOING, "domain parameters out of bounds")
    numbers = tuple(int.from_bytes(given[tag], "big") for tag in (0x81, 0x82, 0x83, 0x85, 0x87))
    for known in _CURVES:
        p, base = int(known.curve.p()), known.generator
        expected = (p, int(known.curve.a()) % p, int(known.curve.b()) % p, int(known.order), 1)
        if numbers == expected and given[0x84] == base.to_bytes("uncompressed"):
            return known
    raise ChipMalformed(_DOING, "no curve that is known by name")


def _authorisation(template: TLV) -> tuple[TerminalKind, Role, int]:
    kind, bits = _members(template, (_OID, _RIGHTS))
    if kind.value not in _KINDS or len(bits.value) != _KINDS[kind.value][1]:
        raise ChipMalformed(_DOING, "no authorisation that is known")
    number, width = int.from_bytes(bits.value, "big"), 8 * len(bits.value) - 2
    return _KINDS[kind.value][0], Role(number >> width), number & ((1 << width) - 1)


def _extensions(item: TLV) -> None:
    """Return only if it is a list of extensions; what they say is not for an inspection system."""
    for each in _canonical(item.value):
        if each.tag != _EXTENSION:
            raise ChipMalformed(_DOING, "no extension")


def _day(digits: bytes) -> date:
    if len(digits) != 6 or max(digits) > 9:
        raise ChipMalformed(_DOING, "no date")
    year, month, day = (10 * digits[at] + digits[at + 1] for at in (0, 2, 4))
    try:
        return date(2000 + year, month, day)
    except ValueError as error:
        raise ChipMalformed(_DOING, "no date") from error


def _canonical(raw: bytes) -> tuple[TLV, ...]:
    parts = parse(raw, limit=MAX_BYTES)
    if b"".join(encode(each.tag, each.value) for each in parts) != raw:
        raise ChipMalformed(_DOING, "a length that is longer than it need be")
    return parts


def _members(item: TLV, tags: tuple[int, ...]) -> tuple[TLV, ...]:
    parts = _canonical(item.value)
    if tuple(each.tag for each in parts) != tags:
        raise ChipMalformed(_DOING, "other fields than must be")
    return parts


def _invalid(why: str) -> ChipLied:
    return ChipLied(Fault.SIGNATURE_INVALID, _DOING, why)
