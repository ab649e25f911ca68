"""Active authentication: the chip signs a nonce with a key that never leaves it.

Knows the command, and how a signature is checked: RSA by ISO 9796-2 with partial recovery, ECDSA as
two plain numbers. Does not know whether DG15's key is signed: `emrtd.authenticity` does. A
transcript can be shown to others, so the nonce should be bound to its session by whoever makes it.

Spec: [9303-11] "Active Authentication"; [9796-2]; [TR-03111] for plain signatures.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

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
_TRAILERS: Mapping[bytes, hashes.HashAlgorithm] = {
    b"\x33": hashes.SHA1(),  # noqa: S303 - what ICAO's first chips sign with
    b"\x34": hashes.SHA256(),
    b"\x35": hashes.SHA512(),
    b"\x36": hashes.SHA384(),
    b"\x38": hashes.SHA224(),
    b"\x39": hashes.SHA512_224(),
    b"\x3a": hashes.SHA512_256(),
}
_PLAIN_ECDSA: Mapping[str, hashes.HashAlgorithm] = {
    "0.4.0.127.0.7.1.1.4.1.1": hashes.SHA1(),  # noqa: S303 - announced by the chip, signed by its issuer
    "0.4.0.127.0.7.1.1.4.1.2": hashes.SHA224(),
    "0.4.0.127.0.7.1.1.4.1.3": hashes.SHA256(),
    "0.4.0.127.0.7.1.1.4.1.4": hashes.SHA384(),
    "0.4.0.127.0.7.1.1.4.1.5": hashes.SHA512(),
}


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
) -> ActiveAuthTranscript:
    """Return the transcript only if its signature is that key's over its nonce.

    Args:
        transcript: nonce and signature.
        public_key: of DG15.
        info: of DG14; needed if the key is not RSA.

    Raises:
        ChipLied: CHIP_KEY_MISMATCH.
        ChipMalformed: it cannot be known how the chip signs.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        _verify_rsa(transcript, public_key)
    else:
        _verify_ecdsa(transcript, public_key, info)
    return transcript


def _signature_bytes(public_key: PublicKey) -> int:
    size = (public_key.key_size + 7) // 8
    return size if isinstance(public_key, rsa.RSAPublicKey) else 2 * size


def _verify_ecdsa(
    transcript: ActiveAuthTranscript,
    public_key: ec.EllipticCurvePublicKey,
    info: ActiveAuthenticationInfo | None,
) -> None:
    digest = None if info is None else _PLAIN_ECDSA.get(info.signature_algorithm)
    if digest is None:
        raise ChipMalformed(_DOING, "no digest is announced for the key")
    signature = transcript.signature
    if len(signature) != _signature_bytes(public_key):
        raise _mismatch("another length of signature")
    half = len(signature) // 2
    r, s = (int.from_bytes(each, "big") for each in (signature[:half], signature[half:]))
    try:
        public_key.verify(encode_dss_signature(r, s), transcript.nonce, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise _mismatch("the signature is not that key's") from error


def _verify_rsa(transcript: ActiveAuthTranscript, public_key: rsa.RSAPublicKey) -> None:
    numbers = public_key.public_numbers()
    size = _signature_bytes(public_key)
    signature = int.from_bytes(transcript.signature, "big")
    if len(transcript.signature) != size or signature >= numbers.n:
        raise _mismatch("another length of signature")
    opened = pow(signature, numbers.e, numbers.n)
    # [9796-2] lets a signer give the smaller of two roots; the last nibble tells which.
    opened = opened if opened & 0xF == 0xC else numbers.n - opened
    digest, message = _recover(opened.to_bytes(size, "big"))
    recovered, claimed = message[: -digest.digest_size], message[-digest.digest_size :]
    if not hmac.compare_digest(digest_bytes(digest, recovered, transcript.nonce), claimed):
        raise _mismatch("the signature is not that key's")


def _recover(block: bytes) -> tuple[hashes.HashAlgorithm, bytes]:
    """Return the digest that the trailer names, and recovered message with hash."""
    trailer, body = (b"\x33", block[:-1]) if block[-1] == 0xBC else (block[-2:-1], block[:-2])
    digest = _TRAILERS.get(trailer)
    if digest is None or block[-1] not in {0xBC, 0xCC}:
        raise _mismatch("an unknown trailer")
    # The header says that a message is recovered in part; nibbles B may fill up to an A.
    if body[0] == 0x6A:
        start = 1
    elif body[0] == 0x6B:
        start = 1 + len(body[1:]) - len(body[1:].lstrip(b"\xbb")) + 1
        if body[start - 1 : start] != b"\xba":
            raise _mismatch("an unknown header")
    else:
        raise _mismatch("an unknown header")
    if len(body) - start < digest.digest_size:
        raise _mismatch("no room for a hash")
    return digest, body[start:]


def _mismatch(why: str) -> ChipLied:
    return ChipLied(Fault.CHIP_KEY_MISMATCH, _DOING, why)
