"""The verdict on one session: one table, read from the top; the first row that holds decides.

An auditor who reads this page knows what a kiosk decides. Pure: findings of the chip library, the
vision worker's bands, the policy and the day go in, a `Verdict` comes out. Does not know screens,
devices or clocks. Nothing here accepts but the last row, and it is reached only when every layer
that the policy requires has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import UNSET

from emrtd.errors import ChipMalformed
from emrtd.lds import dg1, dg2, dg3
from emrtd.passive_auth import VerifiedGroups
from emrtd.verify import ChipOutcome
from kiosk.session.events import FaceMatch, FingerMatch
from wire.policy import Layer
from wire.reasons import Outcome, Reason
from wire.record import Bands, CheckBand, FaceBand, FingerBand, LiveBand

if TYPE_CHECKING:
    from datetime import date

    from emrtd.lds.dg3 import FingerImage
    from emrtd.verify import Findings
    from kiosk.session.policy import PolicyInForce
    from wire.policy import OnDowngrade

_KNOWN: Final = frozenset(
    {
        ChipOutcome.GENUINE,
        ChipOutcome.MAY_BE_COPY,
        ChipOutcome.ISSUER_UNKNOWN,
        ChipOutcome.NOT_GENUINE,
    }
)
"""What is known of a chip by these outcomes decides; each other row asks for it again."""

_UNTIMELY: Final = frozenset(
    {Reason.SIGNER_EXPIRED, Reason.SIGNER_NOT_YET_VALID, Reason.ISSUER_EXPIRED}
)
"""What a wrong clock makes of good certificates."""
MAX_REASONS: Final = 16
"""As many as a record has room for; the deciding one is the first."""

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
        finger: what was found about a finger, None if none was asked for.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    bands: Bands = NOTHING_CHECKED
    row: str = "ended"
    match: FaceMatch | None = None
    finger: FingerMatch | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known when a session is decided.

    Attributes:
        findings: what the chip is.
        today: the day that the card's dates are judged on.
        match: what the vision worker found, None if it was not asked.
        policy: what is required.
        card_simulated: whether no real reader stood behind the card.
        finger: what was found about a finger, None if none was asked for.
    """

    findings: Findings = field(repr=False)
    today: date
    match: FaceMatch | None
    policy: PolicyInForce
    card_simulated: bool = False
    finger: FingerMatch | None = None

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
            return _verdict(case, row.outcome, row.name, reasons)
    return _verdict(case, Outcome.ACCEPTED, ACCEPT, ())


def decide_card(case: Case) -> Verdict | None:
    """Return the verdict if a row about the policy or the card decides; else a face is needed."""
    for row in CARD_ROWS:
        if reasons := row.test(case):
            return _verdict(case, row.outcome, row.name, reasons)
    return None


def wants_finger(case: Case) -> bool:
    """Whether a finger is asked for, if there is one to compare with.

    Only where the policy asks, and where something may still hang on it: nobody gives a finger for
    a verdict that stands without it.
    """
    asks = case.policy.policy.on_finger
    hangs = {ACCEPT, FINGER_REQUIRED} | ({UNSURE_FACE} if asks == "instead" else set())
    return asks != "never" and decide(case).row in hangs


def bands_of(
    findings: Findings, match: FaceMatch | None, finger: FingerMatch | None = None
) -> Bands:
    """Return the evidence, one word a layer."""
    seen = match or FaceMatch()
    return Bands(
        pa=CheckBand(findings.checks.pa.value),
        aa=CheckBand(findings.checks.aa.value),
        ca=CheckBand(findings.checks.ca.value),
        face=seen.band,
        live=seen.live,
        live_tries=seen.tries or UNSET,
        finger=UNSET if finger is None else finger.band,
    )


def portrait_of(findings: Findings) -> bytes | None:
    """Return the first coded image of verified data, JPEG or JPEG 2000; None if there is none."""
    groups = findings.groups
    if not isinstance(groups, VerifiedGroups) or "DG2" not in groups.files:
        return None
    try:
        return dg2.parse(groups.files["DG2"]).faces[0].data
    except ChipMalformed:
        return None


def fingers_of(findings: Findings) -> tuple[FingerImage, ...]:
    """Return the fingerprints of verified data, none if there are none that can be read."""
    groups = findings.groups
    if not isinstance(groups, VerifiedGroups) or "DG3" not in groups.files:
        return ()
    try:
        return dg3.parse(groups.files["DG3"]).fingers
    except ChipMalformed:
        return ()


