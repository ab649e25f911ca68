"""The simulator's parsers: a chip that meets any command, a card and a PKI from a file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

from emrtd.errors import ChipMalformed
from emrtd.sim import CardImage, Chip, Holder, TestPKI, personalise
from emrtd.sim._cvc import CVCertificate

JPEG = bytes.fromhex("FFD8FFC0000B080190012C01011100FFD9")


def _bytes(size: int) -> bytes:
    return bytes(range(1, size + 1))


@cache
def _chip() -> Chip:
    day = date(2021, 6, 1)
    holder = Holder(
        number="999195012345", name="A", birth=day, sex="F", issued=day, expiry=None, father=""
    )
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    pki = TestPKI.create(_bytes, valid_from=since, valid_until=until)
    card = personalise(holder, JPEG, generation="2021", pki=pki, randomness=_bytes)
    return Chip(card, randomness=_bytes)


def _answer(raw: bytes) -> bytes:
    """Let one chip, whose state goes on from command to command, answer."""
    return _chip().answer(raw)


TARGETS = {
    "emrtd.sim.chip": (_answer, ()),
    "emrtd.sim.card_image": (CardImage.from_json, (ChipMalformed,)),
    "emrtd.sim.pki": (TestPKI.from_json, (ChipMalformed,)),
    "emrtd.sim.cvc": (CVCertificate.from_bytes, (ChipMalformed,)),
}
