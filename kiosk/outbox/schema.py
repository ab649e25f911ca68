"""The tables of the queue, one migration after the other.

Sequence numbers live in `lanes`, never in an AUTOINCREMENT: deleting a row can't give its number
away again. Nothing here is ordered or found by a clock; `filed_at` serves the retention of what is
already acknowledged, and the age that staff see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kiosk.outbox.errors import QueueFailed

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x5472616D
"""Marks the file as ours ("Tram")."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            device TEXT NOT NULL,
            epoch BLOB NOT NULL CHECK (length(epoch) = 16),
            station_key BLOB NOT NULL,
            quota_bytes INTEGER NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE lanes (
            lane TEXT PRIMARY KEY,
            next_seq INTEGER NOT NULL CHECK (next_seq >= 1),
            acked_seq INTEGER NOT NULL CHECK (acked_seq >= 0 AND acked_seq < next_seq),
            chain_head BLOB NOT NULL CHECK (length(chain_head) = 32)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE groups (
            id INTEGER PRIMARY KEY,
            lane TEXT NOT NULL,
            first INTEGER NOT NULL,
            count INTEGER NOT NULL CHECK (count >= 1),
            previous_head BLOB NOT NULL CHECK (length(previous_head) = 32),
            head BLOB NOT NULL CHECK (length(head) = 32),
            filed_at INTEGER NOT NULL,
            raw BLOB NOT NULL,
            UNIQUE (lane, first)
        ) STRICT
        """,
        """
        CREATE TABLE records (
            lane TEXT NOT NULL,
            seq INTEGER NOT NULL,
            first INTEGER NOT NULL,
            type TEXT NOT NULL,
            PRIMARY KEY (lane, seq)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)


def recognise(db: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 for a new file, having changed nothing.

    Raises:
        QueueFailed: the file is another program's or a newer version's.
        sqlite3.Error: it isn't a database, or the disk refuses.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise QueueFailed("this database is not a queue")
    if version > len(MIGRATIONS):
        raise QueueFailed(f"the queue was made by a newer version ({version})")
    return cast("int", version)


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables to this version, in one transaction that the caller has begun.

    Raises:
        QueueFailed: see `recognise`.
        sqlite3.Error: the disk refuses.
    """
    version = recognise(db)
    if version == len(MIGRATIONS):
        return  # even the same pragma again would be a write, and the disk may be full
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
