"""Signed JSON as a device service sends it: a compact JWS under a certificate that is trusted.

Knows RS256 and ES256 and the certificate in the header: it must be the trusted one itself, or be
issued by it, and be valid at the time. Certificates behind the first are not looked at ([MDS]
"Digital ID"). Knows nothing of what the payload says.

Spec: [7515]; [MDS] "Device Identity", "Signature".
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from hw.finger.errors import DEVICE, Unproven

if TYPE_CHECKING:
    from datetime import datetime

MAX_HEADER_CHARS: Final = 32_768
MAX_TOKEN_CHARS: Final = 8 * 1024 * 1024
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
_ES256_BYTES: Final = 64


def parse_signed(token: str, *, trusted: x509.Certificate, now: datetime) -> dict[str, Any]:
    """Return the payload of a token once its signature and its certificate hold.

    Args:
        token: header, payload and signature in base64url, joined by dots.
        trusted: the issuer of the signer's certificate, or that certificate itself.
        now: the time at which certificates must be valid, with a time zone.

    Raises:
        Unproven: it is no such token, or is not signed by whom is trusted.
    """
    parts = token.split(".") if len(token) <= MAX_TOKEN_CHARS else []
    if len(parts) != 3 or len(parts[0]) > MAX_HEADER_CHARS:
        raise Unproven(DEVICE, "no signed JSON")
    header = _object(parts[0])
    certificate = _certificate(header)
    if not _is_trusted(certificate, trusted=trusted, now=now):
        raise Unproven(DEVICE, "the signer's certificate is not trusted")
    signed = f"{parts[0]}.{parts[1]}".encode()
    if not _holds(header.get("alg"), certificate, _decoded(parts[2]), signed):
        raise Unproven(DEVICE, "the signature does not hold")
    return _object(parts[1])


def parse_base64url(text: object, *, max_bytes: int) -> bytes:
    """Decode base64url with or without its padding.

    Raises:
        Unproven: it is none, or longer.
    """
    if not isinstance(text, str) or len(text) > max_bytes * 4 // 3 + 4:
        raise Unproven(DEVICE, "no base64, or too much of it")
    return _decoded(text)


def _decoded(text: str) -> bytes:
    try:
        bare = text.rstrip("=").encode("ascii")
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Unproven(DEVICE, "no base64") from error


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object that a part of a token holds."""
    try:
        value = json.loads(_decoded(text))
    except (ValueError, RecursionError) as error:
        raise Unproven(DEVICE, "no JSON") from error
    if not isinstance(value, dict):
        raise Unproven(DEVICE, "no JSON object")
    return value


def _certificate(header: dict[str, Any]) -> x509.Certificate:
    chain = header.get("x5c")
    first = chain[0] if isinstance(chain, list) and chain else chain
    if not isinstance(first, str):
        raise Unproven(DEVICE, "no certificate in the header")
    try:
        return x509.load_der_x509_certificate(base64.b64decode(first, validate=True))
    except ValueError as error:
        raise Unproven(DEVICE, "no certificate") from error


def _is_trusted(certificate: x509.Certificate, *, trusted: x509.Certificate, now: datetime) -> bool:
    if not _is_valid(certificate, now) or not _is_valid(trusted, now):
        return False
    if certificate == trusted:
        return True
    try:
        certificate.verify_directly_issued_by(trusted)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _may_issue(trusted)


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    return found.value.ca


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    try:
        return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    except ValueError:
        return False


def _holds(algorithm: object, certificate: x509.Certificate, mark: bytes, signed: bytes) -> bool:
    # A hostile certificate's key may be of a kind or on a curve that is not supported.
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    try:
        if algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                return False
            key.verify(mark, signed, padding.PKCS1v15(), SHA256())
            return True
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey):
            if not isinstance(key.curve, ec.SECP256R1) or len(mark) != _ES256_BYTES:
                return False
            halves = (int.from_bytes(mark[:32], "big"), int.from_bytes(mark[32:], "big"))
            key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))
            return True
    except InvalidSignature:
        return False
    return False
