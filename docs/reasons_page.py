"""The page of outcomes and reasons: codes from the code, words from the catalogues."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from emrtd.errors import Fault
from kiosk.i18n import words
from wire.reasons import Outcome, Reason

if TYPE_CHECKING:
    from enum import StrEnum

REFUSED, REFERRED, INCOMPLETE = Outcome.REFUSED, Outcome.REFERRED, Outcome.INCOMPLETE

LEADS_TO: Final[dict[Reason, tuple[Outcome, ...]]] = {
    Reason.CHIP_GONE: (INCOMPLETE,),
    Reason.CARD_SWAPPED: (REFUSED,),
    Reason.WRONG_PASSWORD: (INCOMPLETE,),
    Reason.CARD_ACCESS_MISMATCH: (REFUSED,),
    Reason.PUBLIC_KEY_ECHOED: (REFUSED,),
    Reason.ADVERTISED_FILE_MISSING: (REFUSED,),
    Reason.DATA_HASH_MISMATCH: (REFUSED,),
    Reason.SIGNATURE_INVALID: (REFUSED,),
    Reason.CERTIFICATE_INVALID: (REFUSED,),
    Reason.SIGNER_NOT_ALLOWED: (REFUSED,),
    Reason.SIGNER_EXPIRED: (REFERRED, REFUSED),
    Reason.SIGNER_NOT_YET_VALID: (REFERRED, REFUSED),
    Reason.ISSUER_EXPIRED: (REFERRED, REFUSED),
    Reason.SIGNER_REVOKED: (REFUSED,),
    Reason.ISSUER_REVOKED: (REFUSED,),
    Reason.ISSUER_UNKNOWN: (REFERRED, REFUSED),
    Reason.ALGORITHM_WEAK: (REFUSED, REFERRED),
    Reason.CHIP_KEY_MISMATCH: (REFUSED,),
    Reason.ACCESS_DOWNGRADED: (REFERRED, REFUSED),
    Reason.FACE_NOT_HOLDER: (Outcome.NOT_HOLDER,),
    Reason.TIMEOUT: (INCOMPLETE,),
    Reason.CANCELLED: (INCOMPLETE,),
    Reason.DEVICE_MISSING: (INCOMPLETE, REFERRED),
    Reason.DEVICE_FAILED: (INCOMPLETE, REFERRED),
    Reason.DEVICE_TIMEOUT: (INCOMPLETE, REFERRED),
    Reason.DEVICE_URL: (INCOMPLETE, REFERRED),
    Reason.QUEUE_FULL: (INCOMPLETE,),
    Reason.QUEUE_FAILED: (INCOMPLETE,),
}
"""Where a reason decides; of those that are not named, a person looks: referred."""

UNUSED: Final = frozenset({Reason.POLICY_LAYER_MISSING})
"""Codes that this release never gives."""

HEAD: Final = """\
# Outcomes and reasons

The codes that kiosk, fleet and every `--json` speak: `wire/reasons.py`. Words for people are the
kiosk's catalogues', in Vietnamese and English. Made by `docs/generate.py`.

## Outcomes

| outcome | means | Vietnamese | English |
|---|---|---|---|
"""
MIDDLE: Final = """
## Reasons

Several may hold at once; the first one decided. A reason's outcome is what follows where it
decides; two are given where it depends on the policy, or on what else does not hold.
A record that could not be kept makes an accepted session incomplete and leaves other outcomes as
they are.
"""


def outcomes_of(reason: Reason) -> tuple[Outcome, ...]:
    """Return what follows where a reason decides; nothing if it is not used."""
    return () if reason in UNUSED else LEADS_TO.get(reason, (REFERRED,))


def render() -> str:
    """Return the page, Markdown."""
    meanings, sections = _meanings(Outcome), _sections()
    lines = [HEAD.rstrip("\n")]
    lines += [f"| `{each.value}` | {meanings[each.name]} | {_said(each)} |" for each in Outcome]
    lines.append(MIDDLE.rstrip("\n"))
    meanings = _meanings(Reason) | _meanings(Fault)
    for reason in Reason:
        if reason.name in sections:
            lines += ["", f"### {sections[reason.name]}", ""]
            lines += [
                "| reason | means | outcome | Vietnamese | English |",
                "|---|---|---|---|---|",
            ]
        outcomes = ", ".join(each.value for each in outcomes_of(reason)) or "not used"
        said = _said(reason)
        lines.append(f"| `{reason.value}` | {meanings[reason.name]} | {outcomes} | {said} |")
    return "\n".join(lines) + "\n"


def _said(code: Outcome | Reason) -> str:
    return " | ".join(words(language).say(code) for language in ("vi", "en"))


def _meanings(closed: type[StrEnum]) -> dict[str, str]:
    """Return what stands below each member of a closed list."""
    body = list(ast.walk(ast.parse(inspect.getsource(closed))))
    members = next(node.body for node in body if isinstance(node, ast.ClassDef))
    found = {}
    for member, below in pairwise(members):
        match member, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split()).removesuffix(".")
    return found


def _sections() -> dict[str, str]:
    """Return the heading that stands before a reason, by its name."""
    found, heading = {}, ""
    for line in map(str.strip, inspect.getsource(Reason).splitlines()):
        if line.startswith("#"):
            heading = line.removeprefix("# ").partition(" (")[0]
        elif heading and " = " in line:
            found[line.partition(" = ")[0]] = heading[0].upper() + heading[1:]
            heading = ""
    return found
