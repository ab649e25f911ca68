"""What the card side of a wire needs of a chip that is played.

`emrtd.sim.Chip` is one. Knows no wire and no command.
"""

from __future__ import annotations

from typing import Protocol


class PlayedChip(Protocol):
    """A chip in software; used by one thread at a time."""

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        ...

    def reset(self) -> None:
        """Power it down and up: its sessions are gone."""
        ...

    def answer(self, command: bytes) -> bytes:
        """Answer one command APDU.

        Raises:
            ChipGone: it leaves the field.
        """
        ...
