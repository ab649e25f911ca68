"""The shipper against a station and a fleet that are a few lines each, over a line that loses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from kiosk.link.shipper import (
    AskStation,
    BrokerJoined,
    BrokerLost,
    Effect,
    Event,
    GroupGiven,
    HandReceipt,
    Place,
    PublishGroup,
    ReceiptCame,
    ReportLink,
    Settings,
    Shipper,
    StationJoined,
    StationLost,
    TimePassed,
    step,
    wake_s,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

LANES = ("urgent", "security", "normal")
EPOCH = bytes(16)
SETTINGS = Settings(window=4, patience_s=5.0, longest_patience_s=20.0, repeat_s=0.5)


def place(number: int) -> Place:
    return Place(EPOCH, number, number)


def given_group(number: int, *, after: int | None, lane: str = "normal") -> GroupGiven:
    return GroupGiven(lane, after, place(number), b"group %d" % number)


def receipt(high_water: int, lane: str = "normal", epoch: bytes = EPOCH) -> ReceiptCame:
    return ReceiptCame(lane, epoch, high_water, b"receipt %d" % high_water)


def after(*events: Event, now_s: float = 0.0, lanes: tuple[str, ...] = ("normal",)) -> Shipper:
    shipper = Shipper.idle(lanes)
    for event in events:
        shipper, _ = step(shipper, event, now_s=now_s, settings=SETTINGS)
    return shipper


def effects(shipper: Shipper, event: Event, *, now_s: float = 0.0) -> tuple[Effect, ...]:
    return step(shipper, event, now_s=now_s, settings=SETTINGS)[1]


JOINED = (StationJoined(), BrokerJoined())


def test_asks_every_lane_once_both_ends_are_there_and_the_urgent_one_first() -> None:
    shipper = after(StationJoined(), lanes=LANES)
    assert effects(shipper, BrokerJoined()) == (
        ReportLink(online=True),
        *(AskStation(lane, None) for lane in LANES),
    )


def test_publishes_what_it_is_given_and_asks_for_what_follows() -> None:
    asked = after(*JOINED)
    assert effects(asked, given_group(1, after=None)) == (
        PublishGroup(b"group 1"),
        AskStation("normal", 1),
    )


def test_stops_asking_when_the_window_is_full() -> None:
    full = after(
        *JOINED, given_group(1, after=None), *(given_group(n, after=n - 1) for n in (2, 3))
    )
    assert effects(full, given_group(4, after=3)) == (PublishGroup(b"group 4"),)


def test_a_receipt_goes_to_the_station_and_makes_room() -> None:
    full = after(
        *JOINED, given_group(1, after=None), *(given_group(n, after=n - 1) for n in (2, 3, 4))
    )
    assert effects(full, receipt(2)) == (HandReceipt(b"receipt 2"), AskStation("normal", 4))


def test_an_answer_to_a_replaced_question_is_not_published() -> None:
    shipper = after(*JOINED, given_group(1, after=None))
    later, begun_again = step(shipper, TimePassed(), now_s=6.0, settings=SETTINGS)
    assert begun_again == (AskStation("normal", None),)
    assert effects(later, given_group(2, after=1)) == ()


def test_silence_makes_a_lane_begin_again_and_each_time_later() -> None:
    shipper, waits, now_s = after(*JOINED), [], 0.0
    for _ in range(4):
        shipper, _ = step(shipper, given_group(1, after=None), now_s=now_s, settings=SETTINGS)
        due = wake_s(shipper)
        assert due is not None
        waits.append(due - now_s)
        assert effects(shipper, TimePassed(), now_s=due - 0.01) == ()
        now_s = due
        shipper, begun_again = step(shipper, TimePassed(), now_s=now_s, settings=SETTINGS)
        assert begun_again == (AskStation("normal", None),)
    assert waits == [5.0, 10.0, 20.0, 20.0]


def test_progress_restores_patience() -> None:
    shipper, _ = step(
        after(*JOINED, given_group(1, after=None)), TimePassed(), now_s=5.0, settings=SETTINGS
    )
    for event in (given_group(1, after=None), receipt(1), given_group(2, after=None)):
        shipper, _ = step(shipper, event, now_s=6.0, settings=SETTINGS)
    shipper, _ = step(shipper, given_group(2, after=1), now_s=6.0, settings=SETTINGS)
    assert wake_s(shipper) == 11.0


def test_a_repeated_mark_makes_the_lane_begin_again_but_not_at_once() -> None:
    shipper = after(*JOINED, given_group(1, after=None), given_group(2, after=1))
    hand = HandReceipt(b"receipt 0")
    assert effects(shipper, receipt(0), now_s=0.1) == (hand,)
    assert effects(shipper, receipt(0), now_s=0.6) == (hand, AskStation("normal", None))


def test_a_receipt_of_another_epoch_moves_nothing() -> None:
    shipper = after(*JOINED, given_group(1, after=None))
    foreign = receipt(9, epoch=b"\1" * 16)
    later, done = step(shipper, foreign, now_s=9.0, settings=SETTINGS)
    assert (later, done) == (shipper, (HandReceipt(b"receipt 9"),))


def test_nothing_under_way_survives_a_lost_broker_or_station() -> None:
    for lost in (BrokerLost(), StationLost()):
        shipper = after(*JOINED, given_group(1, after=None), lost)
        assert wake_s(shipper) is None
        assert effects(shipper, given_group(2, after=1)) == ()


def test_no_content_stays_in_the_shipper() -> None:
    shipper = after(*JOINED, GroupGiven("normal", None, place(1), b"sealed person"))
    assert "sealed" not in repr(shipper)


# a whole world: every message either way may be lost, doubled or late


@dataclass
class World:
    """A station, a fleet that takes a lane without gaps, and what is on the way between them."""

    waiting: int
    shipper: Shipper = field(default_factory=lambda: Shipper.idle(("normal",)))
    now_s: float = 0.0
    acknowledged: int = 0
    stored: list[int] = field(default_factory=list)
    open_question: list[int | None] = field(default_factory=list)
    to_fleet: list[int] = field(default_factory=list)
    to_link: list[int] = field(default_factory=list)
    most_under_way: int = 0

    def happen(self, event: Event) -> None:
        self.shipper, done = step(self.shipper, event, now_s=self.now_s, settings=SETTINGS)
        under_way = self.shipper.lanes["normal"].under_way
        self.most_under_way = max(self.most_under_way, len(under_way))
        for effect in done:
            match effect:
                case AskStation():
                    self.open_question = [effect.after]
                case PublishGroup():
                    self.to_fleet.append(int(effect.sealed.split()[1]))
                case HandReceipt():
                    self.acknowledged = max(self.acknowledged, int(effect.raw.split()[1]))
                case ReportLink():
                    pass

    def answer(self) -> None:
        """The station answers the open question, if it has something to say."""
        if self.open_question:
            asked = self.open_question[0]
            number = (self.acknowledged if asked is None else asked) + 1
            if number <= self.waiting:
                self.open_question.clear()
                self.happen(given_group(number, after=asked))

    def deliver(self, *, lose: bool = False, twice: bool = False) -> None:
        if self.to_fleet:
            number = self.to_fleet.pop(0)
            for _ in range(0 if lose else 1 + twice):
                if number == len(self.stored) + 1:
                    self.stored.append(number)
                self.to_link.append(len(self.stored))

    def return_receipt(self, *, lose: bool = False) -> None:
        if self.to_link:
            high_water = self.to_link.pop(0)
            if not lose:
                self.happen(receipt(high_water))

    def break_line(self) -> None:
        self.to_fleet.clear()
        self.to_link.clear()
        self.happen(BrokerLost())
        self.happen(BrokerJoined())

    def restart_station(self) -> None:
        self.open_question.clear()
        self.happen(StationLost())
        self.happen(StationJoined())

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.happen(TimePassed())

    def act(self, name: str) -> None:
        {
            "answer": self.answer,
            "deliver": self.deliver,
            "lose group": lambda: self.deliver(lose=True),
            "double group": lambda: self.deliver(twice=True),
            "receipt": self.return_receipt,
            "lose receipt": lambda: self.return_receipt(lose=True),
            "break line": self.break_line,
            "restart station": self.restart_station,
            "wait": lambda: self.wait(2.0),
        }[name]()


ACTIONS = (
    "answer",
    "deliver",
    "lose group",
    "double group",
    "receipt",
    "lose receipt",
    "break line",
    "restart station",
    "wait",
)


def run(world: World, actions: Iterable[str]) -> None:
    for event in JOINED:
        world.happen(event)
    for action in actions:
        world.act(action)


def settle(world: World) -> None:
    """Let the line work for a while; more is not needed than a few times each group."""
    for _ in range(20 * world.waiting + 60):
        for action in ("answer", "deliver", "receipt", "wait"):
            world.act(action)


@given(st.integers(1, 12), st.lists(st.sampled_from(ACTIONS), max_size=60))
def test_whatever_is_lost_everything_arrives_once_and_is_acknowledged(
    waiting: int, actions: list[str]
) -> None:
    world = World(waiting)
    run(world, actions)
    settle(world)
    assert world.stored == list(range(1, waiting + 1))
    assert world.acknowledged == waiting
    assert world.most_under_way <= SETTINGS.window
    assert world.shipper.lanes["normal"].under_way == ()


@given(st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_a_working_line_needs_no_repetition(actions: list[str]) -> None:
    kept = [action for action in actions if action in {"answer", "deliver", "receipt"}]
    world = World(12)
    run(world, kept)
    while world.acknowledged < world.waiting:
        for action in ("answer", "deliver", "receipt"):
            world.act(action)
            assert len(world.to_fleet) + len(world.stored) <= world.waiting
    assert world.now_s == 0.0


def test_a_forged_receipt_costs_time_and_no_record() -> None:
    world = World(6)
    run(world, ["answer", "answer", "answer"])
    world.happen(
        ReceiptCame("normal", EPOCH, 1000, b"receipt 0")
    )  # the station refuses to believe it
    settle(world)
    assert world.stored == [1, 2, 3, 4, 5, 6]
    assert world.acknowledged == 6
