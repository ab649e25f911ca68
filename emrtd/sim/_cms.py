"""Signed data as a chip carries it, and the certificates behind it.

Knows CMS with one signer and an ECDSA signature over signed attributes, and X.509 certificates and
revocation lists of a test country. Does not know what is signed.

Spec: [5652]; [9303-12] certificate profile; [9303-10] security object.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from emrtd.errors import ChipMalformed
from emrtd.sim import _der
from emrtd.tlv import encode

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key.

    Attributes:
        certificate: DER, or a card-verifiable certificate with its outer object.
        key: PKCS #8 DER of an elliptic curve key, in the clear.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key, ready for use. Raises ChipMalformed: it is of another kind."""
        key = load_der_private_key(self.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ChipMalformed("TestPKI", "a key of another kind")
        return key


def pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in the clear, as an `Identity` keeps it."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def sign(content: bytes, signer: Identity, *, kind: str) -> bytes:
    """Return SignedData, DER, with the signer's certificate in it.

    SHA-256 with ECDSA; the signature covers the signed attributes.

    Args:
        content: what is signed.
        signer: who signs.
        kind: the identifier of the content's type.
    """
    certificate = x509.load_der_x509_certificate(signer.certificate)
    digest_algorithm = _der.sequence(_der.oid(_SHA256))
    attributes = (
        _attribute(_CONTENT_TYPE, _der.oid(kind)),
        _attribute(_MESSAGE_DIGEST, _der.octets(hashlib.sha256(content).digest())),
    )
    # Signed as a SET OF, sent under the tag [0]: the length and the content are the same.
    signed = _der.set_of(*attributes)
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    signer_info = _der.sequence(
        _der.integer(1),
        _der.sequence(certificate.issuer.public_bytes(), _der.integer(certificate.serial_number)),
        digest_algorithm,
        b"\xa0" + signed[1:],
        _der.sequence(_der.oid(_ECDSA_SHA256)),
        _der.octets(signer.private_key().sign(signed, algorithm)),
    )
    signed_data = _der.sequence(
        _der.integer(3),
        _der.set_of(digest_algorithm),
        _der.sequence(_der.oid(kind), encode(0xA0, _der.octets(content))),
        encode(0xA0, signer.certificate),
        _der.set_of(signer_info),
    )
    return _der.sequence(_der.oid(_SIGNED_DATA), encode(0xA0, signed_data))


def _attribute(kind: str, value: bytes) -> bytes:
    return _der.sequence(_der.oid(kind), _der.set_of(value))


def name(organisation: str, common_name: str) -> x509.Name:
    """Return a name of the test country."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    serial: int,
    since: datetime,
    until: datetime,
) -> bytes:
    """Return a certificate, DER: a country signer's if subject and issuer are one."""
    # Departs from [9303-12]: curves are named here, states write all their parameters out.
    root = subject == issuer
    usage = dict.fromkeys(_USAGES, False) | dict.fromkeys(
        ("key_cert_sign", "crl_sign") if root else ("digital_signature",), True
    )
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, serial_number=serial)
        .public_key(key.public_key())
        .not_valid_before(since.astimezone(UTC))
        .not_valid_after(until.astimezone(UTC))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if root:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
    made = builder.sign(issuer_key, _digest(issuer_key), ecdsa_deterministic=True)
    return made.public_bytes(Encoding.DER)


def revocation_list(revoked: bytes, *, issuer: Identity, since: datetime, until: datetime) -> bytes:
    """Return a revocation list, DER, with one certificate on it."""
    own = x509.load_der_x509_certificate(issuer.certificate)
    serial = x509.load_der_x509_certificate(revoked).serial_number
    entry = x509.RevokedCertificateBuilder(serial, since.astimezone(UTC)).build()
    key = issuer.private_key()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(own.subject)
        .last_update(since.astimezone(UTC))
        .next_update(until.astimezone(UTC))
        .add_revoked_certificate(entry)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    made = builder.sign(key, _digest(key), ecdsa_deterministic=True)
    return made.public_bytes(Encoding.DER)


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _digest(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the SHA-2 that is as strong as the curve."""
    if key.curve.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.curve.key_size <= 384 else hashes.SHA512()
