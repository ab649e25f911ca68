"""`tram outbox`: look at a station's queue, mend it, carry it by hand.

Knows options, the files of a device home and exit codes. What a queue is, when it is whole, and
what a repair does stand in `kiosk.outbox`. It opens no record.

Exit codes: 0 whole, or done; 1 the chain is broken, or a receipt was refused; 2 usage; 3 a file
can't be used.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kiosk.outbox import (
    Outbox,
    OutboxError,
    QueueBroken,
    examine,
    export_groups,
    import_receipts,
    looking,
    quarantine_of,
    repair,
    status_of,
    survey,
)
from kiosk.station.home import DeviceHome, HomeUnusableError
from wire.carried import CarriedCutOff
from wire.cose import PrivateKeySigner
from wire.errors import WireError
from wire.topics import shard_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric import ec

    from kiosk.outbox import LanePlan, Repaired, Status, Store, Survey

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
_OWN_HOME = click.option(
    "--home",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The device home: its queue, its key, its fleet.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def outbox() -> None:
    """Look at the local queue, mend it, carry it to the fleet by hand.

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
    with _open(file, home) as store:
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
    with _open(file, home) as store:
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


@outbox.command("repair")
@_OWN_HOME
@click.option("--apply", is_flag=True, help="Do it; without, only say what would be done.")
@_JSON
def repair_(home: Path, apply: bool, as_json: bool) -> None:
    """Mend a damaged queue: keep what can be read, sign tombstones for what can't.

    Without --apply nothing is changed. A whole queue is left as it is. The damaged files move, as
    they are, into a folder beside the queue; nothing ever deletes them by itself. The station must
    not run.

    Exit codes: 0 whole, or mended; 1 damaged, and only looked at; 2 usage; 3 it can't be mended.

    Example: tram outbox repair --home build/demo/kiosk --apply
    """
    with _failing():
        place = DeviceHome(home)
        device, signer = place.config().id, _signer(home)
        if apply:
            done = repair(place.outbox, device=device, signer=signer, now=time.time())
            told = _repaired(done)
        else:
            key = signer.public_key_der
            told = _surveyed(survey(place.outbox, device=device, station_key=key))
    click.echo(json.dumps(told) if as_json else "\n".join(_repair_in_words(told, place.outbox)))
    raise SystemExit(0 if told["whole"] or told["applied"] else BROKEN)


@outbox.command()
@_FILE
@_HOME
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to make, e.g. on a stick; there must be none of that name.",
)
@click.option("--all", "everything", is_flag=True, help="Acknowledged groups that are kept, too.")
@_JSON
def export(
    file: Path | None, home: Path | None, out: Path, everything: bool, as_json: bool
) -> None:
    """Write what the fleet doesn't have into a file, to be carried to it.

    Groups go as they are: signed, and sealed for the fleet. The queue doesn't change; receipts do
    that. `tram fleet import` takes the file.

    Exit codes: 0 done; 1 a group is damaged: repair first; 2 usage; 3 a file can't be used.

    Example: tram outbox export --home build/demo/kiosk --out groups.tram
    """
    with _failing(), _open(file, home) as store, _new_file(out) as handle:
        done = export_groups(store, handle, everything=everything)
    told = {"file": str(out), **asdict(done), "bytes": out.stat().st_size}
    in_words = (
        f"{done.records} records in {done.groups} groups, {done.tombstones} tombstones: {out}"
    )
    click.echo(json.dumps(told) if as_json else in_words)


@outbox.command("import-receipts")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_OWN_HOME
@_JSON
def import_receipts_(file: Path, home: Path, as_json: bool) -> None:
    """Take the receipts that `tram fleet import` wrote for this device.

    Exit codes: 0 done; 1 one was refused, or the file is cut off; 2 usage; 3 a file can't be used.

    Example: tram outbox import-receipts receipts.tram --home build/demo/kiosk
    """
    cut_off = False
    with _failing(), file.open("rb") as source, _queue(DeviceHome(home)) as (queue, keys):
        try:
            done = asdict(import_receipts(queue, source, receipt_keys=keys))
        except CarriedCutOff as error:
            done, cut_off = {"believed": error.items, "refused": 0}, True
        waiting = {name: lane["waiting"] for name, lane in queue.status()["lanes"].items()}
    told = {**done, "cut_off": cut_off, "waiting": waiting}
    in_words = (
        f"{done['believed']} receipts believed, {done['refused']} refused,"
        f" {sum(waiting.values())} records still wait"
    )
    click.echo(json.dumps(told) if as_json else in_words)
    raise SystemExit(BROKEN if cut_off or done["refused"] else 0)


