"""How a card proves that it holds its private keys: chip and active authentication.

Knows the key agreement and the signature, from the private key's side. Does not know whether the
key is the one that the card's signed files announce: a clone runs this same code.

Spec: [9303-11] "Chip Authentication" and "Active Authentication"; [9796-2] scheme 1; [9303-11]
Appendix F shows the message's structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from emrtd.sim._domains import DOMAINS
from emrtd.sim._pace_mapping import element_from
from emrtd.sim._protocols import ECDSA_PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._curves import Randomness
    from emrtd.sim._domains import Domain

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CHALLENGE_BYTES = 8
_PARTIAL_RECOVERY = b"\x6a"
_IMPLICIT_HASH = b"\xbc"
_ECDSA_DER = "1.2.840.10045.4.3"


@dataclass(frozen=True, slots=True)
class ChipKey:
    """The static key of chip authentication.

    Attributes:
        domain: a name of `DOMAINS`.
        number: the private number.

    Raises:
        ValueError: no such domain, or no number of it.
    """

    domain: str
    number: int

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS or not 0 < self.number < self.parameters.order:
            raise ValueError("no key of a domain")

    def __repr__(self) -> str:
        return f"<ChipKey {self.domain}>"

    @property
    def parameters(self) -> Domain:
        """The domain itself."""
        return DOMAINS[self.domain]

    @property
    def public(self) -> bytes:
        """The public key as it is sent."""
        domain = self.parameters
        return domain.encode(domain.power(domain.generator, self.number))

    def another(self) -> ChipKey:
        """Return a key of the same domain that is not this one: a counterfeiter's."""
        return ChipKey(self.domain, self.number - 1 if self.number > 1 else 2)

    def agree(self, reader_key: bytes) -> bytes:
        """Agree on a secret with the reader's ephemeral key.

        Raises:
            StatusError: 6A80, it is none of the key's domain.
        """
        domain = self.parameters
        element = element_from(domain, reader_key)
        return domain.secret(domain.power(element, self.number))


@dataclass(frozen=True, slots=True)
class SigningScheme:
    """How active authentication signs.

    Attributes:
        hash: the digest.
        trailer: of the recoverable message, for RSA.
        der: r and s in DER, not one after the other, for elliptic curves.
        announced: the identifier in DG14, for elliptic curves.
    """

    hash: hashes.HashAlgorithm
    trailer: bytes = b""
    der: bool = False
    announced: str = ""

    @property
    def rsa(self) -> bool:
        """Whether this scheme is one of RSA."""
        return bool(self.trailer)


SCHEMES: Mapping[str, SigningScheme] = MappingProxyType(
    {
        "rsa-sha1-bc": SigningScheme(hashes.SHA1(), _IMPLICIT_HASH),
        "rsa-sha1": SigningScheme(hashes.SHA1(), b"\x33\xcc"),
        "rsa-sha224": SigningScheme(hashes.SHA224(), b"\x38\xcc"),
        "rsa-sha256": SigningScheme(hashes.SHA256(), b"\x34\xcc"),
        "rsa-sha384": SigningScheme(hashes.SHA384(), b"\x36\xcc"),
        "rsa-sha512": SigningScheme(hashes.SHA512(), b"\x35\xcc"),
        "ecdsa-plain-sha224": SigningScheme(hashes.SHA224(), announced=f"{ECDSA_PLAIN}.2"),
        "ecdsa-plain-sha256": SigningScheme(hashes.SHA256(), announced=f"{ECDSA_PLAIN}.3"),
        "ecdsa-plain-sha384": SigningScheme(hashes.SHA384(), announced=f"{ECDSA_PLAIN}.4"),
        "ecdsa-plain-sha512": SigningScheme(hashes.SHA512(), announced=f"{ECDSA_PLAIN}.5"),
        "ecdsa-der-sha256": SigningScheme(hashes.SHA256(), der=True, announced=f"{_ECDSA_DER}.2"),
        "ecdsa-der-sha384": SigningScheme(hashes.SHA384(), der=True, announced=f"{_ECDSA_DER}.3"),
    }
)
"""By the name that a card image keeps."""


def sign(
    key: SigningKey, challenge: bytes, *, scheme: SigningScheme, randomness: Randomness
) -> bytes:
    """Sign a reader's challenge, by [9796-2] or by ECDSA."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _sign_with_recovery(key, challenge, scheme=scheme, randomness=randomness)
    signature = key.sign(challenge, ec.ECDSA(scheme.hash))
    if scheme.der:
        return signature
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _sign_with_recovery(
    key: rsa.RSAPrivateKey, challenge: bytes, *, scheme: SigningScheme, randomness: Randomness
) -> bytes:
    numbers = key.private_numbers()
    size = key.key_size // 8
    recoverable = randomness(size - scheme.hash.digest_size - 1 - len(scheme.trailer))
    digest = hashes.Hash(scheme.hash)
    digest.update(recoverable + challenge)
    message = _PARTIAL_RECOVERY + recoverable + digest.finalize() + scheme.trailer
    number = int.from_bytes(message, "big")
    return pow(number, numbers.d, numbers.public_numbers.n).to_bytes(size, "big")