def _verdict(case: Case, outcome: Outcome, row: str, reasons: tuple[Reason, ...]) -> Verdict:
    bands = bands_of(case.findings, case.match, case.finger)
    return Verdict(outcome, reasons, bands, row, case.match, case.finger)


def _no_policy(case: Case) -> tuple[Reason, ...]:
    """Hold without a valid policy: it is missing, unsigned or expired."""
    return () if case.policy.why_none is None else (case.policy.why_none,)


def _not_genuine(case: Case) -> tuple[Reason, ...]:
    """Hold if the data or the chip is not what it says."""
    lies = case.findings.outcome is ChipOutcome.NOT_GENUINE
    if not lies or _only_untimely(case):
        return ()
    return _chip_reasons(case) or (Reason.SIGNATURE_INVALID,)


def _weaker_refused(case: Case) -> tuple[Reason, ...]:
    """Hold if the chip was opened in a weaker way than it can, and the policy refuses that."""
    return _downgraded(case, "refuse")


def _weaker_access(case: Case) -> tuple[Reason, ...]:
    """Hold if the chip was opened in a weaker way than it can, unless the policy accepts that."""
    return _downgraded(case, "refer")


def _downgraded(case: Case, leads_to: OnDowngrade) -> tuple[Reason, ...]:
    weaker = case.findings.downgraded and case.policy.policy.on_downgrade == leads_to
    return (Reason.ACCESS_DOWNGRADED,) if weaker else ()


def _signer_expired(case: Case) -> tuple[Reason, ...]:
    """Hold if all is as signed, by signer and issuer out of their time: or the clock is wrong."""
    return _chip_reasons(case) if _only_untimely(case) else ()


def _unreadable(case: Case) -> tuple[Reason, ...]:
    """Hold if it cannot be known what the chip is."""
    unknown = case.findings.outcome not in _KNOWN
    return _chip_reasons(case) or (Reason.CHIP_MALFORMED,) if unknown else ()


def _issuer_unknown(case: Case) -> tuple[Reason, ...]:
    """Hold if nobody that is trusted signed the data, also where PA is not required."""
    verified = isinstance(case.findings.groups, VerifiedGroups)
    return () if verified else (Reason.ISSUER_UNKNOWN,)


def _may_be_copy(case: Case) -> tuple[Reason, ...]:
    """Hold if CHIP is required and the chip did not prove its keys."""
    proved = case.findings.holder is not None
    return (Reason.CHIP_MAY_BE_COPY,) if case.requires(Layer.CHIP) and not proved else ()


def _expired(case: Case) -> tuple[Reason, ...]:
    """Hold if VALIDITY is required and the last day is past, or cannot be told."""
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
    """Hold if a simulated device took part and the policy does not allow it."""
    simulated = (
        case.card_simulated
        or (case.match is not None and case.match.simulated)
        or (case.finger is not None and case.finger.simulated)
    )
    allowed = case.policy.policy.simulators_allowed
    return (Reason.POLICY_SIMULATOR,) if simulated and not allowed else ()


def _no_portrait(case: Case) -> tuple[Reason, ...]:
    """Hold if LIVE or FACE is required and the signed data has no picture."""
    absent = _face_asked(case) and portrait_of(case.findings) is None
    return (Reason.NO_PORTRAIT,) if absent else ()


def _nothing_seen(case: Case) -> tuple[Reason, ...]:
    """Hold if LIVE or FACE is required and the worker could not see enough to say anything."""
    if case.match is None or not _face_asked(case):
        return ()
    return tuple(each for each in case.match.reasons if each is not Reason.LIVE_LAYER_MISSING)


def _not_live(case: Case) -> tuple[Reason, ...]:
    """Hold if LIVE or FACE is required and life was not shown: a likeness alone proves nothing."""
    if not _face_asked(case):
        return ()
    missing = case.match is not None and Reason.LIVE_LAYER_MISSING in case.match.reasons
    if missing:
        return (Reason.LIVE_LAYER_MISSING,)
    live = case.match is not None and case.match.live is LiveBand.PASSED
    return () if live else (Reason.NOT_LIVE,)


