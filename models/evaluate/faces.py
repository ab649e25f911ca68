"""Embed each picture of a set once, and score the pairs.

Knows the product's own pipeline for stills: the same detector, mesh, alignment and nets, with no
gate on quality, so that a bad picture counts as what it is. Does not know who anybody is, and keeps
no picture.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.evaluate import pictures
from models.evaluate.verification import NONE_LOST, Lost
from models.face import detect, mesh
from models.face.acquire import acquire
from models.face.detect import Detector
from models.face.embed import open_embedder
from models.face.mesh import Mesher
from models.manifest import load_verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.evaluate.pairs import Pairs
    from models.face.embed import FaceEmbedder

ROWS_AT_ONCE: Final = 16_384


@dataclass(frozen=True, slots=True)
class Eyes:
    """The nets that look at stills. One thread's.

    Attributes:
        detector: finds faces.
        mesher: confirms them.
        embedder: makes embeddings, and compares them.
    """

    detector: Detector = field(repr=False)
    mesher: Mesher = field(repr=False)
    embedder: FaceEmbedder = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the net's file; of several, joined by "+"."""
        return "+".join(each.sha256 for each in self.embedder.manifests)


@dataclass(frozen=True, slots=True, eq=False)
class Extracted:
    """The pictures of a set as embeddings.

    Attributes:
        rows: (N, D) float32, unit length; 0 where no face was found.
        acquired: (N,) bool: whether one was.
        hashes: of each picture's file.
        several: on how many pictures there was more than one prominent face.
        median_ms: from pixels to embedding.
    """

    rows: NDArray[np.float32] = field(repr=False)
    acquired: NDArray[np.bool_] = field(repr=False)
    hashes: tuple[str, ...] = field(repr=False)
    several: int
    median_ms: float


class Scored(NamedTuple):
    """Scores of comparisons.

    Attributes:
        scores: (K, F) float64: of F pictures of one person, each compared with the same one.
        same: (K,) bool.
        a: (K,) intp: the subject of the F pictures.
        b: (K,) intp: the subject of the one.
    """

    scores: NDArray[np.float64]
    same: NDArray[np.bool_]
    a: NDArray[np.intp]
    b: NDArray[np.intp]


def open_eyes(models: Path, net: str | None = None) -> Eyes:
    """Load the nets.

    Args:
        models: the folder of the model files.
        net: the embedding net's name, or "strict"; by default the one that is there.

    Raises:
        ModelError: one is missing, altered or does not load, or is no embedding net.
    """
    return Eyes(
        detector=Detector(load_verified(models, detect.NAME)),
        mesher=Mesher(load_verified(models, mesh.NAME)),
        embedder=open_embedder(models, net),
    )


def extract(
    files: Iterable[tuple[Path, str]], eyes: Eyes, *, tick: Callable[[], None]
) -> Extracted:
    """Embed the face of each picture.

    Args:
        files: each picture's path, and how an error names it.
        eyes: the nets.
        tick: called after each picture.

    Raises:
        PictureFileError: a file is no picture.
        ModelError: a net failed.
    """
    rows: list[NDArray[np.float32] | None] = []
    hashes, took_ms, several = [], [], 0
    for path, where in files:
        picture = pictures.read(path, where=where)
        begun_ns = time.perf_counter_ns()
        found = acquire(picture.rgb, detector=eyes.detector, mesher=eyes.mesher)
        rows.append(None if found.mesh is None else eyes.embedder.embed(picture.rgb, found.mesh))
        took_ms.append((time.perf_counter_ns() - begun_ns) / 1e6)
        hashes.append(picture.hash)
        several += found.faces > 1
        tick()
    size = next((len(each) for each in rows if each is not None), 1)
    nothing = np.zeros(size, dtype=np.float32)
    return Extracted(
        rows=np.array([nothing if each is None else each for each in rows]).reshape(-1, size),
        acquired=np.array([each is not None for each in rows], dtype=np.bool_),
        hashes=tuple(hashes),
        several=several,
        median_ms=float(np.median(took_ms)) if took_ms else 0.0,
    )


def score(
    rows: NDArray[np.float32],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
    *,
    embedder: FaceEmbedder,
) -> NDArray[np.float64]:
    """Return (N,): how close each pair of rows is, -1..1."""
    found = np.empty(len(a), dtype=np.float64)
    for begin in range(0, len(a), ROWS_AT_ONCE):
        piece = slice(begin, begin + ROWS_AT_ONCE)
        found[piece] = embedder.closeness(rows[a[piece]], rows[b[piece]])
    return found


def every_score(
    rows: NDArray[np.float32],
    subjects: NDArray[np.intp],
    *,
    same: bool,
    embedder: FaceEmbedder,
) -> NDArray[np.float64]:
    """Return how close each pair of rows is: of one subject, or of two."""
    found = [np.empty(0, dtype=np.float64)]
    for place in range(len(rows) - 1):
        wanted = np.flatnonzero((subjects[place + 1 :] == subjects[place]) == same) + place + 1
        found.append(embedder.closeness(rows[wanted], rows[place]))
    return np.concatenate(found)


def lost(pairs: Pairs, extracted: Extracted, *, embedder: FaceEmbedder, frames: int = 1) -> Lost:
    """Count the comparisons that `compare` would make had every picture shown a face."""
    if extracted.acquired.all():
        return NONE_LOST
    every = replace(extracted, acquired=np.ones_like(extracted.acquired))
    made = compare(pairs, extracted, embedder=embedder, frames=frames).same
    possible = compare(pairs, every, embedder=embedder, frames=frames).same
    genuine = int(possible.sum()) - int(made.sum())
    return Lost(genuine, len(possible) - len(made) - genuine)


def compare(
    pairs: Pairs, extracted: Extracted, *, embedder: FaceEmbedder, frames: int = 1
) -> Scored:
    """Score the pairs whose faces were found.

    With several frames, pictures of one person take the place of frames: for each picture and each
    person, the pairs of both are taken in order of name, `frames` at a time; what is left over is
    not used. Each pair serves twice, once from either side, and no picture twice against the same
    one.

    Args:
        pairs: the protocol.
        extracted: of its pictures, in the order of `pairs.names`.
        embedder: that made the embeddings.
        frames: how many pictures are judged together.
    """
    subjects = pairs.subjects()
    whole = extracted.acquired[pairs.a] & extracted.acquired[pairs.b]
    a, b, same = pairs.a[whole], pairs.b[whole], pairs.same[whole]
    scores = score(extracted.rows, a, b, embedder=embedder)
    if frames == 1:
        return Scored(scores[:, None], same, subjects[a], subjects[b])
    names = np.argsort(np.argsort(np.array(pairs.names)))
    probe, reference = np.concatenate([a, b]), np.concatenate([b, a])
    scores, same = np.tile(scores, 2), np.tile(same, 2)
    order = np.lexsort((names[probe], same, subjects[probe], reference))
    key = np.stack([reference, subjects[probe], same])[:, order]
    first = np.append(True, (np.diff(key, axis=1) != 0).any(axis=0))
    begins = np.flatnonzero(first)
    place = np.arange(len(order)) - begins[np.cumsum(first) - 1]
    length = np.diff(np.append(begins, len(order)))[np.cumsum(first) - 1]
    starts = np.flatnonzero((place % frames == 0) & (place + frames <= length))
    members = order[starts[:, None] + np.arange(frames)]
    return Scored(
        scores=scores[members],
        same=same[members[:, 0]],
        a=subjects[probe[members[:, 0]]],
        b=subjects[reference[members[:, 0]]],
    )
