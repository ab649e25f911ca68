"""The finger drivers' parsers: frames, a module's answers, pictures, what a device service says."""

from __future__ import annotations

import base64
import http.client
import io
import json
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hw.errors import DeviceError, DeviceFailed
from hw.finger.errors import BadPicture, Unproven
from hw.finger.jws import parse_base64url, parse_signed
from hw.finger.module import parse_image, parse_parameters
from hw.finger.packets import PacketParser
from hw.finger.pictures import parse_picture
from hw.finger.sbi import _unchunked, parse_captured, parse_discovered, parse_information

AT = datetime(2026, 1, 2, tzinfo=UTC)


@cache
def _trusted() -> x509.Certificate:
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=1))
        .sign(key, SHA256())
    )


def signed(raw: bytes) -> bytes:
    """Return a header that names the trusted certificate, and bytes that it never signed."""
    der = _trusted().public_bytes(Encoding.DER)
    head = {"alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
    parts = (json.dumps(head).encode(), raw, bytes(64))
    return b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts)


def _parse_frames(raw: bytes) -> int:
    """Feed a stream in pieces as uneven as its bytes."""
    parser, found, at = PacketParser(), 0, 0
    while at < len(raw):
        size = 1 + raw[at] % 97
        found += len(parser.feed(raw[at : at + size]))
        at += size
    return found + len(parser.settle())


def _parse_token(raw: bytes) -> object:
    return parse_signed(raw.decode("latin-1"), trusted=_trusted(), now=AT)


TARGETS = {
    "hw.finger.packets": (_parse_frames, ()),
    "hw.finger.module.parameters": (parse_parameters, (DeviceFailed,)),
    "hw.finger.module.image": (parse_image, (DeviceFailed,)),
    "hw.finger.pictures": (parse_picture, (BadPicture,)),
    "hw.finger.jws": (_parse_token, (Unproven,)),
    "hw.finger.jws.base64": (
        lambda raw: parse_base64url(raw.decode("latin-1"), max_bytes=64),
        (Unproven,),
    ),
    "hw.finger.sbi.chunks": (
        lambda raw: _unchunked(io.BytesIO(raw), 64),
        (http.client.HTTPException,),
    ),
    "hw.finger.sbi.discovered": (parse_discovered, (DeviceError,)),
    "hw.finger.sbi.information": (parse_information, (DeviceError,)),
    "hw.finger.sbi.captured": (parse_captured, (DeviceError,)),
}
