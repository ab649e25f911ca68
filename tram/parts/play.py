"""The nine cases of the main job: how each is played, what must come out, and what came out.

Knows the cases and one table of what is expected; a row is good only if outcome, reasons, delivery
and the fleet's own row are as that table says. The station, the queue and every process are the
kiosk's own; here is only the person who puts the card down and types its key, and what somebody
holds or puts before the camera.

The station asks at random here as everywhere. A recording can by luck hold what is asked: how often
stands in `docs/reference/liveness.md`. That luck is left out of the demo: `Draws`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fleet.store.store import Store
from hw.open import open_finger
from kiosk.session.events import Dismissed
from kiosk.session.prompts import Delivery
from kiosk.station.chance import by_chance
from kiosk.station.eyes import ChildWorkers, Worker
from kiosk.station.main import Kiosk, Options
from kiosk.station.view import Screen
from tram.parts.card_key import password
from tram.parts.stage import CAN, READER_URL
from tram.verify import attend
from wire.record import RecordIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hw.finger.port import FingerPort
    from kiosk.vision.port import ActName, Challenge
    from tram.parts.stage import Parts, Stage

CARD_S: Final = 20.0
DELIVERY_S: Final = 15.0
ARRIVAL_S: Final = 40.0
"""Until a record is at the fleet; after an outage the link waits longer between its tries."""
AWAY_S: Final = 1.5
"""How long it is looked whether a record stays where it is while the broker is away."""
LEAVING_S: Final = 10.0
LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One citizen at the kiosk.

    Attributes:
        name: of the row of `EXPECTED` that must come out.
        title: for people.
        card: which card lies on the reader.
        head: who stands before the camera.
        fault: how the card's chip misbehaves.
        flat: whether it is a print that is held before the camera.
        finger: whose finger is laid on the sensor, if one is asked for.
        recorded: the acts of the challenge that a recording of that person meets, put in instead of
            what a camera sees; none: it is no recording.
        broker_stopped: whether the broker is away until the verdict is on the screen.
    """

    name: str
    title: str
    card: str = "2021"
    head: str = "holder"
    fault: str | None = None
    flat: bool = False
    finger: str = "holder"
    recorded: tuple[ActName, ...] = ()
    broker_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out.

    Attributes:
        outcome: of the session.
        reasons: all of them, the deciding one first.
        finger: how like the card's the finger was; empty: none was asked for.
        delivery: where the record is said to be while the verdict is on the screen.
    """

    outcome: str
    reasons: tuple[str, ...] = ()
    finger: tuple[str, ...] = ()
    delivery: Delivery = Delivery.DELIVERED


CASES: Final = (
    Case(name="holder_2021", title="the holder with a 2021 card"),
    Case(name="holder_2024", title="the holder with a 2024 card", card="2024"),
    Case(name="other_person", title="another with the holder's card", head="other"),
    Case(name="print", title="a print of the holder, turned", flat=True),
    Case(
        name="replay",
        title="a video of the holder, other cues",
        recorded=("turn_left", "turn_left"),
    ),
    Case(name="other_finger", title="the holder, with another's finger", finger="other"),
    Case(name="clone", title="a clone: right files, wrong key", fault="clone"),
    Case(name="changed_data", title="one byte of DG1 changed", fault="dg1_byte"),
    Case(name="broker_stopped", title="the holder, the broker away", broker_stopped=True),
)

SAME_FINGER: Final = ("same", "same_strong")
EXPECTED: Final = {
    "holder_2021": Expected("accepted", finger=SAME_FINGER),
    "holder_2024": Expected("accepted", finger=SAME_FINGER),
    "other_person": Expected("not_holder", ("face_not_holder",)),
    "print": Expected("referred", ("not_live",)),
    "replay": Expected("referred", ("not_live",)),
    "other_finger": Expected("referred", ("finger_not_holder",), ("different",)),
    "clone": Expected("refused", ("chip_key_mismatch",)),
    "changed_data": Expected("refused", ("data_hash_mismatch",)),
    "broker_stopped": Expected("accepted", finger=SAME_FINGER, delivery=Delivery.STORED),
}


class CastOfCameras:
    """Vision workers, each before another camera: one for each citizen, in order."""

    def __init__(self, stage: Stage, cases: Sequence[Case], models: Path) -> None:
        self._models = models
        self._urls = [
            stage.camera_url(case.head, flat=case.flat, recorded=case.recorded) for case in cases
        ]

    def begin(self) -> Worker:
        """Start the next citizen's worker; behind the last, the last one's again."""
        url = self._urls.pop(0) if len(self._urls) > 1 else self._urls[0]
        return ChildWorkers(url, self._models).begin()


class Draws:
    """Draws what each citizen is asked, at random as every station does.

    Against a recording it draws again for as long as the recording happens to hold what was drawn,
    so that the case shows what the challenge does and not whether somebody was lucky today. Of two
    turns to the left, again and again, that is one of the 8 first challenges and none of the second
    ones; all others stay as likely as each other.

    Attributes:
        recorded: the acts of the recording that is put in now; none: there is none.
    """

    def __init__(self) -> None:
        self.recorded: tuple[ActName, ...] = ()

    def __call__(self) -> tuple[Challenge, ...]:
        """Return a challenge and one more."""
        while True:
            drawn = by_chance()
            if not any(_holds(self.recorded, [step.act for step in each]) for each in drawn):
                return drawn


def _holds(recorded: Sequence[ActName], asked: Sequence[ActName]) -> bool:
    """Return whether a recording that goes round shows these acts, in this order, at some time."""
    if not recorded:
        return False
    count = len(asked)
    played = list(recorded) * (count + 1)
    return any(played[at : at + count] == list(asked) for at in range(len(recorded)))


class Hand:
    """Lays the finger of whoever is played now on the sensor, touch after touch.

    Attributes:
        whose: finger.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.whose = "holder"

    def __call__(self) -> FingerPort:
        """Return the sensor."""
        return open_finger(self._stage.finger_url(self.whose))


