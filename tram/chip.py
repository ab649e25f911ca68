"""`tram chip`: issue a test card, play it, read a card, verify what was read.

Knows options and exit codes. The card is `emrtd.sim`, the reading `emrtd.inspect` over an
`hw.card`, the verdict `emrtd.verify`.

Exit codes: 0 genuine, or done; 1 another verdict; 2 usage; 3 a device or a file failed; 70 the
program itself did.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from emrtd.errors import ChipMalformed, EMRTDError
from emrtd.sim import FAULTS, CardImage, Chip, Holder, UnknownFaultError, expiry, personalise
from emrtd.sim.personalise import DEFAULT_AUTH, DOMAINS
from tram.parts.card_key import password
from tram.parts.progress import said_if_late

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrtd.apdu import Step
    from emrtd.dialogue import Dialogue
    from emrtd.evidence import Evidence
    from emrtd.files import ReadPlan
    from emrtd.inspect import Inspection
    from emrtd.keys import Password
    from emrtd.sim.personalise import AccessMethod, AuthMethod, Generation
    from emrtd.terminal_auth import Terminal
    from emrtd.trust import TrustStore
    from hw.card.reading import Reading

VERDICT, FAILED = 1, 3
WANTED = frozenset({"COM", "DG1", "DG2", "DG7", "DG11", "DG12", "DG13", "DG16"})
"""EF.COM; the others where the issuer signed them; DG3 as well by who has a terminal."""
TIMEOUT_S = 20.0
MAX_CARD_BYTES = 1_048_577
CURVES = tuple(DOMAINS)
CIPHERS = ("3des", "aes-128", "aes-192", "aes-256")
DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def chip() -> None:
    """Issue, play, read and verify chips.

    Example: tram chip read --card pcsc://0 --can 012345 --trust trust
    """


@chip.command("personalise")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The card's file."
)
@click.option(
    "--pki",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The test issuer's folder; made if there is none. Its trust/ serves as --trust.",
)
@click.option("--portrait", type=FILE, required=True, help="A picture of a face.")
@click.option(
    "--generation",
    type=click.Choice(["2021", "2024", "passport"]),
    default="2021",
    show_default=True,
)
@click.option(
    "--auth",
    "methods",
    default=None,
    metavar="aa,ca,cam|none",
    help="How the chip proves itself.  [default: as the generation does]",
)
@click.option(
    "--access",
    "ways",
    default=None,
    metavar="bac,pace|none",
    help="What opens the chip.  [default: as the generation does]",
)
@click.option("--pace", type=click.Choice(["gm", "im", "cam"]), default="gm", show_default=True)
@click.option(
    "--curve",
    type=click.Choice(CURVES),
    default="brainpoolP256r1",
    show_default=True,
    help="Of PACE and of the chip's key.",
)
@click.option("--cipher", type=click.Choice(CIPHERS), default="aes-128", show_default=True)
@click.option(
    "--fingers",
    type=FOLDER,
    default=None,
    help="Coded images named by position: 1 right thumb ... 10 left little. Only a terminal reads "
    "them: the issuer's folder gets its certificates.",
)
@click.option(
    "--extended-bytes",
    type=click.IntRange(0, 65_535),
    default=None,
    help="The longest APDU, as EF.ATR/INFO says; 0: short ones only.  [default: any, unsaid]",
)
@click.option("--aa-key", type=click.Choice(["ecdsa", "rsa"]), default="ecdsa", show_default=True)
@click.option(
    "--explicit-curves", is_flag=True, help="Write the curve of the chip's keys out, as states do."
)
@click.option(
    "--number",
    default=None,
    help="Twelve digits that start with 999.  [default: made from birth and sex]",
)
@click.option("--name", default="Nguyễn Thị Mẫu", show_default=True)
@click.option("--birth", type=DAY, default="1995-01-01", show_default=True)
@click.option("--sex", type=click.Choice(["F", "M"]), default="F", show_default=True)
@click.option("--issued", type=DAY, default=None, help="[default: a day of the generation]")
def personalise_command(out: Path, pki: Path, portrait: Path, **given: Any) -> None:
    """Issue a test card for a made-up person.

    Example: tram chip personalise --out card.json --pki pki --portrait face.jpg
    """
    from tram.parts import card_press

    replaced = out.exists()
    try:
        card = personalise(
            _holder(given),
            card_press.portrait(portrait),
            generation=cast("Generation", given["generation"]),
            pki=card_press.issuer(pki),
            randomness=os.urandom,
            auth=_methods(given["methods"], given["generation"]),
            access=_ways(given["ways"]),
            pace=given["pace"],
            curve=given["curve"],
            cipher=given["cipher"].upper(),
            fingers=card_press.fingers(given["fingers"]) if given["fingers"] else {},
            extended_bytes=given["extended_bytes"],
            active_auth_key=_rsa_key() if given["aa_key"] == "rsa" else None,
            explicit_parameters=given["explicit_curves"],
        )
        card_press.write_private(out, card.to_json().encode())
    except (OSError, EMRTDError) as error:
        _fail(error)
    except ValueError as error:
        _usage(str(error))
    before = ", instead of the file that was there" if replaced else ""
    click.echo(f"issued {out}{before}, trusted by {pki / card_press.TRUST_DIR}", err=True)


def _holder(given: dict[str, Any]) -> Holder:
    birth: date = given["birth"].date()
    issued = date(2021, 6, 1) if given["generation"] == "2021" else date(2024, 7, 15)
    issued = given["issued"].date() if given["issued"] else issued
    century_and_sex = (birth.year // 100 - 19) * 2 + (given["sex"] == "F")
    number = given["number"] or f"999{century_and_sex}{birth:%y}012345"
    return Holder(
        number=number, name=given["name"], birth=birth, sex=given["sex"], issued=issued,
        expiry=expiry(birth, issued),
    )  # fmt: skip


def _methods(given: str | None, generation: str) -> frozenset[AuthMethod]:
    if given is None:
        return DEFAULT_AUTH[generation]
    names = frozenset(given.split(",")) - {"none", ""}
    if not names <= {"aa", "ca", "cam"}:
        _usage("--auth takes aa, ca, cam, several with commas, or none")
    return cast("frozenset[AuthMethod]", names)


def _ways(given: str | None) -> frozenset[AccessMethod] | None:
    if given is None:
        return None
    names = frozenset(given.split(",")) - {"none"}
    if not names <= {"bac", "pace"}:
        _usage("--access takes bac, pace, both with a comma, or none")
    return cast("frozenset[AccessMethod]", names)


def _rsa_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@chip.command("serve")
@click.argument("card", type=click.Path(path_type=Path), required=False)
@click.option(
    "--vpcd",
    default="127.0.0.1:35963",
    show_default=True,
    metavar="HOST:PORT",
    help="The virtual reader's address.",
)
@click.option("--fault", default=None, help="How it lies; 'list' names every misbehaviour.")
@click.option(
    "--bitrate",
    type=click.Choice(["106", "212", "424", "848"]),
    default=None,
    help="Answer as slowly as at that many kbit/s.",
)
@click.option(
    "--apdu-ms",
    type=click.FloatRange(0, 10_000),
    default=0.0,
    help="And take that long for each command.",
)
def serve(
    card: Path | None, vpcd: str, fault: str | None, bitrate: str | None, apdu_ms: float
) -> None:
    """Play a test card to a real reader stack, until interrupted.

    Example: tram chip serve card.json --fault clone
    """
    if fault == "list":
        for name, case in FAULTS.items():
            asked = f"{name}:N" if case.takes_number else name
            needs = "" if case.card == "citizen" else f" [{case.card}]"
            click.echo(f"{asked:26}{case.description}{needs} -> {case.expected}")
        return
    if card is None:
        _usage("name a card's file")
    host, _, port = vpcd.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        _usage("--vpcd takes HOST:PORT")
    played = _Paced(_load(card, fault), kbit_per_s=int(bitrate or 0), apdu_ms=apdu_ms)
    from hw.card.vpcd import play

    click.echo(f"holding {card} to the virtual reader at {vpcd}", err=True)
    try:
        play(played, host, int(port))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    except OSError as error:
        _fail(
            f"no virtual reader listens at {vpcd} ({error.strerror or error}): start pcscd, with "
            "vpcd's driver (Debian: vsmartcard-vpcd), or name its address with --vpcd"
        )


class _Paced:
    """A chip that takes its time: what the air, its processor and a wrong password cost."""

    def __init__(self, played: Chip, *, kbit_per_s: int, apdu_ms: float) -> None:
        self._played = played
        self._byte_s = 8 / (kbit_per_s * 1000) if kbit_per_s else 0.0
        self._command_s = apdu_ms / 1000
        self.atr = played.atr

    def reset(self) -> None:
        """Reset the chip."""
        self._played.reset()

    def answer(self, command: bytes) -> bytes:
        """Answer as late as it would."""
        response = self._played.answer(command)
        link_s = self._command_s + self._byte_s * (len(command) + len(response))
        time.sleep(link_s + self._played.delay_s)
        return response


def _load(card: Path, fault: str | None) -> Chip:
    try:
        with card.open("rb") as file:
            image = CardImage.from_json(file.read(MAX_CARD_BYTES))
        return Chip(image, randomness=os.urandom, fault=fault)
    except UnknownFaultError as error:
        _usage(f"{error}; --fault list names them")
    except (OSError, ChipMalformed) as error:
        _fail(error)


@chip.command("read")
@click.option(
    "--card", "url", required=True, metavar="URL", help="pcsc://0, sim://card?file=CARD.json ..."
)
@click.option("--can", default=None, help="Six digits: the last six of the number on the card.")
@click.option(
    "--mrz", default=None, help="The printed zone's lines, joined, or NUMBER|YYMMDD|YYMMDD."
)
@click.option("--qr", default=None, help="What the code on the card says.")
@click.option("--pin", default=None, help="Digits that only the holder knows.")
@click.option(
    "--allow-no-access",
    "clear",
    is_flag=True,
    help="Read a chip that asks for no access, too: everybody near it reads along.",
)
@click.option("--trust", type=FOLDER, default=None, help="Certificates of trusted issuers.")
@click.option(
    "--terminal",
    "rights",
    type=FOLDER,
    default=None,
    help="Certificates (*.cvcert) and terminal.key of one who may read fingers: reads DG3, too.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Keep the files and the evidence here. What an earlier reading kept here is removed "
    "before this one begins; a folder with anything else is refused.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, the holder's data included.")
def read_command(
    url: str,
    clear: bool,
    trust: Path | None,
    rights: Path | None,
    out: Path | None,
    as_json: bool,
    **keys: str | None,
) -> None:
    """Read a card and inspect it.

    Example: tram chip read --card "sim://card?file=card.json" --can 012345 --trust pki/trust
    """
    from hw.errors import DeviceError, DeviceMissing
    from tram.parts import chip_report

    opens = password(**keys)
    store, terminal, sent = _trusted(trust), _terminal(rights), _Sent()
    if out is not None:
        _clear(out)
    try:
        reading = _read(url, opens, terminal, clear=clear, on_step=sent.note)
    except ValueError as error:
        _fail(error)
    except EMRTDError as error:
        click.echo(str(error), err=True)
        unread = chip_report.unread(error, apdus=sent.apdus, phase=sent.phase)
        _show(unread, as_json=as_json)
    except DeviceMissing as error:
        served = url.startswith("pcsc:")
        _fail(f"{error}; is the reader attached, and does pcscd run?" if served else error)
    except DeviceError as error:
        _fail(error)
    evidence = reading.value.evidence
    if out is not None:
        _keep(evidence, out)
    now = datetime.now(UTC)
    whole = chip_report.report(evidence, store, at=now, apdus=reading.apdus, ms=reading.ms)
    _show(whole, as_json=as_json)


@dataclass(slots=True)
class _Sent:
    """How far a reading came."""

    apdus: int = 0
    phase: str = ""

    def note(self, step: Step) -> None:
        self.apdus += 1
        self.phase = step.phase


def _trusted(directory: Path | None) -> TrustStore:
    from tram.parts import chip_report

    try:
        if directory is not None and (told := chip_report.trusts_nobody(directory)):
            click.echo(f"tram chip: {told}", err=True)
        return chip_report.trust_store(directory)
    except (OSError, ValueError, EMRTDError) as error:
        _fail(error)


def _clear(directory: Path) -> None:
    from tram.parts import chip_report

    try:
        chip_report.clear(directory)
    except OSError as error:
        _fail(error)


def _keep(evidence: Evidence, directory: Path) -> None:
    from tram.parts import chip_report

    try:
        chip_report.keep(evidence, directory)
    except OSError as error:
        _fail(error)


def _terminal(directory: Path | None) -> Terminal | None:
    from kiosk.station.terminal import terminal

    try:
        return None if directory is None else terminal(directory)
    except (OSError, ValueError, EMRTDError) as error:
        _fail(error)


def _read(
    url: str,
    opens: Password,
    terminal: Terminal | None,
    *,
    clear: bool,
    on_step: Callable[[Step], None],
) -> Reading[Inspection]:
    from emrtd.access import AccessPolicy
    from emrtd.inspect import inspect
    from hw.card.planned import PlannedReads
    from hw.open import open_card

    on = None if terminal is None else datetime.now(UTC).date()
    wanted = WANTED if terminal is None else WANTED | {"DG3"}
    policy = AccessPolicy(order=("pace", "bac", "none")) if clear else AccessPolicy()

    def dialogue(plan: ReadPlan) -> Dialogue[Inspection]:
        return inspect(
            opens, wanted=wanted, randomness=os.urandom, aa_nonce=os.urandom(8), plan=plan,
            policy=policy, terminal=terminal, on=on,
        )  # fmt: skip

    port = open_card(url)
    try:
        with said_if_late(f"waiting for a card on {url}, {TIMEOUT_S:.0f} s at most"):
            info = port.connect(timeout_s=TIMEOUT_S)
        return PlannedReads().read(port, info, dialogue, on_step)
    finally:
        port.close()


@chip.command("verify")
@click.argument("directory", type=FOLDER)
@click.option("--trust", type=FOLDER, default=None, help="Certificates of trusted issuers.")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    default=None,
    help="Judge certificates at that instant (UTC).  [default: now]",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, the holder's data included.")
def verify_command(directory: Path, trust: Path | None, at: datetime | None, as_json: bool) -> None:
    """Verify again, offline, what `tram chip read --out` kept.

    Example: tram chip verify kept --trust pki/trust --at 2026-06-01
    """
    from tram.parts import chip_report

    store = _trusted(trust)
    try:
        evidence = chip_report.kept(directory)
    except FileNotFoundError:
        name = chip_report.EVIDENCE_FILE
        _fail(f"{directory} has no {name}: name a folder that `tram chip read --out` kept")
    except (OSError, EMRTDError) as error:
        _fail(error)
    instant = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    _show(chip_report.report(evidence, store, at=instant), as_json=as_json)


def _show(whole: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Print a report, whole or without the holder, and end with its exit code."""
    if as_json:
        click.echo(json.dumps(whole, ensure_ascii=False, indent=1))
    else:
        click.echo(whole["outcome"] + "".join(f" {reason}" for reason in whole["reasons"]))
        for key in ("access", "checks", "files", "ms"):
            if whole[key]:
                told = ", ".join(f"{name} {value}" for name, value in whole[key].items())
                click.echo(f"{key}: {told}")
        if whole["unsigned"]:
            click.echo("unsigned: " + ", ".join(whole["unsigned"]))
        if whole["apdus"]:
            until = f", the last for {whole['phase']}" if "phase" in whole else ""
            click.echo(f"apdus: {whole['apdus']}{until}")
    raise SystemExit(0 if whole["outcome"] == "genuine" else VERDICT)


def _usage(message: str) -> NoReturn:
    raise click.UsageError(message)


def _fail(error: Exception | str) -> NoReturn:
    click.echo(f"tram chip: {error}", err=True)
    raise SystemExit(FAILED)
