"""Lies told within a protocol: access that is no access, proofs that prove nothing.

Knows the steps of each protocol. The expected finding of each was written first.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from emrtd.errors import Fault
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._manner import Manner, UnknownFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.apdu import Command
    from emrtd.sim.card_image import CardImage

_TOKEN, _PROOF = 0x86, 0x8A
_SELECT, _BY_NAME = 0xA4, 0x04
_MSE, _EXTERNAL, _CHALLENGE, _GENERAL, _INTERNAL = 0x22, 0x82, 0x84, 0x86, 0x88


class _Opened(Manner):
    """Knows whether the channel is open yet."""

    def powered(self) -> None:
        self._open = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._open = self._open or protected
        return response


class _ForgetfulChip(Manner):
    def password_seed(self, seed: bytes) -> bytes:
        return seed[::-1] + b"\0"


class _AlwaysWrong(Manner):
    def refuses(self, ins: int) -> int:
        return 0x6300 if ins == _GENERAL else 0


class _RefusesPACE(Manner):
    def refuses(self, ins: int) -> int:
        return 0x6A80 if ins == _MSE else 0


class _RefusesStrongest(Manner):
    def card(self, card: CardImage) -> CardImage:
        if len(card.pace) < 2:
            raise UnknownFaultError("this card has one way in")
        return card

    def powered(self) -> None:
        self._chosen = 0

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        self._chosen += command.ins == _MSE
        return (b"", 0x6A80) if command.ins == _MSE and self._chosen == 1 else (data, sw)


class _Blocked(Manner):
    def refuses(self, ins: int) -> int:
        return 0x6983 if ins == _MSE else 0


class _WithoutApplication(Manner):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        named = command.ins == _SELECT and command.p1 == _BY_NAME
        return (b"", 0x6A82) if named else (data, sw)


class _OffCurve(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        return own[:-1] + bytes((own[-1] ^ 1,)) if step == 2 else own


class _Infinity(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        return b"\0" if step == 3 else own


class _Mirror(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        return theirs if step == 3 else own


class _MappingMirror(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        return theirs if step == 2 else own


class _ShortNonce(Manner):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {0x80: objects[0x80][:8]} if step == 1 else objects


class _WrongToken(Manner):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {**objects, _TOKEN: bytes(8)} if step == 4 else objects


class _WithoutToken(Manner):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {} if step == 4 else objects


class _Mapped(Manner):
    def card(self, card: CardImage) -> CardImage:
        if not any(each.mapping == "cam" for each in card.pace):
            raise UnknownFaultError("this card has no chip authentication mapping")
        return card


class _WrongProof(_Mapped):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        if step != 4:
            return objects
        proof = objects[_PROOF]
        # The first block's change is confined to the number; the padding stays right.
        return {**objects, _PROOF: bytes((proof[0] ^ 1,)) + proof[1:]}


class _WithoutProof(_Mapped):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        del step
        return {tag: value for tag, value in objects.items() if tag != _PROOF}


class _StaysBehind(Manner):
    def card(self, card: CardImage) -> CardImage:
        if card.chip_auth_key is None:
            raise UnknownFaultError("this card has no chip authentication")
        return card

    def switches(self) -> bool:
        return False


class _RefusesChipAuth(_Opened):
    def refuses(self, ins: int) -> int:
        return 0x6300 if ins == _GENERAL and self._open else 0


class _Signs(Manner):
    def card(self, card: CardImage) -> CardImage:
        if card.active_auth_key is None:
            raise UnknownFaultError("this card has no active authentication")
        return card


class _SignsAnother(_Signs):
    def signs(self, challenge: bytes) -> bytes:
        return challenge[::-1]


class _ShortSignature(_Signs):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return (data[:4] if command.ins == _INTERNAL else data), sw


class _RefusesToSign(_Signs):
    def refuses(self, ins: int) -> int:
        return 0x6985 if ins == _INTERNAL else 0


class _OpenedByZone(Manner):
    def card(self, card: CardImage) -> CardImage:
        if not card.bac:
            raise UnknownFaultError("this card has no basic access control")
        return card


class _OtherZone(_OpenedByZone):
    def card(self, card: CardImage) -> CardImage:
        zone = super().card(card).mrz_information
        return dataclasses.replace(card, mrz_information="X" + zone[1:])


class _OutOfOrder(_OpenedByZone):
    def refuses(self, ins: int) -> int:
        return 0x6985 if ins == _EXTERNAL else 0


class _ForgetsChallenge(_OpenedByZone):
    def bac_answer(self, plain: bytes) -> bytes:
        return plain[:8] + bytes(8) + plain[16:]


class _WrongBACChecksum(_OpenedByZone):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        if command.ins == _EXTERNAL and data:
            return data[:-1] + bytes((data[-1] ^ 1,)), sw
        return data, sw


class _ShortChallenge(_OpenedByZone):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return (data[:4] if command.ins == _CHALLENGE else data), sw


class _Fingers(_Opened):
    def card(self, card: CardImage) -> CardImage:
        if not card.trust_points:
            raise UnknownFaultError("this card asks no terminal for its name")
        return card


class _RefusesTerminal(_Fingers):
    def refuses(self, ins: int) -> int:
        return 0x6300 if ins == _EXTERNAL and self._open else 0


class _ShortTerminalChallenge(_Fingers):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return (data[:4] if command.ins == _CHALLENGE else data), sw


CASES: Mapping[str, FaultCase] = {
    "wrong_password": FaultCase(
        "no password ever opens this chip (6300)", Fault.WRONG_PASSWORD, _ForgetfulChip
    ),
    "always_6300": FaultCase(
        "every step of PACE ends in 6300, long before a password is tried",
        Fault.CHIP_REFUSED,
        _AlwaysWrong,
    ),
    "refuses_pace": FaultCase(
        "the offered PACE is refused when it is chosen (6A80)", Fault.CHIP_REFUSED, _RefusesPACE
    ),
    "refuses_strongest": FaultCase(
        "the strongest way is refused when it is chosen (6A80), so that a weaker one is left",
        "genuine",
        _RefusesStrongest,
        card="ways",
        fact="downgraded",
    ),
    "password_blocked": FaultCase(
        "the password is blocked (6983)", Fault.PASSWORD_BLOCKED, _Blocked
    ),
    "no_application": FaultCase(
        "there is no eMRTD application (6A82): another kind of card",
        Fault.APPLICATION_MISSING,
        _WithoutApplication,
    ),
    "point_not_on_curve": FaultCase(
        "a public key in PACE is not a point of the curve", Fault.PUBLIC_KEY_INVALID, _OffCurve
    ),
    "point_at_infinity": FaultCase(
        "the chip's ephemeral key is the point at infinity", Fault.PUBLIC_KEY_INVALID, _Infinity
    ),
    "own_public_key": FaultCase(
        "the reader's own ephemeral key comes back as the chip's",
        Fault.PUBLIC_KEY_ECHOED,
        _Mirror,
    ),
    "own_mapping_key": FaultCase(
        "the reader's own key of the mapping comes back as the chip's",
        Fault.PUBLIC_KEY_ECHOED,
        _MappingMirror,
    ),
    "short_nonce": FaultCase("the nonce is half a block", Fault.RESPONSE_MALFORMED, _ShortNonce),
    "wrong_token": FaultCase(
        "the chip's own token of PACE is wrong", Fault.ACCESS_UNPROVED, _WrongToken
    ),
    "token_missing": FaultCase(
        "the chip answers the reader's token with nothing", Fault.RESPONSE_MALFORMED, _WithoutToken
    ),
    "cam_wrong_proof": FaultCase(
        "the proof of chip authentication mapping is of another key",
        Fault.CHIP_KEY_MISMATCH,
        _WrongProof,
        card="cam",
        fact="cam",
    ),
    "cam_without_proof": FaultCase(
        "chip authentication mapping ends without its proof",
        Fault.CHIP_KEY_MISMATCH,
        _WithoutProof,
        card="cam",
        fact="cam",
    ),
    "chip_auth_ignored": FaultCase(
        "the chip stays in the old channel after chip authentication",
        Fault.CHIP_KEY_MISMATCH,
        _StaysBehind,
        fact="ca",
    ),
    "chip_auth_refused": FaultCase(
        "chip authentication ends in 6300",
        Fault.CHIP_KEY_MISMATCH,
        _RefusesChipAuth,
        fact="ca",
    ),
    "signs_another_challenge": FaultCase(
        "a right signature, but over another challenge",
        Fault.CHIP_KEY_MISMATCH,
        _SignsAnother,
        fact="aa",
    ),
    "short_signature": FaultCase(
        "active authentication answers with four bytes",
        Fault.CHIP_KEY_MISMATCH,
        _ShortSignature,
        fact="aa",
    ),
    "refuses_to_sign": FaultCase(
        "active authentication is refused (6985)",
        Fault.CHIP_KEY_MISMATCH,
        _RefusesToSign,
        fact="aa",
    ),
    "bac_other_zone": FaultCase(
        "the chip belongs to another printed zone (6300)",
        Fault.WRONG_PASSWORD,
        _OtherZone,
        card="bac",
    ),
    "bac_out_of_order": FaultCase(
        "basic access control is answered by 6985, as some chips mean a wrong zone",
        Fault.WRONG_PASSWORD,
        _OutOfOrder,
        card="bac",
    ),
    "bac_forgets_challenge": FaultCase(
        "the chip's half does not hold the reader's challenge",
        Fault.ACCESS_UNPROVED,
        _ForgetsChallenge,
        card="bac",
    ),
    "bac_wrong_checksum": FaultCase(
        "the chip's half has a wrong checksum",
        Fault.ACCESS_UNPROVED,
        _WrongBACChecksum,
        card="bac",
    ),
    "bac_short_challenge": FaultCase(
        "the chip's challenge has four bytes",
        Fault.RESPONSE_MALFORMED,
        _ShortChallenge,
        card="bac",
    ),
    "terminal_refused": FaultCase(
        "the terminal's proof is refused (6300), and the fingers stay closed",
        "genuine",
        _RefusesTerminal,
        card="fingers",
        fact="DG3",
    ),
    "terminal_short_challenge": FaultCase(
        "the chip's challenge for the terminal has four bytes",
        Fault.RESPONSE_MALFORMED,
        _ShortTerminalChallenge,
        card="fingers",
    ),
}
"""Name to case."""
