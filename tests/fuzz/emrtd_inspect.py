"""The whole inspection and its verdict against a chip that nobody wrote: the fuzzer's.

Three chips. One answers with nothing but the fuzzer's bytes. One is honest but for what happens to
its answers on their way. One runs every protocol as it must, with its own keys, and has on it what
the fuzzer put there: so that bytes reach the parsers and the verdict behind the checksums.

Whatever they do, no inspection costs more commands than its plan allows, and nothing is found
genuine whose signed files are not, to the byte, those that the issuer signed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.errors import EMRTDError
from emrtd.evidence import FILE_NAMES, Evidence
from emrtd.inspect import confirm_presence
from emrtd.lds import card_security, sod
from emrtd.sim import CardImage, Chip
from emrtd.sim._file_system import FileSystem
from emrtd.sim._manner import Manner
from emrtd.verify import ChipOutcome, verify
from tests.fuzz._cards import AT, PLAN, inspection_of, issued, stream, talk, trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emrtd.files import ReadPlan
    from emrtd.verify import Findings
    from tests.fuzz._cards import Issued

_OWED = frozenset({"DG1", "DG2", "DG13", "DG14", "DG15"})
_LOCKED = 0x6982
MAX_EDITS = 16
NAMES = ("SOD", "DG14", "DG15", "DG1", "DG2", "DG13", "CardAccess", "CardSecurity", "COM", "DG11")
"""Of the files, in the order of the numbers that edits name them by."""


class NeverGenuineError(AssertionError):
    """What was found genuine is not what was issued, or cost more than it may."""


class Script:
    """The fuzzer's bytes, taken from the front; when they are used up there are only zeros."""

    def __init__(self, raw: bytes) -> None:
        self._rest = raw

    def __bool__(self) -> bool:
        return bool(self._rest)

    def take(self, size: int) -> bytes:
        """Return that many bytes, fewer at the end."""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def number(self, size: int = 1) -> int:
        """Return a number of that many bytes."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "big")

    def piece(self, size: int = 1) -> bytes:
        """Return bytes that follow their own length."""
        return self.take(self.number(size))


def judged(
    transmit: Callable[[bytes], bytes], honest: Issued, *, plan: ReadPlan = PLAN
) -> Findings:
    """Inspect a chip and judge it. Raises EMRTDError, NeverGenuineError."""
    count = 0

    def wire(command: Command) -> Response:
        nonlocal count
        count += 1
        return Response.from_bytes(transmit(command.to_bytes()))

    try:
        inspection = drive(inspection_of(honest, plan), wire)
    finally:
        if count > plan.max_commands:
            raise NeverGenuineError("more commands than the plan allows")
    evidence = inspection.evidence
    if Evidence.from_cbor(evidence.to_cbor()) != evidence:
        raise NeverGenuineError("an evidence that does not survive its own encoding")
    found = verify(evidence, trust(), at=AT)
    if found.outcome in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}:
        _require_honest(evidence, honest.card, found)
        drive(confirm_presence(inspection), wire)
    return found


def _require_honest(evidence: Evidence, card: CardImage, found: Findings) -> None:
    announces = {"DG14", "DG15"} & card.files.keys()
    if found.outcome is ChipOutcome.GENUINE and not announces:
        raise NeverGenuineError("a chip without a key")
    if found.outcome is ChipOutcome.MAY_BE_COPY and announces:
        raise NeverGenuineError("a key that is announced was not asked for")
    proved = {} if found.groups is None else found.groups.files
    locked = {"DG13"} if evidence.unreadable.get("DG13") == _LOCKED else set()
    if not card.files.keys() & (_OWED - locked) <= proved.keys():
        raise NeverGenuineError("a signed file that was not read")
    if not proved.items() <= dict(card.files).items():
        raise NeverGenuineError("another data group")
    # EF.CardSecurity says nothing about a chip that was not asked to prove the key in it.
    asked = {"CardSecurity"} & evidence.files.keys() if evidence.cam else set()
    for name in ("SOD", *asked):
        if _signed_part(name, evidence.files[name]) != _signed_part(name, card.files[name]):
            raise NeverGenuineError(f"another {name}")


def _signed_part(name: str, raw: bytes) -> bytes:
    """Return what the issuer's signature covers: the content and not its envelope."""
    return sod.parse(raw).content if name == "SOD" else card_security.parse(raw).signed.content


# --- a chip of nothing but bytes


def raw_answers(raw: bytes) -> Findings:
    """Inspect a chip whose every answer is the next piece, status word and all."""
    script = Script(raw)
    honest = issued()[script.number() % len(issued())]
    return judged(lambda _: _short(script.piece(2)), honest)


def _short(answer: bytes) -> bytes:
    """Return an answer of at least a status word."""
    return answer if len(answer) > 1 else b"\x6f\x00"


# --- an honest chip behind somebody else


