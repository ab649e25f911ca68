"""One station and one fleet in one process, messages carried by hand: no broker, no link.

Keeps the truth log as `checker` reads it, with a third kind of line for who needs it: `h LANE SEQ`,
said once the fleet has committed up to there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from fleet.home import FleetHome
from fleet.ingest.main import Ingest, Keys
from fleet.ingest.mqtt import Message
from fleet.store.store import Store
from kiosk.outbox import QueueFull, ReceiptRefused, Retention
from kiosk.station.home import DeviceHome
from tests.faults.content import LANES
from tests.faults.homes import draft_of, open_queue
from wire.receipt import Receipt, sign_receipt, verify_receipt
from wire.topics import shard_of, topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wire.group import SealedGroup
    from wire.receipt import VerifiedReceipt
    from wire.record import Lane

DEVICE = "kiosk-1"
SHARDS = 2
QUOTA_BYTES = 256 * 1024


class Life:
    """One station and one fleet in one process, and how messages go between them."""

    def __init__(self, folder: Path) -> None:
        home = FleetHome(folder / "fleet")
        device = DeviceHome(folder / DEVICE)
        self.truth = os.open(folder / DEVICE / "truth", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.open = partial(
            open_queue, device, quota_bytes=QUOTA_BYTES, retention=Retention(days=0, bytes=0)
        )
        self.queue = self.open()
        self.store = Store.open(home.database)
        keys = Keys.load(home, shards=SHARDS)
        self.signers = keys.receipts
        self.ingest = Ingest(self.store, keys, home.config())
        self.keys = device.fleet_keys().receipt_keys

    def file(self, marks: Sequence[int], lane: str) -> bool:
        """File marks in one commit; whether they were taken."""
        self.say(*(f"t {mark} {lane}" for mark in marks))
        try:
            found = self.queue.append([draft_of(mark, lane) for mark in marks])
        except QueueFull:
            return False
        for one, mark in zip(found, marks, strict=True):
            self.say(f"s {one.epoch.hex()} {one.lane} {one.seq} {mark}")
        return True

    def carry(self, *, lose: Callable[[int], bool] = lambda _: False, hears: bool = True) -> None:
        """Carry what waits to the fleet and its receipts back, once."""
        for lane in LANES:
            for n, group in enumerate(self.queue.unacknowledged(lane, None, 16)):  # type: ignore[arg-type]  # a literal
                self.puback(group)
                if lose(n):
                    continue
                message = Message(topic(DEVICE, "ev", shards=SHARDS), group.raw)
                for answer in self.ingest.take([message], at=datetime.now(UTC)):
                    receipt = verify_receipt(answer.payload, self.keys)
                    self.say(f"h {receipt.lane} {receipt.high_water}")
                    if hears:
                        with suppress(ReceiptRefused):  # as the station does: the queue keeps it
                            self.queue.acknowledge(receipt)

    def say(self, *lines: str) -> None:
        """Write lines of the truth log."""
        os.write(self.truth, "".join(f"{line}\n" for line in lines).encode())

    def receipt(self, lane: Lane, last: int) -> VerifiedReceipt:
        """A receipt up to a group's end that the fleet never gave."""
        (group,) = self.queue.unacknowledged(lane, last - 1, 1)
        shard = shard_of(DEVICE, shards=SHARDS)
        said = Receipt(
            shard=shard,
            device=DEVICE,
            epoch=self.queue.epoch,
            lane=lane,
            high_water=last,
            chain_head=group.head,
            audit_head=bytes(32),
        )
        return verify_receipt(sign_receipt(said, self.signers[shard]), self.keys)

    def puback(self, group: SealedGroup) -> None:
        """The broker has the message: which means nothing."""
