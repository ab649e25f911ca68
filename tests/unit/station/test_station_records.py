"""What a record holds of a person, and what a report does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from station_material import evidence_of

from emrtd.evidence import ActiveAuthTranscript
from kiosk.session.events import FaceMatch
from kiosk.session.verdict import NOTHING_CHECKED, Verdict
from kiosk.station.records import SOFTWARE, Circumstances, draft_of
from kiosk.station.report import report
from kiosk.station.station import Ended
from wire.errors import Malformed
from wire.reasons import Outcome, Reason
from wire.record import (
    FaceBand,
    LiveBand,
    RecordIdentity,
    TimeQuality,
    decode_identity,
    decode_operations,
    encode_identity,
    encode_operations,
)

if TYPE_CHECKING:
    from wire.record import IdentityPart

AROUND = Circumstances(
    procedure="identity-check",
    site="commune-1",
    policy="policy-1",
    card_simulated=True,
    camera_simulated=False,
    unix_s=3_600 * 500_000 + 1_799.0,
    time_quality=TimeQuality.RTC,
)
MODELS = {
    "detect": "face-detection-short-range-0123456789ab",
    "mesh": "face-landmark-0123456789ab",
    "embed": "mobilefacenet-0123456789ab+dlib-resnet-0123456789ab",
    "iris": "iris-landmark-0123456789ab",
    "calibration": f"site-{'n' * 40}-0123456789ab",
    "texture": "site-texture-0123456789ab",
}
"""With as long names as they have: of two nets, and of a site's own calibration."""
SEEN = FaceMatch(FaceBand.SAME, LiveBand.PASSED, 5, models=MODELS)
ACCEPTED = Verdict(Outcome.ACCEPTED, (), NOTHING_CHECKED, "accept", SEEN)
RECORD = RecordIdentity("kiosk-1", bytes(16), "normal", 7)


def identity_of(generation: str) -> IdentityPart:
    part = draft_of(ACCEPTED, evidence_of(generation), AROUND).identity
    assert part is not None
    return part


def test_the_operations_part_tells_what_and_with_what_and_nobody() -> None:
    part = draft_of(ACCEPTED, evidence_of("2021"), AROUND).operations
    assert (part.outcome, part.procedure, part.site) == (
        "accepted", "identity-check", "commune-1",
    )  # fmt: skip
    assert (part.versions.software, part.versions.policy) == (SOFTWARE, "policy-1")
    assert part.versions.models == MODELS
    assert decode_operations(encode_operations(part)) == part
    assert (part.at_hour, part.time_quality) == (500_000, "rtc")
    assert (part.simulated.card, part.simulated.camera) == (True, False)
    raw = encode_operations(part)
    evidence = evidence_of("2021")
    assert b"999" not in raw
    assert not any(content[10:30] in raw for content in evidence.files.values())


@pytest.mark.parametrize("generation", ["2021", "2024"])
def test_the_identity_part_proves_the_number_again_and_shows_no_portrait(generation: str) -> None:
    evidence, part = evidence_of(generation), identity_of(generation)
    assert part.number == "999095012345"
    assert (part.dg1, part.sod, part.dg14) == tuple(
        evidence.files[name] for name in ("DG1", "SOD", "DG14")
    )
    assert part.dg15 == evidence.files.get("DG15")
    assert (part.aa is not None) == (generation == "2021")
    raw = encode_identity(part)
    assert decode_identity(raw) == part
    for never in ("DG2", "DG13"):
        assert evidence.files[never][40:72] not in raw


def test_a_refused_active_authentication_leaves_no_transcript() -> None:
    asked = replace(evidence_of("2021"), active_auth=ActiveAuthTranscript(bytes(8), b""))
    part = draft_of(ACCEPTED, asked, AROUND).identity
    assert part is not None
    assert part.aa is None


@pytest.mark.parametrize("missing", ["DG1", "SOD"])
def test_who_cannot_be_proved_again_is_not_named(missing: str) -> None:
    evidence = evidence_of("2021")
    files = {name: raw for name, raw in evidence.files.items() if name != missing}
    assert draft_of(ACCEPTED, replace(evidence, files=files), AROUND).identity is None


def test_a_zone_that_is_none_names_nobody() -> None:
    evidence = evidence_of("2021")
    broken = replace(evidence, files={**evidence.files, "DG1": b"\x61\x01\x00"})
    assert draft_of(ACCEPTED, broken, AROUND).identity is None


def test_a_session_that_read_nothing_names_nobody() -> None:
    left = Verdict(Outcome.INCOMPLETE, (Reason.CANCELLED,))
    draft = draft_of(left, None, AROUND)
    assert draft.identity is None
    assert draft.operations.versions.models == {}


def test_a_code_that_is_none_is_refused_before_it_is_filed() -> None:
    with pytest.raises(Malformed):
        encode_operations(draft_of(ACCEPTED, None, replace(AROUND, site="Nhà số 1")).operations)


def test_a_report_has_the_promised_keys() -> None:
    row = report(Ended(ACCEPTED, RECORD, {"dg2": 1.234}, 109))
    assert row == {
        "outcome": "accepted",
        "reasons": [],
        "checks": {
            "pa": "absent", "aa": "absent", "ca": "absent", "cam": "absent", "ta": "absent",
            "live": "absent",
        },
        "face": {"band": "same", "frames": 5, "tries": 0},
        "finger": "no_reference",
        "record": f"kiosk-1/{'00' * 16}/normal/7",
        "row": "accept",
        "apdus": 109,
        "ms": {"dg2": 1.2},
    }  # fmt: skip


def test_a_report_of_what_could_not_be_filed_says_so() -> None:
    unfiled = Verdict(Outcome.INCOMPLETE, (Reason.QUEUE_FULL,))
    row = report(Ended(unfiled, None, {}, 0))
    assert (row["record"], row["reasons"], row["face"]) == (
        None, ["queue_full"], {"band": "none", "frames": 0, "tries": 0},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["DG14", "DG15", "CardAccess"])
def test_a_file_larger_than_any_honest_one_costs_itself_not_the_record(name: str) -> None:
    evidence = evidence_of("2021")
    swollen = replace(evidence, files={**evidence.files, name: bytes(9_000)})
    draft = draft_of(ACCEPTED, swollen, AROUND)
    assert draft.identity is not None
    assert (draft.identity.number, draft.identity.dg14, draft.identity.aa) == (
        "999095012345", None, None,
    )  # fmt: skip
    encode_identity(draft.identity)


def test_a_security_object_that_no_part_holds_leaves_a_record_without_a_person() -> None:
    evidence = evidence_of("2021")
    swollen = replace(evidence, files={**evidence.files, "SOD": bytes(40_000)})
    draft = draft_of(ACCEPTED, swollen, AROUND)
    assert draft.identity is None
    encode_operations(draft.operations)
