"""Reading SQLite's files without SQLite: what SQLite reads is the oracle."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.outbox.carve import PAGE_BYTES, Carver, Row

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (0, 1, 100, 3_900, 4_020, 4_061, 4_062, 4_096, 8_200, 20_000, 98_304)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a log of its own; rows of every kind of value and of sizes about a page."""
    folder, copy = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("copy")
    rng = random.Random(3)
    with contextlib.closing(sqlite3.connect(folder / "a.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, n INTEGER, x REAL, t TEXT, b BLOB)")
        db.execute("CREATE TABLE keys (k TEXT PRIMARY KEY, b BLOB) WITHOUT ROWID")
        for turn in range(3):
            for size in SIZES:
                n = rng.choice([0, 1, -1, 127, -32_768, 2**23, -(2**31), 2**40, 2**62, None])
                row = (
                    n,
                    rng.random(),
                    rng.choice(["", "x", "Việt Nam", None]),
                    rng.randbytes(size),
                )
                db.execute("INSERT INTO rows (n, x, t, b) VALUES (?, ?, ?, ?)", row)
            db.execute("INSERT INTO keys VALUES (?, ?)", (str(turn), rng.randbytes(40 * turn)))
            if turn == 0:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("UPDATE rows SET n = 5 WHERE id % 4 = 0")
        db.execute("DELETE FROM rows WHERE id % 5 = 0")
        for name in ("a.db", "a.db-wal"):
            shutil.copy(folder / name, copy / name)
    return copy


def sqlite_rows(path: Path) -> set[Row]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT NULL, n, x, t, b FROM rows").fetchall()
        return {*rows, *db.execute("SELECT k, b FROM keys").fetchall()}


def carved(path: Path, *, believed: bool) -> set[Row]:
    """Rows of these two tables; those that SQLite would have, or all."""
    with Carver(path, (path.with_name(path.name + "-wal"),)) as carver:
        return {
            row
            for place, row in carver.rows()
            if (not believed or place.view == 0) and len(row) in (2, 5) and row[0] != "table"
        }


def test_what_sqlite_reads_is_found(made: Path, tmp_path: Path) -> None:
    for name in ("a.db", "a.db-wal"):
        shutil.copy(made / name, tmp_path / name)
    found = carved(tmp_path / "a.db", believed=True)
    right = sqlite_rows(tmp_path / "a.db")
    assert len(right) > 25
    assert right <= found
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("VACUUM")
    assert carved(tmp_path / "a.db", believed=True) == right


def test_a_log_cut_anywhere_is_believed_as_far_as_sqlite_believes_it(
    made: Path, tmp_path: Path
) -> None:
    log = (made / "a.db-wal").read_bytes()
    frame = PAGE_BYTES + 24
    for at in [0, 31, *range(32, len(log), 3 * frame), len(log) - 1, len(log)]:
        folder = tmp_path / str(at)
        folder.mkdir()
        shutil.copy(made / "a.db", folder)
        (folder / "a.db-wal").write_bytes(log[:at])
        found = carved(folder / "a.db", believed=True)
        assert sqlite_rows(folder / "a.db") <= found


def test_a_torn_frame_ends_the_belief_and_not_the_search(made: Path, tmp_path: Path) -> None:
    log = bytearray((made / "a.db-wal").read_bytes())
    frame = PAGE_BYTES + 24
    shutil.copy(made / "a.db", tmp_path)
    everything = carved(made / "a.db", believed=False)
    log[32 + 4 * frame + 500] ^= 1
    (tmp_path / "a.db-wal").write_bytes(log)
    found = carved(tmp_path / "a.db", believed=True)
    assert len(everything & found) < len(everything)
    assert len(everything - carved(tmp_path / "a.db", believed=False)) <= 3
    assert sqlite_rows(tmp_path / "a.db") <= found


def test_a_place_gives_its_row_again(made: Path) -> None:
    with Carver(made / "a.db", (made / "a.db-wal",)) as carver:
        rows = list(carver.rows())
        assert [carver.row(place) for place, _ in rows] == [row for _, row in rows]


def test_files_that_are_not_there_have_no_rows(tmp_path: Path) -> None:
    with Carver(tmp_path / "none", (tmp_path / "none-wal",)) as carver:
        assert list(carver.rows()) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.integers(0, 2**20), st.sampled_from(["a.db", "a.db-wal"]))
def test_any_bytes_are_rows_or_none(
    made: Path, tmp_path: Path, raw: bytes, at: int, name: str
) -> None:
    for each in ("a.db", "a.db-wal"):
        shutil.copy(made / each, tmp_path / each)
    whole = bytearray((tmp_path / name).read_bytes())
    at %= len(whole)
    whole[at : at + len(raw)] = raw
    (tmp_path / name).write_bytes(whole)
    carved(tmp_path / "a.db", believed=False)


def test_a_chain_that_runs_in_a_circle_ends(tmp_path: Path) -> None:
    page = bytearray(PAGE_BYTES)
    page[0] = 0x0D
    page[3:5] = (1).to_bytes(2, "big")
    page[8:10] = (100).to_bytes(2, "big")
    page[100:104] = b"\x87\xff\x7f\x01"  # 131,071 bytes of payload
    circle = (2).to_bytes(4, "big") + bytes(PAGE_BYTES - 4)
    for at in range(104, PAGE_BYTES - 3, 4):
        page[at : at + 4] = (2).to_bytes(4, "big")
    (tmp_path / "a.db").write_bytes(bytes(page) + circle)
    with Carver(tmp_path / "a.db", ()) as carver:
        list(carver.rows())
