"""Elementary files: select one and read all of it, whatever its length claims.

Knows file identifiers, outer tags and READ BINARY. Does not know what is in a file, nor in what
order files are wanted.

Spec: [9303-10]; [7816-4].
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import ChipMalformed, ChipRefused, Fault
from emrtd.secure_messaging import MAX_SHORT_DATA
from emrtd.tlv import encode, length_from_head, parse_one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.apdu import Response
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue

HEAD_BYTES = 8
"""Enough for any file's tag and length, and no more than any file has."""

_PAST_THE_END = frozenset({0x6282, 0x6700, 0x6B00})
"""How chips refuse to be asked for more than a file has."""
_OTHER_LENGTH = 0x6C
_ABOUT_LENGTH = frozenset({0x67, 0x6B, _OTHER_LENGTH, 0x6F})
"""First bytes of what chips answer to a length that they cannot serve; 6F00 gives no reason."""

MAX_LONG_LE = 65_280
_MAX_SHORT_LE = 256
_MAX_SHORT_OFFSET = 0x7FFF
_OBJECT_HEAD_BYTES = 4
_END_OF_FILE = 0x6282


@dataclass(frozen=True, slots=True)
class File:
    """An elementary file.

    Attributes:
        identifier: two bytes as a number.
        tag: of the one object that it holds.
    """

    identifier: int
    tag: int


FILES: Mapping[str, File] = MappingProxyType(
    {
        "CardAccess": File(0x011C, 0x31),
        "CardSecurity": File(0x011D, 0x30),
        "COM": File(0x011E, 0x60),
        "SOD": File(0x011D, 0x77),
        "DG1": File(0x0101, 0x61),
        "DG2": File(0x0102, 0x75),
        "DG3": File(0x0103, 0x63),
        "DG4": File(0x0104, 0x76),
        "DG5": File(0x0105, 0x65),
        "DG6": File(0x0106, 0x66),
        "DG7": File(0x0107, 0x67),
        "DG8": File(0x0108, 0x68),
        "DG9": File(0x0109, 0x69),
        "DG10": File(0x010A, 0x6A),
        "DG11": File(0x010B, 0x6B),
        "DG12": File(0x010C, 0x6C),
        "DG13": File(0x010D, 0x6D),
        "DG14": File(0x010E, 0x6E),
        "DG15": File(0x010F, 0x6F),
        "DG16": File(0x0110, 0x70),
    }
)
"""By the names that `emrtd.evidence` uses."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How much to ask a chip for.

    Attributes:
        max_le: the longest plain response to ask for: 16 to 223 in short APDUs, which every reader
            can carry, or 257 to 65280 where reader and chip are known to speak extended length.
        max_commands: how many commands an inspection may cost.
        head_first: ask for a file's length before the file, one command more for each: for chips
            that answer badly when they are asked for more than a file has.
        max_data: the longest plain command data to send, of the same two ranges; what is longer,
            e.g. a terminal's certificate, goes in a chain of commands.

    Raises:
        ValueError: a number out of these ranges; 224 to 256 overflow a protected short APDU.
    """

    max_le: int = MAX_SHORT_DATA
    max_commands: int = 4096
    head_first: bool = False
    max_data: int = MAX_SHORT_DATA

    def __post_init__(self) -> None:
        if not _carried(self.max_le):
            raise ValueError("max_le out of range")
        if not _carried(self.max_data):
            raise ValueError("max_data out of range")
        if self.max_commands < 1:
            raise ValueError("max_commands out of range")

    @property
    def extended(self) -> bool:
        """Whether files are asked for in extended APDUs."""
        return self.max_le > _MAX_SHORT_LE

    def is_at_fault(self, sw: int) -> bool:
        """Return whether a refusal may be about the length that this plan asks for.

        Then it says nothing about the file: a plan of short APDUs may well get it.
        """
        return self.extended and sw >> 8 in _ABOUT_LENGTH


def _carried(size: int) -> bool:
    return 16 <= size <= MAX_SHORT_DATA or _MAX_SHORT_LE < size <= MAX_LONG_LE


def select(name: str, channel: Channel, *, step: Step) -> Dialogue[None]:
    """Select a file. Raises ChipRefused."""
    identifier = FILES[name].identifier.to_bytes(2, "big")
    command = Command(0, 0xA4, 0x02, 0x0C, identifier, step=step)
    yield from ask(channel, command, doing=f"SELECT {name}")


