"""What to publish, when to publish it again, and what to tell the station: no wire, no clock.

Rule 1: a broker's PUBACK means nothing here. A group has arrived when a receipt says so; without
one its lane is sent again in order, because the fleet takes a lane without gaps.
Rule 2: a receipt is believed just enough to let go of copies. It goes to the station unread, and
the station alone decides what is stored: if a forged one made us let go too early, the station
hangs up and gives us everything again from its own mark.
Rule 3: the station decides how much is under way. Here is only the bound beyond which it is not
the station that we agreed with.

Each lane stands for itself, so that an alarm never waits behind statistics.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is held, and for how long without a word.

    Attributes:
        held: groups of one lane that may be held.
        patience_s: how long to wait for a receipt before sending again; doubles each time.
        longest_patience_s: what the doubling stops at.
        repeat_s: a receipt that repeats its mark makes a lane begin again, but not within this
            time of its last beginning: the first of a row of such receipts counts.
    """

    held: int = 16
    patience_s: float = 5.0
    longest_patience_s: float = 60.0
    repeat_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Group:
    """A sealed group and its first and last sequence number."""

    first: int
    last: int
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LaneWindow:
    """The groups of one lane that no receipt covers, oldest first.

    Attributes:
        held: the groups.
        begun_s: when the oldest was last published, or the newest receipt came.
        patience_s: how long from then until the lane is sent again.
    """

    held: tuple[Group, ...] = ()
    begun_s: float = 0.0
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Shipper:
    """What the link knows; begin with `Shipper.idle(lanes)`."""

    lanes: dict[str, LaneWindow]
    broker: bool = False
    epoch: bytes | None = None
    status: bytes | None = field(default=None, repr=False)

    @classmethod
    def idle(cls, lanes: tuple[str, ...]) -> Shipper:
        """Return a shipper with nobody to talk to; lanes are served in the order given."""
        return cls({lane: LaneWindow() for lane in lanes})

    @property
    def station(self) -> bool:
        """Whether the station's socket is open and it said who it is."""
        return self.epoch is not None


@dataclass(frozen=True, slots=True)
class BrokerJoined:
    """Publishing works from now."""


@dataclass(frozen=True, slots=True)
class BrokerLost:
    """What is under way may be lost."""


@dataclass(frozen=True, slots=True)
class StationJoined:
    """The station opened with the epoch of its queue; it gives everything from its own mark."""

    epoch: bytes


@dataclass(frozen=True, slots=True)
class StationLost:
    """The station's socket is closed."""


@dataclass(frozen=True, slots=True)
class GroupGiven:
    """The station gave a group to deliver."""

    lane: str
    group: Group


@dataclass(frozen=True, slots=True)
class StatusGiven:
    """The station gave its newest signed status; it replaces the one before."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceiptCame:
    """The broker delivered what says it is a receipt: everything up to `high_water` is stored."""

    lane: str
    epoch: bytes
    high_water: int
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Look at the clock."""


Event: TypeAlias = (
    BrokerJoined
    | BrokerLost
    | StationJoined
    | StationLost
    | GroupGiven
    | StatusGiven
    | ReceiptCame
    | TimePassed
)


@dataclass(frozen=True, slots=True)
class PublishGroup:
    """Give a sealed group to the broker, unchanged."""

    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublishStatus:
    """Give the station's status to the broker, to be retained."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HandReceipt:
    """Give a receipt to the station, unread."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportLink:
    """Tell the station whether groups can leave."""

    online: bool


@dataclass(frozen=True, slots=True)
class LeaveStation:
    """Hang up: what came is not what was agreed."""


Effect: TypeAlias = PublishGroup | PublishStatus | HandReceipt | ReportLink | LeaveStation


def step(
    shipper: Shipper, event: Event, *, now_s: float, settings: Settings
) -> tuple[Shipper, tuple[Effect, ...]]:
    """Return the shipper after an event, and what to do, in order.

    Args:
        shipper: the state before.
        event: what happened.
        now_s: a clock that never goes back, seconds.
        settings: bounds and times.
    """
    match event:
        case BrokerJoined():
            joined, sent = _send_everything(replace(shipper, broker=True), now_s, settings)
            return joined, (*_report(joined), *_status(joined), *sent)
        case BrokerLost():
            if not shipper.broker:
                return shipper, ()
            lost = replace(shipper, broker=False)
            return lost, _report(lost)
        case StationJoined(epoch):
            joined = replace(_emptied(shipper), epoch=epoch)
            return joined, _report(joined)
        case StationLost():
            return replace(_emptied(shipper), epoch=None), ()
        case StatusGiven(raw):
            told = replace(shipper, status=raw)
            return told, _status(told)
        case GroupGiven(lane, group):
            return _take_group(shipper, lane, group, now_s=now_s, settings=settings)
        case ReceiptCame():
            return _take_receipt(shipper, event, now_s=now_s, settings=settings)
        case TimePassed():
            return _send_again_where_silent(shipper, now_s=now_s, settings=settings)


