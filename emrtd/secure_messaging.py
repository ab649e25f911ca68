"""Secure messaging with AES and 3DES: protect commands, verify and open responses.

Knows ISO 7816-4 data objects and the send sequence counter. Does not know how keys were agreed
(bac, pace, chip_auth) nor how bytes reach the chip (channel). A channel lives only while every
answer verifies: its keys leave it with each command and come back with a good response. Whatever
else happens in between - a wrong MAC, a chip that left, a dialogue that nobody finishes - leaves a
channel without keys, which refuses.

Spec: [9303-11] 9.8; [7816-4].
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from emrtd._crypto import MAC_BYTES, Cipher, encrypt_block
from emrtd.apdu import MAX_SHORT_LC, Command, Response
from emrtd.errors import ChannelBroken, ChipMalformed, Fault
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue
    from emrtd.keys import SessionKeys

MAX_SHORT_DATA = 223
"""The longest plain response whose protected form fits into a short APDU's 256 bytes."""

_FIRST_ERROR, _SUCCESS = 0x6400, 0x9000
_SECURED = 0x0C
_CRYPTOGRAM, _CRYPTOGRAM_ODD = 0x87, 0x85
_EXPECTED_LENGTH, _STATUS, _CHECKSUM = 0x97, 0x99, 0x8E
_PADDED = b"\x01"
_CHECKSUM_HEAD = bytes((_CHECKSUM, MAC_BYTES))
_CHECKSUM_BYTES = 2 + MAC_BYTES


@dataclass(frozen=True, slots=True)
class _Session:
    """Keys and counter: what a living channel holds."""

    keys: SessionKeys
    counter: int = field(default=0, repr=False)

    @property
    def cipher(self) -> Cipher:
        return self.keys.cipher

    def next(self) -> _Session:
        # After basic access control the counter begins anywhere, even where it must turn over.
        return _Session(self.keys, (self.counter + 1) % (1 << 8 * self.cipher.block_bytes))

    @property
    def counter_bytes(self) -> bytes:
        return self.counter.to_bytes(self.cipher.block_bytes, "big")

    @property
    def iv(self) -> bytes:
        if self.cipher is Cipher.TRIPLE_DES:
            return self.cipher.zero_iv
        return encrypt_block(self.keys.encryption, self.counter_bytes)

    def mac(self, *parts: bytes) -> bytes:
        """Return the checksum over the counter and each part, padded by itself."""
        padded = b"".join(self.cipher.pad(part) for part in parts if part)
        return self.cipher.mac(self.keys.mac, self.counter_bytes + padded)

    def encrypt(self, data: bytes) -> bytes:
        return self.cipher.encrypt(self.keys.encryption, self.iv, self.cipher.pad(data))

    def decrypt(self, secret: bytes) -> bytes:
        """Decrypt and take the padding off. Raises ValueError."""
        padded = self.cipher.decrypt(self.keys.encryption, self.iv, secret)
        return self.cipher.unpad(padded)


class SecureChannel:
    """A channel whose every command and response is encrypted and authenticated."""

    def __init__(self, keys: SessionKeys, below: Channel, *, counter: int = 0) -> None:
        """Begin.

        Args:
            keys: agreed with the chip.
            below: carries the protected commands.
            counter: the send sequence counter before the first command; not zero only after basic
                access control.
        """
        self.below = below
        self._session: _Session | None = _Session(keys, counter)

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
        secret = session.encrypt(command.data)
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
    if not response.data and _FIRST_ERROR <= response.sw < _SUCCESS:
        _break(f"status {response.sw:04X} without protection", fault=Fault.SESSION_LOST)
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
        return Response(session.decrypt(secret), response.sw)
    except ValueError:
        _break("the padding is wrong")


def _break(why: str, *, fault: Fault = Fault.CHANNEL_BROKEN) -> NoReturn:
    raise ChannelBroken("secure messaging", why, fault=fault)
