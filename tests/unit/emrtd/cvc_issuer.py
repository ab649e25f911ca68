"""An issuer of card verifiable certificates: fields written byte by byte, signed by openssl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from asn1crypto import keys as asn1_keys
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from openssl_issuer import key, openssl, public_key
from reader_material import testdata

from emrtd.cvc import parse_cvc

if TYPE_CHECKING:
    from emrtd.cvc import CVC

TERMINAL_AUTH = "04007F00070202020"
ROLES = "04007F00070301020"
CVCA, DV, FOREIGN_DV, IS = 0xC0, 0x80, 0x40, 0x00
EC_ALGORITHMS = {"sha1": "201", "sha224": "202", "sha256": "203", "sha384": "204", "sha512": "205"}
RSA_ALGORITHMS = {
    ("pkcs1", "sha1"): "101", ("pkcs1", "sha256"): "102", ("pss", "sha1"): "103",
    ("pss", "sha256"): "104", ("pkcs1", "sha512"): "105", ("pss", "sha512"): "106",
}  # fmt: skip
ROOT_NAME, DV_NAME, IS_NAME = "VNCVCA00001", "VNDV00001", "VNIS00001"


def tlv(tag: str, value: bytes) -> bytes:
    size = len(value)
    length = bytes((size,)) if size < 128 else (
        bytes((0x81, size)) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    )  # fmt: skip
    return bytes.fromhex(tag) + length + value


def day(text: str) -> bytes:
    return bytes(int(digit) for digit in text)


@dataclass(frozen=True)
class Holder:
    """A key, and how its holder signs.

    Attributes:
        kind: as `openssl_issuer.key` knows it.
        md: the digest.
        padding: of RSA.
        at: which of several keys of one kind.
    """

    kind: str = "ec:brainpoolP256r1"
    md: str = "sha256"
    padding: str = "pkcs1"
    at: int = 500

    @property
    def private(self) -> bytes:
        return key(self.kind, self.at)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of openssl's, plain."""
        options = ()
        if self.padding == "pss":
            options = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        made = openssl("dgst", f"-{self.md}", "-sign", "k", *options, "m", k=self.private, m=data)
        if self.kind.startswith("rsa"):
            return made
        size = (self.order.bit_length() + 7) // 8
        return b"".join(each.to_bytes(size, "big") for each in decode_dss_signature(made))

    @property
    def order(self) -> int:
        return int(self.domain["order"].native)

    @property
    def domain(self) -> Any:
        """Return the curve's parameters as openssl writes them out."""
        name = self.kind.partition(":")[2]
        der = openssl(
            "ecparam", "-name", name, "-param_enc", "explicit", "-outform", "DER"
        )  # fmt: skip
        return asn1_keys.ECDomainParameters.load(der).chosen

    def key_object(self, *, domain: bool) -> bytes:
        """Return the public key object."""
        info = asn1_keys.PublicKeyInfo.load(public_key(self.private))
        if self.kind.startswith("rsa"):
            numbers = load_pem_private_key(self.private, None)
            assert isinstance(numbers, rsa.RSAPrivateKey)
            public = numbers.public_key().public_numbers()
            fields = tlv("81", unsigned(public.n)) + tlv("82", unsigned(public.e))
            name = TERMINAL_AUTH + RSA_ALGORITHMS[self.padding, self.md]
        else:
            name = TERMINAL_AUTH + EC_ALGORITHMS[self.md]
            fields = tlv("86", bytes(info["public_key"]))
            if domain:
                fields = self.domain_fields(fields)
        return tlv("7F49", tlv("06", oid_bytes(name)) + fields)

    def domain_fields(self, point: bytes) -> bytes:
        domain = self.domain
        return (
            tlv("81", unsigned(int(domain["field_id"]["parameters"])))
            + tlv("82", bytes(domain["curve"]["a"]))
            + tlv("83", bytes(domain["curve"]["b"]))
            + tlv("84", bytes(domain["base"]))
            + tlv("85", unsigned(int(domain["order"])))
            + point
            + tlv("87", b"\1")
        )


def oid_bytes(name: str) -> bytes:
    """Return an identifier whose last arcs are single digits: 04007F00070202020 with "201"."""
    head, tail = name[:-3], name[-3:]
    return bytes.fromhex(head + tail)


def unsigned(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def certificate(
    issuer: Holder,
    holder: Holder,
    *,
    car: str,
    chr_: str,
    role: int,
    rights: int = 3,
    effective: str = "250101",
    expires: str = "271231",
    domain: bool | None = None,
    kind: str = "1",
    extensions: bytes = b"",
    **changed: bytes,
) -> bytes:
    """Return a certificate; what is changed replaces a field by its tag, written `t5F29`."""
    has_domain = role == CVCA if domain is None else domain
    chat = tlv("06", bytes.fromhex(ROLES + kind))
    chat += tlv("53", bytes((role | rights,)))
    fields = {
        "t5F29": tlv("5F29", b"\0"),
        "t42": tlv("42", car.encode("latin-1")),
        "t7F49": holder.key_object(domain=has_domain),
        "t5F20": tlv("5F20", chr_.encode("latin-1")),
        "t7F4C": tlv("7F4C", chat),
        "t5F25": tlv("5F25", day(effective)),
        "t5F24": tlv("5F24", day(expires)),
    } | changed
    body = tlv("7F4E", b"".join(fields.values()) + extensions)
    return tlv("7F21", body + tlv("5F37", issuer.sign(body)))


ROOT, VERIFIER, TERMINAL = Holder(at=501), Holder(at=502), Holder(at=503)


@cache
def root(holder: Holder = ROOT, **changed: Any) -> CVC:
    parts = {"car": ROOT_NAME, "chr_": ROOT_NAME, "role": CVCA} | changed
    return parse_cvc(certificate(holder, holder, **parts))


@cache
def verifier(issuer: Holder = ROOT, holder: Holder = VERIFIER, **changed: Any) -> CVC:
    parts = {"car": ROOT_NAME, "chr_": DV_NAME, "role": DV} | changed
    return parse_cvc(certificate(issuer, holder, **parts))


@cache
def terminal(issuer: Holder = VERIFIER, holder: Holder = TERMINAL, **changed: Any) -> CVC:
    parts = {"car": DV_NAME, "chr_": IS_NAME, "role": IS} | changed
    return parse_cvc(certificate(issuer, holder, **parts))


def openpace(*names: str) -> dict[str, bytes]:
    """Return certificates of the public collection that is not copied here."""
    path = testdata("vectors", "openpace_misc_cvc_cardaccess.json")
    arrays = json.loads(path.read_text(encoding="utf-8"))["arrays"]
    return {name: bytes.fromhex(raw) for name, raw in arrays.items() if not names or name in names}


def bsi(name: str) -> dict[str, bytes]:
    """Return the fields of one of BSI's worked examples."""
    path = testdata("vectors", f"{name}.json")
    fields = json.loads(path.read_text(encoding="utf-8"))["fields"]
    return {each: bytes.fromhex(raw) for each, raw in fields.items()}
