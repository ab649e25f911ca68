"""The ingest process: takes messages, stores groups, and only then says that it has them.

Knows the order: verify and open, store in one transaction, commit, sign receipts, publish. One
thread owns the database; whatever a message is, it is counted at worst and never ends the loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fleet.home import HomeUnusableError
from fleet.ingest.deliveries import RefusedError, read_delivery, read_status, topic_of
from fleet.ingest.mqtt import Address, Line
from fleet.opening_key import opening_key_from_pem
from fleet.store.acceptance import Acceptance
from fleet.store.store import Drop, LinkWord, Loss, Store
from wire.cose import PrivateKeySigner
from wire.errors import WireError
from wire.receipt import Receipt, sign_receipt
from wire.topics import shard_filter, shard_of, topic

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from fleet.home import FleetConfig, FleetHome
    from fleet.ingest.mqtt import Message
    from fleet.store.store import Delivery, LaneReached
    from wire.cose import Signer
    from wire.seal import OpeningKey

log = structlog.get_logger(__name__)

BATCH = 64
"""Messages stored in one transaction at most: what came while the last was being stored."""
LOOK_S = 0.2
"""How often the loop looks whether it should end."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What ingest holds: it opens operations parts and signs receipts."""

    opening: OpeningKey
    receipts: Mapping[int, Signer]

    @classmethod
    def load(cls, home: FleetHome, *, shards: int) -> Keys:
        """Read them from the fleet home.

        Raises:
            HomeUnusableError: one is missing or is not what it should be.
        """
        try:
            opening = opening_key_from_pem(home.operations_key.read_bytes(), "operations")
            receipts = {
                shard: _signer(home.receipt_key(shard).read_bytes()) for shard in range(shards)
            }
        except (OSError, ValueError, TypeError, WireError) as error:
            raise HomeUnusableError(f"{home.ingest}: {error}") from error
        return cls(opening, receipts)


@dataclass(frozen=True, slots=True)
class Answer:
    """A receipt and where it goes."""

    topic: str
    payload: bytes = field(repr=False)


class Ingest:
    """Turns batches of messages into stored groups and receipts."""

    def __init__(self, store: Store, keys: Keys, config: FleetConfig) -> None:
        self._store = store
        self._keys = keys
        self._config = config

    def take(self, messages: Sequence[Message], *, at: datetime) -> list[Answer]:
        """Store what the messages deliver, and return the receipts, which may now be sent.

        Raises:
            StoreError: nothing was stored; no receipt may be sent.
        """
        deliveries: list[Delivery | Loss] = []
        drops: list[Drop] = []
        links: dict[str, LinkWord] = {}
        for message in messages:
            try:
                where = topic_of(message.topic, shards=self._config.shards)
                if where.kind == "ev":
                    deliveries.append(
                        read_delivery(
                            message.payload,
                            where,
                            enrolled=self._store.device,
                            key=self._keys.opening,
                            simulators_allowed=self._config.simulators_allowed,
                        )
                    )
                else:
                    word = read_status(message.payload, where, enrolled=self._store.device)
                    # The broker may say "offline" for it, and repeats what it retained.
                    alive = word == "online" and not message.retained
                    links[where.device] = LinkWord(word, alive=alive)
            except RefusedError as refused:
                log.warning("message_dropped", why=refused.why, device=refused.device)
                drops.append(Drop(refused.why, refused.device))
        batch = self._store.accept(deliveries, drops=drops, links=links, at=at)
        for delivery, verdict in zip(deliveries, batch.verdicts, strict=True):
            if verdict is Acceptance.FORK:
                log.error("device_forked", device=delivery.lane.device, lane=delivery.lane.lane)
            elif verdict is Acceptance.STORE and isinstance(delivery, Loss):
                log.error("records_lost", device=delivery.lane.device, lane=delivery.lane.lane)
        if batch.verdicts:
            log.info("groups_taken", groups=len(batch.verdicts), dropped=len(drops))
        return [self._receipt(reached) for reached in batch.reached]

    def _receipt(self, reached: LaneReached) -> Answer:
        lane, shards = reached.lane, self._config.shards
        shard = shard_of(lane.device, shards=shards)
        receipt = Receipt(
            shard=shard,
            device=lane.device,
            epoch=lane.epoch,
            lane=lane.lane,
            high_water=reached.marks.high_water,
            chain_head=reached.marks.head,
            audit_head=reached.audit_head,
        )
        signed = sign_receipt(receipt, self._keys.receipts[shard])
        return Answer(topic(lane.device, "ack", shards=shards), signed)


def serve(home: FleetHome, stopping: threading.Event) -> None:
    """Run ingest until `stopping` is set.

    Raises:
        HomeUnusableError: the fleet home is not complete.
        StoreError: the database cannot be used; end and be started again.
    """
    config = home.config()
    keys = Keys.load(home, shards=config.shards)
    with Store.open(home.database) as store:
        ingest = Ingest(store, keys, config)
        line = _line(home, config)
        line.start()
        log.info("ingest_started", shards=config.shards, simulators=config.simulators_allowed)
        try:
            while not stopping.is_set():
                messages = line.take(at_most=BATCH, wait_s=LOOK_S)
                if messages:
                    for answer in ingest.take(messages, at=datetime.now(UTC)):
                        line.publish(answer.topic, answer.payload)
        finally:
            line.stop()
            log.info("ingest_stopped")


def _line(home: FleetHome, config: FleetConfig) -> Line:
    folder = home.ingest
    address = Address(
        host=config.host,
        port=config.port,
        authority=folder / "ca.cert.pem",
        certificate=folder / "tls.cert.pem",
        key=folder / "tls.key.pem",
    )
    filters = tuple(
        shard_filter(shard, kind) for kind in ("ev", "st") for shard in range(config.shards)
    )
    try:
        return Line(address, filters)
    except OSError as error:
        raise HomeUnusableError(f"{folder}: {error}") from error


def _signer(pem: bytes) -> Signer:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a receipt key is not an elliptic curve key")
    return PrivateKeySigner(key)
