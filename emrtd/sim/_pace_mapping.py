"""How PACE turns a nonce into a generator: the generic, the integrated, the chip's own mapping.

Knows one exchange of PACE, from the card's side. Does not know what precedes or follows it.

Spec: [9303-11] "PACE" mappings; the worked examples are its Appendices G (generic), H (integrated)
and I (chip authentication mapping).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from emrtd.sim._cipher import BlockCipher
    from emrtd.sim._curves import Randomness
    from emrtd.sim._domains import Domain

_WRONG_DATA = 0x6A80
_SECURITY_BITS = 64
"""How much longer than the field the pseudo-random number is, so that it is nearly uniform."""
_CONSTANTS = {
    16: (
        bytes.fromhex("A668892A7C41E3CA739F40B057D85904"),
        bytes.fromhex("A4E136AC725F738B01C1F60217C188AD"),
    ),
    32: (
        bytes.fromhex("D463D65234124EF7897054986DCA0A174E28DF758CBAA03F240616414D5A1676"),
        bytes.fromhex("54BD7255F0AAF831BEC3423FCF39D69B6CBF066677D0FAAE5AADD99DF8E53517"),
    ),
}


class Mapping(Protocol):
    """One mapping in one run."""

    def map(self, nonce: bytes, theirs: bytes) -> tuple[bytes, Any]:
        """Return what the card sends back and the new generator.

        Raises:
            StatusError: 6A80, what the reader sent is of no use.
        """

    def proof(self) -> bytes | None:
        """Return chip authentication data, if this mapping proves the chip's static key."""


class GenericMapping:
    """Both ends agree on an element and add the nonce's multiple of the generator."""

    def __init__(self, domain: Domain, randomness: Randomness) -> None:
        self._domain = domain
        self._randomness = randomness
        self.number = 0

    def map(self, nonce: bytes, theirs: bytes) -> tuple[bytes, Any]:
        """Draw a key pair, send its public key."""
        domain: Any = self._domain
        element = element_from(domain, theirs)
        self.number = domain.private_number(self._randomness)
        own = domain.encode(domain.power(domain.generator, self.number))
        shared = domain.power(element, self.number)
        generator = domain.combine(
            domain.power(domain.generator, int.from_bytes(nonce, "big")), shared
        )
        if domain.is_neutral(generator):
            raise StatusError(_WRONG_DATA)
        return own, generator

    def proof(self) -> bytes | None:
        """Prove nothing."""
        return None


class ChipAuthenticationMapping(GenericMapping):
    """The generic mapping, after which the card reveals its key pair over its static key."""

    def __init__(self, domain: Domain, randomness: Randomness, *, static: int) -> None:
        super().__init__(domain, randomness)
        self._static = static

    def proof(self) -> bytes | None:
        """Return the mapping's private key divided by the static one, as long as the order."""
        order = self._domain.order
        data = pow(self._static, -1, order) * self.number % order
        return data.to_bytes((order.bit_length() + 7) // 8, "big")


class IntegratedMapping:
    """Both nonces make a pseudo-random number, and the number an element."""

    def __init__(self, domain: Domain, cipher: BlockCipher) -> None:
        self._domain = domain
        self._cipher = cipher

    def map(self, nonce: bytes, theirs: bytes) -> tuple[bytes, Any]:
        """Take the reader's nonce; nothing is sent back."""
        if len(theirs) != self._cipher.key_bytes:
            raise StatusError(_WRONG_DATA)
        number = pseudo_random(nonce, theirs, cipher=self._cipher, modulus=self._domain.prime)
        try:
            return b"", self._domain.element_of(number)
        except ValueError as error:
            raise StatusError(_WRONG_DATA) from error

    def proof(self) -> bytes | None:
        """Prove nothing."""
        return None


def nonce_bytes(mapping: str, cipher: BlockCipher) -> int:
    """Return how long the card's nonce is: whole blocks, for the integrated mapping a key's too."""
    return -(-cipher.key_bytes // 16) * 16 if mapping == "im" else 16


def pseudo_random(s: bytes, t: bytes, *, cipher: BlockCipher, modulus: int) -> int:
    """Return R_p(s, t).

    Args:
        s: the card's nonce, as long as the constants.
        t: the reader's nonce, as long as a key.
        cipher: of the protocol.
        modulus: p.
    """
    constant_0, constant_1 = _CONSTANTS[len(s)]
    key = cipher.encrypt(t, s)[: cipher.key_bytes]
    blocks = -(-(modulus.bit_length() + _SECURITY_BITS) // (8 * len(s)))
    made = b""
    for _ in range(blocks):
        made += cipher.encrypt(key, constant_1)
        key = cipher.encrypt(key, constant_0)[: cipher.key_bytes]
    return int.from_bytes(made, "big") % modulus


def element_from(domain: Domain, raw: bytes) -> Any:
    """Decode a reader's public key. Raises StatusError (6A80): it is none."""
    try:
        return domain.decode(raw)
    except ValueError as error:
        raise StatusError(_WRONG_DATA) from error
