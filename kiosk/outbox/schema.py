"""The tables of the queue, one migration after the other.

Sequence numbers live in `lanes`, never in an AUTOINCREMENT: deleting a row can't give its number
away again. Nothing here is ordered or found by a clock; `filed_at` serves the retention of what is
already acknowledged, and the age that staff see. A tombstone stands among the groups, in the place
of what it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kiosk.outbox.errors import QueueDamaged, QueueNewer

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
    (
        "ALTER TABLE meta ADD COLUMN usable_from INTEGER NOT NULL DEFAULT 2",
        "ALTER TABLE lanes ADD COLUMN sum BLOB",
        "ALTER TABLE groups ADD COLUMN sum INTEGER",
        "ALTER TABLE groups ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",
    ),
)
"""`meta.usable_from` is the oldest version whose software may go on with the file: a migration that
only adds what older software does without leaves it, any other raises it. `lanes.sum` and
`groups.sum` tell a damaged row from a true one; rows of version 1 have none until they are written
again."""


def recognise(db: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 for a new file, having changed nothing.

    Raises:
        QueueDamaged: the file is another program's, or isn't what ours once was.
        QueueNewer: a newer version made it, and this one may not touch it.
        sqlite3.Error: it isn't a database, or the disk refuses.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise QueueDamaged("this database is not a queue")
    if version > len(MIGRATIONS) and not _usable(db):
        raise QueueNewer(version=version, spoken=len(MIGRATIONS))
    return cast("int", version)


def _usable(db: sqlite3.Connection) -> bool:
    """Return whether what made a newer file says that this version may go on with it."""
    columns = {name for _, name, *_ in db.execute("PRAGMA table_info(meta)")}
    if "usable_from" not in columns:
        return False
    (oldest,) = db.execute("SELECT total(usable_from) FROM meta").fetchone()
    return bool(0 < oldest <= len(MIGRATIONS))


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables to this version, in one transaction that the caller has begun.

    Raises:
        QueueFailed: see `recognise`.
        sqlite3.Error: the disk refuses.
    """
    version = recognise(db)
    if version >= len(MIGRATIONS):
        return  # even the same pragma again would be a write, and the disk may be full
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
