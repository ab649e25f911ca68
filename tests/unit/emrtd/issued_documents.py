"""Documents that openssl signs: an LDS security object written byte by byte, and evidence of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import openssl_issuer as openssl
from reader_material import do

from emrtd.evidence import AccessFacts, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openssl_issuer import Identity

DIGESTS = {
    "sha1": "2B0E03021A", "sha224": "608648016503040204", "sha256": "608648016503040201",
    "sha384": "608648016503040202", "sha512": "608648016503040203",
}  # fmt: skip
ACCESS = AccessFacts("PACE-ECDH-GM-AES-CBC-CMAC-128", "CAN", downgraded=False)
DG1 = bytes.fromhex("61015A")
DG2 = bytes.fromhex("75025A5A")


def oid(value: str) -> bytes:
    return do(0x06, bytes.fromhex(value))


def security_object(
    files: Mapping[str, bytes], *, md: str = "sha256", versions: tuple[str, str] | None = None
) -> bytes:
    """Return an LDS security object over these files, version 1 if versions are named."""
    hashes = b"".join(
        do(0x30, do(0x02, bytes((int(name[2:]),))) + do(0x04, hashlib.new(md, raw).digest()))
        for name, raw in files.items()
    )
    body = do(0x02, b"\1" if versions else b"\0") + do(0x30, oid(DIGESTS[md])) + do(0x30, hashes)
    if versions:
        body += do(0x30, b"".join(do(0x13, each.encode()) for each in versions))
    return do(0x30, body)


def document(
    signer: Identity, files: Mapping[str, bytes] | None = None, *options: str, md: str = "sha256",
    object_md: str | None = None, **facts: Any,
) -> Evidence:  # fmt: skip
    """Return evidence of a document that this signer issued, everything read."""
    files = {"DG1": DG1, "DG2": DG2} if files is None else files
    content = security_object(files, md=object_md or md)
    return evidence({**files, "SOD": openssl.sod(content, signer, *options, md=md)}, **facts)


def evidence(files: Mapping[str, bytes], **facts: Any) -> Evidence:
    return Evidence(files, ACCESS, **facts)


def info(*parts: bytes) -> bytes:
    return do(0x30, b"".join(parts))


def number(value: int) -> bytes:
    return do(0x02, bytes((value,)))


BSI = "04007F00070202"
PACE_AES_128 = info(oid(BSI + "040202"), number(2), number(13))
PACE_AES_256 = info(oid(BSI + "040204"), number(2), number(13))
PACE_CAM_AES_128 = info(oid(BSI + "040602"), number(2), number(13))
CA_AES_128 = info(oid(BSI + "030202"), number(1))
CA_NAME = "CA-ECDH-AES-CBC-CMAC-128"


def chip_key(key_info: bytes, *more: bytes) -> bytes:
    return info(oid(BSI + "0102"), key_info, *more)


def dg14(*infos: bytes) -> bytes:
    return do(0x6E, do(0x31, b"".join(infos)))


def dg15(key_info: bytes) -> bytes:
    return do(0x6F, key_info)
