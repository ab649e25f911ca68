"""Passive authentication: is this the data that a state signed?

The only place that makes a `VerifiedGroups` or a `ConsistentGroups`, and their like of
EF.CardSecurity, which carries its own signature. It knows EF.SOD, the hashes of the files that were
read, and a trust store. It does not know whether the chip is the one that the state issued: data
can be copied, and `emrtd.authenticity` asks the chip.

What must hold, in the order in which a failure decides:

1. one signature, over signed attributes, by the one embedded certificate that it names
   (SIGNATURE_INVALID), whose key may sign data (SIGNER_NOT_ALLOWED); nothing rests on SHA-1 or on
   a short key unless the trust policy allows it (ALGORITHM_WEAK);
2. every file that was read and is hashed has that hash (DATA_HASH_MISMATCH);
3. DG1, and DG14 and DG15 where they are hashed, were read: a hash is a promise. DG2 and DG13 keep
   it if they were asked for (ADVERTISED_FILE_MISSING; NOT_ASKED if the reader never did). A chip
   that hides its portrait has nothing to be compared with. DG13 may be locked (6982): its content
   is the issuer's own, and so is who may read it. DG3 and DG4 are behind terminal authentication,
   and of the other groups chips in the field lack some that are hashed: they need not be read.
   EF.COM is never believed;
4. that certificate was issued by a key of the trust store, or its issuer is unknown; one that
   names a trusted key which did not sign it is a forgery (CERTIFICATE_INVALID), and whether one
   that is signed in a way that is not known here is, cannot be told (PROOF_UNSUPPORTED);
5. it and its issuer's certificate are valid at the instant of inspection (SIGNER_EXPIRED,
   SIGNER_NOT_YET_VALID, ISSUER_EXPIRED). This is the shell model: a state gives a document signer
   a validity that outlasts its documents, so an expired one stands behind no document that is in
   force. Where the clock may be what is wrong, the fault is `ClockUnsure`, which accuses nobody;
6. no revocation list names either (SIGNER_REVOKED, ISSUER_REVOKED).

Spec: [9303-11] passive authentication; [9303-12] validity periods and chains; [5652].
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds import card_security
from emrtd.lds import sod as sods
from emrtd.signatures import digest_bytes
from emrtd.validity import ClockQuality, Validity, judge, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from emrtd._cms import SignedData
    from emrtd.certificate import Certificate
    from emrtd.evidence import Evidence
    from emrtd.lds.card_security import CardSecurity
    from emrtd.lds.sod import LDSSecurityObject
    from emrtd.trust import Anchor, TrustPolicy, TrustStore

REQUIRED = ("DG1", "DG14", "DG15")
"""What must have been read where it is hashed."""
PROMISED = ("DG2", "DG13")
"""What must not be refused where it is hashed and was asked for."""

_DOING = "passive authentication"
_LOCKED = 0x6982
_SEAL = object()
"""Only who holds it can make groups; it never leaves this module."""


class Unproved(ChipLied):
    """Nothing is proved and nothing is disproved: it accuses nobody."""


class Unasked(Unproved):
    """Something that is announced was never asked for.

    A reader stops where a chip fails, so that behind another fault this one says nothing new.
    """


class ClockUnsure(Unproved):
    """A certificate is over by a clock that nobody vouches for: set it, or ask for the time."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """Files that are as they were signed.

    Attributes:
        files: data group to its raw bytes: what was read and is hashed in EF.SOD, nothing else.
        signer: the document signer's name, for people.
        issuer: its issuer's name, for people.
        not_after: when the signer's certificate ends, aware.
    """

    files: Mapping[str, bytes] = field(repr=False)
    signer: str
    issuer: str
    not_after: datetime
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError(f"only passive authentication makes a {type(self).__name__}")
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the evidence")


@dataclass(frozen=True, slots=True)
class VerifiedGroups(_Groups):
    """Files as a trusted issuer signed them. Only `passive_auth` makes one; it cannot be copied.

    Not proved: that they came from the chip that they were issued in.
    """


@dataclass(frozen=True, slots=True)
class ConsistentGroups(_Groups):
    """Files as somebody signed them, whom nobody trusts. Only `passive_auth` makes one.

    Anyone can make such a document. `issuer` is who the signer's certificate claims.
    """


@dataclass(frozen=True, slots=True)
class _SignedCardSecurity:
    """EF.CardSecurity as it was signed."""

    file: CardSecurity
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError(f"only passive authentication makes a {type(self).__name__}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the evidence")


@dataclass(frozen=True, slots=True)
class VerifiedCardSecurity(_SignedCardSecurity):
    """The file as a trusted issuer signed it. Only `card_security_auth` makes one."""


@dataclass(frozen=True, slots=True)
class ConsistentCardSecurity(_SignedCardSecurity):
    """The file as somebody signed it, whom nobody trusts. Only `card_security_auth` makes one."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All that passive authentication found, for a verdict that lists every reason.

    Attributes:
        result: the groups, or the fault that decides.
        faults: everything that failed, the deciding one first.
        issuer_unknown: whether the signature holds, by a signer that is not over, and nobody that
            is trusted issued it, as far as can be told.
        validity: of the signer and its issuer; None if there is no sound signature to look behind.
        advertised: the data groups that EF.SOD hashes.
        intact: the files that have the hash in EF.SOD, whether or not its signature holds.
    """

    result: VerifiedGroups | ConsistentGroups | ChipLied
    faults: tuple[ChipLied, ...]
    issuer_unknown: bool
    validity: Validity | None
    advertised: frozenset[str]
    intact: Mapping[str, bytes] = field(repr=False)


def passive_auth(
    evidence: Evidence,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
) -> VerifiedGroups | ConsistentGroups:
    """Return the files that a state signed.

    Args:
        evidence: what was read.
        trust: who is trusted.
        at: the instant of inspection, aware.
        clock: what is known of that instant.

    Returns:
        VerifiedGroups, or ConsistentGroups if everything holds but nobody knows the issuer.

    Raises:
        ChipLied: the first of this module's list that fails. `ClockUnsure` if a certificate is
            over by a clock that may be wrong, `Unasked` if a file was never asked for, `Unproved`
            if the signer's certificate is signed in a way that is not known here.
        ChipMalformed: EF.SOD is missing or none, or its signer's key is none that is believed.
        ValueError: `at` is naive.
    """
    result = examine(evidence, trust, at=at, clock=clock).result
    if isinstance(result, ChipLied):
        raise result
    return result


def card_security_auth(
    evidence: Evidence,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
) -> VerifiedCardSecurity | ConsistentCardSecurity:
    """Return EF.CardSecurity as a state signed it, by the rules for EF.SOD.

    Args:
        evidence: what was read.
        trust: who is trusted.
        at: the instant of inspection, aware.
        clock: what is known of that instant.

    Returns:
        VerifiedCardSecurity, or ConsistentCardSecurity if all holds but nobody knows the issuer.

    Raises:
        ChipLied: as above, by the signature and the certificates.
        ChipMalformed: EF.CardSecurity is missing or none.
        ValueError: `at` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("the instant of inspection must be aware")
    if "CardSecurity" not in evidence.files:
        raise ChipMalformed(_DOING, "EF.CardSecurity was not read")
    found = card_security.parse(evidence.files["CardSecurity"])
    signer = _signer(found.signed, trust.policy)
    issuer = _issuer(signer, trust, at=at)
    for fault in _time_and_revocation(signer, issuer, trust, at=at, clock=clock):
        raise fault
    kind = ConsistentCardSecurity if issuer is None else VerifiedCardSecurity
    return kind(found, seal=_SEAL)


