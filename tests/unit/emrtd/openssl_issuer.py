"""An issuer that is nothing but the openssl command: its keys, certificates, lists and signatures.

The library under test has no part in any of it. Everything is bytes; files live as long as one
command.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from emrtd.tlv import encode

CONTENT_TYPE = "2.23.136.1.1.1"
CA = """
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
"""
DS = """
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
PSS = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command")


@dataclass(frozen=True)
class Identity:
    key: bytes
    pem: bytes
    der: bytes


def openssl(*arguments: str, out: str | None = None, **files: bytes | str) -> bytes:
    """Run one command in a folder with these files; return a file that it wrote, or its output."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            (Path(folder) / name).write_bytes(raw)
        done = subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, check=False, timeout=30
        )
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        return (Path(folder) / out).read_bytes() if out else done.stdout


@cache
def key(kind: str, number: int = 0) -> bytes:
    """Return a new private key, PEM: "rsa:2048", "ec:prime256v1" or "explicit:prime256v1"."""
    del number
    family, _, detail = kind.partition(":")
    if family == "rsa":
        return openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{detail}")
    encoding = "explicit" if family == "explicit" else "named_curve"
    return openssl("ecparam", "-name", detail, "-genkey", "-noout", "-param_enc", encoding)


def public_key(private: bytes) -> bytes:
    """Return its SubjectPublicKeyInfo, DER."""
    return openssl("pkey", "-in", "k", "-pubout", "-outform", "DER", k=private)


@cache
def root(
    kind: str = "ec:prime256v1", name: str = "/C=VN/O=Test/CN=CSCA", *, md: str = "sha256",
    number: int = 0, extensions: str = CA, options: tuple[str, ...] = (),
) -> Identity:  # fmt: skip
    """Return a self-signed country signer."""
    private = key(kind, number)
    config = f"[req]\ndistinguished_name=dn\nx509_extensions=e\n[dn]\n[e]\n{extensions}"
    pem = openssl(
        "req", "-x509", "-new", "-key", "k", "-subj", name, "-days", "3650", f"-{md}",
        "-config", "c", "-utf8", *options, k=private, c=config,
    )  # fmt: skip
    return Identity(private, pem, to_der(pem))


@cache
def issued(
    issuer: Identity, kind: str = "ec:prime256v1", name: str = "/C=VN/O=Test/CN=DS", *,
    md: str = "sha256", serial: int = 7, number: int = 1, extensions: str = DS,
    days: int = 365, options: tuple[str, ...] = (),
) -> Identity:  # fmt: skip
    """Return a certificate for a new key, signed by an issuer."""
    private = key(kind, number)
    config = "[req]\ndistinguished_name=dn\n[dn]\n"
    request = openssl(
        "req", "-new", "-key", "k", "-subj", name, "-config", "c", "-utf8", k=private, c=config
    )
    pem = openssl(
        "x509", "-req", "-in", "r", "-CA", "ca", "-CAkey", "cak", "-days", str(days),
        "-set_serial", str(serial), f"-{md}", "-extfile", "e", *options,
        r=request, ca=issuer.pem, cak=issuer.key, e=extensions,
    )  # fmt: skip
    return Identity(private, pem, to_der(pem))


@cache
def revocation_list(
    issuer: Identity, *serials: int, md: str = "sha256", extensions: str = ""
) -> bytes:
    """Return a list of revoked serial numbers, DER."""
    index = "".join(
        f"R\t350101000000Z\t200101000000Z\t{serial:02X}\tunknown\t/CN=x\n" for serial in serials
    )
    config = (
        "[ca]\ndefault_ca=d\n[d]\ndatabase=i\ndefault_crl_days=30\n"
        f"default_md={md}\n[e]\n{extensions}\n"
    )
    extended = ("-crlexts", "e") if extensions else ()
    pem = openssl(
        "ca", "-gencrl", "-config", "c", "-cert", "ca", "-keyfile", "k", *extended,
        c=config, i=index, ca=issuer.pem, k=issuer.key,
    )  # fmt: skip
    return openssl("crl", "-in", "c", "-outform", "DER", c=pem)


def to_der(pem: bytes) -> bytes:
    return openssl("x509", "-in", "c", "-outform", "DER", c=pem)


@cache
def signed(
    content: bytes, signer: Identity, *options: str, md: str = "sha256",
    content_type: str = CONTENT_TYPE,
) -> bytes:  # fmt: skip
    """Return CMS SignedData, DER."""
    return openssl(
        "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-econtent_type", content_type,
        "-in", "m", "-signer", "c", "-inkey", "k", "-md", md, "-outform", "DER", "-out", "o",
        *options, out="o", m=content, c=signer.pem, k=signer.key,
    )  # fmt: skip


def sod(content: bytes, signer: Identity, *options: str, md: str = "sha256") -> bytes:
    """Return an EF.SOD."""
    return encode(0x77, signed(content, signer, *options, md=md))


def accepts(file: bytes, issuer: Identity, *, chain: bool = True) -> bytes:
    """Return the content of an EF.SOD that openssl itself verifies; AssertionError if not.

    Its path validation refuses every key with explicit parameters, whichever: without the chain.
    """
    head = 2 if file[1] < 0x80 else 2 + (file[1] & 0x7F)
    trusted = ("-CAfile", "ca", "-purpose", "any") if chain else ("-noverify",)
    return openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "s", *trusted, "-out", "o",
        out="o", s=file[head:], ca=issuer.pem,
    )  # fmt: skip