def answers_on_the_way(raw: bytes) -> Findings:
    """Inspect an honest chip whose answers are changed; after the last change it is honest."""
    script = Script(raw)
    honest = issued()[script.number() % len(issued())]
    chip, passed, last = Chip(honest.card, randomness=stream("chip")), 0, b"\x90\x00"

    def transmit(command: bytes) -> bytes:
        nonlocal passed, last
        answer = chip.answer(command)
        if passed or not script:
            passed = max(0, passed - 1)
            return answer
        kind = script.number()
        if kind >= 8:  # leave as many alone
            passed = kind - 8
            return answer
        last, answer = answer, _changed(kind, answer, script, last)
        return _short(answer)

    return judged(transmit, honest)


def _changed(kind: int, answer: bytes, script: Script, last: bytes) -> bytes:
    match kind:
        case 0:
            return answer
        case 1:
            return answer[:-2] + script.take(2)
        case 2:
            return script.piece() + b"\x90\x00"
        case 3:
            return answer[: script.number(2)] + answer[-2:]
        case 4:
            return last
        case 5:
            return answer[:-2] + script.piece() + answer[-2:]
        case _:
            at = script.number(2)
            new = script.piece()
            return answer[:at] + new + answer[at + len(new) :]


# --- an honest chip with anything on it


class _Hiding(Manner):
    """Refuses some files with some status words, and gives other ends to some commands."""

    def __init__(self, hidden: Mapping[str, int], ends: Mapping[int, tuple[bytes, int]]) -> None:
        super().__init__(0, stream("manner"))
        self._hidden, self._ends, self._count = hidden, ends, 0

    def hides(self, name: str) -> int:
        return self._hidden.get(name, 0)

    def carried_out(self, command: Command, data: bytes, sw: int) -> tuple[bytes, int]:
        del command
        self._count += 1
        return self._ends.get(self._count, (data, sw))


def files_of_any_bytes(raw: bytes) -> Findings:
    """Inspect a chip that does all as it must, with these edits of its files and ends."""
    script = Script(raw)
    honest = issued()[script.number() % len(issued())]
    files, hidden, ends = _edited(script, dict(honest.card.files))
    card = dataclasses.replace(honest.card, files=files)
    chip, manner = Chip(card, randomness=stream("chip")), _Hiding(hidden, ends)
    chip._manner, chip._files = manner, FileSystem(card, manner)
    return judged(chip.answer, honest)


def _edited(
    script: Script, files: dict[str, bytes]
) -> tuple[dict[str, bytes], dict[str, int], dict[int, tuple[bytes, int]]]:
    """Return files, status words of those that are refused, and ends of commands by number."""
    hidden: dict[str, int] = {}
    ends: dict[int, tuple[bytes, int]] = {}
    for _ in range(MAX_EDITS):
        if not script:
            break
        kind, name = script.number() % 8, NAMES[script.number() % len(NAMES)]
        old = files.get(name, b"")
        match kind:
            case 0:
                files[name] = script.piece(2)
            case 1:
                at, new = script.number(2), script.piece()
                files[name] = old[:at] + new + old[at + len(new) :]
            case 2:
                files[name] = old[: script.number(2)]
            case 3:
                at, end, new = script.number(2), script.number(), script.piece()
                files[name] = old[:at] + new + old[at + end :]
            case 4:
                hidden[name] = script.number(2)
            case 5:
                at, sw = script.number(), script.number(2)
                ends[at] = (script.piece(), sw)
            case 6:
                files[name] = _of_another(script.number(), name, old)
            case _:
                ends[script.number()] = (b"", script.number(2))
    return files, hidden, ends


def _of_another(number: int, name: str, old: bytes) -> bytes:
    """Return that file of another card, or a security object that another signer made."""
    others = [each.card for each in issued()]
    if name == "SOD" and number >= len(others):
        alternatives = issued()[1].card.alternatives
        # The bare one announces no key, and who gave it to a chip is its issuer.
        kinds = sorted(alternatives.keys() - {"bare", "card_security"})
        return alternatives[kinds[number % len(kinds)]]
    return others[number % len(others)].files.get(name, old)


# --- an evidence that somebody kept, and changed


def evidence_of_any_files(raw: bytes) -> Findings:
    """Judge an honest chip's evidence after these edits of its files: no chip is asked."""
    script = Script(raw)
    number = script.number() % len(issued())
    honest, kept = issued()[number].card, talk(number).evidence
    files, hidden, _ = _edited(script, dict(kept.files))
    for name in hidden.keys() & files.keys():
        del files[name]
    files = {name: each for name, each in files.items() if name in FILE_NAMES}
    evidence = dataclasses.replace(kept, files=files, unreadable=hidden)
    found = verify(evidence, trust(), at=AT)
    if found.outcome in {ChipOutcome.GENUINE, ChipOutcome.MAY_BE_COPY}:
        _require_honest(evidence, honest, found)
    return found


TARGETS = {
    "emrtd.inspect.raw_answers": (raw_answers, (EMRTDError,)),
    "emrtd.inspect.on_the_way": (answers_on_the_way, (EMRTDError,)),
    "emrtd.inspect.any_files": (files_of_any_bytes, (EMRTDError,)),
    "emrtd.verify.any_files": (evidence_of_any_files, (EMRTDError,)),
}
