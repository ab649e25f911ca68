"""A process that has everything imported and forks the product's processes: a start costs 20 ms.

Each child is a process of its own with its own threads, files and end; only its imports are shared.
It runs what `tram link run` and `tram fleet serve` run. Waits between tries are shortened, so that
more faults fit into a minute; nothing else of the product is changed.

Lines of JSON on stdin and stdout: `{"start": ROLE, "folder": PATH, …}` → pid; `{"kill": pid}` →
whether it lived until then; `{"alive": pid}`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import fleet.ingest.main
import fleet.ingest.mqtt
import kiosk.link.main
import kiosk.link.mqtt
from fleet.home import FleetHome
from kiosk.link.home import LinkConfig
from kiosk.link.shipper import Settings
from kiosk.outbox import Retention
from tests.faults import station
from tests.faults.naive import UNBOUNDED, note_pubacks, take_over_gaps
from tests.faults.tracer import may_be_traced
from tram.parts.service import log_as_json, until_told

QUICK = Settings(patience_s=0.4, longest_patience_s=1.5, repeat_s=0.1)


def shorten_waits() -> None:
    """Try again sooner than a kiosk would."""
    kiosk.link.main.FIRST_WAIT_S, kiosk.link.main.LONGEST_WAIT_S = 0.03, 0.15
    kiosk.link.main.LOOK_S = 0.05
    kiosk.link.mqtt.FIRST_WAIT_S, kiosk.link.mqtt.LONGEST_WAIT_S = 0.05, 0.3
    fleet.ingest.mqtt.LONGEST_WAIT_S = 0.15


def live(role: str, folder: Path, told: dict[str, Any]) -> None:
    """Be one of the processes."""
    may_be_traced()
    os.environ["FAULTS_FOLDER"] = str(folder)
    os.environ["FAULTS_CLOCK"] = str(folder / f"clock-{role}")
    if role != "link":  # it has no database, and shares its station's folder
        os.environ["FAULTS_ORDER"] = str(folder / "order")
    log_as_json()
    match role:
        case "station":
            retention = Retention(**told["retention"])
            station.run(folder, retention=retention, naive=told["naive"])
        case "link":
            if told["naive"]:
                note_pubacks(folder)
            config = LinkConfig.load(folder, folder / "link.sock")
            settings = replace(QUICK, held=UNBOUNDED) if told["naive"] else QUICK
            kiosk.link.main.run(replace(config, settings=settings), until_told())
        case "ingest":
            if told["naive"]:
                take_over_gaps()
            fleet.ingest.main.serve(FleetHome(folder), until_told())


def start(told: dict[str, Any]) -> int:
    """Fork a process; its stderr is a log."""
    pid = os.fork()
    if pid:
        return pid
    try:
        log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDWR)
        for number, handle in enumerate((null, log, log)):
            os.dup2(handle, number)
        live(told["start"], Path(told["folder"]), told)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child says why and ends here
        traceback.print_exc()
        os._exit(1)


def _alive(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def _kill(pid: int) -> bool:
    if not _alive(pid):
        return False
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main() -> None:
    """Serve until stdin ends; then every child ends too."""
    shorten_waits()
    gc.freeze()
    children: set[int] = set()
    for line in sys.stdin:
        told = json.loads(line)
        match told:
            case {"start": str()}:
                answer: Any = start(told)
                children.add(answer)
            case {"kill": int(pid)}:
                answer = _kill(pid)
                children.discard(pid)
            case {"alive": int(pid)}:
                answer = _alive(pid)
                if not answer:
                    children.discard(pid)
        print(json.dumps(answer), flush=True)
    for pid in children:
        _kill(pid)


if __name__ == "__main__":
    main()
