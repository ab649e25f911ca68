"""Damage: found and said by a typed error, or without effect; never a silent loss."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from outbox_material import STATION, STRANGER, deliver, draft, marks, opened

from kiosk.outbox import Outbox, OutboxError, QueueBroken, QueueDamaged, QueueFailed, Store, examine
from wire.record import LANES

FLIPS = 120


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A queue of twelve groups in two lanes, two of them acknowledged, closed."""
    path = tmp_path_factory.mktemp("whole") / "outbox.db"
    with opened(path) as outbox:
        for n in range(12):
            lane = ("normal", "urgent")[n % 2]
            outbox.append([draft(n, lane=lane, sod=900 if n % 3 else 9_000)])
        deliver(outbox, 2)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "outbox.db"))


def change(path: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        assert db.execute(statement, values).rowcount != 0


def contents(outbox: Outbox) -> list[object]:
    return [
        (
            outbox.lane(lane).next_seq,
            outbox.lane(lane).chain_head,
            *tuple(group.raw for group in outbox.unacknowledged(lane, 0, 100)),
        )
        for lane in LANES
    ]


def test_any_flipped_bit_is_found_or_without_effect(whole: Path, tmp_path: Path) -> None:
    raw = whole.read_bytes()
    with opened(whole) as outbox:
        right = contents(outbox)
    rng, found = random.Random(12), 0
    page = 4096
    for n in range(FLIPS):
        head = rng.randrange(len(raw) // page) * page + rng.randrange(60)
        at = head if n % 3 == 0 else rng.randrange(len(raw))
        damaged = bytearray(raw)
        damaged[at] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{n}.db"
        path.write_bytes(damaged)
        try:
            with opened(path) as outbox:
                outbox.verify()
                assert contents(outbox) == right
        except OutboxError:
            found += 1
            use_it_all(path)
    assert found > FLIPS // 2


def use_it_all(path: Path) -> None:
    """Whatever the damage, every door answers with a value or a typed error."""
    with contextlib.suppress(OutboxError), opened(path) as outbox:
        for door in (
            outbox.status,
            lambda: marks_or_nothing(outbox),
            lambda: outbox.append([draft(1)]),
            lambda: deliver(outbox, 4),
            lambda: outbox.lane("urgent"),
        ):
            with contextlib.suppress(OutboxError):
                door()


def marks_or_nothing(outbox: Outbox) -> object:
    return outbox.unacknowledged("normal", 0, 100)


def test_the_wholesome_one_is_whole(copy: Path) -> None:
    with opened(copy) as outbox:
        assert (outbox.verify().groups, outbox.verify().records) == (12, 12)
        assert outbox.status()["chain"] == "ok"
        assert len(marks(outbox)) == 6


def broken(path: Path) -> QueueBroken:
    with opened(path) as outbox, pytest.raises(QueueBroken) as found:
        outbox.verify()
    return found.value


def test_a_changed_group_is_found_at_its_place(copy: Path) -> None:
    change(
        copy,
        "UPDATE groups SET raw = CAST(substr(raw, 1, 99) || substr(raw, 101) AS BLOB) WHERE id = 5",
    )
    assert (broken(copy).lane, broken(copy).seq) == ("normal", 3)
    assert str(broken(copy)).startswith("normal 3: ")


@pytest.mark.parametrize("first", [3, 4, 6])
def test_a_missing_group_is_found(copy: Path, first: int) -> None:
    change(copy, "DELETE FROM groups WHERE lane = 'normal' AND first = ?", first)
    assert (broken(copy).lane, broken(copy).seq) == ("normal", first)
    with opened(copy) as outbox:
        assert outbox.status()["chain"] == "broken"


def test_a_missing_acknowledged_group_is_missed_within_the_tail_only(copy: Path) -> None:
    change(copy, "DELETE FROM groups WHERE lane = 'normal' AND first = 1")
    with opened(copy) as outbox:
        assert outbox.verify().records == 11
    change(copy, "DELETE FROM groups WHERE lane = 'normal' AND first = 3")
    assert broken(copy).seq == 3


def test_two_groups_in_each_others_place_are_found(copy: Path) -> None:
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        third, fourth = (
            db.execute("SELECT raw FROM groups WHERE lane='normal' AND first=?", (n,)).fetchone()[0]
            for n in (3, 4)
        )
        for first, raw in ((3, fourth), (4, third)):
            db.execute("UPDATE groups SET raw=? WHERE lane='normal' AND first=?", (raw, first))
    assert broken(copy).seq == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lanes SET chain_head = zeroblob(32) WHERE lane = 'normal'",
        "UPDATE lanes SET next_seq = next_seq + 1 WHERE lane = 'normal'",
        "UPDATE lanes SET next_seq = next_seq - 1 WHERE lane = 'normal'",
        "UPDATE lanes SET chain_head = zeroblob(32) WHERE lane = 'security'",
        "UPDATE lanes SET next_seq = 2 WHERE lane = 'security'",
        "UPDATE groups SET head = zeroblob(32) WHERE id = 5",
        "UPDATE groups SET previous_head = zeroblob(32) WHERE id = 1",
        "UPDATE groups SET count = 2 WHERE id = 5",
        "UPDATE groups SET lane = 'security' WHERE id = 5",
        "UPDATE meta SET epoch = zeroblob(16)",
    ],
)
def test_a_changed_index_is_found(copy: Path, statement: str) -> None:
    change(copy, statement)
    with opened(copy) as outbox:
        assert outbox.status()["chain"] == "broken"
    broken(copy)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM lanes WHERE lane = 'urgent'", "UPDATE lanes SET lane = 'x'||lane"]
)
def test_a_lost_lane_is_a_failed_queue(copy: Path, statement: str) -> None:
    change(copy, statement)
    with pytest.raises(QueueDamaged, match="lost a lane"):
        opened(copy)
    with contextlib.closing(Store.open(copy)) as store, pytest.raises(QueueDamaged):
        examine(store, station_key=STATION.public_key_der)


