"""The station's end of the handover as a few lines over a real queue, for the tests of the link."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import TYPE_CHECKING, Self

from kiosk.outbox import Draft, Outbox, OutboxError
from kiosk.station.link_socket import LinkServer
from provisioning.certificates import key_from_pem
from wire.cose import PrivateKeySigner
from wire.errors import WireError
from wire.handover import MAX_FRAME_BYTES, GroupOut, Hello, LinkState, ReceiptIn, decode, encode
from wire.reasons import Outcome, Reason
from wire.receipt import verify_receipt
from wire.record import (
    LANES,
    Bands,
    CheckBand,
    FaceBand,
    IdentityPart,
    Lane,
    OperationsPart,
    TimeQuality,
    Versions,
)
from wire.seal import Recipient, Recipients
from wire.topics import shard_of
from wire.versions import HANDOVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UNDER_WAY = 8
LOOK_S = 0.02
NUMBER = "999095012345"
NAME = "NGUYEN<<VAN<MAU<KHONG<CO<THAT"
BANDS = Bands(pa=CheckBand.PASSED, aa=CheckBand.PASSED, ca=CheckBand.ABSENT, face=FaceBand.SAME)


def draft(mark: int, *, lane: Lane = "normal") -> Draft:
    """A record that its at_hour tells from others, about a person who doesn't exist."""
    operations = OperationsPart(
        outcome=Outcome.REFERRED,
        reasons=(Reason.FACE_UNSURE,),
        bands=BANDS,
        procedure="identity-check",
        site="hn-ward-7",
        versions=Versions(software="0.1.0", policy="policy-1"),
        at_hour=mark,
        time_quality=TimeQuality.NTP,
    )
    identity = IdentityPart(
        number=NUMBER,
        dg1=f"IDVNM{NUMBER}{NAME}".encode(),
        sod=b"SOD of " + NUMBER.encode() * 100,
        policy="policy-1",
        bands=BANDS,
    )
    return Draft(lane=lane, operations=operations, identity=identity)


def open_queue(home: Path, device: str) -> Outbox:
    """Open the queue of a device home."""
    told = json.loads((home / "fleet.json").read_text())["recipients"]
    readers = {name: Recipient(of["id"], b64decode(of["public_key"])) for name, of in told.items()}
    key = key_from_pem((home / "keys" / "station.key.pem").read_bytes())
    return Outbox.open(
        home / "outbox.db",
        device=device,
        signer=PrivateKeySigner(key),
        recipients=Recipients(**readers),
    )


def receipt_keys(home: Path) -> dict[int, bytes]:
    """Return whose receipts a device believes."""
    told = json.loads((home / "fleet.json").read_text())["receipt_keys"]
    return {int(shard): b64decode(der) for shard, der in told.items()}


class Station(threading.Thread):
    """Listens, pushes what is unacknowledged, believes only what it verified; a context manager."""

    def __init__(self, home: Path, device: str, *, shards: int) -> None:
        super().__init__(name="station", daemon=True)
        self.queue = open_queue(home, device)
        self.socket = home / "link.sock"
        self.linked = False
        self.refused = self.believed = self.meetings = 0
        self.failure: BaseException | None = None
        self._hello = Hello(
            version=HANDOVER_VERSION,
            device=device,
            epoch=self.queue.epoch,
            shard=shard_of(device, shards=shards),
        )
        self._keys = receipt_keys(home)
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(os.fspath(self.socket))
        self.socket.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        self._listening.listen(1)
        self._listening.settimeout(LOOK_S)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(5)
        self._listening.close()
        self.queue.close()
        if self.failure is not None:
            raise self.failure

    def file(self, drafts: Sequence[Draft]) -> None:
        """File each draft as a group of its own."""
        for one in drafts:
            self.queue.append([one])

    def waiting(self, lane: Lane = "normal") -> int:
        return self.queue.lane(lane).waiting

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    link, _ = self._listening.accept()
                except TimeoutError:
                    continue
                with link:
                    self.meetings += 1
                    self._talk(link)
        except BaseException as failure:  # noqa: BLE001 - the test raises it
            self.failure = failure

    def _talk(self, link: socket.socket) -> None:
        link.settimeout(LOOK_S)
        pushed = dict.fromkeys(LANES, 0)
        try:
            link.send(encode(self._hello))
            while not self._stopping.is_set():
                self._push(link, pushed)
                try:
                    raw = link.recv(MAX_FRAME_BYTES + 1)
                except TimeoutError:
                    continue
                if not raw or not self._hear(raw):
                    return
        except OSError:
            return
        finally:
            self.linked = False

    def _push(self, link: socket.socket, pushed: dict[Lane, int]) -> None:
        for lane in LANES:
            under_way = self.queue.unacknowledged(lane, None, UNDER_WAY)
            for group in under_way:
                if group.first > pushed[lane]:
                    out = GroupOut(lane=lane, first=group.first, count=group.count, raw=group.raw)
                    link.send(encode(out))
                    pushed[lane] = group.last

    def _hear(self, raw: bytes) -> bool:
        """Hear one frame; False hangs up: the link may have let go of what isn't stored."""
        match decode(raw):
            case LinkState(connected=connected):
                self.linked = connected
            case ReceiptIn(raw=receipt):
                try:
                    self.queue.acknowledge(verify_receipt(receipt, self._keys))
                except (WireError, OutboxError):
                    self.refused += 1
                    return False
                self.believed += 1
        return True


@dataclass
class OwnSocket:
    """The station's own end of the handover over a queue, on a loop in a thread."""

    queue: Outbox
    server: LinkServer
    loop: asyncio.AbstractEventLoop

    def file(self, marks: range) -> None:
        for mark in marks:
            self.queue.append([draft(mark)])
        self.loop.call_soon_threadsafe(self.server.wake)

    @property
    def waiting(self) -> int:
        return self.queue.lane("normal").waiting


@contextmanager
def own_socket(home: Path, device: str, *, shards: int) -> Iterator[OwnSocket]:
    """Serve a device home's queue as the station process does."""
    ready: Queue[OwnSocket] = Queue()
    ending = asyncio.Event()

    async def serve(queue: Outbox) -> None:
        keys = receipt_keys(home)
        server = LinkServer(home / "link.sock", queue, shards=shards, receipt_keys=keys)
        server.listen()
        serving = asyncio.create_task(server.run())
        ready.put(OwnSocket(queue, server, asyncio.get_running_loop()))
        await ending.wait()
        serving.cancel()
        await asyncio.wait([serving])

    with open_queue(home, device) as queue:
        thread = threading.Thread(target=lambda: asyncio.run(serve(queue)), daemon=True)
        thread.start()
        made = ready.get(timeout=5)
        try:
            yield made
        finally:
            made.loop.call_soon_threadsafe(ending.set)
            thread.join(5)
