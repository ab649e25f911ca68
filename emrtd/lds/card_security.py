"""EF.CardSecurity: the security infos of a chip, signed, with the key of its mapping in PACE.

Knows the file. Does not check its signature; that is `emrtd.passive_auth`, by the rules of EF.SOD.

Spec: [9303-11] EF.CardSecurity; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emrtd import _cms
from emrtd.errors import ChipMalformed
from emrtd.security_infos import ChipAuthenticationPublicKeyInfo, parse_security_infos

if TYPE_CHECKING:
    from emrtd._cms import SignedData
    from emrtd.security_infos import SecurityInfo

MAX_BYTES = 65_536
SECURITY_OBJECT = "0.4.0.127.0.7.3.2.1"
_WHAT = "EF.CardSecurity"


@dataclass(frozen=True, slots=True)
class CardSecurity:
    """What the chip can do, as somebody signed it.

    Attributes:
        raw: the file.
        signed: the signature and who claims it.
        infos: in the order of the file.
    """

    raw: bytes = field(repr=False)
    signed: SignedData
    infos: tuple[SecurityInfo, ...]

    @property
    def chip_auth_keys(self) -> tuple[ChipAuthenticationPublicKeyInfo, ...]:
        """The keys of chip authentication, and of its mapping in PACE."""
        return tuple(i for i in self.infos if isinstance(i, ChipAuthenticationPublicKeyInfo))


def parse(raw: bytes) -> CardSecurity:
    """Parse the file. Raises ChipMalformed."""
    if len(raw) > MAX_BYTES:
        raise ChipMalformed(_WHAT, "too long")
    signed = _cms.parse(raw, content_type=SECURITY_OBJECT, what=_WHAT)
    return CardSecurity(raw, signed, parse_security_infos(signed.content))
