"""The fleet database's tables, as numbered steps from nothing to today's shape.

Knows plain SQL that SQLite runs; PostgreSQL differs by the name of BLOB alone. Steps are never
edited once released, only added: an old database walks the steps that it lacks.
"""

from __future__ import annotations

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE device (
        id TEXT PRIMARY KEY,
        site TEXT NOT NULL,
        station_key BLOB NOT NULL,
        simulators_allowed INTEGER NOT NULL,
        enrolled_at TEXT NOT NULL,
        last_seen TEXT,
        link TEXT NOT NULL DEFAULT 'unknown',
        refused INTEGER NOT NULL DEFAULT 0,
        last_refusal TEXT
    );
    CREATE TABLE lane (
        device TEXT NOT NULL REFERENCES device (id),
        epoch BLOB NOT NULL,
        lane TEXT NOT NULL,
        high_water BIGINT NOT NULL,
        head BLOB NOT NULL,
        PRIMARY KEY (device, epoch, lane)
    );
    CREATE TABLE commit_group (
        device TEXT NOT NULL,
        epoch BLOB NOT NULL,
        lane TEXT NOT NULL,
        first BIGINT NOT NULL,
        count INTEGER NOT NULL,
        previous_head BLOB NOT NULL,
        head BLOB NOT NULL,
        sealed BLOB NOT NULL,
        received_at TEXT NOT NULL,
        PRIMARY KEY (device, epoch, lane, first),
        FOREIGN KEY (device, epoch, lane) REFERENCES lane (device, epoch, lane)
    );
    CREATE TABLE record (
        device TEXT NOT NULL,
        epoch BLOB NOT NULL,
        lane TEXT NOT NULL,
        seq BIGINT NOT NULL,
        operations TEXT NOT NULL,
        PRIMARY KEY (device, epoch, lane, seq),
        FOREIGN KEY (device, epoch, lane) REFERENCES lane (device, epoch, lane)
    );
    CREATE TABLE fork (
        device TEXT NOT NULL REFERENCES device (id),
        epoch BLOB NOT NULL,
        lane TEXT NOT NULL,
        first BIGINT NOT NULL,
        head BLOB NOT NULL,
        sealed BLOB NOT NULL,
        received_at TEXT NOT NULL,
        PRIMARY KEY (device, epoch, lane, first, head)
    );
    CREATE TABLE audit (
        number BIGINT PRIMARY KEY,
        group_head BLOB NOT NULL,
        head BLOB NOT NULL
    );
    CREATE TABLE dropped (
        why TEXT PRIMARY KEY,
        count BIGINT NOT NULL
    );
    """,
    """
    CREATE TABLE tombstone (
        device TEXT NOT NULL,
        epoch BLOB NOT NULL,
        lane TEXT NOT NULL,
        first BIGINT NOT NULL,
        last BIGINT NOT NULL,
        given BIGINT NOT NULL,
        previous_head BLOB NOT NULL,
        head BLOB NOT NULL,
        quarantine BLOB NOT NULL,
        sealed BLOB NOT NULL,
        received_at TEXT NOT NULL,
        PRIMARY KEY (device, epoch, lane, first, last),
        FOREIGN KEY (device, epoch, lane) REFERENCES lane (device, epoch, lane)
    );
    """,
)
"""Step n makes version n + 1. `operations` is the opened operations part as JSON; `sealed` is the
whole group as the station signed it, identity ciphertexts inside, never opened here. A tombstone
covers first to last; that its station lost them doesn't mean that they are not stored."""
