"""Every way in which a test card lies, as data: what it does, and what must be found.

Knows where in a chip's life a lie is told (`Manner`) and tells each in a few lines. Does not know
how a reader finds out: the expected finding was written first, from the standard and the attack.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from emrtd.errors import ChipGone, Fault
from emrtd.sim.personalise import clone, signed_files, tamper
from emrtd.sim.pki import TestPKI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._curves import Randomness
    from emrtd.sim.card_image import CardImage

_MAX_DIGITS = 7


class UnknownFaultError(ValueError):
    """No such fault, a number where none belongs, or a card that cannot tell this lie."""


class Manner:
    """An honest chip's manner: each method is a place where a fault may do otherwise."""

    def __init__(self, number: int, randomness: Randomness) -> None:
        """Begin.

        Args:
            number: what stood after the colon of the fault's name, 0 if nothing.
            randomness: the chip's source.
        """
        self.number = number
        self.randomness = randomness

    def card(self, card: CardImage) -> CardImage:
        """Return what is really on the card."""
        return card

    def powered(self) -> None:
        """The chip enters the field."""

    def asked(self) -> None:
        """A command arrives. Raises ChipGone if the card has left."""

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        """Return what is sent instead of a response, given under secure messaging or not."""
        del protected
        return response

    def password_seed(self, seed: bytes) -> bytes:
        """Return what the chip takes its password for."""
        return seed

    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        """Return the public key that is sent in a step of PACE."""
        del step, theirs
        return own

    def refuses(self, ins: int) -> int:
        """Return a status word if the chip refuses that instruction, else 0."""
        del ins
        return 0

    def refuses_master_file(self) -> int:
        """Return a status word if SELECT MF is refused, else 0."""
        return 0

    def hides(self, name: str) -> int:
        """Return a status word if that file cannot be selected, else 0."""
        del name
        return 0


class _Clone(Manner):
    def card(self, card: CardImage) -> CardImage:
        if card.chip_auth_key is None and card.active_auth_key is None:
            raise UnknownFaultError("a card without keys has no clone but itself")
        return clone(card)


class _SilentClone(_Clone):
    """Hopes that a proof not given is a proof not missed."""

    def refuses(self, ins: int) -> int:
        return 0x6D00 if ins in {0x22, 0x88} and self._open else 0

    def powered(self) -> None:
        self._open = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._open = self._open or protected
        return response


class _TamperedName(Manner):
    def card(self, card: CardImage) -> CardImage:
        return tamper(card, "DG1")


class _TamperedPortrait(Manner):
    def card(self, card: CardImage) -> CardImage:
        return tamper(card, "DG2")


class _WrongSignature(Manner):
    def card(self, card: CardImage) -> CardImage:
        # Nothing follows the signature's second number in the file.
        return tamper(card, "SOD", -1)


class _ExpiredSigner(Manner):
    def card(self, card: CardImage) -> CardImage:
        return dataclasses.replace(card, files={**card.files, "SOD": card.expired_sod})


class _UnknownIssuer(Manner):
    def card(self, card: CardImage) -> CardImage:
        stranger = TestPKI.create(
            self.randomness,
            valid_from=datetime(2000, 1, 1, tzinfo=UTC),
            valid_until=datetime(2100, 1, 1, tzinfo=UTC),
            organisation="Tram Test Stranger",
        )
        return dataclasses.replace(
            card, files={**card.files, "SOD": signed_files(card.files, stranger.signer)}
        )


class _FourGibibytes(Manner):
    def card(self, card: CardImage) -> CardImage:
        claim = b"\x75\x84\xff\xff\xff\xff" + card.files["DG2"][6:]
        return dataclasses.replace(card, files={**card.files, "DG2": claim})


class _LyingContents(Manner):
    def card(self, card: CardImage) -> CardImage:
        com = card.files["COM"]
        # The list of tags ends the file; DG14 and DG15 become two more DG1.
        honest = com[-6:]
        return dataclasses.replace(
            card,
            files={**card.files, "COM": com[:-6] + honest.translate(_WITHOUT_PROOFS)},
        )


_WITHOUT_PROOFS = bytes.maketrans(b"\x6e\x6f", b"\x61\x61")


class _Hidden(Manner):
    FILE = ""

    def card(self, card: CardImage) -> CardImage:
        if self.FILE not in card.files:
            raise UnknownFaultError(f"this card has no {self.FILE}")
        return card

    def hides(self, name: str) -> int:
        return 0x6A82 if name == self.FILE else 0


class _HiddenDG14(_Hidden):
    FILE = "DG14"


class _HiddenDG15(_Hidden):
    FILE = "DG15"


class _Torn(Manner):
    """Leaves once, at its n-th command ever; put back, it answers."""

    _count = 0
    _away = False

    def powered(self) -> None:
        self._away = False

    def asked(self) -> None:
        self._count += 1
        self._away = self._away or self._count == self.number
        if self._away:
            raise ChipGone(message="the card left the field")


class _Silent(Manner):
    """Falls silent in the same place of every session."""

    _SPEAKS = 12

    def powered(self) -> None:
        self._count = 0

    def asked(self) -> None:
        self._count += 1
        if self._count > self._SPEAKS:
            raise ChipGone(message="the chip stopped answering")


class _NthProtected(Manner):
    """Does something to one response of the channel that access opened."""

    _NTH = 3

    def powered(self) -> None:
        self._count = 0
        self._last = b""

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._count += protected
        sent = self.instead(response) if protected and self._count == self._NTH else response
        self._last = response
        return sent

    def instead(self, response: bytes) -> bytes:
        """Return what is sent that once."""
        return response


