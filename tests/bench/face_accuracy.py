"""How often the face lane is wrong, and how long a still takes it, beside a peer.

The peer is `face_recognition` (dlib), on the same pictures and the same pairs, in an environment
that is made here of packages pinned by hash. Accuracy is counted where the evaluation set ORL is,
at thresholds of each one's own: how well people are told apart, not what a policy asks. A picture
without a face matches nobody. Four choices of the program were made in sight of ORL
(docs/reference/face-accuracy.md), which flatters it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hw.camera.file import decode
from models.evaluate import faces, pairs
from models.evaluate.rates import curve_of
from models.face import embed
from models.face.acquire import acquire
from models.runtime import ModelError
from tests.bench.face_session import MODELS
from tests.bench.measure import median_cpu_ms, row
from tests.proof.other_environment import python_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.evaluate.faces import Eyes
    from models.evaluate.pairs import Pairs
    from tests.bench.measure import Row

REQUIREMENTS = Path("requirements/face-peer.txt")
WITHOUT_WHEELS = ("face-recognition-models",)
SCRIPT = Path(__file__).with_name("face_peer.py")
PEER = "face_recognition (dlib)"
NETS = (("", embed.NAME), ("_clean", embed.CLEAN), ("_strict", embed.STRICT))
FMR = 1e-3
NO_FACE = -9.0
"""Below every score."""
LEAST = 1e-3
"""Of a yardstick in per cent: what it never does has no ratio."""
PEER_S = 900.0


class Wrong(NamedTuple):
    """How often one program is wrong.

    Attributes:
        eer: 0..1.
        fnmr: at `FMR`, 0..1.
        missed: so many pairs of one person, there.
        of: so many pairs of one person.
        impostor: and of two.
        no_face: pictures on which none was found.
    """

    eer: float
    fnmr: float
    missed: int
    of: int
    impostor: int
    no_face: int


def rows(picture: Path) -> Iterator[Row]:
    """Measure both on one picture, and count the errors of both on ORL.

    Args:
        picture: of one face, for the time a still takes.
    """
    if (peer := _peer_python()) is None:
        return
    peer_ms, _ = _peer(peer, [picture], times=5)
    eyes, rgb = faces.open_eyes(MODELS, embed.NAME), decode(picture.read_bytes())
    own_ms = median_cpu_ms(lambda: _still(rgb, eyes), times=30)
    yield row("face_still", own_ms, "ms", baseline=peer_ms, of=f"{PEER}, on the same picture")
    if (data := os.environ.get("TRAM_TESTDATA")) is None:
        print("no errors of faces counted: TRAM_TESTDATA", file=sys.stderr)
        return
    yield from _errors(peer, Path(data, "data", "faces"))


def _errors(peer: Path, sets: Path) -> Iterator[Row]:
    of = pairs.parse((sets / "orl_pairs.csv").read_bytes())
    files = [sets / "orl" / name for name in of.names]
    _, found_by_peer = _peer(peer, files, times=1)
    theirs = wrong(*peer_scores(found_by_peer, of), of)
    for suffix, net in NETS:
        try:
            eyes = faces.open_eyes(MODELS, net)
        except ModelError as error:
            print(f"no errors counted of {net}: {error}", file=sys.stderr)
            continue
        named = ((path, str(place)) for place, path in enumerate(files))
        found = faces.extract(named, eyes, tick=lambda: None)
        close = faces.score(found.rows, of.a, of.b, embedder=eyes.embedder)
        own = wrong(np.where(_both(found.acquired, of), close, NO_FACE), found.acquired, of)
        yield from told(suffix, own, theirs)


def told(suffix: str, own: Wrong, theirs: Wrong) -> Iterator[Row]:
    """Return the rows of one net beside the peer."""
    compared = f"{own.of:,} and {own.impostor:,} comparisons of ORL"
    yield row(
        f"face_eer{suffix}",
        100 * own.eer,
        f"% (no face on {own.no_face}; {compared})",
        baseline=max(100 * theirs.eer, LEAST),
        of=f"{PEER}, on the same pictures (no face on {theirs.no_face})",
    )
    yield row(
        f"face_fnmr{suffix}",
        100 * own.fnmr,
        f"% (at FMR {FMR:g}: {own.missed} of {own.of:,})",
        baseline=max(100 * theirs.fnmr, LEAST),
        of=f"{PEER}, on the same pictures ({theirs.missed} of {theirs.of:,})",
    )


def wrong(scores: NDArray[np.float64], acquired: NDArray[np.bool_], of: Pairs) -> Wrong:
    """Return how often scores are wrong; a missing face is in the rates."""
    curve = curve_of(scores[of.same], scores[~of.same])
    genuine = int(of.same.sum())
    fnmr = curve.fnmr_at_fmr(FMR)
    return Wrong(
        eer=curve.eer,
        fnmr=fnmr,
        missed=round(fnmr * genuine),
        of=genuine,
        impostor=len(of.same) - genuine,
        no_face=int((~acquired).sum()),
    )


def _both(there: NDArray[np.bool_], of: Pairs) -> NDArray[np.bool_]:
    both: NDArray[np.bool_] = there[of.a] & there[of.b]
    return both


def peer_scores(
    found: Sequence[Sequence[float] | None], of: Pairs
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the peer's distances, the other way round; and which pictures had a face."""
    acquired = np.array([each is not None for each in found])
    size = next(len(each) for each in found if each is not None)
    points = np.array([[0.0] * size if each is None else each for each in found])
    far = np.linalg.norm(points[of.a] - points[of.b], axis=1)
    return np.where(_both(acquired, of), -far, NO_FACE), acquired


def _still(rgb: NDArray[np.uint8], eyes: Eyes) -> None:
    """Take the whole way of a still: from pixels to an embedding."""
    found = acquire(rgb, detector=eyes.detector, mesher=eyes.mesher)
    if found.mesh is not None:
        eyes.embedder.embed(rgb, found.mesh)


def _peer_python() -> Path | None:
    """Return the peer's interpreter, made if need be; None, and why on stderr: it cannot be."""
    try:
        return python_with(REQUIREMENTS, from_source=WITHOUT_WHEELS)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no peer ({type(error).__name__}): {REQUIREMENTS}", file=sys.stderr)
        return None


def _peer(
    python: Path, files: Sequence[Path], *, times: int
) -> tuple[float, list[list[float] | None]]:
    """Return its milliseconds, and the embedding of each picture; None: it found no face."""
    done = subprocess.run(
        [str(python), "-P", str(SCRIPT), str(times), *map(str, files)],
        capture_output=True, check=True, timeout=PEER_S,
    )  # fmt: skip
    said = json.loads(done.stdout)
    return float(said["ms"]), said["rows"]
