"""A chip that answers commands as a citizen card does, or lies in one chosen way.

Knows the card's side of [7816-4] as an eMRTD needs it: which file is selected, what is readable
when, how long an answer may be. Does not know why a reader asks, nor what it will believe. One chip
is one card in one field: it is used by one thread.

Spec: [9303-10] files and commands, [9303-11] protocols, [7816-4].
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from emrtd.apdu import Command
from emrtd.errors import ChipMalformed
from emrtd.sim import _der, _files
from emrtd.sim._curves import CURVES
from emrtd.sim._key_proofs import CHALLENGE_BYTES, agree, sign
from emrtd.sim._pace_card import PACECard, dynamic_data
from emrtd.sim._protocols import chip_auth_oid, pace_oid
from emrtd.sim._secure_channel import SecureChannel
from emrtd.sim._status import StatusError
from emrtd.sim.faults import begin
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.sim._curves import Randomness
    from emrtd.sim.card_image import CardImage

ATR = bytes.fromhex("3B80800101")
"""A contactless card without historical bytes, as a reader makes it up."""

OK = 0x9000
END_OF_FILE = 0x6282
WRONG_LENGTH = 0x6700
NO_SUCH_SESSION = 0x6988
CHAINING_UNSUPPORTED = 0x6884
SECURITY_NOT_SATISFIED = 0x6982
OUT_OF_ORDER = 0x6985
NO_CURRENT_FILE = 0x6986
WRONG_DATA = 0x6A80
NO_SUCH_FILE = 0x6A82
WRONG_PARAMETERS = 0x6A86
NO_SUCH_REFERENCE = 0x6A88
OUT_OF_FILE = 0x6B00
UNKNOWN_INSTRUCTION = 0x6D00
UNKNOWN_CLASS = 0x6E00

_TO_END = {256, 65536}
"""An expected length of 00 or 0000: as much as there is."""
_CHAINED = 0x10
_PROTECTED = 0x0C


class Chip:
    """One card in the field.

    Attributes:
        atr: the answer to reset.
    """

    def __init__(
        self, card: CardImage, *, randomness: Randomness, fault: str | None = None
    ) -> None:
        """Put a card into the field.

        Args:
            card: what is on it.
            randomness: the chip's source of nonces and ephemeral keys.
            fault: a name of `FAULTS`, with its number after a colon if it takes one ("torn:12").

        Raises:
            UnknownFaultError: no such fault, or it needs what this card does not have.
        """
        self._manner = begin(fault, randomness=randomness)
        self._card = self._manner.card(card)
        self._randomness = randomness
        self._curve = CURVES[card.curve]
        self._pace_oid = _der.oid_value(pace_oid(card.aes_bits))
        self._chip_auth_oid = _der.oid_value(chip_auth_oid(card.aes_bits))
        self._chip_auth_key = self._card.chip_auth_private()
        self._active_auth_key = self._card.active_auth_private()
        self.atr = ATR
        self.reset()

    def __repr__(self) -> str:
        return f"<Chip {self._card.generation}>"

    def reset(self) -> None:
        """Power the chip down and up: all sessions are gone, the master file is selected."""
        self._manner.powered()
        self._rest = b""
        self._rest_sw = OK
        self._forget_session()

    def answer(self, command: bytes) -> bytes:
        """Answer one command APDU; any bytes get at least a status word.

        Raises:
            ChipGone: this chip's fault says that it left the field; `reset` brings it back.
        """
        self._manner.asked()
        protected = self._channel is not None
        return self._manner.answered(self._respond(command), protected=protected)

    def _forget_session(self) -> None:
        self._channel: SecureChannel | None = None
        self._next_channel: SecureChannel | None = None
        self._pace: PACECard | None = None
        self._chip_auth_chosen = False
        self._in_application = False
        self._current: str | None = None

    # --- from bytes to a plain command and back

    def _respond(self, raw: bytes) -> bytes:
        try:
            command = Command.from_bytes(raw)
        except ChipMalformed:
            return _status(WRONG_LENGTH)
        if command.ins == 0xC0 and self._rest:
            return self._part(self._rest, self._rest_sw, command.le or 0)
        self._rest = b""
        if command.cla & 0xE0:
            return _status(UNKNOWN_CLASS)
        if command.cla & _PROTECTED == _PROTECTED:
            return self._respond_protected(command)
        if self._channel is not None:
            self._forget_session()
        data, sw = self._carry_out(command)
        self._channel, self._next_channel = self._next_channel, None
        return self._part(data, sw, command.le or 0)

    def _respond_protected(self, command: Command) -> bytes:
        channel = self._channel
        if channel is None:
            return _status(NO_SUCH_SESSION)
        if command.le is None:  # a protected answer is never empty
            return _status(WRONG_LENGTH)
        try:
            plain = channel.unwrap(command)
        except StatusError as error:
            self._forget_session()
            return _status(error.sw)
        data, sw = self._carry_out(plain)
        protected = channel.wrap(data, sw, odd_ins=bool(command.ins & 1))
        if self._next_channel is not None:
            self._channel, self._next_channel = self._next_channel, None
        return self._part(protected[:-2], sw, command.le)

    def _part(self, data: bytes, sw: int, most: int) -> bytes:
        """Return what fits, the rest waits for GET RESPONSE; who expects nothing gets nothing."""
        if len(data) <= most or not most:
            self._rest = b""
            return data[:most] + _status(sw)
        self._rest, self._rest_sw = data[most:], sw
        return data[:most] + _status(0x6100 | min(len(self._rest), 256) & 0xFF)

    # --- plain commands

    def _carry_out(self, command: Command) -> tuple[bytes, int]:
        known: dict[int, Callable[[Command], tuple[bytes, int]]] = {
            0x22: self._manage_security_environment,
            0x86: self._general_authenticate,
            0x88: self._internal_authenticate,
            0xA4: self._select,
            0xB0: self._read_binary,
            0xB1: self._read_binary_odd,
        }
        if command.ins not in known:
            return b"", UNKNOWN_INSTRUCTION
        if command.cla & _CHAINED and command.ins != 0x86:
            return b"", CHAINING_UNSUPPORTED
        if refused := self._manner.refuses(command.ins):
            return b"", refused
        try:
            return known[command.ins](command)
        except StatusError as error:
            return b"", error.sw

    def _select(self, command: Command) -> tuple[bytes, int]:
        self._current = None
        if command.p2 not in {0x00, 0x0C}:
            raise StatusError(WRONG_PARAMETERS)
        match command.p1, command.data:
            case 0x04, _files.LDS_APPLICATION:
                self._need_access()
                self._in_application = True
            case 0x04, _:
                raise StatusError(NO_SUCH_FILE)
            case 0x00, b"" | b"\x3f\x00":
                if sw := self._manner.refuses_master_file():
                    raise StatusError(sw)
                self._in_application = False
            case 0x00 | 0x02, identifier if len(identifier) == 2:
                self._current = self._file(int.from_bytes(identifier, "big"))
            case 0x00 | 0x02, _:
                raise StatusError(WRONG_LENGTH)
            case _:
                raise StatusError(WRONG_PARAMETERS)
        return b"", OK

    def _file(self, identifier: int, *, mask: int = 0xFFFF) -> str:
        """Return the name of a readable file of the current directory."""
        names = {file_id & mask: name for name, file_id in _files.FILE_IDS.items()}
        name = names.get(identifier)
        in_master_file = name in _files.OF_MASTER_FILE
        if not in_master_file:
            self._need_access()
        if name is None or name not in self._card.files or in_master_file == self._in_application:
            raise StatusError(NO_SUCH_FILE)
        if sw := self._manner.hides(name):
            raise StatusError(sw)
        return name

    def _need_access(self) -> None:
        if self._channel is None:
            raise StatusError(SECURITY_NOT_SATISFIED)

    def _read_binary(self, command: Command) -> tuple[bytes, int]:
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            if command.p1 & 0x60:
                raise StatusError(WRONG_PARAMETERS)
            self._current = self._file(command.p1 & 0x1F, mask=0x1F)
            offset = command.p2
        if command.le is None:
            raise StatusError(WRONG_LENGTH)
        return self._read(offset, command.le, to_end=command.le in _TO_END)

    def _read_binary_odd(self, command: Command) -> tuple[bytes, int]:
        identifier = command.p1 << 8 | command.p2
        if 0 < identifier < 0x20:
            self._current = self._file(identifier, mask=0x1F)
        elif identifier:
            self._current = self._file(identifier)
        objects = _objects(command.data)
        if objects.keys() != {0x54} or not 0 < len(objects[0x54]) <= 4:
            raise StatusError(WRONG_DATA)
        offset = int.from_bytes(objects[0x54], "big")
        if command.le is None:
            raise StatusError(WRONG_LENGTH)
        # The length asked for includes the data object's own head.
        head = 2 if command.le < 0x82 else 3 if command.le <= 0x102 else 4
        data, sw = self._read(offset, max(command.le - head, 0), to_end=command.le in _TO_END)
        return encode(0x53, data), sw

    def _read(self, offset: int, most: int, *, to_end: bool) -> tuple[bytes, int]:
        if self._current is None:
            raise StatusError(NO_CURRENT_FILE)
        content = self._card.files[self._current]
        if offset >= len(content):
            raise StatusError(OUT_OF_FILE)
        data = content[offset : offset + most]
        return data, OK if to_end or len(data) == most else END_OF_FILE

    # --- protocols

    def _manage_security_environment(self, command: Command) -> tuple[bytes, int]:
        self._pace, self._chip_auth_chosen = None, False
        objects = _objects(command.data)
        match command.p1, command.p2:
            case 0xC1, 0xA4:
                self._begin_pace(objects)
            case 0x41, 0xA4:
                self._need_access()
                self._choose_chip_auth(objects)
            case _:
                raise StatusError(WRONG_PARAMETERS)
        return b"", OK

    def _begin_pace(self, objects: dict[int, bytes]) -> None:
        if self._channel is not None:
            raise StatusError(OUT_OF_ORDER)
        if objects.get(0x80) != self._pace_oid:
            raise StatusError(WRONG_DATA)
        parameters = bytes((self._curve.parameter_id,))
        if objects.get(0x84, parameters) != parameters:
            raise StatusError(NO_SUCH_REFERENCE)
        match objects.get(0x83):
            case b"\x01":
                mrz = self._card.mrz_information.encode()
                seed = hashlib.sha1(mrz).digest()  # noqa: S324 - the standard's
            case b"\x02":
                seed = self._card.can.encode()
            case _:
                raise StatusError(NO_SUCH_REFERENCE)
        self._pace = PACECard(
            self._manner.password_seed(seed),
            protocol=self._pace_oid,
            curve=self._curve,
            aes_bits=self._card.aes_bits,
            randomness=self._randomness,
            public_key=self._manner.public_key,
        )

    def _choose_chip_auth(self, objects: dict[int, bytes]) -> None:
        if self._chip_auth_key is None or objects.get(0x80) != self._chip_auth_oid:
            raise StatusError(WRONG_DATA)
        if 0x84 in objects:  # the card has one key and gives it no number
            raise StatusError(NO_SUCH_REFERENCE)
        self._chip_auth_chosen = True

    def _general_authenticate(self, command: Command) -> tuple[bytes, int]:
        if command.p1 or command.p2:
            raise StatusError(WRONG_PARAMETERS)
        if self._chip_auth_chosen:
            self._chip_auth_chosen = False
            return self._chip_auth(command), OK
        pace = self._pace
        if pace is None:
            raise StatusError(OUT_OF_ORDER)
        self._pace = None
        if pace.at_last_step == bool(command.cla & _CHAINED):
            raise StatusError(CHAINING_UNSUPPORTED)
        data = pace.answer(command.data)
        self._pace = None if pace.channel else pace
        self._next_channel = pace.channel
        return data, OK

    def _chip_auth(self, command: Command) -> bytes:
        if self._chip_auth_key is None or command.cla & _CHAINED:
            raise StatusError(CHAINING_UNSUPPORTED)
        objects = dynamic_data(command.data)
        if objects.keys() != {0x80}:
            raise StatusError(WRONG_DATA)
        secret = agree(self._chip_auth_key, objects[0x80])
        self._next_channel = SecureChannel(secret, aes_bits=self._card.aes_bits)
        return encode(0x7C, b"")

    def _internal_authenticate(self, command: Command) -> tuple[bytes, int]:
        self._need_access()
        if self._active_auth_key is None:
            raise StatusError(UNKNOWN_INSTRUCTION)
        if len(command.data) != CHALLENGE_BYTES or command.le is None:
            raise StatusError(WRONG_LENGTH)
        return sign(self._active_auth_key, command.data, randomness=self._randomness), OK


def _objects(data: bytes) -> dict[int, bytes]:
    """Return the data objects of a command field by tag."""
    try:
        return {each.tag: each.value for each in parse(data)}
    except ChipMalformed as error:
        raise StatusError(WRONG_DATA) from error


def _status(sw: int) -> bytes:
    return sw.to_bytes(2, "big")
