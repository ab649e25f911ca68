"""The file: whose it is, who may read it, how it is synced, and that no person stands in it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from outbox_material import DEVICE, DG1, NUMBER, STATION, STRANGER, draft, marks, opened

from kiosk.outbox import DEFAULT_QUOTA_BYTES, QueueFailed, Store
from kiosk.outbox.schema import APPLICATION_ID, MIGRATIONS
from wire.cose import PrivateKeySigner
from wire.errors import Malformed

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_its_owner_may_read_any_of_its_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "outbox.db") as outbox:
            outbox.append([draft(1)])
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    names = {"outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.reserve"}
    names |= {"outbox.db.marks", "outbox.db.lock"}
    assert modes == dict.fromkeys(names, 0o600)


def test_every_commit_is_synced_and_every_page_checked(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db") as outbox:
        outbox.append([draft(1)])
        db = outbox._store._db
        said = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "synchronous",
                "journal_mode",
                "wal_autocheckpoint",
                "cell_size_check",
                "trusted_schema",
                "application_id",
                "user_version",
                "max_page_count",
            )
        }
    assert said == {
        "synchronous": 2,
        "journal_mode": "wal",
        "wal_autocheckpoint": 100,
        "cell_size_check": 1,
        "trusted_schema": 0,
        "application_id": APPLICATION_ID,
        "user_version": len(MIGRATIONS),
        "max_page_count": DEFAULT_QUOTA_BYTES // 4096,
    }


SECRETS = (
    NUMBER.encode(),
    DG1,
    NUMBER.encode("utf-16-le"),
    b"SODSODSOD",
    b"hn-ward-7",
    b"face_unsure",
)


def found_in(folder: Path) -> set[tuple[str, bytes]]:
    return {
        (name, secret) for name, raw in files(folder).items() for secret in SECRETS if secret in raw
    }


def test_no_person_and_no_outcome_stands_in_clear_in_any_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        for n in range(40):
            outbox.append([draft(n), draft(n, lane="urgent")])
        assert len(marks(outbox)) == 40
        assert set(files(tmp_path)) >= {"outbox.db", "outbox.db-wal"}
        assert found_in(tmp_path) == set()
    assert found_in(tmp_path) == set()


def test_the_scan_finds_a_planted_value(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.db") as outbox:
        outbox.append([draft(1)])
        db = outbox._store._db
        db.execute("CREATE TABLE planted (value)")
        for secret in SECRETS:
            db.execute("INSERT INTO planted VALUES (?)", (secret,))
        assert {secret for _, secret in found_in(tmp_path)} == set(SECRETS)
    assert {(name, secret) for name, secret in found_in(tmp_path) if name == "outbox.db"} == {
        ("outbox.db", secret) for secret in SECRETS
    }


def test_another_devices_or_another_keys_queue_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        outbox.append([draft(1)])
    before = path.read_bytes()
    for other in (
        {"device": "kiosk-2"},
        {"signer": STRANGER},
        {"signer": PrivateKeySigner(ec.generate_private_key(ec.SECP256R1()))},
    ):
        with pytest.raises(QueueFailed, match="another"):
            opened(path, **other)
    assert path.read_bytes() == before
    with opened(path) as outbox:
        assert outbox.append([draft(2)])[0].seq == 2


def test_a_name_that_is_no_device_id_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        opened(tmp_path / "outbox.db", device="Kiosk 1")
    assert not files(tmp_path)


def test_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    opened(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        db.execute("UPDATE meta SET usable_from = ?", (len(MIGRATIONS) + 1,))
        db.commit()
    before = path.read_bytes()
    with pytest.raises(QueueFailed, match="newer"):
        opened(path)
    with pytest.raises(QueueFailed, match="newer"):
        Store.open(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (value)")
    before = path.read_bytes()
    for attempt in (opened, Store.open):
        with pytest.raises(QueueFailed, match="not a queue"):
            attempt(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0" + bytes(100), bytes(9000)])
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    for attempt in (opened, Store.open):
        with pytest.raises(QueueFailed):
            attempt(path)
    assert path.read_bytes() == content


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "outbox.db"):
        with pytest.raises(QueueFailed):
            opened(path)
    with pytest.raises(QueueFailed):
        Store.open(tmp_path / "none.db")
    assert not files(tmp_path)


def test_an_empty_file_is_begun_by_a_station_alone(tmp_path: Path) -> None:
    """What is left of a station that lost power between making the file and its first commit."""
    path = tmp_path / "outbox.db"
    path.touch()
    with pytest.raises(QueueFailed):
        Store.open(path)
    with opened(path) as outbox:
        assert outbox.append([draft(1)])[0].seq == 1


def test_a_path_with_the_letters_of_an_address_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory&b#c%20.db"
    with opened(path) as outbox:
        outbox.append([draft(1)])
    assert path.stat().st_size
    with opened(path) as outbox:
        assert marks(outbox) == [(1, 1)]


def test_looking_at_a_queue_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        outbox.append([draft(1)])
    before = files(tmp_path)
    with contextlib.closing(Store.open(path)) as store:
        assert store.owner().device == DEVICE
        assert store.owner().station_key == STATION.public_key_der
        assert store.lanes()[2].waiting == 1
    assert files(tmp_path) == before


def test_opening_again_and_again_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    opened(path).close()
    before = path.read_bytes()
    for _ in range(3):
        opened(path).close()
    assert path.read_bytes() == before
