"""Whom an operator trusts to issue documents: country signers and what they have revoked.

Knows certificates and revocation lists as bytes, and which of the keys issued a document signer.
Reads no file and no clock. Every anchor is trusted because the operator brought it; its own
signature is checked only to find a damaged one. A link certificate (one name, the next key) is an
anchor like any other: the path is always one step, from the document signer to a key of this store.

What is strong enough to be believed is a `TrustPolicy`, brought by the operator too.

An issuer is looked for by name and, among those of one name, by every key: identifiers are missing
or wrong in the field. Whoever is revoked is so by the key: no other certificate for it, a link to
it for example, helps.

Spec: [9303-12]; [5280].
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from cryptography.hazmat.primitives.asymmetric import rsa

from emrtd import certificate as certificates
from emrtd import crl
from emrtd.crl import MAX_CRL_BYTES, RevocationList, Scope
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.signatures import (
    MAX_RSA_BITS,
    MIN_RSA_BITS,
    check_signature,
    describe_key,
    is_weak,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from emrtd.certificate import Certificate
    from emrtd.signatures import PublicKey

__all__ = ["MAX_CRL_BYTES", "Anchor", "AnchorEntry", "RevocationEntry", "TrustPolicy", "TrustStore"]

FLOOR_RSA_BITS = 1024
"""No policy goes below."""
FLOOR_EC_BITS = 224
CEILING_EC_BITS = 521


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What is strong enough to be believed, of issuers and of document signers alike.

    Attributes:
        allow_sha1: whether documents and revocation lists may rest on SHA-1.
        min_rsa_bits: the shortest RSA modulus.
        min_ec_bits: the shortest field of a curve.

    Raises:
        ValueError: a number below what is worth a signature at all, or that no key reaches.
    """

    allow_sha1: bool = False
    min_rsa_bits: int = MIN_RSA_BITS
    min_ec_bits: int = FLOOR_EC_BITS

    def __post_init__(self) -> None:
        if not FLOOR_RSA_BITS <= self.min_rsa_bits <= MAX_RSA_BITS:
            raise ValueError("min_rsa_bits out of range")
        if not FLOOR_EC_BITS <= self.min_ec_bits <= CEILING_EC_BITS:
            raise ValueError("min_ec_bits out of range")

    def key_of(self, certificate: Certificate) -> PublicKey:
        """Return a certificate's key. Raises ChipMalformed if it cannot be used or is too short."""
        key = certificate.key(min_rsa_bits=FLOOR_RSA_BITS)
        if self.too_short(key):
            raise ChipMalformed(
                "SubjectPublicKeyInfo",
                "a key shorter than the policy allows",
                fault=Fault.ALGORITHM_WEAK,
            )
        return key

    def too_short(self, key: PublicKey) -> bool:
        """Return whether a key is shorter than this allows."""
        least = self.min_rsa_bits if isinstance(key, rsa.RSAPublicKey) else self.min_ec_bits
        return key.key_size < least

    def too_weak(self, *digests: HashAlgorithm) -> bool:
        """Return whether one of these digests is not believed."""
        return not self.allow_sha1 and any(map(is_weak, digests))


class AnchorEntry(TypedDict):
    """One issuer, for people and machines; what could not be read is None, its name empty.

    `kind` is "root" if it names itself as its issuer, "link" if its name's previous key issued it,
    "issued" if somebody else did. `not_after` is until when it is trusted.
    """

    subject: str
    country: str | None
    kind: Kind | None
    key: str | None
    not_after: str | None
    usable: bool
    why_not: str | None


class RevocationEntry(TypedDict):
    """One revocation list, for people and machines.

    `issuer_trusted` is whether an issuer of that name is trusted: a list of anybody else revokes
    nothing that is believed here, and one of theirs that is not usable must not be overlooked.
    `scope` is what it stands for, `key` the trusted key that signed it, None if none did.
    """

    issuer: str
    country: str | None
    issuer_trusted: bool
    scope: Scope
    key: str | None
    revoked: int
    this_update: str
    next_update: str | None
    usable: bool
    why_not: str | None


