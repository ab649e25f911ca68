"""Evidence of test cards, read once over the library's own protocols."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, cast

from emrtd.dialogue import drive
from emrtd.inspect import inspect
from emrtd.keys import CAN
from emrtd.sim import Chip, Holder, TestPKI, expiry, personalise

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.apdu import Response as ResponseType
    from emrtd.evidence import Evidence
    from emrtd.sim.personalise import Generation

JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9") + bytes(range(256))
BIRTH, ISSUED = date(1995, 3, 14), date(2024, 7, 15)
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


@cache
def evidence_of(generation: str) -> Evidence:
    """Issue a card of that generation, read it, and return what was read."""
    from emrtd.apdu import Response

    pki = TestPKI.create(os.urandom, valid_from=SINCE, valid_until=UNTIL)
    holder = Holder(
        number="999095012345", name="Nguyễn Văn Mẫu", birth=BIRTH, sex="M", issued=ISSUED,
        expiry=expiry(BIRTH, ISSUED),
    )  # fmt: skip
    card = personalise(
        holder, JPEG, generation=cast("Generation", generation), pki=pki, randomness=os.urandom
    )
    chip = Chip(card, randomness=os.urandom)

    def transmit(command: Command) -> ResponseType:
        return Response.from_bytes(chip.answer(command.to_bytes()))

    dialogue = inspect(
        CAN("012345"),
        wanted=frozenset({"DG1", "DG2", "DG13"}),
        randomness=os.urandom,
        aa_nonce=os.urandom(8),
    )
    return drive(dialogue, transmit).evidence
