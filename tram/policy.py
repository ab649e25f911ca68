"""`tram policy`: show a signed policy, and explain what would be decided of a card that was read.

Knows a case's file and exit codes. What is decided stands in `kiosk.session.verdict`, whether a
policy is signed in `kiosk.bundles`. A case names kept evidence, never findings: they are proofs,
and are made again here. Of the person nothing is printed.

Exit codes: 0 accepted, or in force; 1 another verdict, or not in force; 2 usage; 3 a file failed.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeAlias

import click
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from msgspec import Meta, Struct

from emrtd.errors import EMRTDError
from kiosk.bundles.files import read_bounded
from kiosk.bundles.policy import MAX_POLICY_FILE_BYTES, judge, load
from kiosk.session.events import FaceMatch, FingerMatch
from kiosk.session.policy import PolicyInForce
from kiosk.session.verdict import ACCEPT, TABLE, Case, Verdict, decide
from kiosk.station.home import DeviceHome, HomeUnusableError
from wire.errors import WireError
from wire.policy import Finger, Layer, OnDowngrade, Policy, verify_policy
from wire.reasons import Outcome, Reason
from wire.record import Code, FaceBand, FingerBand, LiveBand

if TYPE_CHECKING:
    from emrtd.verify import Findings

OTHER, FAILED = 1, 3
MAX_CASE_BYTES: Final = 65_536
MAX_KEY_BYTES: Final = 4_096

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILES: TypeAlias = Annotated[tuple[str, ...], Meta(max_length=8)]
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class FaceSeen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the vision worker is taken to have found.

    Attributes:
        band: how like the chip's portrait the face was.
        live: whether a living head was seen.
        reasons: why something could not be found.
        simulated: whether the frames came from a file or a renderer.
    """

    band: FaceBand = FaceBand.NONE
    live: LiveBand = LiveBand.ABSENT
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=8)] = ()
    simulated: bool = False


class FingerSeen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found about a finger.

    Attributes:
        band: how like one of the chip's fingerprints it was.
        reasons: why something could not be found.
        simulated: whether the touches came from a simulator.
    """

    band: FingerBand = FingerBand.NONE
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=8)] = ()
    simulated: bool = False


class Required(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy that nobody signed, to try one out.

    Attributes:
        layers: what is required.
        simulators_allowed: whether simulated devices may take part.
        downgrade: what follows if the chip was opened in a weaker way than it can.
        finger: what a finger is asked for.
        id: its name.
    """

    layers: Annotated[tuple[Layer, ...], Meta(max_length=len(Layer))]
    simulators_allowed: bool = False
    downgrade: OnDowngrade = "refer"
    finger: Finger = "never"
    id: Code = "unsigned"


class CaseFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CASE.json. Paths are relative to its folder.

    Attributes:
        evidence: a folder that `tram chip read --out` kept.
        home: a device home: its policy, its policy keys and its trust decide. Else:
        trust: a folder of trusted issuers; none trusts nobody.
        policy: a signed policy's file, or a policy to try out; none is no policy.
        keys: files of the keys that may sign a policy, PEM or DER.
        face: what was seen; none if nobody looked.
        finger: what was found about a finger; none if none was asked for.
        card_simulated: whether no real reader stood behind the card.
        at: the instant that everything is judged at, UTC: "2026-06-01" or "2026-06-01T12:00:00Z";
            none is now.
    """

    evidence: str
    home: str | None = None
    trust: str | None = None
    policy: str | Required | None = None
    keys: _FILES = ()
    face: FaceSeen | None = None
    finger: FingerSeen | None = None
    card_simulated: bool = False
    at: str | None = None


class CaseError(ValueError):
    """The file is no case."""


@click.group()
def policy() -> None:
    """Show the signed policy; explain what is decided, and why.

    Example: tram policy show build/demo/kiosk/policy.cose --home build/demo/kiosk
    """


@policy.command()
@click.argument("case_file", metavar="CASE.json", type=_FILE)
@_JSON
def explain(case_file: Path, as_json: bool) -> None:
    """Verify kept evidence again and say which row of the table decides, and why.

    Exit codes: 0 accepted; 1 another verdict; 2 no case; 3 a file failed.

    Example: tram policy explain case.json --json
    """
    try:
        given = parse_case(read_bounded(case_file, limit=MAX_CASE_BYTES))
        case = _case(given, case_file.parent, _instant(given.at))
    except CaseError as error:
        raise click.UsageError(f"{case_file}: {error}") from error
    except (OSError, ValueError, EMRTDError, HomeUnusableError, WireError) as error:
        _fail(error)
    whole = explanation(case)
    click.echo(json.dumps(whole, indent=1) if as_json else _text(whole))
    raise SystemExit(0 if whole["outcome"] == Outcome.ACCEPTED else OTHER)


@policy.command()
@click.argument("file", type=_FILE)
@click.option("--key", "keys", multiple=True, type=_FILE, help="Who may sign it, PEM or DER.")
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A device home: its policy keys may sign it.",
)
@_JSON
def show(file: Path, keys: tuple[Path, ...], home: Path | None, as_json: bool) -> None:
    """Show a signed policy and whether it is in force. What nobody signed is not shown.

    Exit codes: 0 in force; 1 signed, not in force; 2 usage; 3 a file or its signature failed.

    Example: tram policy show policy.cose --key policy.pub.pem
    """
    if not keys and home is None:
        raise click.UsageError("name who may sign it: --key or --home")
    try:
        trusted = [_key(path) for path in keys]
        if home is not None:
            trusted += DeviceHome(home).fleet_keys().policy_keys
        signed = verify_policy(read_bounded(file, limit=MAX_POLICY_FILE_BYTES), trusted)
    except (OSError, ValueError, WireError, HomeUnusableError) as error:
        _fail(error)
    why_none = judge(signed, now=int(datetime.now(UTC).timestamp())).why_none
    whole = _shown(signed, why_none)
    click.echo(json.dumps(whole, indent=1) if as_json else _lines(whole))
    raise SystemExit(OTHER if why_none else 0)


def parse_case(raw: bytes) -> CaseFile:
    """Parse CASE.json.

    Raises:
        CaseError: it is none.
    """
    try:
        given = msgspec.json.decode(raw, type=CaseFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CaseError(str(error)) from error
    if given.home is not None and (given.trust, given.policy, given.keys) != (None, None, ()):
        raise CaseError("a home brings its own trust, policy and keys")
    if given.keys and not isinstance(given.policy, str):
        raise CaseError("keys without a signed policy")
    _instant(given.at)
    return given


def explanation(case: Case) -> dict[str, Any]:
    """Return the verdict and every row of the table: whether it holds, and why.

    Rows behind the deciding one are told too; they decide nothing.
    """
    verdict = decide(case)
    rows = [
        {"row": row.name, "outcome": row.outcome.value, "reasons": _codes(row.test(case))}
        for row in TABLE
    ]
    accepted: dict[str, Any] = {"row": ACCEPT, "outcome": Outcome.ACCEPTED.value, "reasons": []}
    for row in (*rows, accepted):
        row["holds"] = bool(row["reasons"])
        row["decides"] = row["row"] == verdict.row
    accepted["holds"] = accepted["decides"]
    return {
        "outcome": verdict.outcome.value,
        "reasons": _codes(verdict.reasons),
        "row": verdict.row,
        "policy": _required(case.policy),
        "bands": _bands(verdict),
        "rows": [*rows, accepted],
    }


def _case(given: CaseFile, folder: Path, at: datetime) -> Case:
    evidence = folder / given.evidence
    if given.home is not None:
        home, now = DeviceHome(folder / given.home), int(at.timestamp())
        in_force = load(home.policy, home.fleet_keys().policy_keys, now=now)
        findings = _findings(evidence, home.trust, at)
    else:
        in_force = _policy(given, folder, at)
        findings = _findings(evidence, folder / given.trust if given.trust else None, at)
    match = None if given.face is None else _match(given.face)
    finger = None if given.finger is None else _finger(given.finger)
    return Case(findings, at.date(), match, in_force, given.card_simulated, finger)


def _match(seen: FaceSeen) -> FaceMatch:
    return FaceMatch(seen.band, seen.live, reasons=seen.reasons, simulated=seen.simulated)


def _finger(seen: FingerSeen) -> FingerMatch:
    return FingerMatch(seen.band, reasons=seen.reasons, simulated=seen.simulated)


def _findings(evidence: Path, trust: Path | None, at: datetime) -> Findings:
    from emrtd.verify import verify
    from tram.parts import chip_report

    return verify(chip_report.kept(evidence), chip_report.trust_store(trust), at=at)


def _policy(given: CaseFile, folder: Path, at: datetime) -> PolicyInForce:
    match given.policy:
        case None:
            return PolicyInForce.none(Reason.POLICY_MISSING)
        case str(name):
            keys = [_key(folder / each) for each in given.keys]
            return load(folder / name, keys, now=int(at.timestamp()))
        case Required() as required:
            tried = Policy(
                id=required.id,
                not_before=0,
                not_after=1,
                layers=required.layers,
                simulators_allowed=required.simulators_allowed,
                downgrade=required.downgrade,
                finger=required.finger,
            )
            return PolicyInForce(tried)


def _key(path: Path) -> bytes:
    """Return a public key's DER; ValueError if it is none."""
    raw = read_bounded(path, limit=MAX_KEY_BYTES)
    read = load_pem_public_key if raw.startswith(b"-----BEGIN") else load_der_public_key
    try:
        return read(raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path}: no public key") from error


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        if len(text) == len("2026-06-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise CaseError("at: neither a day nor an instant in UTC") from error


def _shown(signed: Policy, why_none: Reason | None) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(signed) | {
        "downgrade": signed.on_downgrade,
        "finger": signed.on_finger,
    }
    for edge in ("not_before", "not_after"):
        plain[edge] = _stamp(plain[edge])
    return plain | {"in_force": why_none is None, "why_not": why_none and why_none.value}


def _stamp(unix_s: int) -> str:
    """Return an instant in UTC; a number of seconds if no calendar has it."""
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        return f"{unix_s} s"


def _required(in_force: PolicyInForce) -> dict[str, Any]:
    why_none = in_force.why_none
    return {
        "id": in_force.policy.id,
        "layers": [layer.value for layer in in_force.policy.layers],
        "why_none": why_none and why_none.value,
    }


def _bands(verdict: Verdict) -> dict[str, str]:
    bands: dict[str, str] = msgspec.to_builtins(verdict.bands)
    return bands


def _codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.value for reason in reasons]


def _text(whole: dict[str, Any]) -> str:
    policy_line = "policy {id}: ".format(**whole["policy"])
    policy_line += whole["policy"]["why_none"] or " ".join(whole["policy"]["layers"])
    lines = [" ".join((whole["outcome"], *whole["reasons"])), policy_line]
    lines.append(", ".join(f"{name} {band}" for name, band in whole["bands"].items()))
    for row in whole["rows"]:
        mark = ">" if row["decides"] else " "
        holds = " ".join(row["reasons"]) or ("holds" if row["holds"] else "-")
        lines.append(f"{mark} {row['row']:17}{row['outcome']:12}{holds}")
    return "\n".join(lines)


def _lines(whole: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {_plain(value)}" for name, value in whole.items())


def _plain(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {each}" for name, each in value.items())
        case list() | tuple():
            return " ".join(map(str, value))
    return str(value)


def _fail(error: Exception) -> NoReturn:
    click.echo(f"tram policy: {error}", err=True)
    raise SystemExit(FAILED) from error
