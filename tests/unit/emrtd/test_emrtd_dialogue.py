from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.errors import ChipGone

if TYPE_CHECKING:
    from emrtd.dialogue import Dialogue

FIRST, SECOND = Command(0, 1, 0, 0), Command(0, 2, 0, 0)


def counting(closed: list[str]) -> Dialogue[int]:
    try:
        one = yield FIRST
        two = yield SECOND
    except ChipGone:
        closed.append("keys")
        raise
    return len(one.data) + len(two.data)


def test_a_dialogue_over_a_transport_gives_its_value() -> None:
    asked = []

    def transmit(command: Command) -> Response:
        asked.append(command)
        return Response(bytes(command.ins), 0x9000)

    assert drive(counting([]), transmit) == 3
    assert asked == [FIRST, SECOND]


def test_a_dialogue_that_asks_nothing_gives_its_value() -> None:
    def silent() -> Dialogue[str]:
        return "value"
        yield

    assert drive(silent(), lambda _: pytest.fail("asked")) == "value"


def test_a_lost_chip_reaches_the_dialogue_and_then_the_caller() -> None:
    closed: list[str] = []

    def transmit(command: Command) -> Response:
        if command is SECOND:
            raise ChipGone
        return Response(b"", 0x9000)

    with pytest.raises(ChipGone):
        drive(counting(closed), transmit)
    assert closed == ["keys"]


def test_a_dialogue_may_go_on_without_the_chip() -> None:
    def stubborn() -> Dialogue[str]:
        try:
            yield FIRST
        except ChipGone:
            try:
                yield SECOND
            except ChipGone:
                return "given up"
        return "answered"

    def transmit(command: Command) -> Response:
        raise ChipGone(message=f"{command.ins}")

    assert drive(stubborn(), transmit) == "given up"
