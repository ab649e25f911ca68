"""The port of a card reader: one card at a time, bytes in, bytes out.

Every driver (pcsc, sim) implements it in full and passes the same contract suite. A port is used by
one thread only. It knows nothing of what commands mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CardInfo:
    """What is known of a card before the first command.

    Attributes:
        reader: the reader's name as the driver gives it.
        atr: answer to reset; never personal, may be empty for a simulator.
        max_command_bytes: the largest command the reader passes, 261 if unknown.
    """

    reader: str
    atr: bytes
    max_command_bytes: int


class CardPort(Protocol):
    """A reader."""

    @property
    def simulated(self) -> bool:
        """Whether no real reader stands behind this port (a virtual reader is not one)."""
        ...

    def connect(self, *, timeout_s: float) -> CardInfo:
        """Wait for a card and power it. Stateless when it fails.

        Raises:
            DeviceMissing: no such reader, or its service is away.
            DeviceTimeout: no card within timeout_s.
        """
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one command APDU, return the response with its status bytes.

        Raises:
            ChipGone: the card left the field (`emrtd.errors`); connect again.
            DeviceFailed: the reader itself failed.
        """
        ...

    def present(self) -> bool:
        """Whether the connected card is still there, without disturbing it."""
        ...

    def disconnect(self) -> None:
        """Power the card down; harmless when none is connected."""
        ...

    def close(self) -> None:
        """Release the reader for good; a transmit that hangs is freed, if it can be."""
        ...
