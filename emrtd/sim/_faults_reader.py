"""Lies that one refusal of a reader stands against, and no other: each is right in all else.

Knows what a reader of [9303-11] must check one by one: every length of a step, every form of a
point, every object under a checksum, every part of a signature. The expected finding of each was
written first.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from emrtd.errors import Fault
from emrtd.sim import _security_infos as infos
from emrtd.sim._cipher import AUTHENTICATING, ENCRYPTING, TRIPLE_DES
from emrtd.sim._data_groups import security_object
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._manner import Manner, UnknownFaultError
from emrtd.sim.personalise import clone, tamper
from emrtd.sim.pki import TestPKI, sign_card_security
from emrtd.tlv import TLV

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emrtd.apdu import Command
    from emrtd.sim.card_image import CardImage

_EXTERNAL, _CHALLENGE, _GENERAL, _INTERNAL, _READ = 0x82, 0x84, 0x86, 0x88, 0xB0
_CRYPTOGRAM, _STATUS, _PLAIN, _PROOF = 0x87, 0x99, 0x81, 0x8A
_OVER_ANY_FILE = 300_000


# --- PACE


class _EmptyNonce(Manner):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {0x80: b""} if step == 1 else objects


class _LongNonce(Manner):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {0x80: objects[0x80] * 8} if step == 1 else objects


class _OtherTemplate(Manner):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        step = command.ins == _GENERAL and data[:1] == b"\x7c"
        return (b"\x7d" + data[1:] if step else data), sw


class _CompressedPoint(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        form = b"\x03" if own[-1] & 1 else b"\x02"
        return form + own[1:] if step == 2 else own


class _WidePoint(Manner):
    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        half = 1 + len(own) // 2
        return own[:half] + b"\0" + own[half:] if step == 2 else own


class _TokenRefused(Manner):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        last = command.ins == _GENERAL and not command.cla & 0x10
        return (b"", 0x6985) if last else (data, sw)


class _CountsTries(Manner):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        last = command.ins == _GENERAL and not command.cla & 0x10
        return (b"", 0x63C2) if last else (data, sw)


class _HalfProof(Manner):
    def card(self, card: CardImage) -> CardImage:
        if not any(each.mapping == "cam" for each in card.pace):
            raise UnknownFaultError("this card has no chip authentication mapping")
        return card

    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {**objects, _PROOF: objects[_PROOF][:16]} if step == 4 else objects


class _Integrated(Manner):
    def card(self, card: CardImage) -> CardImage:
        if not any(each.mapping == "im" for each in card.pace):
            raise UnknownFaultError("this card has no integrated mapping")
        return card


class _AnswersMapping(_Integrated):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {0x82: b"\x01"} if step == 2 else objects


class _HalfNonce(_Integrated):
    def pace_answer(self, step: int, objects: dict[int, bytes]) -> dict[int, bytes]:
        return {0x80: objects[0x80][:16]} if step == 1 else objects


class _Integers(Manner):
    """A chip that agrees on integers, and sends another one for its own."""

    STEP = 2

    def card(self, card: CardImage) -> CardImage:
        if not card.pace or card.pace[0].parameters.agreement != "dh":
            raise UnknownFaultError("this card agrees on points of a curve")
        self._prime = card.pace[0].parameters.prime
        return card

    def public_key(self, step: int, own: bytes, theirs: bytes) -> bytes:
        del theirs
        return self.instead(own) if step == self.STEP else own

    @abstractmethod
    def instead(self, own: bytes) -> bytes:
        """Return the integer that is sent."""


class _Neutral(_Integers):
    def instead(self, own: bytes) -> bytes:
        del own
        return b"\x01"


class _SmallSubgroup(_Integers):
    STEP = 3

    def instead(self, own: bytes) -> bytes:
        return (self._prime - 1).to_bytes(len(own), "big")


class _OverPrime(_Integers):
    def instead(self, own: bytes) -> bytes:
        # The same element, and one that fits where the prime does not fill its bytes.
        return (int.from_bytes(own, "big") + self._prime).to_bytes(len(own) + 1, "big")


# --- basic access control


class _Zone(Manner):
    def card(self, card: CardImage) -> CardImage:
        if not card.bac:
            raise UnknownFaultError("this card has no basic access control")
        self._seed = hashlib.sha1(card.mrz_information.encode()).digest()[:16]  # noqa: S324 - the standard's
        return card


class _EchoesKeying(_Zone):
    """A chip that gives back what it was given, so that the session's keys are known to all."""

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        if command.ins != _EXTERNAL or not data:
            return data, sw
        encrypting = TRIPLE_DES.derive(self._seed, ENCRYPTING)
        plain = TRIPLE_DES.decrypt(encrypting, command.data[:32])
        sealed = TRIPLE_DES.encrypt(encrypting, plain[8:16] + plain[:8] + plain[16:])
        authenticating = TRIPLE_DES.derive(self._seed, AUTHENTICATING)
        return sealed + TRIPLE_DES.mac_of_any(authenticating, sealed), sw


