"""One ended session as the JSON that machines rely on: outcomes and bands, never a person.

Knows the keys and what each is worth. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wire.reasons import Reason
from wire.record import FaceBand

if TYPE_CHECKING:
    from kiosk.station.station import Ended


def report(ended: Ended) -> dict[str, Any]:
    """Return the row of `tram verify --json` and of the demo's table.

    Args:
        ended: a session.

    Returns:
        outcome, reasons, checks, face (band, frames and tries), finger (band, touches and reasons,
        or "no_reference" if none was asked for), record, row, apdus, ms by phase.
    """
    verdict, match, finger = ended.verdict, ended.verdict.match, ended.verdict.finger
    return {
        "outcome": verdict.outcome.value,
        "reasons": [reason.value for reason in verdict.reasons],
        "checks": {
            "pa": verdict.bands.pa.value,
            "aa": verdict.bands.aa.value,
            "ca": verdict.bands.ca.value,
            "cam": "absent",
            "ta": "absent",
            "live": verdict.bands.live.value,
        },
        "face": {
            "band": (FaceBand.NONE if match is None else match.band).value,
            "frames": 0 if match is None else match.frames,
            "tries": 0 if match is None else match.tries,
        },
        "finger": Reason.NO_REFERENCE.value
        if finger is None
        else {
            "band": finger.band.value,
            "touches": finger.touches,
            "reasons": [reason.value for reason in finger.reasons],
        },
        "record": None if ended.record is None else str(ended.record),
        "row": verdict.row,
        "apdus": ended.apdus,
        "ms": {phase: round(spent, 1) for phase, spent in ended.ms.items()},
    }
