"""The inspection procedure: in what order a chip is opened, asked for proof, and read.

Knows the order and what is recorded. Judges nothing: a refused file, a failed proof or a hash that
does not fit is a fact in the evidence, and `emrtd.verify` says what it means. The one thing it will
not do is talk to a chip with a key that the security object contradicts.

Each signed file is hashed as it arrives, the small ones that decide first, and the first that is
not as it was signed ends the reading: no portrait is fetched from a liar. What a chip keeps for
terminals with rights comes last; that it keeps it is a fact, and no fault of the chip. EF.COM,
which nobody signs, is read only for who wants to keep it.

Spec: [9303-11] 4.2, and appendix J "Inspection procedures"; [9303-10] 3.6.1.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import Hash

from emrtd import access, active_auth, chip_auth, files, terminal_auth
from emrtd.access import AccessPolicy
from emrtd.apdu import Step
from emrtd.channel import PlainChannel
from emrtd.errors import AccessUnsupported, ChipLied, ChipMalformed, ChipRefused, Fault
from emrtd.evidence import (
    MAX_EVIDENCE_BYTES,
    MAX_FILE_BYTES,
    AccessFacts,
    ActiveAuthTranscript,
    ChipAuthFacts,
    Evidence,
    TerminalAuthFacts,
)  # fmt: skip
from emrtd.files import ReadPlan
from emrtd.lds import dg15, sod
from emrtd.security_infos import parse_dg14, parse_security_infos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from emrtd.channel import Channel, OpenChannel
    from emrtd.dialogue import Dialogue, Randomness
    from emrtd.keys import Password
    from emrtd.lds.sod import LDSSecurityObject
    from emrtd.security_infos import SecurityInfo
    from emrtd.terminal_auth import Terminal

DATA_GROUPS = tuple(f"DG{number}" for number in (1, *range(5, 17), 2, 3, 4))
"""In the order of reading: the long portrait, and what is kept for terminals, come last."""

READABLE = frozenset({"COM", *DATA_GROUPS})
"""What may be wanted; EF.SOD is always read, and EF.CardAccess and EF.CardSecurity by need."""

PRESENCE_BYTES = 32
_KEY_GROUPS = ("DG14", "DG15")
_FOR_TERMINALS = ("DG3", "DG4")
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
    channel: OpenChannel = field(repr=False, compare=False)


def inspect(
    password: Password,
    *,
    wanted: frozenset[str],
    randomness: Randomness,
    aa_nonce: bytes,
    plan: ReadPlan = ReadPlan(),  # noqa: B008 - frozen
    policy: AccessPolicy = AccessPolicy(),  # noqa: B008 - frozen
    terminal: Terminal | None = None,
    on: date | None = None,
) -> Dialogue[Inspection]:
    """Open a chip, ask it for every proof it announces, and read what is wanted and signed.

    Args:
        password: the CAN or the key fields of the MRZ; not used where a chip asks for none and the
            policy lets it.
        wanted: what to read of `READABLE`, e.g. {"DG1", "DG2"}; data groups without a signed hash
            are left out.
        randomness: for the nonces and private keys of access and chip authentication.
        aa_nonce: eight bytes for active authentication; a transcript can be shown to others, so
            bind them to this inspection.
        plan: how much to ask for at once.
        policy: in which order ways to open the chip are tried.
        terminal: shows its rights before DG3 or DG4, if they are wanted, and the chip announces
            that it asks for them and proved its own key. None reads what is open to all.
        on: the day that the terminal's certificates are chosen and checked for; given with it.

    Returns:
        The dialogue. Chip authentication that fails ends it early, with the evidence so far; so
        does a file that differs from its signed hash.

    Raises:
        ValueError: a name that is not of `READABLE`, another length of nonce, a terminal without a
            day; and from the dialogue, if the signer does not hold the terminal's key.
        EMRTDError: from the dialogue: WrongPassword, AccessUnsupported, ChipGone, ChipRefused,
            ChannelBroken, ChipMalformed, ChipLied.
    """
    if not wanted <= READABLE:
        raise ValueError("wanted: not the names of files to ask for")
    if len(aa_nonce) != active_auth.NONCE_BYTES:
        raise ValueError("aa_nonce: another length")
    if (terminal is None) != (on is None):
        raise ValueError("terminal: it is shown on a day")
    visit = None if terminal is None or on is None else (terminal, on)
    return _Reading(plan, randomness, visit).run(password, wanted, aa_nonce, policy)


def confirm_presence(inspection: Inspection) -> Dialogue[None]:
    """Read a few bytes again under the live channel: the chip that was read is still here.

    In the clear, where a chip asked for no access and proved no key, that is no more than its word.

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
    # A chip may give less than it is asked for; what it gives must be what was read.
    if not known.startswith(again):
        raise ChipLied(Fault.CARD_SWAPPED, doing)


