"""A reader in which a simulated chip lies: `sim://card?file=CARD.json&fault=NAME`.

Knows how a card comes, goes and is powered. Does not know what the chip answers: that is
`emrtd.sim`. No reader and no wire stands behind it, and it says so (`simulated`).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self

from emrtd.errors import ChipGone, ChipMalformed
from hw.card.port import CardInfo
from hw.errors import BadDeviceURL, DeviceFailed, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from pathlib import Path

    from hw.card.chip import PlayedChip

READER = "Simulated reader"
MAX_COMMAND_BYTES = 65_544
"""An extended command with all of its data and both of its lengths."""
MAX_CARD_FILE_BYTES = 1 << 20


class SimulatedReader:
    """A card port whose card may be put in and taken away from another thread."""

    simulated = True

    def __init__(self, chip: PlayedChip | None = None) -> None:
        """Make a reader; a chip given lies in it already."""
        self._chip = chip
        self._powered: PlayedChip | None = None
        self._closed = False
        self._changed = threading.Condition()

    @classmethod
    def of_file(cls, path: Path, *, fault: str | None = None) -> Self:
        """Put the card of a file into a reader.

        Args:
            path: what `tram chip personalise` made.
            fault: how the chip misbehaves, a name of `emrtd.sim.FAULTS`.

        Raises:
            DeviceMissing: there is no such file.
            DeviceFailed: it is no card.
            BadDeviceURL: no such fault.
        """
        from emrtd.sim import CardImage, Chip, UnknownFaultError

        try:
            with path.open("rb") as file:
                raw = file.read(MAX_CARD_FILE_BYTES + 1)
        except OSError as error:
            raise DeviceMissing("card", f"the card's file: {error.strerror}") from error
        try:
            return cls(Chip(CardImage.from_json(raw), randomness=os.urandom, fault=fault))
        except ChipMalformed as error:
            raise DeviceFailed("card", "the file holds no simulated card") from error
        except UnknownFaultError as error:
            raise BadDeviceURL("card", str(error)) from error

    def insert(self, chip: PlayedChip) -> None:
        """Put a card in; one that lay there is taken away first."""
        with self._changed:
            self._chip, self._powered = chip, None
            self._changed.notify_all()

    def remove(self) -> None:
        """Take the card away."""
        with self._changed:
            self._chip = self._powered = None

    def connect(self, *, timeout_s: float) -> CardInfo:
        """Wait for a card and power it."""
        with self._changed:
            self._powered = None
            self._changed.wait_for(lambda: self._closed or self._chip is not None, timeout_s)
            if self._closed:
                raise DeviceMissing("card", "the reader is closed")
            if self._chip is None:
                raise DeviceTimeout("card", "no card was put in")
            self._powered = chip = self._chip
        chip.reset()
        return CardInfo(READER, chip.atr, MAX_COMMAND_BYTES)

    def transmit(self, command: bytes) -> bytes:
        """Let the chip answer; its answer is lost if it is taken away meanwhile."""
        chip = self._powered
        if chip is None:
            raise ChipGone(message="no card is connected")
        try:
            response = chip.answer(command)
        except ChipGone:
            self.disconnect()
            raise
        if self._powered is not chip:
            raise ChipGone(message="the card was taken away")
        return response

    def present(self) -> bool:
        """Whether the connected card still lies there."""
        return self._powered is not None

    def disconnect(self) -> None:
        """Power the card down."""
        with self._changed:
            self._powered = None

    def close(self) -> None:
        """Release the reader, and whoever waits for a card in it."""
        with self._changed:
            self._closed, self._powered = True, None
            self._changed.notify_all()
