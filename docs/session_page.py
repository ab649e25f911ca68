"""The page of the session: its diagram and its table, made by letting `step` and the table run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import product
from typing import TYPE_CHECKING, Final, get_args

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.errors import Fault
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.sim import Chip, Holder, TestPKI, personalise
from emrtd.sim._finger_record import dg3
from emrtd.sim.personalise import signed_files
from emrtd.trust import TrustStore
from emrtd.verify import Findings, verify
from kiosk.session import events as ev
from kiosk.session import states as ss
from kiosk.session.machine import Site, step, timeout_s
from kiosk.session.policy import PolicyInForce
from kiosk.session.verdict import ACCEPT, TABLE, Verdict
from wire.policy import ALL_LAYERS, Finger, Layer, Policy
from wire.reasons import Outcome, Reason
from wire.record import FaceBand, FingerBand, LiveBand, RecordIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

AT: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
TIMER: Final = 4
LAYERS: Final = (ALL_LAYERS, (Layer.PA, Layer.CHIP))
FINGER: Final[tuple[Finger, ...]] = get_args(Finger)
JPEG: Final = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
HOLDER: Final = Holder(
    number="999195012345", name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
    issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
)  # fmt: skip

HEAD: Final = """\
# The session

One citizen from the card on the reader to the verdict on the screen, as a reducer without clock,
chance or I/O: `kiosk.session.machine.step`. This page is made from it by `docs/generate.py`.

## States and events

An arrow is an event that leads from one state to another; what is not drawn changes nothing.

"""
PATIENCE: Final = """
A state that lasts too long ends by itself. The policy says how long that is; these are the seconds
if it is silent:

| state | seconds |
|---|---:|
"""
RULES: Final = """
For every sequence of events: a session files exactly one record; after `FileRecord` comes only
`Forget`, after `RecordStored` only `Show`; a wrong key may be given as often as the policy says;
nothing is shown as accepted whose record is not on the disk.

## What decides

One table, read from the top; the first row that holds decides. Rows about the card are asked before
anyone looks into a camera. `tram policy explain` prints them for a card that was read; see
[policy.md](policy.md).

