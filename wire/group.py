"""Commit groups: what a station seals and signs at once, and ships unchanged.

Knows a group's fields, its chain, its sealing and its opening. A group's signature covers every
byte of it; its head covers it and, through the head before, every group of its lane. `Group` is
built by `verify_group` alone: holding one means that the station's key signed it. Does not know
storage, transport, nor which key belongs to which station.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from wire.canonical import decode, dump, encode
from wire.cose import MAX_SIGNED_BYTES, Signer, sign1, unverified_payload, verify1
from wire.errors import Malformed, SealBroken
from wire.record import (
    MAX_IDENTITY_BYTES,
    MAX_OPERATIONS_BYTES,
    MAX_SEQ,
    Code,
    DeviceID,
    Digest,
    Epoch,
    IdentityPart,
    Lane,
    OperationsPart,
    RecordIdentity,
    RecordType,
    Seq,
    Unprintable,
    decode_identity,
    decode_operations,
    encode_identity,
    encode_operations,
)
from wire.seal import (
    KEY_BYTES,
    TAG_BYTES,
    WRAPPED_BYTES,
    Compartment,
    OpeningKey,
    Place,
    Randomness,
    Recipient,
    Recipients,
    open_part,
    record_key,
    seal_part,
    wrap,
    wrap_info,
)
from wire.versions import WIRE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_RECORDS: Final = 64
"""Records in one group."""

MAX_GROUP_BYTES: Final = MAX_SIGNED_BYTES
"""Of a whole signed group."""

_FRAMING_BYTES: Final = 4_096
_RECORD_FRAMING_BYTES: Final = 2 * TAG_BYTES + 32


class EncodedRecord(Unprintable, frozen=True, kw_only=True):
    """A record before it is sealed: both parts encoded and found within their bounds.

    Attributes:
        operations: the encoded operations part.
        identity: the encoded identity part, if there is one.
        type: what happened.
    """

    operations: bytes
    identity: bytes | None = None
    type: RecordType = "verification"

    @property
    def sealed_bytes(self) -> int:
        """An upper bound of what it adds to a group."""
        return len(self.operations) + len(self.identity or b"") + _RECORD_FRAMING_BYTES


class WrappedKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group key, for one reader."""

    recipient: Code
    wrapped: Annotated[bytes, Meta(min_length=WRAPPED_BYTES, max_length=WRAPPED_BYTES)]


class SealedRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One record of a group; its sequence number is its place."""

    type: RecordType
    operations: Annotated[
        bytes, Meta(min_length=TAG_BYTES, max_length=MAX_OPERATIONS_BYTES + TAG_BYTES)
    ]
    identity: (
        Annotated[bytes, Meta(min_length=TAG_BYTES, max_length=MAX_IDENTITY_BYTES + TAG_BYTES)]
        | None
    )


class GroupBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a signed group.

    Attributes:
        version: the wire version.
        device: whose.
        epoch: of which queue.
        lane: of which lane.
        first: the sequence number of the first record.
        count: records in it.
        previous_head: the chain's head before it; the genesis head before the first.
        operations: the operations key, wrapped.
        identity: the identity key, wrapped; None when no record has an identity part.
        records: sealed, in order.
    """

    device: DeviceID
    epoch: Epoch
    lane: Lane
    first: Seq
    count: Annotated[int, Meta(ge=1, le=MAX_RECORDS)]
    previous_head: Digest
    operations: WrappedKey
    identity: WrappedKey | None
    records: Annotated[tuple[SealedRecord, ...], Meta(min_length=1, max_length=MAX_RECORDS)]
    version: int = WIRE_VERSION

    @property
    def last(self) -> int:
        """The sequence number of the last record."""
        return self.first + self.count - 1


class SealedGroup(Struct, frozen=True, kw_only=True):
    """A group as it ships, with what its keeper needs to find it again.

    Attributes:
        lane: of which lane.
        first: the sequence number of the first record.
        count: records in it.
        previous_head: the chain's head before it.
        head: the chain's head after it.
        raw: the COSE_Sign1.
        lost: it is a tombstone: it stands for records that will never come.
    """

    lane: Lane
    first: int
    count: int
    previous_head: bytes
    head: bytes
    raw: bytes
    lost: bool = False

    def __repr__(self) -> str:
        """Show its place only."""
        return f"<SealedGroup {self.lane} {self.first}+{self.count}>"

    @property
    def last(self) -> int:
        """The sequence number of the last record."""
        return self.first + self.count - 1