def examine(
    evidence: Evidence,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
) -> Examination:
    """Return everything that passive authentication finds, what failed included.

    Raises:
        ChipMalformed: EF.SOD is missing or none.
        ValueError: `at` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("the instant of inspection must be aware")
    if "SOD" not in evidence.files:
        raise ChipMalformed(_DOING, "EF.SOD was not read", fault=Fault.SECURITY_OBJECT_MISSING)
    sod = sods.parse(evidence.files["SOD"])
    intact = dict(_intact(evidence, sod.security_object))
    faults: list[ChipLied] = []
    signer = issuer = validity = None
    issuer_unknown = False
    try:
        signer = _signer(sod, trust.policy, sod.security_object.digest)
    except ChipLied as fault:
        faults.append(fault)
    faults += _data_faults(evidence, sod.security_object, intact)
    if signer is not None:
        lied = False
        try:
            issuer = _issuer(signer, trust, at=at)
        except ChipLied as fault:
            faults.append(fault)
            lied = not isinstance(fault, Unproved)
        if not lied:
            validity = _validity(signer, issuer, at=at, clock=clock)
            issuer_unknown = issuer is None and validity is not Validity.OVER
            faults += _time_and_revocation(signer, issuer, trust, at=at, clock=clock)
    return Examination(
        result=faults[0] if faults or signer is None else _seal(intact, signer, issuer),
        faults=tuple(faults),
        issuer_unknown=issuer_unknown,
        validity=validity,
        advertised=frozenset(sod.security_object.hashes),
        intact=MappingProxyType(intact),
    )


def _seal(
    files: Mapping[str, bytes], signer: Certificate, issuer: Anchor | None
) -> VerifiedGroups | ConsistentGroups:
    if issuer is None:
        return ConsistentGroups(
            files, signer.subject_text, signer.issuer_text, signer.not_after, seal=_SEAL
        )
    return VerifiedGroups(
        files, signer.subject_text, issuer.certificate.subject_text, signer.not_after, seal=_SEAL
    )


def _intact(evidence: Evidence, hashed: LDSSecurityObject) -> Iterator[tuple[str, bytes]]:
    for name, expected in hashed.hashes.items():
        raw = evidence.files.get(name)
        if raw is not None and digest_bytes(hashed.digest, raw) == expected:
            yield name, raw


def _data_faults(
    evidence: Evidence, hashed: LDSSecurityObject, intact: Mapping[str, bytes]
) -> Iterator[ChipLied]:
    read = hashed.hashes.keys() & evidence.files.keys()
    for name in sorted(read - intact.keys()):
        yield ChipLied(Fault.DATA_HASH_MISMATCH, _DOING, name)
    for name in (*REQUIRED, *PROMISED):
        if name in hashed.hashes and name not in read and _owed(name, evidence):
            yield missing(name, evidence, doing=_DOING)


def _owed(name: str, evidence: Evidence) -> bool:
    """Return whether a file that is hashed and was not read should have been."""
    refused = evidence.unreadable.get(name)
    return name in REQUIRED or (refused is not None and (name, refused) != ("DG13", _LOCKED))


def missing(name: str, evidence: Evidence, *, doing: str) -> ChipLied:
    """Return what it means that a file which is announced was not read: it was refused, or not."""
    if name in evidence.unreadable:
        return ChipLied(Fault.ADVERTISED_FILE_MISSING, doing, name)
    return Unasked(Fault.NOT_ASKED, doing, name)


def _signer(signed: SignedData, policy: TrustPolicy, *digests: HashAlgorithm) -> Certificate:
    """Return the certificate whose key signed that; by these digests the content goes on."""
    signers = signed.signers()
    if len(signers) != 1:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "not one certificate of its signer")
    if not signers[0].may_sign_data or signers[0].unknown_critical:
        raise ChipLied(Fault.SIGNER_NOT_ALLOWED, _DOING)
    if policy.too_weak(signed.scheme.digest, signed.digest, *digests):
        raise ChipLied(Fault.ALGORITHM_WEAK, _DOING, "rests on SHA-1")
    signed.check_signed_by(policy.key_of(signers[0]), doing=_DOING)
    return signers[0]


def _issuer(signer: Certificate, trust: TrustStore, *, at: datetime) -> Anchor | None:
    """Return the trusted issuer, None if it is unknown."""
    try:
        issuer = trust.issuer_of(signer, at=at)
    except ChipMalformed as error:
        raise Unproved(error.fault, _DOING, "how its certificate is signed") from error
    if issuer is not None and trust.policy.too_weak(signer.scheme().digest):
        raise ChipLied(Fault.ALGORITHM_WEAK, _DOING, "its certificate rests on SHA-1")
    return issuer


def _validity(
    signer: Certificate, issuer: Anchor | None, *, at: datetime, clock: ClockQuality
) -> Validity:
    """Judge the chain; of a signer whose issuer is unknown, its own time."""
    return worst(*(judged for judged, _ in _times(signer, issuer, at=at, clock=clock)))


def _times(
    signer: Certificate, issuer: Anchor | None, *, at: datetime, clock: ClockQuality
) -> Iterator[tuple[Validity, Fault]]:
    """Yield how each certificate's time is judged, and what it is if it is not its time."""
    early = Fault.SIGNER_NOT_YET_VALID if at < signer.not_before else Fault.SIGNER_EXPIRED
    yield judge(signer.not_before, signer.not_after, at=at, clock=clock), early
    if issuer is not None:
        cert = issuer.certificate
        judged = judge(cert.not_before, cert.not_after, at=at, clock=clock)
        yield judged, Fault.ISSUER_EXPIRED


def _time_and_revocation(
    signer: Certificate,
    issuer: Anchor | None,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality,
) -> Iterator[ChipLied]:
    """Yield what fails; who is over is not looked up, but who may be over is."""
    times = tuple(_times(signer, issuer, at=at, clock=clock))
    for judged, fault in times:
        if judged is Validity.OVER:
            yield ChipLied(fault, _DOING)
            return
    if issuer is not None:
        try:
            trust.check_not_revoked(signer)
            trust.check_not_revoked(issuer.certificate, fault=Fault.ISSUER_REVOKED)
        except ChipLied as revoked:
            yield revoked
    for judged, fault in times:
        if judged is Validity.UNSURE:
            yield ClockUnsure(fault, _DOING, "or the clock is wrong")
            return
