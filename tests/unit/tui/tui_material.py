"""What the screen's tests share: a station whose session is the real one, views, what is seen.

The test plays the devices: it says what happened, and the session's own table says what follows.
What the chip was found to be comes from a played card that the library read and verified.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.sim import Chip, Holder, TestPKI, personalise
from emrtd.sim._finger_record import dg3
from emrtd.sim.personalise import signed_files
from emrtd.trust import TrustStore
from emrtd.verify import verify
from kiosk.session.events import (
    CardConfirmed,
    CardSeen,
    ChipRead,
    FaceCue,
    FaceCued,
    FaceHinted,
    FaceJudged,
    FaceMatch,
    FingerCue,
    FingerCued,
    FingerHinted,
    KeyGiven,
    KeyRefused,
    Progressed,
    RecordStored,
    TimerFired,
)
from kiosk.session.machine import Site, step
from kiosk.session.policy import PolicyInForce
from kiosk.session.states import AskingKey, Idle
from kiosk.station.view import Around, view_of
from kiosk.tui.citizen import CitizenApp
from kiosk.tui.widgets import Choice
from wire.policy import ALL_LAYERS, Policy
from wire.reasons import Reason
from wire.record import FaceBand, LiveBand, RecordIdentity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from textual.pilot import Pilot

    from emrtd.verify import Findings
    from kiosk.session.effects import Effect
    from kiosk.session.events import Event
    from kiosk.session.states import State
    from kiosk.station.view import ViewModel

NUMBER = "999195482716"
CAN_TYPED = NUMBER[-6:]
TODAY = date(2026, 6, 1)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")
"""The shortest thing that has a JPEG's frame header. Nobody decodes it here."""
RECORD = RecordIdentity("kiosk-1", bytes(16), "normal", 17)
SIZES = ((35, 8), (52, 13), (60, 13), (60, 16), (80, 24))
FOCUSED = ((35, 8), (60, 16))
"""Where every choice is focused in turn: its colours are the same at each size."""
AROUND = Around(online=False, policy="ptest-1", policy_days_left=40, trust_days=3, simulated=True)
SITE = Site(
    PolicyInForce(
        Policy(
            id="ptest-1",
            not_before=0,
            not_after=2**33,
            layers=ALL_LAYERS,
            simulators_allowed=True,
            finger="ask",
        )
    ),
    card_simulated=True,
)
SAME = FaceMatch(FaceBand.SAME, LiveBand.PASSED, frames=5, simulated=True)
OTHER = FaceMatch(FaceBand.DIFFERENT, LiveBand.PASSED, frames=5, simulated=True)


