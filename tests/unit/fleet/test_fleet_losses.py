"""Tombstones at the fleet: a lane goes on over what its station lost; nothing stored is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from fleet_material import EPOCH, RECEIPT_KEYS, Station, ingest, record

from fleet.ingest.deliveries import RefusedError, read_tombstone
from fleet.store.acceptance import Acceptance, LaneMarks, LossPlace, judge_loss
from fleet.store.schema import STEPS
from fleet.store.store import Store
from wire.group import chain_head, genesis_head
from wire.receipt import verify_receipt
from wire.tombstone import TombstoneBody, seal_tombstone
from wire.topics import Topic, shard_of

if TYPE_CHECKING:
    from pathlib import Path

    from wire.group import SealedGroup
    from wire.receipt import VerifiedReceipt

STORE, REPEAT, GAP, FOUND, FORK = Acceptance
NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
QUARANTINE = b"q" * 32
GENESIS = genesis_head(device="kiosk-1", epoch=EPOCH, lane="normal")
KEYS = {shard: signer.public_key_der for shard, signer in RECEIPT_KEYS.items()}


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def store(tmp_path: Path, station: Station):
    with Store.open(tmp_path / "fleet.db") as opened:
        station.enrol(opened, at=NOW)
        yield opened


def tombstone(station: Station, first: int, last: int, **changes: Any) -> SealedGroup:
    fields = {
        "device": station.id,
        "epoch": station.epoch,
        "lane": "normal",
        "first": first,
        "last": last,
        "given": last - first + 1,
        "previous_head": GENESIS,
        "next_head": b"n" * 32,
        "quarantine": QUARANTINE,
    }
    return seal_tombstone(TombstoneBody(**(fields | changes)), station.signer)


def bridge(station: Station, *lost: SealedGroup) -> SealedGroup:
    """A tombstone in the place of groups."""
    return tombstone(
        station,
        lost[0].first,
        lost[-1].last,
        previous_head=lost[0].previous_head,
        next_head=lost[-1].head,
    )


def take(store: Store, station: Station, *sealed: SealedGroup | bytes) -> VerifiedReceipt | None:
    """Let ingest take messages; return the last receipt."""
    answers = ingest(store).take([station.message(each) for each in sealed], at=NOW)
    return verify_receipt(answers[-1].payload, KEYS) if answers else None


def stored(store: Store, station: Station) -> list[tuple[int, int]]:
    """(Sequence number, mark) of what is stored."""
    import json

    return [(seq, json.loads(part)["at_hour"]) for _, seq, part in store.records(station.id)]


@pytest.fixture
def six(station: Station) -> list[SealedGroup]:
    """Six groups of one record."""
    return [station.group(record(n)) for n in range(1, 7)]


def test_a_lane_goes_on_over_a_bridge(
    store: Store, station: Station, six: list[SealedGroup]
) -> None:
    lost = bridge(station, six[2], six[3])
    word = take(store, station, six[0], six[1], six[4])
    assert word is not None
    assert word.high_water == 2
    word = take(store, station, lost, six[4], six[5])
    assert word is not None
    assert (word.high_water, word.chain_head) == (6, six[5].head)
    assert [seq for seq, _ in stored(store, station)] == [1, 2, 5, 6]
    assert [found[1:] for found in store.losses(station.id)] == [(3, 4, 2)]
    assert store.forks(station.id) == 0
    assert store.audit_head()


def test_a_tombstone_comes_again_and_nothing_changes(
    store: Store, station: Station, six: list[SealedGroup]
) -> None:
    lost = bridge(station, six[1])
    take(store, station, six[0], lost, six[2])
    before = (store.losses(station.id), store.audit_head(), stored(store, station))
    word = take(store, station, six[0], lost, six[2], lost)
    assert word is not None
    assert word.high_water == 3
    assert (store.losses(station.id), store.audit_head(), stored(store, station)) == before


def test_what_the_fleet_holds_is_not_lost_because_its_station_lost_it(
    store: Store, station: Station, six: list[SealedGroup]
) -> None:
    """The station never heard that three and four arrived; its tombstone reaches beyond them."""
    take(store, station, *six[:4])
    word = take(store, station, bridge(station, *six[2:5]), six[5])
    assert word is not None
    assert (word.high_water, word.chain_head) == (6, six[5].head)
    assert [seq for seq, _ in stored(store, station)] == [1, 2, 3, 4, 6]
    word = take(store, station, bridge(station, six[1], six[2]))
    assert word is not None
    assert word.high_water == 6
    assert store.forks(station.id) == 0


def test_a_station_that_lost_its_place_begins_above_every_number(
    store: Store, station: Station, six: list[SealedGroup]
) -> None:
    take(store, station, *six[:4])
    restart = tombstone(station, 1, 4_097, given=6, next_head=None)
    word = take(store, station, restart)
    assert word is not None
    assert (word.high_water, word.chain_head) == (4_097, restart.head)
    station._heads["normal"] = (4_098, restart.head)
    word = take(store, station, station.group(record(9)))
    assert word is not None
    assert word.high_water == 4_098
    assert stored(store, station) == [(1, 1), (2, 2), (3, 3), (4, 4), (4_098, 9)]
    assert store.forks(station.id) == 0


def test_what_is_found_after_all_is_stored_and_moves_nothing(
    store: Store, station: Station, six: list[SealedGroup]
) -> None:
    """E.g. a stick with an export that was made before the damage arrives after the tombstone."""
    take(store, station, six[0], bridge(station, *six[1:4]), six[4])
    word = take(store, station, six[2], six[1])
    assert word is not None
    assert (word.high_water, word.chain_head) == (5, six[4].head)
    assert stored(store, station) == [(1, 1), (2, 2), (3, 3), (5, 5)]
    assert store.forks(station.id) == 0
    take(store, station, six[2])
    assert store.forks(station.id) == 0
    other = Station(signer=station.signer)
    other._heads["normal"] = (3, six[1].head)
    take(store, station, other.group(record(33)))
    assert store.forks(station.id) == 1
    assert stored(store, station) == [(1, 1), (2, 2), (3, 3), (5, 5)]
    assert store.audit_head()


@pytest.mark.parametrize(
    "changes",
    [
        {"previous_head": b"x" * 32},
        {"first": 2, "previous_head": b"x" * 32},
        {"first": 5, "last": 6, "previous_head": b"x" * 32},
        {"first": 3, "last": 3, "previous_head": b"x" * 32},
        {"first": 1, "last": 3, "next_head": b"x" * 32},
        {"first": 1, "last": 4, "next_head": b"x" * 32},
        {"first": 1, "last": 4, "next_head": None},
    ],
)
def test_a_tombstone_of_another_history_is_a_fork(
    store: Store, station: Station, six: list[SealedGroup], changes: dict[str, Any]
) -> None:
    take(store, station, *six[:4])
    found = {"first": 1, "last": 9} | changes
    given = found["last"] - found["first"] + 1
    word = take(store, station, tombstone(station, **(found | {"given": given})))
    assert word is not None
    assert (word.high_water, word.chain_head) == (4, six[3].head)
    assert (store.forks(station.id), store.losses(station.id)) == (1, [])


def test_a_tombstone_ahead_waits(store: Store, station: Station, six: list[SealedGroup]) -> None:
    word = take(store, station, six[0], bridge(station, six[2]))
    assert word is not None
    assert word.high_water == 1
    assert (store.forks(station.id), store.losses(station.id)) == (0, [])


def test_whose_signature_it_is_not_is_refused(store: Store, station: Station) -> None:
    stranger = Station()
    other = Station("kiosk-2", signer=station.signer)
    messages = [
        station.message(tombstone(stranger, 1, 1)),
        station.message(tombstone(other, 1, 1)),
        station.message(tombstone(station, 1, 1).raw[:-1]),
        Station("kiosk-9").message(tombstone(station, 1, 1)),
    ]
    assert ingest(store).take(messages, at=NOW) == []
    assert store.dropped() == {
        "device_other": 1,
        "device_unknown": 1,
        "malformed": 1,
        "signature_invalid": 1,
    }
    assert store.losses(station.id) == []


def test_a_group_is_no_tombstone(station: Station) -> None:
    topic = Topic(shard_of("kiosk-1", shards=4), "kiosk-1", "ev")
    with pytest.raises(RefusedError, match="malformed"):
        read_tombstone(station.group(record(1)).raw, topic, enrolled=lambda _: station.device())


def test_every_cell_of_the_table() -> None:
    """Four numbers are stored; two heads, each the right one or another."""
    right, other = b"right", b"other"
    marks = LaneMarks(4, right)
    for first, last, past, head, restarts, begins, ends in product(
        range(1, 7),
        range(1, 7),
        (right, other),
        (right, other),
        (0, 1),
        (right, None),
        (right, None),
    ):
        if last < first:
            continue
        place = LossPlace(first, last, past, head, bool(restarts), begins, ends)
        verdict = judge_loss(place, marks, genesis=right, stored=False)
        assert judge_loss(place, marks, genesis=right, stored=True) is REPEAT
        built_on = right if first in (1, 5) else begins
        if first > 5:
            assert verdict is GAP
        elif past != built_on:
            assert verdict is FORK
        elif last > 4:
            assert verdict is STORE
        elif restarts:
            assert verdict is FORK
        else:
            goes_on = right if last == 4 else ends
            assert verdict is (REPEAT if goes_on in (None, head) else FORK)


def test_a_database_from_before_is_taken_over(tmp_path: Path, station: Station) -> None:
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in filter(str.strip, STEPS[0].split(";")):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
    with Store.open(path) as store:
        station.enrol(store, at=NOW)
        groups = [station.group(record(n)) for n in range(3)]
        word = take(store, station, groups[0], bridge(station, groups[1]), groups[2])
        assert word is not None
        assert word.high_water == 3


def test_the_head_of_a_restart_is_its_own(station: Station) -> None:
    one = tombstone(station, 1, 9, given=2, next_head=None)
    other = tombstone(station, 1, 9, given=3, next_head=None)
    assert len({one.head, other.head, GENESIS}) == 3
    assert chain_head(GENESIS, b"") != one.head
