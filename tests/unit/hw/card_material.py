"""A made-up card, a chip that is pulled in mid-inspection, and the inspection itself."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from functools import cache

from emrtd import CAN, TrustStore
from emrtd.errors import ChipGone
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.sim import CardImage, Chip, Holder, TestPKI, personalise

WANTED = frozenset({"DG1", "DG2", "DG13"})
AT = datetime(2026, 6, 1, tzinfo=UTC)
JPEG = bytes.fromhex("FFD8FFE000040000FFC0000B080190012C01011100FFD9")


@cache
def issuer() -> TestPKI:
    return TestPKI.create(
        os.urandom,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=datetime(2035, 1, 1, tzinfo=UTC),
    )


def trust() -> TrustStore:
    return TrustStore([issuer().csca.certificate])


@cache
def card_of(number: str, picture: bytes = JPEG) -> CardImage:
    day = date(2021, 6, 1)
    holder = Holder(
        number=number, name="Nguyễn Văn Mẫu", birth=day, sex="M", issued=day, expiry=None, father=""
    )
    return personalise(holder, picture, generation="2021", pki=issuer(), randomness=os.urandom)


class PulledChip:
    """A chip of the simulator that leaves the field at its nth command, if any."""

    def __init__(self, card: CardImage, *, at: int = 0) -> None:
        self.chip = Chip(card, randomness=os.urandom)
        self.at, self.asked = at, 0

    @property
    def atr(self) -> bytes:
        return self.chip.atr

    def reset(self) -> None:
        self.chip.reset()
        self.asked = 0

    def answer(self, command: bytes) -> bytes:
        self.asked += 1
        if self.asked == self.at:
            raise ChipGone
        return self.chip.answer(command)


def inspection_of(card: CardImage, *, can: str | None = None, plan: ReadPlan | None = None):
    return inspect(
        CAN(can or card.can), wanted=WANTED, randomness=os.urandom, aa_nonce=os.urandom(8),
        plan=plan or ReadPlan(),
    )  # fmt: skip
