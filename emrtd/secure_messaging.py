"""Secure messaging with AES: protect commands, verify and open responses.

Knows ISO 7816-4 data objects and the send sequence counter. Does not know how keys were agreed
(pace, chip_auth) nor how bytes reach the chip (channel). A channel lives only while every answer
verifies: its keys leave it with each command and come back with a good response. Whatever else
happens in between - a wrong MAC, a chip that left, a dialogue that nobody finishes - leaves a
channel without keys, which refuses.

Spec: [9303-11] "Secure Messaging"; [7816-4].
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from emrtd import _crypto
from emrtd.apdu import MAX_SHORT_LC, Command, Response
from emrtd.errors import ChannelBroken, ChipMalformed
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue
    from emrtd.keys import SessionKeys

MAX_SHORT_DATA = 223
"""The longest plain response whose protected form fits into a short APDU's 256 bytes."""

_SECURED = 0x0C
_CRYPTOGRAM, _CRYPTOGRAM_ODD = 0x87, 0x85
_EXPECTED_LENGTH, _STATUS, _CHECKSUM = 0x97, 0x99, 0x8E
_PADDED = b"\x01"
_CHECKSUM_HEAD = bytes((_CHECKSUM, _crypto.MAC_BYTES))
_CHECKSUM_BYTES = 2 + _crypto.MAC_BYTES
_COUNTER_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Session:
    """Keys and counter: what a living channel holds."""

    keys: SessionKeys
    counter: int = field(default=0, repr=False)

    def next(self) -> _Session:
        return _Session(self.keys, self.counter + 1)

    @property
    def counter_bytes(self) -> bytes:
        return self.counter.to_bytes(_COUNTER_BYTES, "big")

    @property
    def iv(self) -> bytes:
        return _crypto.encrypt_block(self.keys.encryption, self.counter_bytes)

    def mac(self, *parts: bytes) -> bytes:
        """Return the checksum over the counter and each part, padded by itself."""
        padded = b"".join(_crypto.pad(part) for part in parts if part)
        return _crypto.mac(self.keys.mac, self.counter_bytes + padded)


class SecureChannel:
    """A channel whose every command and response is encrypted and authenticated."""

    def __init__(self, keys: SessionKeys, below: Channel) -> None:
        """Begin with the counter at zero.

        Args:
            keys: agreed with the chip.
            below: carries the protected commands.
        """
        self.below = below
        self._session: _Session | None = _Session(keys)

    @property
    def alive(self) -> bool:
        """Whether the channel can still carry a command."""
        return self._session is not None

    def close(self) -> None:
        """Forget the keys."""
        self._session = None

    def exchange(self, command: Command) -> Dialogue[Response]:
        """Send a command under protection. Raises ChannelBroken, ChipGone, ChipMalformed."""
        session, self._session = self._session, None
        if session is None:
            raise ChannelBroken("secure messaging", "the channel is closed")
        session = session.next()
        response = yield from self.below.exchange(_protect(session, command))
        session = session.next()
        plain = _open(session, response, odd=bool(command.ins & 1))
        self._session = session
        return plain


def _protect(session: _Session, command: Command) -> Command:
    cla = command.cla | _SECURED
    body = b""
    if command.data:
        padded = _crypto.pad(command.data)
        secret = _crypto.encrypt(session.keys.encryption, session.iv, padded)
        odd = command.ins & 1
        body += encode(_CRYPTOGRAM_ODD, secret) if odd else encode(_CRYPTOGRAM, _PADDED + secret)
    if command.le is not None:
        body += encode(_EXPECTED_LENGTH, _length(command.le))
    checksum = session.mac(bytes((cla, command.ins, command.p1, command.p2)), body)
    body += encode(_CHECKSUM, checksum)
    extended = len(body) > MAX_SHORT_LC or (command.le is not None and command.le > 256)
    return Command(
        cla, command.ins, command.p1, command.p2, body, 65536 if extended else 256, command.step
    )


def _length(le: int) -> bytes:
    return bytes((le & 0xFF,)) if le <= 256 else (le & 0xFFFF).to_bytes(2, "big")


def _open(session: _Session, response: Response, *, odd: bool) -> Response:
    """Verify and decrypt.

    Raises:
        ChannelBroken: not protected, or the protection does not hold.
    """
    body, checksum = response.data[:-_CHECKSUM_BYTES], response.data[-_CHECKSUM_BYTES:]
    if checksum[:2] != _CHECKSUM_HEAD or not body:
        _break(f"status {response.sw:04X} without protection")
    if not hmac.compare_digest(checksum[2:], session.mac(body)):
        _break("the checksum is wrong")
    try:
        objects = parse(body)
    except ChipMalformed:
        _break("not data objects")
    values = {each.tag: each.value for each in objects}
    wanted = [_CRYPTOGRAM_ODD if odd and _CRYPTOGRAM_ODD in values else _CRYPTOGRAM, _STATUS]
    if [each.tag for each in objects] not in (wanted, wanted[1:]):
        _break("other data objects than a response has")
    if values[_STATUS] != response.sw.to_bytes(2, "big"):
        _break("two different statuses")
    if len(objects) == 1:
        return Response(b"", response.sw)
    secret = objects[0].value
    if objects[0].tag == _CRYPTOGRAM:
        if secret[:1] != _PADDED:
            _break("an unknown padding")
        secret = secret[1:]
    try:
        padded = _crypto.decrypt(session.keys.encryption, session.iv, secret)
        return Response(_crypto.unpad(padded), response.sw)
    except ValueError:
        _break("the padding is wrong")


def _break(why: str) -> NoReturn:
    raise ChannelBroken("secure messaging", why)
