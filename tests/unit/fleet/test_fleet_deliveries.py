"""What ingest takes, and each reason for which it refuses."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest
from fleet_material import EPOCH, IDENTITY, OPERATIONS, SHARDS, Station, record
from hypothesis import given
from hypothesis import strategies as st

from fleet.ingest.deliveries import RefusedError, Why, read_group, read_status, topic_of
from wire.canonical import dump
from wire.cose import sign1, unverified_payload
from wire.group import claimed_body
from wire.record import RecordIdentity, Simulated
from wire.seal import OpeningKey, Recipients
from wire.topics import Topic, shard_of, topic

if TYPE_CHECKING:
    from fleet.store.store import Delivery

STATION = Station()
EV = Topic(shard_of("kiosk-1", shards=SHARDS), "kiosk-1", "ev")
GROUP = STATION.group(record(1), record(2), keep=False)


def read(
    raw: bytes,
    *,
    station: Station = STATION,
    fleet_allows: bool = False,
    device_allows: bool = False,
) -> Delivery:
    device = station.device(simulators_allowed=device_allows)
    return read_group(
        raw,
        EV,
        enrolled=lambda name: device if name == "kiosk-1" else None,
        key=OPERATIONS,
        simulators_allowed=fleet_allows,
    )


def why(raw: bytes) -> Why:
    with pytest.raises(RefusedError) as caught:
        read(raw)
    return caught.value.why


def test_a_group_gives_its_operations_parts_and_keeps_its_people_sealed() -> None:
    found = read(GROUP.raw)
    assert (found.lane.device, found.lane.epoch, found.lane.lane) == ("kiosk-1", EPOCH, "normal")
    assert (found.place.first, found.place.count) == (1, 2)
    assert (found.place.previous_head, found.place.head) == (GROUP.previous_head, GROUP.head)
    parts = [msgspec.json.decode(each) for each in found.operations]
    assert [part["at_hour"] for part in parts] == [1, 2]
    assert parts[0]["outcome"] == "accepted"
    assert found.sealed == GROUP.raw
    assert "999095" not in repr(found)


def test_a_device_that_is_not_enrolled_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        read_group(GROUP.raw, EV, enrolled=lambda _: None, key=OPERATIONS, simulators_allowed=False)
    assert (caught.value.why, caught.value.device) == ("device_unknown", None)


def test_another_stations_group_is_refused() -> None:
    assert why(Station().group(record(1)).raw) == "signature_invalid"


def test_a_changed_byte_anywhere_is_refused() -> None:
    for at in range(0, len(GROUP.raw), 97):
        changed = bytearray(GROUP.raw)
        changed[at] ^= 1
        assert why(bytes(changed)) in {"signature_invalid", "malformed"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xd2",
        GROUP.raw[:-1],
        GROUP.raw + b"\0",
        bytes(200_000),
        sign1(dump({"version": 1}), STATION.signer, kind="group"),
        sign1(dump({"version": 2}), STATION.signer, kind="group"),
        sign1(unverified_payload(GROUP.raw, kind="group"), STATION.signer, kind="receipt"),
    ],
    ids=["empty", "tag", "cut", "longer", "too long", "no group", "version 2", "a receipt"],
)
def test_what_is_no_group_is_refused(raw: bytes) -> None:
    assert why(raw) == "malformed"


def test_a_station_that_speaks_of_another_device_is_refused() -> None:
    liar = Station(id="kiosk-2", signer=STATION.signer)
    assert why(liar.group(record(1)).raw) == "device_other"


def test_a_group_that_ingest_cannot_open_is_refused() -> None:
    other = OpeningKey.generate("operations-2", randomness=secrets.token_bytes)
    readers = Recipients(other.recipient(), IDENTITY.recipient())
    assert why(Station(signer=STATION.signer, readers=readers).group(record(1)).raw) == (
        "seal_broken"
    )
    same_name = OpeningKey(OPERATIONS.id, other.private)
    readers = Recipients(same_name.recipient(), IDENTITY.recipient())
    assert why(Station(signer=STATION.signer, readers=readers).group(record(1)).raw) == (
        "seal_broken"
    )


def test_sealed_nonsense_is_refused_and_its_device_named() -> None:
    nonsense = msgspec.structs.replace(record(1), operations=dump({"outcome": "nonsense"}))
    with pytest.raises(RefusedError) as caught:
        read(STATION.group(nonsense, keep=False).raw)
    assert (caught.value.why, caught.value.device) == ("malformed", "kiosk-1")


@pytest.mark.parametrize(
    "by", [Simulated(card=True), Simulated(camera=True), Simulated(finger=True)]
)
@pytest.mark.parametrize("fleet_allows", [False, True])
@pytest.mark.parametrize("device_allows", [False, True])
def test_simulators_need_the_fleets_and_the_devices_permission(
    by: Simulated, fleet_allows: bool, device_allows: bool
) -> None:
    raw = STATION.group(record(1), record(2, simulated=by), keep=False).raw
    allowed = {"fleet_allows": fleet_allows, "device_allows": device_allows}
    if fleet_allows and device_allows:
        assert read(raw, **allowed).place.count == 2
        return
    with pytest.raises(RefusedError) as caught:
        read(raw, **allowed)
    assert (caught.value.why, caught.value.device) == ("simulated", "kiosk-1")


def test_the_identity_parts_of_a_delivery_do_not_open_with_ingests_key() -> None:
    body = claimed_body(read(GROUP.raw).sealed)
    assert body.identity is not None
    assert body.identity.recipient == IDENTITY.id != OPERATIONS.id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f/1/0/kiosk-1",
        topic("kiosk-1", "ev", shards=SHARDS).replace("f/1", "f/2"),
        f"f/1/{(shard_of('kiosk-1', shards=SHARDS) + 1) % SHARDS}/kiosk-1/ev",
        topic("kiosk-1", "ack", shards=SHARDS),
        topic("kiosk-1", "cmd", shards=SHARDS),
        topic("kiosk-1", "res", shards=SHARDS),
    ],
)
def test_a_topic_that_no_device_may_write_here_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        topic_of(text, shards=SHARDS)
    assert caught.value.why == "topic_foreign"


def status(raw: bytes) -> str:
    return read_status(raw, EV, enrolled=lambda _: STATION.device())


def test_a_link_says_whether_it_is_there() -> None:
    assert status(b'{"link":"online"}') == "online"
    assert status(b'{"link":"offline"}') == "offline"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "malformed"),
        (b'{"link":"busy"}', "malformed"),
        (b'{"link":"online","name":"x"}', "malformed"),
        (b'{"link":"\xff"}', "malformed"),
        (b" " * 1_025 + b'{"link":"online"}', "malformed"),
        (b"\xd2", "malformed"),
        (sign1(b"old", STATION.signer, kind="status"), "malformed"),
        (sign1(b"whatever", STATION.signer, kind="group"), "malformed"),
    ],
    ids=[
        "empty", "busy", "longer", "no_text", "too_long", "cut", "signed_status", "signed_group",
    ],
)  # fmt: skip
def test_any_other_status_is_refused(raw: bytes, expected: str) -> None:
    with pytest.raises(RefusedError) as caught:
        status(raw)
    assert caught.value.why == expected


def test_every_reason_can_be_given() -> None:
    """The reasons above are all there are."""
    assert set(get_args(Why)) == {
        *("topic_foreign", "device_unknown", "malformed", "signature_invalid"),
        *("device_other", "seal_broken", "simulated"),
    }


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_refusal(raw: bytes) -> None:
    for parse in (read, status):
        with contextlib.suppress(RefusedError):
            parse(raw)


def test_an_identity_is_written_as_everybody_writes_it() -> None:
    assert str(RecordIdentity("kiosk-1", EPOCH, "normal", 7)) == f"kiosk-1/{EPOCH.hex()}/normal/7"
