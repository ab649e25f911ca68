"""The fleet's word that it holds records: the only thing that lets a station forget.

Knows what a receipt says and who may say it: the key of the device's shard. Does not know the
queue; whether the chain head is the station's own is compared where the queue is (kiosk.outbox).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct, structs

from wire.canonical import decode, encode
from wire.cose import Signer, sign1, unverified_payload, verify1
from wire.errors import SignatureInvalid
from wire.record import MAX_SEQ, DeviceID, Digest, Epoch, Lane
from wire.topics import MAX_SHARDS
from wire.versions import WIRE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RECEIPT_BYTES: Final = 1_024


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All records of a lane up to the high-water mark are stored.

    Attributes:
        version: the wire version.
        shard: which of the fleet's receipt keys signs.
        device: whose records.
        epoch: of which of its queues.
        lane: of which lane.
        high_water: the last sequence number stored without a gap; 0 is none.
        chain_head: the chain's head after that record's group; the genesis head when none.
        audit_head: the newest head of the fleet's own audit chain.
        credit: groups the station may send unacknowledged; None is as before.
    """

    shard: Annotated[int, Meta(ge=0, lt=MAX_SHARDS)]
    device: DeviceID
    epoch: Epoch
    lane: Lane
    high_water: Annotated[int, Meta(ge=0, le=MAX_SEQ)]
    chain_head: Digest
    audit_head: Digest
    credit: Annotated[int, Meta(ge=0, le=1_024)] | None = None
    version: int = WIRE_VERSION


class VerifiedReceipt(Receipt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receipt that its shard's key signed. Built by `verify_receipt` alone."""


def sign_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """Sign a receipt with the key of its shard.

    Raises:
        Malformed: a field is out of bounds.
    """
    payload = encode(receipt, what="receipt", limit=MAX_RECEIPT_BYTES)
    return sign1(payload, signer, kind="receipt")


def verify_receipt(raw: bytes, keys: Mapping[int, bytes]) -> VerifiedReceipt:
    """Return the receipt that its shard's key signed.

    Args:
        raw: from anyone.
        keys: shard to the SubjectPublicKeyInfo of its receipt key, as enrolment gave them.

    Raises:
        Malformed: not a receipt of this version.
        SignatureInvalid: no key is known for its shard, or another key signed.
    """
    claimed = claimed_receipt(raw)
    key = keys.get(claimed.shard)
    if key is None:
        raise SignatureInvalid("receipt", "no key is known for its shard")
    signed = _decode(verify1(raw, key, kind="receipt"))
    return VerifiedReceipt(**structs.asdict(signed))


def claimed_receipt(raw: bytes) -> Receipt:
    """Return what a receipt says of itself: good for routing and for finding its key, no more.

    Raises:
        Malformed, TooLarge, VersionUnsupported: not a receipt of this version.
    """
    return _decode(unverified_payload(raw, kind="receipt"))


def _decode(payload: bytes) -> Receipt:
    return decode(payload, Receipt, what="receipt", limit=MAX_RECEIPT_BYTES, version=WIRE_VERSION)
