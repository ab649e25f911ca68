"""Make the vectors of the wire beside this file: `python -m tests.vectors.wire.make`.

Keys, times and group keys are fixed, signatures are RFC 6979's, so that a second run writes the
same bytes. The one thing that cannot be fixed is the randomness inside a key encapsulation: a
wrapped key that is there already is kept if it still opens to the same group key for the same
group.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import structs

from wire import handover
from wire.canonical import dump, encode
from wire.cose import sign1
from wire.errors import SealBroken
from wire.group import (
    MAX_GROUP_BYTES,
    GroupBody,
    WrappedKey,
    chain_head,
    claimed_body,
    encode_record,
    genesis_head,
    seal_group,
)
from wire.policy import Layer, Policy, sign_policy
from wire.reasons import Outcome, Reason
from wire.receipt import Receipt, sign_receipt
from wire.record import (
    AATranscript,
    Bands,
    CheckBand,
    FaceBand,
    IdentityPart,
    LiveBand,
    OperationsPart,
    Simulated,
    TimeQuality,
    Versions,
)
from wire.seal import OpeningKey, Place, Recipients, record_key, seal_part, wrap, wrap_info
from wire.tombstone import TombstoneBody, seal_tombstone
from wire.topics import shard_of, topic

HERE = Path(__file__).parent
SOURCE = "made by make.py beside this file"
VERIFIED_BY = (
    "tests/unit/wire/test_wire_vectors.py: cbor2, the openssl program, and RFC 9180, RFC 5869 and"
    " the hybrid KEM spelled out in wire_independent.py over the primitives of cryptography"
)
DEVICE, EPOCH, LANE = "kiosk-7", bytes(range(16)), "normal"
SCALARS = {"station": 0x57A7, "shard": 0x54A2, "policy": 0x9011}


class Repeatable:
    """A P-256 key whose signatures are the same in every run (RFC 6979)."""

    def __init__(self, name: str) -> None:
        self.key = ec.derive_private_key(SCALARS[name], ec.SECP256R1())

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes, /) -> bytes:
        """R || s."""
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self.key.sign(message, how))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def fixed(label: str, size: int) -> bytes:
    """Bytes that look random and are the same in every run: SHAKE-256 of a label."""
    return hashlib.shake_256(f"tram vector {label}".encode()).digest(size)


STATION, SHARD, POLICY = Repeatable("station"), Repeatable("shard"), Repeatable("policy")
OPERATIONS_KEY = OpeningKey("operations-1", fixed("operations", 96))
IDENTITY_KEY = OpeningKey("identity-1", fixed("identity", 96))
RECIPIENTS = Recipients(OPERATIONS_KEY.recipient(), IDENTITY_KEY.recipient())
BANDS = Bands(
    pa=CheckBand.PASSED,
    aa=CheckBand.PASSED,
    ca=CheckBand.PASSED,
    face=FaceBand.SAME_STRONG,
    live=LiveBand.PASSED,
)
IDENTITY = IdentityPart(
    number="999195012345",
    dg1=b"\x61\x5b\x5f\x1f\x58" + b"<" * 88,
    sod=b"\x77\x82\x01\x00" + fixed("sod", 256),
    policy="policy-1",
    bands=BANDS,
    dg15=b"\x6f\x5b" + fixed("dg15", 91),
    aa=AATranscript(nonce=fixed("nonce", 8), signature=fixed("aa", 64)),
)


def operations(outcome: Outcome, *reasons: Reason) -> OperationsPart:
    """One of the two operations parts."""
    return OperationsPart(
        outcome=outcome,
        reasons=reasons,
        bands=BANDS,
        procedure="identity-check",
        site="hn-ward-7",
        versions=Versions(software="0.1.0", policy="policy-1", models={"embed": "net-1"}),
        at_hour=498_840,
        time_quality=TimeQuality.NTP,
        simulated=Simulated(card=True, camera=True),
    )


def document(**content: Any) -> dict[str, Any]:
    """A file's content: bytes become hex."""
    return {"source": SOURCE, "verified_by": VERIFIED_BY, **_plain(content)}


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def kept_or_wrapped(name: str, path: str, key: OpeningKey, group_key: bytes, info: bytes) -> bytes:
    """A wrapped key: the one that stands in a file already, if it still opens, or a new one."""
    try:
        found: Any = json.loads((HERE / name).read_text())
        for step in path.split("."):
            found = found[step]
        kept = bytes.fromhex(found)
        if key.unwrap(kept, info=info) == group_key:
            return kept
    except (OSError, KeyError, ValueError, SealBroken):
        pass
    return wrap(group_key, key.recipient(), info=info)


