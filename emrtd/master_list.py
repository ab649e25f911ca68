"""ICAO master lists: the country signers that one state collected, and its signature over them.

Knows the list and who may sign one. A `MasterList` was only read: whoever trusts its certificates
vouches for them. A `VerifiedMasterList` was signed by a master list signer that the caller trusts;
only `verify` and `verify_by` make one. Whether a listed certificate can be used is `emrtd.trust`'s:
lists carry certificates that contradict themselves, and none is dropped here.

Spec: [9303-12] CSCA master list; [5652].
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, NoReturn

from asn1crypto import core

from emrtd import _cms
from emrtd import certificate as certificates
from emrtd._asn1 import load, reading
from emrtd.certificate import EXTENDED_KEY_USAGE, MAX_CERTIFICATE_BYTES
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.tlv import length_from_head
from emrtd.trust import TrustPolicy
from emrtd.validity import ClockQuality, Validity, judge, worst

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from emrtd._cms import SignedData
    from emrtd.certificate import Certificate
    from emrtd.trust import TrustStore

MASTER_LIST = "2.23.136.1.1.2"
MASTER_LIST_SIGNER = "2.23.136.1.1.3"
MAX_BYTES = 16_777_216
MAX_CERTIFICATES = 8192
"""The world has some 800 issuers' certificates."""
MAX_OBJECTS = 1_000_000
"""In all of them; a certificate has about a hundred."""

_SEQUENCE, _HEAD_BYTES = 0x30, 8
_DOING = "verify master list"
_SEAL = object()
"""Only who holds it can make a verified list; it never leaves this module."""


@dataclass(frozen=True, slots=True)
class MasterList:
    """A list as it was brought. Nobody's signature was checked.

    Attributes:
        certificates: as they stand in the list, DER each, in its order, none twice.
        signed: the list and its one signature.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    signed: SignedData = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedMasterList:
    """A list that a trusted signer signed. Only `verify` and `verify_by` make one.

    Attributes:
        certificates: as they stand in the list, DER each, in its order, none twice.
        signer: who signed it, for people.
        issuer: who issued the signer's certificate, for people.
        not_after: when that certificate ends, aware.
        validity: of the signer, as far as the clock can tell: held or supposed.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    signer: str
    issuer: str
    not_after: datetime
    validity: Validity
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only a verification makes a VerifiedMasterList")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the list")


def parse(raw: bytes) -> MasterList:
    """Parse a list: the whole CMS structure, DER.

    Raises:
        ChipMalformed: it is none, of another version, signed by none or several, or too long.
    """
    if len(raw) > MAX_BYTES:
        raise ChipMalformed("CSCAMasterList", "too long")
    signed = _cms.parse(raw, content_type=MASTER_LIST, what="CSCAMasterList")
    with reading("CSCAMasterList"):
        content = load(core.Sequence, signed.content, max_objects=MAX_OBJECTS)
        if len(content) != 2 or int(content[0]) != 0 or not isinstance(content[0], core.Integer):
            raise ValueError("another version")
        listed = content[1]
        if not isinstance(listed, core.Set):
            raise TypeError("no set")
        found = tuple(_certificates(bytes(listed.contents)))
    return MasterList(tuple(dict.fromkeys(found)), signed)


def _certificates(raw: bytes) -> Iterator[bytes]:
    """Yield the members of a set that was walked, each looked at no further than its head."""
    at = count = 0
    while at < len(raw):
        count += 1
        if count > MAX_CERTIFICATES:
            raise ChipMalformed("CSCAMasterList", "too many certificates")
        header, length = length_from_head(raw[at : at + _HEAD_BYTES])
        if raw[at] != _SEQUENCE or header + length > MAX_CERTIFICATE_BYTES:
            raise ChipMalformed("CSCAMasterList", "what is no certificate")
        yield raw[at : at + header + length]
        at += header + length


