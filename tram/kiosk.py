"""`tram kiosk`: the citizen's kiosk of a device home: station and screen in one process.

Knows options, signals and exit codes. What happens stands in `kiosk.station`, what is seen in
`kiosk.tui`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tram.parts.said import in_words_of
from tram.parts.service import log_as_json, until_told

if TYPE_CHECKING:
    import threading

    from kiosk.station.main import Kiosk

FAILED = 3
LOOK_S: Final = 1.0
HOME_REMEDY: Final = "make demo makes a home, and so does tram provision enrol"


@click.command("kiosk")
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The device's home.",
)
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="The model files, for workers that are children of this process.",
)
@click.option(
    "--link-socket",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where the link connects.  [default: link.sock in the home]",
)
@click.option(
    "--vision-socket",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where vision workers are had; without it they are children of this process.",
)
@click.option(
    "--touch-socket",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where touch workers are had; without it they are children of this process.",
)
@click.option("--headless", is_flag=True, help="The station alone.")
@click.option(
    "--locked",
    is_flag=True,
    help="No key leaves the screen: for a keyboard that citizens reach. TERM ends it.",
)
def kiosk(
    home: Path,
    models: Path,
    link_socket: Path | None,
    vision_socket: Path | None,
    touch_socket: Path | None,
    headless: bool,
    locked: bool,
) -> None:
    """Serve citizens, until Ctrl-Q or Ctrl-C; without a screen, until INT or TERM.

    Exit codes: 0 told to end; 2 usage; 3 the home, the queue or a key cannot be used, or the
    station ended by itself.

    Example: tram kiosk --home build/demo/kiosk
    """
    from hw.errors import DeviceError
    from kiosk.bundles.trust import TrustUnusableError
    from kiosk.outbox import OutboxError
    from kiosk.station.eyes import SocketWorkers
    from kiosk.station.home import DeviceHome, HomeUnusableError
    from kiosk.station.main import Kiosk, Options

    device = DeviceHome(home)
    options = Options(
        models=models,
        link_socket=link_socket or device.link_socket,
        workers=None if vision_socket is None else SocketWorkers(vision_socket),
        touch_workers=None if touch_socket is None else SocketWorkers(touch_socket),
    )
    try:
        with (home / "kiosk.log").open("a") as log:
            log_as_json(None if headless else log)
            # Before anyone can see that we are there, and end us.
            stopping = until_told() if headless else None
            with Kiosk(device, options) as running:
                ended_well = (
                    _show(running, locked=locked) if stopping is None else _serve(running, stopping)
                )
    except (OSError, HomeUnusableError, TrustUnusableError, DeviceError, OutboxError) as error:
        click.echo(f"tram kiosk: {in_words_of(error, remedy=HOME_REMEDY)}", err=True)
        raise SystemExit(FAILED) from error
    raise SystemExit(0 if ended_well else FAILED)


def _show(running: Kiosk, *, locked: bool) -> bool:
    """Show the citizen's screen until it is closed."""
    from kiosk.tui.citizen.app import CitizenApp

    CitizenApp(running.station, locked=locked).run()
    return running.running


def _serve(running: Kiosk, stopping: threading.Event) -> bool:
    """Serve until told to end; tell systemd that we live. Return whether the station still does."""
    from sdnotify import SystemdNotifier

    systemd = SystemdNotifier()
    systemd.notify("READY=1")
    while not stopping.wait(LOOK_S):
        if not running.running:
            return False
        systemd.notify("WATCHDOG=1")
    systemd.notify("STOPPING=1")
    return True
