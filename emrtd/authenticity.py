"""Authenticity: is this the chip that the data was issued in, or a copy of it?

The only place that makes a `VerifiedHolder`. It knows which keys the signed files announce and what
the chip did when it was asked; every announced key must have been proved, each by its own protocol.
A proof that was not given counts like one that failed: a copy would rather not be asked. One that
the terminal never asked for is `Unasked`: no proof either.

PACE with chip authentication mapping proves a chip by a key that is in DG14, which EF.SOD hashes;
EF.CardSecurity, where it was read, must be verified and name that key too. Alone it proves that
somebody's chip is there: nothing ties it to EF.SOD, and whoever owns any card of a trusted issuer
has one. A mapping that was run and that no signed file announces is CARD_ACCESS_MISMATCH. It does
not stand for chip authentication where DG14 announces that too; a key beside the mapping and no
ChipAuthenticationInfo is the mapping's alone.

It trusts what it cannot check again: that the terminal chose the nonce of active authentication
freshly, and that the terminal tells the truth about chip authentication and about the mapping (it
holds those channels' keys). All are as good as the signature around the stored evidence.

EF.CardAccess is not signed. Where DG14 repeats its PACE infos, an offer that is not repeated was
put there by somebody else, to be chosen instead of a stronger one, and a stronger one, or the
mapping, that is signed and not offered was taken away for the same end: both are
CARD_ACCESS_MISMATCH. What was run is not compared: a policy or an older reader may choose less.

A proof that this library cannot ask for is PROOF_UNSUPPORTED and accuses nobody: the chip may be
newer than the reader.

Keys in chips answer fresh challenges only, and chips live for ten years: what holds by weak means
is named in `weaknesses`, and refused if the caller says so. RSA under 1024 bits, and groups under
1024 bits, are never taken.

Spec: [9303-11] active authentication, chip authentication, PACE; [TR-03110-3].
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NoReturn

from cryptography.hazmat.primitives.asymmetric import rsa

from emrtd._crypto import Cipher
from emrtd.access import outranked
from emrtd.active_auth import NONCE_BYTES, verify_signature
from emrtd.chip_auth import MAX_KEYS, usable_key, verify_cam, ways
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.lds import card_access, dg14, dg15, sod
from emrtd.pace_parameters import rank
from emrtd.passive_auth import Unasked, Unproved, VerifiedCardSecurity, missing
from emrtd.signatures import MIN_RSA_BITS, is_weak

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.evidence import Evidence
    from emrtd.key_agreement import AgreementKey
    from emrtd.lds.dg14 import DG14
    from emrtd.passive_auth import ConsistentCardSecurity, VerifiedGroups

Proof = Literal[
    "chip_auth",
    "active_auth",
    "pace_cam",
    "chip_auth+active_auth",
    "chip_auth+pace_cam",
    "active_auth+pace_cam",
    "chip_auth+active_auth+pace_cam",
]

MIN_PRIME_BITS, MIN_CURVE_BITS = 2048, 224
"""Of a key of chip authentication; what is shorter is a weakness."""

_CAM_NAME = "-CAM-"
_DOING = "prove the chip"
_SEAL = object()
"""Only who holds it can make a holder; it never leaves this module."""


class Check(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"
    """Nothing announces it, so there was nothing to check."""
    UNKNOWN_ISSUER = "unknown_issuer"
    """Everything holds, but nobody that is trusted issued it."""


class Weakness(StrEnum):
    """By what weak means a proof holds."""

    ACTIVE_AUTH_SHA1 = "active_auth_sha1"
    ACTIVE_AUTH_SHORT_KEY = "active_auth_short_key"
    """RSA from 1024 to 2047 bits."""
    CHIP_AUTH_3DES = "chip_auth_3des"
    CHIP_AUTH_SHORT_KEY = "chip_auth_short_key"
    """A prime from 1024 to 2047 bits, or a curve of 192."""


@dataclass(frozen=True, slots=True)
class VerifiedHolder:
    """Groups of a trusted issuer, in the chip that they were issued in.

    Only `prove_chip` makes one; it cannot be copied. Not proved: who holds the card.

    Attributes:
        groups: the signed files.
        proof: by which protocols, of keys in DG14 and DG15; each is named only if it is announced
            and held.
    """

    groups: VerifiedGroups
    proof: Proof
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only prove_chip makes a VerifiedHolder")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proof is made where it is needed: keep the evidence")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chip's own proofs are worth, beside files that are taken as signed.

    Attributes:
        chip_auth: ABSENT if no key for it is announced.
        active_auth: ABSENT if there is no DG15.
        pace_cam: ABSENT if the chip was not opened by it and need not be, or if DG14 has no key
            that it could prove.
        faults: what failed, the deciding one first.
        weaknesses: of what passed.
    """

    chip_auth: Check
    active_auth: Check
    pace_cam: Check
    faults: tuple[ChipLied | ChipMalformed, ...]
    weaknesses: frozenset[Weakness]


