"""Seeds of the house's other rooms: what stations, links, fleets, devices and files say."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from fleet.opening_key import opening_key_to_pem
from hw.camera import portrait
from kiosk.vision import port, touch_port
from models import calibration, manifest
from models.face import texture
from models.finger import fusion
from tests.fuzz import fleet as fleet_targets
from tests.fuzz import hw as hw_targets
from tests.fuzz import outbox as outbox_targets
from wire import handover
from wire.carried import write_carried
from wire.group import encode_record, genesis_head, seal_group
from wire.reasons import Outcome
from wire.record import OperationsPart, TimeQuality, Versions
from wire.seal import OpeningKey, Recipients
from wire.tombstone import TombstoneBody, seal_tombstone
from wire.topics import shard_of, topic

VECTORS = Path(__file__).parents[2] / "vectors" / "wire"
DEVICE = "kiosk-1"


def seeds() -> dict[str, list[bytes]]:
    """Return the seeds of every target beside the library, by its name."""
    return {**_wire(), **_fleet(), **_between(), **_devices(), **_files()}


def _vector(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def _payload(signed: bytes) -> bytes:
    """Return what a COSE_Sign1 signs."""
    payload: bytes = cbor2.loads(signed).value[2]
    return payload


def _wire() -> dict[str, list[bytes]]:
    canonical = [bytes.fromhex(each["cbor"]) for each in _vector("canonical")["accepted"]]
    cose, group = _vector("cose"), _vector("group")
    refused = [bytes.fromhex(each["signed"]) for each in cose["refused"]]
    signed = bytes.fromhex(group["signed"])
    receipt = bytes.fromhex(_vector("receipt")["signed"])
    policy = bytes.fromhex(_vector("policy")["signed"])
    found = _vector("tombstone")
    graves = [bytes.fromhex(found[name]["signed"]) for name in ("bridge", "restart")]
    carried = io.BytesIO()
    write_carried(carried, [signed, *graves], kind="groups")
    frames = [bytes.fromhex(each) for each in _vector("handover")["frames"].values()]
    parts = group["records"]
    return {
        "wire.canonical": canonical,
        "wire.cose": [bytes.fromhex(cose["signed"]), *refused],
        "wire.group": [signed, _payload(signed)],
        "wire.group.claimed": [signed],
        "wire.receipt": [receipt, _payload(receipt)],
        "wire.tombstone": [graves[0], _payload(graves[0])],
        "wire.tombstone.claimed": graves,
        "wire.carried": [carried.getvalue()],
        "wire.public_key": [bytes.fromhex(group["station_key"])],
        "wire.record.operations": [bytes.fromhex(each["operations"]) for each in parts],
        "wire.record.identity": [
            bytes.fromhex(each["identity"]) for each in parts if each["identity"]
        ],
        "wire.handover": frames,
        "wire.topics": [each["topic"].encode() for each in _vector("topics")["devices"]],
        "wire.policy.verify_policy": [policy],
        "wire.policy.verify_policy, signed": [_payload(policy)],
        "link.later_frame": frames,
        "link.claimed_receipt": [receipt],
    }


def _fleet() -> dict[str, list[bytes]]:
    readers = Recipients(
        fleet_targets._key().recipient(), OpeningKey("identity-1", b"i" * 96).recipient()
    )
    part = OperationsPart(
        outcome=Outcome.REFERRED, reasons=(), bands=outbox_targets.BANDS, procedure="p", site="s",
        versions=Versions(software="1", policy="p"), at_hour=1, time_quality=TimeQuality.NTP,
    )  # fmt: skip
    sealed = seal_group(
        [encode_record(part, None)], device=DEVICE, epoch=bytes(16), lane="normal", first=1,
        previous_head=genesis_head(device=DEVICE, epoch=bytes(16), lane="normal"),
        recipients=readers, signer=fleet_targets._STATION, randomness=bytes,
    )  # fmt: skip
    lost = TombstoneBody(
        device=DEVICE, epoch=bytes(16), lane="normal", first=2, last=3, given=2,
        previous_head=sealed.head, next_head=bytes(32), quarantine=bytes(32),
    )  # fmt: skip
    grave = seal_tombstone(lost, fleet_targets._STATION)
    return {
        "fleet.group": [sealed.raw],
        "fleet.signed_group": [_payload(sealed.raw)],
        "fleet.signed_tombstone": [_payload(grave.raw)],
        "fleet.status": [b'{"link":"online"}', b'{"link":"offline"}'],
        "fleet.topic": [topic(DEVICE, "ev").encode(), topic(DEVICE, "st").encode()],
        "fleet.opening_key": [opening_key_to_pem(fleet_targets._key())],
    }


def _between() -> dict[str, list[bytes]]:
    hello = handover.Hello(version=1, device=DEVICE, epoch=bytes(16), shard=shard_of(DEVICE))
    asked = (port.Step(act="turn_left"), port.Step(act="turn_right", pause_s=0.5))
    to_worker = [
        port.Watch(),
        port.Match(portrait=b"\xff\xd8\xff", fmr="1e-4", challenges=(asked,), seconds=20.0),
    ]
    judged = port.Judged(
        band="same", live="passed", frames=5, reasons=("no_face",), ms={"detect": 1.5}
    )
    from_worker = [
        port.Ready(models={"embed": "net-1"}, simulated=True), port.Cued("turn_left"),
        port.Hinted("no_face"), port.Hinted(None), judged, port.Failed("device_failed"),
    ]  # fmt: skip
    coded = {"position": 2, "format": "wsq", "width_px": 300, "height_px": 400, "depth_bits": 8}
    to_touch: list[touch_port.ToTouch] = [
        touch_port.Part(b"\xff\xa0"),
        touch_port.Reference(ppi=500.0, **coded),
        touch_port.Compare("1e-4"),
        touch_port.Touch(width_px=256, height_px=288, ppi=500.0),
        touch_port.CodedTouch(ppi=None, **coded),
    ]
    from_touch: list[touch_port.FromTouch] = [
        touch_port.TouchReady(models={"minutiae": "net-1"}, position=2),
        touch_port.Again(hint="quality_finger_dry", position=7),
        touch_port.TouchJudged(band="same", touches=1, ms={"match": 1.0}),
    ]
    return {
        "link.greeting": [handover.encode(hello)],
        "vision.decode_to_worker": [port.encode(each) for each in to_worker],
        "vision.decode_from_worker": [port.encode(each) for each in from_worker],
        "vision.decode_to_touch": [touch_port.encode(each) for each in to_touch],
        "vision.decode_from_touch": [touch_port.encode(each) for each in from_touch],
    }


def _picture(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), (90, 120, 150)).save(out, kind, **options)
    return out.getvalue()


def _devices() -> dict[str, list[bytes]]:
    urls = (
        "pcsc://0", "sim://cccd?fault=torn:3", "replay:///var/x.apdu", "file:///var/x.png?fps=5",
        "sim://portrait?file=/var/p.npz&yaw=20", "v4l2:///dev/video0", "picamera://0",
        "file:///var/key.pem", "tpm://0x81000001", "serial:///dev/ttyUSB0?baud=57600", "fprint://",
        "sbi://127.0.0.1:4501?trust=/var/p.pem", "sim://finger?images=/var/none&fault=reset",
    )  # fmt: skip
    rgb = np.zeros((120, 160, 3), np.uint8)
    mesh = np.full((portrait.POINTS, 3), 60, np.float32)
    mesh[portrait.OUTER_EYE_CORNERS[1], 0] = 110
    members = hw_targets._members()
    p256 = ec.derive_private_key(7, ec.SECP256R1())
    pem = p256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "hw.open.parse_url": [each.encode() for each in urls],
        "hw.camera.portrait": [portrait.to_bytes(rgb, mesh)],
        "hw.camera.portrait.member": list(members.values()),
        "hw.camera.file.decode": [_picture("PNG"), _picture("JPEG")],
        "hw.card.part10.features": [bytes.fromhex("12044233001206044233000A")],
        "hw.card.part10.properties": [bytes.fromhex("0A04000001000101000B0200FF")],
        "hw.card.vpcd.react": [b"\x04", b"\x00\xa4\x02\x0c\x02\x01\x1c"],
        "hw.keys.file": [pem],
    }


def _texture() -> bytes:
    """Return the shipped model of texture, without its thousands of pictures."""
    shipped = texture.shipped()
    fitted = msgspec.structs.replace(shipped.fitted, pictures=shipped.fitted.pictures[:2])
    return texture.encode(msgspec.structs.replace(shipped, fitted=fitted))


def _files() -> dict[str, list[bytes]]:
    jpeg, jpeg2000 = _picture("JPEG"), _picture("JPEG2000", no_jp2=True)
    case = {
        "evidence": "evidence", "trust": "trust", "policy": {"layers": ["pa", "chip"]},
        "face": {"band": "same", "live": "passed"}, "at": "2026-06-01T12:00:00Z",
    }  # fmt: skip
    return {
        "models.portrait.decode": [jpeg, jpeg2000, _picture("JPEG2000")],
        "models.portrait.decode.jpeg": [jpeg[3:]],
        "models.portrait.decode.j2k": [jpeg2000[6:]],
        "models.manifest.parse": [
            path.read_bytes() for path in sorted(manifest.FOLDER.glob("*.json"))
        ],
        "models.calibration.parse": [
            path.read_bytes() for path in sorted(calibration.FOLDER.glob("*.json"))
        ],
        "models.face.texture": [_texture()],
        "models.finger.fusion": [fusion.FILE.read_bytes()[:2000], fusion.FILE.read_bytes()],
        "models.evaluate.pad": [b"p/one.png,\np/two.png,print\n"],
        "models.evaluate.pairs": [
            b"p/one.png,p/two.png,1\np/one.png,q/one.png,0\n",
            "./p/á.png, q.png ,1\nq.png,p/a\u0301.png,1\n".encode(),
        ],
        "models.evaluate.picture": [jpeg, _picture("PNG"), jpeg2000],
        "outbox.file": [outbox_targets._whole()],
        "outbox.mended": [b"\0\0\x10Z", b"\0\x20\0" + bytes(600)],
        "outbox.damaged": [
            b"\0\0\x10Z",
            b"\x10\x30\x09\x5a",
            b"\x10\x59\x26\x59\x7e\x3a\x2a",
            b"\0\x20\0" + outbox_targets._whole()[0x2000:0x2008],
        ],
        "tram.policy.parse_case": [json.dumps(case).encode()],
    }
