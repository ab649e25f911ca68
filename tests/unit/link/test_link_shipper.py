"""The shipper against a station and a fleet that are a few lines each, over a line that loses."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiosk.link.shipper import (
    BrokerJoined,
    BrokerLost,
    Effect,
    Event,
    Group,
    GroupGiven,
    HandReceipt,
    LeaveStation,
    PublishGroup,
    PublishStatus,
    ReceiptCame,
    ReportLink,
    Settings,
    Shipper,
    StationJoined,
    StationLost,
    StatusGiven,
    TimePassed,
    step,
    wake_s,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

LANES = ("urgent", "normal")
EPOCH = bytes(16)
SETTINGS = Settings(held=4, patience_s=5.0, longest_patience_s=20.0, repeat_s=0.5)
JOINED = (StationJoined(EPOCH), BrokerJoined())


def sealed(number: int, lane: str = "normal") -> bytes:
    return f"group {lane} {number}".encode()


def given_group(number: int, lane: str = "normal") -> GroupGiven:
    return GroupGiven(lane, Group(number, number, sealed(number, lane)))


def receipt(high_water: int, lane: str = "normal", epoch: bytes = EPOCH) -> ReceiptCame:
    return ReceiptCame(lane, epoch, high_water, f"receipt {lane} {high_water}".encode())


def after(*events: Event, now_s: float = 0.0) -> Shipper:
    shipper = Shipper.idle(LANES)
    for event in events:
        shipper, _ = step(shipper, event, now_s=now_s, settings=SETTINGS)
    return shipper


def effects(shipper: Shipper, event: Event, *, now_s: float = 0.0) -> tuple[Effect, ...]:
    return step(shipper, event, now_s=now_s, settings=SETTINGS)[1]


def held(shipper: Shipper, lane: str = "normal") -> list[int]:
    return [group.first for group in shipper.lanes[lane].held]


def test_publishes_what_the_station_gives_at_once() -> None:
    assert effects(after(*JOINED), given_group(1)) == (PublishGroup(sealed(1)),)


def test_holds_what_comes_while_the_broker_is_away_and_sends_the_urgent_lane_first() -> None:
    shipper = after(StationJoined(EPOCH), given_group(1), given_group(2), given_group(1, "urgent"))
    assert effects(shipper, BrokerJoined()) == (
        ReportLink(online=True),
        PublishGroup(sealed(1, "urgent")),
        PublishGroup(sealed(1)),
        PublishGroup(sealed(2)),
    )


def test_a_new_broker_gets_everything_again_and_patience_begins_anew() -> None:
    shipper = after(*JOINED, given_group(1), TimePassed())
    shipper, _ = step(shipper, TimePassed(), now_s=5.0, settings=SETTINGS)
    shipper, lost = step(shipper, BrokerLost(), now_s=6.0, settings=SETTINGS)
    assert lost == (ReportLink(online=False),)
    assert wake_s(shipper) is None
    shipper, done = step(shipper, BrokerJoined(), now_s=7.0, settings=SETTINGS)
    assert done == (ReportLink(online=True), PublishGroup(sealed(1)))
    assert wake_s(shipper) == 12.0


def test_a_receipt_goes_to_the_station_and_lets_go_of_copies() -> None:
    shipper, done = step(
        after(*JOINED, *(given_group(n) for n in (1, 2, 3))),
        receipt(2),
        now_s=0.0,
        settings=SETTINGS,
    )
    assert done == (HandReceipt(b"receipt normal 2"),)
    assert held(shipper) == [3]


def test_a_mark_inside_a_group_keeps_that_group() -> None:
    shipper = after(*JOINED, GroupGiven("normal", Group(1, 5, b"of five")))
    assert held(after(*JOINED, GroupGiven("normal", Group(1, 5, b"of five")), receipt(4))) == [1]
    assert held(step(shipper, receipt(5), now_s=0, settings=SETTINGS)[0]) == []


def test_silence_makes_a_lane_begin_again_and_each_time_later() -> None:
    shipper, waits, now_s = after(*JOINED, given_group(1), given_group(2)), [], 0.0
    for _ in range(4):
        due = wake_s(shipper)
        assert due is not None
        waits.append(due - now_s)
        assert effects(shipper, TimePassed(), now_s=due - 0.01) == ()
        now_s = due
        shipper, again = step(shipper, TimePassed(), now_s=now_s, settings=SETTINGS)
        assert again == (PublishGroup(sealed(1)), PublishGroup(sealed(2)))
    assert waits == [5.0, 10.0, 20.0, 20.0]


def test_progress_restores_patience() -> None:
    shipper = after(*JOINED, given_group(1), given_group(2))
    shipper, _ = step(shipper, TimePassed(), now_s=5.0, settings=SETTINGS)
    shipper, _ = step(shipper, receipt(1), now_s=6.0, settings=SETTINGS)
    assert wake_s(shipper) == 11.0


def test_one_lane_in_silence_does_not_touch_the_other() -> None:
    shipper = after(*JOINED, given_group(1))
    shipper, _ = step(shipper, given_group(1, "urgent"), now_s=4.0, settings=SETTINGS)
    assert effects(shipper, TimePassed(), now_s=5.0) == (PublishGroup(sealed(1)),)


def test_a_repeated_mark_makes_the_lane_begin_again_but_not_at_once() -> None:
    shipper = after(*JOINED, given_group(1), given_group(2))
    hand = HandReceipt(b"receipt normal 0")
    again = (hand, PublishGroup(sealed(1)), PublishGroup(sealed(2)))
    assert effects(shipper, receipt(0), now_s=0.1) == (hand,)
    assert effects(shipper, receipt(0), now_s=0.6) == again
    shipper, _ = step(shipper, receipt(0), now_s=0.6, settings=SETTINGS)
    assert effects(shipper, receipt(0), now_s=0.7) == (hand,)  # the same loss, told once more


def test_a_receipt_of_another_epoch_or_lane_moves_nothing_and_is_the_stations_to_judge() -> None:
    shipper = after(*JOINED, given_group(1))
    for foreign in (receipt(9, epoch=b"\1" * 16), receipt(9, lane="unheard of")):
        later, done = step(shipper, foreign, now_s=9.0, settings=SETTINGS)
        assert (later, done) == (shipper, (HandReceipt(foreign.raw),))


def test_without_a_station_a_receipt_goes_nowhere() -> None:
    assert effects(after(BrokerJoined()), receipt(1)) == ()


def test_the_stations_status_is_published_now_and_at_each_new_broker() -> None:
    shipper = after(*JOINED)
    assert effects(shipper, StatusGiven(b"one")) == (PublishStatus(b"one"),)
    shipper = after(StationJoined(EPOCH), StatusGiven(b"one"), StatusGiven(b"two"))
    assert effects(shipper, BrokerJoined()) == (ReportLink(online=True), PublishStatus(b"two"))
    gone = step(shipper, StationLost(), now_s=0, settings=SETTINGS)[0]
    assert effects(gone, BrokerJoined()) == ()


def test_a_lost_station_takes_its_groups_with_it() -> None:
    shipper = after(*JOINED, given_group(1), StationLost())
    assert wake_s(shipper) is None
    assert not held(shipper)
    assert effects(shipper, BrokerLost()) == ()


@pytest.mark.parametrize(
    "misplaced",
    [
        (given_group(1), given_group(1)),
        (given_group(1), given_group(3)),
        (given_group(2), given_group(1)),
        (given_group(1, "unheard of"),),
        tuple(given_group(n) for n in range(1, SETTINGS.held + 2)),
    ],
    ids=["again", "a gap", "backwards", "no such lane", "more than was agreed"],
)
def test_what_was_not_agreed_makes_us_hang_up_and_is_not_sent(
    misplaced: tuple[GroupGiven, ...],
) -> None:
    shipper = after(*JOINED, *misplaced[:-1])
    later, done = step(shipper, misplaced[-1], now_s=0.0, settings=SETTINGS)
    assert (later, done) == (shipper, (LeaveStation(),))


def test_a_group_before_the_station_said_who_it_is_makes_us_hang_up() -> None:
    assert effects(after(BrokerJoined()), given_group(1)) == (LeaveStation(),)


def test_no_content_stays_in_a_repr() -> None:
    events = (
        GroupGiven("normal", Group(1, 1, b"a person")),
        StatusGiven(b"a person"),
        ReceiptCame("normal", EPOCH, 0, b"a person"),
    )
    shipper = after(*JOINED, *events[:2])
    shown = [repr(shipper), *map(repr, events)]
    shown += [repr(effects(shipper, event, now_s=9.0)) for event in (*events, TimePassed())]
    assert not [text for text in shown if "person" in text]


# a whole world: every message either way may be lost, doubled or late


@dataclass
class Side:
    """One lane as the station and the fleet have it."""

    waiting: int
    acknowledged: int = 0
    pushed: int = 0
    stored: list[int] = field(default_factory=list)


@dataclass
class World:
    """A station that pushes a few groups at a time, a fleet that takes a lane without gaps."""

    waiting: int
    window: int = 3
    shipper: Shipper = field(default_factory=lambda: Shipper.idle(LANES))
    now_s: float = 0.0
    sides: dict[str, Side] = field(init=False)
    to_fleet: list[tuple[str, int]] = field(default_factory=list)
    to_link: list[tuple[str, int]] = field(default_factory=list)
    most_held: int = 0
    published: int = 0
    hung_up: int = 0

    def __post_init__(self) -> None:
        self.sides = {lane: Side(self.waiting) for lane in LANES}

    def happen(self, event: Event) -> None:
        self.shipper, done = step(self.shipper, event, now_s=self.now_s, settings=SETTINGS)
        self.most_held = max(self.most_held, *(len(held(self.shipper, lane)) for lane in LANES))
        for effect in done:
            match effect:
                case PublishGroup():
                    _, lane, number = effect.sealed.decode().split()
                    self.to_fleet.append((lane, int(number)))
                    self.published += 1
                case HandReceipt():
                    self.read_receipt(effect.raw.decode())
                case LeaveStation():
                    self.hung_up += 1
                    self.meet_again()
                case PublishStatus() | ReportLink():
                    pass

    def read_receipt(self, raw: str) -> None:
        """The station verifies: what isn't the fleet's makes it hang up and begin from its mark."""
        kind, lane, high_water = raw.split()
        if kind == "receipt":
            side = self.sides[lane]
            side.acknowledged = max(side.acknowledged, int(high_water))
        else:
            self.meet_again()

    def push(self) -> None:
        """The station pushes one more group of each lane, urgent first, if it may."""
        for lane, side in self.sides.items():
            side.pushed = max(side.pushed, side.acknowledged)
            if side.pushed < min(side.waiting, side.acknowledged + self.window):
                side.pushed += 1
                self.happen(given_group(side.pushed, lane))

    def deliver(self, *, lose: bool = False, twice: bool = False) -> None:
        if self.to_fleet:
            lane, number = self.to_fleet.pop(0)
            for _ in range(0 if lose else 1 + twice):
                side = self.sides[lane]
                if number == len(side.stored) + 1:
                    side.stored.append(number)
                self.to_link.append((lane, len(side.stored)))

    def return_receipt(self, *, lose: bool = False) -> None:
        if self.to_link:
            lane, high_water = self.to_link.pop(0)
            if not lose:
                self.happen(receipt(high_water, lane))

    def break_line(self) -> None:
        self.to_fleet.clear()
        self.to_link.clear()
        self.happen(BrokerLost())
        self.happen(BrokerJoined())

    def delay_one(self) -> None:
        self.to_fleet[:] = self.to_fleet[1:] + self.to_fleet[:1]

    def meet_again(self) -> None:
        for side in self.sides.values():
            side.pushed = side.acknowledged
        self.happen(StationLost())
        self.happen(StationJoined(EPOCH))

    def forge(self) -> None:
        self.happen(ReceiptCame("normal", EPOCH, 1_000, b"forged normal 1000"))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.happen(TimePassed())

    def act(self, name: str) -> None:
        {
            "push": self.push,
            "deliver": self.deliver,
            "lose group": lambda: self.deliver(lose=True),
            "double group": lambda: self.deliver(twice=True),
            "delay group": self.delay_one,
            "receipt": self.return_receipt,
            "lose receipt": lambda: self.return_receipt(lose=True),
            "break line": self.break_line,
            "restart station": self.meet_again,
            "forge receipt": self.forge,
            "wait": lambda: self.wait(2.0),
        }[name]()


HONEST = ("push", "deliver", "receipt")
ACTIONS = (
    *HONEST,
    "lose group",
    "double group",
    "delay group",
    "lose receipt",
    "break line",
    "restart station",
    "forge receipt",
    "wait",
)


def run(world: World, actions: Iterable[str]) -> None:
    for event in JOINED:
        world.happen(event)
    for action in actions:
        world.act(action)


def settle(world: World) -> None:
    """Let the line work for a while, one message a round.

    Each round takes as long as patience does for two: a line so slow carries each group many times.
    """
    for _ in range(80 * world.waiting + 200):
        for action in (*HONEST, "wait"):
            world.act(action)


@example(
    waiting=10,
    actions=["push", "push", "lose group", "double group", "double group", "lose group"],
)
@given(waiting=st.integers(1, 12), actions=st.lists(st.sampled_from(ACTIONS), max_size=60))
def test_whatever_is_lost_everything_arrives_once_and_is_acknowledged(
    waiting: int, actions: list[str]
) -> None:
    world = World(waiting)
    run(world, actions)
    settle(world)
    for lane, side in world.sides.items():
        assert side.stored == list(range(1, waiting + 1))
        assert side.acknowledged == waiting
        assert held(world.shipper, lane) == []
    assert wake_s(world.shipper) is None
    assert world.most_held <= world.window
    assert world.hung_up == 0


@given(st.lists(st.sampled_from(HONEST), max_size=40))
def test_a_working_line_needs_no_repetition(actions: list[str]) -> None:
    world = World(12)
    run(world, actions)
    for _ in range(200):
        for action in HONEST:
            world.act(action)
    assert [side.acknowledged for side in world.sides.values()] == [12, 12]
    assert world.published == 2 * 12


@given(st.lists(st.integers(1, 9), max_size=12), st.lists(st.sampled_from(ACTIONS), max_size=20))
def test_a_station_that_breaks_the_agreement_never_makes_us_hold_more(
    numbers: list[int], actions: list[str]
) -> None:
    world = World(6)
    run(world, actions)
    for number in numbers:
        world.happen(given_group(number))
        kept = held(world.shipper)
        assert len(kept) <= SETTINGS.held
        assert all(later == earlier + 1 for earlier, later in pairwise(kept))


def test_a_forged_receipt_costs_time_and_no_record() -> None:
    world = World(6)
    run(world, ["push", "push", "push", "forge receipt"])
    settle(world)
    assert world.sides["normal"].stored == [1, 2, 3, 4, 5, 6]
    assert world.sides["normal"].acknowledged == 6
