"""Lies about who issued a card, and for which chip: other signers, other keys.

Knows how a counterfeiter makes or borrows them. The expected finding of each was written first,
from the standard and the attack.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emrtd.errors import Fault
from emrtd.sim._data_groups import with_another_number
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._issue import card_security
from emrtd.sim._manner import Manner, UnknownFaultError
from emrtd.sim._security_infos import infos_file, pace_infos, with_newer_chip_auth
from emrtd.sim.personalise import clone, signed_files
from emrtd.sim.pki import TestPKI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._cms import Identity
    from emrtd.sim._key_proofs import ChipKey
    from emrtd.sim.card_image import CardImage


_LAST_YEAR = b"49"
_UTC_TIME = re.compile(rb"\x17\x0d([0-9]{2})[0-9]{10}Z")


class _Clone(Manner):
    CHIP, SIGNING = True, True

    def card(self, card: CardImage) -> CardImage:
        lacks = card.chip_auth_key is None, card.active_auth_key is None
        if (lacks[0] or not self.CHIP) and (lacks[1] or not self.SIGNING):
            raise UnknownFaultError("a card without such keys has no clone but itself")
        copy = clone(card)
        return dataclasses.replace(
            card,
            chip_auth_key=copy.chip_auth_key if self.CHIP else card.chip_auth_key,
            active_auth_key=copy.active_auth_key if self.SIGNING else card.active_auth_key,
        )


class _ForeignChipKey(_Clone):
    SIGNING = False


class _ForeignSigningKey(_Clone):
    CHIP = False


class _SilentClone(_Clone):
    """Hopes that a proof not given is a proof not missed."""

    def refuses(self, ins: int) -> int:
        return 0x6D00 if ins in {0x22, 0x88} and self._open else 0

    def powered(self) -> None:
        self._open = False

    def answered(self, response: bytes, *, protected: bool) -> bytes:
        self._open = self._open or protected
        return response


class _OtherSecurityObject(Manner):
    """The same card with a security object of another signer, or over other data."""

    NAME = ""

    def card(self, card: CardImage) -> CardImage:
        if self.NAME not in card.alternatives:
            raise UnknownFaultError("this card has no such security object to show")
        return dataclasses.replace(card, files={**card.files, "SOD": card.alternatives[self.NAME]})


class _ExpiredSigner(_OtherSecurityObject):
    NAME = "expired"


class _EarlySigner(_OtherSecurityObject):
    NAME = "not_yet"


class _RevokedSigner(_OtherSecurityObject):
    NAME = "revoked"


class _Namesake(_OtherSecurityObject):
    NAME = "namesake"


class _SecurityObjectOfAnother(_OtherSecurityObject):
    NAME = "another"


class _Bare(_OtherSecurityObject):
    """A card that never promised to prove anything."""

    NAME = "bare"

    def card(self, card: CardImage) -> CardImage:
        if any(each.mapping == "cam" for each in card.pace):
            raise UnknownFaultError("this card promises its proof in EF.CardAccess")
        bare = super().card(card)
        files = {name: raw for name, raw in bare.files.items() if name not in {"DG14", "DG15"}}
        return dataclasses.replace(bare, files=files)


class _LengthenedSigner(_OtherSecurityObject):
    """Nobody signs a document's own certificate again: who changes it hopes nobody looks."""

    NAME = "expired"

    def card(self, card: CardImage) -> CardImage:
        expired = super().card(card)
        raw = expired.files["SOD"]
        # The first of the two is when it began.
        _, ended = list(_UTC_TIME.finditer(raw))[:2]
        raw = raw[: ended.start(1)] + _LAST_YEAR + raw[ended.end(1) :]
        return dataclasses.replace(expired, files={**expired.files, "SOD": raw})


class _IssuerAsSigner(_OtherSecurityObject):
    NAME = "issuer"


class _WeakHashes(_OtherSecurityObject):
    NAME = "sha1"


class _Contradictory(_OtherSecurityObject):
    NAME = "contradictory"

    def card(self, card: CardImage) -> CardImage:
        changed = super().card(card)
        record = with_another_number(card.files["DG13"])
        return dataclasses.replace(changed, files={**changed.files, "DG13": record})


class _NewerProof(_OtherSecurityObject):
    """A chip of tomorrow, before a reader of today."""

    NAME = "newer"

    def card(self, card: CardImage) -> CardImage:
        if card.chip_auth_key is None:
            raise UnknownFaultError("this card has no chip authentication")
        changed = super().card(card)
        group = with_newer_chip_auth(card.files["DG14"])
        return dataclasses.replace(changed, files={**changed.files, "DG14": group})


class _Stranger(Manner):
    """Another state's signer, whom nobody trusts."""

    def signer(self) -> Identity:
        """Return one."""
        return TestPKI.create(
            self.randomness,
            valid_from=datetime(2000, 1, 1, tzinfo=UTC),
            valid_until=datetime(2049, 12, 31, tzinfo=UTC),
            organisation="Tram Test Stranger",
        ).signer


class _UnknownIssuer(_Stranger):
    def card(self, card: CardImage) -> CardImage:
        return dataclasses.replace(
            card, files={**card.files, "SOD": signed_files(card.files, self.signer())}
        )


