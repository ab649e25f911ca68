"""What a broker, a link or a fleet may hand over: canonical values, signatures, groups, frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cbor2

from wire import handover
from wire.canonical import dump, load
from wire.carried import read_carried
from wire.cose import verify1
from wire.errors import HandoverError, Malformed, WireError
from wire.group import claimed_body, verify_group
from wire.receipt import verify_receipt
from wire.record import decode_identity, decode_operations
from wire.tombstone import claimed_tombstone, is_tombstone, verify_tombstone
from wire.topics import device_id, parse, shard_of

if TYPE_CHECKING:
    from collections.abc import Callable

# SubjectPublicKeyInfo of the point whose private key is 1: anyone could sign with it.
KEY = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d81"
    "2deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


def _once(raw: bytes) -> object:
    """Whatever is read is written again as it was."""
    value = load(raw, what="anything", limit=100_000)
    if dump(value) != raw:
        raise AssertionError("one value, two encodings")
    return value


def _frame(raw: bytes) -> object:
    frame = handover.decode(raw)
    if handover.decode(handover.encode(frame)) != frame:
        raise AssertionError("a frame that can't be sent on")
    return frame


def _topic(raw: bytes) -> object:
    text = raw.decode("utf-8", "replace")
    found = parse(text)
    if shard_of(device_id(found.device)) != found.shard:
        raise AssertionError("a foreign shard")
    return found


def _carried(raw: bytes) -> object:
    """Read raw as a file, and as what follows the first words of one."""
    try:
        return list(read_carried(io.BytesIO(raw), kind="groups"))
    except Malformed:
        return list(read_carried(io.BytesIO(b"tram groups 1\r\n\0" + raw), kind="groups"))


def _tombstone(raw: bytes) -> object:
    found = verify_tombstone(raw, KEY)
    if not is_tombstone(raw) or claimed_tombstone(raw) != found.body:
        raise AssertionError("it says another thing of itself than it is")
    return found


def _in_an_envelope(kind: str, read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Read raw as it is, and as the payload of an envelope that is right but for its signature."""
    protected = cbor2.dumps({1: -7, 3: f"application/x.tram-{kind}"})

    def both(raw: bytes) -> object:
        envelope = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, raw, bytes(64)]))
        try:
            read(envelope)
        except WireError:
            return read(raw)
        raise AssertionError("a signature of zeros held")

    return both


TARGETS = {
    "wire.canonical": (_once, (Malformed,)),
    "wire.cose": (
        _in_an_envelope("group", lambda raw: verify1(raw, KEY, kind="group")),
        (WireError,),
    ),
    "wire.group": (_in_an_envelope("group", lambda raw: verify_group(raw, KEY)), (WireError,)),
    "wire.group.claimed": (claimed_body, (Malformed,)),
    "wire.receipt": (
        _in_an_envelope("receipt", lambda raw: verify_receipt(raw, {0: KEY})),
        (WireError,),
    ),
    "wire.tombstone": (_in_an_envelope("tombstone", _tombstone), (WireError,)),
    "wire.tombstone.claimed": (claimed_tombstone, (Malformed,)),
    "wire.carried": (_carried, (Malformed,)),
    "wire.public_key": (lambda raw: verify1(_SIGNED, raw, kind="group"), (WireError,)),
    "wire.record.operations": (decode_operations, (Malformed,)),
    "wire.record.identity": (decode_identity, (Malformed,)),
    "wire.handover": (_frame, (HandoverError,)),
    "wire.topics": (_topic, (Malformed,)),
}
_SIGNED = cbor2.dumps(
    cbor2.CBORTag(
        18, [cbor2.dumps({1: -7, 3: "application/x.tram-group"}), {}, b"payload", b"\x01" * 64]
    )
)
