"""The queue: sealed records on one disk until the fleet says that it holds them."""

from kiosk.outbox.errors import OutboxError, QueueBroken, QueueFailed, QueueFull, ReceiptRefused
from kiosk.outbox.examine import Examined, LaneStatus, Status, examine, status_of
from kiosk.outbox.outbox import Acknowledgement, Draft, Outbox, Retention
from kiosk.outbox.store import DEFAULT_QUOTA_BYTES, LaneState, Owner, Store
from kiosk.outbox.writer import OutboxWriter

__all__ = [
    "DEFAULT_QUOTA_BYTES",
    "Acknowledgement",
    "Draft",
    "Examined",
    "LaneState",
    "LaneStatus",
    "Outbox",
    "OutboxError",
    "OutboxWriter",
    "Owner",
    "QueueBroken",
    "QueueFailed",
    "QueueFull",
    "ReceiptRefused",
    "Retention",
    "Status",
    "Store",
    "examine",
    "status_of",
]
