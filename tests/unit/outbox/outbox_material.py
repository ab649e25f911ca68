"""One station, its keys, its readers and its fleet, for the tests of the queue."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.outbox import Acknowledgement, Draft, Outbox
from wire.cose import PrivateKeySigner
from wire.group import open_operations, verify_group
from wire.reasons import Outcome, Reason
from wire.receipt import Receipt, VerifiedReceipt, sign_receipt, verify_receipt
from wire.record import (
    Bands,
    CheckBand,
    FaceBand,
    IdentityPart,
    Lane,
    LiveBand,
    OperationsPart,
    TimeQuality,
    Versions,
)
from wire.seal import OpeningKey, Recipients

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = "kiosk-1"
NUMBER = "999195012345"
DG1 = b"EF.DG1 of " + NUMBER.encode()
MODELS = {"embed": "mobilefacenet-1"}
NOW = 1_700_000_000.0
# The same in every process: a queue is opened again by whoever comes after a killed one.
STATION = PrivateKeySigner(ec.derive_private_key(0x5747, ec.SECP256R1()))
STRANGER = PrivateKeySigner(ec.derive_private_key(0x1337, ec.SECP256R1()))
SHARD = PrivateKeySigner(ec.derive_private_key(0x5348, ec.SECP256R1()))
OPERATIONS_KEY = OpeningKey("operations-1", hashlib.shake_256(b"operations").digest(96))
IDENTITY_KEY = OpeningKey("identity-1", hashlib.shake_256(b"identity").digest(96))
RECIPIENTS = Recipients(OPERATIONS_KEY.recipient(), IDENTITY_KEY.recipient())
BANDS = Bands(
    pa=CheckBand.PASSED,
    aa=CheckBand.PASSED,
    ca=CheckBand.PASSED,
    face=FaceBand.SAME,
    live=LiveBand.PASSED,
)


def draft(mark: int = 0, *, lane: Lane = "normal", person: bool = True, sod: int = 2_000) -> Draft:
    """A draft that its at_hour tells from others."""
    operations = OperationsPart(
        outcome=Outcome.REFERRED,
        reasons=(Reason.FACE_UNSURE,),
        bands=BANDS,
        procedure="identity-check",
        site="hn-ward-7",
        versions=Versions(software="0.1.0", policy="policy-1", models=MODELS),
        at_hour=mark,
        time_quality=TimeQuality.NTP,
    )
    identity = IdentityPart(
        number=NUMBER,
        dg1=DG1,
        sod=b"SOD" * (sod // 3),
        policy="policy-1",
        bands=BANDS,
    )
    return Draft(lane=lane, operations=operations, identity=identity if person else None)


def opened(path: Path, **options: Any) -> Outbox:
    """The station's queue at path."""
    defaults = {"device": DEVICE, "signer": STATION, "now": lambda: NOW, "recipients": RECIPIENTS}
    return Outbox.open(path, **(defaults | options))


def marks(outbox: Outbox, lane: Lane = "normal", after_seq: int = 0) -> list[tuple[int, int]]:
    """Play the fleet's reader: (sequence number, mark) of every record still held."""
    found = []
    while groups := outbox.unacknowledged(lane, after_seq, 16):
        for sealed in groups:
            group = verify_group(sealed.raw, STATION.public_key_der)
            found += [
                (one.identity.seq, one.part.at_hour)
                for one in open_operations(group, OPERATIONS_KEY)
                if one.identity.seq > after_seq
            ]
        after_seq = groups[-1].last
    return found


def receipt(outbox: Outbox, high_water: int, **changes: Any) -> VerifiedReceipt:
    """The fleet's signed word that it holds the queue up to high_water, as this queue has it."""
    lane: Lane = changes.pop("lane", "normal")
    heads = {group.last: group.head for group in outbox.unacknowledged(lane, high_water - 1, 1)}
    fields = {
        "shard": 3,
        "device": outbox.device,
        "epoch": outbox.epoch,
        "lane": lane,
        "high_water": high_water,
        "chain_head": heads.get(high_water, bytes(32)),
        "audit_head": bytes(32),
    }
    raw = sign_receipt(Receipt(**(fields | changes)), SHARD)
    return verify_receipt(raw, {3: SHARD.public_key_der})


def deliver(outbox: Outbox, high_water: int, **changes: Any) -> Acknowledgement:
    """Let the fleet acknowledge."""
    return outbox.acknowledge(receipt(outbox, high_water, **changes))
