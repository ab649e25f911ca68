"""`tram demo`: the main job from end to end on this machine, nine cases, real parts.

Knows options, progress and exit codes. What is made stands in `tram.parts.stage`, what is played
and what must come out in `tram.parts.play`.
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tram.parts.progress import Progress
from tram.parts.service import INTERRUPTED, ending_as_by_ctrl_c, log_as_json, until_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiosk.station.main import Kiosk
    from tram.parts.stage import Parts, Stage

RED, FAILED = 1, 3
COMES_S: Final = 2.0
"""How long the reader stays empty before the next citizen comes by himself."""
DEMO_ROOT, KIOSK_ROOT = Path("build/demo"), Path("build/kiosk")


@click.command("demo")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Made anew; --fleet goes on with it.  [default: build/demo, with --kiosk build/kiosk]",
)
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="The model files.",
)
@click.option(
    "--portraits",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/portraits"),
    show_default=True,
    help="The photographs.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/demo.json"),
    show_default=True,
    help="The table as JSON.",
)
@click.option("--kiosk", "as_kiosk", is_flag=True, help="Show the citizen's screen instead.")
@click.option(
    "--fleet",
    "as_fleet",
    is_flag=True,
    help="Run fleet, link and kiosk of the last demo until interrupted: what waits is delivered.",
)
def demo(
    root: Path | None, models: Path, portraits: Path, out: Path, as_kiosk: bool, as_fleet: bool
) -> None:
    """Run the main job: chip, face, verdict, queue, broker, fleet.

    Exit codes: 0 every outcome was the expected one, or the fleet was told to end; 1 one was not;
    2 usage; 3 a part did not start, or another run holds the folder; 130 interrupted: by Ctrl-C,
    TERM, or a terminal that was closed.

    Example: tram demo
    """
    from tram.parts.stage import Stage, alone_on

    if as_kiosk and not all(each.isatty() for each in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("--kiosk needs a terminal")
    stage = Stage((root or (KIOSK_ROOT if as_kiosk else DEMO_ROOT)).absolute())
    try:
        with ending_as_by_ctrl_c(), _failures_told(), alone_on(stage):
            if as_fleet:
                _stay(stage, models, portraits)
            elif as_kiosk:
                _show(stage, models, portraits)
            else:
                out.unlink(missing_ok=True)
                raise SystemExit(0 if _run(stage, models, portraits, out) else RED)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be what is gone
            click.echo("interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None


@contextmanager
def _failures_told() -> Iterator[None]:
    """Say in one line what did not start, and end with its exit code."""
    from emrtd.errors import EMRTDError
    from hw.errors import DeviceError
    from kiosk.outbox import OutboxError
    from kiosk.station.home import HomeUnusableError
    from tram.parts.mosquitto import BrokerError
    from tram.parts.pcscd import ReaderServiceFailed
    from tram.parts.preflight import NotReadyError
    from tram.parts.stage import StageTakenError

    try:
        yield
    except (
        OSError,
        ValueError,
        EMRTDError,
        DeviceError,
        OutboxError,
        HomeUnusableError,
        BrokerError,
        ReaderServiceFailed,
        NotReadyError,
        StageTakenError,
    ) as error:
        click.echo(f"tram demo: {error}", err=True)
        raise SystemExit(FAILED) from error


def _build(stage: Stage, models: Path, portraits: Path, progress: Progress) -> None:
    from tram.parts.preflight import check_models
    from tram.parts.stage import build

    progress.say("the model files")
    check_models(models)
    build(stage, models=models, portraits=portraits, say=progress.say)


@contextmanager
def _logging(stage: Stage) -> Iterator[None]:
    with (stage.logs / "station.log").open("a") as log:
        log_as_json(log)
        yield


def _run(stage: Stage, models: Path, portraits: Path, out: Path) -> bool:
    """Play every case, print the table, write it down; return whether all is as expected."""
    from tram.parts.play import CASES, once_each, play, table
    from tram.parts.stage import Parts

    with Progress() as progress:
        _build(stage, models, portraits, progress)
        progress.say("pcscd, mosquitto, the fleet and the link")
        with _logging(stage), Parts(stage) as parts:
            rows = play(stage, parts, CASES, models=models, say=progress.say)
        once = once_each(stage, rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    click.echo(table(rows))
    click.echo(f"{_summary(stage, rows, once=once)}; {progress.seconds:.0f} s; {out}")
    click.echo(f"by hand: {by_hand(stage)}", err=True)
    return once and all(row["ok"] for row in rows)


def _summary(stage: Stage, rows: Sequence[dict[str, Any]], *, once: bool) -> str:
    """Return how many rows are as expected and what the fleet holds; where one is red, the logs."""
    good = sum(row["ok"] for row in rows)
    said = f"{good} of {len(rows)} as expected"
    if once and good == len(rows):
        return f"{said}; the fleet holds each record exactly once"
    filed = [row for row in rows if row["record"] is not None]
    there = sum(row["fleet"] is not None for row in filed)
    return (
        f"{said}; the fleet holds {there} of the {len(filed)} records that the station filed"
        f"{'' if once else ', and NOT each exactly once'}; why: {_shortest(stage.logs)}"
    )


def _shortest(path: Path) -> Path:
    """Return a path as it may be typed here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def by_hand(stage: Stage) -> str:
    """Return the command that verifies one of the demo's cards without any other part."""
    from tram.parts.stage import CAN

    camera = stage.camera_url("holder", flat=False)
    card = f"sim://card?file={stage.card('2021')}"
    home = stage.device.root
    return f'{_tram()} verify --card "{card}" --camera "{camera}" --can {CAN} --home {home} --json'