def stream(seed: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones each time."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness


@cache
def findings(fault: str | None = None, *, fingers: bool = False) -> Findings:
    """Return what the library finds of a played card."""
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    pki = TestPKI.create(stream("pki"), valid_from=since, valid_until=until)
    holder = Holder(
        number=NUMBER, name="Nguyễn Thị Mẫu", birth=date(1995, 1, 1), sex="F",
        issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
    )  # fmt: skip
    card = personalise(holder, JPEG, generation="2021", pki=pki, randomness=stream("card"))
    if fingers:
        files = {**card.files, "DG3": dg3({2: JPEG, 7: JPEG})}
        card = replace(card, files={**files, "SOD": signed_files(files, pki.signer)})
    chip = Chip(card, randomness=stream("chip"), fault=fault)

    def transmit(command: Command) -> Response:
        return Response.from_bytes(chip.answer(command.to_bytes()))

    wanted = frozenset({"DG1", "DG2", *({"DG3"} if fingers else ())})
    dialogue = inspect(
        CAN(CAN_TYPED), wanted=wanted, randomness=stream("reader"), aa_nonce=bytes(8)
    )
    return verify(drive(dialogue, transmit).evidence, TrustStore([pki.csca.certificate]), at=AT)


class ScriptedStation:
    """The real session behind the screen's port; the test says what the devices do."""

    def __init__(self, around: Around = AROUND) -> None:
        self.state: State = Idle()
        self.around = around
        self.posted: list[Event] = []
        self.effects: list[Effect] = []
        self.watchers: list[Callable[[ViewModel], None]] = []

    def view(self) -> ViewModel:
        return view_of(self.state, self.around)

    def subscribe(self, callback: Callable[[ViewModel], None], /) -> Callable[[], None]:
        self.watchers.append(callback)
        return lambda: self.watchers.remove(callback)

    def post(self, event: Event, /) -> None:
        self.posted.append(event)
        self.happens(event)

    def happens(self, *events: Event) -> None:
        for event in events:
            self.state, effects = step(self.state, event, SITE)
            self.effects += effects
            for watcher in self.watchers:
                watcher(self.view())

    def stored(self) -> RecordStored:
        return RecordStored(RECORD, self.state.timer)


def walk() -> dict[str, tuple[Callable[[ScriptedStation], None], ...]]:
    """Return how to come to each screen, by what happens."""

    def tell(*events: Event) -> Callable[[ScriptedStation], None]:
        return lambda station: station.happens(*events)

    def store(station: ScriptedStation) -> None:
        station.happens(station.stored())

    key = tell(CardSeen(simulated=True))
    reading = tell(KeyGiven(CAN(CAN_TYPED)), Progressed("dg2", 5_000, 15_000))
    read = tell(ChipRead(findings(), TODAY))
    fingers, dry = (
        tell(ChipRead(findings(fingers=True), TODAY)),
        FingerHinted(Reason.QUALITY_FINGER_DRY),
    )
    copied = tell(ChipRead(findings("clone"), TODAY))
    hint = tell(FaceHinted(Reason.QUALITY_EXPOSURE))
    left = tell(FaceCued(FaceCue.TURN_LEFT))
    same, other, gone_by = tell(FaceJudged(SAME)), tell(FaceJudged(OTHER)), tell(CardConfirmed())
    missed = tell(FaceJudged(FaceMatch(reasons=(Reason.NO_FACE,))))

    def close(station: ScriptedStation) -> None:
        station.around = replace(AROUND, trouble=Reason.DEVICE_MISSING)

    return {
        "welcome": (),
        "closed": (close,),
        "key": (key,),
        "refused": (key, reading, tell(KeyRefused())),
        "reading": (key, reading),
        "ahead": (key, reading, read, hint),
        "turn": (key, reading, read, left),
        "finger": (key, reading, fingers, same, tell(FingerCued(FingerCue.PLACE, 2))),
        "finger_again": (key, reading, fingers, same, tell(FingerCued(FingerCue.LIFT, 7), dry)),
        "checking": (key, reading, read, same),
        "saving": (key, reading, read, same, gone_by),
        "accepted": (key, reading, read, same, gone_by, store),
        "not_holder": (key, reading, read, other, gone_by, store),
        "copy": (key, reading, copied, store),
        "again": (key, reading, read, missed, gone_by, store),
    }


SCREENS = tuple(walk())


def station_at(screen: str) -> ScriptedStation:
    """Return a station whose session came to a screen."""
    station = ScriptedStation()
    for go in walk()[screen]:
        go(station)
    return station


def still(station: ScriptedStation, *, locked: bool = True) -> CitizenApp:
    """Return the app on a station, without movement."""
    app = CitizenApp(station, locked=locked)
    app.animation_level = "none"
    return app


async def tour(
    size: tuple[int, int], screens: tuple[str, ...] = SCREENS
) -> AsyncIterator[tuple[str, CitizenApp, Pilot[None], ScriptedStation]]:
    """Show one screen after the other in one app, each with the language that a citizen finds."""
    station = ScriptedStation()
    app = still(station)
    async with app.run_test(size=size) as pilot:
        for screen in screens:
            there = station_at(screen)
            for state in (AskingKey(0, 1), Idle(), there.state):
                station.state, station.around = state, there.around
                station.happens(TimerFired(-1))
                await pilot.pause()
            station.posted.clear()
            yield screen, app, pilot, station


@dataclass(frozen=True)
class Seen:
    """One screen as it was seen at one size.

    Attributes:
        texts: by the language that stands first, what can be read.
        pairs: every ink on every ground, with nothing focused and with each choice focused.
    """

    screen: str
    view: ViewModel
    texts: dict[str, str]
    pairs: frozenset[tuple[str, str]]
    picture: str


@cache
def seen_at(size: tuple[int, int]) -> tuple[Seen, ...]:
    """Return every screen at one size; from a test without a loop of its own."""

    async def look() -> tuple[Seen, ...]:
        seen = []
        async for screen, app, pilot, station in tour(size):
            pairs: set[tuple[str, str]] = set()
            choices = app.query(Choice) if size in FOCUSED else ()
            for choice in (None, *(each for each in choices if each.region)):
                app.screen.set_focus(choice)
                await pilot.pause()
                pairs |= {(ink, paper) for _, ink, paper in segments(app)}
            texts = {"vi": text_of(app)}
            await pilot.click("#language")
            texts["en"] = text_of(app)
            picture = app.export_screenshot()
            seen.append(Seen(screen, station.view(), texts, frozenset(pairs), picture))
        return tuple(seen)

    return asyncio.run(look())


def segments(app: CitizenApp) -> Iterator[tuple[str, str, str]]:
    """Yield every run of characters that ink shows, with its two colours, "#rrggbb"."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            if not segment.text.strip():
                continue
            assert style is not None
            assert style.color is not None
            assert style.bgcolor is not None
            colours = [style.color.get_truecolor().hex, style.bgcolor.get_truecolor().hex]
            if style.reverse:
                colours.reverse()
            yield segment.text, colours[0], colours[1]


def text_of(app: CitizenApp) -> str:
    """Return what can be read on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)
