"""`tram verify`: one verification without a screen, by the engine that the kiosk runs.

Knows options and exit codes. The station, the session and the queue are the kiosk's own; no link is
needed, for the record waits in the queue.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tram.parts.card_key import password
from tram.parts.preflight import NotReadyError, ailing, check_devices, check_models
from tram.parts.progress import Progress
from tram.parts.said import in_words_of
from tram.parts.service import log_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emrtd.keys import Password
    from kiosk.station.main import Options
    from kiosk.station.station import Ended, Station
    from kiosk.station.view import ViewModel

VERDICT, FAILED = 1, 3
DEMO_HOME: Final = Path("build/demo/kiosk")
HOME_REMEDY: Final = "make demo makes a home, and so does tram provision enrol; --home names it"
MODELS: Final = Path("build/models")
SESSION_S: Final = 300.0
DEVICE_REASONS: Final = frozenset({"device_missing", "device_failed", "device_timeout"})
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("verify")
@click.option(
    "--card", "card_url", required=True, metavar="URL", help="pcsc://0, sim://card?file=CARD.json"
)
@click.option(
    "--camera",
    "camera_url",
    required=True,
    metavar="URL",
    help="picamera://, file://PICTURE, sim://camera?file=HEAD.npz",
)
@click.option(
    "--finger",
    "finger_url",
    default=None,
    metavar="URL",
    help="serial:///dev/ttyUSB0, fprint://, sim://finger?images=DIR; used where the policy asks.",
)
@click.option("--can", default=None, help="Six digits: the last six of the number on the card.")
@click.option("--mrz", default=None, help="The printed zone, or NUMBER|YYMMDD|YYMMDD.")
@click.option("--qr", default=None, help="What the code on the card says.")
@click.option("--policy", type=FILE, default=None, help="Another signed policy.")
@click.option("--trust", type=FOLDER, default=None, help="Another folder of issuers.")
@click.option(
    "--outbox",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Another queue; made if there is none.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: os.environ.get("TRAM_HOME", str(DEMO_HOME)),
    show_default="$TRAM_HOME, else what make demo made",
    help="The device's home.",
)
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    default=MODELS,
    show_default=True,
    help="The model files.",
)
@click.option("--wait", default=20.0, show_default=True, help="Seconds to wait for a card.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: outcome, bands, no person.")
@click.option("--verbose", is_flag=True, help="The log on stderr, instead of progress.")
def verify(
    card_url: str,
    camera_url: str,
    finger_url: str | None,
    can: str | None,
    mrz: str | None,
    qr: str | None,
    policy: Path | None,
    trust: Path | None,
    outbox: Path | None,
    home: Path,
    models: Path,
    wait: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Verify one card and its holder, and file the record.

    Exit codes: 0 accepted; 1 another outcome; 2 usage; 3 a device, a file or the environment
    failed: no session began, no record could be filed, or the record says that a device decided it.

    Example: tram verify --card "sim://card?file=build/demo/cards/2021.json"
    --camera "sim://camera?file=build/demo/heads/holder.npz" --can 012345 --json
    """
    from kiosk.station.main import Options

    options = Options(
        models=models,
        card_url=card_url,
        camera_url=camera_url,
        finger_url=finger_url,
        policy=policy,
        trust=trust,
        outbox=outbox,
    )
    opens = password(can=can, mrz=mrz, qr=qr)
    try:
        check_devices(card_url, camera_url)
        check_models(models, _net_of(home))
    except NotReadyError as error:
        click.echo(f"tram verify: {error}", err=True)
        row = _no_session(error.reason)
    else:
        with _told(verbose=verbose) as progress:
            row = run(home, options, opens, wait_s=wait, say=progress)
        _tell_of_devices(row, card_url, camera_url)
    click.echo(json.dumps(row, indent=1) if as_json else in_words(row))
    raise SystemExit(_exit_code(row))


def _exit_code(row: dict[str, Any]) -> int:
    """Return what a report ends in: a device that decided is no verdict on anybody."""
    if row["outcome"] == "accepted":
        return 0
    failed = row["record"] is None or not DEVICE_REASONS.isdisjoint(row["reasons"][:1])
    return FAILED if failed else VERDICT


def _tell_of_devices(row: dict[str, Any], card_url: str, camera_url: str) -> None:
    """Say which device a reason is about, and what to do: a record and its reasons name none."""
    reasons = DEVICE_REASONS.intersection(row["reasons"])
    if not reasons:
        return
    answering = "reader and camera answer now: try again, with --verbose for the log"
    lasting = f"{', '.join(sorted(reasons))}: {answering}"
    for told in ailing(card_url, camera_url) or (lasting,):
        click.echo(f"tram verify: {told}", err=True)