class _ShortHalf(_Zone):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return (data[:-1] if command.ins == _EXTERNAL else data), sw


class _RefusesHalf(_Zone):
    def refuses(self, ins: int) -> int:
        return 0x6A80 if ins == _EXTERNAL else 0


class _CountsZones(_Zone):
    def refuses(self, ins: int) -> int:
        return 0x63C2 if ins == _EXTERNAL else 0


class _RefusesChallenge(_Zone):
    def refuses(self, ins: int) -> int:
        return 0x6A80 if ins == _CHALLENGE else 0


# --- objects under a right checksum


class _Dressed(Manner):
    """Puts other objects under the checksum of every answer that has data."""

    def protected(self, objects: tuple[TLV, ...]) -> bytes:
        sent = self.instead(*objects) if len(objects) == 2 else objects
        return super().protected(tuple(sent))

    @abstractmethod
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        """Return what is sent."""


class _UnknownPadding(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        return TLV(_CRYPTOGRAM, b"\x02" + cryptogram.value[1:]), status


class _WrongPadding(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        # Another last block deciphers to what ends in no padding.
        changed = cryptogram.value[:-1] + bytes((cryptogram.value[-1] ^ 1,))
        return TLV(_CRYPTOGRAM, changed), status


class _OutOfOrder(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        return status, cryptogram


class _WithoutStatus(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        del status
        return (cryptogram,)


class _InTheClear(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        return TLV(_PLAIN, cryptogram.value[1:]), status


class _OtherStatusInside(_Dressed):
    def instead(self, cryptogram: TLV, status: TLV) -> Iterable[TLV]:
        del status
        return cryptogram, TLV(_STATUS, b"\x62\x82")


class _NoObjects(Manner):
    def protected(self, objects: tuple[TLV, ...]) -> bytes:
        return super().protected(objects)[:-1]


# --- files


class _Claims(Manner):
    """The portrait's file says that it is so long; what follows is read as it comes."""

    def card(self, card: CardImage) -> CardImage:
        size = self.size()
        raw = b"\x75\x84" + size.to_bytes(4, "big") + card.files["DG2"][6:]
        return dataclasses.replace(card, files={**card.files, "DG2": raw.ljust(8192, b"\0")})

    @abstractmethod
    def size(self) -> int:
        """Return the length."""


class _OverAnyFile(_Claims):
    def size(self) -> int:
        return _OVER_ANY_FILE


class _DropByDrop(_Claims):
    """After the file's head it gives one byte for each command, and never comes to the end."""

    def powered(self) -> None:
        self._begun = False

    def size(self) -> int:
        return 100_000

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        if command.ins == _READ and self._begun:
            return data[:1], sw
        self._begun = data[:2] == b"\x75\x84"
        return (data[:8] if self._begun else data), sw


class _OffersMore(Manner):
    """A stronger way in is on offer, which goes too, and nobody signed it."""

    def card(self, card: CardImage) -> CardImage:
        if len(card.pace) != 1 or card.pace[0].mapping != "gm":
            raise UnknownFaultError("this card has another number of ways in")
        offers = (dataclasses.replace(card.pace[0], cipher="AES-256"), *card.pace)
        raw = infos.infos_file(infos.pace_infos(offers))
        return dataclasses.replace(card, pace=offers, files={**card.files, "CardAccess": raw})


class _GoneFile(Manner):
    """Other files lie behind the channel when the reader looks again."""

    def powered(self) -> None:
        self._asked = 0

    def hides(self, name: str) -> int:
        self._asked += name == "SOD"
        return 0x6A82 if name == "SOD" and self._asked > 1 else 0


class _OtherTag(Manner):
    def card(self, card: CardImage) -> CardImage:
        raw = b"\x75" + card.files["DG1"][1:]
        return dataclasses.replace(card, files={**card.files, "DG1": raw})


# --- what is signed


class _HashExchanged(Manner):
    """A forger who changes the name and the hash of it, but has no key to sign that."""

    def card(self, card: CardImage) -> CardImage:
        forged = tamper(card, "DG1")
        return self._with_hash(card, forged)

    def _with_hash(self, card: CardImage, forged: CardImage) -> CardImage:
        sod = card.files["SOD"].replace(_digest(card.files["DG1"]), _digest(forged.files["DG1"]))
        return dataclasses.replace(forged, files={**forged.files, "SOD": sod})


class _DigestExchanged(_HashExchanged):
    """As before, and the digest of the hashes among the signed attributes too."""

    def _with_hash(self, card: CardImage, forged: CardImage) -> CardImage:
        once = super()._with_hash(card, forged)
        before, after = (_digest(security_object(each.files)) for each in (card, forged))
        sod = once.files["SOD"].replace(before, after)
        return dataclasses.replace(once, files={**once.files, "SOD": sod})


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


class _StrangersKey(Manner):
    """A copy of genuine files, with a key of the copier's own in EF.CardSecurity."""

    def card(self, card: CardImage) -> CardImage:
        copy = clone(card)
        key = copy.chip_auth_key
        if key is None or "CardSecurity" not in card.files:
            raise UnknownFaultError("this card has no EF.CardSecurity")
        stranger = TestPKI.create(
            self.randomness,
            valid_from=datetime(2000, 1, 1, tzinfo=UTC),
            valid_until=datetime(2049, 12, 31, tzinfo=UTC),
            organisation="Tram Test Stranger",
        )
        number = key.parameters.parameter_id
        announced = infos.pace_infos(card.pace)
        announced.append(infos.chip_auth_public(key, infos.standardised_key(key), key_id=number))
        raw = sign_card_security(infos.infos_file(announced), stranger.signer)
        return dataclasses.replace(
            card, chip_auth_key=key, files={**card.files, "CardSecurity": raw}
        )


# --- active authentication


class _SignsAndRefuses(Manner):
    """Gives a right signature under an error status, which nobody may believe."""

    def card(self, card: CardImage) -> CardImage:
        if card.active_auth_key is None:
            raise UnknownFaultError("this card has no active authentication")
        return card

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return data, (0x6985 if command.ins == _INTERNAL else sw)


class _Recovered(Manner):
    """Signs another block than [9796-2] describes, by the right key."""

    def card(self, card: CardImage) -> CardImage:
        key = card.active_auth_private()
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnknownFaultError("this card does not sign by RSA")
        self._key = key.private_numbers()
        self._bytes = key.key_size // 8
        return card

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        if command.ins != _INTERNAL or not data:
            return data, sw
        public = self._key.public_numbers
        block = pow(int.from_bytes(data, "big"), public.e, public.n)
        number = int(self.digits(f"{block:x}"), 16)
        return pow(number, self._key.d, public.n).to_bytes(self._bytes, "big"), sw

    @abstractmethod
    def digits(self, digits: str) -> str:
        """Return the block, in hexadecimal digits as many as the right one has."""


class _OtherHeader(_Recovered):
    def digits(self, digits: str) -> str:
        return "4" + digits[1:]


class _OtherFilling(_Recovered):
    def digits(self, digits: str) -> str:
        return "6c" + digits[2:]


class _OtherTrailer(_Recovered):
    def digits(self, digits: str) -> str:
        return digits[:-4] + "40cc"


class _OddFilling(_Recovered):
    def digits(self, digits: str) -> str:
        return "6ba" + digits[3:]


class _OnlyFilling(_Recovered):
    def digits(self, digits: str) -> str:
        return "6" + "b" * (len(digits) - 8) + "a00" + digits[-4:]


class _LongSignature(_Recovered):
    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        return (b"\0" + data if command.ins == _INTERNAL and data else data), sw

    def digits(self, digits: str) -> str:
        return digits


def _bac(description: str, expected: Fault, manner: type[Manner]) -> FaultCase:
    return FaultCase(description, expected, manner, card="bac")


def _integers(description: str, manner: type[Manner]) -> FaultCase:
    return FaultCase(description, Fault.PUBLIC_KEY_INVALID, manner, card="integers")


def _rsa(description: str, manner: type[Manner]) -> FaultCase:
    return FaultCase(description, Fault.CHIP_KEY_MISMATCH, manner, card="integers", fact="aa")


def _broken(description: str, manner: type[Manner]) -> FaultCase:
    return FaultCase(description, Fault.CHANNEL_BROKEN, manner)


CASES: Mapping[str, FaultCase] = {
    "empty_nonce": FaultCase(
        "the nonce of PACE has no bytes", Fault.RESPONSE_MALFORMED, _EmptyNonce
    ),
    "long_nonce": FaultCase(
        "the nonce of PACE is eight times as long", Fault.RESPONSE_MALFORMED, _LongNonce
    ),
    "other_template": FaultCase(
        "the steps of PACE are answered in another template",
        Fault.RESPONSE_MALFORMED,
        _OtherTemplate,
    ),
    "compressed_point": FaultCase(
        "a public key in PACE has the first byte of a compressed one",
        Fault.PUBLIC_KEY_INVALID,
        _CompressedPoint,
    ),
    "wide_point": FaultCase(
        "a public key in PACE has a zero before its second coordinate",
        Fault.PUBLIC_KEY_INVALID,
        _WidePoint,
    ),
    "token_refused": FaultCase(
        "the reader's right token is refused (6985)", Fault.CHIP_REFUSED, _TokenRefused
    ),
    "counts_tries": FaultCase(
        "the reader's token is refused and two tries are left (63C2)",
        Fault.WRONG_PASSWORD,
        _CountsTries,
    ),
    "cam_half_proof": FaultCase(
        "the proof of chip authentication mapping is cut in half",
        Fault.CHIP_KEY_MISMATCH,
        _HalfProof,
        card="cam",
        fact="cam",
    ),
    "mapping_answered": FaultCase(
        "the integrated mapping is answered with data",
        Fault.RESPONSE_MALFORMED,
        _AnswersMapping,
        card="im",
    ),
    "half_nonce": FaultCase(
        "the nonce of the integrated mapping is shorter than a key",
        Fault.RESPONSE_MALFORMED,
        _HalfNonce,
        card="im",
    ),
    "neutral_integer": _integers("a public key in PACE is the number one", _Neutral),
    "small_subgroup": _integers("a public key in PACE is of order two", _SmallSubgroup),
    "integer_over_prime": _integers("a public key in PACE is larger than the prime", _OverPrime),
    "bac_own_keying": _bac(
        "the reader's own keying material comes back", Fault.PUBLIC_KEY_ECHOED, _EchoesKeying
    ),
    "bac_short_half": _bac(
        "the chip's half is a byte too short", Fault.RESPONSE_MALFORMED, _ShortHalf
    ),
    "bac_half_refused": _bac(
        "the reader's half is refused (6A80)", Fault.CHIP_REFUSED, _RefusesHalf
    ),
    "bac_counts_tries": _bac(
        "the reader's half is refused and two tries are left (63C2)",
        Fault.WRONG_PASSWORD,
        _CountsZones,
    ),
    "bac_challenge_refused": _bac(
        "no challenge is given (6A80)", Fault.CHIP_REFUSED, _RefusesChallenge
    ),
    "unknown_padding": _broken(
        "the cryptograms say that they are padded in another way", _UnknownPadding
    ),
    "wrong_padding": _broken(
        "the cryptograms decipher to no padding, though their checksum is right", _WrongPadding
    ),
    "objects_out_of_order": _broken("the status stands before the cryptogram", _OutOfOrder),
    "status_missing": _broken("no status stands under the checksum", _WithoutStatus),
    "answers_in_the_clear": _broken(
        "the answers are not encrypted, though their checksum is right", _InTheClear
    ),
    "status_inside_changed": _broken(
        "the status under the checksum is not the bare one", _OtherStatusInside
    ),
    "objects_of_nothing": _broken("what stands under the checksum is no objects", _NoObjects),
    "file_over_bound": FaultCase(
        "DG2 claims to be longer than any file may be", Fault.FILE_TOO_LARGE, _OverAnyFile
    ),
    "drop_by_drop": FaultCase(
        "DG2 comes byte by byte and never ends",
        Fault.WORK_EXCEEDED,
        _DropByDrop,
        card="passport",
    ),
    "card_access_more": FaultCase(
        "EF.CardAccess offers a stronger way in that DG14 does not announce",
        Fault.CARD_ACCESS_MISMATCH,
        _OffersMore,
    ),
    "gone_file": FaultCase(
        "the security object is not there (6A82) when the reader looks again",
        Fault.CARD_SWAPPED,
        _GoneFile,
    ),
    "other_tag": FaultCase("DG1 has the tag of DG2", Fault.CHIP_MALFORMED, _OtherTag),
    "hash_exchanged": FaultCase(
        "one letter of the name changed, and its hash with it",
        Fault.SIGNATURE_INVALID,
        _HashExchanged,
    ),
    "digest_exchanged": FaultCase(
        "one letter of the name changed, and every hash over it",
        Fault.SIGNATURE_INVALID,
        _DigestExchanged,
    ),
    "card_security_of_stranger": FaultCase(
        "genuine files beside an EF.CardSecurity of the copier's own",
        Fault.ISSUER_UNKNOWN,
        _StrangersKey,
        card="cam",
    ),
    "signs_and_refuses": FaultCase(
        "a right signature comes under an error status (6985)",
        Fault.CHIP_KEY_MISMATCH,
        _SignsAndRefuses,
        fact="aa",
    ),
    "rsa_other_header": _rsa("the signed block begins otherwise", _OtherHeader),
    "rsa_other_filling": _rsa("the signed block is filled up otherwise", _OtherFilling),
    "rsa_other_trailer": _rsa("the signed block names an unknown hash", _OtherTrailer),
    "rsa_odd_filling": _rsa("the signed block holds half a byte", _OddFilling),
    "rsa_only_filling": _rsa("the signed block has no room for a hash", _OnlyFilling),
    "rsa_long_signature": _rsa("the signature has a zero before it", _LongSignature),
}
"""Name to case."""