| row | outcome | holds |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One step that changes something: the kinds of two states, the event, how it was decided."""

    before: str
    event: str
    after: str
    outcome: Outcome | None
    reasons: tuple[Reason, ...]


def render() -> str:
    """Return the page, Markdown."""
    policy = Policy(id="p", not_before=0, not_after=1, layers=ALL_LAYERS)
    site = Site(PolicyInForce(policy))
    patience = "".join(
        f"| {type(state).__name__} | {timeout_s(state, site)} |\n"
        for state in {type(state): state for state in states()}.values()
        if not isinstance(state, ss.Idle)
    )
    rows = [
        f"| `{row.name}` | {row.outcome.value} | {_sentence(row.test.__doc__)} |" for row in TABLE
    ]
    rows.append(f"| `{ACCEPT}` | {Outcome.ACCEPTED.value} | in every other case |")
    return HEAD + _diagram(arrows()) + PATIENCE + patience + RULES + "\n".join(rows) + "\n"


def _sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").split()).removeprefix("Hold ").removesuffix(".")


def _diagram(drawn: list[Arrow]) -> str:
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for arrow in drawn:
        labels.setdefault((arrow.before, arrow.after), {})[arrow.event] = None
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> Idle"]
    for (before, after), events in labels.items():
        lines.append(f"    {before} --> {after}: {', '.join(events)}")
    return "\n".join([*lines, "```", ""])


def arrows() -> list[Arrow]:
    """Return every step that changes something, over all states, events and two policies."""
    drawn: dict[Arrow, None] = {}
    sites = [
        Site(PolicyInForce(Policy(id="p", not_before=0, not_after=1, layers=layers, finger=finger)))
        for layers, finger in product(LAYERS, FINGER)
    ]
    for state, event, site in product(states(), events(), sites):
        after, _ = step(state, event, site)
        if after is not state:
            names = (type(each).__name__ for each in (state, event, after))
            verdict = after.verdict if isinstance(after, ss.Filing | ss.Showing) else None
            how = (verdict.outcome, verdict.reasons) if verdict else (None, ())
            drawn[Arrow(*names, *how)] = None
    return list(drawn)


def states() -> list[ss.State]:
    """Return each kind of state, with what makes a difference."""
    genuine, today = card(None), AT.date()
    return [
        ss.Idle(TIMER),
        ss.AskingKey(TIMER, 3),
        ss.ReadingChip(TIMER, 2),
        ss.ReadingChip(TIMER, 0),
        ss.MatchingFace(TIMER, genuine, today),
        ss.MatchingFace(TIMER, card(FINGERS), today),
        ss.MatchingFinger(TIMER, genuine, today, ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED)),
        *(
            ss.ConfirmingCard(
                TIMER, genuine, today, ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED), finger
            )
            for finger in touches()
        ),
        *(ss.ConfirmingCard(TIMER, genuine, today, match) for match in matches()),
        ss.Filing(TIMER, Verdict(Outcome.ACCEPTED, ())),
        ss.Showing(TIMER, Verdict(Outcome.ACCEPTED, ()), None),
    ]


def matches() -> list[ev.FaceMatch]:
    """Return what a worker may find."""
    found = [ev.FaceMatch(band, live) for band, live in product(FaceBand, LiveBand)]
    unseen = (*(reason for reason in Reason if reason.value.startswith("quality_")), Reason.NO_FACE,
              Reason.SEVERAL_FACES)  # fmt: skip
    return found + [ev.FaceMatch(reasons=(reason,)) for reason in unseen]


def touches() -> list[ev.FingerMatch]:
    """Return what may be found about a finger."""
    why = (*(reason for reason in Reason if reason.value.startswith("quality_finger")),
           *(reason for reason in Reason if reason.value.startswith("device_")),
           Reason.QUALITY_REFERENCE, Reason.NO_FINGER, Reason.FINGER_DECLINED,
           Reason.FINGER_REPLAYED)  # fmt: skip
    return [ev.FingerMatch(band, 1) for band in FingerBand] + [
        ev.FingerMatch(reasons=(reason,)) for reason in why
    ]


def events() -> list[ev.Event]:
    """Return each event, with what makes a difference, as far as it can happen."""
    record = RecordIdentity(device="kiosk-1", epoch=bytes(16), lane="normal", seq=1)
    devices = [reason for reason in Reason if reason.value.startswith("device_")]
    return [
        ev.CardSeen(),
        ev.KeyGiven(CAN("012345")),
        ev.KeyRefused(),
        ev.Progressed("dg2"),
        *(ev.ChipRead(card(fault), AT.date()) for fault in FAULTS),
        *(ev.ChipFailed(fault, lied=False) for fault in FAILURES),
        ev.FaceCued(ev.FaceCue.TURN_LEFT),
        ev.FaceHinted(Reason.NO_FACE),
        ev.FaceJudged(ev.FaceMatch()),
        ev.FaceJudged(ev.FaceMatch(FaceBand.SAME, LiveBand.PASSED)),
        ev.FingerCued(ev.FingerCue.LIFT),
        ev.FingerHinted(Reason.QUALITY_FINGER_DRY),
        ev.FingerJudged(ev.FingerMatch()),
        ev.FingerDeclined(),
        ev.CardConfirmed(),
        ev.CardSwapped(),
        ev.CardGone(),
        ev.Cancelled(),
        ev.TimerFired(TIMER),
        *(ev.DeviceFailed(reason) for reason in devices),
        ev.RecordStored(record, TIMER),
        ev.RecordRefused(Reason.QUEUE_FULL, TIMER),
        ev.Dismissed(),
    ]


FAULTS: Final = (
    None, "clone", "dg1_byte", "wrong_sod_signature", "expired_signer", "unknown_issuer",
    "dg14_unreadable", "copy", "fingers",
)  # fmt: skip
FAILURES: Final = (
    Fault.CHIP_REFUSED,
    Fault.ACCESS_UNSUPPORTED,
    Fault.CHIP_MALFORMED,
    Fault.CHANNEL_BROKEN,
)
"""What ends a reading and is no lie."""

FINGERS: Final = "fingers"
"""No fault: a card with fingerprints."""

_KNOWN: dict[str | None, Findings] = {}


def card(fault: str | None) -> Findings:
    """Return what is known of a test card that lies in one way; of "copy", one without keys."""
    if fault not in _KNOWN:
        pki = TestPKI.create(
            _stream("pki"),
            valid_from=datetime(2020, 1, 1, tzinfo=UTC),
            valid_until=datetime(2035, 1, 1, tzinfo=UTC),
        )
        copied = fault == "copy"
        prints = {2: JPEG} if fault == FINGERS else {}
        auth = frozenset() if copied else None
        image = personalise(
            HOLDER, JPEG, generation="2021", pki=pki, randomness=_stream("card"), auth=auth
        )
        if prints:
            files = {**image.files, "DG3": dg3(prints)}
            image = replace(image, files={**files, "SOD": signed_files(files, pki.signer)})
        chip = Chip(image, randomness=_stream("chip"), fault=None if copied or prints else fault)
        chip.reset()
        dialogue = inspect(
            CAN(image.can),
            wanted=frozenset({"DG1", "DG2", *(["DG3"] if prints else [])}),
            randomness=_stream("reader"),
            aa_nonce=bytes(8),
        )

        def transmit(command: Command) -> Response:
            return Response.from_bytes(chip.answer(command.to_bytes()))

        evidence = drive(dialogue, transmit).evidence
        _KNOWN[fault] = verify(evidence, TrustStore((pki.csca.certificate,)), at=AT)
    return _KNOWN[fault]


def _stream(seed: str) -> Callable[[int], bytes]:
    """Return bytes that are the same each time, so that the page is."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness
