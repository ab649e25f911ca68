"""Measure the surface of the face on each picture of a set, once.

Knows the product's own way to a face on a still, and its features of texture. Does not know which
picture shows a person and which an attack, and keeps no picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.evaluate import pictures
from models.face import detect, mesh
from models.face.acquire import acquire
from models.face.detect import Detector
from models.face.mesh import Mesher
from models.face.texture import FEATURES, features_of
from models.manifest import load_verified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.evaluate.pad import Presentations


class Finder(NamedTuple):
    """The nets that find a face. One thread's.

    Attributes:
        detector: finds faces.
        mesher: confirms them.
    """

    detector: Detector
    mesher: Mesher


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """A set's pictures as features.

    Attributes:
        features: (N, F) float64; 0 where no face was found.
        seen: (N,) bool: whether one was.
        hashes: of each picture's file.
    """

    features: NDArray[np.float64] = field(repr=False)
    seen: NDArray[np.bool_] = field(repr=False)
    hashes: tuple[str, ...] = field(repr=False)


def open_finder(models: Path) -> Finder:
    """Load the nets. Raises ModelError."""
    return Finder(
        Detector(load_verified(models, detect.NAME)), Mesher(load_verified(models, mesh.NAME))
    )


def measure(
    folder: Path,
    presentations: Presentations,
    finder: Finder,
    *,
    where: str,
    tick: Callable[[], None],
) -> Surfaces:
    """Measure the most prominent face of each picture.

    Args:
        folder: where the pictures are.
        presentations: which.
        finder: the nets.
        where: how an error names the labels.
        tick: called after each picture.

    Raises:
        PictureFileError: a file is no picture.
        ModelError: a net failed.
    """
    count = len(presentations.names)
    features, seen = np.zeros((count, FEATURES)), np.zeros(count, dtype=np.bool_)
    hashes = []
    for place, (name, line) in enumerate(
        zip(presentations.names, presentations.lines, strict=True)
    ):
        picture = pictures.read(pictures.within(folder, name), where=f"{where}: line {line}")
        hashes.append(picture.hash)
        found = acquire(picture.rgb, detector=finder.detector, mesher=finder.mesher)
        if found.mesh is not None:
            features[place], seen[place] = features_of(picture.rgb, found.mesh), True
        tick()
    return Surfaces(features, seen, tuple(hashes))
