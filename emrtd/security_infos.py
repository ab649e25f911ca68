"""SecurityInfos: which protocols a chip announces, with which keys and parameters.

Knows the structures of EF.CardAccess and DG14, and the object identifiers of the protocols. Does
not know whether what is announced is signed, nor runs anything. What it does not know it keeps by
its object identifier: a chip may announce more than this library speaks.

Spec: [9303-11] 9.2; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from emrtd._crypto import Cipher
from emrtd._der import OID, SET, integer, oid, sequence
from emrtd.errors import ChipMalformed
from emrtd.tlv import TLV, parse, parse_one

MAX_BYTES = 65_536
MAX_INFOS = 64
MAX_KEY_ID_BITS = 64
DG14_TAG = 0x6E

_BSI = "0.4.0.127.0.7.2.2."
_CIPHERS = {
    1: (Cipher.TRIPLE_DES, 16), 2: (Cipher.AES, 16), 3: (Cipher.AES, 24), 4: (Cipher.AES, 32),
}  # fmt: skip
_PACE_MAPPINGS = {1: "DH-GM", 2: "ECDH-GM", 3: "DH-IM", 4: "ECDH-IM", 6: "ECDH-CAM"}
_AGREEMENTS = {1: "DH", 2: "ECDH"}
_NO_CIPHER = (None, None)

ID_PACE = _BSI + "4."
ID_CHIP_AUTH = _BSI + "3."
_PARAMETER_SETS = {f"{ID_PACE}{arc}": mapping for arc, mapping in _PACE_MAPPINGS.items()}
ID_ACTIVE_AUTH = "2.23.136.1.1.5"
_PUBLIC_KEYS = {_BSI + "1.1": "DH", _BSI + "1.2": "ECDH"}


@dataclass(frozen=True, slots=True)
class PACEInfo:
    """One way to run PACE.

    Attributes:
        protocol: dotted object identifier.
        version: 1 or 2.
        parameter_id: of the domain parameters, standardised up to 31 and the chip's own from 32
            on; None if the chip has one set, and that its own.
    """

    protocol: str
    version: int
    parameter_id: int | None

    @property
    def name(self) -> str:
        """E.g. "PACE-ECDH-GM-AES-CBC-CMAC-128"; the object identifier if it is unknown."""
        mapping, cipher = _arcs(self.protocol, ID_PACE)
        return _name("PACE", _PACE_MAPPINGS.get(mapping), cipher, self.protocol)

    @property
    def cipher(self) -> Cipher | None:
        """The cipher of the channel, None if unknown."""
        return _CIPHERS.get(_arcs(self.protocol, ID_PACE)[1], _NO_CIPHER)[0]

    @property
    def key_bytes(self) -> int | None:
        """How long the channel's keys are, None if the cipher is unknown."""
        return _CIPHERS.get(_arcs(self.protocol, ID_PACE)[1], _NO_CIPHER)[1]

    @property
    def mapping(self) -> str | None:
        """E.g. "ECDH-GM", None if unknown."""
        return _PACE_MAPPINGS.get(_arcs(self.protocol, ID_PACE)[0])

    @property
    def authenticates_chip(self) -> bool:
        """Whether the chip proves a key in passing: chip authentication mapping."""
        return (self.mapping or "").endswith("CAM")

    @property
    def aes_key_bytes(self) -> int | None:
        """16, 24 or 32; None if the cipher is not AES."""
        return self.key_bytes if self.cipher is Cipher.AES else None


@dataclass(frozen=True, slots=True)
class PACEDomainParameterInfo:
    """Domain parameters that a chip brings for PACE.

    Attributes:
        protocol: dotted object identifier of the agreement and mapping.
        parameters: AlgorithmIdentifier, DER.
        parameter_id: None if it is the chip's only set.
    """

    protocol: str
    parameters: bytes = field(repr=False)
    parameter_id: int | None

    @property
    def mapping(self) -> str:
        """E.g. "ECDH-GM"."""
        return _PARAMETER_SETS[self.protocol]


@dataclass(frozen=True, slots=True)
class ChipAuthenticationInfo:
    """One way to run chip authentication.

    Attributes:
        protocol: dotted object identifier.
        version: 1, 2 or 3.
        key_id: which of the chip's keys, None if it has one.
    """

    protocol: str
    version: int
    key_id: int | None

    @property
    def name(self) -> str:
        """E.g. "CA-ECDH-AES-CBC-CMAC-128"; the object identifier if it is unknown."""
        agreement, cipher = _arcs(self.protocol, ID_CHIP_AUTH)
        return _name("CA", _AGREEMENTS.get(agreement), cipher, self.protocol)

    @property
    def cipher(self) -> Cipher | None:
        """The cipher of the channel, None if unknown."""
        return _CIPHERS.get(_arcs(self.protocol, ID_CHIP_AUTH)[1], _NO_CIPHER)[0]

    @property
    def key_bytes(self) -> int | None:
        """How long the channel's keys are, None if the cipher is unknown."""
        return _CIPHERS.get(_arcs(self.protocol, ID_CHIP_AUTH)[1], _NO_CIPHER)[1]

    @property
    def agreement(self) -> str | None:
        """Either "DH" or "ECDH", None if unknown."""
        return _AGREEMENTS.get(_arcs(self.protocol, ID_CHIP_AUTH)[0])

    @property
    def aes_key_bytes(self) -> int | None:
        """16, 24 or 32; None if the cipher is not AES."""
        return self.key_bytes if self.cipher is Cipher.AES else None