def canonical() -> dict[str, Any]:
    """Values and their one encoding; bytes that are no encoding."""
    values = [0, 23, 24, 256, 2**53 - 1, -1, -257, True, False, None, "", "ü", [], [1, [2]], {}]
    values += [{"b": 1, "aa": 2, "a": 3}, {"lane": "normal", "seq": 7}]
    refused = {
        "1800": "not the shortest form",
        "a2616201616101": "keys out of order",
        "a2616101616102": "a key twice",
        "a10102": "a key that is not a text",
        "9f01ff": "indefinite length",
        "c000": "a tag",
        "f90000": "a float",
        "f7": "undefined",
        "61ff": "not UTF-8",
        "0000": "bytes after the end",
        "81": "it ends too early",
        "81" * 7 + "00": "nested too deeply",
        "9bffffffffffffffff": "too many values",
    }
    return document(
        accepted=[{"value": value, "cbor": dump(value)} for value in values],
        accepted_bytes=[{"bytes": b"\x01\x02", "cbor": dump(b"\x01\x02")}],
        refused=[{"cbor": raw, "why": why} for raw, why in refused.items()],
    )


def sealing() -> dict[str, Any]:
    """One group key wrapped, one record key derived, one part sealed."""
    where = {
        "device": DEVICE,
        "epoch": EPOCH,
        "lane": LANE,
        "first": 5,
        "compartment": "identity",
        "recipient": IDENTITY_KEY.id,
    }
    info = wrap_info(**where)
    group_key = fixed("group key", 32)
    key = record_key(group_key, seq=7, compartment="identity")
    place = Place(DEVICE, EPOCH, LANE, 7, "verification", "identity", IDENTITY_KEY.id)
    return document(
        recipient={"private": IDENTITY_KEY.private, "public": IDENTITY_KEY.recipient().public_key},
        wrapping={
            "place": where,
            "info": info,
            "group_key": group_key,
            "wrapped": kept_or_wrapped(
                "sealing.json", "wrapping.wrapped", IDENTITY_KEY, group_key, info
            ),
        },
        record_key={
            "seq": 7,
            "compartment": "identity",
            "info": dump(["tram record key", 1, 7, "identity"]),
            "key": key,
        },
        part={
            "associated_data": place.associated_data(),
            "plain": b"plain",
            "sealed": seal_part(key, b"plain", place),
        },
    )


def _wrapped_keys(body: GroupBody, keys: dict[str, bytes]) -> dict[str, WrappedKey]:
    found = {}
    for compartment, key in (("operations", OPERATIONS_KEY), ("identity", IDENTITY_KEY)):
        info = wrap_info(
            device=body.device,
            epoch=body.epoch,
            lane=body.lane,
            first=body.first,
            compartment=compartment,  # type: ignore[arg-type]  # one of the two, above
            recipient=key.id,
        )
        path = f"wrapped.{compartment}"
        wrapped = kept_or_wrapped("group.json", path, key, keys[compartment], info)
        found[compartment] = WrappedKey(recipient=key.id, wrapped=wrapped)
    return found


def group() -> dict[str, Any]:
    """A signed group of two records; only the first has an identity part."""
    records = [
        encode_record(operations(Outcome.ACCEPTED), IDENTITY),
        encode_record(operations(Outcome.INCOMPLETE, Reason.CHIP_GONE), None),
    ]
    keys = {name: fixed(f"group {name}", 32) for name in ("operations", "identity")}
    in_turn = iter(keys.values())
    genesis = genesis_head(device=DEVICE, epoch=EPOCH, lane=LANE)
    made = seal_group(
        records,
        device=DEVICE,
        epoch=EPOCH,
        lane=LANE,
        first=1,
        previous_head=genesis,
        recipients=RECIPIENTS,
        signer=STATION,
        randomness=lambda _: next(in_turn),
    )
    body = claimed_body(made.raw)
    wrapped = _wrapped_keys(body, keys)
    body = structs.replace(body, **wrapped)
    payload = encode(body, what="group", limit=MAX_GROUP_BYTES)
    return document(
        station_key=STATION.public_key_der,
        opening_keys={key.id: key.private for key in (OPERATIONS_KEY, IDENTITY_KEY)},
        device=DEVICE,
        epoch=EPOCH,
        lane=LANE,
        group_keys=keys,
        wrapped={name: each.wrapped for name, each in wrapped.items()},
        genesis_head=genesis,
        records=[
            {"seq": seq, "operations": each.operations, "identity": each.identity}
            for seq, each in enumerate(records, start=1)
        ],
        payload=payload,
        signed=sign1(payload, STATION, kind="group"),
        head=chain_head(genesis, payload),
    )


