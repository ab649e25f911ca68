"""Ingest over a real store: what is stored is acknowledged in one signed word, nothing else is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import structlog
from fleet_material import RECEIPT_KEYS, SHARDS, Station, ingest, record

from fleet.home import FleetHome, HomeUnusableError
from fleet.ingest.main import Keys
from fleet.ingest.mqtt import Message
from fleet.store.store import Store, StoreError
from wire.group import genesis_head
from wire.receipt import verify_receipt
from wire.record import Simulated
from wire.topics import topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleet.ingest.main import Answer
    from wire.receipt import VerifiedReceipt

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "fleet.db") as opened:
        yield opened


@pytest.fixture
def station(store: Store) -> Station:
    made = Station()
    made.enrol(store, at=NOW)
    return made


def read(answer: Answer) -> VerifiedReceipt:
    keys = {shard: signer.public_key_der for shard, signer in RECEIPT_KEYS.items()}
    return verify_receipt(answer.payload, keys)


def test_a_stored_group_is_acknowledged_with_its_head(store: Store, station: Station) -> None:
    one, two = station.group(record(1), record(2)), station.group(record(3))
    (answer,) = ingest(store).take([station.message(one), station.message(two)], at=NOW)
    assert answer.topic == topic("kiosk-1", "ack", shards=SHARDS)
    receipt = read(answer)
    assert (receipt.device, receipt.epoch, receipt.lane) == ("kiosk-1", station.epoch, "normal")
    assert (receipt.high_water, receipt.chain_head) == (3, two.head)
    assert receipt.audit_head == store.audit_head()


def test_a_repetition_is_acknowledged_again(store: Store, station: Station) -> None:
    one = station.message(station.group(record(1)))
    service = ingest(store)
    first, again = (service.take([one], at=NOW)[0] for _ in range(2))
    assert read(first) == read(again)
    assert len(list(store.records())) == 1


def test_a_gap_is_answered_with_the_mark_to_go_on_from(store: Store, station: Station) -> None:
    station.group(record(1))
    later = station.group(record(2))
    receipt = read(ingest(store).take([station.message(later)], at=NOW)[0])
    genesis = genesis_head(device="kiosk-1", epoch=station.epoch, lane="normal")
    assert (receipt.high_water, receipt.chain_head) == (0, genesis)


def test_each_lane_of_each_device_has_its_own_receipt(store: Store, station: Station) -> None:
    other = Station(id="kiosk-2")
    other.enrol(store, at=NOW)
    sent = [
        station.message(station.group(record(1), lane="urgent")),
        station.message(station.group(record(2))),
        other.message(other.group(record(3))),
    ]
    found = [read(answer) for answer in ingest(store).take(sent, at=NOW)]
    assert [(one.device, one.lane, one.high_water) for one in found] == [
        ("kiosk-1", "urgent", 1),
        ("kiosk-1", "normal", 1),
        ("kiosk-2", "normal", 1),
    ]


def test_a_fork_is_kept_and_answered_with_the_head_that_is_stored(
    store: Store, station: Station
) -> None:
    kept = station.group(record(1), keep=False)
    twin = station.group(record(2), keep=False)
    service = ingest(store)
    service.take([station.message(kept)], at=NOW)
    receipt = read(service.take([station.message(twin)], at=NOW)[0])
    assert (receipt.high_water, receipt.chain_head) == (1, kept.head)
    assert store.forks("kiosk-1") == 1


def test_refusals_are_counted_and_cost_nobody_else_anything(store: Store, station: Station) -> None:
    stranger = Station(id="stranger")
    simulated = station.group(record(9, simulated=Simulated(card=True)), keep=False)
    good = station.group(record(1))
    sent = [
        stranger.message(stranger.group(record(1))),
        station.message(b"noise"),
        Message("elsewhere", good.raw),
        station.message(simulated),
        station.message(good),
        station.message(b"noise", "st"),
    ]
    (answer,) = ingest(store).take(sent, at=NOW)
    assert read(answer).high_water == 1
    assert store.dropped() == {
        "device_unknown": 1,
        "malformed": 2,
        "topic_foreign": 1,
        "simulated": 1,
    }
    device = store.device("kiosk-1")
    assert device is not None
    assert (device.refused, device.last_refusal) == (1, "simulated")


def test_only_a_live_word_is_a_sign_of_life(store: Store, station: Station) -> None:
    service, later = ingest(store), NOW + timedelta(hours=1)
    st = topic("kiosk-1", "st", shards=SHARDS)

    def after(*messages: Message) -> tuple[str, str | None]:
        assert service.take(messages, at=later) == []
        device = store.device("kiosk-1")
        assert device is not None
        return device.link, device.last_seen

    assert after(Message(st, b'{"link":"online"}', retained=True)) == ("online", None)
    assert after(Message(st, b'{"link":"offline"}')) == ("offline", None)
    assert after(Message(st, b'{"link":"online"}')) == ("online", later.isoformat())


def test_a_database_that_fails_gives_no_receipt_and_keeps_nothing(
    store: Store, station: Station, tmp_path: Path
) -> None:
    one = station.message(station.group(record(1)))
    with closing(sqlite3.connect(tmp_path / "fleet.db")) as elsewhere, elsewhere:
        elsewhere.execute("ALTER TABLE audit RENAME TO gone")
    with pytest.raises(StoreError):
        ingest(store).take([one], at=NOW)
    assert list(store.records()) == []
    store.close()
    with pytest.raises(StoreError):
        ingest(store).take([one], at=NOW)


def test_no_log_line_holds_what_came(store: Store, station: Station) -> None:
    sealed = station.group(record(4242))
    with structlog.testing.capture_logs() as lines:
        ingest(store).take(
            [
                station.message(sealed),
                station.message(b"999095012345"),
                Message("f/1/0/NGUYEN/ev", b"999095012345"),
            ],
            at=NOW,
        )
    assert [line["event"] for line in lines] == ["message_dropped"] * 2 + ["groups_taken"]
    said = repr(lines)
    assert not [word for word in ("999095", "NGUYEN", "4242", "accepted") if word in said]


def test_keys_that_are_missing_are_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(HomeUnusableError):
        Keys.load(FleetHome(tmp_path), shards=1)
    with pytest.raises(HomeUnusableError):
        FleetHome(tmp_path).config()
