"""Error rates of a comparison, from scores of genuine and impostor comparisons.

Knows the terms of [19795-1]: the false match rate (FMR) is the share of impostor comparisons whose
score reaches the threshold, the false non-match rate (FNMR) that of genuine comparisons whose score
does not. Does not know what was compared, nor by whom. Failures to acquire are outside of both
rates: whoever counted them tells them beside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING: Final = 1e-12
"""Of a rate that was divided, against a rate that was asked for."""


class RatesError(ValueError):
    """There are no rates to be had: no genuine or no impostor scores, or one is no number."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each score stands among all distinct scores: sorted once, weighed often.

    Attributes:
        thresholds: (M,) float64, rising: each distinct score.
        genuine: (G,) intp: the place of each genuine score in `thresholds`.
        impostor: (I,) intp, likewise.
    """

    thresholds: NDArray[np.float64] = field(repr=False)
    genuine: NDArray[np.intp] = field(repr=False)
    impostor: NDArray[np.intp] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Both rates at every threshold that makes a difference.

    Attributes:
        thresholds: (M + 1,) float64, rising: each distinct score, and infinity. A comparison
            matches where its score is at least the threshold.
        fmr: (M + 1,) float64, falling, 1 to 0.
        fnmr: (M + 1,) float64, rising, 0 to 1.
    """

    thresholds: NDArray[np.float64] = field(repr=False)
    fmr: NDArray[np.float64] = field(repr=False)
    fnmr: NDArray[np.float64] = field(repr=False)

    def at(self, threshold: float) -> tuple[float, float]:
        """Return FMR and FNMR at a threshold."""
        place = int(np.searchsorted(self.thresholds, threshold, side="left"))
        return float(self.fmr[place]), float(self.fnmr[place])

    def place_at_fmr(self, fmr: float) -> int:
        """Return the place of the lowest threshold whose FMR is at most the given one, 0..1."""
        return int(np.argmax(self.fmr <= fmr * (1 + ROUNDING)))

    def fnmr_at_fmr(self, fmr: float) -> float:
        """Return the FNMR at that threshold."""
        return float(self.fnmr[self.place_at_fmr(fmr)])

    @property
    def eer(self) -> float:
        """The rate where both are equal; between two thresholds, on the line that joins them."""
        gap = self.fnmr - self.fmr
        after = int(np.argmax(gap >= 0))
        if gap[after] == 0:
            return float(self.fnmr[after])
        before = after - 1
        share = -gap[before] / (gap[after] - gap[before])
        return float(self.fnmr[before] + share * (self.fnmr[after] - self.fnmr[before]))

    @property
    def auc(self) -> float:
        """How often a genuine score lies above an impostor score; a tie counts half."""
        matched = 1 - self.fnmr
        return float(((self.fmr[:-1] - self.fmr[1:]) * (matched[:-1] + matched[1:]) / 2).sum())

    def det(self, points: int) -> list[tuple[float, float, float]]:
        """Return at most so many corners of the DET curve: (threshold, FMR, FNMR).

        Below a corner only the FMR is higher, above it only the FNMR. The thresholds rise; infinity
        is left out.
        """
        steps = np.flatnonzero(np.diff(self.fmr, prepend=2.0) * np.diff(self.fnmr, append=2.0))
        steps = steps[np.isfinite(self.thresholds[steps])]
        chosen = steps[
            np.unique(np.linspace(0, len(steps) - 1, min(points, len(steps)), dtype=int))
        ]
        return [
            (float(self.thresholds[each]), float(self.fmr[each]), float(self.fnmr[each]))
            for each in chosen
        ]


def places(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> Places:
    """Sort the scores.

    Args:
        genuine: (G,), of two pictures of one person; higher is more alike.
        impostor: (I,), of two people.

    Raises:
        RatesError: one of both is empty, or has what is no finite number.
    """
    both = np.concatenate([genuine, impostor]).astype(np.float64)
    if not (len(genuine) and len(impostor)):
        raise RatesError("no genuine or no impostor comparison")
    if not np.isfinite(both).all():
        raise RatesError("a score is no finite number")
    thresholds, where = np.unique(both, return_inverse=True)
    return Places(thresholds, where[: len(genuine)], where[len(genuine) :])


def curve(
    found: Places,
    *,
    genuine_weights: NDArray[np.float64] | None = None,
    impostor_weights: NDArray[np.float64] | None = None,
) -> Curve:
    """Return the rates at every threshold.

    Args:
        found: the sorted scores.
        genuine_weights: (G,), how often each counts; None: once.
        impostor_weights: (I,), likewise.

    Raises:
        RatesError: all weights of one kind are 0.
    """
    steps = len(found.thresholds)
    genuine = np.bincount(found.genuine, genuine_weights, steps).astype(np.float64)
    impostor = np.bincount(found.impostor, impostor_weights, steps).astype(np.float64)
    missed = np.concatenate([[0.0], genuine.cumsum()])
    refused = np.concatenate([[0.0], impostor.cumsum()])
    if not (missed[-1] > 0 and refused[-1] > 0):
        raise RatesError("nothing has weight")
    return Curve(
        thresholds=np.append(found.thresholds, np.inf),
        fmr=(refused[-1] - refused) / refused[-1],
        fnmr=missed / missed[-1],
    )


def curve_of(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> Curve:
    """Return the rates of two arrays of scores. Raises RatesError."""
    return curve(places(genuine, impostor))
