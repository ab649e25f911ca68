"""Reading and proving a chip: processor time of both ends, commands, and the verdict alone."""

from __future__ import annotations

import io
import math
import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from emrtd import CAN, TrustStore, drive
from emrtd.apdu import Command, Response
from emrtd.files import ReadPlan
from emrtd.inspect import inspect
from emrtd.sim import Chip, Holder, TestPKI, expiry, personalise
from emrtd.verify import verify
from tests.bench.measure import median_cpu_ms, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrtd.evidence import Evidence
    from emrtd.inspect import Inspection
    from tests.bench.measure import Row

BIRTH, ISSUED = date(1995, 3, 14), date(2021, 6, 1)
SINCE, UNTIL = datetime(2021, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
AT = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = frozenset({"DG1", "DG2", "DG13"})
SHORT, LONG = ReadPlan(), ReadPlan(max_le=4063)
PLANS = {"chip_apdus": SHORT, "chip_apdus_extended": LONG}
FEWEST = "the fewest for these files, chunks and protocols"
READS, FIND = {0xB0, 0xB1}, (0xA4, 0x02)
PROOFS = {"chip_auth", "active_auth"}
YARDSTICK = "one ECDSA P-256 signature by OpenSSL"


def rows() -> Iterator[Row]:
    """Measure over direct calls, without any wire: what is left is our own work."""
    pki = TestPKI.create(os.urandom, valid_from=SINCE, valid_until=UNTIL)
    holder = Holder(
        number="999095012345", name="Nguyễn Văn Mẫu", birth=BIRTH, sex="M", issued=ISSUED,
        expiry=expiry(BIRTH, ISSUED),
    )  # fmt: skip
    card = personalise(holder, _picture(), generation="2021", pki=pki, randomness=os.urandom)
    chip = Chip(card, randomness=os.urandom)
    trust = TrustStore([pki.csca.certificate])
    asked: list[Command] = []

    def transmit(command: Command) -> Response:
        asked.append(command)
        return Response.from_bytes(chip.answer(command.to_bytes()))

    def read(plan: ReadPlan = SHORT) -> Inspection:
        chip.reset()
        asked.clear()
        dialogue = inspect(
            CAN(card.can), wanted=WANTED, randomness=os.urandom, aa_nonce=os.urandom(8), plan=plan
        )
        return drive(dialogue, transmit)

    for name, plan in PLANS.items():
        evidence, least = read(plan).evidence, _protocol(asked)
        yield row(name, len(asked), "commands", baseline=least + _chunks(evidence, plan), of=FEWEST)
    evidence, floor = read().evidence, _signature_ms()
    both = median_cpu_ms(read, times=15)
    judged = median_cpu_ms(lambda: verify(evidence, trust, at=AT), times=30)
    yield row("chip_read_cpu_both_ends", both, "ms", baseline=floor, of=YARDSTICK)
    yield row("chip_verify_cpu", judged, "ms", baseline=floor, of=YARDSTICK)


def _protocol(asked: list[Command]) -> int:
    """Return how many commands neither find a file nor read one; the proof of a key may do both."""
    return sum(
        1
        for each in asked
        if each.step.phase in PROOFS or not (each.ins in READS or (each.ins, each.p1) == FIND)
    )


def _chunks(evidence: Evidence, plan: ReadPlan) -> int:
    """Return the fewest commands that these files cost: one to find it, and full chunks."""
    return sum(1 + math.ceil(len(raw) / plan.max_le) for raw in evidence.files.values())


def _picture() -> bytes:
    """Return a picture of noise in JPEG 2000, as large as a chip's portrait."""
    noise = Image.frombytes("RGB", (300, 400), os.urandom(300 * 400 * 3))
    out = io.BytesIO()
    noise.save(out, "JPEG2000", quality_mode="rates", quality_layers=[24], irreversible=True)
    return out.getvalue()


def _signature_ms() -> float:
    key = ec.generate_private_key(ec.SECP256R1())
    return median_cpu_ms(lambda: _many(key), times=30) / MANY


MANY = 50
"""The processor's clock is too coarse for one."""


def _many(key: ec.EllipticCurvePrivateKey) -> None:
    for _ in range(MANY):
        key.sign(b"yardstick", ec.ECDSA(hashes.SHA256()))
