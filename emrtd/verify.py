"""The verdict on a chip: everything that can be known from one evidence, in one value.

Puts passive authentication and the chip's own proofs together, and lists every reason that holds.
It decides nothing about a person or a policy, and never raises for what a chip did.

Spec: [9303-11], the inspection procedure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from emrtd.access import BAC, NONE, outranked
from emrtd.authenticity import (
    Check,
    Judgement,
    VerifiedHolder,
    Weakness,
    judge,
    prove_chip,
)
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds import dg1, dg13, dg14
from emrtd.pace_parameters import Rank, rank
from emrtd.passive_auth import (
    ConsistentCardSecurity,
    ConsistentGroups,
    Examination,
    Unasked,
    Unproved,
    VerifiedCardSecurity,
    VerifiedGroups,
    card_security_auth,
    examine,
)
from emrtd.security_infos import PACEInfo
from emrtd.validity import ClockQuality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from emrtd.evidence import Evidence
    from emrtd.trust import TrustStore

_Fault: TypeAlias = ChipLied | ChipMalformed

__all__ = ["Check", "Checks", "ChipOutcome", "Findings", "verify"]


class ChipOutcome(StrEnum):
    """What a chip is, as far as it can be known."""

    GENUINE = "genuine"
    """Signed by a trusted issuer, and the chip holds the keys that were signed."""
    MAY_BE_COPY = "may_be_copy"
    """Signed by a trusted issuer; no key is announced, so any chip may hold these files."""
    ISSUER_UNKNOWN = "issuer_unknown"
    """All holds, but nobody that is trusted stands behind it: anyone can make such a chip."""
    NOT_GENUINE = "not_genuine"
    """The data or the chip is not what it says."""
    UNREADABLE = "unreadable"
    """It cannot be known: something cannot be parsed, was never asked for, or is contradictory."""


@dataclass(frozen=True, slots=True)
class Checks:
    """How each check ended: passive, active and chip authentication, PACE-CAM, terminal auth.

    Terminal authentication says what the chip let the terminal read, and nothing about the chip.

    Each is about what was read and asked: `pa` may have passed though DG1 was not reached, and `aa`
    and `ca` say what the chip proved beside its files, even where `pa` failed.
    """

    pa: Check
    aa: Check
    ca: Check
    cam: Check = Check.ABSENT
    ta: Check = Check.ABSENT


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdict.

    Attributes:
        outcome: what the chip is.
        reasons: every fault that was found, the deciding one first; of a genuine chip, and of one
            that may be a copy, none.
        checks: how each check ended.
        groups: the signed files, if passive authentication held.
        holder: only of a genuine chip.
        weaknesses: by what weak means the chip's own proofs hold.
        downgraded: whether the chip was opened in a weaker way than it can: nothing that it says
            is worth less, but somebody may have listened. By what DG14, as it was hashed, says it
            can; and by the terminal's word, who knows what else was on offer.
    """

    outcome: ChipOutcome
    reasons: tuple[Fault, ...]
    checks: Checks
    groups: VerifiedGroups | ConsistentGroups | None
    holder: VerifiedHolder | None
    weaknesses: frozenset[Weakness] = frozenset()
    downgraded: bool = False


def verify(
    evidence: Evidence,
    trust: TrustStore,
    *,
    at: datetime,
    clock: ClockQuality = ClockQuality.TRUSTED,
    refuse: frozenset[Weakness] = frozenset(),
) -> Findings:
    """Return what an evidence is worth.

    Args:
        evidence: what was read, and what the chip did.
        trust: who is trusted.
        at: the instant that certificates are judged at, aware.
        clock: what is known of that instant. By a clock that may be wrong, a signer that seems to
            be over accuses nobody: it is UNREADABLE, not NOT_GENUINE.
        refuse: weaknesses of the chip's own proofs that are not accepted.

    Raises:
        ValueError: `at` is naive. Nothing else, whatever the chip did.
    """
    try:
        examination = examine(evidence, trust, at=at, clock=clock)
    except ChipMalformed as fault:
        checks = Checks(pa=Check.FAILED, aa=Check.ABSENT, ca=Check.ABSENT)
        downgraded = evidence.access.downgraded
        return Findings(
            ChipOutcome.UNREADABLE, (fault.fault,), checks, None, None, downgraded=downgraded
        )
    card, card_faults = _card_security(evidence, trust, at=at, clock=clock)
    judgement = judge(evidence, examination.intact, card, refuse=refuse)
    groups = None if isinstance(examination.result, ChipLied) else examination.result
    if isinstance(groups, VerifiedGroups) and isinstance(card, ConsistentCardSecurity):
        # A copy of genuine files, beside a key of somebody's own.
        card_faults = (ChipLied(Fault.ISSUER_UNKNOWN, "verify EF.CardSecurity"),)
    faults = _deciding_first(
        (*examination.faults, *card_faults, *judgement.faults, *_contradictions(groups))
    )
    holder: VerifiedHolder | None = None
    if isinstance(groups, VerifiedGroups) and not faults:
        verified = card if isinstance(card, VerifiedCardSecurity) else None
        proved = prove_chip(evidence, groups, verified, refuse=refuse)
        holder = proved if isinstance(proved, VerifiedHolder) else None
    reasons = [fault.fault for fault in faults]
    if examination.issuer_unknown:
        reasons.append(Fault.ISSUER_UNKNOWN)
    return Findings(
        _outcome(faults, groups, holder),
        tuple(dict.fromkeys(reasons)),
        _checks(evidence, examination, card_faults, judgement),
        groups,
        holder,
        judgement.weaknesses,
        _downgraded(evidence, examination.intact),
    )


