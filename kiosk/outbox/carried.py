"""The queue on a stick: whole groups out as they are, receipts back.

Knows which groups go and whose receipts count. Opens nothing and changes no group: what leaves is
what the link would have carried, signed and sealed. Does not know the stick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kiosk.outbox.errors import ReceiptRefused
from wire.carried import read_carried, write_carried
from wire.errors import WireError
from wire.receipt import verify_receipt
from wire.record import LANES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kiosk.outbox.outbox import Outbox
    from kiosk.outbox.store import Store
    from wire.group import SealedGroup

PAGE_GROUPS = 16
"""Groups read at once: a slow stick never holds the queue's log."""


@dataclass(slots=True)
class Exported:
    """What was written.

    Attributes:
        groups: how many groups.
        records: how many records in them.
        tombstones: how many stand in the place of records that are lost.
    """

    groups: int = 0
    records: int = 0
    tombstones: int = 0


@dataclass(slots=True)
class Imported:
    """What receipts did.

    Attributes:
        believed: how many the queue took for its own.
        refused: how many bear no signature of this fleet, or tell another history.
    """

    believed: int = 0
    refused: int = 0


def export(store: Store, file: BinaryIO, *, everything: bool = False) -> Exported:
    """Write what the fleet has not acknowledged; nothing of the queue changes.

    Args:
        store: the open queue; a station may have it open as well.
        file: where to.
        everything: what is acknowledged and still kept, too.

    Raises:
        QueueBroken: a group is not as it was written: repair first.
        QueueFailed: the queue can't be used.
        OSError: the file refuses.
    """
    done = Exported()

    def items() -> Iterator[bytes]:
        for group in _groups(store, everything=everything):
            done.tombstones += group.lost
            done.groups += not group.lost
            done.records += 0 if group.lost else group.count
            yield group.raw

    write_carried(file, items(), kind="groups")
    return done


def import_receipts(
    outbox: Outbox, file: BinaryIO, *, receipt_keys: Mapping[int, bytes]
) -> Imported:
    """Let the queue judge receipts, as if the link had brought them.

    Args:
        outbox: the open queue.
        file: what a fleet wrote.
        receipt_keys: the one shard that this device belongs to, and its key.

    Raises:
        Malformed: not a file of receipts.
        CarriedCutOff: it ended too early; what came before is taken.
        QueueFull, QueueFailed: the queue can't be used.
        OSError: the file refuses.
    """
    done = Imported()
    for raw in read_carried(file, kind="receipts"):
        try:
            outbox.acknowledge(verify_receipt(raw, receipt_keys))
        except (WireError, ReceiptRefused):
            done.refused += 1
        else:
            done.believed += 1
    return done


def _groups(store: Store, *, everything: bool) -> Iterator[SealedGroup]:
    """Yield what a lane holds, the most urgent lane first."""
    for lane in LANES:
        after = 0 if everything else store.lane(lane).acked_seq
        while found := store.groups(lane, after_seq=after, limit=PAGE_GROUPS):
            yield from found
            after = found[-1].last
