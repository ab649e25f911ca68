"""GENERAL AUTHENTICATE: one step of PACE, asked and answered in dynamic authentication data.

Knows the template and the chain. Does not know what a step means.

Spec: [9303-11] 4.4.4.2, 4.4.5; [7816-4].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrtd.apdu import Command, Step
from emrtd.channel import ask
from emrtd.errors import ChipMalformed, Fault
from emrtd.tlv import encode, parse, parse_one

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue

STEP = Step("access")
_CHAINED = 0x10
_GENERAL_AUTHENTICATE = 0x86
_DYNAMIC_DATA = 0x7C


def command(tag: int | None, value: bytes = b"", *, last: bool = False) -> Command:
    """Return a step's command.

    Args:
        tag: of the step's data object, None if the step sends none.
        value: of that object.
        last: whether the chain ends here.
    """
    data = encode(_DYNAMIC_DATA, b"" if tag is None else encode(tag, value))
    return Command(0 if last else _CHAINED, _GENERAL_AUTHENTICATE, 0, 0, data, 256, STEP)


def exchange(
    channel: Channel, tag: int | None, value: bytes, *, expected: int, doing: str
) -> Dialogue[bytes]:
    """Run a step that is not the last, and return its answer's value.

    Raises:
        ChipRefused: any status but success.
        ChipMalformed: not the object that is expected, or several.
    """
    answer = yield from ask(channel, command(tag, value), doing=doing)
    return one(answer, expected, doing=doing)


def one(answer: bytes, tag: int, *, doing: str) -> bytes:
    """Return the value of the only object with that tag. Raises ChipMalformed."""
    found = values(answer, tag)
    if len(found) != 1:
        raise ChipMalformed(doing, f"no object {tag:X}", fault=Fault.RESPONSE_MALFORMED)
    return found[0]


def values(answer: bytes, tag: int) -> list[bytes]:
    """Return the values of all objects with that tag. Raises ChipMalformed."""
    try:
        objects = parse(parse_one(answer, _DYNAMIC_DATA).value)
    except ChipMalformed as error:
        raise ChipMalformed(
            "GENERAL AUTHENTICATE", "not data objects", fault=Fault.RESPONSE_MALFORMED
        ) from error
    return [each.value for each in objects if each.tag == tag]
