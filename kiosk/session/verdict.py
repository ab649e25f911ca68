"""The verdict on one session: one table, read from the top; the first row that holds decides.

An auditor who reads this page knows what a kiosk decides. Pure: findings of the chip library, the
vision worker's bands, the policy and the day go in, a `Verdict` comes out. Does not know screens,
devices or clocks. Nothing here accepts but the last row, and it is reached only when every layer
that the policy requires has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from emrtd.errors import ChipMalformed
from emrtd.lds import dg1
from emrtd.passive_auth import VerifiedGroups
from emrtd.verify import ChipOutcome
from kiosk.session.events import FaceMatch
from wire.policy import Layer
from wire.reasons import Outcome, Reason
from wire.record import Bands, CheckBand, FaceBand, LiveBand

if TYPE_CHECKING:
    from datetime import date

    from emrtd.verify import Findings
    from kiosk.session.policy import PolicyInForce

NOTHING_CHECKED: Final = Bands(pa=CheckBand.ABSENT, aa=CheckBand.ABSENT, ca=CheckBand.ABSENT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a session ended.

    Attributes:
        outcome: what follows for the person.
        reasons: why, the deciding one first; empty if accepted.
        bands: the evidence, coarse.
        row: the name of the row that decided.
        match: what the vision worker found, None if it was not asked.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    bands: Bands = NOTHING_CHECKED
    row: str = "ended"
    match: FaceMatch | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known when a session is decided.

    Attributes:
        findings: what the chip is.
        today: the day that the card's dates are judged on.
        match: what the vision worker found, None if it was not asked.
        policy: what is required.
        card_simulated: whether no real reader stood behind the card.
    """

    findings: Findings = field(repr=False)
    today: date
    match: FaceMatch | None
    policy: PolicyInForce
    card_simulated: bool = False

    def requires(self, layer: Layer) -> bool:
        """Whether the policy asks for a layer."""
        return layer in self.policy.policy.layers


