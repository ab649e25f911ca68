"""Labelled presentations and how often a threshold judges them wrongly.

Knows a CSV with the columns file and attack (empty: a person), and the terms of [30107-3]: APCER is
the share of attacks that are taken for people, BPCER that of people who are taken for attacks. A
picture without a face is answered by nothing: no attack gets through by it, and a person does not
either. An error says the line, never a picture's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.evaluate.pairs import MAX_BYTES, MAX_PICTURES, PairsError, check_name, rows
from models.evaluate.rates import RatesError, curve_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS: Final = ("file", "attack")
MAX_KIND: Final = 64
MAX_KINDS: Final = 256
NO_FACE: Final = -1e6
"""The score of a picture without a face: below any threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class Presentations:
    """What a set shows.

    Attributes:
        names: of the pictures, each once; relative paths.
        lines: where each is told.
        kinds: of each: "" is a person, else the kind of attack.
    """

    names: tuple[str, ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)
    kinds: tuple[str, ...] = field(repr=False)

    @property
    def attack(self) -> NDArray[np.bool_]:
        """(N,): whether each is an attack."""
        return np.array([bool(each) for each in self.kinds], dtype=np.bool_)


def parse(raw: bytes) -> Presentations:
    """Read the labels.

    Args:
        raw: UTF-8, the header file,attack and a row a picture. At most `MAX_BYTES`.

    Raises:
        PairsError: it is something else.
    """
    if len(raw) > MAX_BYTES:
        raise PairsError(0, "the file is too large")
    lines: dict[str, int] = {}
    kinds: list[str] = []
    for line, (name, told) in rows(raw, COLUMNS):
        kind = told.strip()
        check_name(name, line)
        if len(lines) == MAX_PICTURES:
            raise PairsError(line, "too many pictures")
        if name in lines:
            raise PairsError(line, "a picture twice")
        if len(kind) > MAX_KIND or not kind.isprintable():
            raise PairsError(line, "no kind of attack")
        lines[name] = line
        kinds.append(kind)
    if not kinds:
        raise PairsError(0, "no picture")
    if len(set(kinds)) > MAX_KINDS:
        raise PairsError(0, "too many kinds of attack")
    return Presentations(tuple(lines), tuple(lines.values()), tuple(kinds))


def report(
    presentations: Presentations, scores: NDArray[np.float64], *, threshold: float
) -> dict[str, Any]:
    """Return how often a threshold is wrong.

    Args:
        presentations: the labels.
        scores: (N,) log-odds that it is a person; `NO_FACE` where there was no face.
        threshold: a picture whose score reaches it is taken for a person.

    Returns:
        attack and bona_fide: counts; auc; apcer of all attacks together, bpcer, and acer, their
        mean; apcer_by_kind.

    Raises:
        RatesError: there is no person, or no attack.
    """
    attack, kinds = presentations.attack, np.array(presentations.kinds)
    if not (attack.any() and not attack.all()):
        raise RatesError("no attack, or nobody who is none")
    taken = scores >= threshold
    apcer, bpcer = float(taken[attack].mean()), float((~taken[~attack]).mean())
    return {
        "attack": int(attack.sum()),
        "bona_fide": int((~attack).sum()),
        "auc": curve_of(scores[~attack], scores[attack]).auc,
        "apcer": apcer,
        "bpcer": bpcer,
        "acer": (apcer + bpcer) / 2,
        "apcer_by_kind": {
            str(kind): float(taken[kinds == kind].mean()) for kind in np.unique(kinds[attack])
        },
    }
