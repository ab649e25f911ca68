"""How a chip is opened: in which order the ways are tried, and what is recorded of it.

Knows that a chip which offers a strong way may be made to seem to have only a weak one. So what was
tried in vain, and whether something stronger was on offer, are facts that stay with the evidence;
and what may follow a failure is a policy that the caller can read. A failure that looks like
somebody in between - a wrong checksum, our own key sent back - is never followed by anything. A
chip that asks for no access at all is read in the clear only if the policy says so.

Spec: [9303-11] 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from emrtd import bac, files, pace
from emrtd.apdu import Command, Step
from emrtd.channel import ClearChannel
from emrtd.errors import AccessUnsupported, ChipRefused, Fault, WrongPassword
from emrtd.evidence import AccessFacts, CAMTranscript, FailedAccess
from emrtd.keys import MRZKey
from emrtd.pace_parameters import Offer, Rank, offer, rank
from emrtd.security_infos import PACEInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrtd.channel import Channel, OpenChannel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import Password
    from emrtd.security_infos import SecurityInfo

Way: TypeAlias = Literal["pace", "bac", "none"]

BAC, NONE = "BAC", "NONE"
MAX_OFFERS = 4
"""How many of a chip's offers of PACE are tried."""

_APPLICATION = bytes.fromhex("A0000002471001")
_NOT_FOUND = 0x6A82
_STEP = Step("access")
_WAYS = frozenset({"pace", "bac", "none"})
_Tried: TypeAlias = "Offer | MRZKey | Literal['none']"
_MAY_BE_FOLLOWED = frozenset({Fault.CHIP_REFUSED, Fault.WRONG_PASSWORD})


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """In which order ways to open a chip are tried, and what may be followed by the next.

    Attributes:
        order: of "pace", "bac" and "none"; what is not named is not tried. "none" reads a chip
            that asks for no access: everybody near it reads along, and may answer for it.
        fall_back_on: the faults that are followed by the next way, of CHIP_REFUSED and
            WRONG_PASSWORD. A wrong password is only ever followed by another protocol: the same
            one would refuse it again, and some chips count.

    Raises:
        ValueError: no way, one twice, or something else than these.
    """

    order: tuple[Way, ...] = ("pace", "bac")
    fall_back_on: frozenset[Fault] = frozenset({Fault.CHIP_REFUSED})

    def __post_init__(self) -> None:
        if not self.order or len(set(self.order)) < len(self.order) or not {*self.order} <= _WAYS:
            raise ValueError("order: not the names of ways")
        if not self.fall_back_on <= _MAY_BE_FOLLOWED:
            raise ValueError("fall_back_on: a fault that nothing may follow")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open chip.

    Attributes:
        channel: what the chip is read through.
        facts: how it was opened.
        rank: how strong that way is.
        chip_identity: what names the chip in terminal authentication; empty if nothing does.
        cam: what the chip's own proof can be checked by, if it gave one in passing.
    """

    channel: OpenChannel = field(repr=False)
    facts: AccessFacts
    rank: Rank
    chip_identity: bytes = field(repr=False)
    cam: CAMTranscript | None


def select_master_file(channel: Channel) -> Dialogue[bool]:
    """Select the master file and return whether the chip did.

    It is current after a reset, and some chips refuse the command (6D00).
    """
    select = Command(0, 0xA4, 0x00, 0x0C, b"\x3f\x00", step=_STEP)
    return (yield from channel.exchange(select)).ok


def select_application(channel: Channel) -> Dialogue[None]:
    """Select the eMRTD application. Raises ChipRefused: APPLICATION_MISSING if there is none."""
    select = Command(0, 0xA4, 0x04, 0x0C, _APPLICATION, step=_STEP)
    response = yield from channel.exchange(select)
    if not response.ok:
        missing = response.sw == _NOT_FOUND
        fault = Fault.APPLICATION_MISSING if missing else Fault.CHIP_REFUSED
        raise ChipRefused(response.sw, "SELECT eMRTD application", fault=fault)


def open_chip(
    password: Password,
    infos: Sequence[SecurityInfo] | None,
    channel: Channel,
    *,
    policy: AccessPolicy,
    randomness: Randomness,
) -> Dialogue[Opened]:
    """Open a chip by the first way that it takes.

    It begins where PACE does, in the master file, e.g. after a reset. After PACE the master file is
    selected, after basic access control and after none the application.

    Args:
        password: what opens it; only the fields of the zone open basic access control.
        infos: of EF.CardAccess, None if the chip gives none.
        channel: the plain one.
        policy: what is tried.
        randomness: for private keys and nonces.

    Raises:
        WrongPassword: one of the ways that were tried knows another password.
        ChipRefused: the first refusal, if there was no such.
        AccessUnsupported: there is no way to try.
        EMRTDError: what a way raises that nothing may follow.
    """
    offered = [each for each in infos or () if isinstance(each, PACEInfo)]
    best = max((rank(each, infos or ()) for each in offered), default=Rank())
    refusals: list[ChipRefused] = []
    failed: list[FailedAccess] = []
    in_master_file = True
    for way in _ways(policy, password, offered, infos or ()):
        if isinstance(way, Offer) and any(isinstance(each, WrongPassword) for each in refusals):
            continue
        name = way.info.name if isinstance(way, Offer) else NONE if way == "none" else BAC
        if isinstance(way, Offer) and not in_master_file:
            yield from select_master_file(channel)
        in_master_file = isinstance(way, Offer)
        try:
            opened = yield from _try(way, password, channel, randomness)
        except ChipRefused as refusal:
            refusals.append(refusal)
            # That there is no application is a refusal like any other while there is another way.
            none = refusal.fault is Fault.APPLICATION_MISSING
            fault = Fault.CHIP_REFUSED if none else refusal.fault
            failed.append(FailedAccess(name, fault, refusal.sw))
            if fault not in policy.fall_back_on:
                break
            continue
        taken = rank(way.info, infos or ()) if isinstance(way, Offer) else Rank()
        # A chip that knows a wrong password from a right one asks for access.
        asks = name == NONE and any(isinstance(each, WrongPassword) for each in refusals)
        kind = None if name == NONE else password.KIND
        facts = AccessFacts(name, kind, taken < best or asks, tuple(failed))
        return Opened(opened.channel, facts, taken, opened.chip_identity, opened.cam)
    if not refusals:
        raise AccessUnsupported("choose access", ", ".join(each.name for each in offered[:8]))
    raise next((each for each in refusals if isinstance(each, WrongPassword)), refusals[0])


def outranked(taken: Rank, infos: Sequence[SecurityInfo]) -> bool:
    """Return whether infos announce PACE in a stronger way than the one that was taken."""
    return any(taken < rank(each, infos) for each in infos if isinstance(each, PACEInfo))


def _ways(
    policy: AccessPolicy,
    password: Password,
    offered: Sequence[PACEInfo],
    infos: Sequence[SecurityInfo],
) -> list[_Tried]:
    """Return what is tried: offers of PACE, the strongest first, and the zone that BAC takes."""
    usable = [found for each in offered if (found := offer(each, infos)) is not None]
    usable.sort(key=lambda each: rank(each.info, infos), reverse=True)
    ways: list[_Tried] = []
    for way in policy.order:
        if way == "pace":
            ways += usable[:MAX_OFFERS]
        elif way == "none":
            ways.append(way)
        elif isinstance(password, MRZKey):
            ways.append(password)
    return ways


def _try(
    way: _Tried, password: Password, channel: Channel, randomness: Randomness
) -> Dialogue[pace.Opened]:
    if isinstance(way, Offer):
        return (yield from pace.run(way, password, channel, randomness=randomness))
    yield from select_application(channel)
    if way == "none":
        # Some chips show a file and do not let it be read: it is open if its beginning is.
        yield from files.select("SOD", channel, step=_STEP)
        yield from files.read_binary("SOD", channel, offset=0, le=files.HEAD_BYTES, step=_STEP)
        return pace.Opened(ClearChannel(channel), b"")
    opened = yield from bac.run(way, channel, randomness=randomness)
    return pace.Opened(opened, way.number_field().encode("ascii"))
