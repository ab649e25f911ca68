"""The issuer of test cards: a country signer, a document signer, and one whose time is over.

Knows how to issue certificates and to sign a card's security object. Does not know what is in a
card, and touches no file: whoever keeps a PKI keeps its JSON, which holds private keys in the
clear. Every name in it says that it is a test.

Spec: [9303-12] certificate profile; [9303-10] security object; [5652].
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

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
from emrtd.sim._curves import CURVES
from emrtd.sim._protocols import LDS_SECURITY_OBJECT
from emrtd.sim.card_image import parse_object
from emrtd.tlv import encode

if TYPE_CHECKING:
    from emrtd.sim._curves import Randomness

VERSION = 1
MAX_JSON_BYTES = 65_536
SERIAL_BYTES = 16
SHORT_LIFE = timedelta(days=1)
"""How long the expired signer was valid, from the first day of its issuer."""

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_ROLES = ("csca", "signer", "expired_signer")


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key.

    Attributes:
        certificate: DER.
        key: PKCS #8 DER of an elliptic curve key, in the clear.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TestPKI:
    """A country that does not exist, as far as its signatures are concerned."""

    __test__: ClassVar[bool] = False  # pytest takes every Test* for one of its own

    csca: Identity
    signer: Identity
    expired_signer: Identity

    @classmethod
    def create(
        cls,
        randomness: Randomness,
        *,
        valid_from: datetime,
        valid_until: datetime,
        organisation: str = "Tram Test",
        csca_curve: str = "brainpoolP384r1",
        signer_curve: str = "brainpoolP256r1",
    ) -> TestPKI:
        """Issue the three certificates.

        Args:
            randomness: source of the keys and serial numbers; the same bytes give the same PKI.
            valid_from: aware; all three certificates begin here.
            valid_until: aware; the country signer and the document signer end here, the expired
                signer after `SHORT_LIFE`.
            organisation: O of the names and the first part of their CN.
            csca_curve: a name of `CURVES`.
            signer_curve: a name of `CURVES`.

        Raises:
            ValueError: the instants are naive, or too close for an expired signer.
        """
        if valid_from.tzinfo is None or valid_until - valid_from <= SHORT_LIFE:
            raise ValueError("instants are naive or too close")
        own = CURVES[csca_curve].private_key(randomness)
        issuer = _name(organisation, f"{organisation} CSCA")

        def issue(subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime) -> Identity:
            certificate = _certificate(
                subject, key, issuer=issuer, issuer_key=own, until=until, since=valid_from,
                serial=int.from_bytes(randomness(SERIAL_BYTES), "big") >> 1 | 1,
            )  # fmt: skip
            return Identity(certificate, _pkcs8(key))

        def signer(name: str, until: datetime) -> Identity:
            key = CURVES[signer_curve].private_key(randomness)
            return issue(_name(organisation, f"{organisation} {name}"), key, until)

        return cls(
            csca=issue(issuer, own, valid_until),
            signer=signer("DS", valid_until),
            expired_signer=signer("DS of yesterday", valid_from + SHORT_LIFE),
        )

    def to_json(self) -> str:
        """Encode for keeping, private keys included."""
        tree: dict[str, Any] = {"version": VERSION}
        for role in _ROLES:
            identity: Identity = getattr(self, role)
            tree[role] = {"certificate": identity.certificate.hex(), "key": identity.key.hex()}
        return json.dumps(tree, indent=1) + "\n"

    @classmethod
    def from_json(cls, raw: str | bytes) -> TestPKI:
        """Decode a kept PKI.

        Raises:
            ChipMalformed: not a PKI of a known version, or a key or certificate in it is none.
        """
        tree = parse_object(raw, "TestPKI", limit=MAX_JSON_BYTES)
        if tree.keys() != {"version", *_ROLES} or tree["version"] != VERSION:
            raise ChipMalformed("TestPKI", "keys or version")
        return cls(**{role: _identity(tree[role]) for role in _ROLES})


def sign_security_object(content: bytes, signer: Identity) -> bytes:
    """Return CMS SignedData, DER, over an LDS security object, with the signer's certificate in it.

    SHA-256 with ECDSA; the signature covers the signed attributes.
    """
    certificate = x509.load_der_x509_certificate(signer.certificate)
    digest_algorithm = _der.sequence(_der.oid(_SHA256))
    attributes = (
        _attribute(_CONTENT_TYPE, _der.oid(LDS_SECURITY_OBJECT)),
        _attribute(_MESSAGE_DIGEST, _der.octets(hashlib.sha256(content).digest())),
    )
    # Signed as a SET OF, sent under the tag [0]: the length and the content are the same.
    signed = _der.set_of(*attributes)
    signature = _key(signer).sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    signer_info = _der.sequence(
        _der.integer(1),
        _der.sequence(certificate.issuer.public_bytes(), _der.integer(certificate.serial_number)),
        digest_algorithm,
        b"\xa0" + signed[1:],
        _der.sequence(_der.oid(_ECDSA_SHA256)),
        _der.octets(signature),
    )
    signed_data = _der.sequence(
        _der.integer(3),
        _der.set_of(digest_algorithm),
        _der.sequence(_der.oid(LDS_SECURITY_OBJECT), encode(0xA0, _der.octets(content))),
        encode(0xA0, signer.certificate),
        _der.set_of(signer_info),
    )
    return _der.sequence(_der.oid(_SIGNED_DATA), encode(0xA0, signed_data))


def _attribute(kind: str, value: bytes) -> bytes:
    return _der.sequence(_der.oid(kind), _der.set_of(value))


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    serial: int,
    since: datetime,
    until: datetime,
) -> bytes:
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
    certificate = builder.sign(issuer_key, _digest(issuer_key), ecdsa_deterministic=True)
    return certificate.public_bytes(Encoding.DER)


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _digest(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the SHA-2 that is as strong as the curve."""
    if key.curve.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.curve.key_size <= 384 else hashes.SHA512()


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _key(identity: Identity) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key(identity.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ChipMalformed("TestPKI", "a key of another kind")
    return key


def _identity(tree: Any) -> Identity:
    if type(tree) is not dict or tree.keys() != {"certificate", "key"}:
        raise ChipMalformed("TestPKI", "an identity is a certificate and a key")
    try:
        identity = Identity(*(bytes.fromhex(tree[part]) for part in ("certificate", "key")))
        certificate = x509.load_der_x509_certificate(identity.certificate)
        matching = certificate.public_key() == _key(identity).public_key()
    except Exception as error:
        raise ChipMalformed("TestPKI", "a certificate or key is none") from error
    if not matching:
        raise ChipMalformed("TestPKI", "a key is not its certificate's")
    return identity
