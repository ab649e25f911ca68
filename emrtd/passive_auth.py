"""Passive authentication: is this the data that a state signed?

The only place that makes a `VerifiedGroups` or a `ConsistentGroups`. It knows EF.SOD, the hashes of
the files that were read, and a trust store. It does not know whether the chip is the one that the
state issued: data can be copied, and `emrtd.authenticity` asks the chip.

What must hold, in the order in which a failure decides:

1. one signature, over signed attributes, by the one embedded certificate that it names, whose key
   may sign data; nothing rests on SHA-1 unless the trust store allows it (SIGNATURE_INVALID);
2. every file that was read and is hashed has that hash (DATA_HASH_MISMATCH);
3. DG1, and DG14 and DG15 where they are hashed, were read: a hash is a promise
   (ADVERTISED_FILE_MISSING). Other groups need not be read, and EF.COM is never believed;
4. that certificate was issued by a key of the trust store, or its issuer is unknown; one that
   names a trusted key which did not sign it is a forgery (SIGNATURE_INVALID);
5. it and its issuer's certificate are valid at the instant of inspection (SIGNER_EXPIRED). This is
   the shell model: a state gives a document signer a validity that outlasts its documents, so an
   expired one stands behind no document that is in force;
6. no revocation list names it (SIGNER_REVOKED).

Spec: [9303-11] passive authentication; [9303-12] validity periods and chains; [5652].
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds import sod as sods
from emrtd.signatures import check_signature, digest_bytes, is_weak

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from emrtd.certificate import Certificate
    from emrtd.evidence import Evidence
    from emrtd.lds.sod import SOD, LDSSecurityObject
    from emrtd.trust import Anchor, TrustStore

REQUIRED = ("DG1", "DG14", "DG15")
"""What must have been read where it is hashed."""

_DOING = "passive authentication"
_SEAL = object()
"""Only who holds it can make groups; it never leaves this module."""


class Unasked(ChipLied):
    """Something that is announced was never asked for: nothing is proved, nothing disproved.

    A reader stops where a chip fails, so that behind another fault this one says nothing new.
    """


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
class Examination:
    """All that passive authentication found, for a verdict that lists every reason.

    Attributes:
        result: the groups, or the fault that decides.
        faults: everything that failed, the deciding one first.
        issuer_unknown: whether the signature holds and nobody that is trusted issued its signer.
        advertised: the data groups that EF.SOD hashes.
        intact: the files that have the hash in EF.SOD, whether or not its signature holds.
    """

    result: VerifiedGroups | ConsistentGroups | ChipLied
    faults: tuple[ChipLied, ...]
    issuer_unknown: bool
    advertised: frozenset[str]
    intact: Mapping[str, bytes] = field(repr=False)


def passive_auth(
    evidence: Evidence, trust: TrustStore, *, at: datetime
) -> VerifiedGroups | ConsistentGroups:
    """Return the files that a state signed.

    Args:
        evidence: what was read.
        trust: who is trusted.
        at: the instant of inspection, aware.

    Returns:
        VerifiedGroups, or ConsistentGroups if everything holds but nobody knows the issuer.

    Raises:
        ChipLied: SIGNATURE_INVALID, DATA_HASH_MISMATCH, ADVERTISED_FILE_MISSING, SIGNER_EXPIRED
            or SIGNER_REVOKED: the first of this module's list that fails.
        ChipMalformed: EF.SOD is missing or none.
        ValueError: `at` is naive.
    """
    result = examine(evidence, trust, at=at).result
    if isinstance(result, ChipLied):
        raise result
    return result


def examine(evidence: Evidence, trust: TrustStore, *, at: datetime) -> Examination:
    """Return everything that passive authentication finds, what failed included.

    Raises:
        ChipMalformed: EF.SOD is missing or none.
        ValueError: `at` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("the instant of inspection must be aware")
    if "SOD" not in evidence.files:
        raise ChipMalformed(_DOING, "EF.SOD was not read")
    sod = sods.parse(evidence.files["SOD"])
    intact = dict(_intact(evidence, sod.security_object))
    faults: list[ChipLied] = []
    signer = issuer = None
    issuer_unknown = False
    try:
        signer = _signer(sod, allow_sha1=trust.allow_sha1)
    except ChipLied as fault:
        faults.append(fault)
    faults += _data_faults(evidence, sod.security_object, intact)
    if signer is not None:
        try:
            issuer = _issuer(signer, trust, at=at)
            issuer_unknown = issuer is None
        except ChipLied as fault:
            faults.append(fault)
    return Examination(
        result=faults[0] if faults or signer is None else _seal(intact, signer, issuer),
        faults=tuple(faults),
        issuer_unknown=issuer_unknown,
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
    for name in REQUIRED:
        if name in hashed.hashes and name not in read:
            kind = ChipLied if name in evidence.unreadable else Unasked
            yield kind(Fault.ADVERTISED_FILE_MISSING, _DOING, name)


def _signer(sod: SOD, *, allow_sha1: bool) -> Certificate:
    """Return the certificate whose key signed the security object."""
    signers = sod.signers()
    if len(signers) != 1 or not signers[0].may_sign_data or signers[0].unknown_critical:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "no certificate that may sign data")
    weak = sod.scheme.weak or is_weak(sod.digest) or is_weak(sod.security_object.digest)
    if weak and not allow_sha1:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "rests on SHA-1")
    if digest_bytes(sod.digest, sod.content) != sod.message_digest:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "the message digest")
    check_signature(
        signers[0].key(), sod.scheme, sod.signature, sod.signed_attributes, doing=_DOING
    )
    return signers[0]


def _issuer(signer: Certificate, trust: TrustStore, *, at: datetime) -> Anchor | None:
    """Return the trusted issuer, None if it is unknown; the signer's own time is checked anyway."""
    issuer = trust.issuer_of(signer, at=at)
    if issuer is not None and signer.scheme().weak and not trust.allow_sha1:
        raise ChipLied(Fault.SIGNATURE_INVALID, _DOING, "its certificate rests on SHA-1")
    if not signer.valid_at(at) or not (issuer is None or issuer.certificate.valid_at(at)):
        raise ChipLied(Fault.SIGNER_EXPIRED, _DOING)
    if issuer is not None:
        trust.check_not_revoked(signer)
    return issuer
