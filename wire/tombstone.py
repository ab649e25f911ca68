"""Tombstones: a station's signed word that sequence numbers of a lane will never come.

Knows two shapes of one thing. A **bridge** spans numbers between two known heads: `next_head` is
the head that the lane goes on from, so that the groups behind it are still believed. A **restart**
has no `next_head`: what came after is not known, the numbers up to `last` are given up whether they
were used or not, and the lane goes on from the tombstone's own head. Does not know how a loss is
found, nor what a fleet does about it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from wire.canonical import decode, encode
from wire.cose import Signer, sign1, unverified_payload, verify1
from wire.errors import Malformed
from wire.group import SealedGroup, chain_head
from wire.record import DeviceID, Digest, Epoch, Lane, Seq
from wire.versions import WIRE_VERSION

MAX_TOMBSTONE_BYTES: Final = 1_024


class TombstoneBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a signed tombstone.

    Attributes:
        version: the wire version.
        device: whose.
        epoch: of which queue.
        lane: of which lane.
        first: the first number that will never come.
        last: the last one.
        given: how many of them, from `first` on, are known to have been given to records; of a
            bridge all of them. Of the others nobody knows.
        previous_head: the chain's head before `first`.
        next_head: the chain's head after `last` as the records had it; None for a restart.
        quarantine: SHA-256 that names the bytes that were kept aside.
    """

    device: DeviceID
    epoch: Epoch
    lane: Lane
    first: Seq
    last: Seq
    given: int
    previous_head: Digest
    next_head: Digest | None
    quarantine: Digest
    version: int = WIRE_VERSION

    @property
    def count(self) -> int:
        """How many numbers it covers."""
        return self.last - self.first + 1


class Tombstone(Struct, frozen=True, kw_only=True):
    """A tombstone that its station's key signed. Built by `verify_tombstone` alone.

    Attributes:
        body: what was signed.
        head: the chain's head after it.
        raw: the COSE_Sign1.
    """

    body: TombstoneBody
    head: bytes
    raw: bytes

    def __repr__(self) -> str:
        """Show its place only."""
        body = self.body
        return f"<Tombstone {body.device} {body.lane} {body.first}+{body.count}>"


def seal_tombstone(body: TombstoneBody, signer: Signer) -> SealedGroup:
    """Sign a tombstone, as its keeper puts it in its place among the groups.

    Raises:
        Malformed: a field is out of bounds, or the numbers contradict each other.
    """
    payload = encode(body, what="tombstone", limit=MAX_TOMBSTONE_BYTES)
    _check(body)
    return SealedGroup(
        lane=body.lane,
        first=body.first,
        count=body.count,
        previous_head=body.previous_head,
        head=_head(body, payload),
        raw=sign1(payload, signer, kind="tombstone"),
        lost=True,
    )


def verify_tombstone(raw: bytes, station_key_der: bytes) -> Tombstone:
    """Return the tombstone that this station's key signed.

    Args:
        raw: from anyone.
        station_key_der: SubjectPublicKeyInfo of the device that the caller expects; the caller
            compares `body.device` with whom it asked for.

    Raises:
        Malformed, TooLarge, VersionUnsupported: not a tombstone of this version.
        SignatureInvalid: another key or another content.
    """
    payload = verify1(raw, station_key_der, kind="tombstone")
    body = _decode(payload)
    return Tombstone(body=body, head=_head(body, payload), raw=raw)


def is_tombstone(raw: bytes) -> bool:
    """Return whether these bytes say that they are a tombstone; nothing is verified."""
    try:
        unverified_payload(raw, kind="tombstone")
    except Malformed:
        return False
    return True


def claimed_tombstone(raw: bytes) -> TombstoneBody:
    """Return what a tombstone says of itself: good for routing and for finding its key, no more.

    Raises:
        Malformed, TooLarge, VersionUnsupported: not a tombstone of this version.
    """
    return _decode(unverified_payload(raw, kind="tombstone"))


def _decode(payload: bytes) -> TombstoneBody:
    body = decode(
        payload,
        TombstoneBody,
        what="tombstone",
        limit=MAX_TOMBSTONE_BYTES,
        version=WIRE_VERSION,
    )
    _check(body)
    return body


def _check(body: TombstoneBody) -> None:
    if body.count < 1 or not 0 <= body.given <= body.count:
        raise Malformed("tombstone", "its numbers contradict each other")
    if body.next_head is not None and body.given != body.count:
        raise Malformed("tombstone", "a bridge over numbers that were never given")


def _head(body: TombstoneBody, payload: bytes) -> bytes:
    if body.next_head is not None:
        return body.next_head
    return chain_head(body.previous_head, payload)