def nowhere(_: bytes) -> None:
    """Take a file's bytes from who does not want them as they arrive."""


def read(
    name: str,
    channel: Channel,
    *,
    plan: ReadPlan,
    limit: int,
    phase: str,
    sink: Callable[[bytes], object] = nowhere,
) -> Dialogue[bytes]:
    """Select a file and read all of it.

    Args:
        name: of `FILES`.
        channel: carries the commands.
        plan: how much to ask for at once.
        limit: the most bytes that the file may have.
        phase: of the inspection, for progress.
        sink: is given the file's bytes as they arrive, e.g. to hash them.

    Raises:
        ChipRefused: the chip does not give the file, or a part of it.
        ChipMalformed: another tag, longer than the limit, or it ends before its length.
    """
    yield from select(name, channel, step=Step(phase))
    data = yield from _begin(name, channel, plan=plan, limit=limit, step=Step(phase))
    header, length = length_from_head(data)
    total = header + length
    if total > limit:
        raise ChipMalformed(
            f"READ BINARY {name}", f"it claims {total} bytes", fault=Fault.FILE_TOO_LARGE
        )
    # The tag is one byte in every file of the table.
    if data[0] != FILES[name].tag:
        raise ChipMalformed(f"READ BINARY {name}", "another file's tag")
    sink(data[:total])
    while len(data) < total:
        step = Step(phase, len(data), total)
        head = _OBJECT_HEAD_BYTES if len(data) > _MAX_SHORT_OFFSET else 0
        le = min(plan.max_le, total - len(data) + head)
        if le <= _MAX_SHORT_LE:
            # What is asked for in a short APDU must come back in one, protection included.
            le = min(le, MAX_SHORT_DATA)
        part = yield from read_binary(name, channel, offset=len(data), le=le, step=step)
        sink(part[: total - len(data)])
        data += part
    return data[:total]


def _begin(
    name: str, channel: Channel, *, plan: ReadPlan, limit: int, step: Step
) -> Dialogue[bytes]:
    """Read the first chunk, which may be the whole file or less than was asked for."""
    if not plan.head_first:
        doing = f"READ BINARY {name}"
        le = min(plan.max_le, limit)
        le = min(le, MAX_SHORT_DATA) if le <= _MAX_SHORT_LE else le
        response = yield from channel.exchange(Command(0, 0xB0, 0, 0, le=le, step=step))
        if response.data or not _past_the_end(response.sw):
            return _some(content(response, doing), le, doing)
    return (yield from read_binary(name, channel, offset=0, le=HEAD_BYTES, step=step))


def _past_the_end(sw: int) -> bool:
    return sw in _PAST_THE_END or sw >> 8 == _OTHER_LENGTH


def read_binary(
    name: str, channel: Channel, *, offset: int, le: int, step: Step
) -> Dialogue[bytes]:
    """Read 1 to `le` bytes of the selected file.

    Raises:
        ChipRefused: a status that is neither success nor the end of the file.
        ChipMalformed: nothing, or more than was asked for.
    """
    doing = f"READ BINARY {name}"
    if offset <= _MAX_SHORT_OFFSET:
        command = Command(0, 0xB0, offset >> 8, offset & 0xFF, le=le, step=step)
        data = content((yield from channel.exchange(command)), doing)
    else:
        # Beyond 15 bits the offset is data, and so is the answer: a data object with its header.
        where = encode(0x54, offset.to_bytes(3, "big"))
        command = Command(0, 0xB1, 0, 0, where, le, step)
        data = content((yield from channel.exchange(command)), doing)
        data = parse_one(data, 0x53).value
    return _some(data, le, doing)


def _some(data: bytes, most: int, doing: str) -> bytes:
    if not 0 < len(data) <= most:
        raise ChipMalformed(doing, f"{len(data)} bytes", fault=Fault.RESPONSE_MALFORMED)
    return data


def content(response: Response, doing: str) -> bytes:
    """Return what READ BINARY brought, up to the end of the file. Raises ChipRefused."""
    if not response.ok and response.sw != _END_OF_FILE:
        raise ChipRefused(response.sw, doing)
    return response.data