class Group(Struct, frozen=True, kw_only=True):
    """A group that its station's key signed. Built by `verify_group` alone.

    Attributes:
        body: what was signed.
        head: the chain's head after it.
        raw: the COSE_Sign1.
    """

    body: GroupBody
    head: bytes
    raw: bytes

    def __repr__(self) -> str:
        """Show its place only."""
        body = self.body
        return f"<Group {body.device} {body.lane} {body.first}+{body.count}>"


class OpenedOperations(Struct, frozen=True, kw_only=True):
    """An operations part and whose it is."""

    identity: RecordIdentity
    type: RecordType
    part: OperationsPart


@dataclass(frozen=True, slots=True)
class _Sealing:
    """One compartment of a group in the making."""

    device: str
    epoch: bytes
    lane: Lane
    first: int
    compartment: Compartment
    reader: Recipient
    key: bytes = field(repr=False)

    def wrapped(self) -> WrappedKey:
        info = wrap_info(
            device=self.device,
            epoch=self.epoch,
            lane=self.lane,
            first=self.first,
            compartment=self.compartment,
            recipient=self.reader.id,
        )
        return WrappedKey(recipient=self.reader.id, wrapped=wrap(self.key, self.reader, info=info))

    def sealed(self, plain: bytes, seq: int, record_type: RecordType) -> bytes:
        key = record_key(self.key, seq=seq, compartment=self.compartment)
        return seal_part(
            key,
            plain,
            Place(
                self.device,
                self.epoch,
                self.lane,
                seq,
                record_type,
                self.compartment,
                self.reader.id,
            ),
        )


def encode_record(operations: OperationsPart, identity: IdentityPart | None) -> EncodedRecord:
    """Encode and check both parts. Raises Malformed or TooLarge if one may not be sent."""
    return EncodedRecord(
        operations=encode_operations(operations),
        identity=None if identity is None else encode_identity(identity),
    )


def genesis_head(*, device: str, epoch: bytes, lane: Lane) -> bytes:
    """Return the chain's head before a lane's first group: 32 bytes."""
    return hashlib.sha256(dump(["tram genesis", WIRE_VERSION, device, epoch, lane])).digest()


def chain_head(previous_head: bytes, payload: bytes) -> bytes:
    """Return SHA-256(previous head || SHA-256(payload)), payload being what was signed.

    The signature stays outside: one content signed twice is one content, not a fork.
    """
    return hashlib.sha256(previous_head + hashlib.sha256(payload).digest()).digest()


def partition(records: Iterable[EncodedRecord]) -> Iterator[list[EncodedRecord]]:
    """Split records, in order, into runs that each fit one group."""
    run: list[EncodedRecord] = []
    size = _FRAMING_BYTES
    for record in records:
        if run and (len(run) == MAX_RECORDS or size + record.sealed_bytes > MAX_GROUP_BYTES):
            yield run
            run, size = [], _FRAMING_BYTES
        run.append(record)
        size += record.sealed_bytes
    if run:
        yield run


def seal_group(
    records: Sequence[EncodedRecord],
    *,
    device: str,
    epoch: bytes,
    lane: Lane,
    first: int,
    previous_head: bytes,
    recipients: Recipients,
    signer: Signer,
    randomness: Randomness,
) -> SealedGroup:
    """Seal records under two new group keys and sign the whole.

    Args:
        records: 1 to MAX_RECORDS, together within one group (`partition`).
        device: whose.
        epoch: 16 bytes.
        lane: of which lane.
        first: the sequence number of records[0].
        previous_head: the chain's head so far, 32 bytes.
        recipients: who may open what.
        signer: the station's key.
        randomness: gives the group keys.

    Raises:
        Malformed: a field is out of bounds, or there are no or too many records.
        TooLarge: the records don't fit one group.
    """

    def sealing(compartment: Compartment, reader: Recipient) -> _Sealing:
        key = randomness(KEY_BYTES)
        return _Sealing(device, epoch, lane, first, compartment, reader, key)

    operations = sealing("operations", recipients.operations)
    identity = None
    if any(record.identity is not None for record in records):
        identity = sealing("identity", recipients.identity)
    body = GroupBody(
        device=device,
        epoch=epoch,
        lane=lane,
        first=first,
        count=len(records),
        previous_head=previous_head,
        operations=operations.wrapped(),
        identity=None if identity is None else identity.wrapped(),
        records=tuple(
            SealedRecord(
                record.type,
                operations.sealed(record.operations, seq, record.type),
                None
                if identity is None or record.identity is None
                else identity.sealed(record.identity, seq, record.type),
            )
            for seq, record in enumerate(records, start=first)
        ),
    )
    payload = encode(body, what="group", limit=MAX_GROUP_BYTES)
    return SealedGroup(
        lane=lane,
        first=first,
        count=len(records),
        previous_head=previous_head,
        head=chain_head(previous_head, payload),
        raw=sign1(payload, signer, kind="group"),
    )


