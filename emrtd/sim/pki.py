"""The issuer of test cards: who signs its documents, and who may read its fingers.

Knows how to issue certificates of a country that does not exist, among them signers of every sad
kind, and to sign a card's files. Does not know what is in a card, and touches no file: whoever
keeps a PKI keeps its JSON, which holds private keys in the clear. Every name in it says that it is
a test.

Spec: [9303-12] certificate profile; [TR-03110-3] card-verifiable certificates.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography import x509

from emrtd.errors import ChipMalformed
from emrtd.sim import _cms, _cvc
from emrtd.sim._card_json import octets, parse_object
from emrtd.sim._cms import Identity
from emrtd.sim._curves import CURVES
from emrtd.sim._protocols import LDS_SECURITY_OBJECT, SECURITY_INFOS_OBJECT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from emrtd.sim._curves import Randomness

__all__ = ["Identity", "TestPKI", "sign_card_security", "sign_security_object"]

VERSION = 2
MAX_JSON_BYTES = 65_536
MAX_PART_BYTES = 4096
SERIAL_BYTES = 16
SHORT_LIFE = timedelta(days=1)
"""How long the expired signer was valid, from the first day of its issuer; and the last day, from
which on the early signer is."""

CVCA, VERIFIER, TERMINAL = "VNTRAMTEST00001", "VNTRAMDV00001", "VNTRAMIS00001"
"""The references of the three card-verifiable certificates."""

_CERTIFIED = ("csca", "signer", "expired_signer", "early_signer", "revoked_signer", "namesake")
_CARD_VERIFIABLE = ("cvca", "verifier", "terminal")


@dataclass(frozen=True, slots=True)
class TestPKI:
    """A country that does not exist, as far as its signatures are concerned.

    Attributes:
        csca: the country signer.
        signer: of documents.
        expired_signer: its time is over.
        early_signer: its time has not come.
        revoked_signer: it is on the revocation list.
        namesake: a signer whose issuer has the country signer's name and another key.
        cvca: the country verifier, a card-verifiable certificate as the two that follow.
        verifier: a document verifier of this country.
        terminal: an inspection system that may read fingers and irises.
        crl: the revocation list, DER.
    """

    __test__: ClassVar[bool] = False  # pytest takes every Test* for one of its own

    csca: Identity
    signer: Identity
    expired_signer: Identity
    early_signer: Identity
    revoked_signer: Identity
    namesake: Identity
    cvca: Identity
    verifier: Identity
    terminal: Identity
    crl: bytes = field(repr=False)

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
        """Issue all certificates.

        Args:
            randomness: source of the keys and serial numbers; the same bytes give the same PKI.
            valid_from: aware; the certificates begin here.
            valid_until: aware; the country signer and the document signer end here, the expired
                signer after `SHORT_LIFE`.
            organisation: O of the names and the first part of their CN.
            csca_curve: of the country signer, a name of `CURVES`.
            signer_curve: of all others.

        Raises:
            ValueError: the instants are naive, or too close for an expired signer.
        """
        if valid_from.tzinfo is None or valid_until - valid_from <= SHORT_LIFE:
            raise ValueError("instants are naive or too close")
        office = _Office(randomness, organisation, CURVES[csca_curve].private_key(randomness))
        csca = office.country_signer(valid_from, valid_until)

        def signer(kind: str, since: datetime, until: datetime) -> Identity:
            key = CURVES[signer_curve].private_key(randomness)
            return office.issue(f"{organisation} {kind}", key, since, until)

        made = {
            "csca": csca,
            "signer": signer("DS", valid_from, valid_until),
            "expired_signer": signer("DS of yesterday", valid_from, valid_from + SHORT_LIFE),
            "early_signer": signer("DS of tomorrow", valid_until - SHORT_LIFE, valid_until),
            "revoked_signer": signer("DS regretted", valid_from, valid_until),
        }
        crl = _cms.revocation_list(
            made["revoked_signer"].certificate, issuer=csca, since=valid_from, until=valid_until
        )
        office.key = CURVES[csca_curve].private_key(randomness)
        made["namesake"] = signer("DS", valid_from, valid_until)
        made |= _card_verifiable(randomness, signer_curve, valid_from, valid_until)
        return cls(**made, crl=crl)

    def to_json(self) -> str:
        """Encode for keeping, private keys included."""
        tree: dict[str, Any] = {"version": VERSION}
        for role in (*_CERTIFIED, *_CARD_VERIFIABLE):
            identity: Identity = getattr(self, role)
            tree[role] = {"certificate": identity.certificate.hex(), "key": identity.key.hex()}
        tree["crl"] = self.crl.hex()
        return json.dumps(tree, indent=1) + "\n"

    @classmethod
    def from_json(cls, raw: str | bytes) -> TestPKI:
        """Decode a kept PKI.

        Raises:
            ChipMalformed: not a PKI of a known version, or a key or certificate in it is none.
        """
        tree = parse_object(raw, "TestPKI", limit=MAX_JSON_BYTES)
        expected = {"version", *(each.name for each in dataclasses.fields(cls))}
        if tree.keys() != expected or tree["version"] != VERSION:
            raise ChipMalformed("TestPKI", "keys or version")
        crl = octets(tree["crl"], "crl", limit=MAX_PART_BYTES)
        try:
            x509.load_der_x509_crl(crl)
        except ValueError as error:
            raise ChipMalformed("TestPKI", "a revocation list is none") from error
        certified = {role: _certified(tree[role]) for role in _CERTIFIED}
        card_verifiable = {role: _verifiable(tree[role]) for role in _CARD_VERIFIABLE}
        return cls(**certified, **card_verifiable, crl=crl)


def sign_security_object(content: bytes, signer: Identity) -> bytes:
    """Return CMS SignedData, DER, over an LDS security object, with the signer's certificate."""
    return _cms.sign(content, signer, kind=LDS_SECURITY_OBJECT)


