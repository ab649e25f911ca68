"""Where things travel: f/1/<shard>/<device>/<kind>.

Knows the grammar and which shard a device belongs to. A topic is seen by every broker and written
into every log: nothing here can hold a person, a card or an outcome.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal, cast, get_args

from msgspec import Struct

from wire.errors import Malformed

TopicKind = Literal["ev", "ack", "st", "cmd", "res"]
"""Groups up, receipts down, status up (retained), commands down, their results up."""

DEFAULT_SHARDS: Final = 64
MAX_SHARDS: Final = 4_096

_DEVICE = re.compile(r"[a-z0-9-]{3,32}")
_TOPIC = re.compile(r"f/1/(0|[1-9][0-9]{0,3})/([a-z0-9-]{3,32})/([a-z]{2,3})")
_MAX_TOPIC_CHARS: Final = 64


class Topic(Struct, frozen=True):
    """A topic, taken apart.

    Attributes:
        shard: whose ingester it goes to, from 0.
        device: whose it is.
        kind: what travels there.
    """

    shard: int
    device: str
    kind: TopicKind


def device_id(text: str) -> str:
    """Return text if it is a device id: 3 to 32 of a-z, 0-9 and hyphen.

    Raises:
        Malformed: it isn't.
    """
    if not _DEVICE.fullmatch(text):
        raise Malformed("device id", "not 3 to 32 of a-z, 0-9 and hyphen")
    return text


def shard_of(device: str, *, shards: int = DEFAULT_SHARDS) -> int:
    """Return the shard of a device: the first 8 bytes of SHA-256 of its id, modulo shards.

    Raises:
        Malformed: not a device id, or shards is not within 1 to MAX_SHARDS.
    """
    if not 1 <= shards <= MAX_SHARDS:
        raise Malformed("shard count", f"not within 1 to {MAX_SHARDS}")
    digest = hashlib.sha256(device_id(device).encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") % shards


def topic(device: str, kind: TopicKind, *, shards: int = DEFAULT_SHARDS) -> str:
    """Return the topic of a device, e.g. "f/1/17/kiosk-7/ev". Raises Malformed."""
    return f"f/1/{shard_of(device, shards=shards)}/{device}/{kind}"


def shard_filter(shard: int, kind: TopicKind) -> str:
    """Return the subscription of one shard's ingester, e.g. "f/1/17/+/ev"."""
    return f"f/1/{shard}/+/{kind}"


def parse(text: str, *, shards: int = DEFAULT_SHARDS) -> Topic:
    """Take a topic apart; its shard must be its device's.

    Raises:
        Malformed: not one of ours.
    """
    found = _TOPIC.fullmatch(text) if len(text) <= _MAX_TOPIC_CHARS else None
    if found is None or found[3] not in get_args(TopicKind):
        raise Malformed("topic", "not of the form f/1/<shard>/<device>/<kind>")
    if int(found[1]) != shard_of(found[2], shards=shards):
        raise Malformed("topic", "the shard is not this device's")
    return Topic(int(found[1]), found[2], cast("TopicKind", found[3]))
