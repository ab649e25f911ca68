"""The design that most peers have, out of the product's own parts: a broker's PUBACK deletes.

Patches a link so that it notes each PUBACK in a file and doesn't send again what has one, a station
so that it deletes by that file, and an ingest so that it takes what comes over a gap. It shows that
the harness of real processes can see a loss, and how much is lost.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import fleet.store.store
import kiosk.link.shipper
import kiosk.station.link_socket
from fleet.store.acceptance import Acceptance
from kiosk.link.mqtt import Line
from kiosk.outbox import Outbox, OutboxError
from wire.group import claimed_body
from wire.receipt import VerifiedReceipt

if TYPE_CHECKING:
    from pathlib import Path

NOTES = "pubacks"
LOOK_S = 0.02
UNBOUNDED = 10**6
FAILED = 128
"""MQTT's reason codes from here on are refusals."""


def note_pubacks(folder: Path) -> None:
    """Patch this process's link."""
    notes = os.open(folder / NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sent: dict[int, bytes] = {}
    arrived: set[bytes] = set()
    gate = threading.Lock()
    new_client = Line._new_client

    def acknowledged(_client: Any, _data: Any, mid: int, code: Any, _more: Any) -> None:
        with gate:
            raw = sent.pop(mid, None)
        if raw is not None and code.value < FAILED:
            body = claimed_body(raw)
            arrived.add(raw)
            os.write(notes, f"{body.lane} {body.last}\n".encode())

    def client(line: Line) -> Any:
        made = new_client(line)
        made.on_publish = acknowledged
        sent.clear()
        return made

    def publish_group(line: Line, sealed: bytes) -> None:
        if line._client is not None and line._client.is_connected():
            with gate:
                sent[line._client.publish(line._topics.groups, sealed, qos=1).mid] = sealed

    def published(window: Any, shipper: Any) -> Any:
        return tuple(one for one in all_of(window, shipper) if one.sealed not in arrived)

    all_of = kiosk.link.shipper._published
    kiosk.link.shipper._published = published
    Line._new_client = client  # type: ignore[method-assign]  # the bug
    Line.publish_group = publish_group  # type: ignore[method-assign]  # the bug


def delete_by_pubacks(queue: Outbox, folder: Path) -> None:
    """Delete from a queue whatever a broker took, in a thread."""
    kiosk.station.link_socket.WINDOW = UNBOUNDED  # type: ignore[misc]  # it waits for no receipt

    def run() -> None:
        done = 0
        while True:
            time.sleep(LOOK_S)
            with suppress(FileNotFoundError):
                lines = (folder / NOTES).read_text().splitlines()
                for line in lines[done:]:
                    lane, last = line.split()
                    with suppress(OutboxError):
                        _delete(queue, lane, int(last))
                done = len(lines)

    threading.Thread(target=run, daemon=True).start()


def take_over_gaps() -> None:
    """Patch this process's ingest."""
    judge = fleet.store.store.judge

    def takes(*arguments: Any, **named: Any) -> Acceptance:
        found = judge(*arguments, **named)
        return Acceptance.STORE if found is Acceptance.GAP else found

    fleet.store.store.judge = takes


def _delete(queue: Outbox, lane: Any, last: int) -> None:
    """Treat a PUBACK as a receipt."""
    for group in queue.unacknowledged(lane, None, UNBOUNDED):
        if group.last == last:
            queue.acknowledge(
                VerifiedReceipt(
                    shard=0,
                    device=queue.device,
                    epoch=queue.epoch,
                    lane=lane,
                    high_water=last,
                    chain_head=group.head,
                    audit_head=bytes(32),
                )
            )
