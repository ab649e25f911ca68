"""The link's end of the handover: one SOCK_SEQPACKET connection to the station, frame by frame.

Knows how a frame is received and sent within a deadline, and which frames a station may say when.
Believes the frames' form and nothing else: an oversized, malformed or misplaced one is a
`HandoverError`, upon which the caller hangs up. Does not know what is sent on, nor when.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from kiosk.link.shipper import Group, GroupGiven, StationJoined, StatusGiven
from wire.errors import HandoverError
from wire.handover import MAX_FRAME_BYTES, Frame, GroupOut, Hello, StatusOut, decode, encode
from wire.topics import shard_of
from wire.versions import HANDOVER_VERSION

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_S = 2.0
SEND_S = 2.0


class StationEnd:
    """One connection. Made by `connect` alone; close it, or use it as a context."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._left = False

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to a listening station.

        Raises:
            OSError: nobody listens there, or not within CONNECT_S (TimeoutError is one).
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(0)
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(connection, str(path))
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def receive(self) -> Frame | None:
        """Return the next frame; None at the end, or once we hung up.

        Raises:
            HandoverError: not a frame, or longer than one may be.
            OSError: the connection broke.
        """
        loop = asyncio.get_running_loop()
        # One byte more than a frame may have: a longer message is cut there, and seen to be long.
        raw = await loop.sock_recv(self._socket, MAX_FRAME_BYTES + 1)
        return decode(raw) if raw and not self._left else None

    async def send(self, frame: Frame) -> None:
        """Send one frame, whole.

        Raises:
            OSError: the connection broke, or the station didn't read within SEND_S.
        """
        async with asyncio.timeout(SEND_S):
            await asyncio.get_running_loop().sock_sendall(self._socket, encode(frame))

    def hang_up(self) -> None:
        """End the conversation: whoever waits in `receive` gets None."""
        self._left = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def greeted(frame: Frame | None, *, device: str, shards: int) -> StationJoined:
    """Return what a station's first frame says, if it is the station that this link is for.

    Raises:
        HandoverError: it is not a Hello, of another version, of another device or shard.
    """
    if not isinstance(frame, Hello):
        raise HandoverError("frame", "the first one is not Hello")
    if frame.version != HANDOVER_VERSION:
        raise HandoverError("hello", "another version of the handover")
    if frame.device != device or frame.shard != shard_of(device, shards=shards):
        raise HandoverError("hello", "another device than this link's certificate names")
    return StationJoined(frame.epoch)


def said(frame: Frame) -> GroupGiven | StatusGiven:
    """Return what a later frame of a station says.

    Raises:
        HandoverError: a station doesn't say that, or not then.
    """
    match frame:
        case GroupOut(lane=lane, first=first, count=count, raw=raw):
            return GroupGiven(lane, Group(first, first + count - 1, raw))
        case StatusOut(raw=raw):
            return StatusGiven(raw)
        case _:
            raise HandoverError("frame", "not one that a station says here")
