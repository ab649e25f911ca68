"""From a verdict to the two parts of its record: pure.

Knows what each reader may see. The operations part has an outcome and no person; the identity part
has what proves again that this number stood in signed data, and never a portrait or the citizen
record. A session that read nothing of a person leaves no identity part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, structs

from emrtd.errors import ChipMalformed
from emrtd.lds import dg1
from kiosk.outbox import Draft
from wire.errors import Malformed
from wire.record import (
    AATranscript,
    IdentityPart,
    OperationsPart,
    Simulated,
    TimeQuality,
    Versions,
    encode_identity,
    hour_of,
)

if TYPE_CHECKING:
    from emrtd.evidence import Evidence
    from kiosk.session.verdict import Verdict

SOFTWARE: Final = "tram-0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a record says of the session beside its verdict.

    Attributes:
        procedure: which public procedure asked.
        site: where the device stands.
        policy: the id of the policy in force.
        card_simulated: whether no real reader stood behind the card.
        camera_simulated: whether frames came from a file or a renderer.
        finger_simulated: whether touches came from a simulator; None: no finger was asked for.
        unix_s: when.
        time_quality: whether that can be believed.
    """

    procedure: str
    site: str
    policy: str
    card_simulated: bool
    camera_simulated: bool
    unix_s: float
    time_quality: TimeQuality
    finger_simulated: bool | None = None


def draft_of(verdict: Verdict, evidence: Evidence | None, around: Circumstances) -> Draft:
    """Return the record of a session, without a number yet.

    Raises:
        wire.errors.Malformed: a code of the circumstances is none.
    """
    models = {
        role: name
        for match in (verdict.match, verdict.finger)
        if match is not None
        for role, name in match.models.items()
    }
    operations = OperationsPart(
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        bands=verdict.bands,
        procedure=around.procedure,
        site=around.site,
        versions=Versions(software=SOFTWARE, policy=around.policy, models=models),
        at_hour=hour_of(around.unix_s),
        time_quality=around.time_quality,
        simulated=Simulated(
            card=around.card_simulated,
            camera=around.camera_simulated,
            finger=UNSET if around.finger_simulated is None else around.finger_simulated,
        ),
    )
    identity = None if evidence is None else _identity(verdict, evidence, around.policy)
    return Draft(operations=operations, identity=_that_fits(identity))


def _that_fits(part: IdentityPart | None) -> IdentityPart | None:
    """Return an identity part that may be sent: whole, without what is optional, or none at all.

    A card may hold files larger than any honest one; its session leaves a record all the same.
    """
    if part is None:
        return None
    bare = structs.replace(part, dg14=None, dg15=None, card_access=None, aa=None)
    for candidate in (part, bare):
        try:
            encode_identity(candidate)
        except Malformed:
            continue
        return candidate
    return None


def _identity(verdict: Verdict, evidence: Evidence, policy: str) -> IdentityPart | None:
    """Return the identity part, None if no Vietnamese personal number was read."""
    files = evidence.files
    number = _number(files.get("DG1"))
    if number is None or "SOD" not in files:
        return None
    transcript = evidence.active_auth
    return IdentityPart(
        number=number,
        dg1=files["DG1"],
        sod=files["SOD"],
        dg14=files.get("DG14"),
        dg15=files.get("DG15"),
        card_access=files.get("CardAccess"),
        aa=None
        if transcript is None or not transcript.signature
        else AATranscript(nonce=transcript.nonce, signature=transcript.signature),
        policy=policy,
        bands=verdict.bands,
    )


def _number(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return dg1.parse(raw).mrz.personal_number
    except ChipMalformed:
        return None