class _OtherChip(Manner):
    """The files of one card in the genuine chip of another, which proves its own key.

    EF.CardAccess and EF.CardSecurity are that other chip's, and no hash ties them to EF.SOD.
    """

    def card(self, card: CardImage) -> CardImage:
        if card.chip_auth_key is None or "card_security" not in card.alternatives:
            raise UnknownFaultError("this card has no chip authentication mapping")
        own = card.chip_auth_key.another()
        files = {**card.files, "CardSecurity": self.card_security(card, own)}
        return dataclasses.replace(card, files=files, chip_auth_key=own)

    def card_security(self, card: CardImage, own: ChipKey) -> bytes:
        """Return the file that announces that key."""
        del own
        return card.alternatives["card_security"]


class _OtherChipOfAnotherState(_OtherChip, _Stranger):
    def card_security(self, card: CardImage, own: ChipKey) -> bytes:
        return card_security(card.pace, own, self.signer())


class _OtherChipOfBareFiles(_OtherChip):
    """The signed files promise no proof at all; the chip around them gives one."""

    def card(self, card: CardImage) -> CardImage:
        other = super().card(card)
        files = {name: raw for name, raw in other.files.items() if name not in {"DG14", "DG15"}}
        return dataclasses.replace(other, files={**files, "SOD": card.alternatives["bare"]})


class _HidesMapping(Manner):
    """A copy without a key, which offers only the ways that need none."""

    def card(self, card: CardImage) -> CardImage:
        left = tuple(each for each in card.pace if each.mapping != "cam")
        if not left or left == card.pace:
            raise UnknownFaultError("this card has no mapping to hide beside another way")
        files = {name: raw for name, raw in card.files.items() if name != "CardSecurity"}
        files["CardAccess"] = infos_file(pace_infos(left))
        return dataclasses.replace(card, pace=left, files=files, chip_auth_key=None)


CASES: Mapping[str, FaultCase] = {
    "clone": FaultCase(
        "right files, but none of the private keys they announce",
        Fault.CHIP_KEY_MISMATCH,
        _Clone,
        fact="ca",
    ),
    "silent_clone": FaultCase(
        "a clone that refuses to be asked for proof (6D00)",
        Fault.CHIP_KEY_MISMATCH,
        _SilentClone,
        fact="ca",
    ),
    "foreign_chip_key": FaultCase(
        "only the key of chip authentication is not the announced one",
        Fault.CHIP_KEY_MISMATCH,
        _ForeignChipKey,
        fact="ca",
    ),
    "foreign_signing_key": FaultCase(
        "only the key of active authentication is not the announced one",
        Fault.CHIP_KEY_MISMATCH,
        _ForeignSigningKey,
        fact="aa",
    ),
    "sod_of_another": FaultCase(
        "the security object of another card of the same issuer",
        Fault.DATA_HASH_MISMATCH,
        _SecurityObjectOfAnother,
    ),
    "expired_signer": FaultCase(
        "signed by a signer whose certificate is over", Fault.SIGNER_EXPIRED, _ExpiredSigner
    ),
    "early_signer": FaultCase(
        "signed by a signer whose certificate has not begun",
        Fault.SIGNER_NOT_YET_VALID,
        _EarlySigner,
    ),
    "lengthened_signer": FaultCase(
        "signed by a signer who is over and wrote a later end into the certificate",
        Fault.CERTIFICATE_INVALID,
        _LengthenedSigner,
    ),
    "issuer_as_signer": FaultCase(
        "signed by the country signer itself, whose key is for certificates",
        Fault.SIGNER_NOT_ALLOWED,
        _IssuerAsSigner,
    ),
    "sha1_hashes": FaultCase(
        "the data groups are hashed by SHA-1, so that two portraits may have one hash",
        Fault.ALGORITHM_WEAK,
        _WeakHashes,
    ),
    "record_of_another": FaultCase(
        "DG1 and DG13 name two numbers, and both are signed",
        Fault.DATA_CONTRADICTORY,
        _Contradictory,
    ),
    "newer_proof": FaultCase(
        "chip authentication is announced by a protocol that nobody knows yet",
        Fault.PROOF_UNSUPPORTED,
        _NewerProof,
        fact="ca",
    ),
    "revoked_signer": FaultCase(
        "signed by a signer on its issuer's revocation list", Fault.SIGNER_REVOKED, _RevokedSigner
    ),
    "unknown_issuer": FaultCase(
        "signed by an issuer that nobody trusts", Fault.ISSUER_UNKNOWN, _UnknownIssuer
    ),
    "namesake_issuer": FaultCase(
        "signed by an issuer with a trusted name and another key",
        Fault.ISSUER_UNKNOWN,
        _Namesake,
    ),
    "card_security_of_another": FaultCase(
        "right files in the chip of another card of the same issuer, which proves its own key",
        Fault.CHIP_KEY_MISMATCH,
        _OtherChip,
        card="cam",
        fact="cam",
    ),
    "card_security_foreign": FaultCase(
        "right files in the chip of a card of another state, which nobody trusts",
        Fault.ISSUER_UNKNOWN,
        _OtherChipOfAnotherState,
        card="cam",
        fact="cam",
    ),
    "card_security_unsigned": FaultCase(
        "files that promise no proof in the chip of another card, which gives one",
        Fault.CARD_ACCESS_MISMATCH,
        _OtherChipOfBareFiles,
        card="cam",
        fact="cam",
    ),
    "mapping_hidden": FaultCase(
        "chip authentication mapping is signed and not offered, so that no key is asked for",
        Fault.CARD_ACCESS_MISMATCH,
        _HidesMapping,
        card="either",
    ),
    "no_proofs": FaultCase(
        "a card whose signed data announces no key at all", "may_be_copy", _Bare
    ),
}
"""Name to case."""