def prove_chip(
    evidence: Evidence,
    groups: VerifiedGroups,
    card_security: VerifiedCardSecurity | None = None,
    *,
    refuse: frozenset[Weakness] = frozenset(),
) -> VerifiedHolder | VerifiedGroups:
    """Return a holder if the chip proved every key that its signed files announce.

    Args:
        evidence: what was read, and what the chip did.
        groups: what passive authentication made of the same evidence.
        card_security: what it made of EF.CardSecurity, if that was read.
        refuse: weaknesses that are not accepted.

    Returns:
        VerifiedHolder; or the groups as they are if no key is announced: it may be a copy.

    Raises:
        ChipLied: CHIP_KEY_MISMATCH; ALGORITHM_WEAK if it holds by what is refused;
            CARD_ACCESS_MISMATCH if EF.CardAccess offers PACE otherwise than is signed, or the
            mapping that was run is not signed; ADVERTISED_FILE_MISSING if the key of a mapping
            that was run cannot be looked up. `Unproved`: PROOF_UNSUPPORTED; NOT_ASKED, which is
            `Unasked`.
        ChipMalformed: DG14, DG15 or EF.CardAccess is none.
        ValueError: the groups were made of another evidence, or EF.CardSecurity is not verified.
    """
    if any(evidence.files.get(name) != raw for name, raw in groups.files.items()):
        raise ValueError("the groups are of another evidence")
    if not isinstance(card_security, VerifiedCardSecurity | None):
        raise ValueError("EF.CardSecurity of an issuer that is not trusted")  # noqa: TRY004 - as above
    judgement = judge(evidence, groups.files, card_security, refuse=refuse)
    for fault in judgement.faults:
        raise fault
    proofs: dict[tuple[bool, bool, bool], Proof] = {
        (True, False, False): "chip_auth",
        (False, True, False): "active_auth",
        (False, False, True): "pace_cam",
        (True, True, False): "chip_auth+active_auth",
        (True, False, True): "chip_auth+pace_cam",
        (False, True, True): "active_auth+pace_cam",
        (True, True, True): "chip_auth+active_auth+pace_cam",
    }
    ended = (judgement.chip_auth, judgement.active_auth, judgement.pace_cam)
    ca, aa, cam = (each is Check.PASSED for each in ended)
    proof = proofs.get((ca, aa, cam))
    return groups if proof is None else VerifiedHolder(groups, proof, seal=_SEAL)


def judge(
    evidence: Evidence,
    intact: Mapping[str, bytes],
    card_security: VerifiedCardSecurity | ConsistentCardSecurity | None = None,
    *,
    refuse: frozenset[Weakness] = frozenset(),
) -> Judgement:
    """Return what the chip proved, whoever signed its files; never raises for what a chip did.

    Args:
        evidence: what was read, and what the chip did.
        intact: the files that are as they were hashed.
        card_security: EF.CardSecurity, if its signature holds.
        refuse: weaknesses that are not accepted.

    Raises:
        ValueError: EF.CardSecurity was made of another evidence.
    """
    if card_security and card_security.file.raw != evidence.files.get("CardSecurity"):
        raise ValueError("EF.CardSecurity is of another evidence")
    faults: list[ChipLied | ChipMalformed] = []
    weaknesses: set[Weakness] = set()

    def ended(check: Callable[[], tuple[Check, set[Weakness]]]) -> Check:
        try:
            ending, found = check()
            _refuse(found & refuse)
        except (ChipLied, ChipMalformed) as fault:
            faults.append(fault)
            return Check.FAILED
        weaknesses.update(found)
        return ending

    chip_auth = ended(lambda: _chip_auth(evidence, intact))
    active_auth = ended(lambda: _active_auth(evidence, intact))
    pace_cam = ended(lambda: (_pace_cam(evidence, intact, card_security), set()))
    ended(lambda: (_offers(evidence, intact), set()))
    return Judgement(chip_auth, active_auth, pace_cam, tuple(faults), frozenset(weaknesses))


def _refuse(weaknesses: set[Weakness]) -> None:
    if weaknesses:
        raise ChipLied(Fault.ALGORITHM_WEAK, _DOING, ", ".join(sorted(weaknesses)))


def _chip_auth(evidence: Evidence, intact: Mapping[str, bytes]) -> tuple[Check, set[Weakness]]:
    """Return PASSED only if the terminal saw a proof by what DG14 announces."""
    announced, facts = _announced(intact), evidence.chip_auth
    if not announced.asks_chip_auth and facts is None:
        return Check.ABSENT, set()
    possible = ways(announced.infos)
    if facts is None and not possible:
        raise Unproved(Fault.PROOF_UNSUPPORTED, _DOING, "chip authentication")
    if facts is None:
        raise Unasked(Fault.NOT_ASKED, _DOING, "chip authentication was not run")
    if facts.outcome != "passed":
        raise _mismatch("chip authentication was not passed")
    for way in possible:
        if (way.info.name, way.info.key_id) == (facts.protocol, facts.key_id):
            triple_des = way.cipher is Cipher.TRIPLE_DES
            found = {Weakness.CHIP_AUTH_3DES} if triple_des else set()
            return Check.PASSED, found | _short(way.public_key)
    raise _mismatch("chip authentication by what is not announced")


