"""COSE_Sign1 with ES256, and nothing else of COSE.

Knows one shape ([9052] 4.2): tag 18, the protected header {alg: ES256, content type: the kind}, an
empty unprotected header, the payload, 64 bytes of signature. Every other header is refused; a
signature made for one kind never holds for another. Does not know what a payload means, where a key
is kept, nor which key may speak for whom.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, Protocol, cast, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from pycose.algorithms import Es256
from pycose.headers import Algorithm, ContentType
from pycose.messages.sign1message import Sign1Message

from wire.canonical import load
from wire.errors import Malformed, SignatureInvalid, TooLarge

Kind = Literal["group", "receipt", "policy", "status", "tombstone"]
"""What is signed. The kind is inside the signature."""

MAX_SIGNED_BYTES: Final = 98_304
"""Of a whole COSE_Sign1, tag to signature."""

_ENVELOPE_BYTES: Final = 256
_SIGNATURE_BYTES: Final = 64
_HALF_BYTES: Final = 32
_SIGN1_TAG: Final = 0xD2
_ES256 = ec.ECDSA(hashes.SHA256())


class Signer(Protocol):
    """A P-256 private key that can sign, wherever it is kept."""

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Sign SHA-256 of message with ECDSA: r || s, 64 bytes."""
        ...


class PrivateKeySigner:
    """A signer whose P-256 key is in this process's memory."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Take the key.

        Raises:
            Malformed: the key is on another curve.
        """
        if not isinstance(key.curve, ec.SECP256R1):
            raise Malformed("signing key", "not on the curve P-256")
        self._key = key
        self._public_key_der = key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    def __repr__(self) -> str:
        return "<PrivateKeySigner, P-256>"

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self._public_key_der

    def sign(self, message: bytes, /) -> bytes:
        """Sign SHA-256 of message with ECDSA: r || s, 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(message, _ES256))
        return r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")


class _Sign1(Sign1Message):
    """pycose's message; its signature is made by the signer and verified by OpenSSL.

    pycose itself would need the private key's number and would verify in Python.
    """

    def content(self) -> bytes:
        """Return the payload, which is never detached here."""
        return self.payload or b""

    def to_be_signed(self) -> bytes:
        """Return the Sig_structure ([9052] 4.4)."""
        structure: bytes = self._create_sig_structure()
        return structure


def sign1(payload: bytes, signer: Signer, *, kind: Kind) -> bytes:
    """Sign payload as one kind of thing: a tagged COSE_Sign1.

    Raises:
        TooLarge: the payload leaves no room for the envelope.
        SignatureInvalid: what the signer returned isn't 64 bytes.
    """
    limit = MAX_SIGNED_BYTES - _ENVELOPE_BYTES
    if len(payload) > limit:
        raise TooLarge(kind, size=len(payload), limit=limit)
    message = _Sign1(phdr=_protected(kind), payload=payload)
    signature = signer.sign(message.to_be_signed())
    if len(signature) != _SIGNATURE_BYTES:
        raise SignatureInvalid(kind, "the signer did not give an ES256 signature")
    message.signature = signature
    return message.encode(sign=False)


def verify1(raw: bytes, public_key_der: bytes, *, kind: Kind) -> bytes:
    """Return the payload that this key signed as this kind.

    Args:
        raw: the tagged COSE_Sign1, from anyone.
        public_key_der: SubjectPublicKeyInfo of a P-256 key that the caller trusts for this kind.
        kind: what it must be.

    Raises:
        TooLarge: more than MAX_SIGNED_BYTES.
        Malformed: not the one shape spoken here, or the public key isn't P-256.
        SignatureInvalid: another key or another content.
    """
    message = _open(raw, kind)
    r, s = message.signature[:_HALF_BYTES], message.signature[_HALF_BYTES:]
    signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    try:
        _public_key(public_key_der).verify(signature, message.to_be_signed(), _ES256)
    except InvalidSignature:
        raise SignatureInvalid(kind, "the signature does not hold") from None
    return message.content()


def unverified_payload(raw: bytes, *, kind: Kind) -> bytes:
    """Return the payload of whoever made it: good for finding the key to verify with, no more.

    Raises:
        TooLarge: more than MAX_SIGNED_BYTES.
        Malformed: not the one shape spoken here.
    """
    return _open(raw, kind).content()


def _open(raw: bytes, kind: Kind) -> _Sign1:
    if len(raw) > MAX_SIGNED_BYTES:
        raise TooLarge(kind, size=len(raw), limit=MAX_SIGNED_BYTES)
    if raw[:1] != bytes([_SIGN1_TAG]):
        raise Malformed(kind, "not a COSE_Sign1")
    match load(raw[1:], what=kind, limit=MAX_SIGNED_BYTES):
        case [bytes(protected), {**unprotected}, bytes(), bytes(signature)] as parts if (
            protected == _protected_encoded(kind)
            and not unprotected
            and len(signature) == _SIGNATURE_BYTES
        ):
            message = _Sign1.from_cose_obj(list(parts), allow_unknown_attributes=False)
            return cast("_Sign1", message)  # pycose's annotation names its own class
    raise Malformed(kind, "not a COSE_Sign1 of this kind")


def _protected(kind: Kind) -> dict[object, object]:
    return {Algorithm: Es256, ContentType: f"application/x.tram-{kind}"}


@lru_cache(maxsize=len(get_args(Kind)))
def _protected_encoded(kind: Kind) -> bytes:
    return _Sign1(phdr=_protected(kind)).phdr_encoded


@lru_cache(maxsize=4096)
def _public_key(der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("public key", "not a SubjectPublicKeyInfo") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed("public key", "not on the curve P-256")
    return key
