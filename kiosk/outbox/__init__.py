"""The queue: sealed records on one disk until the fleet says that it holds them."""

from kiosk.outbox.carried import Exported, Imported, import_receipts
from kiosk.outbox.carried import export as export_groups
from kiosk.outbox.errors import (
    OutboxError,
    QueueBroken,
    QueueDamaged,
    QueueFailed,
    QueueFull,
    QueueNewer,
    ReceiptRefused,
)
from kiosk.outbox.examine import Examined, LaneStatus, Status, examine, status_of
from kiosk.outbox.findings import Survey
from kiosk.outbox.mending import Repaired, looking, quarantine_of, repair, survey
from kiosk.outbox.outbox import Acknowledgement, Draft, Outbox, Retention
from kiosk.outbox.salvage import LanePlan
from kiosk.outbox.store import DEFAULT_QUOTA_BYTES, LaneState, Owner, Store
from kiosk.outbox.writer import OutboxWriter

__all__ = [
    "DEFAULT_QUOTA_BYTES",
    "Acknowledgement",
    "Draft",
    "Examined",
    "Exported",
    "Imported",
    "LanePlan",
    "LaneState",
    "LaneStatus",
    "Outbox",
    "OutboxError",
    "OutboxWriter",
    "Owner",
    "QueueBroken",
    "QueueDamaged",
    "QueueFailed",
    "QueueFull",
    "QueueNewer",
    "ReceiptRefused",
    "Repaired",
    "Retention",
    "Status",
    "Store",
    "Survey",
    "examine",
    "export_groups",
    "import_receipts",
    "looking",
    "quarantine_of",
    "repair",
    "status_of",
    "survey",
]
