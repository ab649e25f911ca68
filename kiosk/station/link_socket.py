"""The station's end of the line to the link: gives sealed groups, takes receipts.

Knows one AF_UNIX SOCK_SEQPACKET socket and the frames of `wire.handover`. The link is not believed:
a receipt counts only with its shard's signature and this queue's own history, and the link sees
nothing that is not sealed. One link at a time; a newer connection replaces the older. Whatever the
link does, the queue keeps what no receipt covers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from kiosk.outbox import Acknowledgement, OutboxError, ReceiptRefused
from wire import handover
from wire.errors import HandoverError, WireError
from wire.receipt import verify_receipt
from wire.record import LANES, Lane
from wire.topics import shard_of
from wire.versions import HANDOVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kiosk.outbox import Outbox
    from wire.receipt import VerifiedReceipt

log = structlog.get_logger(__name__)

WINDOW: Final = 8
"""Groups of one lane that are with the link and without a receipt."""
SEND_S: Final = 5.0
AGAIN_S: Final = 1.0
"""Between two tries to accept a link."""
SOCKET_MODE: Final = 0o660


@dataclass(slots=True)
class LinkHealth:
    """What is known of the way out.

    Attributes:
        joined: whether a link is connected to this station.
        online: whether that link says that the broker answers.
        receipts: how many receipts were believed.
        refused: how many were not.
        forked: whether the fleet holds another history of this queue: someone must look.
    """

    joined: bool = False
    online: bool = False
    receipts: int = 0
    refused: int = 0
    forked: bool = False


@dataclass(slots=True)
class _Given:
    """Of one lane: what this connection was given and no receipt covers.

    Attributes:
        asked: where a fleet stands that is behind; None: none is known to be.
        last: the last sequence number given.
        under_way: first and last sequence number of each group without a receipt.
    """

    asked: int | None
    last: int
    under_way: deque[tuple[int, int]] = field(default_factory=deque)

    @property
    def let_go(self) -> int:
        """The last sequence number that the link holds no copy of any more."""
        return self.under_way[0][0] - 1 if self.under_way else self.last


class LinkServer:
    """Listens for the link; belongs to one asyncio loop."""

    def __init__(
        self,
        path: Path,
        outbox: Outbox,
        *,
        shards: int,
        receipt_keys: Mapping[int, bytes],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is needed; nothing is opened yet.

        Args:
            path: where the link connects.
            outbox: the queue.
            shards: how many topic shards the fleet has.
            receipt_keys: shard to the key that signs its receipts. Only the key of this device's
                own shard is ever believed: another ingester's key says nothing about it.
            changed: called on the loop's thread when `health` or the queue's marks change.
        """
        self._path = path
        self._outbox = outbox
        self._shard = shard_of(outbox.device, shards=shards)
        self._keys = {shard: key for shard, key in receipt_keys.items() if shard == self._shard}
        self._changed = changed
        self._more = asyncio.Event()
        self._listener: socket.socket | None = None
        self._behind: dict[Lane, int] = {}
        self.health = LinkHealth()

    async def run(self) -> None:
        """Serve whoever connects until it is cancelled; `listen` comes first."""
        listener = self._listener
        if listener is None:
            raise RuntimeError("listen first")
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._accept(listener, tasks)
        finally:
            self.close()

    def close(self) -> None:
        """Listen no more; harmless when it does not."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    def wake(self) -> None:
        """Look again whether there is something to give: a record was filed."""
        self._more.set()

    def listen(self) -> None:
        """Make the socket.

        Raises:
            OSError: it cannot be made.
        """
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)  # noqa: FBT003 - the library's own signature
        before = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(self._path))
            listener.listen(1)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        self._listener = listener

    async def _accept(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop, serving = asyncio.get_running_loop(), None
        while True:
            try:
                wire, _ = await loop.sock_accept(listener)
            except OSError as error:
                # E.g. no descriptor left: the queue waits, the station goes on.
                log.warning("link_not_accepted", code=error.errno)
                await asyncio.sleep(AGAIN_S)
                continue
            if serving is not None:
                serving.cancel()
                await asyncio.wait([serving])
            serving = tasks.create_task(self._serve(wire))

    async def _serve(self, wire: socket.socket) -> None:
        """Serve one link until either side hangs up."""
        wire.setblocking(False)  # noqa: FBT003 - the library's own signature
        log.info("link_joined", code=peer_uid(wire))
        self.health.joined = True
        self._changed()
        try:
            await self._send(wire, self._hello())
            given = {lane: await self._begin(lane) for lane in LANES}
            async with asyncio.TaskGroup() as both:
                both.create_task(self._give(wire, given))
                both.create_task(self._take(wire, given))
        except* (OSError, TimeoutError, WireError, OutboxError) as errors:
            log.info("link_left", error=type(errors.exceptions[0]).__name__)
        finally:
            wire.close()
            self.health.joined = self.health.online = False
            self._changed()

    async def _begin(self, lane: Lane) -> _Given:
        """Begin after what a receipt covers, or where a fleet stands that is behind."""
        acked = (await asyncio.to_thread(self._outbox.lane, lane)).acked_seq
        asked = self._behind.get(lane)
        return _Given(asked=asked, last=acked if asked is None else asked)

    def _hello(self) -> handover.Hello:
        return handover.Hello(
            version=HANDOVER_VERSION,
            device=self._outbox.device,
            epoch=self._outbox.epoch,
            shard=self._shard,
        )

    async def _give(self, wire: socket.socket, given: dict[Lane, _Given]) -> None:
        """Give what is next of each lane, the urgent one first, as far as the window goes."""
        while True:
            self._more.clear()
            for lane in LANES:
                mine = given[lane]
                room = WINDOW - len(mine.under_way)
                if room <= 0:
                    continue
                groups = await asyncio.to_thread(self._outbox.unacknowledged, lane, mine.last, room)
                for group in groups:
                    mine.last = group.last
                    mine.under_way.append((group.first, group.last))
                    frame = handover.GroupOut(
                        lane=lane, first=group.first, count=group.count, raw=group.raw
                    )
                    await self._send(wire, frame)
            await self._more.wait()

    async def _take(self, wire: socket.socket, given: dict[Lane, _Given]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            raw = await loop.sock_recv(wire, handover.MAX_FRAME_BYTES + 1)
            if not raw:
                raise ConnectionResetError("the link hung up")
            match handover.decode(raw):
                case handover.ReceiptIn(raw=receipt):
                    await self._believe(receipt, given)
                case handover.LinkState(connected=connected):
                    if connected != self.health.online:
                        self.health.online = connected
                        self._changed()
                case _:
                    raise HandoverError("frame", "not one that a link may send")
            # Whoever floods us takes turns with everything else on this loop.
            await asyncio.sleep(0)

    async def _believe(self, raw: bytes, given: dict[Lane, _Given]) -> None:
        """Verify a receipt and let the queue judge it; what is not believed deletes nothing.

        Raises:
            ConnectionResetError: the link may have let go of what is not stored: begin again.
        """
        try:
            receipt = verify_receipt(raw, self._keys)
            meaning = await asyncio.to_thread(self._outbox.acknowledge, receipt)
        except ReceiptRefused as error:
            self.health.refused += 1
            self.health.forked |= error.forked
            log.warning("receipt_refused", why="forked" if error.forked else "foreign")
            return
        except WireError as error:
            self.health.refused += 1
            log.warning("receipt_refused", error=type(error).__name__)
            raise ConnectionResetError("a receipt that nobody signed") from None
        self.health.receipts += 1
        self._advance(receipt, meaning, given[receipt.lane])
        self._changed()

    def _advance(self, receipt: VerifiedReceipt, meaning: Acknowledgement, mine: _Given) -> None:
        while mine.under_way and mine.under_way[0][1] <= receipt.high_water:
            mine.under_way.popleft()
        if meaning is not Acknowledgement.BEHIND:
            self._behind.pop(receipt.lane, None)
        elif receipt.high_water < (mine.let_go if mine.asked is None else mine.asked):
            # A fleet restored from a backup lacks what nobody will send again: begin where it
            # stands, as far as that is kept; once, for what is no longer kept never comes.
            log.warning("fleet_behind", lane=receipt.lane)
            self._behind[receipt.lane] = receipt.high_water
            raise ConnectionResetError("begin again at the fleet's mark")
        else:  # on its way; another lane's new beginning goes on from here
            self._behind[receipt.lane] = receipt.high_water
        self._more.set()

    async def _send(self, wire: socket.socket, frame: handover.Frame) -> None:
        async with asyncio.timeout(SEND_S):
            await asyncio.get_running_loop().sock_sendall(wire, handover.encode(frame))


def peer_uid(wire: socket.socket) -> int:
    """Return the user id of who is at the other end, as the kernel knows it."""
    raw = wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return int(uid)