class _Test(Protocol):
    def __call__(self, case: Case, /) -> tuple[Reason, ...]: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: what `tram policy explain` calls it.
        outcome: what follows if the row holds.
        test: returns the reasons why it holds; none: it doesn't.
    """

    name: str
    outcome: Outcome
    test: _Test


def decide(case: Case) -> Verdict:
    """Return the verdict of the first row that holds; the last row always does."""
    for row in TABLE:
        if reasons := row.test(case):
            return _verdict(case, row, reasons)
    return Verdict(Outcome.ACCEPTED, (), bands_of(case.findings, case.match), ACCEPT, case.match)


def decide_card(case: Case) -> Verdict | None:
    """Return the verdict if a row about the policy or the card decides; else a face is needed."""
    for row in CARD_ROWS:
        if reasons := row.test(case):
            return _verdict(case, row, reasons)
    return None


def bands_of(findings: Findings, match: FaceMatch | None) -> Bands:
    """Return the evidence, one word a layer."""
    seen = match or FaceMatch()
    return Bands(
        pa=CheckBand(findings.checks.pa.value),
        aa=CheckBand(findings.checks.aa.value),
        ca=CheckBand(findings.checks.ca.value),
        face=seen.band,
        live=seen.live,
    )


def _verdict(case: Case, row: Row, reasons: tuple[Reason, ...]) -> Verdict:
    bands = bands_of(case.findings, case.match)
    return Verdict(row.outcome, reasons, bands, row.name, case.match)


def _no_policy(case: Case) -> tuple[Reason, ...]:
    return () if case.policy.why_none is None else (case.policy.why_none,)


def _not_genuine(case: Case) -> tuple[Reason, ...]:
    lies = case.findings.outcome is ChipOutcome.NOT_GENUINE
    return _chip_reasons(case) or (Reason.SIGNATURE_INVALID,) if lies else ()


def _unreadable(case: Case) -> tuple[Reason, ...]:
    unknown = case.findings.outcome is ChipOutcome.UNREADABLE
    return _chip_reasons(case) or (Reason.CHIP_MALFORMED,) if unknown else ()


def _issuer_unknown(case: Case) -> tuple[Reason, ...]:
    """Hold also when a policy does not ask for PA: anyone can make such a card."""
    known = isinstance(case.findings.groups, VerifiedGroups)
    return () if known else (Reason.ISSUER_UNKNOWN,)


def _may_be_copy(case: Case) -> tuple[Reason, ...]:
    proved = case.findings.holder is not None
    return (Reason.CHIP_MAY_BE_COPY,) if case.requires(Layer.CHIP) and not proved else ()


def _expired(case: Case) -> tuple[Reason, ...]:
    if not case.requires(Layer.VALIDITY):
        return ()
    groups = case.findings.groups
    try:
        zone = dg1.parse(groups.files["DG1"]).mrz if groups else None
        end = zone.expiry_date(reference=case.today) if zone else None
    except (ChipMalformed, KeyError):
        return (Reason.CHIP_MALFORMED,)
    return (Reason.CARD_STATUS_EXPIRED,) if end is not None and end < case.today else ()


def _simulator(case: Case) -> tuple[Reason, ...]:
    simulated = case.card_simulated or (case.match is not None and case.match.simulated)
    allowed = case.policy.policy.simulators_allowed
    return (Reason.POLICY_SIMULATOR,) if simulated and not allowed else ()


def _nothing_seen(case: Case) -> tuple[Reason, ...]:
    """Hold if the worker could not see enough to say anything."""
    if case.match is None or not _face_asked(case):
        return ()
    return case.match.reasons


def _not_live(case: Case) -> tuple[Reason, ...]:
    if not case.requires(Layer.LIVE):
        return ()
    live = case.match is not None and case.match.live is LiveBand.PASSED
    return () if live else (Reason.NOT_LIVE,)


def _other_face(case: Case) -> tuple[Reason, ...]:
    different = case.match is not None and case.match.band is FaceBand.DIFFERENT
    return (Reason.FACE_NOT_HOLDER,) if case.requires(Layer.FACE) and different else ()


def _unsure_face(case: Case) -> tuple[Reason, ...]:
    """Hold unless the face is known to be the same: unsure, not compared, or never asked."""
    if not case.requires(Layer.FACE):
        return ()
    band = FaceBand.NONE if case.match is None else case.match.band
    return () if band in {FaceBand.SAME, FaceBand.SAME_STRONG} else (Reason.FACE_UNSURE,)


def _face_asked(case: Case) -> bool:
    return case.requires(Layer.LIVE) or case.requires(Layer.FACE)


def _chip_reasons(case: Case) -> tuple[Reason, ...]:
    return tuple(Reason(fault.value) for fault in case.findings.reasons)


ACCEPT: Final = "accept"

CARD_ROWS: Final = (
    Row("not_genuine", Outcome.REFUSED, _not_genuine),
    Row("no_policy", Outcome.REFERRED, _no_policy),
    Row("simulator", Outcome.REFERRED, _simulator),
    Row("unreadable", Outcome.REFERRED, _unreadable),
    Row("issuer_unknown", Outcome.REFERRED, _issuer_unknown),
    Row("may_be_copy", Outcome.REFERRED, _may_be_copy),
    Row("expired", Outcome.REFERRED, _expired),
)
"""What can be decided before anyone looks into a camera."""

FACE_ROWS: Final = (
    Row("nothing_seen", Outcome.REFERRED, _nothing_seen),
    Row("not_live", Outcome.REFERRED, _not_live),
    Row("other_face", Outcome.NOT_HOLDER, _other_face),
    Row("unsure_face", Outcome.REFERRED, _unsure_face),
)
"""Life before likeness: of a picture, likeness says nothing about who stands here."""

TABLE: Final = (*CARD_ROWS, *FACE_ROWS)
"""From the top; behind it there is only `ACCEPT`."""
