"""Authenticity: is this the chip that the data was issued in, or a copy of it?

The only place that makes a `VerifiedHolder`. It knows which keys the signed files announce and what
the chip did when it was asked; every announced key must have been proved, each by its own protocol.
A proof that was not given counts like one that failed: a copy would rather not be asked. One that
the terminal never asked for is `Unasked`: no proof either.

It trusts two things that it cannot check again: that the terminal chose the nonce of active
authentication freshly, and that the terminal tells the truth about chip authentication (it holds
that channel's keys). Both are as good as the signature around the stored evidence.

EF.CardAccess is not signed. Where DG14 repeats its PACE infos, an offer that is not repeated was
put there by somebody else, to be chosen instead of a stronger one, and a stronger one that is
signed and not offered was taken away for the same end: both are a ChipLied, under CHIP_MALFORMED,
because no file that is signed differs and no key was disproved.

Spec: [9303-11] active authentication, chip authentication; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NoReturn

from emrtd.active_auth import NONCE_BYTES, verify_signature
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds import card_access, dg14, dg15
from emrtd.passive_auth import Unasked
from emrtd.security_infos import ActiveAuthenticationInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.evidence import ActiveAuthTranscript, Evidence
    from emrtd.lds.dg14 import DG14
    from emrtd.passive_auth import VerifiedGroups
    from emrtd.security_infos import PACEInfo
    from emrtd.signatures import PublicKey

Proof = Literal["chip_auth", "active_auth", "chip_auth+active_auth"]

_PLAIN_ECDSA = "0.4.0.127.0.7.1.1.4.1."
_SHA2_ARCS = (3, 4, 5, 2)
"""SHA-256, 384, 512, 224: the last arc under plain ECDSA."""

_DOING = "prove the chip"
_SEAL = object()
"""Only who holds it can make a holder; it never leaves this module."""


class Check(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"
    """Nothing announces it, so there was nothing to check."""
    UNKNOWN_ISSUER = "unknown_issuer"
    """Everything holds, but nobody that is trusted issued it."""


@dataclass(frozen=True, slots=True)
class VerifiedHolder:
    """Groups of a trusted issuer, in the chip that they were issued in.

    Only `prove_chip` makes one; it cannot be copied. Not proved: who holds the card.

    Attributes:
        groups: the signed files.
        proof: by which protocols; both are named only if both are announced and both held.
    """

    groups: VerifiedGroups
    proof: Proof
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only prove_chip makes a VerifiedHolder")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the evidence")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chip's own proofs are worth, beside files that are taken as signed.

    Attributes:
        chip_auth: ABSENT if no key for it is announced.
        active_auth: ABSENT if there is no DG15.
        faults: what failed, the deciding one first.
    """

    chip_auth: Check
    active_auth: Check
    faults: tuple[ChipLied | ChipMalformed, ...]


def prove_chip(evidence: Evidence, groups: VerifiedGroups) -> VerifiedHolder | VerifiedGroups:
    """Return a holder if the chip proved every key that its signed files announce.

    Args:
        evidence: what was read, and what the chip did.
        groups: what passive authentication made of the same evidence.

    Returns:
        VerifiedHolder; or the groups as they are if no key is announced: it may be a copy.

    Raises:
        ChipLied: CHIP_KEY_MISMATCH, as `Unasked` if the proof was never asked for; or
            CHIP_MALFORMED if EF.CardAccess offers PACE otherwise than is signed.
        ChipMalformed: DG14, DG15 or EF.CardAccess is none.
        ValueError: the groups were made of another evidence.
    """
    if any(evidence.files.get(name) != raw for name, raw in groups.files.items()):
        raise ValueError("the groups are of another evidence")
    judgement = judge(evidence, groups.files)
    for fault in judgement.faults:
        raise fault
    match judgement.chip_auth, judgement.active_auth:
        case Check.PASSED, Check.PASSED:
            return VerifiedHolder(groups, "chip_auth+active_auth", seal=_SEAL)
        case Check.PASSED, _:
            return VerifiedHolder(groups, "chip_auth", seal=_SEAL)
        case _, Check.PASSED:
            return VerifiedHolder(groups, "active_auth", seal=_SEAL)
    return groups