def sign_card_security(content: bytes, signer: Identity) -> bytes:
    """Return EF.CardSecurity over security infos, with the signer's certificate in it."""
    return _cms.sign(content, signer, kind=SECURITY_INFOS_OBJECT)


class _Office:
    """Issues certificates in one name; the key behind the name may be exchanged."""

    def __init__(
        self, randomness: Randomness, organisation: str, key: ec.EllipticCurvePrivateKey
    ) -> None:
        self._randomness = randomness
        self._organisation = organisation
        self._name = f"{organisation} CSCA"
        self.key = key

    def country_signer(self, since: datetime, until: datetime) -> Identity:
        return self.issue(self._name, self.key, since, until)

    def issue(
        self, name: str, key: ec.EllipticCurvePrivateKey, since: datetime, until: datetime
    ) -> Identity:
        certificate = _cms.certificate(
            _cms.name(self._organisation, name),
            key,
            issuer=_cms.name(self._organisation, self._name),
            issuer_key=self.key,
            serial=int.from_bytes(self._randomness(SERIAL_BYTES), "big") >> 1 | 1,
            since=since,
            until=until,
        )
        return Identity(certificate, _cms.pkcs8(key))


def _card_verifiable(
    randomness: Randomness, curve: str, since: datetime, until: datetime
) -> dict[str, Identity]:
    """Issue country verifier, document verifier and terminal, each by the one before."""
    rights = _cvc.READS_FINGERS | _cvc.READS_IRIS
    issuer_key = own = CURVES[curve].private_key(randomness)
    issuer, made = CVCA, {}
    roles = ((CVCA, _cvc.CVCA), (VERIFIER, _cvc.DV_DOMESTIC), (TERMINAL, _cvc.TERMINAL))
    for (holder, role), name in zip(roles, _CARD_VERIFIABLE, strict=True):
        certificate = _cvc.issue(
            issuer=issuer,
            holder=holder,
            key=own,
            issuer_key=issuer_key,
            authorisation=role | rights,
            since=since.date(),
            until=until.date(),
        )
        made[name] = Identity(certificate, _cms.pkcs8(own))
        issuer, issuer_key = holder, own
        own = CURVES[curve].private_key(randomness)
    return made


def _parts(tree: Any) -> Identity:
    if type(tree) is not dict or tree.keys() != {"certificate", "key"}:
        raise ChipMalformed("TestPKI", "an identity is a certificate and a key")
    identity = Identity(
        *(octets(tree[part], "TestPKI", limit=MAX_PART_BYTES) for part in ("certificate", "key"))
    )
    try:
        identity.private_key()
    except Exception as error:
        raise ChipMalformed("TestPKI", "a key is none") from error
    return identity


def _certified(tree: Any) -> Identity:
    identity = _parts(tree)
    try:
        public = x509.load_der_x509_certificate(identity.certificate).public_key()
    except Exception as error:
        raise ChipMalformed("TestPKI", "a certificate is none") from error
    if public != identity.private_key().public_key():
        raise ChipMalformed("TestPKI", "a key is not its certificate's")
    return identity


def _verifiable(tree: Any) -> Identity:
    identity = _parts(tree)
    certificate = _cvc.CVCertificate.from_bytes(identity.certificate)
    if certificate.point != _cvc.point_of(identity.private_key()):
        raise ChipMalformed("TestPKI", "a key is not its certificate's")
    return identity