class _WrongMAC(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        return response[:-3] + bytes((response[-3] ^ 1,)) + response[-2:]


class _Replayed(_NthProtected):
    def instead(self, response: bytes) -> bytes:
        del response
        return self._last


class _EndlessResponse(Manner):
    def powered(self) -> None:
        self._begun = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._begun = self._begun or protected
        return bytes(64) + b"\x61\x40" if self._begun else response


class _ForgetfulChip(Manner):
    def password_seed(self, seed: bytes) -> bytes:
        return seed[::-1] + b"\0"


class _OffCurve(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        return own[:-1] + bytes((own[-1] ^ 1,)) if step == 2 else own


class _Mirror(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        return theirs if step == 3 else own


class _WithoutMasterFile(Manner):
    def refuses_master_file(self) -> int:
        return 0x6D00


Expected = Fault | Literal["genuine"]


@dataclass(frozen=True, slots=True)
class FaultCase:
    """One misbehaviour.

    Attributes:
        description: what the card does, one line for people.
        expected: what an inspection must find; an outcome where nothing is wrong with the chip.
        manner: how it is told.
        takes_number: whether the name needs a number after a colon.
    """

    description: str
    expected: Expected
    manner: type[Manner]
    takes_number: bool = False


FAULTS: Mapping[str, FaultCase] = MappingProxyType(
    {
        "clone": FaultCase(
            "right files, but none of the private keys they announce",
            Fault.CHIP_KEY_MISMATCH,
            _Clone,
        ),
        "silent_clone": FaultCase(
            "a clone that refuses to be asked for proof (6D00)",
            Fault.CHIP_KEY_MISMATCH,
            _SilentClone,
        ),
        "dg1_byte": FaultCase(
            "one letter of the name changed", Fault.DATA_HASH_MISMATCH, _TamperedName
        ),
        "dg2_byte": FaultCase(
            "one byte of the portrait changed", Fault.DATA_HASH_MISMATCH, _TamperedPortrait
        ),
        "wrong_sod_signature": FaultCase(
            "the signer's signature changed in its last byte",
            Fault.SIGNATURE_INVALID,
            _WrongSignature,
        ),
        "expired_signer": FaultCase(
            "signed by a signer whose certificate is over", Fault.SIGNER_EXPIRED, _ExpiredSigner
        ),
        "unknown_issuer": FaultCase(
            "signed by an issuer that nobody trusts", Fault.ISSUER_UNKNOWN, _UnknownIssuer
        ),
        "dg14_unreadable": FaultCase(
            "DG14 is hashed in the security object and not there (6A82)",
            Fault.ADVERTISED_FILE_MISSING,
            _HiddenDG14,
        ),
        "dg15_unreadable": FaultCase(
            "DG15 is hashed in the security object and not there (6A82)",
            Fault.ADVERTISED_FILE_MISSING,
            _HiddenDG15,
        ),
        "com_lies": FaultCase(
            "EF.COM, which nobody signs, is silent about DG14 and DG15", "genuine", _LyingContents
        ),
        "mf_unknown": FaultCase(
            "SELECT MF answers 6D00, as some cards do", "genuine", _WithoutMasterFile
        ),
        "torn": FaultCase(
            "leaves the field at its n-th command; put back, it answers",
            Fault.CHIP_GONE,
            _Torn,
            takes_number=True,
        ),
        "silent": FaultCase("stops answering after twelve commands", Fault.CHIP_GONE, _Silent),
        "wrong_mac": FaultCase(
            "one bit of one response's checksum is wrong", Fault.CHANNEL_BROKEN, _WrongMAC
        ),
        "replayed_response": FaultCase(
            "one response is the one before it, again", Fault.CHANNEL_BROKEN, _Replayed
        ),
        "length_4gib": FaultCase(
            "DG2 claims to be 4 GiB long", Fault.CHIP_MALFORMED, _FourGibibytes
        ),
        "loop_61xx": FaultCase(
            "every response after access says that more is waiting",
            Fault.CHIP_MALFORMED,
            _EndlessResponse,
        ),
        "wrong_password": FaultCase(
            "no password ever opens this chip (6300)", Fault.WRONG_PASSWORD, _ForgetfulChip
        ),
        "point_not_on_curve": FaultCase(
            "a public key in PACE is not a point of the curve", Fault.CHIP_MALFORMED, _OffCurve
        ),
        "own_public_key": FaultCase(
            "the reader's own ephemeral key comes back as the chip's",
            Fault.CHIP_KEY_MISMATCH,
            _Mirror,
        ),
    }
)
"""Name to case; `torn` is asked for as "torn:12"."""


def begin(fault: str | None, *, randomness: Randomness) -> Manner:
    """Return the manner of a chip with that fault; None is honest.

    Raises:
        UnknownFaultError: no such fault, or its number is missing or unwanted.
    """
    if fault is None:
        return Manner(0, randomness)
    name, colon, number = fault.partition(":")
    case = FAULTS.get(name)
    if case is None:
        raise UnknownFaultError(f"no fault is called {name[:40]!r}")
    if bool(colon) != case.takes_number:
        raise UnknownFaultError(f"{name} takes {'a' if case.takes_number else 'no'} number")
    if case.takes_number and not (
        number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS
    ):
        raise UnknownFaultError(f"{name} takes a number after its colon")
    return case.manner(int(number) if number else 0, randomness)
