"""Filing a record, against what this disk takes for one sync: probes before, between and after."""

from __future__ import annotations

import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.outbox import Draft, Outbox
from tests.bench.measure import median_cpu_ms, row
from wire.cose import PrivateKeySigner
from wire.reasons import Outcome
from wire.record import (
    Bands,
    CheckBand,
    FaceBand,
    IdentityPart,
    LiveBand,
    OperationsPart,
    TimeQuality,
    Versions,
)
from wire.seal import OpeningKey, Recipients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measure import Row

BANDS = Bands(
    pa=CheckBand.PASSED,
    aa=CheckBand.PASSED,
    ca=CheckBand.PASSED,
    face=FaceBand.SAME,
    live=LiveBand.PASSED,
)
SOD_BYTES = 2_600
"""As large as a test card's."""
PROBES, EACH = 5, 20
BATCH = 32


def rows() -> Iterator[Row]:
    """Measure single records, and 32 in one commit, with identity parts."""
    with tempfile.TemporaryDirectory(dir="build") as folder, _outbox(Path(folder)) as outbox:
        probe = Path(folder) / "probe"
        floors, singles, batches = [_floor_ms(probe)], [], []
        outbox.append([_draft()])
        for _ in range(PROBES):
            singles.append(_each_ms(lambda: outbox.append([_draft()])))
            batches.append(_each_ms(lambda: outbox.append([_draft()] * BATCH)) / BATCH)
            floors.append(_floor_ms(probe))
        floor = statistics.median(floors)
        sealing = median_cpu_ms(lambda: outbox.append([_draft()]), times=20)
    of = "one 4 KiB append and fdatasync on this disk"
    yield row("outbox_insert", statistics.median(singles), "ms", baseline=floor, of=of)
    yield row("outbox_insert_of_32", statistics.median(batches), "ms", baseline=floor, of=of)
    yield row("outbox_insert_cpu", sealing, "ms", baseline=floor, of=of)


def _outbox(folder: Path) -> Outbox:
    opening = [
        OpeningKey.generate(name, randomness=secrets.token_bytes)
        for name in ("operations-1", "identity-1")
    ]
    return Outbox.open(
        folder / "outbox.db",
        device="bench-1",
        signer=PrivateKeySigner(ec.generate_private_key(ec.SECP256R1())),
        recipients=Recipients(operations=opening[0].recipient(), identity=opening[1].recipient()),
    )


def _draft() -> Draft:
    return Draft(
        operations=OperationsPart(
            outcome=Outcome.ACCEPTED,
            reasons=(),
            bands=BANDS,
            procedure="bench",
            site="bench",
            versions=Versions(software="bench", policy="bench"),
            at_hour=1,
            time_quality=TimeQuality.NTP,
        ),
        identity=IdentityPart(
            number="999095012345",
            dg1=bytes(95),
            sod=bytes(SOD_BYTES),
            policy="bench",
            bands=BANDS,
        ),
    )


def _each_ms(work: object) -> float:
    began = time.perf_counter()
    for _ in range(EACH):
        work()  # type: ignore[operator] # a callable of this module
    return (time.perf_counter() - began) * 1000 / EACH


def _floor_ms(path: Path) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:

        def sync() -> None:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)

        return _each_ms(sync)
    finally:
        os.close(descriptor)
