"""Two stations, their fleet's keys and their groups, for the tests of ingest."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from fleet.home import FleetConfig
from fleet.ingest.main import Ingest, Keys
from fleet.ingest.mqtt import Message
from fleet.store.store import Device
from wire.cose import PrivateKeySigner
from wire.group import EncodedRecord, encode_record, genesis_head, seal_group
from wire.reasons import Outcome, Reason
from wire.record import (
    Bands,
    CheckBand,
    IdentityPart,
    Lane,
    OperationsPart,
    Simulated,
    TimeQuality,
    Versions,
)
from wire.seal import OpeningKey, Recipients
from wire.topics import topic

if TYPE_CHECKING:
    from datetime import datetime

    from fleet.store.store import Store
    from wire.group import SealedGroup

SHARDS = 4
EPOCH = b"\x05" * 16
NUMBER = "999095012345"
OPERATIONS = OpeningKey.generate("operations-1", randomness=secrets.token_bytes)
IDENTITY = OpeningKey.generate("identity-1", randomness=secrets.token_bytes)
READERS = Recipients(OPERATIONS.recipient(), IDENTITY.recipient())
RECEIPT_KEYS = {
    shard: PrivateKeySigner(ec.generate_private_key(ec.SECP256R1())) for shard in range(SHARDS)
}
NO_SIMULATOR = Simulated()
BANDS = Bands(pa=CheckBand.PASSED, aa=CheckBand.ABSENT, ca=CheckBand.PASSED)


def record(mark: int, *, simulated: Simulated = NO_SIMULATOR) -> EncodedRecord:
    """A record that its at_hour tells from others."""
    operations = OperationsPart(
        outcome=Outcome.ACCEPTED,
        reasons=(Reason.CHIP_MAY_BE_COPY,),
        bands=BANDS,
        procedure="identity-check",
        site="hn-1",
        versions=Versions(software="0.1.0", policy="policy-1"),
        at_hour=mark,
        time_quality=TimeQuality.RTC,
        simulated=simulated,
    )
    identity = IdentityPart(
        number=NUMBER, dg1=b"DG1 " + NUMBER.encode(), sod=b"SOD", policy="policy-1", bands=BANDS
    )
    return encode_record(operations, identity)


@dataclass
class Station:
    """A device that seals groups of a lane, one after another."""

    id: str = "kiosk-1"
    epoch: bytes = EPOCH
    readers: Recipients = READERS
    signer: PrivateKeySigner = field(
        default_factory=lambda: PrivateKeySigner(ec.generate_private_key(ec.SECP256R1()))
    )
    _heads: dict[Lane, tuple[int, bytes]] = field(default_factory=dict)

    def group(
        self, *records: EncodedRecord, lane: Lane = "normal", keep: bool = True
    ) -> SealedGroup:
        """Seal the next group of a lane; one that isn't kept is followed by another."""
        genesis = genesis_head(device=self.id, epoch=self.epoch, lane=lane)
        first, head = self._heads.get(lane, (1, genesis))
        sealed = seal_group(
            records,
            device=self.id,
            epoch=self.epoch,
            lane=lane,
            first=first,
            previous_head=head,
            recipients=self.readers,
            signer=self.signer,
            randomness=secrets.token_bytes,
        )
        if keep:
            self._heads[lane] = sealed.last + 1, sealed.head
        return sealed

    def device(self, *, simulators_allowed: bool = False) -> Device:
        """Return this station as the fleet knows it."""
        return Device(
            self.id, "hn-1", self.signer.public_key_der, simulators_allowed, "2026-01-02T03:04:05"
        )

    def enrol(self, store: Store, *, at: datetime, simulators_allowed: bool = False) -> None:
        """Enter it into a fleet's database."""
        store.enrol(
            self.id,
            site="hn-1",
            station_key=self.signer.public_key_der,
            simulators_allowed=simulators_allowed,
            at=at,
        )

    def message(self, sealed: SealedGroup | bytes, kind: str = "ev") -> Message:
        """Publish something under its name."""
        raw = sealed if isinstance(sealed, bytes) else sealed.raw
        return Message(topic(self.id, kind, shards=SHARDS), raw)  # type: ignore[arg-type]  # a literal


def ingest(store: Store, *, simulators_allowed: bool = False) -> Ingest:
    """An ingest over a store, with this module's keys."""
    config = FleetConfig(
        host="127.0.0.1", port=1, shards=SHARDS, simulators_allowed=simulators_allowed
    )
    return Ingest(store, Keys(OPERATIONS, RECEIPT_KEYS), config)
