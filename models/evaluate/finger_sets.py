"""Sets of fingers: which picture is of which finger, and which are compared with which.

Knows names, FINGER_IMPRESSION.EXT split at the last underscore, and the protocols. Opens no
picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.evaluate.pictures import PictureFileError, listed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ENDINGS: Final = frozenset(
    {
        ".bmp", ".gif", ".j2c", ".j2k", ".jp2", ".jpeg", ".jpg", ".pbm", ".pcx", ".pgm", ".png",
        ".pnm", ".ppm", ".sgi", ".tga", ".tif", ".tiff", ".webp", ".wsq",
    }
)  # fmt: skip
"""Of pictures; templates and lists may lie beside them."""


@dataclass(frozen=True, slots=True, eq=False)
class FingerSet:
    """The pictures of a folder.

    Attributes:
        files: in order of name.
        fingers: (N,) intp: which finger each shows.
        first: (N,) bool: whether it is the first impression of its finger.
    """

    files: tuple[Path, ...] = field(repr=False)
    fingers: NDArray[np.intp] = field(repr=False)
    first: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Pairs of pictures.

    Attributes:
        a: (K,) intp: the place of the reference.
        b: (K,) intp: of the live picture.
        same: (K,) bool: whether both are of one finger.
        fvc: (K,) bool: whether the pair belongs to the FVC protocol: each two impressions of one
            finger once, and the first impressions of each two fingers once.
    """

    a: NDArray[np.intp] = field(repr=False)
    b: NDArray[np.intp] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)
    fvc: NDArray[np.bool_] = field(repr=False)


def list_set(folder: Path) -> FingerSet:
    """Return the pictures of a folder by finger.

    Raises:
        PictureFileError: there are none, or one is not named FINGER_IMPRESSION.
    """
    files = [each for each in listed(folder) if each.suffix.lower() in ENDINGS]
    if not files:
        raise PictureFileError(str(folder), "missing")
    names = [each.stem.rpartition("_") for each in files]
    for place, (finger, _, impression) in enumerate(names):
        if not (finger and impression):
            where = f"{folder}, picture {place + 1} in order of name"
            raise PictureFileError(where, "named other than FINGER_IMPRESSION")
    fingers = np.unique([finger for finger, _, _ in names], return_inverse=True)[1]
    order = sorted(range(len(files)), key=lambda place: _number(names[place][2]))
    first = np.zeros(len(files), dtype=np.bool_)
    seen: set[int] = set()
    for place in order:
        first[place] = int(fingers[place]) not in seen
        seen.add(int(fingers[place]))
    return FingerSet(tuple(files), fingers, first)


def every_pair(of: FingerSet) -> Comparisons:
    """Return each two pictures once, the one that comes first by name as the reference."""
    a, b = np.triu_indices(len(of.files), k=1)
    same = of.fingers[a] == of.fingers[b]
    return Comparisons(a, b, same, same | (of.first[a] & of.first[b]))


def _number(impression: str) -> tuple[int, str]:
    """Return what impressions are ordered by: their number, where they have one."""
    return (int(impression), "") if impression.isdecimal() else (1 << 62, impression)
