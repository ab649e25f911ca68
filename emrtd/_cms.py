"""CMS SignedData with exactly one signature over signed attributes, as states wrap what they sign.

Knows the structure and keeps every signed byte as it was read: nothing is ever encoded again before
it is hashed. Does not know what is signed, nor whether the signer may sign it.

Spec: [5652].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, core

from emrtd import certificate as certificates
from emrtd._asn1 import load, reading
from emrtd.errors import ChipLied, Fault
from emrtd.signatures import Scheme, check_signature, digest_bytes, digest_of, scheme_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from emrtd.certificate import Certificate
    from emrtd.signatures import PublicKey

MAX_CERTIFICATES = 8
MAX_ATTRIBUTES = 32

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"


@dataclass(frozen=True, slots=True)
class SignedData:
    """What is signed, and its one signature.

    Attributes:
        content: as it stands in the structure.
        certificates: all that are embedded, in their order.
        signer: how the signer is named: (issuer's name, serial number) or a subject key identifier.
        digest: of `content`, and of the signed attributes.
        signed_attributes: as they were signed: under the tag of a SET OF.
        message_digest: the signed attribute that must equal the digest of `content`.
        scheme: how the signature was made.
        signature: over `signed_attributes`.
    """

    content: bytes = field(repr=False)
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

    def check_signed_by(self, key: PublicKey, *, doing: str) -> None:
        """Return only if that key signed the content.

        Raises:
            ChipLied: SIGNATURE_INVALID.
        """
        if digest_bytes(self.digest, self.content) != self.message_digest:
            raise ChipLied(Fault.SIGNATURE_INVALID, doing, "the message digest")
        check_signature(key, self.scheme, self.signature, self.signed_attributes, doing=doing)


def parse(raw: bytes, *, content_type: str, what: str) -> SignedData:
    """Parse a ContentInfo.

    Args:
        raw: DER.
        content_type: what must be signed, dotted.
        what: the structure's name, for the error.

    Raises:
        ChipMalformed: no such content with exactly one signature over signed attributes.
    """
    with reading(what):
        outer = load(cms.ContentInfo, raw)
        _require(outer["content_type"].dotted == _SIGNED_DATA)
        signed = outer["content"]
        encapsulated = signed["encap_content_info"]
        _require(encapsulated["content_type"].dotted == content_type)
        (info,) = signed["signer_infos"]
        digest = digest_of(info["digest_algorithm"])
        attributes = info["signed_attrs"]
        return SignedData(
            content=bytes(encapsulated["content"]),
            certificates=_certificates(signed["certificates"]),
            signer=_signer(info["sid"]),
            digest=digest,
            # What is sent under the tag [0] is signed as a SET OF: only the first byte differs.
            signed_attributes=b"\x31" + attributes.dump()[1:],
            message_digest=_message_digest(attributes, content_type),
            scheme=scheme_of(info["signature_algorithm"], digest),
            signature=bytes(info["signature"]),
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


def _message_digest(attributes: Any, content_type: str) -> bytes:
    """Return the one message digest, the content type being right."""
    _require(not isinstance(attributes, core.Void) and len(attributes) <= MAX_ATTRIBUTES)
    found: dict[str, Any] = {}
    for attribute in attributes:
        kind = attribute["type"].dotted
        if kind in {_CONTENT_TYPE, _MESSAGE_DIGEST}:
            _require(kind not in found)
            (found[kind],) = attribute["values"]
    _require(found[_CONTENT_TYPE].dotted == content_type)
    _require(isinstance(found[_MESSAGE_DIGEST], core.OctetString))
    return bytes(found[_MESSAGE_DIGEST])


def _require(holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ValueError("a rule of the structure does not hold")