def _other_face(case: Case) -> tuple[Reason, ...]:
    """Hold if FACE is required and the face is another one."""
    different = case.match is not None and case.match.band is FaceBand.DIFFERENT
    return (Reason.FACE_NOT_HOLDER,) if case.requires(Layer.FACE) and different else ()


def _unsure_face(case: Case) -> tuple[Reason, ...]:
    """Hold if FACE is required and neither the face nor, if allowed, a finger is the same."""
    if not case.requires(Layer.FACE):
        return ()
    band = FaceBand.NONE if case.match is None else case.match.band
    instead = band is FaceBand.UNSURE and case.policy.policy.on_finger == "instead"
    same = band in {FaceBand.SAME, FaceBand.SAME_STRONG} or (instead and _same_finger(case))
    return () if same else (Reason.FACE_UNSURE,)


def _replayed_finger(case: Case) -> tuple[Reason, ...]:
    """Hold if a touch was a copy of another, or of the card's own print."""
    replayed = case.finger is not None and Reason.FINGER_REPLAYED in case.finger.reasons
    return (Reason.FINGER_REPLAYED,) if replayed else ()


def _other_finger(case: Case) -> tuple[Reason, ...]:
    """Hold if a finger was put down and is none of the card's."""
    other = case.finger is not None and case.finger.band is FingerBand.DIFFERENT
    return (Reason.FINGER_NOT_HOLDER,) if other else ()


def _finger_required(case: Case) -> tuple[Reason, ...]:
    """Hold if the policy requires a finger and it is not known to be one of the card's."""
    if case.policy.policy.on_finger != "require" or _same_finger(case):
        return ()
    if case.finger is None:
        return (Reason.NO_REFERENCE,)
    return case.finger.reasons[:MAX_REASONS] or (Reason.FINGER_UNSURE,)


def _same_finger(case: Case) -> bool:
    same = {FingerBand.SAME, FingerBand.SAME_STRONG}
    return case.finger is not None and case.finger.band in same


def _face_asked(case: Case) -> bool:
    return case.requires(Layer.LIVE) or case.requires(Layer.FACE)


def _only_untimely(case: Case) -> bool:
    reasons = _chip_reasons(case)
    return bool(reasons) and _UNTIMELY.issuperset(reasons)


def _chip_reasons(case: Case) -> tuple[Reason, ...]:
    found = case.findings.reasons[:MAX_REASONS]
    return tuple(Reason(fault.value) for fault in found)


ACCEPT: Final = "accept"
UNSURE_FACE: Final = "unsure_face"
FINGER_REQUIRED: Final = "finger_required"

CARD_ROWS: Final = (
    Row("not_genuine", Outcome.REFUSED, _not_genuine),
    Row("weaker_refused", Outcome.REFUSED, _weaker_refused),
    Row("no_policy", Outcome.REFERRED, _no_policy),
    Row("simulator", Outcome.REFERRED, _simulator),
    Row("unreadable", Outcome.REFERRED, _unreadable),
    Row("signer_expired", Outcome.REFERRED, _signer_expired),
    Row("issuer_unknown", Outcome.REFERRED, _issuer_unknown),
    Row("weaker_access", Outcome.REFERRED, _weaker_access),
    Row("may_be_copy", Outcome.REFERRED, _may_be_copy),
    Row("expired", Outcome.REFERRED, _expired),
    Row("no_portrait", Outcome.REFERRED, _no_portrait),
)
"""What can be decided before anyone looks into a camera."""

FACE_ROWS: Final = (
    Row("nothing_seen", Outcome.REFERRED, _nothing_seen),
    Row("not_live", Outcome.REFERRED, _not_live),
    Row("other_face", Outcome.NOT_HOLDER, _other_face),
    Row(UNSURE_FACE, Outcome.REFERRED, _unsure_face),
)
"""Life before likeness: of a picture, likeness says nothing about who stands here."""

FINGER_ROWS: Final = (
    Row("replayed_finger", Outcome.REFERRED, _replayed_finger),
    Row("other_finger", Outcome.REFERRED, _other_finger),
    Row(FINGER_REQUIRED, Outcome.REFERRED, _finger_required),
)
"""A finger that does not fit is for a person to look at: touches fail more often than they lie."""

TABLE: Final = (*CARD_ROWS, *FACE_ROWS, *FINGER_ROWS)
"""From the top; behind it there is only `ACCEPT`."""
