"""An X.509 certificate as states really issue them, read with care and kept byte for byte.

Knows the few fields that a document's chain needs. Does not know whether anybody should believe
them: that is `emrtd.trust`. Serial numbers that are zero or negative, basic constraints that are
not DER and names whose strings differ only in their type are met in the field and are read.

Spec: [9303-12] certificate profile; [5280].
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asn1crypto import core, x509

from emrtd._asn1 import load, reading
from emrtd.signatures import (
    MIN_RSA_BITS,
    PublicKey,
    Scheme,
    check_signature,
    load_public_key,
    scheme_of,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

MAX_CERTIFICATE_BYTES = 65_536
MAX_EXTENSIONS = 64
MAX_NAME_CHARS = 200
MAX_SERIAL_DIGITS = 40
"""Hexadecimal ones that are shown; states keep to it."""

_BASIC_CONSTRAINTS, _KEY_USAGE = "2.5.29.19", "2.5.29.15"
_SUBJECT_KEY_ID, _AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"
"""Where it is critical, only who knows the named use may use the key."""
_ANY_USE = "2.5.29.37.0"
_UNDERSTOOD = frozenset(
    {
        _BASIC_CONSTRAINTS, _KEY_USAGE, _SUBJECT_KEY_ID, _AUTHORITY_KEY_ID,
        "2.5.29.16",  # private key usage period
        "2.5.29.17", "2.5.29.18",  # alternative names of subject and issuer
        "2.5.29.31",  # where revocation lists are
        "2.5.29.32",  # policies
        "2.23.136.1.1.6.1", "2.23.136.1.1.6.2",  # name change, document types
    }
)  # fmt: skip
_DIGITAL_SIGNATURE, _KEY_CERT_SIGN, _CRL_SIGN = "digital_signature", "key_cert_sign", "crl_sign"


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """What a certificate says of itself.

    Attributes:
        raw: the whole certificate, DER.
        signed: the part that its issuer signed, DER.
        signature: its issuer's signature.
        algorithm: how that was made, DER.
        subject: its holder's name, made comparable.
        issuer: its issuer's name, made comparable.
        subject_text: its holder's name for people: bounded, without control characters.
        issuer_text: its issuer's name for people.
        country: two or three letters in upper case, None if the name has none.
        serial: any integer.
        not_before: aware.
        not_after: aware.
        key_info: SubjectPublicKeyInfo, DER.
        key_id: subject key identifier, None without.
        issuer_key_id: authority key identifier, None without.
        authority: what its basic constraints say of issuing certificates, None without them.
        uses: what its key is for, by asn1crypto's names; None if it doesn't say.
        extended_uses: purposes that its key is limited to, dotted; None if it names none.
        not_understood: critical extensions that are not understood here, dotted.
    """

    raw: bytes
    signed: bytes
    signature: bytes
    algorithm: bytes
    subject: Hashable
    issuer: Hashable
    subject_text: str
    issuer_text: str
    country: str | None
    serial: int
    not_before: datetime
    not_after: datetime
    key_info: bytes
    key_id: bytes | None
    issuer_key_id: bytes | None
    authority: bool | None
    uses: frozenset[str] | None
    extended_uses: frozenset[str] | None
    not_understood: frozenset[str]

    def __repr__(self) -> str:
        serial = f"{self.serial:x}"[:MAX_SERIAL_DIGITS]
        return f"<Certificate {self.subject_text!r} serial {serial}>"

    @property
    def may_sign(self) -> bool:
        """Whether its key may sign what is neither a certificate nor a revocation list."""
        return self.uses is None or _DIGITAL_SIGNATURE in self.uses

    @property
    def may_sign_data(self) -> bool:
        """Whether its key may sign a document.

        A document signer names no extended use [9303-12]: whoever names some is there for these,
        critical or not, as a master list signer is, or a server.
        """
        return self.may_sign and (self.extended_uses is None or _ANY_USE in self.extended_uses)

    @property
    def may_sign_certificates(self) -> bool:
        """Whether its key may issue certificates: both extensions agree, or the one that is there.

        States do issue with a key whose certificate says so in its key usage only.
        """
        if self.uses is None:
            return self.authority is True
        return self.authority is not False and _KEY_CERT_SIGN in self.uses

    @property
    def may_sign_revocations(self) -> bool:
        """Whether its key may sign revocation lists."""
        return self.uses is None or _CRL_SIGN in self.uses

    @property
    def unknown_critical(self) -> bool:
        """Whether it has a critical extension that is not understood here."""
        return bool(self.not_understood)

    @property
    def self_issued(self) -> bool:
        """Whether issuer and subject have one name: a root, or a link to its next key."""
        return self.subject == self.issuer

    def scheme(self) -> Scheme:
        """Return how its signature was made. Raises ChipMalformed if that is unknown."""
        with reading("Certificate"):
            return scheme_of(load(x509.SignedDigestAlgorithm, self.algorithm))

    def key(self, *, min_rsa_bits: int = MIN_RSA_BITS) -> PublicKey:
        """Return its key. Raises ChipMalformed if it cannot be used."""
        return load_public_key(self.key_info, min_rsa_bits=min_rsa_bits)

    def valid_at(self, at: datetime) -> bool:
        """Return whether that aware instant lies in its validity, both ends included."""
        return self.not_before <= at <= self.not_after

    def check_issued_by(self, key: PublicKey) -> None:
        """Return only if that key signed it. Raises ChipLied(SIGNATURE_INVALID), ChipMalformed."""
        check_signature(key, self.scheme(), self.signature, self.signed, doing="verify certificate")


def parse(raw: bytes) -> Certificate:
    """Parse a certificate.

    Raises:
        ChipMalformed: it is none, too long, or names two algorithms for its one signature.
    """
    with reading("Certificate"):
        if len(raw) > MAX_CERTIFICATE_BYTES:
            raise ValueError("too long")
        certificate = load(x509.Certificate, raw)
        body = certificate["tbs_certificate"]
        extensions, not_understood = _extensions(body["extensions"])
        algorithm = certificate["signature_algorithm"].dump()
        if body["signature"].dump() != algorithm:
            raise ValueError("two signature algorithms")
        subject = issuer = _name(body["subject"])
        # Most country signers have one name twice, and to make it comparable is most of the work.
        if body["issuer"].dump() != body["subject"].dump():
            issuer = _name(body["issuer"])
        return Certificate(
            raw=raw,
            signed=body.dump(),
            signature=bytes(certificate["signature_value"]),
            algorithm=algorithm,
            subject=subject[0],
            issuer=issuer[0],
            subject_text=subject[1],
            issuer_text=issuer[1],
            country=name_country(body["subject"]),
            serial=int(body["serial_number"]),
            not_before=instant(body["validity"]["not_before"]),
            not_after=instant(body["validity"]["not_after"]),
            key_info=body["subject_public_key_info"].dump(),
            key_id=_key_id(extensions.get(_SUBJECT_KEY_ID)),
            issuer_key_id=issuer_key_id(extensions.get(_AUTHORITY_KEY_ID)),
            authority=_authority(extensions.get(_BASIC_CONSTRAINTS)),
            uses=_uses(extensions.get(_KEY_USAGE)),
            extended_uses=_extended_uses(extensions.get(EXTENDED_KEY_USAGE)),
            not_understood=not_understood,
        )


def _name(name: Any) -> tuple[Hashable, str]:
    """Return a name of asn1crypto, comparable and for people."""
    return name.hashable, name_text(name)


def name_text(name: Any) -> str:
    """Return a name of asn1crypto for people: bounded, without control characters."""
    text = "".join(c if c.isprintable() else "?" for c in str(name.human_friendly))
    return text[:MAX_NAME_CHARS]


def issuer_key_id(der: bytes | None) -> bytes | None:
    """Return the key identifier of an authority key identifier extension, None without."""
    if der is None:
        return None
    found = load(x509.AuthorityKeyIdentifier, der)["key_identifier"]
    return bytes(found) if isinstance(found, core.OctetString) else None


def _extensions(extensions: Any) -> tuple[dict[str, bytes], frozenset[str]]:
    """Return extension to its value, undecoded, and those critical ones that nobody here knows."""
    found: dict[str, bytes] = {}
    not_understood: set[str] = set()
    if isinstance(extensions, core.Void):
        return found, frozenset()
    if len(extensions) > MAX_EXTENSIONS:
        raise ValueError("too many extensions")
    for extension in extensions:
        name = extension["extn_id"].dotted
        if name in found:
            raise ValueError("an extension stands twice")
        found[name] = bytes(extension["extn_value"])
        if extension["critical"].native and name not in _UNDERSTOOD:
            not_understood.add(name)
    return found, frozenset(not_understood)


def _authority(der: bytes | None) -> bool | None:
    return None if der is None else bool(load(x509.BasicConstraints, der)["ca"].native)


def _uses(der: bytes | None) -> frozenset[str] | None:
    return None if der is None else frozenset(load(x509.KeyUsage, der).native)


def _extended_uses(der: bytes | None) -> frozenset[str] | None:
    if der is None:
        return None
    return frozenset(each.dotted for each in load(x509.ExtKeyUsageSyntax, der))


def _key_id(der: bytes | None) -> bytes | None:
    return None if der is None else bytes(load(core.OctetString, der))


def name_country(name: Any) -> str | None:
    """Return the country of a name of asn1crypto, in upper case; None if it has none."""
    for part in name.chosen:
        for pair in part:
            if pair["type"].dotted == "2.5.4.6":
                text = str(pair["value"].native).strip().upper()
                return text if text.isascii() and text.isalpha() and len(text) <= 3 else None
    return None


def instant(time: Any) -> datetime:
    """Return a Time of asn1crypto, aware. Raises TypeError for a year that no calendar has."""
    found = time.native
    if not isinstance(found, datetime):
        raise TypeError("a year that no calendar has")
    return found
