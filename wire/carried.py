"""What is carried by hand: a file of signed things as they are, from a station or back to it.

Knows the file's frame: what kind it is, each thing with its length, and an end that tells a whole
file from one whose stick was pulled too early. Believes nothing: every thing bears its own
signature, and the end's digest finds damage, not a forger. Does not know what the things mean.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from wire.cose import MAX_SIGNED_BYTES
from wire.errors import Malformed, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CarriedKind = Literal["groups", "receipts"]
"""Groups and tombstones of stations, or receipts of a fleet."""

MAX_CARRIED_ITEMS: Final = 16_777_216
"""Things in one file."""

_MAGIC: Final = {"groups": b"tram groups 1\r\n\0", "receipts": b"tram receipts 1\n"}
_MAGIC_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">I")
_END: Final = struct.Struct(">Q32s")


class CarriedCutOff(Malformed):
    """The file ends before its end, or its end is not of what came before.

    Attributes:
        items: how many whole things came before; each was given to the reader.
    """

    def __init__(self, items: int, message: str) -> None:
        super().__init__("carried file", message)
        self.items = items


def write_carried(file: BinaryIO, items: Iterable[bytes], *, kind: CarriedKind) -> int:
    """Write things, each 1 to MAX_SIGNED_BYTES long, and the end; return how many.

    Raises:
        TooLarge: a thing that no reader takes, or too many.
        OSError: the file refuses.
    """
    digest = hashlib.sha256()
    count = 0

    def put(raw: bytes) -> None:
        digest.update(raw)
        file.write(raw)

    put(_MAGIC[kind])
    for item in items:
        if not 0 < len(item) <= MAX_SIGNED_BYTES:
            raise TooLarge("carried item", size=len(item), limit=MAX_SIGNED_BYTES)
        if count == MAX_CARRIED_ITEMS:
            raise TooLarge("carried file", size=count + 1, limit=MAX_CARRIED_ITEMS)
        put(_LENGTH.pack(len(item)))
        put(item)
        count += 1
    put(_LENGTH.pack(0))
    file.write(_END.pack(count, digest.digest()))
    return count


def read_carried(file: BinaryIO, *, kind: CarriedKind) -> Iterator[bytes]:
    """Yield things one by one; memory is bounded by one of them.

    Raises:
        Malformed: not such a file, or a length that no writer makes.
        CarriedCutOff: it ended too early or was changed; what was yielded bears its own signature.
        OSError: the file refuses.
    """
    digest = hashlib.sha256()
    if file.read(_MAGIC_BYTES) != _MAGIC[kind]:
        raise Malformed("carried file", f"not a file of {kind}")
    digest.update(_MAGIC[kind])
    for count in range(MAX_CARRIED_ITEMS + 1):
        head = _exactly(file, _LENGTH.size, count)
        digest.update(head)
        (size,) = _LENGTH.unpack(head)
        if size == 0:
            _check_end(file, count, digest.digest())
            return
        if size > MAX_SIGNED_BYTES:
            raise CarriedCutOff(count, "a length that nobody writes")
        item = _exactly(file, size, count)
        digest.update(item)
        yield item
    raise CarriedCutOff(MAX_CARRIED_ITEMS, "too many things")


def _check_end(file: BinaryIO, count: int, digest: bytes) -> None:
    if _END.unpack(_exactly(file, _END.size, count)) != (count, digest):
        raise CarriedCutOff(count, "its end is not of what came before")
    if file.read(1):
        raise CarriedCutOff(count, "bytes after the end")


def _exactly(file: BinaryIO, size: int, items: int) -> bytes:
    raw = file.read(size)
    if len(raw) != size:
        raise CarriedCutOff(items, "it ends too early")
    return raw
