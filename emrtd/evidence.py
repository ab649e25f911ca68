"""What was read from a chip, byte for byte, and what the chip did when it was asked for proof.

Knows how to keep and to reload it, so that it can be verified again years later and elsewhere. Does
not know whether any of it is true: that is `emrtd.verify`. An `Evidence` proves nothing.

Its stored form is CBOR, versioned and bounded. What version 1 can say is written in version 1, and
so on, so that a reader of that time still reads it. A chip authentication outcome is a claim of the
terminal that ran it (the terminal holds every key of that channel and could have made it up), and
so is the transcript of a chip authentication mapping (whoever knows the public key can make one):
both are worth what the signature around the stored evidence is worth. An active authentication
transcript stands for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import cbor2

from emrtd.errors import ChipMalformed, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAMES = frozenset(
    {"CardAccess", "CardSecurity", "COM", "SOD", *(f"DG{n}" for n in range(1, 17))}
)
"""Every name that a file may have in an evidence; data groups are "DG1" to "DG16"."""

MAX_FILE_BYTES = 262_144
MAX_EVIDENCE_BYTES = 1_048_576
MAX_NONCE_BYTES = 64
MAX_SIGNATURE_BYTES = 1024
MAX_PROTOCOL_CHARS = 64
MAX_FAILED_ACCESS = 16
MAX_POINT_BYTES = 256
MAX_HOLDER_CHARS = 16
MAX_RIGHTS_BITS = 38
VERSION = 3
"""The newest; `Evidence.from_cbor` reads each from 1 on."""

PasswordKind = Literal["CAN", "MRZ", "PIN"]
ChipAuthOutcome = Literal["passed", "failed"]


@dataclass(frozen=True, slots=True)
class FailedAccess:
    """One way to open the chip that was tried in vain before the one that opened it.

    Attributes:
        protocol: as in `AccessFacts`.
        fault: what went wrong.
        sw: the status word of the refusal, None if it was not refused by one.
    """

    protocol: str
    fault: Fault
    sw: int | None


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """How the chip was opened.

    Attributes:
        protocol: e.g. "PACE-ECDH-GM-AES-CBC-CMAC-128" or "BAC"; "NONE" if the chip asked for none.
        password: which kind of password opened it, None if none was asked for; never the password.
        downgraded: whether a weaker protocol ran than the chip offered, in EF.CardAccess or in a
            DG14 that is as it was hashed.
        failed: what was tried before, in that order.
    """

    protocol: str
    password: PasswordKind | None
    downgraded: bool
    failed: tuple[FailedAccess, ...] = ()


@dataclass(frozen=True, slots=True)
class CAMTranscript:
    """What PACE with chip authentication mapping gave to check the chip by.

    It proves the chip if `mapping_key` is `chip_auth_data` times the public key that is signed in
    EF.CardSecurity under the key id `parameter_id`.

    Attributes:
        parameter_id: of the standardised domain parameters, which is also the id of the chip's key.
        mapping_key: the chip's ephemeral public key of the mapping, an uncompressed point.
        chip_auth_data: the decrypted chip authentication data, a scalar as long as the order of
            the group; empty if the chip was asked and gave none, or none that could be decrypted.
    """

    parameter_id: int
    mapping_key: bytes = field(repr=False)
    chip_auth_data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChipAuthFacts:
    """How chip authentication ended.

    Attributes:
        outcome: "passed" only if the chip answered under the keys that it agreed to.
        protocol: e.g. "CA-ECDH-AES-CBC-CMAC-128".
        key_id: which of the chip's keys was used, None if DG14 names none.
    """

    outcome: ChipAuthOutcome
    protocol: str
    key_id: int | None


@dataclass(frozen=True, slots=True)
class TerminalAuthFacts:
    """How terminal authentication ended; nothing about the chip's being genuine.

    Attributes:
        outcome: "passed" only if the chip took the terminal's signature.
        holder: the reference of the terminal's key; empty if it was not passed.
        rights: what the terminal's chain allows, bits as in `emrtd.cvc.Right`; 0 if not passed.
    """

    outcome: ChipAuthOutcome
    holder: str
    rights: int


@dataclass(frozen=True, slots=True)
class ActiveAuthTranscript:
    """What the chip was asked to sign, and what it gave.

    Attributes:
        nonce: the terminal's challenge.
        signature: the chip's answer; empty if it was asked and gave none.
    """

    nonce: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one inspection read, unproven.

    Attributes:
        files: name of `FILE_NAMES` to the file's raw bytes, tag and length included.
        access: how the chip was opened.
        unreadable: name to status word, for each file that was asked for and refused.
        chip_auth: None if it was not attempted.
        active_auth: None if it was not attempted.
        cam: None if the chip was not opened by chip authentication mapping.
        terminal_auth: None if it was not attempted.

    Raises:
        ChipMalformed: a name, a size or a number is out of bounds.
    """

    files: Mapping[str, bytes]
    access: AccessFacts
    unreadable: Mapping[str, int] = field(default_factory=dict)
    chip_auth: ChipAuthFacts | None = None
    active_auth: ActiveAuthTranscript | None = None
    cam: CAMTranscript | None = None
    terminal_auth: TerminalAuthFacts | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "unreadable", MappingProxyType(dict(self.unreadable)))
        _require(self.files.keys() <= FILE_NAMES and self.unreadable.keys() <= FILE_NAMES, "a name")
        _require(all(len(raw) <= MAX_FILE_BYTES for raw in self.files.values()), "a file")
        _require(sum(map(len, self.files.values())) <= MAX_EVIDENCE_BYTES - 8192, "the files")
        _require(all(0 <= sw <= 0xFFFF for sw in self.unreadable.values()), "a status word")
        _require(len(self.access.protocol) <= MAX_PROTOCOL_CHARS, "the access protocol")
        _require(len(self.access.failed) <= MAX_FAILED_ACCESS, "the failed access")
        for each in self.access.failed:
            _require(len(each.protocol) <= MAX_PROTOCOL_CHARS, "a failed protocol")
            _require(0 <= (each.sw or 0) <= 0xFFFF, "a status word")
        if self.chip_auth is not None:
            _require(len(self.chip_auth.protocol) <= MAX_PROTOCOL_CHARS, "the chip auth protocol")
            _require((self.chip_auth.key_id or 0).bit_length() <= 64, "the key id")
        if self.active_auth is not None:
            _require(len(self.active_auth.nonce) <= MAX_NONCE_BYTES, "the nonce")
            _require(len(self.active_auth.signature) <= MAX_SIGNATURE_BYTES, "the signature")
        if self.cam is not None:
            _require(0 <= self.cam.parameter_id <= 0xFF, "the parameter id")
            _require(len(self.cam.mapping_key) <= MAX_POINT_BYTES, "the mapping key")
            _require(len(self.cam.chip_auth_data) <= MAX_POINT_BYTES, "the chip auth data")
        if self.terminal_auth is not None:
            _require(len(self.terminal_auth.holder) <= MAX_HOLDER_CHARS, "the terminal")
            _require(0 <= self.terminal_auth.rights < 2**MAX_RIGHTS_BITS, "the rights")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(raw)} bytes" for name, raw in sorted(self.files.items()))
        return f"<Evidence {{{sizes}}}>"

    def to_cbor(self) -> bytes:
        """Encode for keeping; the same evidence gives the same bytes."""
        ca, aa, cam = self.chip_auth, self.active_auth, self.cam
        access: list[Any] = [self.access.protocol, self.access.password, self.access.downgraded]
        tree: dict[str, Any] = {
            "version": 1,
            "files": dict(self.files),
            "access": access,
            "unreadable": dict(self.unreadable),
            "chip_auth": None if ca is None else [ca.outcome, ca.protocol, ca.key_id],
            "active_auth": None if aa is None else [aa.nonce, aa.signature],
        }
        ta, newer = self.terminal_auth, self.access.password not in _OLDEST_PASSWORDS
        if self.access.failed or newer or cam is not None or ta is not None:
            tree["version"] = 2 if self.access.password else 3
            access.append(
                [[each.protocol, each.fault.value, each.sw] for each in self.access.failed]
            )
            tree["cam"] = (
                None if cam is None else [cam.parameter_id, cam.mapping_key, cam.chip_auth_data]
            )
            tree["terminal_auth"] = None if ta is None else [ta.outcome, ta.holder, ta.rights]
        return cbor2.dumps(tree, canonical=True)

    @classmethod
    def from_cbor(cls, raw: bytes) -> Evidence:
        """Decode kept evidence.

        Raises:
            ChipMalformed: not an evidence of a known version, or out of bounds.
        """
        _require(len(raw) <= MAX_EVIDENCE_BYTES, "the evidence")
        try:
            tree = cbor2.loads(
                raw,
                max_depth=5,
                allow_indefinite=False,
                allow_duplicate_keys=False,
                strict_hashable_types=True,
                semantic_decoders=_NO_TAGS,
            )
        except cbor2.CBORDecodeError as error:
            raise ChipMalformed("Evidence", "not CBOR") from error
        top = _typed(tree, dict)
        version = top.get("version")
        _require(type(version) is int and version in _KEYS, "the version")
        _require(set(top) == _KEYS[version], "the outer map")
        evidence = cls(
            files={_typed(k, str): _typed(v, bytes) for k, v in _typed(top["files"], dict).items()},
            access=_access(top["access"], version),
            unreadable={
                _typed(k, str): _typed(v, int) for k, v in _typed(top["unreadable"], dict).items()
            },
            chip_auth=_chip_auth(top["chip_auth"]),
            active_auth=_active_auth(top["active_auth"]),
            cam=_cam(top.get("cam")),
            terminal_auth=_terminal_auth(top.get("terminal_auth")),
        )
        _require(evidence.to_cbor() == raw, "the encoding")
        return evidence