def _downgraded(evidence: Evidence, intact: Mapping[str, bytes]) -> bool:
    """Return whether a stronger way is signed than the one that was gone, at its strongest.

    The name of a way does not tell its group: of several groups the best is taken for it.
    """
    try:
        infos = dg14.parse(intact["DG14"]).infos
    except (KeyError, ChipMalformed):
        return evidence.access.downgraded
    name = evidence.access.protocol
    pace = [each for each in infos if isinstance(each, PACEInfo) and each.name == name]
    gone = [Rank()] if name in {BAC, NONE} else [rank(each, infos) for each in pace]
    return evidence.access.downgraded or (bool(gone) and outranked(max(gone), infos))


def _contradictions(groups: VerifiedGroups | ConsistentGroups | None) -> tuple[Unproved, ...]:
    """Return that DG1 and DG13 name two persons; an issuer's error, or a signer who signs anything.

    A file that cannot be parsed, or has no such number, contradicts nothing.
    """
    try:
        zone = dg1.parse(groups.files["DG1"]).mrz if groups else None
        record = dg13.parse(groups.files["DG13"]) if groups else None
    except (ChipMalformed, KeyError):
        return ()
    one = _digits(zone.personal_number if zone else None)
    other = _digits(record.number if record else None)
    # Either may be shortened to its end, as the zone's own document number is.
    if one.endswith(other) or other.endswith(one):
        return ()
    return (Unproved(Fault.DATA_CONTRADICTORY, "verify the data", "DG1 and DG13"),)


def _digits(number: str | None) -> str:
    return "".join(each for each in number or "" if each.isdecimal())


def _card_security(
    evidence: Evidence, trust: TrustStore, *, at: datetime, clock: ClockQuality
) -> tuple[VerifiedCardSecurity | ConsistentCardSecurity | None, tuple[_Fault, ...]]:
    """Return EF.CardSecurity if it was read and its signature holds, and what failed."""
    if "CardSecurity" not in evidence.files:
        return None, ()
    try:
        return card_security_auth(evidence, trust, at=at, clock=clock), ()
    except (ChipLied, ChipMalformed) as fault:
        return None, (fault,)


def _deciding_first(faults: tuple[_Fault, ...]) -> tuple[_Fault, ...]:
    """Return lies before what cannot be known; what was never asked for only if it is all."""
    asked = [fault for fault in faults if not isinstance(fault, Unasked)]
    return (
        tuple(sorted(asked, key=lambda fault: isinstance(fault, ChipMalformed | Unproved)))
        or faults
    )


def _outcome(
    faults: tuple[_Fault, ...],
    groups: VerifiedGroups | ConsistentGroups | None,
    holder: VerifiedHolder | None,
) -> ChipOutcome:
    if faults:
        unknown = isinstance(faults[0], Unproved | ChipMalformed)
        return ChipOutcome.UNREADABLE if unknown else ChipOutcome.NOT_GENUINE
    if isinstance(groups, ConsistentGroups):
        return ChipOutcome.ISSUER_UNKNOWN
    return ChipOutcome.MAY_BE_COPY if holder is None else ChipOutcome.GENUINE


def _checks(
    evidence: Evidence,
    examination: Examination,
    card_faults: tuple[_Fault, ...],
    judgement: Judgement,
) -> Checks:
    if any(not isinstance(fault, Unproved) for fault in (*examination.faults, *card_faults)):
        pa = Check.FAILED
    else:
        pa = Check.UNKNOWN_ISSUER if examination.issuer_unknown else Check.PASSED
    # A key that is announced in a file that was withheld or changed was not proved.
    lost = examination.advertised - examination.intact.keys()
    terminal = evidence.terminal_auth
    return Checks(
        pa=pa,
        aa=Check.FAILED if "DG15" in lost else judgement.active_auth,
        ca=Check.FAILED if "DG14" in lost else judgement.chip_auth,
        cam=judgement.pace_cam,
        ta=Check.ABSENT if terminal is None else Check(terminal.outcome),
    )