def _net_of(home: Path) -> str | None:
    """Return which net the device compares by; what is wrong with its home is told later."""
    from kiosk.station.home import DeviceHome, HomeUnusableError

    try:
        return DeviceHome(home).config().net
    except HomeUnusableError:
        return None


@contextmanager
def _told(*, verbose: bool) -> Iterator[Callable[[str], None]]:
    """Give what takes words of progress, or the log in their place."""
    if verbose:
        log_as_json()
        yield lambda _: None
        return
    with Path(os.devnull).open("w") as nowhere, Progress() as progress:
        log_as_json(nowhere)
        yield progress.say


def run(
    root: Path,
    options: Options,
    opens: Password,
    *,
    wait_s: float,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Serve one session on a kiosk that lives as long as it, and return its report.

    Raises:
        SystemExit: the home or the queue cannot be used.
    """
    from hw.errors import DeviceError
    from kiosk.bundles.trust import TrustUnusableError
    from kiosk.outbox import OutboxError
    from kiosk.station.home import DeviceHome, HomeUnusableError
    from kiosk.station.main import Kiosk

    try:
        with Kiosk(DeviceHome(root), options) as kiosk:
            return attend(kiosk.station, opens, wait_s=wait_s, say=say)
    except (HomeUnusableError, TrustUnusableError, DeviceError, OutboxError) as error:
        click.echo(f"tram verify: {in_words_of(error, remedy=HOME_REMEDY)}", err=True)
        raise SystemExit(FAILED) from error


def attend(
    station: Station,
    opens: Password,
    *,
    wait_s: float,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Play the person at a running station for one session, and return its report.

    Args:
        station: a running station.
        opens: typed when the key is asked for.
        wait_s: how long a card may take to appear.
        say: told what the person is asked to do.

    Returns:
        As `kiosk.station.report.report`; if no session began, incomplete with the device's reason.
    """
    from kiosk.station.report import report

    with closing(_Person(station, opens, say)) as person:
        deadline = time.monotonic() + wait_s
        while not person.done.wait(0.05):
            trouble = station.view().around.trouble
            if not person.began and (trouble or time.monotonic() > deadline):
                return _no_session(trouble or "timeout")
            if time.monotonic() > deadline + SESSION_S:
                return _no_session("timeout")
        return report(person.ended[0])


class _Person:
    """Types the card's key once, and gives up if it is refused."""

    def __init__(self, station: Station, opens: Password, say: Callable[[str], None]) -> None:
        self._station = station
        self._say = say
        self._opens = opens
        self._typed = False
        self.began = False
        self.ended: list[Ended] = []
        self.done = threading.Event()
        self._leave = station.on_ended(self._on_ended), station.subscribe(self._look)
        self._look(station.view())

    def close(self) -> None:
        """Go away."""
        for leave in self._leave:
            leave()

    def _look(self, view: ViewModel) -> None:
        from kiosk.session.events import Cancelled, KeyGiven
        from kiosk.session.prompts import Prompt
        from kiosk.station.view import Screen

        self._say(view.prompt.value.replace("_", " "))
        if view.screen is not Screen.KEY:
            return
        self.began = True
        if view.prompt is Prompt.KEY_REFUSED:
            self._station.post(Cancelled())
        elif not self._typed:
            self._typed = True
            self._station.post(KeyGiven(self._opens))

    def _on_ended(self, ended: Ended) -> None:
        self.ended.append(ended)
        self.done.set()


def _no_session(reason: str) -> dict[str, Any]:
    return {
        "outcome": "incomplete",
        "reasons": [str(reason)],
        "checks": dict.fromkeys(("pa", "aa", "ca", "cam", "ta", "live"), "absent"),
        "face": {"band": "none", "frames": 0, "tries": 0},
        "finger": "no_reference",
        "record": None,
        "row": "no_session",
        "apdus": 0,
        "ms": {},
    }


def in_words(row: dict[str, Any]) -> str:
    """Return a report as lines of text."""
    lines = [" ".join([row["outcome"], *row["reasons"]])]
    lines += ["checks: " + ", ".join(f"{name} {state}" for name, state in row["checks"].items())]
    lines += [f"face: {row['face']['band']} over {row['face']['frames']} frames"]
    if isinstance(row["finger"], str):
        lines += [f"finger: {row['finger']}"]
    else:
        lines += [f"finger: {row['finger']['band']} over {row['finger']['touches']} touches"]
    lines += [f"record: {row['record'] or 'none'}"]
    lines += ["ms: " + ", ".join(f"{phase} {spent:.0f}" for phase, spent in row["ms"].items())]
    return "\n".join(lines)