def _refuse_tag(*_: Any) -> Any:
    raise ValueError("an evidence has no tagged items")


class _AllTags(dict[int, Any]):
    """Every tag has the decoder that refuses, so that none of the library's own ever runs."""

    def __missing__(self, _: int) -> Any:
        return _refuse_tag


_NO_TAGS = _AllTags()
_OLDEST_PASSWORDS = {"CAN", "MRZ"}
_OLDEST_KEYS = {"version", "files", "access", "unreadable", "chip_auth", "active_auth"}
_KEYS = {1: _OLDEST_KEYS} | dict.fromkeys((2, 3), _OLDEST_KEYS | {"cam", "terminal_auth"})


def _access(tree: Any, version: int) -> AccessFacts:
    protocol, password, downgraded, *rest = _list(tree, 3 if version == 1 else 4)
    failed = _typed(rest[0], list) if rest else []
    return AccessFacts(
        _typed(protocol, str),
        None if password is None else _one_of(password, get_args(PasswordKind)),
        _typed(downgraded, bool),
        tuple(_failed(each) for each in failed),
    )


def _failed(tree: Any) -> FailedAccess:
    protocol, fault, sw = _list(tree, 3)
    return FailedAccess(
        _typed(protocol, str),
        Fault(_one_of(fault, tuple(Fault))),
        None if sw is None else _typed(sw, int),
    )


