"""`tram demo`: the main job from end to end on this machine, seven cases, real parts.

Knows options, progress and exit codes. What is made stands in `tram.parts.stage`, what is played
and what must come out in `tram.parts.play`.

Exit codes: 0 every outcome was the expected one; 1 one was not; 2 usage; 3 a part did not start.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tram.parts.service import until_told

if TYPE_CHECKING:
    from kiosk.station.main import Kiosk
    from tram.parts.stage import Parts, Stage

RED, FAILED = 1, 3
TICK_S: Final = 2.0


class Progress:
    """Says what is going on, and every two seconds that it still goes on."""

    def __init__(self) -> None:
        self._what = ""
        self._since = self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._thread.start()

    def say(self, what: str) -> None:
        """Begin something."""
        self._finish()
        self._what, self._since = what, time.monotonic()
        click.echo(f"  {what} …", err=True)

    def end(self) -> None:
        """Nothing more."""
        self._finish()
        self._ended.set()

    @property
    def seconds(self) -> float:
        """How long it has gone on in all."""
        return time.monotonic() - self._began

    def _finish(self) -> None:
        if self._what:
            click.echo(f"  {self._what}: {time.monotonic() - self._since:.1f} s", err=True)
            self._what = ""

    def _tick(self) -> None:
        while not self._ended.wait(TICK_S):
            what, spent = self._what, time.monotonic() - self._since
            if what and spent >= TICK_S:
                click.echo(f"  {what} … {spent:.0f} s", err=True)


@click.command("demo")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Made anew.",
)
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="The model files.",
)
@click.option(
    "--portraits",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
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
@click.option("--fleet", "as_fleet", is_flag=True, help="Run the fleet instead, until interrupted.")
def demo(
    root: Path, models: Path, portraits: Path, out: Path, as_kiosk: bool, as_fleet: bool
) -> None:
    """Run the main job: chip, face, verdict, queue, broker, fleet.

    Example: tram demo
    """
    from emrtd.errors import EMRTDError
    from hw.errors import DeviceError
    from kiosk.outbox import OutboxError
    from kiosk.station.home import HomeUnusableError
    from tram.parts.mosquitto import BrokerError
    from tram.parts.pcscd import ReaderServiceFailed
    from tram.parts.service import log_as_json
    from tram.parts.stage import Stage, build

    stage, progress = Stage(root.absolute()), Progress()
    try:
        build(stage, models=models, portraits=portraits, say=progress.say)
        with (stage.logs / "station.log").open("a") as log:
            log_as_json(log)
            if as_kiosk or as_fleet:
                progress.end()
                _stay(stage, models, with_screen=as_kiosk)
                return
            good = _run(stage, models, out, progress)
    except (
        OSError,
        ValueError,
        EMRTDError,
        DeviceError,
        OutboxError,
        HomeUnusableError,
        BrokerError,
        ReaderServiceFailed,
    ) as error:
        progress.end()
        click.echo(f"tram demo: {type(error).__name__}: {error}", err=True)
        raise SystemExit(FAILED) from error
    raise SystemExit(0 if good else RED)


def _run(stage: Stage, models: Path, out: Path, progress: Progress) -> bool:
    """Play every case, print the table, write it down; return whether all is as expected."""
    from tram.parts.play import CASES, once_each, play, table
    from tram.parts.stage import Parts

    progress.say("pcscd, mosquitto, the fleet and the link")
    with Parts(stage) as parts:
        rows = play(stage, parts, CASES, models=models, say=progress.say)
    once = once_each(stage, rows)
    progress.end()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    click.echo(table(rows))
    click.echo(
        f"{sum(row['ok'] for row in rows)} of {len(rows)} as expected; the fleet holds each record "
        f"{'exactly once' if once else 'NOT exactly once'}; {progress.seconds:.0f} s; {out}"
    )
    click.echo(f"by hand: {by_hand(stage)}", err=True)
    return once and all(row["ok"] for row in rows)


def by_hand(stage: Stage) -> str:
    """Return the command that verifies one of the demo's cards without any other part."""
    from tram.parts.stage import CAN

    camera = stage.camera_url("holder", flat=False)
    card = f"sim://card?file={stage.card('2021')}"
    return f'tram verify --card "{card}" --camera "{camera}" --can {CAN} --json'


def _stay(stage: Stage, models: Path, *, with_screen: bool) -> None:
    """Run the parts until the screen is closed, or until interrupted."""
    from tram.parts.stage import CAN, Parts

    with Parts(stage) as parts:
        if not with_screen:
            click.echo(f"fleet: tram fleet records --home {stage.fleet.root}", err=True)
            click.echo("running; Ctrl-C ends it", err=True)
            until_told().wait()
            return
        click.echo(f"a card comes by itself; its six digits are {CAN}", err=True)
        show(stage, parts, models)


def show(stage: Stage, parts: Parts, models: Path) -> None:
    """Show the citizen's screen; a card lies down by itself while the welcome screen is on."""
    from kiosk.station.main import Kiosk, Options
    from kiosk.tui.citizen.app import CitizenApp

    options = Options(models=models, link_socket=stage.device.link_socket)
    with Kiosk(stage.device, options) as kiosk:
        ended = threading.Event()
        person = threading.Thread(
            target=_come_and_go, args=(stage, parts, kiosk, ended), name="person", daemon=True
        )
        person.start()
        CitizenApp(kiosk.station, locked=False).run()
        ended.set()
        person.join(TICK_S)


def _come_and_go(stage: Stage, parts: Parts, kiosk: Kiosk, ended: threading.Event) -> None:
    """Put a card down when nobody is served, take it away when the verdict is read."""
    from kiosk.station.view import Screen

    while not ended.wait(TICK_S):
        screen = kiosk.station.view().screen
        if screen is Screen.WELCOME and not parts.card.inserted:
            parts.card.insert(stage.chip("2021", fault=None))
        elif screen is Screen.WELCOME:
            parts.card.remove()
