"""One inspection in process: what it sent, what it brought, and the reader's own processor time.

The card is answered for by the simulator in the same thread; its time is taken off by the thread's
own clock, so that what is left is the reader's. The link is arithmetic: no clock waits for it.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from PIL import Image

from emrtd import CAN, TrustStore, drive
from emrtd.apdu import Command, Response
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.sim import Chip, Holder, TestPKI, expiry, personalise
from emrtd.verify import ChipOutcome, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.evidence import Evidence

BIRTH, ISSUED = date(1995, 3, 14), date(2021, 6, 1)
SINCE, UNTIL = datetime(2021, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
AT = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = frozenset({"DG1", "DG2", "DG13"})
PORTRAIT_BYTES = 20_000
SHORT, EXTENDED = ReadPlan(), ReadPlan(max_le=4063)
"""What every reader carries, and what fits a response APDU of four kilobytes."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its response, as they cross the air."""

    sent: bytes
    received: bytes

    @property
    def size(self) -> int:
        """Bytes both ways."""
        return len(self.sent) + len(self.received)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one inspection took.

    Attributes:
        evidence: what was read.
        exchanges: everything that crossed the air.
        reader_ms: processor time of the reader, the verdict included, the card's left out.
    """

    evidence: Evidence
    exchanges: tuple[Exchange, ...]
    reader_ms: float

    def link_ms(self, *, kbit_per_s: int, command_ms: float) -> float:
        """Return what a link takes for these bytes if nobody ever computes."""
        bits = 8 * sum(each.size for each in self.exchanges)
        return len(self.exchanges) * command_ms + bits / kbit_per_s


@dataclass(slots=True)
class Field:
    """A card in the field, and the issuer that made it."""

    pki: TestPKI = field(
        default_factory=lambda: TestPKI.create(os.urandom, valid_from=SINCE, valid_until=UNTIL)
    )
    trust: TrustStore = field(init=False)
    chip: Chip = field(init=False)
    can: str = field(init=False)
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        holder = Holder(
            number="999095012345", name="Nguyễn Văn Mẫu", birth=BIRTH, sex="M", issued=ISSUED,
            expiry=expiry(BIRTH, ISSUED),
        )  # fmt: skip
        card = personalise(
            holder, picture(), generation="2021", pki=self.pki, randomness=os.urandom
        )
        self.trust = TrustStore([self.pki.csca.certificate])
        self.chip, self.can = Chip(card, randomness=os.urandom), card.can
        self.sizes = {name: len(raw) for name, raw in card.files.items()}

    def take(
        self,
        plan: ReadPlan = SHORT,
        *,
        randomness: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.thread_time,
    ) -> Taken:
        """Inspect the card and judge it; it must be genuine."""
        self.chip.reset()
        exchanges: list[Exchange] = []
        card_s = 0.0

        def transmit(command: Command) -> Response:
            nonlocal card_s
            sent = command.to_bytes()
            began = clock()
            received = self.chip.answer(sent)
            card_s += clock() - began
            exchanges.append(Exchange(sent, received))
            return Response.from_bytes(received)

        began = clock()
        dialogue = inspect(
            CAN(self.can), wanted=WANTED, randomness=randomness, aa_nonce=randomness(8), plan=plan
        )
        evidence = drive(dialogue, transmit).evidence
        findings = verify(evidence, self.trust, at=AT)
        spent_s = clock() - began - card_s
        if findings.outcome is not ChipOutcome.GENUINE:
            raise ValueError(f"not genuine: {findings.reasons}")
        return Taken(evidence, tuple(exchanges), spent_s * 1000)


def picture() -> bytes:
    """Return a picture of noise in JPEG 2000, as large as a chip's portrait may be."""
    noise = Image.frombytes("RGB", (300, 400), os.urandom(300 * 400 * 3))
    out = io.BytesIO()
    rate = 300 * 400 * 3 / PORTRAIT_BYTES
    noise.save(out, "JPEG2000", quality_mode="rates", quality_layers=[rate], irreversible=True)
    return out.getvalue()
