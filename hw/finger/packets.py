"""The frames that a module of the ZFM family and its host exchange: pack, and find in a stream.

EF01 | address 4 | kind 1 | length 2 | payload | sum 2, big-endian; the length counts payload and
sum, the sum is of all bytes from the kind to the payload's last, modulo 65,536. Knows nothing of
what a payload means, nor where bytes come from.

Spec: [R503] IV "Data package format".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

BEGIN: Final = b"\xef\x01"
ANY_ADDRESS: Final = 0xFFFFFFFF
"""Every module's address until it is given another."""
MAX_PAYLOAD_BYTES: Final = 256
_HEAD, _SUM = 9, 2
MAX_FRAME_BYTES: Final = _HEAD + MAX_PAYLOAD_BYTES + _SUM


class Kind(IntEnum):
    """What a frame is."""

    COMMAND = 0x01
    DATA = 0x02
    ANSWER = 0x07
    LAST_DATA = 0x08


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame whose sum was right.

    Attributes:
        kind: what it is.
        payload: at most MAX_PAYLOAD_BYTES; may be a piece of an image.
    """

    kind: Kind
    payload: bytes = field(repr=False)


def pack(kind: Kind, payload: bytes, *, address: int = ANY_ADDRESS) -> bytes:
    """Return a frame.

    Raises:
        ValueError: the payload is longer than any frame's.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError("longer than any payload")
    summed = bytes([kind]) + (len(payload) + _SUM).to_bytes(2, "big") + payload
    return BEGIN + address.to_bytes(4, "big") + summed + _sum_of(summed)


class PacketParser:
    """Finds frames in a stream that may lose, change and add bytes.

    Holds fewer than MAX_FRAME_BYTES between calls. What is no frame is thrown away a byte at a
    time, so that a frame behind it is found.
    """

    def __init__(self, *, address: int = ANY_ADDRESS) -> None:
        """Find the frames of one module.

        Args:
            address: the module's; a frame of another is no frame here.
        """
        self._begin = BEGIN + address.to_bytes(4, "big")
        self._held = bytearray()
        self.discarded_bytes = 0

    def feed(self, received: bytes) -> list[Packet]:
        """Take any bytes of the stream and return the frames that are complete now, in order."""
        found: list[Packet] = []
        for start in range(0, len(received), MAX_FRAME_BYTES):
            self._held += received[start : start + MAX_FRAME_BYTES]
            self._take(found)
        return found

    def settle(self) -> list[Packet]:
        """Return the frames that lie whole behind one that is not; call it when the line is quiet.

        Noise may look like the head of a frame, whose rest would be waited for in vain. If nothing
        whole lies behind it, nothing is thrown away.
        """
        found: list[Packet] = []
        at = self._held.find(self._begin, 1)
        while at >= 0:
            if self._whole_at(at):
                self._drop(at)
                self._take(found)
                break
            at = self._held.find(self._begin, at + 1)
        return found

    def clear(self) -> None:
        """Forget what was begun; it is not counted as thrown away."""
        self._held.clear()

    def _take(self, found: list[Packet]) -> None:
        while True:
            self._drop(self._nearest())
            if len(self._held) < _HEAD:
                return
            size = self._size_at(0)
            if size and len(self._held) < size:
                return
            if size and self._whole_at(0):
                payload = bytes(self._held[_HEAD : size - _SUM])
                found.append(Packet(Kind(self._held[6]), payload))
                del self._held[:size]
            else:
                self._drop(1)

    def _nearest(self) -> int:
        """Return where a frame may begin: its whole beginning, or at the end a part of it."""
        at = self._held.find(self._begin)
        if at >= 0:
            return at
        for kept in range(min(len(self._begin) - 1, len(self._held)), 0, -1):
            if self._begin.startswith(self._held[-kept:]):
                return len(self._held) - kept
        return len(self._held)

    def _size_at(self, at: int) -> int:
        """Return the size of the frame that may begin there, 0 if none can."""
        if len(self._held) - at < _HEAD or self._held[at + 6] not in _KINDS:
            return 0
        length = int.from_bytes(self._held[at + 7 : at + 9], "big")
        return _HEAD + length if _SUM <= length <= MAX_PAYLOAD_BYTES + _SUM else 0

    def _whole_at(self, at: int) -> bool:
        size = self._size_at(at)
        end = at + size
        if not size or len(self._held) < end:
            return False
        return _sum_of(self._held[at + 6 : end - _SUM]) == self._held[end - _SUM : end]

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self.discarded_bytes += count


def _sum_of(summed: bytes | bytearray) -> bytes:
    return (sum(summed) & 0xFFFF).to_bytes(2, "big")
