"""`tram fleet`: make a fleet, run its ingest, and look at what it holds.

Knows options, output and exit codes. What is taken, stored and answered stands in `fleet`; what a
fleet home is made of stands in `provisioning`. It opens no identity part: it hasn't the key.

Exit codes: 0 done, or told to end; 1 no such device, or not all was taken; 2 usage; 3 a file or
the database failed.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from fleet.home import FleetHome, HomeUnusableError
from fleet.ingest.carried import take_carried
from fleet.ingest.main import Ingest, Keys
from fleet.ingest.main import serve as serve_ingest
from fleet.store.store import Store, StoreError
from provisioning.fleet_home import init as make_fleet
from provisioning.private_files import AlreadyThereError
from tram.parts.said import in_words_of
from tram.parts.service import log_as_json, until_told
from wire.carried import write_carried
from wire.errors import WireError
from wire.policy import Finger
from wire.record import SECONDS_PER_HOUR, RecordIdentity
from wire.topics import DEFAULT_SHARDS, MAX_SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SUCH_DEVICE = 1
NOT_ALL = 1
FAILED = 3
MQTT_TLS_PORT = 8883
HOME_REMEDY = "tram fleet init makes a fleet home, and make demo one to try things with"

_HOME = click.option(
    "--home",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The fleet home.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def fleet() -> None:
    """Make a fleet, run its ingest, look at devices and records.

    Example: tram fleet devices --home build/fleet --json
    """


@fleet.command()
@_HOME
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the broker is reached.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=MQTT_TLS_PORT,
    show_default=True,
    help="Its port; 0 takes a free one.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_SHARDS),
    default=DEFAULT_SHARDS,
    show_default=True,
    help="Topic shards, fixed for good.",
)
@click.option("--allow-simulators", is_flag=True, help="Take records made with simulators.")
@click.option(
    "--finger",
    type=click.Choice(get_args(Finger)),
    default="never",
    show_default=True,
    help="What the first policy asks a finger for: nothing, one more proof, to stand in for a face "
    "that is neither the same nor another, or of everybody.",
)
@_JSON
def init(
    home: Path,
    host: str,
    port: int,
    shards: int,
    allow_simulators: bool,
    finger: Finger,
    as_json: bool,
) -> None:
    """Make a fleet: authority, broker files, keys, database and a first signed policy.

    Exit codes: 0 done; 2 usage; 3 the folder isn't empty, or can't be written.

    Example: tram fleet init --home build/fleet --port 0 --allow-simulators
    """
    with _failing():
        made = make_fleet(
            home,
            now=datetime.now(UTC),
            host=host,
            port=port,
            shards=shards,
            simulators_allowed=allow_simulators,
            finger=finger,
        )
        config = made.config()
    told = {
        "home": str(made.root),
        "host": config.host,
        "port": config.port,
        "shards": config.shards,
        "simulators_allowed": config.simulators_allowed,
        "broker": str(made.broker / "mosquitto.conf"),
    }
    in_words = f"{made.root} is made; start its broker: mosquitto -c {told['broker']}"
    click.echo(json.dumps(told) if as_json else in_words)


@fleet.command()
@_HOME
def serve(home: Path) -> None:
    """Take, store and acknowledge what devices deliver, until SIGTERM.

    JSON lines about machines go to stderr. Exit codes: 0 told to end; 2 usage; 3 the home isn't
    complete, or the database can't be used.

    Example: tram fleet serve --home build/fleet
    """
    log_as_json()
    with _failing():
        serve_ingest(FleetHome(home), until_told())


@fleet.command()
@_HOME
@_JSON
def devices(home: Path, as_json: bool) -> None:
    """List the enrolled devices: link, last sign of life, how far each lane is stored.

    Exit codes: 0 done; 2 usage; 3 the database can't be used.

    Example: tram fleet devices --home build/fleet --json
    """
    with _failing(), _store(home) as store:
        rows = list(_devices(store))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        lanes = ", ".join(f"{lane['lane']} {lane['high_water']}" for lane in row["lanes"])
        click.echo(
            f"{row['id']:16} {row['site']:12} link {row['link']}, last seen"
            f" {row['last_seen'] or 'never'}, {row['records']} records ({lanes or 'no lane'}),"
            f" {row['refused']} refused, {row['forks']} forks"
        )


@fleet.command()
@_HOME
@click.option("--device", help="Of this device only.")
@_JSON
def records(home: Path, device: str | None, as_json: bool) -> None:
    """List the records' operations parts: outcomes without people.

    Exit codes: 0 done; 1 no such device; 2 usage; 3 the database can't be used.

    Example: tram fleet records --home build/fleet --device kiosk-1 --json
    """
    with _failing(), _store(home) as store:
        if device is not None and store.device(device) is None:
            click.echo(f"tram fleet: {device} is not enrolled", err=True)
            raise SystemExit(NO_SUCH_DEVICE)
        rows = [_record(*found) for found in _identified(store, device)]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        hour = datetime.fromtimestamp(row["at_hour"] * SECONDS_PER_HOUR, UTC)
        reasons = ", ".join(row["reasons"]) or "-"
        click.echo(f"{row['record']}  {hour:%Y-%m-%dT%HZ}  {row['outcome']}  {reasons}")


@fleet.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_HOME
@click.option(
    "--receipts",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write what goes back to the device; there must be none of that name.",
)
@_JSON
def import_(file: Path, home: Path, receipts: Path, as_json: bool) -> None:
    """Take what `tram outbox export` wrote, exactly as if the broker had brought it.

    Exit codes: 0 all taken; 1 something was refused, or the file is cut off; 2 usage; 3 a file or
    the database failed.

    Example: tram fleet import groups.tram --home build/fleet --receipts receipts.tram
    """
    log_as_json()
    with _failing(), _store(home) as store, file.open("rb") as source, receipts.open("xb") as back:
        fleet_home = FleetHome(home)
        config = fleet_home.config()
        ingest = Ingest(store, Keys.load(fleet_home, shards=config.shards), config)
        before = store.dropped()
        taken = take_carried(ingest, source, shards=config.shards, at=datetime.now(UTC))
        write_carried(back, taken.receipts.values(), kind="receipts")
        refused = {
            why: count - before.get(why, 0)
            for why, count in store.dropped().items()
            if count > before.get(why, 0)
        }
    told = {
        "items": taken.items,
        "refused": refused,
        "unreadable": taken.unreadable,
        "cut_off": taken.cut_off,
        "receipts": len(taken.receipts),
    }
    in_words = (
        f"{taken.items} groups and tombstones read, {sum(refused.values())} refused,"
        f" {taken.unreadable} unreadable; {len(taken.receipts)} receipts in {receipts}"
        + ("; the file is cut off" if taken.cut_off else "")
    )
    click.echo(json.dumps(told) if as_json else in_words)
    raise SystemExit(NOT_ALL if refused or taken.unreadable or taken.cut_off else 0)


def _devices(store: Store) -> Iterator[dict[str, Any]]:
    for device in store.devices():
        yield {
            "id": device.id,
            "site": device.site,
            "link": device.link,
            "last_seen": device.last_seen,
            "enrolled_at": device.enrolled_at,
            "simulators_allowed": device.simulators_allowed,
            "lanes": [
                {"epoch": name.epoch.hex(), "lane": name.lane, "high_water": marks.high_water}
                for name, marks in store.lanes(device.id)
            ],
            "records": store.records_held(device.id),
            "refused": device.refused,
            "last_refusal": device.last_refusal,
            "forks": store.forks(device.id),
            "tombstones": len(store.losses(device.id)),
        }


def _identified(store: Store, device: str | None) -> Iterator[tuple[RecordIdentity, str]]:
    for lane, seq, operations in store.records(device):
        yield RecordIdentity(lane.device, lane.epoch, lane.lane, seq), operations


def _record(identity: RecordIdentity, operations: str) -> dict[str, Any]:
    """Return a record's id and its operations part as stored."""
    return {"record": str(identity), **json.loads(operations)}


def _store(home: Path) -> Store:
    """Open the database of a folder that is a fleet home; never make one elsewhere."""
    fleet_home = FleetHome(home)
    fleet_home.config()
    return Store.open(fleet_home.database)


@contextmanager
def _failing() -> Iterator[None]:
    """End with FAILED and one line when a file or the database fails."""
    try:
        yield
    except (AlreadyThereError, HomeUnusableError, StoreError, WireError, OSError) as error:
        click.echo(f"tram fleet: {in_words_of(error, remedy=HOME_REMEDY)}", err=True)
        raise SystemExit(FAILED) from error
