"""A chip with files behind PACE and BAC, written from the standard on `pace_card_end`.

It is honest unless told otherwise: any instruction can be refused, any file hidden.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from issued_documents import info, number, oid
from pace_card_end import PACECard, TripleDESEnd, des3, kdf, pad8, retail, value_of
from reader_material import CardEnd, do

from emrtd.apdu import Command, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

FIDS = {
    "COM": 0x011E, "SOD": 0x011D, "DG1": 0x0101, "DG2": 0x0102, "DG13": 0x010D, "DG14": 0x010E,
    "DG15": 0x010F,
}  # fmt: skip
MASTER_FIDS = {"CardAccess": 0x011C, "CardSecurity": 0x011D}
ZONE_INFORMATION = b"L898902C<369080619406236"


def pace_info(arcs: tuple[int, int], parameter_id: int | None) -> bytes:
    """Return a PACEInfo."""
    protocol = oid("04007F0007020204" + bytes(arcs).hex())
    return info(protocol, number(2), *(() if parameter_id is None else (number(parameter_id),)))


def card_access(*infos: bytes) -> bytes:
    """Return EF.CardAccess."""
    return do(0x31, b"".join(infos))


@dataclass
class AccessChip:
    """The chip.

    Attributes:
        files: by name, those of the master file among them.
        bac: whether it knows basic access control.
        asks: whether it lets nobody read who did not open it.
        can: the password of PACE beside the zone.
        refuses: a step to a status: "mf", "application", "mse", "nonce", "map", "agree", "prove",
            "challenge", "authenticate", or the name of a file.
        refuses_mse: the protocols that MSE:Set AT refuses, by their last two arcs.
        static: the private key that it uses in chip authentication mapping.
    """

    files: Mapping[str, bytes]
    bac: bool = True
    asks: bool = True
    can: bytes = b"123456"
    refuses: dict[str, int] = field(default_factory=dict)
    refuses_mse: set[tuple[int, int]] = field(default_factory=set)
    static: int = 0x1234567
    seen: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end: CardEnd | TripleDESEnd | None = None
        self._pace: PACECard | None = None
        self._in_application = False
        self._selected: bytes | None = None
        self._challenge = b""
        seed = hashlib.sha1(ZONE_INFORMATION, usedforsecurity=False).digest()[:16]
        self._keys = kdf(seed, 1, 1), kdf(seed, 2, 1)

    def __call__(self, command: Command) -> Response:
        self.seen.append(command)
        if command.cla & 0x0C != 0x0C:
            assert self._end is None, "a plain command in a secure channel"
            data, sw = self._plain(command)
            return Response(data, sw)
        assert self._end is not None
        header, data, le = self._end.open(command.to_bytes())
        answer, sw = self._file_command(Command(0, *header[1:], data, le))
        return Response.from_bytes(self._end.protect(answer, sw))

    def _plain(self, command: Command) -> tuple[bytes, int]:
        match command.ins:
            case 0x22:
                return self._mse(command)
            case 0x86:
                return self._general_authenticate(command)
            case 0x84 if "challenge" in self.refuses or not self.bac or not self._in_application:
                return b"", self.refuses.get("challenge", 0x6D00)
            case 0x84:
                self._challenge = b"CHALLENG"
                return self._challenge, 0x9000
            case 0x82:
                return self._external_authenticate(command)
        return self._file_command(command)

    def _file_command(self, command: Command) -> tuple[bytes, int]:
        if command.ins == 0xB0:
            if self._selected is None:
                return b"", 0x6986
            at, le = command.p1 << 8 | command.p2, command.le or 0
            piece = self._selected[at : at + le]
            return piece, 0x9000 if len(piece) == le else 0x6282
        assert command.ins == 0xA4
        if command.p1 == 0x00:
            self._in_application = False
            return b"", self.refuses.get("mf", 0x9000)
        if command.p1 == 0x04:
            self._in_application = "application" not in self.refuses
            return b"", self.refuses.get("application", 0x9000)
        fids = FIDS if self._in_application else MASTER_FIDS
        name = {fid: name for name, fid in fids.items()}.get(int.from_bytes(command.data, "big"))
        may = name == "CardAccess" or self._end is not None or not self.asks
        if name is None or name not in self.files or name in self.refuses or not may:
            return b"", self.refuses.get(name or "", 0x6A82 if may else 0x6982)
        self._selected = self.files[name]
        return b"", 0x9000

    def _mse(self, command: Command) -> tuple[bytes, int]:
        assert not self._in_application, "PACE is the master file's"
        length = command.data[1]
        arcs = command.data[length], command.data[length + 1]
        reference = command.data[length + 4]
        named = command.data[length + 5 :]
        if "mse" in self.refuses or arcs in self.refuses_mse or not named:
            return b"", self.refuses.get("mse", 0x6A80)
        secret = (
            hashlib.sha1(ZONE_INFORMATION, usedforsecurity=False).digest()
            if reference == 1
            else self.can
        )
        self._pace = PACECard(arcs, named[-1], secret=secret, static=self.static)
        return b"", 0x9000

    def _general_authenticate(self, command: Command) -> tuple[bytes, int]:
        tag = next(iter(value_of(command.data)), 0)
        step = {0: "nonce", 0x81: "map", 0x83: "agree", 0x85: "prove"}[tag]
        assert self._pace is not None
        if step in self.refuses:
            return b"", self.refuses[step]
        try:
            answer = self._pace(command)
        except AssertionError:
            return b"", 0x6300
        if step == "prove":
            end = TripleDESEnd if self._pace.cipher == 1 else CardEnd
            self._end = end(*self._pace.keys)
        return answer.data, answer.sw

    def _external_authenticate(self, command: Command) -> tuple[bytes, int]:
        secret, checksum = command.data[:32], command.data[32:]
        if "authenticate" in self.refuses or checksum != retail(self._keys[1], pad8(secret)):
            return b"", self.refuses.get("authenticate", 0x6300)
        plain = des3(self._keys[0], secret, decrypt=True)
        assert plain[8:16] == self._challenge
        keying = bytes(range(16))
        answer = des3(self._keys[0], plain[8:16] + plain[:8] + keying)
        seed = bytes(a ^ b for a, b in zip(plain[16:], keying, strict=True))
        counter = int.from_bytes(self._challenge[4:] + plain[4:8], "big")
        self._end = TripleDESEnd(kdf(seed, 1, 1), kdf(seed, 2, 1), counter)
        return answer + retail(self._keys[1], pad8(answer)), 0x9000
