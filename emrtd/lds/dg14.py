"""Data group 14: the protocols and keys that the issuer signed for this chip.

Spec: [9303-10] EF.DG14; [9303-11] "SecurityInfos".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrtd.security_infos import (
    ActiveAuthenticationInfo,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    PACEInfo,
    parse_dg14,
)

if TYPE_CHECKING:
    from emrtd.security_infos import SecurityInfo


@dataclass(frozen=True, slots=True)
class DG14:
    """What the chip can do, as its issuer signed it, in the order of the file."""

    infos: tuple[SecurityInfo, ...]

    @property
    def chip_auth_keys(self) -> tuple[ChipAuthenticationPublicKeyInfo, ...]:
        """The keys of chip authentication."""
        return tuple(i for i in self.infos if isinstance(i, ChipAuthenticationPublicKeyInfo))

    @property
    def chip_auth(self) -> tuple[ChipAuthenticationInfo, ...]:
        """The ways to run chip authentication."""
        return tuple(i for i in self.infos if isinstance(i, ChipAuthenticationInfo))

    @property
    def active_auth(self) -> ActiveAuthenticationInfo | None:
        """How the chip signs; the first if there are several."""
        return next((i for i in self.infos if isinstance(i, ActiveAuthenticationInfo)), None)

    @property
    def pace(self) -> frozenset[PACEInfo]:
        """The ways to run PACE."""
        return frozenset(i for i in self.infos if isinstance(i, PACEInfo))

    @property
    def maps(self) -> bool:
        """Whether a way to run PACE proves the chip in passing."""
        return any(each.authenticates_chip for each in self.pace)

    @property
    def asks_chip_auth(self) -> bool:
        """Whether a key is for chip authentication itself, and not for its mapping in PACE alone.

        The first chips announce keys and no protocol at all; they know no such mapping.
        """
        return bool(self.chip_auth_keys) and (bool(self.chip_auth) or not self.maps)


def parse(raw: bytes) -> DG14:
    """Parse the file. Raises ChipMalformed."""
    return DG14(parse_dg14(raw))
