"""A chip that answers commands as an identity card or a passport does, or lies in one chosen way.

Knows the card's side of [7816-4] as an eMRTD needs it: how long an answer may be, what is
protected, which protocol a command belongs to. Does not know why a reader asks, nor what it will
believe. One chip is one card in one field: it is used by one thread.

Spec: [9303-10] files and commands, [9303-11] protocols, [7816-4].
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from emrtd.apdu import Command
from emrtd.errors import ChipMalformed
from emrtd.sim._access import Access
from emrtd.sim._file_system import OK, FileSystem, command_objects
from emrtd.sim._proofs import Proofs
from emrtd.sim._status import StatusError
from emrtd.sim.faults import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.sim._curves import Randomness
    from emrtd.sim._secure_channel import SecureChannel
    from emrtd.sim.card_image import CardImage

ATR = bytes.fromhex("3B80800101")
"""A contactless card without historical bytes, as a reader makes it up."""

WRONG_LENGTH = 0x6700
NO_SUCH_SESSION = 0x6988
CHAINING_UNSUPPORTED = 0x6884
SECURITY_NOT_SATISFIED = 0x6982
OUT_OF_ORDER = 0x6985
WRONG_PARAMETERS = 0x6A86
UNKNOWN_INSTRUCTION = 0x6D00
UNKNOWN_CLASS = 0x6E00

_CHAINED = 0x10
_PROTECTED = 0x0C
MAX_CHAIN_BYTES = 4096
"""The longest certificate that may come in parts."""
_SHORT_COMMAND_BYTES = 4 + 1 + 255 + 1


class Chip:
    """One card in the field.

    Attributes:
        atr: the answer to reset.
        delay_s: how much longer than it must a player takes for the last answer, in seconds; the
            chip itself never waits.
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
        self._manner = manner = begin(fault, randomness=randomness)
        self._card = card = manner.card(card)
        self._files = FileSystem(card, manner)
        self._access = Access(card, randomness=randomness, manner=manner)
        self._proofs = Proofs(card, randomness=randomness, manner=manner)
        self.atr = ATR
        self.delay_s = 0.0
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
        self.delay_s = self._manner.delay_s
        protected = self._channel is not None
        return self._manner.answered(self._respond(command), protected=protected)

    def _forget_session(self) -> None:
        self._channel: SecureChannel | None = None
        self._next_channel: SecureChannel | None = None
        self._chain = b""
        self._files.forget()
        self._access.forget()
        self._proofs.forget()

    # --- from bytes to a plain command and back

    def _respond(self, raw: bytes) -> bytes:
        try:
            command = Command.from_bytes(raw)
        except ChipMalformed:
            return _status(WRONG_LENGTH)
        if not self._may_be_so_long(raw, command):
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

    def _may_be_so_long(self, raw: bytes, command: Command) -> bool:
        """Whether the card takes commands and gives answers of this length."""
        most = self._card.extended_bytes
        if most is None:
            return True
        extended = len(raw) > 5 and raw[4] == 0
        if most == 0:
            return not extended and len(raw) <= _SHORT_COMMAND_BYTES
        return len(raw) <= most and ((command.le or 0) <= most or command.le in {256, 65536})

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
        protected = channel.wrap(
            data, sw, odd_ins=bool(command.ins & 1), dress=self._manner.protected
        )
        if self._next_channel is not None:
            self._channel, self._next_channel = self._next_channel, None
        return self._part(protected[:-2], sw, command.le)

    def _part(self, data: bytes, sw: int, most: int) -> bytes:
        """Return what fits, the rest waits for GET RESPONSE; who expects nothing gets nothing."""
        most = min(most, self._card.extended_bytes or most)
        if len(data) <= most or not most:
            self._rest = b""
            return data[:most] + _status(sw)
        self._rest, self._rest_sw = data[most:], sw
        return data[:most] + _status(0x6100 | min(len(self._rest), 256) & 0xFF)

    # --- plain commands

    def _carry_out(self, command: Command) -> tuple[bytes, int]:
        known: dict[int, Callable[[Command], tuple[bytes, int]]] = {
            0x22: self._manage_security_environment,
            0x2A: self._verify_certificate,
            0x82: self._external_authenticate,
            0x84: self._get_challenge,
            0x86: self._general_authenticate,
            0x88: self._internal_authenticate,
            0xA4: self._select,
            0xB0: self._read_binary,
            0xB1: self._read_binary_odd,
        }
        if command.ins not in known:
            return b"", UNKNOWN_INSTRUCTION
        if command.ins == 0x2A:
            begun, self._chain = self._chain + command.data, b""
            if len(begun) > MAX_CHAIN_BYTES:
                return b"", WRONG_LENGTH
            if command.cla & _CHAINED:
                self._chain = begun
                return b"", OK
            command = replace(command, data=begun)
        elif command.cla & _CHAINED and command.ins != 0x86:
            return b"", CHAINING_UNSUPPORTED
        if refused := self._manner.refuses(command.ins):
            return b"", refused
        try:
            data, sw = known[command.ins](command)
        except StatusError as error:
            data, sw = b"", error.sw
        return self._manner.carried_out(command, data, sw)

    def _select(self, command: Command) -> tuple[bytes, int]:
        self._files.select(command, access=self._open, rights=self._proofs.rights)
        return b"", OK

    def _read_binary(self, command: Command) -> tuple[bytes, int]:
        return self._files.read_binary(command, access=self._open, rights=self._proofs.rights)

    def _read_binary_odd(self, command: Command) -> tuple[bytes, int]:
        return self._files.read_binary_odd(command, access=self._open, rights=self._proofs.rights)

    @property
    def _open(self) -> bool:
        return self._channel is not None or not self._card.asks_for_access

    def _need_access(self) -> None:
        if not self._open:
            raise StatusError(SECURITY_NOT_SATISFIED)

    # --- protocols

    def _manage_security_environment(self, command: Command) -> tuple[bytes, int]:
        self._access.forget()
        self._proofs.drop_choice()
        objects = command_objects(command.data)
        match command.p1, command.p2:
            case 0xC1, 0xA4:
                self._begin_pace(objects)
            case 0x41, 0xA4:
                self._need_access()
                self._proofs.choose_chip_auth(objects)
            case 0x41, 0xA6:
                self._need_access()
                self._next_channel = self._proofs.chip_auth_at_once(objects)
            case 0x81, 0xB6:
                self._need_access()
                self._proofs.choose_signer(objects)
            case 0x81, 0xA4:
                self._need_access()
                self._proofs.choose_terminal(objects)
            case _:
                raise StatusError(WRONG_PARAMETERS)
        return b"", OK

    def _begin_pace(self, objects: dict[int, bytes]) -> None:
        if self._channel is not None:
            raise StatusError(OUT_OF_ORDER)
        self.delay_s += self._access.delay_s
        self._access.choose_pace(objects)

    def _general_authenticate(self, command: Command) -> tuple[bytes, int]:
        if command.p1 or command.p2:
            raise StatusError(WRONG_PARAMETERS)
        if self._proofs.chip_auth_chosen:
            data, self._next_channel = self._proofs.chip_auth(command)
        else:
            data, self._next_channel = self._access.general_authenticate(command)
        return data, OK

    def _get_challenge(self, command: Command) -> tuple[bytes, int]:
        if self._channel is not None:
            return self._proofs.terminal_challenge(command), OK
        self.delay_s += self._access.delay_s
        return self._access.bac_challenge(command), OK

    def _external_authenticate(self, command: Command) -> tuple[bytes, int]:
        if self._channel is not None:
            self._proofs.terminal_auth(command.data, chip_name=self._access.chip_name)
            return b"", OK
        data, self._next_channel = self._access.bac_authenticate(command.data)
        return data, OK

    def _verify_certificate(self, command: Command) -> tuple[bytes, int]:
        self._need_access()
        self._proofs.verify_certificate(command)
        return b"", OK

    def _internal_authenticate(self, command: Command) -> tuple[bytes, int]:
        self._need_access()
        return self._proofs.active_auth(command), OK


def _status(sw: int) -> bytes:
    return sw.to_bytes(2, "big")
