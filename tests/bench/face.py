"""Each phase of the face pipeline on one frame, one thread; memory with all nets loaded.

The peer (`tests.bench.face_peer`) is measured on the same picture where its environment is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hw.camera.file import decode
from models import portrait
from models.face import detect, embed, mesh
from models.face.acquire import acquire
from models.face.align import align
from models.face.quality import assess
from models.manifest import load_verified
from tests.bench.measure import median_ms, row
from tram.parts.card_press import portrait as pressed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tests.bench.measure import Row

MODELS, PICTURES = Path("build/models"), Path("build/portraits")
PEER = Path("build/peer/bin/python")
PEER_SCRIPT = Path(__file__).with_name("face_peer.py")
YARDSTICK = "a product of two 512 x 512 float32 matrices"
RESIDENT = """
from pathlib import Path
{work}
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
LOADED = """
from models.face import detect, embed, mesh
from models.manifest import load_verified
folder = Path("build/models")
detect.Detector(load_verified(folder, detect.NAME))
mesh.Mesher(load_verified(folder, mesh.NAME))
embed.Embedder(load_verified(folder, embed.NAME))
"""


def rows() -> Iterator[Row]:
    """Measure on a photograph from a pinned package."""
    rgb = decode((PICTURES / "astronaut.png").read_bytes())
    coded = pressed(PICTURES / "astronaut.png")
    detector = detect.Detector(load_verified(MODELS, detect.NAME))
    mesher = mesh.Mesher(load_verified(MODELS, mesh.NAME))
    embedder = embed.Embedder(load_verified(MODELS, embed.NAME))
    face = detector.detect(rgb)[0]
    points = mesher.mesh(rgb, face)
    aligned = align(rgb, points)
    floor = _product_ms()
    for name, work in {
        "face_portrait_decode": lambda: portrait.decode(coded),
        "face_detect": lambda: detector.detect(rgb),
        "face_mesh": lambda: mesher.mesh(rgb, face),
        "face_quality": lambda: assess(rgb, points),
        "face_align": lambda: align(rgb, points),
        "face_embed": lambda: embedder.embed_aligned(aligned),
    }.items():
        yield row(name, median_ms(work, times=30), "ms", baseline=floor, of=YARDSTICK)
    if PEER.exists():
        yield row(
            "face_still",
            median_ms(lambda: _still(rgb, detector, mesher, embedder), times=30),
            "ms",
            baseline=_peer_ms(PICTURES / "astronaut.png"),
            of="face_recognition, on the same picture",
        )
    yield row(
        "face_resident",
        _resident_mib(LOADED),
        "MiB",
        baseline=_resident_mib(""),
        of="a Python process that does nothing",
    )


def _still(
    rgb: NDArray[np.uint8],
    detector: detect.Detector,
    mesher: mesh.Mesher,
    embedder: embed.Embedder,
) -> None:
    """Take the whole way of a still: from pixels to an embedding."""
    found = acquire(rgb, detector=detector, mesher=mesher)
    if found.mesh is not None:
        embedder.embed(rgb, found.mesh)


def _peer_ms(picture: Path) -> float:
    done = subprocess.run(
        [PEER, "-P", PEER_SCRIPT, "5", picture], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout)["ms"])


def _product_ms() -> float:
    numbers = np.random.default_rng(1)
    a, b = (numbers.random((512, 512), dtype=np.float32) for _ in range(2))
    return median_ms(lambda: a @ b, times=50)


def _resident_mib(work: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT.format(work=work)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
