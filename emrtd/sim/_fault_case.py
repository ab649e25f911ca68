"""What one misbehaviour is, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emrtd.errors import Fault

if TYPE_CHECKING:
    from emrtd.sim._manner import Manner

Expected = Fault | Literal["genuine", "may_be_copy"]
Fact = Literal["", "ca", "aa", "cam", "downgraded", "DG1", "DG2", "DG3", "DG13", "DG14", "DG15"]
"""What else an inspection must know: the proofs that failed, a downgrade, or a file left unread."""
CardKind = Literal[
    "citizen", "passport", "bac", "cam", "either", "ways", "fingers", "im", "integers"
]
"""Which card tells a lie: any, or a passport, one with basic access control alone, one with chip
authentication mapping, one that has the generic mapping too, one with several ways of PACE,
one with fingers behind the terminal's, one with the integrated mapping, one that agrees on integers
and signs by RSA."""


@dataclass(frozen=True, slots=True)
class FaultCase:
    """One misbehaviour.

    Attributes:
        description: what the card does, one line for people.
        expected: what an inspection must find; an outcome where nothing is wrong with the chip.
        manner: how it is told.
        takes_number: whether the name needs a number after a colon.
        card: which card can tell this lie.
        fact: what else must be found, "" for nothing.
    """

    description: str
    expected: Expected
    manner: type[Manner]
    takes_number: bool = False
    card: CardKind = "citizen"
    fact: Fact = ""