Kind = Literal["root", "link", "issued"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A country signer whose key can be used."""

    certificate: Certificate
    key: PublicKey


@dataclass(frozen=True, slots=True)
class _Brought:
    """A certificate as it was brought: an anchor, or the reason why it is none."""

    certificate: Certificate | None
    key: PublicKey | None
    why_not: str | None

    def entry(self, *, at: datetime | None) -> AnchorEntry:
        cert, why_not = self.certificate, self.why_not
        if cert and at and not why_not and not cert.valid_at(at):
            why_not = "expired" if at > cert.not_after else "not yet valid"
        return {
            "subject": cert.subject_text if cert else "",
            "country": cert.country if cert else None,
            "kind": _kind(cert) if cert else None,
            "key": describe_key(self.key) if self.key else None,
            "not_after": _stamp(cert.not_after) if cert else None,
            "usable": why_not is None,
            "why_not": why_not,
        }


@dataclass(frozen=True, slots=True)
class _BroughtList:
    """A revocation list as it was brought, and the key that signed it or the reason why not."""

    revoking: RevocationList
    issuer_trusted: bool
    key: PublicKey | None
    why_not: str | None

    def entry(self) -> RevocationEntry:
        found = self.revoking
        return {
            "issuer": found.issuer_text,
            "country": found.country,
            "issuer_trusted": self.issuer_trusted,
            "scope": found.scope,
            "key": describe_key(self.key) if self.key else None,
            "revoked": len(found.serials),
            "this_update": _stamp(found.this_update),
            "next_update": None if found.next_update is None else _stamp(found.next_update),
            "usable": self.why_not is None,
            "why_not": self.why_not,
        }


class TrustStore:
    """Issuers that are trusted, and what they revoked. Immutable once it is made.

    What cannot be used is kept and listed with the reason; it is never silently gone.

    Attributes:
        policy: what is strong enough to be believed.
    """

    def __init__(
        self,
        anchors: Iterable[bytes],
        crls: Iterable[bytes] = (),
        *,
        allow_sha1: bool = False,
        policy: TrustPolicy | None = None,
    ) -> None:
        """Load.

        Args:
            anchors: certificates, DER. One that cannot be used is listed, not refused.
            crls: revocation lists, DER. Each counts if any anchor of its issuer's name signed it.
            allow_sha1: short for a policy that differs from the usual one in this only.
            policy: what is strong enough; None for the usual one.

        Raises:
            ChipMalformed: a revocation list cannot be read; to ignore it would be to un-revoke.
            ValueError: both a policy and `allow_sha1`.
        """
        if policy is not None and allow_sha1:
            raise ValueError("allow_sha1 is a part of the policy")
        self.policy = TrustPolicy(allow_sha1=allow_sha1) if policy is None else policy
        self._brought = [_bring(raw, self.policy) for raw in dict.fromkeys(anchors)]
        self._anchors: defaultdict[Hashable, list[Anchor]] = defaultdict(list)
        for each in self._brought:
            if each.certificate and each.key and not each.why_not:
                anchor = Anchor(each.certificate, each.key)
                self._anchors[anchor.certificate.subject].append(anchor)
        self._lists = [self._bring_list(raw) for raw in dict.fromkeys(crls)]

    def list(self, *, at: datetime | None = None) -> tuple[AnchorEntry, ...]:
        """Return every issuer that was brought, usable or not.

        Args:
            at: aware; an issuer that is not valid then is not usable. None leaves time aside.
        """
        return tuple(each.entry(at=at) for each in self._brought)

    def revocation_lists(self) -> tuple[RevocationEntry, ...]:
        """Return every revocation list that was brought, usable or not.

        Its age is shown and not judged: a kiosk may be away from every network for months, and a
        certificate that an old list revokes is revoked.
        """
        return tuple(each.entry() for each in self._lists)

    def issuer_of(self, certificate: Certificate, *, at: datetime) -> Anchor | None:
        """Return who issued a certificate, None if nobody that is trusted did.

        Several certificates may hold the issuer's key (a root and a link to it): one that is valid
        at that instant is preferred.

        Raises:
            ChipLied: CERTIFICATE_INVALID: it names the key of an anchor that did not sign it.
            ChipMalformed: PROOF_UNSUPPORTED: an anchor has its issuer's name, and how it was signed
                is not known here: whether that one did cannot be told.
        """
        named = self._anchors.get(certificate.issuer, [])
        if named and not _scheme_known(certificate):
            raise ChipMalformed(
                "verify certificate", "an unknown signature", fault=Fault.PROOF_UNSUPPORTED
            )
        issuers = [each for each in named if _signed(certificate, each.key)]
        if issuers:
            return max(issuers, key=lambda each: each.certificate.valid_at(at))
        wanted = certificate.issuer_key_id
        if wanted is not None and any(each.certificate.key_id == wanted for each in named):
            raise ChipLied(Fault.CERTIFICATE_INVALID, "verify document signer")
        return None

    def check_not_revoked(
        self, certificate: Certificate, *, fault: Fault = Fault.SIGNER_REVOKED
    ) -> None:
        """Return only if no usable list names that certificate, or another for an issuer's key.

        A listed certificate counts as revoked from the beginning: who stole a key sets its clock.

        Args:
            certificate: of a document signer, or of an issuer.
            fault: what it is if it is revoked.

        Raises:
            ChipLied: with that fault.
        """
        if self._revoked(certificate):
            raise ChipLied(fault, "look the certificate up")

    def _revoked(self, certificate: Certificate) -> bool:
        return self._listed(certificate) or any(map(self._listed, self._of_same_key(certificate)))

    def _listed(self, certificate: Certificate) -> bool:
        return any(
            each.why_not is None
            and each.revoking.issuer == certificate.issuer
            and certificate.serial in each.revoking.serials
            for each in self._lists
        )

    def _of_same_key(self, certificate: Certificate) -> Iterator[Certificate]:
        """Yield what was brought with that certificate's name and key, usable or not."""
        key = _key_of(certificate)
        for each in self._brought:
            namesake = each.certificate
            if namesake and key and namesake.subject == certificate.subject and each.key == key:
                yield namesake

    def _bring_list(self, raw: bytes) -> _BroughtList:
        revoking = crl.parse(raw)
        named = self._anchors.get(revoking.issuer, [])
        key = self._signer_of(revoking, named)
        why_not = self._why_not(revoking, named) or (None if key else "signature invalid")
        return _BroughtList(revoking, bool(named), None if why_not else key, why_not)

    def _why_not(self, revoking: RevocationList, named: Sequence[Anchor]) -> str | None:
        """Return why a list does not count, whatever its signature is worth."""
        if not named:
            return "issuer unknown"
        if revoking.why_not is not None:
            return revoking.why_not
        if self.policy.too_weak(revoking.scheme.digest):
            return "rests on SHA-1"
        if not any(each.certificate.may_sign_revocations for each in named):
            return "its issuer may not sign lists"
        return None

    def _signer_of(self, revoking: RevocationList, named: Sequence[Anchor]) -> PublicKey | None:
        for each in named:
            if not each.certificate.may_sign_revocations:
                continue
            try:
                check_signature(
                    each.key, revoking.scheme, revoking.signature, revoking.signed, doing="CRL"
                )
            except ChipLied:
                continue
            return each.key
        return None


def _bring(raw: bytes, policy: TrustPolicy) -> _Brought:
    try:
        certificate = certificates.parse(raw)
    except ChipMalformed:
        return _Brought(None, None, "not a certificate")
    key = _key_of(certificate)
    if key is None:
        return _Brought(certificate, None, "unsupported key")
    if policy.too_short(key):
        return _Brought(certificate, key, "key too short")
    if not certificate.may_sign_certificates:
        return _Brought(certificate, key, "not a certificate authority")
    if certificate.unknown_critical:
        return _Brought(certificate, key, "unknown critical extension")
    if _kind(certificate) == "root":
        if not _scheme_known(certificate):
            return _Brought(certificate, key, "unsupported signature algorithm")
        if not _signed(certificate, key):
            return _Brought(certificate, key, "its own signature is wrong")
    return _Brought(certificate, key, None)


def _key_of(certificate: Certificate) -> PublicKey | None:
    try:
        return certificate.key(min_rsa_bits=FLOOR_RSA_BITS)
    except ChipMalformed:
        return None


def _kind(certificate: Certificate) -> Kind:
    if not certificate.self_issued:
        return "issued"
    own = certificate.issuer_key_id in {None, certificate.key_id}
    return "root" if own else "link"


def _scheme_known(certificate: Certificate) -> bool:
    try:
        certificate.scheme()
    except ChipMalformed:
        return False
    return True


def _signed(certificate: Certificate, key: PublicKey) -> bool:
    """Return whether that key signed it, in a way that is known here."""
    try:
        certificate.check_issued_by(key)
    except ChipLied:
        return False
    return True


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
