"""The decision table against rules in plain English, over the whole product of what can be known.

What each card is stands here by hand, from how it was made; the table sees only findings.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any

import pytest
from msgspec import UNSET
from session_material import TODAY, findings, in_force

from emrtd.errors import Fault
from kiosk.session.events import FaceMatch
from kiosk.session.policy import PolicyInForce
from kiosk.session.verdict import (
    ACCEPT,
    CARD_ROWS,
    FACE_ROWS,
    FINGER_ROWS,
    TABLE,
    Case,
    Verdict,
    decide,
    decide_card,
    portrait_of,
)
from wire.policy import ALL_LAYERS, Layer
from wire.reasons import Outcome, Reason
from wire.record import FaceBand, LiveBand

ACCEPTED, REFUSED, REFERRED, NOT_HOLDER = (
    Outcome.ACCEPTED, Outcome.REFUSED, Outcome.REFERRED, Outcome.NOT_HOLDER,
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """What is true of a card.

    Attributes:
        lies: what does not hold.
        unclear: why nothing is known.
        signed: by an issuer that is trusted, or why not.
        proved: the chip holds its keys.
        over: its last day is past; None if there is no telling.
        portrait: there is one.
        weakly: it was opened in a weaker way than it can be.
    """

    lies: Reason | None = None
    unclear: Reason | None = None
    signed: bool | Reason = True
    proved: bool = True
    over: bool | None = False
    portrait: bool = True
    weakly: bool = False


CARDS = {
    "genuine 2021": Card(),
    "genuine 2024": Card(),
    "with fingers": Card(),
    "fingers are none": Card(),
    "clone": Card(lies=Reason.CHIP_KEY_MISMATCH),
    "silent clone": Card(lies=Reason.CHIP_KEY_MISMATCH),
    "data changed": Card(lies=Reason.DATA_HASH_MISMATCH),
    "portrait changed": Card(lies=Reason.DATA_HASH_MISMATCH),
    "signature wrong": Card(lies=Reason.SIGNATURE_INVALID),
    "signer over": Card(unclear=Reason.SIGNER_EXPIRED),
    "key file hidden": Card(lies=Reason.ADVERTISED_FILE_MISSING),
    "signer early": Card(unclear=Reason.SIGNER_NOT_YET_VALID),
    "signer over, record missing": Card(lies=Reason.ADVERTISED_FILE_MISSING),
    "portrait locked": Card(lies=Reason.ADVERTISED_FILE_MISSING),
    "record locked": Card(),
    "record missing": Card(lies=Reason.ADVERTISED_FILE_MISSING),
    "two numbers": Card(unclear=Reason.DATA_CONTRADICTORY),
    "opened weakly": Card(weakly=True),
    "opened weakly, clone": Card(lies=Reason.CHIP_KEY_MISMATCH, weakly=True),
    "opened weakly, issuer unknown": Card(signed=Reason.ISSUER_UNKNOWN, weakly=True),
    "opened strongly": Card(),
    "issuer unknown": Card(signed=Reason.ISSUER_UNKNOWN),
    "may be copy": Card(proved=False),
    "over yesterday": Card(over=True),
    "over today": Card(),
    "never over": Card(),
    "copy, over": Card(proved=False, over=True),
    "no portrait": Card(portrait=False),
    "portrait is none": Card(portrait=False),
    "zone is none": Card(over=None),
    "impossible day": Card(over=None),
    "never asked": Card(unclear=Reason.NOT_ASKED),
    "nonsense": Card(unclear=Reason.SECURITY_OBJECT_MALFORMED),
}

LAYERS = list(chain.from_iterable(combinations(ALL_LAYERS, n) for n in range(6)))
MATCHES = [
    None,
    *(
        FaceMatch(band, live, 3, reasons)
        for band, live, reasons in product(
            FaceBand,
            LiveBand,
            [
                (),
                (Reason.NO_FACE,),
                (Reason.QUALITY_POSE, Reason.QUALITY_SIZE),
                (Reason.FRAMES_NOT_FRESH,),
                (Reason.LIVE_LAYER_MISSING,),
            ],
        )
    ),
]
SIMULATED = FaceMatch(FaceBand.SAME, LiveBand.PASSED, 3, simulated=True)
NO_POLICY = (None, Reason.POLICY_MISSING, Reason.POLICY_UNSIGNED, Reason.POLICY_EXPIRED)


def by_the_rules(
    card: Card, match: FaceMatch | None, layers: tuple[Layer, ...], *,
    why_none: Reason | None = None, simulated: bool = False, allowed: bool = False,
    downgrade: str = "refer",
) -> tuple[Outcome, Reason | None]:  # fmt: skip
    """Return outcome and deciding reason, by what is said of the product in plain English."""
    # A card that lies is refused, whatever else is the case.
    if card.lies:
        return REFUSED, card.lies
    # Whoever may have listened decides before anything that a person could clear up.
    if card.weakly and downgrade == "refuse":
        return REFUSED, Reason.ACCESS_DOWNGRADED
    # Without a valid policy nothing is accepted; nor from a simulator, if they aren't allowed.
    if why_none:
        return REFERRED, why_none
    if (simulated or (match and match.simulated)) and not allowed:
        return REFERRED, Reason.POLICY_SIMULATOR
    # What nobody can judge goes to a person; so does a signer who is over, for clocks are wrong.
    if card.unclear:
        return REFERRED, card.unclear
    if card.signed is not True:
        return REFERRED, card.signed
    if card.weakly and downgrade != "accept":
        return REFERRED, Reason.ACCESS_DOWNGRADED
    if "chip" in layers and not card.proved:
        return REFERRED, Reason.CHIP_MAY_BE_COPY
    if "validity" in layers and card.over is not False:
        return REFERRED, Reason.CARD_STATUS_EXPIRED if card.over else Reason.CHIP_MALFORMED
    if "live" in layers or "face" in layers:
        if not card.portrait:
            return REFERRED, Reason.NO_PORTRAIT
        if match and match.reasons and match.reasons != (Reason.LIVE_LAYER_MISSING,):
            return REFERRED, match.reasons[0]
        # A layer that could not look is never a pass, whatever the others say.
        if match and Reason.LIVE_LAYER_MISSING in match.reasons:
            return REFERRED, Reason.LIVE_LAYER_MISSING
        # A picture says nothing about who stands here: whoever asks for the face asks for life.
        if match is None or match.live != "passed":
            return REFERRED, Reason.NOT_LIVE
    if "face" in layers and match and match.band == "different":
        return NOT_HOLDER, Reason.FACE_NOT_HOLDER
    if "face" in layers and (match is None or match.band not in {"same", "same_strong"}):
        return REFERRED, Reason.FACE_UNSURE
    return ACCEPTED, None


def decided(
    name: str, match: FaceMatch | None, layers: tuple[Layer, ...] = ALL_LAYERS, *,
    why_none: Reason | None = None, simulated: bool = False, allowed: bool = False,
    downgrade: Any = UNSET,
) -> Verdict:  # fmt: skip
    policy = in_force(layers, simulators=allowed, why_none=why_none, downgrade=downgrade)
    return decide(Case(findings()[name], TODAY, match, policy, simulated))


def test_every_card_is_told() -> None:
    assert CARDS.keys() == findings().keys()


@pytest.mark.parametrize("name", CARDS)
def test_every_face_under_every_policy(name: str) -> None:
    for match, layers in product([*MATCHES, SIMULATED], LAYERS):
        verdict = decided(name, match, layers)
        expected = by_the_rules(CARDS[name], match, layers)
        assert (verdict.outcome, (*verdict.reasons, None)[0]) == expected, (match, layers)


@pytest.mark.parametrize("name", CARDS)
def test_every_face_without_a_policy_and_on_simulators(name: str) -> None:
    around = product(
        [None, MATCHES[1], SIMULATED, MATCHES[-1], FaceMatch(FaceBand.DIFFERENT, LiveBand.PASSED)],
        [ALL_LAYERS, (), (Layer.PA, Layer.FACE)],
        NO_POLICY,
        [True, False],
        [True, False],
    )
    for match, layers, why_none, simulated, allowed in around:
        given = {"why_none": why_none, "simulated": simulated, "allowed": allowed}
        verdict = decided(name, match, layers, **given)
        expected = by_the_rules(CARDS[name], match, layers, **given)
        assert (verdict.outcome, (*verdict.reasons, None)[0]) == expected, (match, layers, given)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("downgrade", ["accept", "refer", "refuse"])
def test_a_weaker_way_than_the_chip_can_leads_where_the_policy_says(
    name: str, downgrade: str
) -> None:
    around = product([None, SAME, OTHER, SIMULATED], [ALL_LAYERS, CARD_ONLY, ()], NO_POLICY)
    for match, layers, why_none in around:
        given = {"why_none": why_none, "downgrade": downgrade}
        verdict = decided(name, match, layers, **given)
        expected = by_the_rules(CARDS[name], match, layers, **given)
        assert (verdict.outcome, (*verdict.reasons, None)[0]) == expected, (match, layers, given)


def test_without_a_policy_a_weaker_way_is_refused() -> None:
    for name, outcome in (("opened weakly", REFUSED), ("opened strongly", REFERRED)):
        none = PolicyInForce.none(Reason.POLICY_MISSING)
        assert decide(Case(findings()[name], TODAY, SAME, none)).outcome is outcome


CARD_ONLY = (Layer.PA, Layer.CHIP, Layer.VALIDITY)


@pytest.mark.parametrize(
    ("name", "outcome", "reasons"),
    [
        # Whoever hides the portrait hopes that nobody compares: the desk would look at a print.
        ("portrait locked", "refused", ("advertised_file_missing",)),
        ("record missing", "refused", ("advertised_file_missing",)),
        ("record locked", "accepted", ()),
        ("no portrait", "accepted", ()),  # nobody wanted it
        ("two numbers", "referred", ("data_contradictory",)),
    ],
)
def test_files_that_are_kept_back_under_a_policy_that_looks_at_no_face(
    name: str, outcome: str, reasons: tuple[str, ...]
) -> None:
    verdict = decided(name, None, CARD_ONLY)
    assert (verdict.outcome, verdict.reasons) == (outcome, reasons)


def test_a_record_has_room_for_every_reason() -> None:
    many = dataclasses.replace(findings()["clone"], reasons=tuple(Fault))
    verdict = decide(Case(many, TODAY, None, in_force()))
    assert len(verdict.reasons) == 16
    assert verdict.reasons[0] == next(iter(Fault)).value


LIVING = LiveBand.PASSED
SAME, OTHER = FaceMatch(FaceBand.SAME, LIVING), FaceMatch(FaceBand.DIFFERENT, LIVING)
PRINT = FaceMatch(FaceBand.SAME_STRONG, LiveBand.FAILED)


@pytest.mark.parametrize(
    ("name", "match", "outcome", "reasons", "row"),
    [
        ("genuine 2021", SAME, "accepted", (), "accept"),
        ("genuine 2024", SAME, "accepted", (), "accept"),
        ("genuine 2021", OTHER, "not_holder", ("face_not_holder",), "other_face"),
        ("genuine 2021", PRINT, "referred", ("not_live",), "not_live"),
        ("genuine 2021", FaceMatch(FaceBand.SAME_STRONG, reasons=(Reason.LIVE_LAYER_MISSING,)),
         "referred", ("live_layer_missing",), "not_live"),
        ("genuine 2021", FaceMatch(live=LiveBand.FAILED, reasons=(Reason.FRAMES_NOT_FRESH,)),
         "referred", ("frames_not_fresh",), "nothing_seen"),
        ("clone", SAME, "refused", ("chip_key_mismatch",), "not_genuine"),
        ("data changed", SAME, "refused", ("data_hash_mismatch",), "not_genuine"),
        ("issuer unknown", SAME, "referred", ("issuer_unknown",), "issuer_unknown"),
        ("may be copy", SAME, "referred", ("chip_may_be_copy",), "may_be_copy"),
        ("over yesterday", SAME, "referred", ("card_status_expired",), "expired"),
        ("no portrait", None, "referred", ("no_portrait",), "no_portrait"),
        ("signer early", SAME, "referred", ("signer_not_yet_valid",), "signer_expired"),
        ("opened weakly", SAME, "referred", ("access_downgraded",), "weaker_access"),
        ("opened weakly, clone", SAME, "refused", ("chip_key_mismatch",), "not_genuine"),
        ("opened strongly", SAME, "accepted", (), "accept"),
        ("nonsense", None, "referred", ("security_object_malformed",), "unreadable"),
        ("genuine 2021", FaceMatch(FaceBand.UNSURE, LIVING), "referred", ("face_unsure",),
         "unsure_face"),
        ("genuine 2021", FaceMatch(reasons=(Reason.QUALITY_SIZE, Reason.QUALITY_POSE)), "referred",
         ("quality_size", "quality_pose"), "nothing_seen"),
    ],
)  # fmt: skip
def test_the_cases_of_the_demo_and_its_neighbours(
    name: str, match: FaceMatch | None, outcome: str, reasons: tuple[str, ...], row: str
) -> None:
    verdict = decided(name, match)
    assert (verdict.outcome, verdict.reasons, verdict.row) == (outcome, reasons, row)


@pytest.mark.parametrize(
    ("match", "reasons"),
    [
        (FaceMatch(FaceBand.SAME_STRONG, LiveBand.ABSENT, 5), ("not_live",)),
        (FaceMatch(FaceBand.SAME_STRONG, LiveBand.ABSENT, 5, (Reason.LIVE_LAYER_MISSING,)),
         ("live_layer_missing",)),
        (PRINT, ("not_live",)),
        (FaceMatch(FaceBand.DIFFERENT, LiveBand.ABSENT, 5), ("not_live",)),
    ],
)  # fmt: skip
def test_whoever_asks_for_the_face_alone_asks_for_life(
    match: FaceMatch, reasons: tuple[str, ...]
) -> None:
    verdict = decided("genuine 2021", match, (Layer.PA, Layer.CHIP, Layer.VALIDITY, Layer.FACE))
    assert (verdict.outcome, verdict.reasons, verdict.row) == ("referred", reasons, "not_live")


def test_what_was_checked_stands_in_the_verdict() -> None:
    verdict = decided("genuine 2024", SAME)
    assert verdict.match is SAME
    bands = verdict.bands
    assert (bands.pa, bands.aa, bands.ca, bands.face, bands.live) == (
        "passed", "absent", "passed", "same", "passed",
    )  # fmt: skip
    bands = decided("clone", None).bands
    assert (bands.pa, bands.aa, bands.ca, bands.face, bands.live) == (
        "passed", "failed", "failed", "none", "absent",
    )  # fmt: skip


def test_a_card_is_good_on_its_last_day_and_not_on_the_next() -> None:
    case = Case(findings()["over yesterday"], TODAY.replace(month=5, day=31), SAME, in_force())
    assert decide(case).outcome is ACCEPTED
    assert decided("over yesterday", SAME).reasons == (Reason.CARD_STATUS_EXPIRED,)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("layers", [ALL_LAYERS, (), (Layer.LIVE,)])
def test_what_the_card_decides_no_face_changes(name: str, layers: tuple[Layer, ...]) -> None:
    early = decide_card(Case(findings()[name], TODAY, None, in_force(layers)))
    for match in MATCHES:
        late = decided(name, match, layers)
        if early is None:
            assert late.row in {row.name for row in FACE_ROWS} | {ACCEPT}
        else:
            assert (late.outcome, late.reasons, late.row) == (
                early.outcome, early.reasons, early.row,
            )  # fmt: skip


def test_no_portrait_is_taken_from_data_that_nobody_signed() -> None:
    assert findings()["issuer unknown"].groups is not None
    hidden = ("issuer unknown", "portrait changed", "nonsense", "no portrait", "portrait locked")
    for name in hidden:
        assert portrait_of(findings()[name]) is None
    assert portrait_of(findings()["genuine 2024"])


def test_no_row_accepts_and_each_has_a_name_of_its_own() -> None:
    assert (*CARD_ROWS, *FACE_ROWS, *FINGER_ROWS) == TABLE
    assert ACCEPTED not in {row.outcome for row in TABLE}
    names = [row.name for row in TABLE] + [ACCEPT]
    assert len(set(names)) == len(names)


def test_each_row_decides_somewhere() -> None:
    seen = {decided(name, match).row for name, match in product(CARDS, MATCHES)}
    seen.add(decided("genuine 2021", SAME, why_none=Reason.POLICY_MISSING).row)
    seen.add(decided("genuine 2021", SIMULATED).row)
    seen.add(decided("opened weakly", SAME, downgrade="refuse").row)
    assert seen == {row.name for row in (*CARD_ROWS, *FACE_ROWS)} | {ACCEPT}