@contextmanager
def _open(file: Path | None, home: Path | None) -> Iterator[Store]:
    match file, home:
        case Path(), None:
            path = file
        case None, Path():
            path = DeviceHome(home).outbox
        case _:
            raise click.UsageError("give --outbox FILE or --home HOME")
    if not path.exists():
        click.echo(_missing(path), err=True)
        raise SystemExit(FAILED)
    with ExitStack() as stack:
        try:
            store = stack.enter_context(looking(path))
        except OutboxError as error:
            raise _failed(error) from error
        yield store


def _missing(path: Path) -> str:
    """Return which part of a queue's path is not there, and what makes it."""
    missing = path if path.parent.exists() else path.parent
    makes = "tram verify and tram kiosk make it in a device home, as make demo makes one"
    return f"{missing}: No such file or directory; the queue is outbox.db: {makes}"


def _station_key(store: Store, home: Path | None) -> bytes:
    """Return the public key that must have signed, from the home if there is one."""
    return store.owner().station_key if home is None else _signer(home).public_key_der


def _signer(home: Path) -> PrivateKeySigner:
    try:
        pem = DeviceHome(home).station_key.read_bytes()
        key = load_pem_private_key(pem, password=None)
        return PrivateKeySigner(cast("ec.EllipticCurvePrivateKey", key))
    except (OSError, ValueError, TypeError, AttributeError, WireError) as error:
        raise _failed(error) from error


@contextmanager
def _queue(home: DeviceHome) -> Iterator[tuple[Outbox, dict[int, bytes]]]:
    """Open a device's queue, and find the one key whose receipts count for it."""
    config, keys = home.config(), home.fleet_keys()
    shard = shard_of(config.id, shards=config.shards)
    queue = Outbox.open(
        home.outbox,
        device=config.id,
        signer=_signer(home.root),
        recipients=keys.recipients,
        quota_bytes=config.queue_bytes,
    )
    with queue:
        yield queue, {each: key for each, key in keys.receipt_keys.items() if each == shard}


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """Make a file that is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _failing() -> Iterator[None]:
    """End with an exit code and one line when the queue or a file fails."""
    try:
        yield
    except QueueBroken as error:
        click.echo(str(error), err=True)
        raise SystemExit(BROKEN) from error
    except (OutboxError, HomeUnusableError, WireError, OSError) as error:
        raise _failed(error) from error


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


def _repaired(done: Repaired) -> dict[str, Any]:
    applied = done.quarantine is not None
    told = _surveyed(done.survey)
    return told | {"applied": applied, "quarantine": str(done.quarantine) if applied else None}


def _surveyed(found: Survey) -> dict[str, Any]:
    return {
        "whole": found.whole,
        "why": found.why,
        "applied": False,
        "quarantine": None,
        "epoch": None if found.epoch is None else found.epoch.hex(),
        "lanes": {lane.lane: _lane(lane) for lane in found.lanes},
    }


def _lane(lane: LanePlan) -> dict[str, Any]:
    return {
        "next": lane.end + 1,
        "acked": lane.acked,
        "records": lane.records,
        "tombstones": [
            {"first": gap.first, "last": gap.last, "given": gap.given} for gap in lane.gaps
        ],
    }


def _repair_in_words(told: dict[str, Any], path: Path) -> Iterator[str]:
    if told["whole"]:
        yield "the queue is whole: nothing to do"
        return
    yield f"damaged: {told['why']}"
    did = "" if told["applied"] else "would be "
    if told["epoch"] is None:
        yield f"nothing tells which queue it was: a new one {did or 'is '}begun"
    for name, lane in told["lanes"].items():
        yield f"{name:9} {lane['records']} records {did}kept, the next is {lane['next']}"
        for gap in lane["tombstones"]:
            span = f"{gap['first']} to {gap['last']}"
            yield f"{name:9} {did}given up: {span}, {gap['given']} of them surely used"
    yield f"the bytes as they are {did}kept in {told['quarantine'] or quarantine_of(path)}"
    if not told["applied"]:
        yield "nothing was changed; --apply does it"
