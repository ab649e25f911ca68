"""What a queue can refuse, by who must act. No error carries a byte of a record."""

from __future__ import annotations

from wire.reasons import Reason


class OutboxError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        reason: the closed reason code, where a session must end by it.
    """

    reason = Reason.QUEUE_FAILED


class QueueFull(OutboxError):
    """No room: nothing was filed, nothing was lost. Deliver, then try again."""

    reason = Reason.QUEUE_FULL


class QueueFailed(OutboxError):
    """The file can't be used, or what became of the last write isn't known. Reopen or repair."""


class QueueDamaged(QueueFailed):
    """The file isn't what was written: repair it. What it still holds isn't lost by waiting."""


class QueueNewer(QueueFailed):
    """A newer version of this software made the file: nothing is read, changed or lost.

    Attributes:
        version: of the file's tables.
        spoken: the newest version that this software knows.
    """

    def __init__(self, *, version: int, spoken: int) -> None:
        super().__init__(
            f"the queue was made by a newer version ({version}, here {spoken}); it is left as it is"
            " until that version is back"
        )
        self.version = version
        self.spoken = spoken


class QueueBroken(OutboxError):
    """What the file holds is not what this station signed, whole and in order.

    Attributes:
        lane: where.
        seq: the first sequence number in doubt.
    """

    def __init__(self, lane: str, seq: int, message: str) -> None:
        super().__init__(f"{lane} {seq}: {message}")
        self.lane = lane
        self.seq = seq


class ReceiptRefused(OutboxError):
    """A receipt that is genuine and not about this queue: nothing was deleted.

    Attributes:
        forked: the fleet holds another history of this epoch than this queue: a clone, or a disk
            that was put back. Someone must look.
    """

    def __init__(self, message: str, *, forked: bool = False) -> None:
        super().__init__(message)
        self.forked = forked
