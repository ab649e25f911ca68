"""How a command ends that the card does not carry out."""

from __future__ import annotations


class StatusError(Exception):
    """The command ends in this status word. Never leaves `Chip.answer`.

    Attributes:
        sw: the two status bytes as an integer.
    """

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw
