"""Active authentication: the chip signs a nonce with a key that never leaves it.

Knows the command, and how a signature is checked: RSA by ISO 9796-2 with partial recovery, ECDSA as
two plain numbers or as DER. Does not know whether DG15's key is signed: `emrtd.authenticity` does.
A transcript can be shown to others, so the nonce should be bound to its session by whoever makes
it.

An RSA signature names its digest in its trailer. An ECDSA signature names nothing: DG14 does. Where
DG14 names an algorithm, that one must have been used. SHA-1 is what the first chips sign with: it
binds a nonce that the terminal chose and nobody could prepare for, so it is told to the caller and
not refused. A key shorter than 1024 bits is no key (`emrtd.lds.dg15`).

Spec: [9303-11] "Active Authentication"; [9796-2]; [TR-03111] for plain signatures.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from emrtd.apdu import Command, Step
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.secure_messaging import MAX_SHORT_DATA
from emrtd.signatures import PublicKey, digest_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue
    from emrtd.evidence import ActiveAuthTranscript
    from emrtd.security_infos import ActiveAuthenticationInfo

NONCE_BYTES = 8

_DOING = "active authentication"
_STEP = Step("active_auth")
_SHA1 = hashes.SHA1()  # noqa: S303 - what ICAO's first chips sign with
_TRAILERS: Mapping[int, hashes.HashAlgorithm] = {
    0x33: _SHA1,
    0x34: hashes.SHA256(),
    0x35: hashes.SHA512(),
    0x36: hashes.SHA384(),
    0x38: hashes.SHA224(),
    0x39: hashes.SHA512_224(),
    0x3A: hashes.SHA512_256(),
}
_IMPLICIT, _EXPLICIT = 0xBC, 0xCC
_PLAIN_ECDSA: Mapping[str, hashes.HashAlgorithm] = {
    "0.4.0.127.0.7.1.1.4.1.1": _SHA1,
    "0.4.0.127.0.7.1.1.4.1.2": hashes.SHA224(),
    "0.4.0.127.0.7.1.1.4.1.3": hashes.SHA256(),
    "0.4.0.127.0.7.1.1.4.1.4": hashes.SHA384(),
    "0.4.0.127.0.7.1.1.4.1.5": hashes.SHA512(),
}
_X9_62_ECDSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.1": _SHA1,
    "1.2.840.10045.4.3.1": hashes.SHA224(),
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_RSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.113549.1.1.5": _SHA1,
    "1.2.840.113549.1.1.14": hashes.SHA224(),
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_UNANNOUNCED = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512(), hashes.SHA224())


def ask_for_signature(nonce: bytes, channel: Channel, *, public_key: PublicKey) -> Dialogue[bytes]:
    """Let the chip sign a nonce.

    Args:
        nonce: eight unpredictable bytes.
        channel: carries the command.
        public_key: of DG15; a signature too long for a short response is asked for in a long one.

    Returns:
        The signature, unverified; empty if the chip refuses to sign.

    Raises:
        ValueError: another length of nonce.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    le = 256 if _signature_bytes(public_key) <= MAX_SHORT_DATA else 65536
    response = yield from channel.exchange(Command(0, 0x88, 0, 0, nonce, le, _STEP))
    return response.data if response.ok else b""


def verify_signature(
    transcript: ActiveAuthTranscript,
    public_key: PublicKey,
    info: ActiveAuthenticationInfo | None = None,
) -> hashes.HashAlgorithm:
    """Return the digest that a signature rests on, only if it is that key's over its nonce.

    Args:
        transcript: nonce and signature.
        public_key: of DG15.
        info: of DG14, if it has one. For ECDSA it names the digest; without it any SHA-2 will do,
            for only the key's holder can have made a signature that verifies. An object identifier
            of plain signatures asks for those; one of X9.62 leaves the encoding to the length,
            because chips that name it send either.

    Raises:
        ChipLied: CHIP_KEY_MISMATCH.
        ChipMalformed: PROOF_UNSUPPORTED: DG14 names how the chip signs, and it is not known here.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        return _verify_rsa(transcript, public_key, info)
    return _verify_ecdsa(transcript, public_key, info)


def _signature_bytes(public_key: PublicKey) -> int:
    size = (public_key.key_size + 7) // 8
    return size if isinstance(public_key, rsa.RSAPublicKey) else 2 * size


def _verify_ecdsa(
    transcript: ActiveAuthTranscript,
    public_key: ec.EllipticCurvePublicKey,
    info: ActiveAuthenticationInfo | None,
) -> hashes.HashAlgorithm:
    name = None if info is None else info.signature_algorithm
    if name is None:
        digests: tuple[hashes.HashAlgorithm, ...] = _UNANNOUNCED
    elif name in _PLAIN_ECDSA:
        digests = (_PLAIN_ECDSA[name],)
    elif name in _X9_62_ECDSA:
        digests = (_X9_62_ECDSA[name],)
    elif name in _RSA:
        raise _mismatch("DG14 names RSA for a key on a curve")
    else:
        raise ChipMalformed(
            _DOING, "DG14 names an unknown algorithm", fault=Fault.PROOF_UNSUPPORTED
        )
    der = _as_der(transcript.signature, public_key, plain_only=name in _PLAIN_ECDSA)
    for digest in digests:
        try:
            public_key.verify(der, transcript.nonce, ec.ECDSA(digest))
        except InvalidSignature:
            continue
        return digest
    raise _mismatch("the signature is not that key's")


def _as_der(signature: bytes, public_key: ec.EllipticCurvePublicKey, *, plain_only: bool) -> bytes:
    """Return a signature as DER; what is as long as two plain numbers is two plain numbers."""
    if len(signature) == _signature_bytes(public_key):
        half = len(signature) // 2
        r, s = (int.from_bytes(each, "big") for each in (signature[:half], signature[half:]))
        return encode_dss_signature(r, s)
    if plain_only:
        raise _mismatch("another length of signature")
    try:
        numbers = decode_dss_signature(signature)
    except ValueError as error:
        raise _mismatch("another encoding of a signature") from error
    return encode_dss_signature(*numbers)


def _verify_rsa(
    transcript: ActiveAuthTranscript,
    public_key: rsa.RSAPublicKey,
    info: ActiveAuthenticationInfo | None,
) -> hashes.HashAlgorithm:
    numbers = public_key.public_numbers()
    signature = int.from_bytes(transcript.signature, "big")
    if len(transcript.signature) != _signature_bytes(public_key) or signature >= numbers.n:
        raise _mismatch("another length of signature")
    opened = pow(signature, numbers.e, numbers.n)
    # [9796-2] lets a signer give the smaller of two roots; the last nibble tells which.
    opened = opened if opened & 0xF == 0xC else numbers.n - opened
    digest, message = _recover(opened, numbers.n.bit_length())
    recovered, claimed = message[: -digest.digest_size], message[-digest.digest_size :]
    if not hmac.compare_digest(digest_bytes(digest, recovered, transcript.nonce), claimed):
        raise _mismatch("the signature is not that key's")
    _check_announced(digest, info)
    return digest


def _check_announced(digest: hashes.HashAlgorithm, info: ActiveAuthenticationInfo | None) -> None:
    """Return only if an RSA signature by that digest is not what DG14 rules out."""
    name = "" if info is None else info.signature_algorithm
    if _RSA.get(name, digest).name != digest.name or name in _PLAIN_ECDSA or name in _X9_62_ECDSA:
        raise _mismatch("DG14 names another algorithm")


def _recover(opened: int, modulus_bits: int) -> tuple[hashes.HashAlgorithm, bytes]:
    """Return the digest that the trailer names, and recovered message with hash."""
    digits = f"{opened:x}"
    # The header, 01 and a bit for partial recovery, begins where the modulus begins; nibbles B may
    # fill up to an A. Where the modulus is a bit short of whole nibbles, the header's nibble is a
    # 3, or the 6 of a signer who thinks in whole bytes.
    size = (modulus_bits + 1) // 4
    heads = {("6", size)} | ({("3", size)} if modulus_bits % 4 == 3 else set())
    rest = digits[1:].lstrip("b")
    if (digits[:1], len(digits)) not in heads or rest[:1] != "a" or not len(rest) & 1:
        raise _mismatch("an unknown header")
    block = bytes.fromhex(rest[1:])
    digest, message = _trailer(block)
    if len(message) < digest.digest_size:
        raise _mismatch("no room for a hash")
    return digest, message


def _trailer(block: bytes) -> tuple[hashes.HashAlgorithm, bytes]:
    if block[-1:] == bytes((_IMPLICIT,)):
        return _SHA1, block[:-1]
    digest = _TRAILERS.get(block[-2]) if len(block) > 1 and block[-1] == _EXPLICIT else None
    if digest is None:
        raise _mismatch("an unknown trailer")
    return digest, block[:-2]


def _mismatch(why: str) -> ChipLied:
    return ChipLied(Fault.CHIP_KEY_MISMATCH, _DOING, why)
