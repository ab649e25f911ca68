"""What a damaged disk may hand over instead of a queue's file."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.outbox import Draft, Outbox, OutboxError, Owner, Store, examine, repair, status_of
from kiosk.outbox.marks import write_marks
from wire.cose import PrivateKeySigner
from wire.reasons import Outcome
from wire.record import LANES, Bands, CheckBand, OperationsPart, TimeQuality, Versions
from wire.seal import OpeningKey, Recipients

SIGNER = PrivateKeySigner(ec.derive_private_key(1, ec.SECP256R1()))
OWNER = Owner("kiosk-1", bytes(16), SIGNER.public_key_der)
BANDS = Bands(pa=CheckBand.PASSED, aa=CheckBand.ABSENT, ca=CheckBand.ABSENT)


@cache
def _whole() -> bytes:
    """A queue with two groups of one record."""
    part = OperationsPart(
        outcome=Outcome.REFERRED,
        reasons=(),
        bands=BANDS,
        procedure="p",
        site="s",
        versions=Versions(software="1", policy="p"),
        at_hour=1,
        time_quality=TimeQuality.NTP,
    )
    readers = Recipients(
        OpeningKey("o", b"o" * 96).recipient(), OpeningKey("i", b"i" * 96).recipient()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        with Outbox.open(path, device="kiosk-1", signer=SIGNER, recipients=readers) as outbox:
            for _ in range(2):
                outbox.append([Draft(operations=part)])
        return path.read_bytes()


def _examined(raw: bytes) -> object:
    """Look at a file in every way that needs no key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        path.write_bytes(raw)
        with closing(Store.open(path)) as store:
            status_of(store, now=0.0)
            store.groups("normal", after_seq=0, limit=100)
            return examine(store, station_key=SIGNER.public_key_der)


def _overwritten(raw: bytes) -> object:
    """Lay raw over a good file, at the place that its own first bytes name."""
    whole = bytearray(_whole())
    at = int.from_bytes(raw[:3], "big") % len(whole)
    whole[at : at + len(raw) - 3] = raw[3:]
    return _examined(bytes(whole))


def _mended(raw: bytes) -> object:
    """Lay raw over a good file and its marks in turn, mend that, and find it whole."""
    for ending in ("", ".marks"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outbox.db"
            path.write_bytes(_whole())
            write_marks(path, OWNER, None, dict.fromkeys(LANES, 2))
            wounded = path.with_name(path.name + ending)
            whole = bytearray(wounded.read_bytes())
            at = int.from_bytes(raw[:3], "big") % len(whole)
            whole[at : at + len(raw) - 3] = raw[3:]
            wounded.write_bytes(whole)
            repair(path, device="kiosk-1", signer=SIGNER, now=0.0)
            with closing(Store.open(path)) as store:
                examine(store, station_key=SIGNER.public_key_der)
    return None


TARGETS = {
    "outbox.mended": (_mended, (OutboxError,)),
    "outbox.file": (_examined, (OutboxError,)),
    "outbox.damaged": (_overwritten, (OutboxError,)),
}
