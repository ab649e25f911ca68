"""Each step of the face pipeline on one frame, whole sessions, cold starts and memory, one thread.

Steps are what each costs alone, in processor time. `face_frame` is what a frame costs in the mean
of a session as it really runs (`tests.bench.face_session`): not every frame takes every step. How
often it is wrong, beside a peer, is `tests.bench.face_accuracy`'s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hw.camera.file import decode
from kiosk.vision.sight import Eyes
from kiosk.vision.spawn import ENVIRONMENT
from models import portrait
from models.face import detect, embed, iris, mesh
from models.face.align import align
from models.face.backdrop import Backdrop
from models.face.quality import assess
from models.face.temporal import trace
from models.face.texture import features_of, shipped
from models.manifest import load_verified
from models.runtime import ModelError
from tests.bench import face_accuracy, face_session
from tests.bench.face_tape import record
from tests.bench.measure import median_cpu_ms, row
from tram.parts.card_press import portrait as pressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.face_session import Tape
    from tests.bench.measure import Row

MODELS, PICTURES = face_session.MODELS, Path("build/portraits")
FACE, CARD = PICTURES / "obama2.jpg", PICTURES / "obama.jpg"
"""The same person, living and on the chip."""
YARDSTICK = "a product of two 512 x 512 float32 matrices"
IDLE = "a Python process that does nothing"
STARTS = 7
SESSIONS = 3
RATES = (("face_frame", 30.0), ("face_frame_10_fps", 10.0))
NOTHING = """
import time
from tests.bench.face_session import peak_mib
print(time.process_time() * 1000)
"""
BARE = """
from pathlib import Path
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024)
"""


def rows() -> Iterator[Row]:
    """Measure on photographs from a pinned package, and on a head made of one."""
    yield from _steps()
    yield from face_accuracy.rows(PICTURES / "astronaut.png")
    with tempfile.TemporaryDirectory() as folder:
        for name, fps in RATES:
            tape = record(Path(folder) / name, face=FACE, card=CARD, fps=fps)
            yield _frame(name, tape)
        yield from _processes(Path(folder) / RATES[0][0])


def _steps() -> Iterator[Row]:
    rgb = decode((PICTURES / "astronaut.png").read_bytes())
    coded = pressed(PICTURES / "astronaut.png")
    detector = detect.Detector(load_verified(MODELS, detect.NAME))
    mesher = mesh.Mesher(load_verified(MODELS, mesh.NAME))
    embedder = embed.Embedder(load_verified(MODELS, embed.NAME))
    clean = embed.open_embedder(MODELS, embed.CLEAN)
    lids = iris.Iris(load_verified(MODELS, iris.NAME))
    backdrop, texture = Backdrop(), shipped()
    face = detector.detect(rgb)[0]
    points = mesher.mesh(rgb, face)
    aligned = align(rgb, points)
    floor = _product_ms()
    steps: dict[str, Callable[[], object]] = {
        "face_portrait_decode": lambda: portrait.decode(coded),
        "face_detect": lambda: detector.detect(rgb),
        "face_mesh": lambda: mesher.mesh(rgb, face),
        "face_follow": lambda: mesher.follow(rgb, points),
        "face_quality": lambda: assess(rgb, points),
        "face_backdrop": lambda: backdrop.see(rgb, points),
        "face_align": lambda: align(rgb, points),
        "face_embed": lambda: embedder.embed_aligned(aligned),
        "face_embed_clean": lambda: clean.embed(rgb, points),
        "face_iris": lambda: lids.openness(rgb, points),
        "face_texture": lambda: texture.score(features_of(rgb, points)),
        "face_trace": lambda: trace(rgb, points),
    }
    for name, work in steps.items():
        yield row(name, median_cpu_ms(work, times=30), "ms", baseline=floor, of=YARDSTICK)


def _frame(name: str, tape: Tape) -> Row:
    """Return what a frame costs in the mean of a session; of several sessions the median."""
    eyes, floors, means = Eyes(MODELS, embed.NAME), [], []
    for _ in range(SESSIONS):
        floors.append(_product_ms())
        means.append(float(np.mean(face_session.play(tape, eyes).cpu_ms)))
    return row(name, median(means), "ms", baseline=median(floors), of=YARDSTICK)


class _Ended(NamedTuple):
    """A process that played a tape.

    Attributes:
        wall_ms: from its start to the first embedding.
        cpu_ms: of the same, processor time.
        mib: the most memory that it ever held.
    """

    wall_ms: float
    cpu_ms: float
    mib: float


def _processes(tape: Path) -> Iterator[Row]:
    """Measure fresh processes by net: to the first embedding, and memory over a session."""
    idle_ms = median(float(_python("-c", NOTHING)) for _ in range(STARTS))
    bare_mib = float(_python("-c", BARE))
    for suffix, net in face_accuracy.NETS:
        try:
            Eyes(MODELS, net)
        except ModelError as error:
            print(f"no session with {net}: {error}")
            continue
        ended = [_played(tape, net) for _ in range(STARTS if not suffix else 1)]
        if not suffix:
            cpu_ms, wall_ms = [each.cpu_ms for each in ended], [each.wall_ms for each in ended]
            for name, value in (
                ("face_cold_start_cpu", median(cpu_ms)),
                ("face_cold_start_wall", median(wall_ms)),
                ("face_cold_start_wall_least", min(wall_ms)),
            ):
                yield row(name, value, "ms", baseline=idle_ms, of=f"{IDLE}, processor time")
        most = max(each.mib for each in ended)
        yield row(f"face_resident{suffix}", most, "MiB", baseline=bare_mib, of=IDLE)


def _played(tape: Path, net: str) -> _Ended:
    """Play a tape in a process of its own."""
    command = [sys.executable, "-P", "-s", "-m", face_session.__name__, tape, net]
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
    ) as process:
        told: list[dict[str, Any]] = []
        wall_ms = 0.0
        for line in process.stdout or ():
            told.append(json.loads(line))
            wall_ms = wall_ms or (time.perf_counter() - began) * 1000
    first, last = told
    if last["live"] != "passed":
        raise RuntimeError("whoever is measured must pass")
    return _Ended(wall_ms, first["cpu_ms"], last["mib"])


def _python(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-s", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=_environment(),
    ).stdout


def _environment() -> dict[str, str]:
    return {**ENVIRONMENT, "PYTHONPATH": os.fspath(Path.cwd())}


def _product_ms() -> float:
    numbers = np.random.default_rng(1)
    a, b = (numbers.random((512, 512), dtype=np.float32) for _ in range(2))
    return median_cpu_ms(lambda: a @ b, times=50)