def check_intact(listed: MasterList, *, policy: TrustPolicy | None = None) -> Certificate:
    """Return the embedded certificate whose key signed the list, whoever that may be.

    Anyone can make such a list: this tells a damaged one, and who claims to have made it.

    Raises:
        ChipLied: SIGNATURE_INVALID: another list was signed; SIGNER_NOT_ALLOWED: by a key that may
            not; ALGORITHM_WEAK: too weakly.
        ChipMalformed: the signer's key cannot be used.
    """
    signers = listed.signed.signers()
    if len(signers) != 1:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "no certificate that may sign lists")
    _check_signed_by(listed, signers[0], policy=policy or TrustPolicy())
    return signers[0]


def verify(
    listed: MasterList,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
) -> VerifiedMasterList:
    """Return the list, signed by a master list signer that a trusted country signer issued.

    Args:
        listed: the list.
        trust: country signers that the caller has from elsewhere, never from this list.
        at: the instant that certificates are judged at, aware.
        clock: what is known of that instant.

    Raises:
        ChipLied: as `check_intact`; ISSUER_UNKNOWN, CERTIFICATE_INVALID, SIGNER_REVOKED,
            ISSUER_REVOKED, or SIGNER_EXPIRED for whatever is not valid then (also where only the
            clock is wrong).
        ChipMalformed: the signer's key cannot be used; PROOF_UNSUPPORTED: its certificate is
            signed in a way that is not known here.
    """
    signer = check_intact(listed, policy=trust.policy)
    issuer = trust.issuer_of(signer, at=at)
    if issuer is None:
        raise ChipLied(Fault.ISSUER_UNKNOWN, _DOING)
    if trust.policy.too_weak(signer.scheme().digest):
        raise ChipLied(Fault.ALGORITHM_WEAK, _DOING, "its certificate rests on SHA-1")
    trust.check_not_revoked(signer)
    trust.check_not_revoked(issuer.certificate, fault=Fault.ISSUER_REVOKED)
    validity = worst(_judge(signer, at, clock), _judge(issuer.certificate, at, clock))
    return _verified(listed, signer, validity)


def verify_by(
    listed: MasterList,
    signer: bytes,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
    policy: TrustPolicy | None = None,
) -> VerifiedMasterList:
    """Return the list, signed by exactly this master list signer.

    Args:
        listed: the list.
        signer: the certificate that the caller trusts, DER; it need not be embedded.
        at: the instant that it is judged at, aware.
        clock: what is known of that instant.
        policy: what is strong enough; None for the usual one.

    Raises:
        ChipLied: as `check_intact`; SIGNER_EXPIRED (also where only the clock is wrong).
        ChipMalformed: no certificate, or a key that cannot be used.
    """
    certificate = certificates.parse(signer)
    _check_signed_by(listed, certificate, policy=policy or TrustPolicy())
    return _verified(listed, certificate, _judge(certificate, at, clock))


def _check_signed_by(listed: MasterList, signer: Certificate, *, policy: TrustPolicy) -> None:
    uses = signer.extended_uses or frozenset()
    # A key that issues or that signs documents may not vouch for the signers of all states.
    may_sign = signer.may_sign and MASTER_LIST_SIGNER in uses
    if not may_sign or signer.not_understood - {EXTENDED_KEY_USAGE}:
        raise ChipLied(Fault.SIGNER_NOT_ALLOWED, _DOING, "no certificate that may sign lists")
    if policy.too_weak(listed.signed.scheme.digest, listed.signed.digest):
        raise ChipLied(Fault.ALGORITHM_WEAK, _DOING, "rests on SHA-1")
    listed.signed.check_signed_by(policy.key_of(signer), doing=_DOING)


def _judge(certificate: Certificate, at: datetime, clock: ClockQuality) -> Validity:
    return judge(certificate.not_before, certificate.not_after, at=at, clock=clock)


def _verified(listed: MasterList, signer: Certificate, validity: Validity) -> VerifiedMasterList:
    if validity in {Validity.OVER, Validity.UNSURE}:
        why = "" if validity is Validity.OVER else "or the clock is wrong"
        raise ChipLied(Fault.SIGNER_EXPIRED, _DOING, why)
    return VerifiedMasterList(
        listed.certificates,
        signer.subject_text,
        signer.issuer_text,
        signer.not_after,
        validity,
        seal=_SEAL,
    )
