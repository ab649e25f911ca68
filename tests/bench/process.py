"""Cold starts and memory of whole processes, against a Python that does nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kiosk.vision.port import MAX_FRAME_BYTES, Ready, Watch, decode_from_worker, encode
from kiosk.vision.spawn import spawn
from tests.bench.measure import median_ms, row
from tram.parts.head_press import press

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measure import Row

MODELS, HEAD = Path("build/models"), Path("build/bench-head.npz")
NOTHING = "a Python process that does nothing"
WHOLE_EMRTD = "from emrtd import *; import emrtd.inspect, emrtd.verify"
"""Every name of the library and all that stands behind it; the package alone fetches none."""


def rows() -> Iterator[Row]:
    """Measure the command, imports and a vision worker up to its first frame."""
    idle = _python_ms("pass")
    yield row("start_tram_help", _run_ms("-m", "tram", "--help"), "ms", baseline=idle, of=NOTHING)
    for name, code in (("import_emrtd", "import emrtd"), ("import_emrtd_whole", WHOLE_EMRTD)):
        yield row(f"start_{name}", _python_ms(code), "ms", baseline=idle, of=NOTHING)
    station = _python_ms("import kiosk.station.main")
    yield row("start_station_imports", station, "ms", baseline=idle, of=NOTHING)
    press(Path("build/portraits/astronaut.png"), HEAD, models=MODELS)
    worker = median_ms(_worker_ready, times=5)
    yield row("start_vision_to_first_frame", worker, "ms", baseline=idle, of=NOTHING)
    HEAD.unlink()


def _run_ms(*arguments: str) -> float:
    return median_ms(
        lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL),
        times=7,
    )


def _python_ms(code: str) -> float:
    return _run_ms("-c", code)


def _worker_ready() -> None:
    """Start a worker, let it watch, and wait until its camera gives frames."""
    process, wire = spawn(f"sim://camera?file={HEAD}", MODELS, stderr=subprocess.DEVNULL)
    with wire:
        wire.settimeout(20)
        wire.sendall(encode(Watch()))
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if isinstance(decode_from_worker(wire.recv(MAX_FRAME_BYTES + 1)), Ready):
                break
        wire.shutdown(socket.SHUT_RDWR)
    process.wait(5)