def _short(key: AgreementKey) -> set[Weakness]:
    least = MIN_CURVE_BITS if key.kind == "ECDH" else MIN_PRIME_BITS
    return {Weakness.CHIP_AUTH_SHORT_KEY} if key.bits < least else set()


def _active_auth(evidence: Evidence, intact: Mapping[str, bytes]) -> tuple[Check, set[Weakness]]:
    """Return PASSED only if the transcript's signature is that of the key in DG15."""
    transcript = evidence.active_auth
    if "DG15" not in intact and transcript is None:
        return Check.ABSENT, set()
    if transcript is None:
        raise Unasked(Fault.NOT_ASKED, _DOING, "active authentication was not run")
    if "DG15" not in intact or len(transcript.nonce) != NONCE_BYTES:
        raise ChipLied(Fault.CHIP_KEY_MISMATCH, _DOING, "by what is not announced")
    key, info = dg15.parse(intact["DG15"]).public_key, _announced(intact).active_auth
    digest = verify_signature(transcript, key, info)
    found = {Weakness.ACTIVE_AUTH_SHA1} if is_weak(digest) else set()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        found.add(Weakness.ACTIVE_AUTH_SHORT_KEY)
    return Check.PASSED, found


def _pace_cam(
    evidence: Evidence,
    intact: Mapping[str, bytes],
    card_security: VerifiedCardSecurity | ConsistentCardSecurity | None,
) -> Check:
    """Return PASSED only if a key of DG14 is that of the chip that ran the mapping."""
    announced = _announced(intact)
    ran, transcript = _CAM_NAME in evidence.access.protocol, evidence.cam
    if not ran and transcript is None:
        if announced.chip_auth_keys and not announced.asks_chip_auth:
            raise Unasked(Fault.NOT_ASKED, _DOING, "the mapping was not run")
        return Check.ABSENT
    if not ran:
        raise _mismatch("a mapping that was not run")
    if "DG14" not in intact and _signs_dg14(evidence):
        # Where the file was read and is not as it was signed, that is another fault's to say.
        raise missing("DG14", evidence, doing=_DOING)
    keys = [key for each in announced.chip_auth_keys[:MAX_KEYS] if (key := usable_key(each))]
    if not keys and not announced.maps:
        raise _unsigned_mapping()
    if transcript is None:
        raise Unasked(Fault.NOT_ASKED, _DOING, "the mapping's proof was not kept")
    if card_security is None:
        if not keys or "CardSecurity" in evidence.files:
            raise missing("CardSecurity", evidence, doing=_DOING)
        verify_cam(transcript, announced.chip_auth_keys)
        return Check.PASSED
    proved = usable_key(verify_cam(transcript, card_security.file.chip_auth_keys))
    if proved in keys:
        return Check.PASSED
    return _of_somebody(announced, keys)


def _of_somebody(announced: DG14, keys: list[AgreementKey]) -> Check:
    """Return ABSENT if a key that is in EF.CardSecurity alone contradicts nothing.

    It is a chip's whose issuer is trusted: maybe this document's, maybe any other's. Beside a key
    for chip authentication that may be as it was issued: then chip authentication decides alone.
    """
    if not announced.maps:
        raise _unsigned_mapping()
    if keys and not announced.asks_chip_auth:
        raise _mismatch("a mapping by a key that is not in DG14")
    if announced.chip_auth_keys and not keys:
        raise Unproved(Fault.PROOF_UNSUPPORTED, _DOING, "the key of the mapping")
    return Check.ABSENT


def _unsigned_mapping() -> ChipLied:
    return ChipLied(Fault.CARD_ACCESS_MISMATCH, _DOING, "a mapping that is not signed")


def _signs_dg14(evidence: Evidence) -> bool:
    raw = evidence.files.get("SOD")
    return raw is not None and "DG14" in sod.parse(raw).security_object.hashes


def _offers(evidence: Evidence, intact: Mapping[str, bytes]) -> Check:
    """Return PASSED only if EF.CardAccess offers PACE as DG14, if it names any, has it signed."""
    announced = _announced(intact)
    if not announced.pace or "CardAccess" not in evidence.files:
        return Check.ABSENT
    offered = card_access.parse(evidence.files["CardAccess"]).pace
    if not offered <= announced.pace:
        raise ChipLied(Fault.CARD_ACCESS_MISMATCH, _DOING, "it offers what is not signed")
    # By the signed parameters, both: EF.CardAccess may say less of its own, or another thing.
    ranks = [rank(each, announced.infos) for each in offered]
    unmapped = announced.maps and not any(each.authenticates_chip for each in offered)
    if not ranks or unmapped or outranked(max(ranks), announced.infos):
        raise ChipLied(Fault.CARD_ACCESS_MISMATCH, _DOING, "it hides what is signed")
    return Check.PASSED


def _announced(intact: Mapping[str, bytes]) -> DG14:
    return dg14.parse(intact["DG14"]) if "DG14" in intact else dg14.DG14(())


def _mismatch(why: str) -> ChipLied:
    return ChipLied(Fault.CHIP_KEY_MISMATCH, _DOING, why)