@dataclass(frozen=True, slots=True)
class ChipAuthenticationPublicKeyInfo:
    """A public key for chip authentication.

    Attributes:
        protocol: dotted object identifier.
        public_key: SubjectPublicKeyInfo, DER.
        key_id: None if the chip has one key.
    """

    protocol: str
    public_key: bytes = field(repr=False)
    key_id: int | None

    @property
    def agreement(self) -> str:
        """Either "DH" or "ECDH"."""
        return _PUBLIC_KEYS[self.protocol]


@dataclass(frozen=True, slots=True)
class ActiveAuthenticationInfo:
    """How the chip signs in active authentication, where DG15's key is not RSA.

    Attributes:
        version: 1.
        signature_algorithm: dotted object identifier.
    """

    version: int
    signature_algorithm: str


@dataclass(frozen=True, slots=True)
class UnknownInfo:
    """An info that this library does not read.

    Attributes:
        protocol: dotted object identifier.
    """

    protocol: str


SecurityInfo: TypeAlias = (
    PACEInfo
    | PACEDomainParameterInfo
    | ChipAuthenticationInfo
    | ChipAuthenticationPublicKeyInfo
    | ActiveAuthenticationInfo
    | UnknownInfo
)


def parse_security_infos(der: bytes) -> tuple[SecurityInfo, ...]:
    """Parse a SET OF SecurityInfo: EF.CardAccess, or what DG14 wraps.

    Raises:
        ChipMalformed: not such a set, or more of it than any card has.
    """
    members = parse(parse_one(der, SET, limit=MAX_BYTES).value)
    if len(members) > MAX_INFOS:
        raise ChipMalformed("SecurityInfos", f"{len(members)} of them")
    return tuple(_info(member) for member in members)


def parse_dg14(raw: bytes) -> tuple[SecurityInfo, ...]:
    """Parse the security infos of DG14.

    Raises:
        ChipMalformed: not DG14.
    """
    return parse_security_infos(parse_one(raw, DG14_TAG, limit=MAX_BYTES).value)


def _info(member: TLV) -> SecurityInfo:
    protocol_item, required, *rest = sequence(member, 2, 3)
    protocol = oid(protocol_item)
    optional = rest[0] if rest else None
    if _arcs(protocol, ID_PACE) != (0, 0):
        return PACEInfo(protocol, integer(required), _small(optional))
    if protocol in _PARAMETER_SETS:
        return PACEDomainParameterInfo(protocol, _algorithm(required), _small(optional))
    if _arcs(protocol, ID_CHIP_AUTH) != (0, 0):
        return ChipAuthenticationInfo(protocol, integer(required), _small(optional))
    if protocol in _PUBLIC_KEYS:
        key_id = _small(optional)
        return ChipAuthenticationPublicKeyInfo(protocol, _sequence(required), key_id)
    if protocol == ID_ACTIVE_AUTH and optional is not None and optional.tag == OID:
        return ActiveAuthenticationInfo(integer(required), oid(optional))
    return UnknownInfo(protocol)


def _small(item: TLV | None) -> int | None:
    if item is None:
        return None
    value = integer(item)
    if value.bit_length() > MAX_KEY_ID_BITS:
        raise ChipMalformed("SecurityInfos", "an identifier out of bounds")
    return value


def _sequence(item: TLV) -> bytes:
    sequence(item, 2)
    return item.to_bytes()


def _algorithm(item: TLV) -> bytes:
    sequence(item, 1, 2)
    return item.to_bytes()


def _arcs(protocol: str, prefix: str) -> tuple[int, int]:
    """Return the last two arcs: agreement or mapping, and cipher; (0, 0) of anything else."""
    tail = protocol.removeprefix(prefix).split(".") if protocol.startswith(prefix) else []
    return (int(tail[0]), int(tail[1])) if len(tail) == 2 else (0, 0)


def _name(family: str, kind: str | None, cipher: int, protocol: str) -> str:
    block_cipher, key_bytes = _CIPHERS.get(cipher, _NO_CIPHER)
    if kind is None or key_bytes is None:
        return protocol
    triple_des = block_cipher is Cipher.TRIPLE_DES
    cipher_name = "3DES-CBC-CBC" if triple_des else f"AES-CBC-CMAC-{key_bytes * 8}"
    return f"{family}-{kind}-{cipher_name}"