def _tram() -> str:
    """Return how this program was called, so that what is printed can be typed."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "tram" else f"{sys.executable} -m tram"


def _stay(stage: Stage, models: Path, portraits: Path) -> None:
    """Run the parts and a kiosk without a screen until interrupted."""
    from kiosk.station.main import Kiosk, Options
    from tram.parts.stage import Parts

    if not stage.device.root.exists():
        with Progress() as progress:
            _build(stage, models, portraits, progress)
    options = Options(models=models, link_socket=stage.device.link_socket)
    with _logging(stage), Parts(stage), Kiosk(stage.device, options):
        click.echo(f"{_tram()} fleet records --home {stage.fleet.root}", err=True)
        click.echo(f"{_tram()} fleet devices --home {stage.fleet.root}", err=True)
        click.echo("running; Ctrl-C ends it", err=True)
        until_told().wait()
    with suppress(OSError):
        click.echo("stopped", err=True)


def _show(stage: Stage, models: Path, portraits: Path) -> None:
    """Show the citizen's screen; a card lies down by itself while the welcome screen is on."""
    from kiosk.station.main import Kiosk, Options
    from kiosk.tui.citizen.app import CitizenApp
    from tram.parts.stage import CAN, Parts

    with Progress() as progress:
        _build(stage, models, portraits, progress)
    click.echo(
        f"a card comes by itself; its six digits are {CAN}; Ctrl-Q or Ctrl-C leaves", err=True
    )
    options = Options(models=models, link_socket=stage.device.link_socket)
    with _logging(stage), Parts(stage) as parts, Kiosk(stage.device, options) as kiosk:
        ended = threading.Event()
        person = threading.Thread(
            target=_come_and_go, args=(stage, parts, kiosk, ended), name="person", daemon=True
        )
        person.start()
        CitizenApp(kiosk.station, locked=False).run()
        ended.set()
        person.join(COMES_S)


def _come_and_go(stage: Stage, parts: Parts, kiosk: Kiosk, ended: threading.Event) -> None:
    """Put a card down when nobody is served, take it away when the verdict is read."""
    from kiosk.station.view import Screen

    while not ended.wait(COMES_S):
        screen = kiosk.station.view().screen
        if screen is Screen.WELCOME and not parts.card.inserted:
            parts.card.insert(stage.chip("2021", fault=None))
        elif screen is Screen.WELCOME:
            parts.card.remove()
