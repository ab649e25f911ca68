"""One station, its keys, its two readers and its fleet, for the tests of the wire."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from wire.cose import PrivateKeySigner
from wire.group import EncodedRecord, SealedGroup, encode_record, genesis_head, seal_group
from wire.reasons import Outcome, Reason
from wire.record import (
    AATranscript,
    Bands,
    CheckBand,
    FaceBand,
    IdentityPart,
    LiveBand,
    OperationsPart,
    TimeQuality,
    Versions,
)
from wire.seal import OpeningKey, Recipients

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEVICE = "kiosk-7"
EPOCH = bytes(range(16))
NUMBER = "999195012345"
STATION = PrivateKeySigner(ec.derive_private_key(0x5747, ec.SECP256R1()))
STRANGER = PrivateKeySigner(ec.derive_private_key(0x1337, ec.SECP256R1()))
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BANDS = Bands(
    pa=CheckBand.PASSED,
    aa=CheckBand.PASSED,
    ca=CheckBand.ABSENT,
    face=FaceBand.SAME_STRONG,
    live=LiveBand.PASSED,
)


def repeatable(label: str) -> Callable[[int], bytes]:
    """Randomness that is the same in every run: SHAKE-256 of label and a counter."""
    calls = 0

    def take(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(f"{label} {calls}".encode()).digest(size)

    return take


OPERATIONS_KEY = OpeningKey.generate("operations-1", randomness=repeatable("operations"))
IDENTITY_KEY = OpeningKey.generate("identity-1", randomness=repeatable("identity"))
RECIPIENTS = Recipients(OPERATIONS_KEY.recipient(), IDENTITY_KEY.recipient())


def operations_part(mark: int = 0, **changes: Any) -> OperationsPart:
    """An operations part that its at_hour tells from others."""
    fields = {
        "outcome": Outcome.REFERRED,
        "reasons": (Reason.FACE_UNSURE,),
        "bands": BANDS,
        "procedure": "identity-check",
        "site": "hn-ward-7",
        "versions": Versions(software="0.1.0", policy="policy-1", models={"embed": "net-1"}),
        "at_hour": mark,
        "time_quality": TimeQuality.NTP,
    }
    return OperationsPart(**(fields | changes))


def identity_part(**changes: Any) -> IdentityPart:
    """An identity part with every kind of field."""
    fields = {
        "number": NUMBER,
        "dg1": b"\x61\x02dg",
        "sod": b"\x77\x03sod",
        "dg15": b"\x6f\x01k",
        "aa": AATranscript(nonce=bytes(8), signature=b"signed by the chip"),
        "policy": "policy-1",
        "bands": BANDS,
    }
    return IdentityPart(**(fields | changes))


def record(mark: int = 0, *, person: bool = True) -> EncodedRecord:
    """An encoded record."""
    return encode_record(operations_part(mark), identity_part() if person else None)


def sealed(*records: EncodedRecord, **changes: Any) -> SealedGroup:
    """A group of the station, the first of its lane unless told otherwise."""
    place = {"device": DEVICE, "epoch": EPOCH, "lane": "normal"}
    place |= {name: changes.pop(name) for name in tuple(place) if name in changes}
    fields = {
        **place,
        "first": 1,
        "previous_head": genesis_head(**place),
        "recipients": RECIPIENTS,
        "signer": STATION,
        "randomness": repeatable("group"),
    }
    return seal_group(records, **(fields | changes))


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """What ES256 signs, written down from RFC 9052 and not with our code."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def protected_header(kind: str, *, alg: int = -7) -> bytes:
    """The protected header, written down from the reference page and not with our code."""
    return cbor2.dumps({1: alg, 3: f"application/x.tram-{kind}"})


def signed_by_hand(
    payload: bytes,
    protected: bytes,
    *,
    unprotected: dict[Any, Any] | None = None,
    tag: int = 18,
    key: int = 0x5747,
) -> bytes:
    """Any COSE_Sign1, validly signed by the station's key (or another), shape as asked for."""
    private = ec.derive_private_key(key, ec.SECP256R1())
    der = private.sign(sig_structure(protected, payload), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(der)
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(tag, [protected, unprotected or {}, payload, signature]))


def openssl_verifies(folder: Path, key_der: bytes, message: bytes, signature: bytes) -> bool:
    """Ask the openssl program whether ECDSA with SHA-256 holds; signature is r || s."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    for name, content in (
        ("key.der", key_der),
        ("message", message),
        ("signature", encode_dss_signature(r, s)),
    ):
        (folder / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.der", "-keyform", "DER"]
    done = subprocess.run(
        [*command, "-signature", "signature", "message"],
        cwd=folder,
        check=False,
        capture_output=True,
    )
    return done.returncode == 0