def judge(evidence: Evidence, intact: Mapping[str, bytes]) -> Judgement:
    """Return what the chip proved, whoever signed its files; never raises for what a chip did.

    Args:
        evidence: what was read, and what the chip did.
        intact: the files that are as they were hashed.
    """
    faults: list[ChipLied | ChipMalformed] = []

    def ended(check: Callable[[Evidence, Mapping[str, bytes]], Check]) -> Check:
        try:
            return check(evidence, intact)
        except (ChipLied, ChipMalformed) as fault:
            faults.append(fault)
            return Check.FAILED

    chip_auth, active_auth, _ = ended(_chip_auth), ended(_active_auth), ended(_offers)
    return Judgement(chip_auth, active_auth, tuple(faults))


def _chip_auth(evidence: Evidence, intact: Mapping[str, bytes]) -> Check:
    """Return PASSED only if the terminal saw a proof by what DG14 announces."""
    announced, facts = _announced(intact), evidence.chip_auth
    if not announced.chip_auth_keys and facts is None:
        return Check.ABSENT
    if facts is None:
        raise Unasked(Fault.CHIP_KEY_MISMATCH, _DOING, "chip authentication was not run")
    if facts.outcome != "passed":
        raise _mismatch("chip authentication was not passed")
    protocols = {(info.name, info.key_id) for info in announced.chip_auth}
    key_ids = {key.key_id for key in announced.chip_auth_keys}
    if (facts.protocol, facts.key_id) not in protocols or not key_ids & {facts.key_id, None}:
        raise _mismatch("chip authentication by what is not announced")
    return Check.PASSED


def _active_auth(evidence: Evidence, intact: Mapping[str, bytes]) -> Check:
    """Return PASSED only if the transcript's signature is that of the key in DG15."""
    transcript = evidence.active_auth
    if "DG15" not in intact and transcript is None:
        return Check.ABSENT
    if transcript is None:
        raise Unasked(Fault.CHIP_KEY_MISMATCH, _DOING, "active authentication was not run")
    if "DG15" not in intact or len(transcript.nonce) != NONCE_BYTES:
        raise _mismatch("active authentication by what is not announced")
    key, info = dg15.parse(intact["DG15"]).public_key, _announced(intact).active_auth
    if info is not None and info.signature_algorithm.startswith(_PLAIN_ECDSA):
        verify_signature(transcript, key, info)
        return Check.PASSED
    # DG14 is silent on how an elliptic curve key signs, or names an encoding that no chip sends:
    # whichever SHA-2 it was, only the key's holder can have made a signature that verifies.
    return _active_auth_by_any_digest(transcript, key)


def _active_auth_by_any_digest(transcript: ActiveAuthTranscript, key: PublicKey) -> Check:
    for last_arc in _SHA2_ARCS:
        try:
            verify_signature(
                transcript, key, ActiveAuthenticationInfo(1, f"{_PLAIN_ECDSA}{last_arc}")
            )
        except ChipLied:
            continue
        return Check.PASSED
    raise _mismatch("active authentication was not passed")


def _offers(evidence: Evidence, intact: Mapping[str, bytes]) -> Check:
    """Return PASSED only if EF.CardAccess offers PACE as DG14, if it names any, has it signed."""
    signed = _announced(intact).pace
    if not signed or "CardAccess" not in evidence.files:
        return Check.ABSENT
    offered = card_access.parse(evidence.files["CardAccess"]).pace
    if not offered <= signed:
        raise ChipLied(Fault.CHIP_MALFORMED, _DOING, "EF.CardAccess offers what is not signed")
    if not offered or _strongest(offered) < _strongest(signed):
        raise ChipLied(Fault.CHIP_MALFORMED, _DOING, "EF.CardAccess hides what is signed")
    return Check.PASSED


def _strongest(offers: frozenset[PACEInfo]) -> int:
    return max(each.aes_key_bytes or 0 for each in offers)


def _announced(intact: Mapping[str, bytes]) -> DG14:
    return dg14.parse(intact["DG14"]) if "DG14" in intact else dg14.DG14(())


def _mismatch(why: str) -> ChipLied:
    return ChipLied(Fault.CHIP_KEY_MISMATCH, _DOING, why)
