"""The card's files behind SELECT and READ BINARY.

Knows two directories, which file is current and who may read it. Does not know how access is won.

Spec: [9303-10] files and commands; [7816-4].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrtd.errors import ChipMalformed
from emrtd.sim import _files
from emrtd.sim._cvc import READS_FINGERS, READS_IRIS
from emrtd.sim._status import StatusError
from emrtd.tlv import encode, parse

if TYPE_CHECKING:
    from emrtd.apdu import Command
    from emrtd.sim._manner import Manner
    from emrtd.sim.card_image import CardImage

OK = 0x9000
_END_OF_FILE = 0x6282
_WRONG_LENGTH = 0x6700
_SECURITY_NOT_SATISFIED = 0x6982
_NO_CURRENT_FILE = 0x6986
_WRONG_DATA = 0x6A80
_NO_SUCH_FILE = 0x6A82
_WRONG_PARAMETERS = 0x6A86
_OUT_OF_FILE = 0x6B00

_TO_END = {256, 65536}
"""An expected length of 00 or 0000: as much as there is."""
_RIGHTS = {"DG3": READS_FINGERS, "DG4": READS_IRIS}


class FileSystem:
    """What is selected, from one reset to the next loss of the session.

    Attributes:
        in_application: whether the application is selected, else the master file.
    """

    def __init__(self, card: CardImage, manner: Manner) -> None:
        self._card = card
        self._manner = manner
        self.in_application = False
        self._current: str | None = None

    def forget(self) -> None:
        """Select the master file, and no file of it."""
        self.in_application, self._current = False, None

    def select(self, command: Command, *, access: bool, rights: int) -> None:
        """Carry out SELECT.

        Args:
            command: plain.
            access: whether the reader has opened the chip.
            rights: of terminal authentication.

        Raises:
            StatusError: as the command ends.
        """
        self._current = None
        if command.p2 not in {0x00, 0x0C}:
            raise StatusError(_WRONG_PARAMETERS)
        match command.p1, command.data:
            case 0x04, _files.LDS_APPLICATION:
                # A chip with basic access control shows its application before it is opened.
                if not access and not self._card.bac:
                    raise StatusError(_SECURITY_NOT_SATISFIED)
                self.in_application = True
            case 0x04, _:
                raise StatusError(_NO_SUCH_FILE)
            case 0x00, b"" | b"\x3f\x00":
                if sw := self._manner.refuses_master_file():
                    raise StatusError(sw)
                self.in_application = False
            case 0x00 | 0x02, identifier if len(identifier) == 2:
                number = int.from_bytes(identifier, "big")
                self._current = self._file(number, access=access, rights=rights)
            case 0x00 | 0x02, _:
                raise StatusError(_WRONG_LENGTH)
            case _:
                raise StatusError(_WRONG_PARAMETERS)

    def read_binary(self, command: Command, *, access: bool, rights: int) -> tuple[bytes, int]:
        """Carry out READ BINARY of the even instruction. Raises StatusError."""
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            if command.p1 & 0x60:
                raise StatusError(_WRONG_PARAMETERS)
            number = command.p1 & 0x1F
            self._current = self._file(number, access=access, rights=rights, mask=0x1F)
            offset = command.p2
        if command.le is None:
            raise StatusError(_WRONG_LENGTH)
        return self._read(offset, command.le, to_end=command.le in _TO_END)

    def read_binary_odd(self, command: Command, *, access: bool, rights: int) -> tuple[bytes, int]:
        """Carry out READ BINARY of the odd instruction, for far offsets. Raises StatusError."""
        number = command.p1 << 8 | command.p2
        if number:
            mask = 0x1F if number < 0x20 else 0xFFFF
            self._current = self._file(number, access=access, rights=rights, mask=mask)
        objects = command_objects(command.data)
        if objects.keys() != {0x54} or not 0 < len(objects[0x54]) <= 4:
            raise StatusError(_WRONG_DATA)
        offset = int.from_bytes(objects[0x54], "big")
        if command.le is None:
            raise StatusError(_WRONG_LENGTH)
        # The length asked for includes the data object's own head.
        head = 2 if command.le < 0x82 else 3 if command.le <= 0x102 else 4
        data, sw = self._read(offset, max(command.le - head, 0), to_end=command.le in _TO_END)
        return encode(0x53, data), sw

    def _file(self, identifier: int, *, access: bool, rights: int, mask: int = 0xFFFF) -> str:
        """Return the name of a readable file of the current directory."""
        here = _files.IN_APPLICATION if self.in_application else _files.IN_MASTER_FILE
        name = next((name for name, number in here.items() if number & mask == identifier), None)
        if name not in _files.ALWAYS_READABLE and not access:
            raise StatusError(_SECURITY_NOT_SATISFIED)
        if name is None or name not in self._card.files:
            raise StatusError(_NO_SUCH_FILE)
        if name in _RIGHTS and self._card.trust_points and not rights & _RIGHTS[name]:
            raise StatusError(_SECURITY_NOT_SATISFIED)
        if sw := self._manner.hides(name):
            raise StatusError(sw)
        return name

    def _read(self, offset: int, most: int, *, to_end: bool) -> tuple[bytes, int]:
        if self._current is None:
            raise StatusError(_NO_CURRENT_FILE)
        content = self._card.files[self._current]
        if offset >= len(content):
            raise StatusError(_OUT_OF_FILE)
        data = content[offset : offset + most]
        return data, OK if to_end or len(data) == most else _END_OF_FILE


def command_objects(data: bytes) -> dict[int, bytes]:
    """Return the data objects of a command field by tag. Raises StatusError (6A80)."""
    try:
        return {each.tag: each.value for each in parse(data)}
    except ChipMalformed as error:
        raise StatusError(_WRONG_DATA) from error
