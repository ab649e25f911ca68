"""What `tram chip` says about a chip, and the folder in which it keeps what it read.

Knows the JSON that machines rely on and the files of an evidence folder. Judges nothing: the
verdict is `emrtd.verify`'s. What a file says is shown only where a signature holds for it; anybody
can add another to a chip, or to a folder.
"""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from emrtd.errors import ChipLied, ChipMalformed, EMRTDError
from emrtd.evidence import FILE_NAMES, MAX_EVIDENCE_BYTES, Evidence
from emrtd.lds import dg1, dg3, dg7, dg11, dg12, dg13, dg16
from emrtd.lds.dg3 import FingerImage
from emrtd.lds.dg7 import CodedImage
from emrtd.passive_auth import examine
from emrtd.trust import TrustStore
from emrtd.verify import Check, verify
from kiosk.bundles.trust import load_trust
from tram.parts.card_press import TRUST_DIR, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EVIDENCE_FILE = "evidence.cbor"
_KEPT = frozenset(
    f"{before}{name}{after}"
    for name in (EVIDENCE_FILE, *(f"{name}.bin" for name in FILE_NAMES))
    for before, after in (("", ""), (".", ".part"))
)
"""What a reading leaves in a folder, an interrupted one too."""
_CHECKS = ("pa", "aa", "ca", "cam", "ta")
_CONTENTS: Mapping[str, Callable[[bytes], Any]] = {
    "DG1": lambda raw: dg1.parse(raw).mrz,
    "DG3": dg3.parse,
    "DG7": dg7.parse,
    "DG11": dg11.parse,
    "DG12": dg12.parse,
    "DG13": dg13.parse,
    "DG16": dg16.parse,
}
"""Whose content is shown if it is signed; of images only what they are and how long."""
_PEOPLE = frozenset(name.lower() for name in _CONTENTS)


def trust_store(directory: Path | None) -> TrustStore:
    """Return the anchors (*.der) and revocation lists (*.crl) of a folder; None trusts nobody.

    Raises:
        TrustUnusableError: it cannot be read, or breaks a bound.
    """
    return TrustStore(()) if directory is None else load_trust(directory, now=0).store


def trusts_nobody(directory: Path) -> str:
    """Return what is wrong with a folder in which no issuer is, "" if there is one.

    Raises:
        OSError: it cannot be read.
    """
    names = {path.suffix for path in directory.iterdir()}
    if ".der" in names:
        return ""
    told = f"{directory} holds no issuer's certificate (*.der): nobody is trusted"
    inside = directory / TRUST_DIR
    if inside.is_dir():
        return f"{told}; did you mean {inside}?"
    if ".ml" in names:
        return f"{told}; `tram trust import` takes the certificates out of a master list"
    return told


def report(
    evidence: Evidence,
    trust: TrustStore,
    *,
    at: datetime,
    apdus: int = 0,
    ms: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the whole report, personal data included.

    Args:
        evidence: what was read.
        trust: who is trusted.
        at: the instant that certificates are judged at, aware.
        apdus: how many commands the reading took, 0 if it was not now.
        ms: duration by phase.
    """
    findings = verify(evidence, trust, at=at)
    signed: Mapping[str, bytes] = {} if findings.groups is None else findings.groups.files
    # A chip that failed its own proof was not read whole; what was read may be signed all the same.
    held = findings.checks.pa in {Check.PASSED, Check.UNKNOWN_ISSUER}
    intact = examine(evidence, trust, at=at).intact if held else {}
    return {
        "access": _plain(evidence.access),
        "checks": {name: getattr(findings.checks, name).value for name in _CHECKS},
        **{name.lower(): _content(signed, name) for name in _CONTENTS},
        "files": {name: len(raw) for name, raw in sorted(evidence.files.items())},
        "unsigned": sorted(
            name for name in evidence.files if name.startswith("DG") and name not in intact
        ),
        "apdus": apdus,
        "ms": {phase: round(spent, 1) for phase, spent in (ms or {}).items()},
        "outcome": findings.outcome.value,
        "reasons": [reason.value for reason in findings.reasons],
    }


def unread(error: EMRTDError, *, apdus: int, phase: str) -> dict[str, Any]:
    """Return the report on a chip whose reading ended in an error: it lied, or it tells nothing.

    Args:
        error: what ended it.
        apdus: how many commands were sent.
        phase: of the reading, in which it ended; "" if none was sent.
    """
    return {
        "access": None,
        "checks": dict.fromkeys(_CHECKS, "absent"),
        **dict.fromkeys(map(str.lower, _CONTENTS)),
        "files": {},
        "unsigned": [],
        "apdus": apdus,
        "ms": {},
        "phase": phase,
        "outcome": "not_genuine" if isinstance(error, ChipLied) else "unreadable",
        "reasons": [error.fault.value],
    }


def clear(directory: Path) -> None:
    """Remove what an earlier reading left in a folder, so that two people's files never mix.

    Raises:
        FileExistsError: something else is in it; nothing was removed.
        OSError: it cannot be read or written.
    """
    found = list(directory.iterdir()) if directory.exists() else []
    others = [path for path in found if path.name not in _KEPT or path.is_dir()]
    if others:
        raise FileExistsError(
            f"{directory} holds something else than an earlier reading: name another folder"
        )
    # The evidence first: what is left of an interrupted removal is no reading.
    for path in sorted(found, key=lambda path: path.name != EVIDENCE_FILE):
        path.unlink()


def keep(evidence: Evidence, directory: Path) -> None:
    """Write the raw files and the evidence into a folder that only its owner reads.

    What an earlier reading left in it is removed.

    Raises:
        OSError: it cannot be written, or holds something else.
    """
    clear(directory)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    for name, raw in evidence.files.items():
        write_private(directory / f"{name}.bin", raw)
    write_private(directory / EVIDENCE_FILE, evidence.to_cbor())


def kept(directory: Path) -> Evidence:
    """Return the evidence of a folder.

    Raises:
        ChipMalformed: the file holds no evidence.
        OSError: it cannot be read.
    """
    with (directory / EVIDENCE_FILE).open("rb") as file:
        return Evidence.from_cbor(file.read(MAX_EVIDENCE_BYTES + 1))


def without_people(whole: dict[str, Any]) -> dict[str, Any]:
    """Return a report without what is on the card about its holder."""
    return {key: value for key, value in whole.items() if key not in _PEOPLE}


def _content(signed: Mapping[str, bytes], name: str) -> Any:
    """Return a file's content; None if it was not read, is not signed or cannot be understood."""
    if name not in signed:
        return None
    try:
        return _plain(_CONTENTS[name](signed[name]))
    except ChipMalformed:
        return None


def _plain(value: Any) -> Any:
    """Return a value type as JSON holds it."""
    if isinstance(value, CodedImage):
        return {"format": value.format, "bytes": len(value.data)}
    if isinstance(value, FingerImage):
        return {
            "position": value.position.name.lower(),
            "format": value.format,
            "width_px": value.width_px,
            "height_px": value.height_px,
            "bytes": len(value.data),
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value
