"""Pairs of pictures and whether each is of one person: a CSV with the columns a, b, same.

Knows the file and what follows from it: who the subjects are, where only pairs are told. A picture
is one however its path is spelled, and a pair is one whichever comes first. Opens no picture. An
error says the line, never a picture's name: names can be people's.
"""

from __future__ import annotations

import csv
import io
import posixpath
import unicodedata
from array import array
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_BYTES: Final = 256 * 1024 * 1024
MAX_ROWS: Final = 4_000_000
MAX_PICTURES: Final = 200_000
"""As many as a calibration can name."""
MAX_NAME: Final = 1024
MAX_LINE_BYTES: Final = 2 * 4 * MAX_NAME + 64
"""Two of the longest names in any script, and what is between them."""
COLUMNS: Final = ("a", "b", "same")
LABELS: Final = {"1": True, "0": False, "true": True, "false": False}


class PairsError(ValueError):
    """A file is no list of pairs.

    Attributes:
        line: where, from 1; 0: the file as a whole.
        why: what is wrong there.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.line = line
        self.why = why


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The comparisons of a protocol.

    Attributes:
        names: each picture once, in order of first mention; relative paths without blanks around
            them nor needless "./", with accents as the list composes them.
        lines: the line that first mentions it.
        a: (N,) intp: place of the first picture of each pair in `names`.
        b: (N,) intp: of the second.
        same: (N,) bool: whether both are of one person.
        repeated: so many rows told once more what a row before them had.
    """

    names: tuple[str, ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)
    a: NDArray[np.intp] = field(repr=False)
    b: NDArray[np.intp] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)
    repeated: int = 0

    def subjects(self) -> NDArray[np.intp]:
        """Return (len(names),): a number for each person; pictures of one person share it.

        Who is who follows from the pairs of one person. A picture in none of them is a person of
        its own, which makes more people of a list that leaves genuine pairs out.
        """
        parent = list(range(len(self.names)))

        def root(place: int) -> int:
            while parent[place] != place:
                parent[place] = parent[parent[place]]
                place = parent[place]
            return place

        for a, b in zip(self.a[self.same].tolist(), self.b[self.same].tolist(), strict=True):
            parent[root(a)] = root(b)
        return np.unique([root(each) for each in range(len(parent))], return_inverse=True)[1]

    def contradictions(self) -> int:
        """Return how many pairs are said to be of two people who are one by other pairs."""
        subjects = self.subjects()
        return int((~self.same & (subjects[self.a] == subjects[self.b])).sum())


def parse(raw: bytes) -> Pairs:
    """Read a list of pairs.

    Args:
        raw: UTF-8, the header a,b,same and a row a pair; same is 1 or 0. At most `MAX_BYTES`.
            A pair that stands there again, in either order, counts once.

    Raises:
        PairsError: it is something else, or says of one pair that it is and is not of one person.
    """
    if len(raw) > MAX_BYTES:
        raise PairsError(0, "the file is too large")
    places: dict[str, int] = {}
    names: list[str] = []
    lines: list[int] = []
    a, b, same, told = array("i"), array("i"), bytearray(), array("i")
    for line, row in rows(raw, COLUMNS):
        for spelled, into in zip(row[:2], (a, b), strict=True):
            key = spelled
            if key not in places:
                name = _plain(spelled, line)
                key = unicodedata.normalize("NFC", name)
            if key not in places:
                if len(places) == MAX_PICTURES:
                    raise PairsError(line, "too many pictures")
                places[key] = len(places)
                names.append(name)
                lines.append(line)
            into.append(places[key])
        if a[-1] == b[-1]:
            raise PairsError(line, "a picture with itself")
        label = LABELS.get(row[2].strip().lower())
        if label is None:
            raise PairsError(line, "same is neither 1 nor 0")
        same.append(label)
        told.append(line)
    if not same:
        raise PairsError(0, "no pair")
    first, second = np.frombuffer(a, dtype=np.intc), np.frombuffer(b, dtype=np.intc)
    labels = np.frombuffer(same, dtype=np.bool_)
    kept = _each_once(first, second, labels, told)
    return Pairs(
        names=tuple(names),
        lines=tuple(lines),
        a=first[kept].astype(np.intp),
        b=second[kept].astype(np.intp),
        same=labels[kept],
        repeated=len(labels) - len(kept),
    )


def _plain(name: str, line: int) -> str:
    """Return a picture's path without what makes no other file of it. Raises PairsError."""
    stripped = name.strip()
    check_name(stripped, line)
    return posixpath.normpath(stripped)


def _each_once(
    a: NDArray[np.intc], b: NDArray[np.intc], same: NDArray[np.bool_], told: array[int]
) -> NDArray[np.intp]:
    """Return the places of the rows that tell a pair first, in order.

    Raises:
        PairsError: a later one says otherwise.
    """
    pair = np.minimum(a, b).astype(np.int64)
    pair *= MAX_PICTURES
    pair += np.maximum(a, b)
    order = np.argsort(pair, kind="stable")
    pair = pair[order]
    again = np.append(False, pair[1:] == pair[:-1])
    del pair
    labels = same[order]
    differs = again & np.append(False, labels[1:] != labels[:-1])
    if differs.any():
        line = told[int(order[differs].min())]
        raise PairsError(line, "it says otherwise of this pair than a line before it")
    first: NDArray[np.intp] = order[~again]
    first.sort()
    return first


def rows(raw: bytes, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV behind its header, each with its line; none is kept.

    Args:
        raw: UTF-8.
        columns: what the header must name, in this order.

    Raises:
        PairsError: it is something else, or has more than `MAX_ROWS`.
    """
    reader = csv.reader(_lines(raw), strict=True, skipinitialspace=True)
    count = 0
    try:
        if tuple(each.strip().lower() for each in next(reader, [])) != columns:
            raise PairsError(1, f"the columns are not {','.join(columns)}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise PairsError(reader.line_num, f"{len(row)} columns")
            count += 1
            if count > MAX_ROWS:
                raise PairsError(reader.line_num, "too many rows")
            yield reader.line_num, row
    except csv.Error as error:
        raise PairsError(reader.line_num, "no CSV") from error


def _lines(raw: bytes) -> Iterator[str]:
    """Yield the lines of a text one by one, so that it is never in memory a second time."""
    for number, line in enumerate(io.BytesIO(raw), start=1):
        if len(line) > MAX_LINE_BYTES:
            raise PairsError(number, "too long")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise PairsError(number, "not UTF-8") from error


def check_name(name: str, line: int) -> None:
    """Accept a path that stays in the folder."""
    path = PurePosixPath(name)
    stays = path.parts and not path.is_absolute() and ".." not in path.parts and "\\" not in name
    if not stays or len(name) > MAX_NAME or not name.isprintable():
        raise PairsError(line, "no path inside the folder")