def test_a_lost_owner_is_a_failed_queue(copy: Path) -> None:
    with opened(copy) as outbox:
        outbox._store._db.execute("DELETE FROM meta")
        with pytest.raises(QueueFailed, match="owner"):
            outbox.status()


def test_another_stations_signature_is_found(copy: Path) -> None:
    with contextlib.closing(Store.open(copy)) as store:
        assert examine(store, station_key=STATION.public_key_der).records == 12
        with pytest.raises(QueueBroken):
            examine(store, station_key=STRANGER.public_key_der)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_file_cut_off_is_found(copy: Path, keep: float) -> None:
    raw = copy.read_bytes()
    copy.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises((QueueBroken, QueueFailed)), opened(copy) as outbox:
        outbox.verify()


def test_a_page_of_zeros_is_found(copy: Path) -> None:
    raw = copy.read_bytes()
    for page in range(1, len(raw) // 4096):
        damaged = raw[: page * 4096] + bytes(4096) + raw[(page + 1) * 4096 :]
        copy.write_bytes(damaged)
        with pytest.raises((QueueBroken, QueueFailed)), opened(copy) as outbox:
            outbox.verify()


def test_a_damaged_schema_whose_message_is_no_text_is_a_failed_queue(copy: Path) -> None:
    """Python then raises an error of its own, about the message."""
    raw = copy.read_bytes()
    assert raw.count(b"CREATE TABLE meta") == 1
    copy.write_bytes(raw.replace(b"CREATE TABLE meta", b"CREATE TABL\xd2 meta"))
    with contextlib.closing(sqlite3.connect(copy)) as db, pytest.raises(UnicodeDecodeError):
        db.execute("SELECT count(*) FROM sqlite_schema")
    with pytest.raises(QueueFailed):
        opened(copy)


def test_a_failed_file_is_closed_for_good(copy: Path) -> None:
    """After an error nobody knows what the disk holds: it is opened again, never asked again."""
    with opened(copy) as outbox:
        assert outbox.status()["chain"] == "ok"
        outbox._store._db.execute("ALTER TABLE records RENAME TO lost")
        for call in (
            lambda: outbox.append([draft(1)]),
            outbox.status,
            lambda: outbox.unacknowledged("normal"),
        ):
            with pytest.raises(QueueFailed):
                call()
    change(copy, "ALTER TABLE lost RENAME TO records")
    with opened(copy) as again:
        assert again.verify().records == 12


def test_a_queue_that_another_process_locks_fails_and_goes_on(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiosk.outbox.store._BUSY_TIMEOUT_S", 0.05)
    with opened(copy) as outbox:
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(QueueFailed):
                outbox.append([draft(1)])
            other.execute("ROLLBACK")
        assert outbox.append([draft(1)])[0].seq == 7
        assert outbox.verify()
