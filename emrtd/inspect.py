"""The inspection procedure: in what order a chip is opened, asked for proof, and read.

Knows the order and what is recorded. Judges nothing: a refused file, a failed proof or a hash that
does not fit is a fact in the evidence, and `emrtd.verify` says what it means. The one thing it will
not do is talk to a chip with a key that the security object contradicts.

Spec: [9303-11] 4.2, and appendix J "Inspection procedures".
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emrtd import access, active_auth, chip_auth, files
from emrtd.access import AccessPolicy
from emrtd.apdu import Step
from emrtd.channel import PlainChannel
from emrtd.errors import AccessUnsupported, ChipLied, ChipRefused, Fault
from emrtd.evidence import (
    MAX_EVIDENCE_BYTES,
    MAX_FILE_BYTES,
    AccessFacts,
    ActiveAuthTranscript,
    ChipAuthFacts,
    Evidence,
)  # fmt: skip
from emrtd.files import ReadPlan
from emrtd.lds import dg15, sod
from emrtd.security_infos import parse_dg14, parse_security_infos
from emrtd.signatures import digest_bytes

if TYPE_CHECKING:
    from emrtd.channel import Channel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import Password
    from emrtd.lds.sod import LDSSecurityObject
    from emrtd.secure_messaging import SecureChannel
    from emrtd.security_infos import SecurityInfo

DATA_GROUPS = tuple(f"DG{number}" for number in (*range(1, 2), *range(3, 17), 2))
"""In the order of reading: the portrait, which is long, comes last."""

PRESENCE_BYTES = 32
_KEY_GROUPS = ("DG14", "DG15")
_RESERVED_BYTES = 8192
"""Of an evidence, for all that is not a file."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was read, and the channel that it was read through.

    Attributes:
        evidence: unproven.
        channel: alive unless chip authentication failed; close it when the holder is done.
    """

    evidence: Evidence
    channel: SecureChannel = field(repr=False, compare=False)


def inspect(
    password: Password,
    *,
    wanted: frozenset[str],
    randomness: Randomness,
    aa_nonce: bytes,
    plan: ReadPlan = ReadPlan(),  # noqa: B008 - frozen
    policy: AccessPolicy = AccessPolicy(),  # noqa: B008 - frozen
) -> Dialogue[Inspection]:
    """Open a chip, ask it for every proof it announces, and read what is wanted and signed.

    Args:
        password: the CAN or the key fields of the MRZ.
        wanted: data groups to read, e.g. {"DG1", "DG2"}; those without a signed hash are left out.
        randomness: for the nonces and private keys of access and chip authentication.
        aa_nonce: eight bytes for active authentication; a transcript can be shown to others, so
            bind them to this inspection.
        plan: how much to ask for at once.
        policy: in which order ways to open the chip are tried.

    Returns:
        The dialogue. Chip authentication that fails ends it early, with the evidence so far; so
        does a DG14 or DG15 that differs from its signed hash.

    Raises:
        ValueError: a name that no data group has, or another length of nonce.
        EMRTDError: from the dialogue: WrongPassword, AccessUnsupported, ChipGone, ChipRefused,
            ChannelBroken, ChipMalformed, ChipLied.
    """
    if not wanted <= set(DATA_GROUPS):
        raise ValueError("wanted: not the names of data groups")
    if len(aa_nonce) != active_auth.NONCE_BYTES:
        raise ValueError("aa_nonce: another length")
    return _Reading(plan, randomness).run(password, wanted, aa_nonce, policy)


def confirm_presence(inspection: Inspection) -> Dialogue[None]:
    """Read a few bytes again under the live channel: the chip that was read is still here.

    Raises:
        ChipGone: nothing answers.
        ChannelBroken: what answers does not hold the channel's keys.
        ChipLied: CARD_SWAPPED: what answers is not what was read.
    """
    channel, step = inspection.channel, Step("presence")
    known = inspection.evidence.files["SOD"][:PRESENCE_BYTES]
    doing = "confirm presence"
    try:
        yield from files.select("SOD", channel, step=step)
        again = yield from files.read_binary("SOD", channel, offset=0, le=len(known), step=step)
    except ChipRefused as error:
        raise ChipLied(Fault.CARD_SWAPPED, doing, f"status {error.sw:04X}") from error
    if again != known:
        raise ChipLied(Fault.CARD_SWAPPED, doing)


class _Reading:
    """One inspection under way: what was gathered so far."""

    def __init__(self, plan: ReadPlan, randomness: Randomness) -> None:
        self._plan = plan
        self._randomness = randomness
        self._files: dict[str, bytes] = {}
        self._unreadable: dict[str, int] = {}

    def run(
        self, password: Password, wanted: frozenset[str], aa_nonce: bytes, policy: AccessPolicy
    ) -> Dialogue[Inspection]:
        """Go through the procedure."""
        plain = PlainChannel(max_commands=self._plan.max_commands)
        opened = yield from self._open(password, plain, policy)
        channel = opened.channel
        yield from self._try("COM", channel)
        yield from self._read("SOD", channel)
        signed = sod.parse(self._files["SOD"]).security_object

        chip_facts = transcript = None
        sound = yield from self._key_groups(signed, channel)
        facts = self._against_signed_offers(opened) if sound else opened.facts
        if sound and (announced := self._announced()) is not None:
            chip_facts, channel = yield from self._authenticate_chip(announced, channel)
            sound = chip_facts.outcome == "passed"
        if sound and "DG15" in self._files:
            key = dg15.parse(self._files["DG15"]).public_key
            signature = yield from active_auth.ask_for_signature(aa_nonce, channel, public_key=key)
            transcript = ActiveAuthTranscript(aa_nonce, signature)
        if sound:
            left = (wanted & signed.hashes.keys()) - set(_KEY_GROUPS)
            for name in filter(left.__contains__, DATA_GROUPS):
                yield from self._try(name, channel)
        evidence = Evidence(
            self._files, facts, self._unreadable, chip_facts, transcript, opened.cam
        )
        return Inspection(evidence, channel)

    def _open(
        self, password: Password, plain: PlainChannel, policy: AccessPolicy
    ) -> Dialogue[access.Opened]:
        """Open the chip and select its application."""
        yield from access.select_master_file(plain)
        infos = yield from self._card_access(plain)
        try:
            opened = yield from access.open_chip(
                password, infos, plain, policy=policy, randomness=self._randomness
            )
        except AccessUnsupported as error:
            if infos is not None:
                raise
            status = self._unreadable["CardAccess"]
            raise AccessUnsupported("read EF.CardAccess", f"status {status:04X}") from error
        if opened.facts.protocol != access.BAC:
            if opened.cam is not None:
                yield from self._try("CardSecurity", opened.channel, phase="access")
            yield from access.select_application(opened.channel)
        return opened

    def _card_access(self, plain: PlainChannel) -> Dialogue[tuple[SecurityInfo, ...] | None]:
        """Return what the chip offers before it is open, None if it gives no such file."""
        yield from self._try("CardAccess", plain, phase="access")
        if "CardAccess" not in self._files:
            return None
        return parse_security_infos(self._files["CardAccess"])

    def _against_signed_offers(self, opened: access.Opened) -> AccessFacts:
        """Return how the chip was opened, now that a DG14 as it was hashed may say it could more.

        Whoever stands between may hide EF.CardAccess, and with it all but the weakest way.
        """
        if "DG14" in self._files and access.outranked(opened.rank, parse_dg14(self._files["DG14"])):
            return dataclasses.replace(opened.facts, downgraded=True)
        return opened.facts

    def _key_groups(self, signed: LDSSecurityObject, channel: Channel) -> Dialogue[bool]:
        """Read DG14 and DG15 if they are signed; return whether what was read is as signed."""
        for name in _KEY_GROUPS:
            if name in signed.hashes:
                yield from self._try(name, channel)
        return all(
            digest_bytes(signed.digest, self._files[name]) == signed.hashes[name]
            for name in _KEY_GROUPS
            if name in self._files
        )

    def _announced(self) -> chip_auth.Announced | None:
        if "DG14" not in self._files:
            return None
        return chip_auth.choose(parse_dg14(self._files["DG14"]))

    def _authenticate_chip(
        self, announced: chip_auth.Announced, channel: SecureChannel
    ) -> Dialogue[tuple[ChipAuthFacts, SecureChannel]]:
        protocol, key_id = announced.info.name, announced.info.key_id
        try:
            channel = yield from chip_auth.run(announced, channel, randomness=self._randomness)
        except (ChipRefused, ChipLied):
            return ChipAuthFacts("failed", protocol, key_id), channel
        return ChipAuthFacts("passed", protocol, key_id), channel

    def _try(self, name: str, channel: Channel, *, phase: str | None = None) -> Dialogue[None]:
        """Read a file; that the chip refuses it is a fact to keep."""
        try:
            yield from self._read(name, channel, phase=phase)
        except ChipRefused as error:
            self._unreadable[name] = error.sw

    def _read(self, name: str, channel: Channel, *, phase: str | None = None) -> Dialogue[None]:
        room = MAX_EVIDENCE_BYTES - _RESERVED_BYTES - sum(map(len, self._files.values()))
        limit = min(MAX_FILE_BYTES, room)
        self._files[name] = yield from files.read(
            name, channel, plan=self._plan, limit=limit, phase=phase or name.lower()
        )