def verify_group(raw: bytes, station_key_der: bytes) -> Group:
    """Return the group that this station's key signed.

    Args:
        raw: from anyone.
        station_key_der: SubjectPublicKeyInfo of the device that the caller expects; the caller
            compares `body.device` with whom it asked for.

    Raises:
        Malformed, TooLarge, VersionUnsupported: not a group of this version.
        SignatureInvalid: another key or another content.
    """
    payload = verify1(raw, station_key_der, kind="group")
    body = _decode_body(payload)
    return Group(body=body, head=chain_head(body.previous_head, payload), raw=raw)


def claimed_body(raw: bytes) -> GroupBody:
    """Return what a group says of itself: good for routing and for finding its key, no more.

    Raises:
        Malformed, TooLarge, VersionUnsupported: not a group of this version.
    """
    return _decode_body(unverified_payload(raw, kind="group"))


def open_operations(group: Group, key: OpeningKey) -> tuple[OpenedOperations, ...]:
    """Open the operations part of every record, in order.

    Raises:
        SealBroken: the group is sealed for another key, or its station sealed nonsense.
        Malformed: a part is not an operations part.
    """
    body = group.body
    group_key = _unwrap(body, "operations", body.operations, key)
    opened = []
    for seq, record in enumerate(body.records, start=body.first):
        record_secret = record_key(group_key, seq=seq, compartment="operations")
        place = _place(body, seq, record.type, "operations", key.id)
        part = decode_operations(open_part(record_secret, record.operations, place))
        opened.append(
            OpenedOperations(
                identity=RecordIdentity(body.device, body.epoch, body.lane, seq),
                type=record.type,
                part=part,
            )
        )
    return tuple(opened)


def identity_key(group: Group, seq: int, key: OpeningKey) -> bytes:
    """Return the key that opens the identity part of one record and no other.

    Raises:
        Malformed: the group has no such record, or the record no identity part.
        SealBroken: the group is sealed for another key.
    """
    wrapped, _ = _identity_of(group.body, seq)
    group_key = _unwrap(group.body, "identity", wrapped, key)
    return record_key(group_key, seq=seq, compartment="identity")


def open_identity(group: Group, seq: int, record_secret: bytes) -> IdentityPart:
    """Open the identity part of one record with that record's own key.

    Raises:
        Malformed: the group has no such record, the record no identity part, or it isn't one.
        SealBroken: another record's key.
    """
    wrapped, sealed = _identity_of(group.body, seq)
    record_type = group.body.records[seq - group.body.first].type
    place = _place(group.body, seq, record_type, "identity", wrapped.recipient)
    return decode_identity(open_part(record_secret, sealed, place))


def _decode_body(payload: bytes) -> GroupBody:
    body = decode(payload, GroupBody, what="group", limit=MAX_GROUP_BYTES, version=WIRE_VERSION)
    if body.count != len(body.records) or body.last > MAX_SEQ:
        raise Malformed("group", "its count is not that of its records")
    if (body.identity is None) != all(record.identity is None for record in body.records):
        raise Malformed("group", "an identity key without parts, or parts without a key")
    return body


def _unwrap(
    body: GroupBody, compartment: Compartment, wrapped: WrappedKey, key: OpeningKey
) -> bytes:
    if wrapped.recipient != key.id:
        raise SealBroken("group key", "it is wrapped for another key")
    info = wrap_info(
        device=body.device,
        epoch=body.epoch,
        lane=body.lane,
        first=body.first,
        compartment=compartment,
        recipient=key.id,
    )
    return key.unwrap(wrapped.wrapped, info=info)


def _place(
    body: GroupBody, seq: int, record_type: RecordType, compartment: Compartment, recipient: str
) -> Place:
    return Place(body.device, body.epoch, body.lane, seq, record_type, compartment, recipient)


def _identity_of(body: GroupBody, seq: int) -> tuple[WrappedKey, bytes]:
    """Return the wrapped identity key and the sealed identity part of one record."""
    if not body.first <= seq <= body.last:
        raise Malformed("group", "it has no record of this number")
    sealed = body.records[seq - body.first].identity
    if body.identity is None or sealed is None:
        raise Malformed("group", "this record has no identity part")
    return body.identity, sealed
