"""Command and response APDUs as values.

Knows ISO 7816-4 cases 1 to 4, short and extended. Does not know how bytes reach a chip, nor what
any command means.

Spec: [7816-4].
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emrtd.errors import ChipMalformed, Fault

MAX_SHORT_LC = 255
MAX_EXTENDED_LC = 65535


@dataclass(frozen=True, slots=True)
class Step:
    """Where in an inspection a command belongs: for progress and timing, never for the chip.

    Attributes:
        phase: a closed, lower-case name such as "access", "sod", "chip_auth", "dg2".
        done: bytes of the current file already read.
        total: bytes of the current file, 0 while unknown.
    """

    phase: str = "select"
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command APDU.

    Attributes:
        le: None for no response data, else 1..256 (short) or up to 65536 (extended).
        step: progress of the dialogue that asks; not transmitted, not compared.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None
    step: Step = field(default=Step(), compare=False)

    def to_bytes(self) -> bytes:
        """Encode in the shortest form: extended only if a length needs it."""
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        extended = len(self.data) > MAX_SHORT_LC or (self.le is not None and self.le > 256)
        if len(self.data) > MAX_EXTENDED_LC or (self.le is not None and not 1 <= self.le <= 65536):
            raise ValueError("length out of range")
        if not extended:
            lc = bytes((len(self.data),)) if self.data else b""
            le = b"" if self.le is None else bytes((self.le & 0xFF,))
            return head + lc + self.data + le
        lc = b"\0" + len(self.data).to_bytes(2, "big") if self.data else b""
        if self.le is None:
            return head + lc + self.data
        le = (self.le & 0xFFFF).to_bytes(2, "big")
        return head + lc + self.data + (le if self.data else b"\0" + le)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Command:
        """Decode the card side's view of a command. Raises ChipMalformed."""
        if len(raw) < 4:
            raise ChipMalformed("APDU", "shorter than its header")
        cla, ins, p1, p2 = raw[:4]
        body = raw[4:]
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, le=body[0] or 256)
        if body[0] != 0:
            data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
            if len(data) != body[0] or len(rest) > 1:
                raise ChipMalformed("APDU", "Lc does not fit")
            return cls(cla, ins, p1, p2, data, (rest[0] or 256) if rest else None)
        if len(body) == 3:
            return cls(cla, ins, p1, p2, le=int.from_bytes(body[1:], "big") or 65536)
        lc = int.from_bytes(body[1:3], "big")
        data, rest = body[3 : 3 + lc], body[3 + lc :]
        if not lc or len(data) != lc or len(rest) not in {0, 2}:
            raise ChipMalformed("APDU", "extended Lc does not fit")
        return cls(cla, ins, p1, p2, data, (int.from_bytes(rest, "big") or 65536) if rest else None)


@dataclass(frozen=True, slots=True)
class Response:
    """A response APDU: data and the two status bytes as an integer."""

    data: bytes = field(repr=False)
    sw: int

    @property
    def ok(self) -> bool:
        """Whether the status is 9000."""
        return self.sw == 0x9000

    def to_bytes(self) -> bytes:
        """Encode as the chip sends it."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Response:
        """Decode what a transport received. Raises ChipMalformed."""
        if not 2 <= len(raw) <= 65538:
            raise ChipMalformed(
                "APDU", f"{len(raw)} bytes are no response", fault=Fault.RESPONSE_MALFORMED
            )
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))