def signatures() -> dict[str, Any]:
    """One envelope taken apart, and envelopes that no reader may accept."""
    payload = b"payload"
    signed = sign1(payload, STATION, kind="status")
    protected = signed[4 : 4 + signed[3]]
    structure = dump(["Signature1", protected, b"", payload])
    other = sign1(payload, STATION, kind="policy")
    refused = {
        "without its tag": signed[1:],
        "another tag": b"\xd1" + signed[1:],
        "bytes after the end": signed + b"\0",
        "another kind": other,
        "another payload": signed.replace(payload, b"Payload"),
        "another key": sign1(payload, SHARD, kind="status"),
        "an unprotected header": signed.replace(b"\xa0\x47", b"\xa1\x04\x41k\x47"),
        "no payload": signed.replace(b"\x47payload", b"\xf6"),
        "a signature of zeros": signed[:-64] + bytes(64),
        "a shorter signature": signed[:-66] + b"\x58\x3f" + signed[-64:-1],
    }
    return document(
        private_scalar=SCALARS["station"].to_bytes(32, "big"),
        public_key=STATION.public_key_der,
        kind="status",
        payload=payload,
        protected=protected,
        sig_structure=structure,
        signature=signed[-64:],
        signed=signed,
        refused=[{"signed": raw, "why": why} for why, raw in refused.items()],
    )


def receipt(head: bytes) -> dict[str, Any]:
    """The receipt for the group."""
    one = Receipt(
        shard=shard_of(DEVICE),
        device=DEVICE,
        epoch=EPOCH,
        lane=LANE,
        high_water=2,
        chain_head=head,
        audit_head=fixed("audit", 32),
        credit=16,
    )
    return document(
        shard_key=SHARD.public_key_der, fields=structs.asdict(one), signed=sign_receipt(one, SHARD)
    )


def tombstone(head: bytes) -> dict[str, Any]:
    """Two tombstones behind the group: one that leads to a known head, one that doesn't."""
    bridge = TombstoneBody(
        device=DEVICE,
        epoch=EPOCH,
        lane=LANE,
        first=3,
        last=7,
        given=5,
        previous_head=head,
        next_head=fixed("next head", 32),
        quarantine=fixed("quarantine", 32),
    )
    restart = structs.replace(bridge, last=4_097, given=2, next_head=None)
    return document(
        station_key=STATION.public_key_der,
        **{
            name: {
                "fields": structs.asdict(body),
                "signed": (sealed := seal_tombstone(body, STATION)).raw,
                "head": sealed.head,
            }
            for name, body in (("bridge", bridge), ("restart", restart))
        },
    )


def policy() -> dict[str, Any]:
    """A signed policy."""
    one = Policy(
        id="policy-1",
        not_before=1_795_500_000,
        not_after=1_800_000_000,
        layers=(Layer.PA, Layer.CHIP, Layer.LIVE, Layer.FACE),
    )
    return document(policy_key=POLICY.public_key_der, id=one.id, signed=sign_policy(one, POLICY))


def topics() -> dict[str, Any]:
    """Devices, their shards and a topic each."""
    devices = ["kiosk-7", "abc", "0-0", "hn-ward-7-1", "z" * 32]
    return document(
        devices=[
            {
                "device": each,
                "shard_of_64": shard_of(each),
                "shard_of_4096": shard_of(each, shards=4096),
                "topic": topic(each, "ev"),
            }
            for each in devices
        ],
        refused=["f/1/0/kiosk-7/ev", "f/1/+/kiosk-7/ev", "f/2/0/kiosk-7/ev", "f/1/0/Kiosk-7/ev"],
    )


def frames() -> dict[str, Any]:
    """One frame of each type between station and link."""
    made: dict[str, handover.Frame] = {
        "hello": handover.Hello(version=1, device=DEVICE, epoch=EPOCH, shard=shard_of(DEVICE)),
        "group": handover.GroupOut(lane=LANE, first=1, count=2, raw=b"signed"),
        "status": handover.StatusOut(raw=b"signed"),
        "receipt": handover.ReceiptIn(raw=b"signed"),
        "link": handover.LinkState(connected=True, since_s=1.5),
    }
    return document(frames={name: handover.encode(frame) for name, frame in made.items()})


def build() -> dict[str, str]:
    """Every file's name and text."""
    made_group = group()
    documents = {
        "canonical.json": canonical(),
        "cose.json": signatures(),
        "sealing.json": sealing(),
        "group.json": made_group,
        "receipt.json": receipt(bytes.fromhex(made_group["head"])),
        "tombstone.json": tombstone(bytes.fromhex(made_group["head"])),
        "policy.json": policy(),
        "topics.json": topics(),
        "handover.json": frames(),
    }
    return {
        name: json.dumps(each, indent=1, ensure_ascii=False) + "\n"
        for name, each in documents.items()
    }


def main() -> None:
    """Write every file."""
    for name, text in build().items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
