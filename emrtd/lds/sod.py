"""EF.SOD: the state's signature over the hashes of the data groups.

Knows CMS SignedData around an LDS security object, and keeps every signed byte as it was read:
nothing is ever encoded again before it is hashed. Does not check a signature or a hash; that is
`emrtd.passive_auth`.

Spec: [9303-10] EF.SOD; [5652].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, core

from emrtd import certificate as certificates
from emrtd import tlv
from emrtd._asn1 import reading
from emrtd.signatures import Scheme, digest_of, scheme_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from emrtd.certificate import Certificate

TAG = 0x77
MAX_BYTES = 65_536
MAX_CERTIFICATES = 8
MAX_ATTRIBUTES = 32
DATA_GROUPS = range(1, 17)
LDS_SECURITY_OBJECT = "2.23.136.1.1.1"

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"


@dataclass(frozen=True, slots=True)
class LDSSecurityObject:
    """What is signed: a hash for each data group.

    Attributes:
        version: 0 or 1.
        digest: the algorithm of every hash in it.
        hashes: data group name, "DG1" to "DG16", to its hash.
        lds_version: e.g. "0108"; version 1 only.
        unicode_version: e.g. "040000"; version 1 only.
    """

    version: int
    digest: HashAlgorithm
    hashes: Mapping[str, bytes] = field(repr=False)
    lds_version: str | None
    unicode_version: str | None


@dataclass(frozen=True, slots=True)
class SOD:
    """The security object and its one signature.

    Attributes:
        content: the LDS security object as it stands in the file, DER.
        security_object: the same, parsed.
        certificates: all that are embedded, usually one: the document signer's.
        signer: how the signer is named: (issuer's name, serial number) or a subject key identifier.
        digest: of `content`, and of the signed attributes.
        signed_attributes: as they were signed: under the tag of a SET OF.
        message_digest: the signed attribute that must equal the digest of `content`.
        scheme: how the signature was made.
        signature: over `signed_attributes`.
    """

    content: bytes = field(repr=False)
    security_object: LDSSecurityObject
    certificates: tuple[Certificate, ...]
    signer: tuple[Hashable, int] | bytes = field(repr=False)
    digest: HashAlgorithm
    signed_attributes: bytes = field(repr=False)
    message_digest: bytes = field(repr=False)
    scheme: Scheme
    signature: bytes = field(repr=False)

    def signers(self) -> tuple[Certificate, ...]:
        """Return the embedded certificates that the signature names; none or one if it is sound."""
        if isinstance(self.signer, bytes):
            return tuple(each for each in self.certificates if each.key_id == self.signer)
        return tuple(
            each for each in self.certificates if (each.issuer, each.serial) == self.signer
        )


def parse(raw: bytes) -> SOD:
    """Parse the file.

    Raises:
        ChipMalformed: no LDS security object with exactly one signature over signed attributes.
    """
    inner = tlv.parse_one(raw, TAG, limit=MAX_BYTES).value
    with reading("EF.SOD"):
        outer = cms.ContentInfo.load(inner, strict=True)
        _require(outer["content_type"].dotted == _SIGNED_DATA)
        signed = outer["content"]
        encapsulated = signed["encap_content_info"]
        _require(encapsulated["content_type"].dotted == LDS_SECURITY_OBJECT)
        content = bytes(encapsulated["content"])
        (info,) = signed["signer_infos"]
        digest = digest_of(info["digest_algorithm"])
        attributes = info["signed_attrs"]
        return SOD(
            content=content,
            security_object=parse_security_object(content),
            certificates=_certificates(signed["certificates"]),
            signer=_signer(info["sid"]),
            digest=digest,
            # What is sent under the tag [0] is signed as a SET OF: only the first byte differs.
            signed_attributes=b"\x31" + attributes.dump()[1:],
            message_digest=_message_digest(attributes),
            scheme=scheme_of(info["signature_algorithm"], digest),
            signature=bytes(info["signature"]),
        )


def parse_security_object(raw: bytes) -> LDSSecurityObject:
    """Parse an LDS security object.

    Raises:
        ChipMalformed: another version, an unknown digest, or hashes that are not one a data group.
    """
    with reading("LDSSecurityObject"):
        whole = core.Sequence.load(raw, strict=True)
        fields = [whole[at] for at in range(len(whole))]
        version = int(_typed(fields[0], core.Integer))
        _require(len(fields) == 3 + version and version in {0, 1})
        digest = digest_of(cms.DigestAlgorithm.load(_typed(fields[1], core.Sequence).dump()))
        hashes: dict[str, bytes] = {}
        listed = _typed(fields[2], core.Sequence)
        for at in range(len(listed)):
            number, value = listed[at][0], listed[at][1]
            _require(len(listed[at]) == 2 and int(_typed(number, core.Integer)) in DATA_GROUPS)
            name = f"DG{int(number)}"
            _require(name not in hashes)
            hashes[name] = bytes(_typed(value, core.OctetString))
            _require(len(hashes[name]) == digest.digest_size)
        _require("DG1" in hashes)
        versions = (
            [str(_typed(fields[3][at], core.PrintableString)) for at in (0, 1)] if version else ()
        )
        lds_version, unicode_version = versions or (None, None)
    return LDSSecurityObject(
        version, digest, MappingProxyType(hashes), lds_version, unicode_version
    )


def _certificates(choices: Any) -> tuple[Certificate, ...]:
    _require(not isinstance(choices, core.Void) and len(choices) <= MAX_CERTIFICATES)
    return tuple(
        certificates.parse(choice.chosen.dump())
        for choice in choices
        if choice.name == "certificate"
    )


def _signer(identifier: Any) -> tuple[Hashable, int] | bytes:
    if identifier.name == "subject_key_identifier":
        return bytes(identifier.chosen)
    return identifier.chosen["issuer"].hashable, int(identifier.chosen["serial_number"])


def _message_digest(attributes: Any) -> bytes:
    """Return the one message digest, the content type being right."""
    _require(not isinstance(attributes, core.Void) and len(attributes) <= MAX_ATTRIBUTES)
    found: dict[str, Any] = {}
    for attribute in attributes:
        kind = attribute["type"].dotted
        if kind in {_CONTENT_TYPE, _MESSAGE_DIGEST}:
            _require(kind not in found)
            (found[kind],) = attribute["values"]
    _require(found[_CONTENT_TYPE].dotted == LDS_SECURITY_OBJECT)
    return bytes(_typed(found[_MESSAGE_DIGEST], core.OctetString))


def _typed(value: Any, kind: type[Any]) -> Any:
    _require(isinstance(value, kind))
    return value


def _require(holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ValueError("a rule of the structure does not hold")