def play(
    stage: Stage,
    parts: Parts,
    cases: Sequence[Case],
    *,
    models: Path,
    policy: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Play cases at one kiosk, one after the other, and return a row for each.

    Args:
        stage: as `stage.build` made it.
        parts: running.
        cases: what is played.
        models: the model files.
        policy: another signed policy.
        say: told which case begins.

    Returns:
        `kiosk.station.report.report` and "case", "expected", "delivery", "fleet", "ok"; "fleet" is
        the operations part as the fleet holds it, None if it has none or several.
    """
    draws, hand = Draws(), Hand(stage)
    options = Options(
        models=models,
        card_url=READER_URL,
        policy=policy,
        link_socket=stage.device.link_socket,
        workers=CastOfCameras(stage, cases, models),
        challenges=draws,
        open_finger=hand,
    )
    rows = []
    with Kiosk(stage.device, options) as kiosk:
        for case in cases:
            say(case.title)
            draws.recorded, hand.whose = case.recorded, case.finger
            rows.append(_play_one(case, stage, parts, kiosk))
    for row in rows:
        row["ok"] = _as_expected(row)
    return rows


def _play_one(case: Case, stage: Stage, parts: Parts, kiosk: Kiosk) -> dict[str, Any]:
    if case.broker_stopped:
        parts.broker.kill()
    parts.card.insert(stage.chip(case.card, fault=case.fault))
    try:
        row = attend(kiosk.station, password(can=CAN), wait_s=CARD_S)
        seen = _delivery(kiosk, AWAY_S if case.broker_stopped else DELIVERY_S)
    finally:
        if case.broker_stopped:
            parts.broker.start()
        parts.card.remove()
    fleet = None if row["record"] is None else _delivered(stage, row["record"])
    _leave(kiosk)
    return {
        "case": case.name,
        "title": case.title,
        "expected": msgspec.to_builtins(EXPECTED[case.name]),
        **row,
        "delivery": None if seen is None else seen.value,
        "fleet": fleet,
    }


def _leave(kiosk: Kiosk) -> None:
    """Read the verdict and make room for the next citizen."""
    kiosk.station.post(Dismissed())
    _wait_until(lambda: kiosk.station.view().screen is Screen.WELCOME, LEAVING_S)


def _delivery(kiosk: Kiosk, seconds: float) -> Delivery | None:
    """Return what the verdict's screen says of the record once it is delivered, or in the end."""
    view = kiosk.station.view
    _wait_until(lambda: view().delivery in {None, Delivery.DELIVERED}, seconds)
    return view().delivery


def _delivered(stage: Stage, record: str) -> dict[str, Any] | None:
    """Wait for a record at the fleet, and return its operations part if it is there once."""
    found: list[dict[str, Any]] = []

    def arrived() -> bool:
        found[:] = at_fleet(stage).get(record, [])
        return bool(found)

    _wait_until(arrived, ARRIVAL_S)
    return found[0] if len(found) == 1 else None


def at_fleet(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    """Return what the fleet holds: record identity to every operations part stored under it."""
    held: dict[str, list[dict[str, Any]]] = {}
    with Store.open(stage.fleet.database) as store:
        for lane, seq, operations in store.records():
            name = str(RecordIdentity(lane.device, lane.epoch, lane.lane, seq))
            held.setdefault(name, []).append(msgspec.json.decode(operations))
    return held


def _as_expected(row: dict[str, Any]) -> bool:
    expected, fleet = EXPECTED[row["case"]], row["fleet"]
    outcome, reasons = expected.outcome, list(expected.reasons)
    return (
        (row["outcome"], row["reasons"]) == (outcome, reasons)
        and fleet is not None
        and (fleet["outcome"], fleet["reasons"]) == (outcome, reasons)
        and row["delivery"] == expected.delivery
        and _finger_as_expected(row["finger"], expected.finger)
    )


def _finger_as_expected(found: dict[str, Any] | str, bands: tuple[str, ...]) -> bool:
    """Whether a finger was found as it should be, and by touches; or none was asked for."""
    if isinstance(found, str):
        return not bands
    return found["band"] in bands and found["touches"] > 0


def once_each(stage: Stage, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether the fleet holds every row's record exactly once, and nothing else."""
    held = Counter({name: len(parts) for name, parts in at_fleet(stage).items()})
    return held == Counter(row["record"] for row in rows if row["record"] is not None)


def _wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


PHASES: Final = {"chip": 6, "face": 6, "finger": 7, "whole": 6}
"""What a table has room for, and how much."""


def phases(row: dict[str, Any]) -> dict[str, float]:
    """Return the milliseconds of `PHASES` in a session."""
    ms = row["ms"]
    named = {
        "face": ms.get("face_whole", 0.0),
        "finger": ms.get("finger_whole", 0.0),
        "whole": ms.get("whole", 0.0),
    }
    others = {name for name in ms if name.startswith(("face_", "finger_"))}
    others |= named.keys() | {"filing"}
    return {"chip": sum(ms[name] for name in ms.keys() - others), **named}


_SAME, _LATER, _NOTHING = "same", "later", "-"
"""What the fleet holds: the same outcome and reasons, the same after a while, or no record."""


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as text: case, outcome, reasons, milliseconds by phase, the fleet's row.

    A line has at most 100 columns, but where there are several reasons, or the fleet holds
    something else than was decided.
    """
    head = "".join(f"{name:>{width}}" for name, width in PHASES.items())
    lines = [f"  {'case (times in ms)':33} {'outcome':10} {'reasons':18}{head}  fleet"]
    for row in rows:
        spent = phases(row)
        lines.append(
            f"{'✓' if row['ok'] else '✗'} {row['title']:33} {row['outcome']:10} "
            f"{' '.join(row['reasons']) or '-':18}"
            + "".join(f"{spent[name]:{width}.0f}" for name, width in PHASES.items())
            + f"  {_at_fleet(row)}"
        )
    return "\n".join(lines)


def _at_fleet(row: dict[str, Any]) -> str:
    fleet = row["fleet"]
    if fleet is None:
        return _NOTHING
    if (fleet["outcome"], fleet["reasons"]) != (row["outcome"], row["reasons"]):
        return " ".join([fleet["outcome"], *fleet["reasons"]])
    return _LATER if row["delivery"] == Delivery.STORED else _SAME
