"""Station and link on one device: whole frames over an AF_UNIX SOCK_SEQPACKET socket.

Knows the frames and their bounds. Neither side believes the other: the station verifies every
receipt's signature, and the link cannot open what it carries. Does not open sockets; an empty
message is the end of the connection and never a frame.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from wire.cose import MAX_SIGNED_BYTES
from wire.errors import HandoverError
from wire.record import DeviceID, Epoch, Lane, Seq
from wire.topics import MAX_SHARDS

MAX_FRAME_BYTES: Final = 131_072
"""Of one frame; receive into one byte more and refuse MSG_TRUNC."""

Signed = Annotated[bytes, Meta(min_length=1, max_length=MAX_SIGNED_BYTES)]


class Hello(Struct, frozen=True, kw_only=True, tag="hello", forbid_unknown_fields=True):
    """Station, first: who it is and what it speaks.

    Attributes:
        version: the handover version.
        device: the device's id.
        epoch: the epoch of its queue.
        shard: where its topics are.
    """

    version: int
    device: DeviceID
    epoch: Epoch
    shard: Annotated[int, Meta(ge=0, lt=MAX_SHARDS)]


class GroupOut(Struct, frozen=True, kw_only=True, tag="group", forbid_unknown_fields=True):
    """Station: a signed group, or a tombstone in its place, to deliver unchanged.

    Attributes:
        lane: which lane.
        first: the sequence number of its first record.
        count: how many numbers it accounts for; of a group at most 64.
        raw: the COSE_Sign1.
    """

    lane: Lane
    first: Seq
    count: Seq
    raw: Signed


class StatusOut(Struct, frozen=True, kw_only=True, tag="status", forbid_unknown_fields=True):
    """Station: its newest signed status, to be retained; it replaces the one before."""

    raw: Signed


class ReceiptIn(Struct, frozen=True, kw_only=True, tag="receipt", forbid_unknown_fields=True):
    """Link: a receipt as it came; unverified."""

    raw: Signed


class LinkState(Struct, frozen=True, kw_only=True, tag="link", forbid_unknown_fields=True):
    """Link: whether the broker answers.

    Attributes:
        connected: it does.
        since_s: for how many seconds this has been so.
    """

    connected: bool
    since_s: Annotated[float, Meta(ge=0, le=1e12)]


Frame = Hello | GroupOut | StatusOut | ReceiptIn | LinkState

_DECODER = msgspec.msgpack.Decoder(Frame)
_ENCODER = msgspec.msgpack.Encoder()


def encode(frame: Frame) -> bytes:
    """Encode one frame.

    Raises:
        HandoverError: the frame breaks its own bounds; its reader would refuse it.
    """
    try:
        raw = _ENCODER.encode(frame)
    except (OverflowError, TypeError, UnicodeEncodeError):
        raise HandoverError("frame", "a value that no frame can carry") from None
    decode(raw)
    return raw


def decode(raw: bytes) -> Frame:
    """Decode one frame, whole.

    Raises:
        HandoverError: empty, too long, or not a frame; close the connection.
    """
    if not 0 < len(raw) <= MAX_FRAME_BYTES:
        raise HandoverError("frame", f"{len(raw)} bytes; 1 to {MAX_FRAME_BYTES} are allowed")
    try:
        frame: Frame = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HandoverError("frame", "not one of the agreed frames") from None
    return frame
