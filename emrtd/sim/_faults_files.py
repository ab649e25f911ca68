"""Lies that lie in the files: changed, missing, endless, or not what they should be.

Knows how a counterfeiter changes a card. The expected finding of each was written first, from the
standard and the attack.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from emrtd.errors import Fault
from emrtd.sim import _security_infos as infos
from emrtd.sim._der import oid, sequence
from emrtd.sim._facial_record import dg2
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._manner import Manner, UnknownFaultError
from emrtd.sim._protocols import BSI_SMARTCARD
from emrtd.sim.personalise import tamper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim.card_image import CardImage

_LENGTH_4GIB = b"\x84\xff\xff\xff\xff"
_OTHER_FACE = bytes.fromhex("FFD8FFC0000B08019001 2C01011100FFD9".replace(" ", ""))
_NO_SUCH_FILE, _LOCKED = 0x6A82, 0x6982


def _with(card: CardImage, name: str, raw: bytes) -> CardImage:
    if name not in card.files:
        raise UnknownFaultError(f"this card has no {name}")
    return dataclasses.replace(card, files={**card.files, name: raw})


class _Tampered(Manner):
    FILE: str = "DG1"
    OFFSET: int | None = None

    def card(self, card: CardImage) -> CardImage:
        if self.FILE not in card.files:
            raise UnknownFaultError(f"this card has no {self.FILE}")
        return tamper(card, self.FILE, self.OFFSET)


class _TamperedPortrait(_Tampered):
    FILE = "DG2"


class _TamperedRecord(_Tampered):
    FILE = "DG13"


class _TamperedKey(_Tampered):
    FILE = "DG14"


class _TamperedSigningKey(_Tampered):
    FILE = "DG15"


class _TamperedDetails(_Tampered):
    FILE = "DG11"


class _WrongSignature(_Tampered):
    # Nothing follows the signature's second number in the file.
    FILE = "SOD"
    OFFSET = -1


class _WrongCardSecurity(_Tampered):
    FILE = "CardSecurity"
    OFFSET = -1


class _PortraitOfAnother(Manner):
    def card(self, card: CardImage) -> CardImage:
        return _with(card, "DG2", dg2(_OTHER_FACE))


class _FourGibibytes(Manner):
    FILE = "DG2"

    def card(self, card: CardImage) -> CardImage:
        raw = card.files.get(self.FILE, b"")
        return _with(card, self.FILE, raw[:1] + _LENGTH_4GIB + raw[6:])


class _FourGibibytesBeforeAccess(_FourGibibytes):
    FILE = "CardAccess"


class _FourGibibytesSecurityObject(_FourGibibytes):
    FILE = "SOD"


class _ShortFile(Manner):
    def card(self, card: CardImage) -> CardImage:
        return _with(card, "DG1", card.files["DG1"][:-10])


class _Garbage(Manner):
    FILE = "SOD"

    def card(self, card: CardImage) -> CardImage:
        raw = card.files.get(self.FILE, b"")
        # The outermost tag and length are right, what they hold is nothing.
        return _with(card, self.FILE, raw[:4] + b"\x13" * (len(raw) - 4))


class _GarbageBeforeAccess(_Garbage):
    FILE = "CardAccess"


class _ForeignProtocols(Manner):
    def card(self, card: CardImage) -> CardImage:
        unknown = sequence(oid(f"{BSI_SMARTCARD}.4.9.9"), b"\x02\x01\x02")
        return _with(card, "CardAccess", infos.infos_file([unknown]))


class _Downgraded(Manner):
    """Only the weakest way in is left in the file that nobody signs."""

    def card(self, card: CardImage) -> CardImage:
        if len(card.pace) < 2:
            raise UnknownFaultError("this card has one way in")
        weakest = min(card.pace, key=lambda each: each.block_cipher.strength)
        left = dataclasses.replace(card, pace=(weakest,))
        return _with(left, "CardAccess", infos.infos_file(infos.pace_infos([weakest])))


class _LyingContents(Manner):
    def card(self, card: CardImage) -> CardImage:
        com = card.files["COM"]
        # The list of tags ends the file; DG14 and DG15 become two more DG1.
        at = com.rindex(b"\x5c")
        return _with(card, "COM", com[:at] + com[at:].translate(_WITHOUT_PROOFS))


_WITHOUT_PROOFS = bytes.maketrans(b"\x6e\x6f", b"\x61\x61")


class _Hidden(Manner):
    FILE, SW = "", _NO_SUCH_FILE

    def card(self, card: CardImage) -> CardImage:
        if self.FILE not in card.files:
            raise UnknownFaultError(f"this card has no {self.FILE}")
        return card

    def hides(self, name: str) -> int:
        return self.SW if name == self.FILE else 0


class _HiddenDG14(_Hidden):
    FILE = "DG14"


class _HiddenDG15(_Hidden):
    FILE = "DG15"


class _HiddenRecord(_Hidden):
    FILE = "DG13"


class _HiddenZone(_Hidden):
    FILE = "DG1"


class _LockedRecord(_Hidden):
    FILE, SW = "DG13", _LOCKED


class _HiddenPortrait(_Hidden):
    FILE = "DG2"


class _LockedPortrait(_Hidden):
    FILE, SW = "DG2", _LOCKED


class _HiddenSecurityObject(_Hidden):
    FILE = "SOD"


class _HiddenContents(_Hidden):
    FILE = "COM"


class _HiddenCardSecurity(_Hidden):
    FILE = "CardSecurity"


class _HiddenCardAccess(_Hidden):
    FILE = "CardAccess"


class _WithoutMasterFile(Manner):
    def refuses_master_file(self) -> int:
        return 0x6D00


CASES: Mapping[str, FaultCase] = {
    "dg1_byte": FaultCase("one letter of the name changed", Fault.DATA_HASH_MISMATCH, _Tampered),
    "dg2_byte": FaultCase(
        "one byte of the portrait changed", Fault.DATA_HASH_MISMATCH, _TamperedPortrait
    ),
    "dg13_byte": FaultCase(
        "one byte of the citizen record changed", Fault.DATA_HASH_MISMATCH, _TamperedRecord
    ),
    "dg14_byte": FaultCase(
        "one byte of what the chip announces changed", Fault.DATA_HASH_MISMATCH, _TamperedKey
    ),
    "dg15_byte": FaultCase(
        "one byte of the announced signing key changed",
        Fault.DATA_HASH_MISMATCH,
        _TamperedSigningKey,
    ),
    "dg11_byte": FaultCase(
        "one byte of a passport's details changed",
        Fault.DATA_HASH_MISMATCH,
        _TamperedDetails,
        card="passport",
    ),
    "portrait_of_another": FaultCase(
        "another person's portrait in its own right form",
        Fault.DATA_HASH_MISMATCH,
        _PortraitOfAnother,
    ),
    "wrong_sod_signature": FaultCase(
        "the signer's signature changed in its last byte", Fault.SIGNATURE_INVALID, _WrongSignature
    ),
    "card_security_signature": FaultCase(
        "the signature over EF.CardSecurity changed in its last byte",
        Fault.SIGNATURE_INVALID,
        _WrongCardSecurity,
        card="cam",
    ),
    "dg13_unreadable": FaultCase(
        "DG13 is hashed in the security object and not there (6A82)",
        Fault.ADVERTISED_FILE_MISSING,
        _HiddenRecord,
        fact="DG13",
    ),
    "dg1_unreadable": FaultCase(
        "DG1 is hashed in the security object and not there (6A82)",
        Fault.ADVERTISED_FILE_MISSING,
        _HiddenZone,
        fact="DG1",
    ),
    "dg14_unreadable": FaultCase(
        "DG14 is hashed in the security object and not there (6A82)",
        Fault.ADVERTISED_FILE_MISSING,
        _HiddenDG14,
        fact="DG14",
    ),
    "dg15_unreadable": FaultCase(
        "DG15 is hashed in the security object and not there (6A82)",
        Fault.ADVERTISED_FILE_MISSING,
        _HiddenDG15,
        fact="DG15",
    ),
    "dg13_locked": FaultCase(
        "DG13 is kept for others (6982), as an issuer may: what is read is right, but less",
        "genuine",
        _LockedRecord,
        fact="DG13",
    ),
    "portrait_missing": FaultCase(
        "the portrait is hashed in the security object and not there (6A82)",
        Fault.ADVERTISED_FILE_MISSING,
        _HiddenPortrait,
        fact="DG2",
    ),
    "portrait_locked": FaultCase(
        "the portrait may not be read (6982), so that nobody can compare it",
        Fault.ADVERTISED_FILE_MISSING,
        _LockedPortrait,
        fact="DG2",
    ),
    "card_security_missing": FaultCase(
        "EF.CardSecurity is not there (6A82), and the proof's key stands in DG14 as well",
        "genuine",
        _HiddenCardSecurity,
        card="cam",
    ),
    "sod_missing": FaultCase(
        "there is no security object (6A82)",
        Fault.SECURITY_OBJECT_MISSING,
        _HiddenSecurityObject,
    ),
    "sod_garbage": FaultCase(
        "the security object is no such thing", Fault.SECURITY_OBJECT_MALFORMED, _Garbage
    ),
    "sod_4gib": FaultCase(
        "the security object claims to be 4 GiB long",
        Fault.FILE_TOO_LARGE,
        _FourGibibytesSecurityObject,
    ),
    "length_4gib": FaultCase("DG2 claims to be 4 GiB long", Fault.FILE_TOO_LARGE, _FourGibibytes),
    "short_file": FaultCase(
        "DG1 ends before its own length says",
        Fault.ADVERTISED_FILE_MISSING,
        _ShortFile,
        fact="DG1",
    ),
    "card_access_4gib": FaultCase(
        "EF.CardAccess claims to be 4 GiB long", Fault.FILE_TOO_LARGE, _FourGibibytesBeforeAccess
    ),
    "card_access_garbage": FaultCase(
        "EF.CardAccess is no list of security infos", Fault.CHIP_MALFORMED, _GarbageBeforeAccess
    ),
    "card_access_foreign": FaultCase(
        "EF.CardAccess offers only protocols of another world",
        Fault.ACCESS_UNSUPPORTED,
        _ForeignProtocols,
    ),
    "card_access_missing": FaultCase(
        "EF.CardAccess is not there (6A82), nor is basic access control",
        Fault.ACCESS_UNSUPPORTED,
        _HiddenCardAccess,
    ),
    "card_access_weaker": FaultCase(
        "EF.CardAccess hides the stronger of the ways that DG14 announces",
        Fault.CARD_ACCESS_MISMATCH,
        _Downgraded,
        card="ways",
    ),
    "card_access_hidden": FaultCase(
        "EF.CardAccess is not there (6A82), so that the weaker access control is left",
        "genuine",
        _HiddenCardAccess,
        card="passport",
        fact="downgraded",
    ),
    "com_lies": FaultCase(
        "EF.COM, which nobody signs, is silent about DG14 and DG15", "genuine", _LyingContents
    ),
    "com_missing": FaultCase("EF.COM is not there (6A82)", "genuine", _HiddenContents),
    "mf_unknown": FaultCase(
        "SELECT MF answers 6D00, as some cards do", "genuine", _WithoutMasterFile
    ),
}
"""Name to case."""