def wake_s(shipper: Shipper) -> float | None:
    """Return when `TimePassed` is due next, on the clock of `now_s`; None: nothing is awaited."""
    if not shipper.broker:
        return None
    due = [one.begun_s + one.patience_s for one in shipper.lanes.values() if one.held]
    return min(due, default=None)


def _take_group(
    shipper: Shipper, lane: str, group: Group, *, now_s: float, settings: Settings
) -> tuple[Shipper, tuple[Effect, ...]]:
    window = shipper.lanes.get(lane)
    if not shipper.station or window is None or len(window.held) >= settings.held:
        return shipper, (LeaveStation(),)
    if window.held and group.first != window.held[-1].last + 1:
        return shipper, (LeaveStation(),)
    if not window.held:
        window = LaneWindow(begun_s=now_s, patience_s=settings.patience_s)
    window = replace(window, held=(*window.held, group))
    sent = (PublishGroup(group.sealed),) if shipper.broker else ()
    return _with(shipper, lane, window), sent


def _take_receipt(
    shipper: Shipper, receipt: ReceiptCame, *, now_s: float, settings: Settings
) -> tuple[Shipper, tuple[Effect, ...]]:
    hand: tuple[Effect, ...] = (HandReceipt(receipt.raw),) if shipper.station else ()
    window = shipper.lanes.get(receipt.lane)
    if window is None or not window.held or shipper.epoch != receipt.epoch:
        return shipper, hand
    rest = tuple(group for group in window.held if group.last > receipt.high_water)
    if rest != window.held:
        moved = LaneWindow(rest, begun_s=now_s, patience_s=settings.patience_s)
        return _with(shipper, receipt.lane, moved), hand
    if now_s - window.begun_s < settings.repeat_s:
        return shipper, hand
    # The mark stands still: something was lost before what we sent last. Go on from the mark.
    again = replace(window, begun_s=now_s)
    return _with(shipper, receipt.lane, again), (*hand, *_published(again, shipper))


def _send_again_where_silent(
    shipper: Shipper, *, now_s: float, settings: Settings
) -> tuple[Shipper, tuple[Effect, ...]]:
    effects: list[Effect] = []
    for lane, window in shipper.lanes.items():
        if shipper.broker and window.held and now_s >= window.begun_s + window.patience_s:
            patience_s = min(settings.longest_patience_s, 2 * window.patience_s)
            shipper = _with(shipper, lane, LaneWindow(window.held, now_s, patience_s))
            effects += _published(window, shipper)
    return shipper, tuple(effects)


def _send_everything(
    shipper: Shipper, now_s: float, settings: Settings
) -> tuple[Shipper, tuple[Effect, ...]]:
    effects: list[Effect] = []
    for lane, window in shipper.lanes.items():
        shipper = _with(shipper, lane, LaneWindow(window.held, now_s, settings.patience_s))
        effects += _published(window, shipper)
    return shipper, tuple(effects)


def _published(window: LaneWindow, shipper: Shipper) -> tuple[Effect, ...]:
    return tuple(PublishGroup(group.sealed) for group in window.held if shipper.broker)


def _with(shipper: Shipper, lane: str, window: LaneWindow) -> Shipper:
    return replace(shipper, lanes={**shipper.lanes, lane: window})


def _emptied(shipper: Shipper) -> Shipper:
    return replace(shipper, lanes={lane: LaneWindow() for lane in shipper.lanes}, status=None)


def _status(shipper: Shipper) -> tuple[Effect, ...]:
    if shipper.status is None or not shipper.broker:
        return ()
    return (PublishStatus(shipper.status),)


def _report(shipper: Shipper) -> tuple[Effect, ...]:
    return (ReportLink(shipper.broker),) if shipper.station else ()
