"""EF.CardAccess: the protocols a chip offers before it is opened.

Nobody signs it; `emrtd.authenticity` compares it with the signed copy in DG14.

Spec: [9303-11] "SecurityInfos".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrtd.security_infos import PACEInfo, parse_security_infos

if TYPE_CHECKING:
    from emrtd.security_infos import SecurityInfo


@dataclass(frozen=True, slots=True)
class CardAccess:
    """What the chip offers, unsigned, in the order of the file."""

    infos: tuple[SecurityInfo, ...]

    @property
    def pace(self) -> frozenset[PACEInfo]:
        """The ways to run PACE."""
        return frozenset(i for i in self.infos if isinstance(i, PACEInfo))


def parse(raw: bytes) -> CardAccess:
    """Parse the file. Raises ChipMalformed."""
    return CardAccess(parse_security_infos(raw))
