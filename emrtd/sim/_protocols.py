"""The object identifiers of what a test card can do, and the choices behind them.

Spec: [9303-11], object identifiers; [9303-10] for the security object and active authentication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emrtd.sim._cipher import CIPHERS
from emrtd.sim._der import oid_value
from emrtd.sim._domains import DOMAINS

if TYPE_CHECKING:
    from emrtd.sim._cipher import BlockCipher
    from emrtd.sim._domains import Domain

BSI_SMARTCARD = "0.4.0.127.0.7.2.2"

PK_DH = f"{BSI_SMARTCARD}.1.1"
PK_ECDH = f"{BSI_SMARTCARD}.1.2"
TERMINAL_AUTH = f"{BSI_SMARTCARD}.2"
TA_ECDSA = f"{TERMINAL_AUTH}.2"
INSPECTION_SYSTEM = "0.4.0.127.0.7.3.1.2.1"
STANDARDISED_DOMAIN = "0.4.0.127.0.7.1.2"
ACTIVE_AUTH = "2.23.136.1.1.5"
LDS_SECURITY_OBJECT = "2.23.136.1.1.1"
SECURITY_INFOS_OBJECT = "0.4.0.127.0.7.3.2.1"
ECDSA_PLAIN = "0.4.0.127.0.7.1.1.4.1"
VIETNAMESE_RECORD = "1.0.10646.1.0.8"

Mapping = Literal["gm", "im", "cam"]
_MAPPING_ARCS = {("gm", "dh"): 1, ("gm", "ecdh"): 2, ("im", "dh"): 3, ("im", "ecdh"): 4,
                 ("cam", "ecdh"): 6}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PACEOffer:
    """One way into a chip by PACE.

    Attributes:
        mapping: "gm", "im" or "cam".
        domain: a name of `DOMAINS`.
        cipher: a name of `CIPHERS`.

    Raises:
        ValueError: there is no such way.
    """

    mapping: Mapping
    domain: str
    cipher: str

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS or self.cipher not in CIPHERS:
            raise ValueError("no such domain or cipher")
        if (self.mapping, self.parameters.agreement) not in _MAPPING_ARCS:
            raise ValueError(f"no {self.mapping} over {self.domain}")
        if self.mapping == "cam" and self.cipher == "3DES":
            raise ValueError("chip authentication mapping needs AES")
        if self.mapping == "im" and self.domain == "P-224":
            raise ValueError("the integrated mapping has no points of P-224")

    @property
    def parameters(self) -> Domain:
        """The domain itself."""
        return DOMAINS[self.domain]

    @property
    def block_cipher(self) -> BlockCipher:
        """The cipher itself."""
        return CIPHERS[self.cipher]

    @property
    def family(self) -> str:
        """The identifier of mapping and agreement, without the cipher."""
        return f"{BSI_SMARTCARD}.4.{_MAPPING_ARCS[self.mapping, self.parameters.agreement]}"

    @property
    def oid(self) -> str:
        """The protocol's identifier."""
        return f"{self.family}.{self.block_cipher.strength}"

    @property
    def oid_value(self) -> bytes:
        """The protocol's identifier as a command names it."""
        return oid_value(self.oid)


def chip_auth_oid(domain: Domain, cipher: BlockCipher) -> str:
    """Return chip authentication over that domain with that cipher."""
    return f"{BSI_SMARTCARD}.3.{1 if domain.agreement == 'dh' else 2}.{cipher.strength}"
