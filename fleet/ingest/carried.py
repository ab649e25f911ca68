"""Deliveries that came by hand: a station's exported file, taken like messages from the broker.

Knows how a thing in a file becomes the message that it would have been, and which receipts go
back. Everything else is ingest's: the same checks, the same transaction, the same receipts. A file
proves nothing by itself; what it says of a thing only finds the topic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from fleet.ingest.main import BATCH
from fleet.ingest.mqtt import Message
from wire.carried import CarriedCutOff, read_carried
from wire.errors import WireError
from wire.group import claimed_body
from wire.receipt import claimed_receipt
from wire.tombstone import claimed_tombstone, is_tombstone
from wire.topics import topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fleet.ingest.main import Ingest


@dataclass(slots=True)
class Taken:
    """What became of a file.

    Attributes:
        items: things that were given to ingest.
        unreadable: things that don't even say whose they are.
        cut_off: the file ended before its end; what came before was taken.
        receipts: the newest receipt of each lane that something came of.
    """

    items: int = 0
    unreadable: int = 0
    cut_off: bool = False
    receipts: dict[tuple[str, bytes, str], bytes] = field(default_factory=dict, repr=False)


def take_carried(ingest: Ingest, file: BinaryIO, *, shards: int, at: datetime) -> Taken:
    """Give a file's things to ingest, a batch at a time.

    Args:
        ingest: with the fleet's keys.
        file: what a station exported.
        shards: how many topic shards the fleet has.
        at: now.

    Raises:
        Malformed: not a file of groups; nothing was taken.
        StoreError: the running batch was not stored; those before it were.
        OSError: the file refuses.
    """
    done = Taken()
    messages = _messages(file, done, shards=shards)
    while batch := list(islice(messages, BATCH)):
        done.items += len(batch)
        for answer in ingest.take(batch, at=at):
            said = claimed_receipt(answer.payload)
            done.receipts[said.device, said.epoch, said.lane] = answer.payload
    return done


def _messages(file: BinaryIO, done: Taken, *, shards: int) -> Iterator[Message]:
    items = read_carried(file, kind="groups")
    while True:
        try:
            raw = next(items, None)
        except CarriedCutOff:
            done.cut_off = True
            return
        if raw is None:
            return
        try:
            claimed = claimed_tombstone(raw) if is_tombstone(raw) else claimed_body(raw)
            yield Message(topic(claimed.device, "ev", shards=shards), raw)
        except WireError:
            done.unreadable += 1
