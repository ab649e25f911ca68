"""How much to ask a chip for at once: what it and the reader say, tried once and remembered.

Knows EF.ATR/INFO, the limits that a reader names, and which plans worked before with that reader
and that kind of chip. Reads no clock and keeps nothing: a `ReaderMemory` is a value, and whoever
drives inspections stores it. A plan is a guess until an inspection came through with it: after a
failed read the protected session is dead, so the next attempt opens the chip anew, one step lower.

Spec: [9303-10] EF.ATR/INFO; [7816-4] card capabilities and extended length information.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from emrtd.access import select_master_file
from emrtd.apdu import Command, Step
from emrtd.errors import ChipMalformed, ChipRefused
from emrtd.files import MAX_LONG_LE, ReadPlan, content
from emrtd.secure_messaging import MAX_SHORT_DATA
from emrtd.tlv import length_from_head, parse, parse_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue
    from emrtd.tlv import TLV

MAX_ENTRIES = 64
"""Kinds of reader and chip that are remembered; the oldest is forgotten first."""
TIMID_LE = 160
MAX_ATR_BYTES = 33
MAX_READER_CHARS = 256

_STEP = Step("access")
_FILE = b"\x2f\x01"
_CAPABILITIES, _LENGTHS, _INTEGER = 0x47, 0x7F66, 0x02
_EXTENDED_LENGTH = 0x40
_MAX_SHORT_COMMAND_BYTES = 261
_EXTENDED_HEAD_BYTES = 9
_PROTECTED_COMMAND_BYTES = 64
"""More than any READ BINARY needs, protection included."""
_STATUS_BYTES = 2
_PROTECTION_BYTES = 1 + 3 + 1 + 4 + 10
"""Head of the cryptogram and padding indicator; status, or in a command Le; checksum."""
_BLOCK_BYTES = 16
_READ_BINARY = frozenset({0xB0, 0xB1})
_MAX_SHORT_LE = 256
_STEPS = (4096, 1024, MAX_SHORT_DATA, TIMID_LE)
"""What is tried next after a plan failed."""


@dataclass(frozen=True, slots=True)
class ATRInfo:
    """What a chip says of its own limits.

    Attributes:
        extended: whether it takes extended length.
        max_command_bytes: the longest command APDU that it takes, None if it doesn't say.
        max_response_bytes: the longest response APDU that it gives, None if it doesn't say.
    """

    extended: bool
    max_command_bytes: int | None = None
    max_response_bytes: int | None = None


def parse_atr_info(raw: bytes) -> ATRInfo:
    """Parse EF.ATR/INFO: data objects one after the other, of which most say nothing here.

    Raises:
        ChipMalformed: not data objects, or lengths that are no two numbers.
    """
    if len(raw) > MAX_SHORT_DATA:
        raise ChipMalformed("EF.ATR/INFO", "too long")
    extended, command, response = False, None, None
    for part in _objects(raw):
        if part.tag == _CAPABILITIES and len(part.value) >= 3:
            extended = bool(part.value[2] & _EXTENDED_LENGTH)
        if part.tag == _LENGTHS:
            command, response = _lengths(part.value)
    return ATRInfo(extended, command, response)


def _objects(raw: bytes) -> Iterator[TLV]:
    """Yield the data objects up to the end or to the zeros that fill the file."""
    at = 0
    while at < len(raw) and raw[at]:
        header, length = length_from_head(raw[at:])
        yield parse_one(raw[at : at + header + length])
        at += header + length


def _lengths(value: bytes) -> tuple[int, int]:
    parts = parse(value)
    if [(each.tag, 1 <= len(each.value) <= 4) for each in parts] != [(_INTEGER, True)] * 2:
        raise ChipMalformed("EF.ATR/INFO", "not two lengths")
    command, response = (int.from_bytes(each.value, "big") for each in parts)
    return command, response


def read_atr_info(channel: Channel) -> Dialogue[ATRInfo | None]:
    """Ask a chip that was not opened yet for its limits; None if it does not give them.

    Two commands on the plain channel; up to four if the chip does not begin in its master file, or
    has no such file. It has no other use, so that a chip which refuses or garbles it is taken as
    silent.

    Raises:
        ChipGone: the transport lost the chip.
        ChipMalformed: the chip asks for more work than its data is worth.
    """
    select = Command(0, 0xA4, 0x02, 0x0C, _FILE, step=_STEP)
    if not (yield from channel.exchange(select)).ok:
        there = yield from select_master_file(channel)
        if not there or not (yield from channel.exchange(select)).ok:
            return None
    response = yield from channel.exchange(Command(0, 0xB0, 0, 0, le=MAX_SHORT_DATA, step=_STEP))
    try:
        return parse_atr_info(content(response, "READ BINARY ATR/INFO"))
    except (ChipRefused, ChipMalformed):
        return None


def asks_for_much(command: Command) -> bool:
    """Return whether a command, plain or protected, reads a file in extended length.

    What breaks off at such a one may do so because reader or chip promised too much: opened anew,
    the chip may be read one step lower. What breaks off at any other, does so for its own reasons.
    """
    return command.ins in _READ_BINARY and (command.le or 0) > _MAX_SHORT_LE


def plan_for(max_command_bytes: int, atr_info: ATRInfo | None) -> ReadPlan:
    """Return the largest chunks that the reader and the chip both say they carry.

    Args:
        max_command_bytes: the largest command APDU that the reader passes; its limit for responses
            is taken to be the same.
        atr_info: what the chip says, None if it says nothing: then short APDUs, which all carry.
    """
    if max_command_bytes <= _MAX_SHORT_COMMAND_BYTES or atr_info is None or not atr_info.extended:
        return ReadPlan()
    command, response = atr_info.max_command_bytes, atr_info.max_response_bytes
    if command is None or response is None or command < _PROTECTED_COMMAND_BYTES:
        return ReadPlan()
    carried = max_command_bytes - _EXTENDED_HEAD_BYTES
    le = _plain_bytes(min(response - _STATUS_BYTES, carried))
    data = _plain_bytes(min(command - _EXTENDED_HEAD_BYTES, carried))
    if le <= _MAX_SHORT_LE:
        return ReadPlan()
    return ReadPlan(max_le=le, max_data=data if data > _MAX_SHORT_LE else MAX_SHORT_DATA)


def _plain_bytes(room: int) -> int:
    """Return how long a plain text at most is whose protected form fits into so many bytes."""
    blocks = (room - _PROTECTION_BYTES) // _BLOCK_BYTES
    return min(blocks * _BLOCK_BYTES - 1, MAX_LONG_LE)


@dataclass(frozen=True, slots=True)
class ReaderMemory:
    """Which plan to begin with, by reader and kind of chip. A value: each method returns another.

    Attributes:
        plans: (reader's name, answer to reset) to the plan, the oldest first.

    Raises:
        ValueError: more entries than `MAX_ENTRIES`, or a key out of bounds.
    """

    plans: Mapping[tuple[str, bytes], ReadPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.plans) > MAX_ENTRIES:
            raise ValueError("more entries than are remembered")
        for reader, atr in self.plans:
            if len(reader) > MAX_READER_CHARS or len(atr) > MAX_ATR_BYTES:
                raise ValueError("a key out of bounds")
        object.__setattr__(self, "plans", MappingProxyType(dict(self.plans)))

    def recall(self, reader: str, atr: bytes) -> ReadPlan | None:
        """Return the plan to begin with, None if this reader and kind of chip are new."""
        return self.plans.get((reader, atr))

    def worked(self, reader: str, atr: bytes, plan: ReadPlan) -> ReaderMemory:
        """Return a memory that begins with this plan: an inspection came through with it."""
        others = {key: kept for key, kept in self.plans.items() if key != (reader, atr)}
        recent = list(others.items())[-(MAX_ENTRIES - 1) :]
        return ReaderMemory(dict([*recent, ((reader, atr), plan)]))

    def failed(self, reader: str, atr: bytes, plan: ReadPlan) -> ReaderMemory:
        """Return a memory that begins one step lower: reading broke off with this plan.

        Below the lowest step it asks for each file's length first, and stays there.
        """
        lower = next((step for step in _STEPS if step < plan.max_le), None)
        if lower is None:
            return self.worked(reader, atr, ReadPlan(TIMID_LE, plan.max_commands, head_first=True))
        tried = ReadPlan(
            lower,
            plan.max_commands,
            plan.head_first,
            min(plan.max_data, max(lower, MAX_SHORT_DATA)),
        )
        return self.worked(reader, atr, tried)


def negotiate(
    channel: Channel, *, memory: ReaderMemory, reader: str, atr: bytes, max_command_bytes: int
) -> Dialogue[ReadPlan]:
    """Return the plan for a chip that was not opened yet; ask it only if nothing is remembered.

    Nothing is asked either where the reader carries short APDUs only.

    Args:
        channel: the plain one.
        memory: what worked before.
        reader: its name.
        atr: the chip's answer to reset.
        max_command_bytes: the largest command APDU that the reader passes.

    Raises:
        ChipGone: the transport lost the chip.
        ChipMalformed: the chip asks for more work than its data is worth.
    """
    known = memory.recall(reader, atr)
    if known is not None:
        return known
    info = None
    if max_command_bytes > _MAX_SHORT_COMMAND_BYTES:
        info = yield from read_atr_info(channel)
    return plan_for(max_command_bytes, info)