@dataclass(slots=True)
class _Proofs:
    """What was asked of an open chip so far, and the channel to go on in.

    Attributes:
        own_key: ours of chip authentication; empty unless that was passed.
    """

    channel: OpenChannel
    chip_auth: ChipAuthFacts | None = None
    active_auth: ActiveAuthTranscript | None = None
    terminal_auth: TerminalAuthFacts | None = None
    own_key: bytes = b""


class _Reading:
    """One inspection under way: what was gathered so far."""

    def __init__(
        self, plan: ReadPlan, randomness: Randomness, visit: tuple[Terminal, date] | None
    ) -> None:
        self._plan = plan
        self._randomness = randomness
        self._visit = visit
        self._files: dict[str, bytes] = {}
        self._unreadable: dict[str, int] = {}

    def run(
        self, password: Password, wanted: frozenset[str], aa_nonce: bytes, policy: AccessPolicy
    ) -> Dialogue[Inspection]:
        """Go through the procedure."""
        plain = PlainChannel(max_commands=self._plan.max_commands)
        opened = yield from self._open(password, plain, policy)
        yield from self._security_object(opened.channel)
        signed = sod.parse(self._files["SOD"]).security_object

        facts, proofs = opened.facts, _Proofs(opened.channel)
        sound = yield from self._read_signed(_KEY_GROUPS, signed, proofs.channel)
        if sound:
            facts = self._against_signed_offers(opened)
            sound = yield from self._ask_for_proofs(proofs, aa_nonce)
        if sound:
            yield from self._read_wanted(wanted, signed, proofs, opened.chip_identity)
        evidence = Evidence(
            self._files, facts, self._unreadable,
            proofs.chip_auth, proofs.active_auth, opened.cam, proofs.terminal_auth,
        )  # fmt: skip
        return Inspection(evidence, proofs.channel)

    def _open(
        self, password: Password, plain: PlainChannel, policy: AccessPolicy
    ) -> Dialogue[access.Opened]:
        """Open the chip and select its application."""
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
        if opened.facts.protocol not in {access.BAC, access.NONE}:
            if opened.cam is not None:
                yield from self._try("CardSecurity", opened.channel, phase="access")
            yield from access.select_application(opened.channel)
        return opened

    def _card_access(self, plain: PlainChannel) -> Dialogue[tuple[SecurityInfo, ...] | None]:
        """Return what the chip offers before it is open, None if it gives no such file.

        [9303-10] 3.6.1.1 advises against selecting the master file, which is current after a reset.
        A chip that begins elsewhere, e.g. in its application, is told to go there.
        """
        name = "CardAccess"
        try:
            yield from self._read(name, plain, phase="access")
        except (ChipRefused, ChipMalformed) as error:
            elsewhere = isinstance(error, ChipRefused) or error.fault is Fault.CHIP_MALFORMED
            if elsewhere and (yield from access.select_master_file(plain)):
                yield from self._try(name, plain, phase="access")
            else:
                self._note(name, error)
        return parse_security_infos(self._files[name]) if name in self._files else None

    def _against_signed_offers(self, opened: access.Opened) -> AccessFacts:
        """Return how the chip was opened, now that a DG14 as it was hashed may say it could more.

        Whoever stands between may hide EF.CardAccess, and with it all but the weakest way.
        """
        if "DG14" in self._files and access.outranked(opened.rank, parse_dg14(self._files["DG14"])):
            return dataclasses.replace(opened.facts, downgraded=True)
        return opened.facts

    def _security_object(self, channel: Channel) -> Dialogue[None]:
        """Read what everything else is compared with; without it there is nothing to inspect."""
        try:
            yield from self._read("SOD", channel)
        except ChipRefused as error:
            fault = Fault.SECURITY_OBJECT_MISSING
            raise ChipRefused(error.sw, error.doing, fault=fault) from error

    def _read_signed(
        self, names: Iterable[str], signed: LDSSecurityObject, channel: Channel
    ) -> Dialogue[bool]:
        """Read those that are signed, up to the first that is not as it was; return if none was."""
        for name in names:
            if name in signed.hashes:
                digest = Hash(signed.digest)
                yield from self._try(name, channel, sink=digest.update)
                if name in self._files and digest.finalize() != signed.hashes[name]:
                    return False
        return True

    def _ask_for_proofs(self, proofs: _Proofs, aa_nonce: bytes) -> Dialogue[bool]:
        """Let the chip prove its keys; return whether it may be asked for more."""
        if (announced := self._announced()) is not None:
            yield from self._authenticate_chip(announced, proofs)
            if not proofs.own_key:
                return False
        if "DG15" in self._files:
            key = dg15.parse(self._files["DG15"]).public_key
            signature = yield from active_auth.ask_for_signature(
                aa_nonce, proofs.channel, public_key=key
            )
            proofs.active_auth = ActiveAuthTranscript(aa_nonce, signature)
        return True

    def _read_wanted(
        self, wanted: frozenset[str], signed: LDSSecurityObject, proofs: _Proofs, identity: bytes
    ) -> Dialogue[None]:
        """Read what is wanted; show the terminal before what is kept for terminals."""
        left = [name for name in DATA_GROUPS if name in wanted and name not in _KEY_GROUPS]
        kept = [name for name in left if name in _FOR_TERMINALS]
        sound = yield from self._read_signed(left[: len(left) - len(kept)], signed, proofs.channel)
        if sound and "COM" in wanted:
            yield from self._try("COM", proofs.channel)
        if sound and signed.hashes.keys() & kept:
            yield from self._authenticate_terminal(proofs, identity)
            yield from self._read_signed(kept, signed, proofs.channel)

    def _authenticate_terminal(self, proofs: _Proofs, identity: bytes) -> Dialogue[None]:
        """Show the terminal, if there is one, to a chip that asks for it and proved its own key.

        Who asked for no access has no name that the terminal could sign.
        """
        if self._visit is None or not proofs.own_key or not identity:
            return
        file = terminal_auth.announced(self._files["DG14"])
        if file is not None:
            terminal, on = self._visit
            proofs.terminal_auth = yield from terminal_auth.authenticate(
                terminal, proofs.channel, chip_identity=identity, own_key=proofs.own_key, on=on,
                file=file, max_data=self._plan.max_data,
            )  # fmt: skip

    def _announced(self) -> chip_auth.Announced | None:
        if "DG14" not in self._files:
            return None
        return chip_auth.choose(parse_dg14(self._files["DG14"]))

    def _authenticate_chip(self, announced: chip_auth.Announced, proofs: _Proofs) -> Dialogue[None]:
        """Go the one way that there is; a chip that refuses it failed like one that cannot."""
        protocol, key_id = announced.info.name, announced.info.key_id
        proofs.chip_auth = ChipAuthFacts("failed", protocol, key_id)
        with contextlib.suppress(ChipRefused, ChipLied):
            made = yield from chip_auth.authenticate(
                announced, proofs.channel, randomness=self._randomness
            )
            proofs.chip_auth = ChipAuthFacts("passed", protocol, key_id)
            proofs.channel, proofs.own_key = made.channel, made.own_key

    def _try(
        self,
        name: str,
        channel: Channel,
        *,
        phase: str | None = None,
        sink: Callable[[bytes], object] = files.nowhere,
    ) -> Dialogue[None]:
        """Read a file; that the chip refuses it is a fact to keep, unless the plan is at fault."""
        try:
            yield from self._read(name, channel, phase=phase, sink=sink)
        except ChipRefused as error:
            self._note(name, error)

    def _note(self, name: str, error: ChipRefused | ChipMalformed) -> None:
        if isinstance(error, ChipMalformed) or self._plan.is_at_fault(error.sw):
            raise error
        self._unreadable[name] = error.sw

    def _read(
        self,
        name: str,
        channel: Channel,
        *,
        phase: str | None = None,
        sink: Callable[[bytes], object] = files.nowhere,
    ) -> Dialogue[None]:
        room = MAX_EVIDENCE_BYTES - _RESERVED_BYTES - sum(map(len, self._files.values()))
        limit = min(MAX_FILE_BYTES, room)
        self._files[name] = yield from files.read(
            name, channel, plan=self._plan, limit=limit, phase=phase or name.lower(), sink=sink
        )