def _cam(tree: Any) -> CAMTranscript | None:
    if tree is None:
        return None
    parameter_id, mapping_key, chip_auth_data = _list(tree, 3)
    return CAMTranscript(
        _typed(parameter_id, int), _typed(mapping_key, bytes), _typed(chip_auth_data, bytes)
    )


def _terminal_auth(tree: Any) -> TerminalAuthFacts | None:
    if tree is None:
        return None
    outcome, holder, rights = _list(tree, 3)
    return TerminalAuthFacts(
        _one_of(outcome, get_args(ChipAuthOutcome)), _typed(holder, str), _typed(rights, int)
    )


def _chip_auth(tree: Any) -> ChipAuthFacts | None:
    if tree is None:
        return None
    outcome, protocol, key_id = _list(tree, 3)
    return ChipAuthFacts(
        _one_of(outcome, get_args(ChipAuthOutcome)),
        _typed(protocol, str),
        None if key_id is None else _typed(key_id, int),
    )


def _active_auth(tree: Any) -> ActiveAuthTranscript | None:
    if tree is None:
        return None
    nonce, signature = _list(tree, 2)
    return ActiveAuthTranscript(_typed(nonce, bytes), _typed(signature, bytes))


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ChipMalformed("Evidence", f"{what} out of bounds")


def _typed(value: Any, kind: type[Any]) -> Any:
    _require(type(value) is kind, f"a {kind.__name__}")
    return value


def _list(value: Any, length: int) -> list[Any]:
    _require(len(_typed(value, list)) == length, "a list")
    return list(value)


def _one_of(value: Any, choices: Any) -> Any:
    _require(_typed(value, str) in choices, "a choice")
    return value
