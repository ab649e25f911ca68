"""Whom an operator trusts to issue documents: country signers and what they have revoked.

Knows certificates and revocation lists as bytes, and which of the keys issued a document signer.
Reads no file and no clock. Every anchor is trusted because the operator brought it; its own
signature is checked only to find a damaged one. A link certificate (one name, the next key) is an
anchor like any other: the path is always one step, from the document signer to a key of this store.

An issuer is looked for by name and, among those of one name, by key identifier first, then by every
key: identifiers are missing or wrong in the field.

Spec: [9303-12]; [5280].
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from asn1crypto import core, crl

from emrtd import certificate as certificates
from emrtd._asn1 import reading
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.signatures import Scheme, check_signature, describe_key, scheme_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import datetime

    from emrtd.certificate import Certificate
    from emrtd.signatures import PublicKey

MAX_CRL_BYTES = 4_194_304


class AnchorEntry(TypedDict):
    """One issuer, for people and machines; what could not be read is None, its name empty."""

    subject: str
    country: str | None
    key: str | None
    not_after: str | None
    usable: bool
    why_not: str | None


class RevocationEntry(TypedDict):
    """One revocation list, for people and machines."""

    issuer: str
    revoked: int
    next_update: str | None
    usable: bool
    why_not: str | None


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
            "key": describe_key(self.key) if self.key else None,
            "not_after": _stamp(cert.not_after) if cert else None,
            "usable": why_not is None,
            "why_not": why_not,
        }


@dataclass(frozen=True, slots=True)
class _RevocationList:
    issuer: Hashable
    issuer_text: str
    signed: bytes
    signature: bytes
    scheme: Scheme
    serials: frozenset[int]
    next_update: str | None
    partial: bool


class TrustStore:
    """Issuers that are trusted, and what they revoked. Immutable once it is made.

    What cannot be used is kept and listed with the reason; it is never silently gone.

    Attributes:
        allow_sha1: whether a document may rest on SHA-1.
    """

    def __init__(
        self, anchors: Iterable[bytes], crls: Iterable[bytes] = (), *, allow_sha1: bool = False
    ) -> None:
        """Load.

        Args:
            anchors: certificates, DER. One that cannot be used is listed, not refused.
            crls: revocation lists, DER. Each counts if any anchor of its issuer's name signed it.
            allow_sha1: accept documents and revocation lists that rest on SHA-1.

        Raises:
            ChipMalformed: a revocation list cannot be read; to ignore it would be to un-revoke.
        """
        self.allow_sha1 = allow_sha1
        self._brought = [_bring(raw) for raw in dict.fromkeys(anchors)]
        self._anchors: defaultdict[Hashable, list[Anchor]] = defaultdict(list)
        for each in self._brought:
            if each.certificate and each.key and not each.why_not:
                anchor = Anchor(each.certificate, each.key)
                self._anchors[anchor.certificate.subject].append(anchor)
        self._lists = [
            (each, self._why_not(each))
            for each in (_revocation_list(raw) for raw in dict.fromkeys(crls))
        ]

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
        return tuple(
            {
                "issuer": each.issuer_text,
                "revoked": len(each.serials),
                "next_update": each.next_update,
                "usable": why_not is None,
                "why_not": why_not,
            }
            for each, why_not in self._lists
        )

    def issuer_of(self, certificate: Certificate, *, at: datetime) -> Anchor | None:
        """Return who issued a certificate, None if nobody that is trusted did.

        Several certificates may hold the issuer's key (a root and a link to it): one that is valid
        at that instant is preferred.

        Raises:
            ChipLied: SIGNATURE_INVALID: it names the key of an anchor that did not sign it.
        """
        named = self._anchors.get(certificate.issuer, [])
        issuers = [each for each in named if _signed(certificate, each.key)]
        if issuers:
            return max(issuers, key=lambda each: each.certificate.valid_at(at))
        wanted = certificate.issuer_key_id
        if wanted is not None and any(each.certificate.key_id == wanted for each in named):
            raise ChipLied(Fault.SIGNATURE_INVALID, "verify document signer")
        return None

    def check_not_revoked(self, certificate: Certificate) -> None:
        """Return only if no usable list names that certificate.

        A listed certificate counts as revoked from the beginning: who stole a key sets its clock.

        Raises:
            ChipLied: SIGNER_REVOKED.
        """
        for each, why_not in self._lists:
            if (
                why_not is None
                and each.issuer == certificate.issuer
                and certificate.serial in each.serials
            ):
                raise ChipLied(Fault.SIGNER_REVOKED, "look the document signer up")

    def _why_not(self, revoking: _RevocationList) -> str | None:
        if revoking.partial:
            return "covers a part only"
        if revoking.scheme.weak and not self.allow_sha1:
            return "rests on SHA-1"
        named = [
            each
            for each in self._anchors.get(revoking.issuer, [])
            if each.certificate.may_sign_revocations
        ]
        if not named:
            return "issuer unknown"
        for each in named:
            try:
                check_signature(
                    each.key, revoking.scheme, revoking.signature, revoking.signed, doing="CRL"
                )
            except ChipLied:
                continue
            return None
        return "signature invalid"


def _bring(raw: bytes) -> _Brought:
    try:
        certificate = certificates.parse(raw)
    except ChipMalformed:
        return _Brought(None, None, "not a certificate")
    try:
        key = certificate.key()
    except ChipMalformed:
        return _Brought(certificate, None, "unsupported key")
    if not certificate.may_sign_certificates:
        return _Brought(certificate, key, "not a certificate authority")
    root = certificate.self_issued and certificate.issuer_key_id in {None, certificate.key_id}
    if root and not _signed(certificate, key):
        return _Brought(certificate, key, "its own signature is wrong")
    return _Brought(certificate, key, None)


def _signed(certificate: Certificate, key: PublicKey) -> bool:
    try:
        certificate.check_issued_by(key)
    except (ChipLied, ChipMalformed):
        return False
    return True


def _revocation_list(raw: bytes) -> _RevocationList:
    with reading("CRL"):
        if len(raw) > MAX_CRL_BYTES:
            raise ValueError("too long")
        whole = crl.CertificateList.load(raw, strict=True)
        body = whole["tbs_cert_list"]
        revoked, next_update = body["revoked_certificates"], body["next_update"]
        return _RevocationList(
            issuer=body["issuer"].hashable,
            issuer_text=certificates.name_text(body["issuer"]),
            signed=body.dump(),
            signature=bytes(whole["signature"]),
            scheme=scheme_of(whole["signature_algorithm"]),
            serials=frozenset(int(each["user_certificate"]) for each in _items(revoked)),
            next_update=None if isinstance(next_update, core.Void) else _stamp(next_update.native),
            partial=any(bool(each["critical"].native) for each in _items(body["crl_extensions"])),
        )


def _items(sequence: core.Asn1Value) -> Iterable[core.Asn1Value]:
    """Return the parts of an optional sequence."""
    return () if isinstance(sequence, core.Void) else sequence


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
