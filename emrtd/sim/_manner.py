"""An honest chip's manner: every place where a fault may do otherwise.

Knows where in a chip's life a lie can be told. Tells none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.sim._curves import Randomness
    from emrtd.sim.card_image import CardImage
    from emrtd.tlv import TLV


class UnknownFaultError(ValueError):
    """No such fault, a number where none belongs, or a card that cannot tell this lie."""


class Manner:
    """Each method is a place where a fault may do otherwise.

    Attributes:
        delay_s: how much longer than it must the chip takes for each answer.
    """

    delay_s = 0.0

    def __init__(self, number: int, randomness: Randomness) -> None:
        """Begin.

        Args:
            number: what stood after the colon of the fault's name, 0 if nothing.
            randomness: the chip's source.
        """
        self.number = number
        self.randomness = randomness

    # --- what is on the card

    def card(self, card: CardImage) -> CardImage:
        """Return what is really on the card. Raises UnknownFaultError: it cannot tell this lie."""
        return card

    # --- the wire

    def powered(self) -> None:
        """The chip enters the field."""

    def asked(self) -> None:
        """A command arrives. Raises ChipGone if the card has left."""

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        """Return what is sent instead of a response, given under secure messaging or not."""
        del protected
        return response

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        """Return what a plain command ends in, before it is protected."""
        del command
        return data, sw

    def protected(self, objects: tuple[TLV, ...]) -> bytes:
        """Return what the checksum of an answer is made over."""
        return b"".join(each.to_bytes() for each in objects)

    # --- access

    def password_seed(self, seed: bytes) -> bytes:
        """Return what the chip takes its password for."""
        return seed

    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        """Return the public key that is sent in a step of PACE."""
        del step, theirs
        return own

    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        """Return the objects that are sent in a step of PACE, by tag."""
        del step
        return objects

    def bac_answer(self, plain: bytes) -> bytes:
        """Return what the chip encrypts as its half of basic access control."""
        return plain

    # --- files and proofs

    def refuses(self, ins: int) -> int:
        """Return a status word if the chip refuses that instruction, else 0."""
        del ins
        return 0

    def refuses_master_file(self) -> int:
        """Return a status word if SELECT MF is refused, else 0."""
        return 0

    def hides(self, name: str) -> int:
        """Return a status word if that file cannot be selected, else 0."""
        del name
        return 0

    def switches(self) -> bool:
        """Whether the chip follows into the channel of chip authentication."""
        return True

    def signs(self, challenge: bytes) -> bytes:
        """Return what is signed in active authentication instead of the reader's challenge."""
        return challenge
