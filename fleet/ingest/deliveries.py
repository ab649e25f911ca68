"""What a message proves: a group that its enrolled station signed and that ingest could open.

Or a tombstone: the station's word that numbers are lost. Knows the order of the checks: topic,
enrolment, signature, whose group it says it is, opening, schema, simulators. Does not know the
broker nor the database; who is enrolled is a parameter. The identity parts stay sealed inside the
group: the key that opens them isn't here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from fleet.store.acceptance import GroupPlace
from fleet.store.store import Delivery, LaneName, Loss
from wire.errors import Malformed, SealBroken, SignatureInvalid, WireError
from wire.group import Group, open_operations, verify_group
from wire.tombstone import Tombstone, is_tombstone, verify_tombstone
from wire.topics import Topic, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleet.store.store import Device
    from wire.seal import OpeningKey

_Signed = TypeVar("_Signed", Group, Tombstone)

Why = Literal[
    "topic_foreign",
    "device_unknown",
    "malformed",
    "signature_invalid",
    "device_other",
    "seal_broken",
    "simulated",
]
"""Why a message was not taken: a closed list, counted in the database."""

MAX_STATUS_BYTES = 1_024
UPWARDS = ("ev", "st")
"""What devices publish and ingest reads."""


class RefusedError(Exception):
    """A message is not taken; it costs its sender a receipt and us a count.

    Attributes:
        why: the closed reason.
        device: which device it was, if its signature proved that.
    """

    def __init__(self, why: Why, *, device: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.device = device


class LinkStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device's link says of itself, and the broker for it when it is gone."""

    link: Literal["online", "offline"]


def topic_of(text: str, *, shards: int) -> Topic:
    """Take a topic apart.

    Raises:
        RefusedError: it is none that devices write to, or under another device's shard.
    """
    try:
        found = parse(text, shards=shards)
    except WireError:
        raise RefusedError("topic_foreign") from None
    if found.kind not in UPWARDS:
        raise RefusedError("topic_foreign")
    return found


def read_delivery(
    payload: bytes,
    topic: Topic,
    *,
    enrolled: Callable[[str], Device | None],
    key: OpeningKey,
    simulators_allowed: bool,
) -> Delivery | Loss:
    """Return what a message on a device's `ev` topic delivers: a group or a tombstone.

    Raises:
        RefusedError: it is not to be stored.
    """
    if is_tombstone(payload):
        return read_tombstone(payload, topic, enrolled=enrolled)
    return read_group(
        payload, topic, enrolled=enrolled, key=key, simulators_allowed=simulators_allowed
    )


def read_tombstone(
    payload: bytes, topic: Topic, *, enrolled: Callable[[str], Device | None]
) -> Loss:
    """Return what a device says that it lost.

    Raises:
        RefusedError: it is not to be stored.
    """
    found = _signed(verify_tombstone, payload, _enrolled(topic, enrolled))
    body = found.body
    return Loss(
        lane=LaneName(body.device, body.epoch, body.lane),
        first=body.first,
        last=body.last,
        given=body.given,
        previous_head=body.previous_head,
        head=found.head,
        restarts=body.next_head is None,
        quarantine=body.quarantine,
        sealed=payload,
    )


def read_group(
    payload: bytes,
    topic: Topic,
    *,
    enrolled: Callable[[str], Device | None],
    key: OpeningKey,
    simulators_allowed: bool,
) -> Delivery:
    """Return what a message on a device's `ev` topic delivers.

    Args:
        payload: from anyone.
        topic: where it was published.
        enrolled: finds a device of that name.
        key: opens operations parts.
        simulators_allowed: whether this fleet takes records made with simulators at all.

    Raises:
        RefusedError: it is not to be stored.
    """
    device = _enrolled(topic, enrolled)
    group = _signed(verify_group, payload, device)
    body = group.body
    try:
        opened = open_operations(group, key)
    except SealBroken:
        raise RefusedError("seal_broken", device=device.id) from None
    except Malformed:
        raise RefusedError("malformed", device=device.id) from None
    if not (simulators_allowed and device.simulators_allowed) and any(
        one.part.simulated.any for one in opened
    ):
        raise RefusedError("simulated", device=device.id)
    return Delivery(
        lane=LaneName(body.device, body.epoch, body.lane),
        place=GroupPlace(body.first, body.count, body.previous_head, group.head),
        operations=tuple(msgspec.json.encode(one.part).decode() for one in opened),
        sealed=payload,
    )


def read_status(
    payload: bytes, topic: Topic, *, enrolled: Callable[[str], Device | None]
) -> Literal["online", "offline"]:
    """Return what a message on a device's `st` topic says of its link.

    It is the link's word, unsigned, under the name in the link's certificate.

    Raises:
        RefusedError: it says nothing that we know.
    """
    _enrolled(topic, enrolled)
    if len(payload) > MAX_STATUS_BYTES:
        raise RefusedError("malformed")
    try:
        return msgspec.json.decode(payload, type=LinkStatus).link
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RefusedError("malformed") from None


def _enrolled(topic: Topic, enrolled: Callable[[str], Device | None]) -> Device:
    device = enrolled(topic.device)
    if device is None:
        raise RefusedError("device_unknown")
    return device


def _signed(verify: Callable[[bytes, bytes], _Signed], payload: bytes, device: Device) -> _Signed:
    """Return what this device signed, of whatever kind, and says of itself.

    Raises:
        RefusedError: it did not, or it says that it is another's.
    """
    try:
        found = verify(payload, device.station_key)
    except SignatureInvalid:
        raise RefusedError("signature_invalid") from None
    except WireError:
        raise RefusedError("malformed") from None
    if found.body.device != device.id:
        raise RefusedError("device_other", device=device.id)
    return found
