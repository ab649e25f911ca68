"""`tram outbox`: look at a station's queue without opening what it holds.

Knows options, the files of a device home and exit codes. What a queue is, and when it is whole,
stands in `kiosk.outbox`. It files nothing and opens nothing.

Exit codes: 0 whole; 1 the chain is broken; 2 usage; 3 a file can't be used.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from kiosk.outbox import OutboxError, QueueBroken, Store, examine, status_of

if TYPE_CHECKING:
    from kiosk.outbox import Status

BROKEN = 1
NEARLY_FULL = 0.9
FAILED = 3

_FILE = click.option(
    "--outbox",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The queue's database.",
)
_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="A device home: its queue, checked with its station key.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def outbox() -> None:
    """Look at the local queue: how full, how old, whether it is whole.

    Example: tram outbox status --home build/demo/kiosk --json
    """


@outbox.command()
@_FILE
@_HOME
@_JSON
def status(file: Path | None, home: Path | None, as_json: bool) -> None:
    """Show the lanes, the oldest waiting record, the space used and the chain check.

    Example: tram outbox status --outbox outbox.db
    """
    with closing(_open(file, home)) as store:
        try:
            state = status_of(store, now=time.time())
        except OutboxError as error:
            raise _failed(error) from error
        why = ""
        try:
            examine(store, station_key=_station_key(store, home))
        except OutboxError as error:
            state["chain"], why = "broken", str(error)
            click.echo(f"chain: {error}", err=True)
    click.echo(json.dumps(state) if as_json else _in_words(state, why))
    raise SystemExit(0 if state["chain"] == "ok" else BROKEN)


@outbox.command()
@_FILE
@_HOME
@_JSON
def verify(file: Path | None, home: Path | None, as_json: bool) -> None:
    """Read every group held: its bytes, its signature, its place in the chain.

    Without --home the key is the one that the file itself names: that finds damage, not a forger.

    Example: tram outbox verify --home build/demo/kiosk
    """
    with closing(_open(file, home)) as store:
        try:
            found = examine(store, station_key=_station_key(store, home))
        except QueueBroken as error:
            at = {"chain": "broken", "lane": error.lane, "seq": error.seq}
            click.echo(str(error), err=True)
            click.echo(json.dumps(at) if as_json else f"broken at {error.lane} {error.seq}")
            raise SystemExit(BROKEN) from error
        except OutboxError as error:
            raise _failed(error) from error
    whole = {"chain": "ok", **asdict(found)}
    click.echo(json.dumps(whole) if as_json else f"{found.records} records held, all whole")


def _open(file: Path | None, home: Path | None) -> Store:
    match file, home:
        case Path(), None:
            path = file
        case None, Path():
            path = home / "outbox.db"
        case _:
            raise click.UsageError("give --outbox FILE or --home HOME")
    if not path.exists():
        click.echo(_missing(path), err=True)
        raise SystemExit(FAILED)
    try:
        return Store.open(path)
    except OutboxError as error:
        raise _failed(error) from error


def _missing(path: Path) -> str:
    """Return which part of a queue's path is not there, and what makes it."""
    missing = path if path.parent.exists() else path.parent
    makes = "tram verify and tram kiosk make it in a device home, as make demo makes one"
    return f"{missing}: No such file or directory; the queue is outbox.db: {makes}"


def _station_key(store: Store, home: Path | None) -> bytes:
    """Return the public key that must have signed, from the home if there is one."""
    if home is None:
        return store.owner().station_key
    try:
        pem = (home / "keys" / "station.key.pem").read_bytes()
        key = load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _failed(error) from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _failed(error: Exception) -> SystemExit:
    click.echo(str(error), err=True)
    return SystemExit(FAILED)


def _in_words(state: Status, why: str) -> str:
    lines = [
        f"{name:9} next {lane['next']}, acknowledged {lane['acked']}, waiting {lane['waiting']}"
        + ("" if lane["oldest_s"] is None else f", the oldest for {lane['oldest_s']} s")
        for name, lane in state["lanes"].items()
    ]
    full = state["bytes"] >= NEARLY_FULL * state["quota"]
    room = ": nearly full, and a full one ends every session; is the link running?" if full else ""
    lines += [f"{state['bytes']} of {state['quota']} bytes{room}"]
    lines += [f"chain {state['chain']}" + (f": {why}" if why else "")]
    return "\n".join(lines)
