"""The fleet's own certificate authority: it names the broker, ingest and the devices to each other.

Knows X.509 for mutual TLS between our own processes, nothing of citizens' cards. A name in a
certificate is an identity at the broker: the common name becomes the MQTT user name.
Serial numbers are chance, time is a parameter.

Spec: [5280] certificate profile.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=5 * 365)
LEAF_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
"""How far a device's clock may be behind the authority's when it first meets a certificate."""


class BadAuthorityError(Exception):
    """The authority's files are not a certificate and its private key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, both PEM; the key is PKCS#8, unencrypted."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh key on P-256, the curve a TPM 2.0 has too."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS#8 PEM, unencrypted: the file's mode protects it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key as `private_pem` wrote it.

    Raises:
        BadAuthorityError: it is not an elliptic curve key.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise BadAuthorityError("not a private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadAuthorityError("not an elliptic curve key")
    return key


class Authority:
    """Signs the certificates of one fleet's broker, services and devices."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, name: str, *, now: datetime) -> Authority:
        """Make a new authority that calls itself `name` and can sign leaves only."""
        key = new_key()
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key.public_key(), now=now, life=AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> Authority:
        """Take up an authority from its two files.

        Raises:
            BadAuthorityError: they are not that, or do not belong together.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
        except ValueError:
            raise BadAuthorityError("not a certificate") from None
        key = key_from_pem(key_pem)
        if certificate.public_key() != key.public_key():
            raise BadAuthorityError("the certificate is of another key")
        return cls(certificate, key)

    @property
    def identity(self) -> Identity:
        """The authority's own certificate and key."""
        return Identity(self._certificate.public_bytes(Encoding.PEM), private_pem(self._key))

    @property
    def certificate_pem(self) -> bytes:
        """What a peer needs in order to trust what this authority signed."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue_server(self, host: str, *, now: datetime) -> Identity:
        """Make a key and a certificate for a server that clients reach as `host`."""
        return self._issue(host, now=now, usage=ExtendedKeyUsageOID.SERVER_AUTH, host=host)

    def issue_client(self, name: str, *, now: datetime) -> Identity:
        """Make a key and a certificate for a client whose MQTT user name is `name`."""
        return self._issue(name, now=now, usage=ExtendedKeyUsageOID.CLIENT_AUTH, host=None)

    def _issue(
        self, name: str, *, now: datetime, usage: x509.ObjectIdentifier, host: str | None
    ) -> Identity:
        key = new_key()
        builder = (
            _builder(
                _name(name), self._certificate.subject, key.public_key(), now=now, life=LEAF_LIFE
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if host is not None:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host_name(host)]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(Encoding.PEM), private_pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
