"""The station's half that must not lose: the product's queue, its writer and its end of the link.

Runs as a process of its own until it is killed. It is told what to file by lines on a pipe that
outlives it (`LANE COUNT MARK`), and writes the truth log: a try before, an identity after the
product said that it is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING

from kiosk.outbox import OutboxError, OutboxWriter, QueueFull, Retention
from kiosk.station.home import DeviceHome
from kiosk.station.link_socket import LinkServer
from tests.faults.homes import draft_of, open_queue
from tests.faults.naive import delete_by_pubacks

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from wire.record import RecordIdentity

BROKEN = 4
"""It ends itself: the file must be opened again."""


def run(folder: Path, *, retention: Retention, naive: bool) -> None:
    """Serve a device's queue."""
    home = DeviceHome(folder)
    truth = os.open(folder / "truth", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    asked = os.open(folder / "asked", os.O_RDWR)
    try:
        queue = open_queue(home, retention=retention)
    except OutboxError:
        os._exit(BROKEN)
    if naive:
        delete_by_pubacks(queue, folder)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(home, queue, truth, asked))


async def _serve(home: DeviceHome, queue, truth: int, asked: int) -> None:
    loop = asyncio.get_running_loop()
    keys = home.fleet_keys().receipt_keys
    server = LinkServer(home.link_socket, queue, shards=home.config().shards, receipt_keys=keys)
    server.listen()
    writer = OutboxWriter(queue, on_group=lambda: loop.call_soon_threadsafe(server.wake))
    threading.Thread(target=_file, args=(writer, truth, asked), daemon=True).start()
    os.write(2, b'{"event": "station_serves"}\n')
    await server.run()


def _file(writer: OutboxWriter, truth: int, asked: int) -> None:
    """File what is asked for, a line at once, without waiting within a line."""
    rest = b""
    while True:
        rest += os.read(asked, 4096)
        *lines, rest = rest.split(b"\n")
        waiting: list[tuple[int, Future[RecordIdentity]]] = []
        for line in lines:
            with contextlib.suppress(ValueError):  # the head of a line went with its reader
                lane, count, first = line.decode().split()
                for mark in range(int(first), int(first) + int(count)):
                    os.write(truth, f"t {mark} {lane}\n".encode())
                    with contextlib.suppress(QueueFull):
                        waiting.append((mark, writer.submit(draft_of(mark, lane))))
        for mark, future in waiting:
            _say(truth, mark, future)


def _say(truth: int, mark: int, future: Future[RecordIdentity]) -> None:
    try:
        one = future.result()
    except QueueFull:
        return
    except OutboxError:
        os._exit(BROKEN)
    os.write(truth, f"s {one.epoch.hex()} {one.lane} {one.seq} {mark}\n".encode())
