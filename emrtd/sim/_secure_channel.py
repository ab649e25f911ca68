"""The card's end of secure messaging.

Knows how a card takes a protected command apart and puts its own answer under protection. Does not
know the reader's end: this is a second reading of the standard, and imports nothing of the first.

Spec: [9303-11] "Secure Messaging"; [7816-4].
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from emrtd.apdu import Command
from emrtd.errors import ChipMalformed
from emrtd.sim._cipher import AUTHENTICATING, ENCRYPTING, MAC_BYTES
from emrtd.sim._status import StatusError
from emrtd.tlv import TLV, encode, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.sim._cipher import BlockCipher

_OBJECTS_MISSING = 0x6987
_OBJECTS_WRONG = 0x6988


class SecureChannel:
    """One session's keys and its send sequence counter."""

    def __init__(self, secret: bytes, *, cipher: BlockCipher, counter: int = 0) -> None:
        """Derive the session's keys.

        Args:
            secret: what both ends agreed on.
            cipher: of the session.
            counter: the send sequence counter before the first command.
        """
        self._cipher = cipher
        self._encrypting = cipher.derive(secret, ENCRYPTING)
        self._authenticating = cipher.derive(secret, AUTHENTICATING)
        self._counter = counter

    def unwrap(self, command: Command) -> Command:
        """Return the command that was protected.

        Raises:
            StatusError: 6987 or 6988; the session must end.
        """
        ssc = self._next_counter()
        objects = self._objects(command, ssc)
        data = b""
        cryptogram_tag = 0x85 if command.ins & 1 else 0x87
        if objects and objects[0].tag == cryptogram_tag:
            data = self._open(objects.pop(0), ssc)
        le = _expected_length(objects.pop(0)) if objects and objects[0].tag == 0x97 else None
        if objects:
            raise StatusError(_OBJECTS_WRONG)
        return Command(command.cla & ~0x0C, command.ins, command.p1, command.p2, data, le)

    def wrap(
        self,
        data: bytes,
        sw: int,
        *,
        odd_ins: bool,
        dress: Callable[[tuple[TLV, ...]], bytes] | None = None,
    ) -> bytes:
        """Protect an answer: cryptogram if there is data, status, checksum, status again.

        Args:
            data: what is answered.
            sw: the status.
            odd_ins: whether the command's instruction was odd.
            dress: gives what the checksum is made over, if not the right objects as they are.
        """
        ssc = self._next_counter()
        cipher = self._cipher
        status = sw.to_bytes(2, "big")
        objects: tuple[TLV, ...] = (TLV(0x99, status),)
        if data:
            iv = cipher.session_iv(self._encrypting, ssc)
            cryptogram = cipher.encrypt(self._encrypting, cipher.pad(data), iv=iv)
            first = TLV(0x85, cryptogram) if odd_ins else TLV(0x87, b"\x01" + cryptogram)
            objects = (first, *objects)
        body = dress(objects) if dress else b"".join(each.to_bytes() for each in objects)
        checksum = cipher.mac(self._authenticating, ssc + cipher.pad(body))
        return body + encode(0x8E, checksum) + status

    def encrypted_proof(self, proof: bytes) -> bytes:
        """Encrypt chip authentication data: the vector comes from a counter of minus one."""
        iv = self._cipher.encrypt(self._encrypting, b"\xff" * self._cipher.block)
        return self._cipher.encrypt(self._encrypting, self._cipher.pad(proof), iv=iv)

    def _next_counter(self) -> bytes:
        self._counter = (self._counter + 1) % (1 << 8 * self._cipher.block)
        return self._counter.to_bytes(self._cipher.block, "big")

    def _objects(self, command: Command, ssc: bytes) -> list[TLV]:
        try:
            objects = list(parse(command.data))
        except ChipMalformed as error:
            raise StatusError(_OBJECTS_WRONG) from error
        if not objects or objects[-1].tag != 0x8E:
            raise StatusError(_OBJECTS_MISSING)
        checksum = objects.pop().value
        # The checksum covers the bytes as sent, and the checksum object ends them: 8E 08 + 8.
        covered = command.data[: -2 - MAC_BYTES]
        pad = self._cipher.pad
        header = pad(bytes((command.cla, command.ins, command.p1, command.p2)))
        message = ssc + header + (pad(covered) if covered else b"")
        if not hmac.compare_digest(checksum, self._cipher.mac(self._authenticating, message)):
            raise StatusError(_OBJECTS_WRONG)
        return objects

    def _open(self, cryptogram: TLV, ssc: bytes) -> bytes:
        secret, cipher = cryptogram.value, self._cipher
        if cryptogram.tag == 0x87:
            if secret[:1] != b"\x01":
                raise StatusError(_OBJECTS_WRONG)
            secret = secret[1:]
        if not secret or len(secret) % cipher.block:
            raise StatusError(_OBJECTS_WRONG)
        iv = cipher.session_iv(self._encrypting, ssc)
        return cipher.unpad(cipher.decrypt(self._encrypting, secret, iv=iv))


def _expected_length(protected_le: TLV) -> int:
    value = int.from_bytes(protected_le.value, "big")
    match len(protected_le.value):
        case 1:
            return value or 256
        case 2:
            return value or 65536
        case _:
            raise StatusError(_OBJECTS_WRONG)
