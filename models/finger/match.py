"""Compare two fingers by their minutiae: what speaks for one finger, and what against it.

Knows two opinions. The first needs no alignment: cylinders alike, relaxed by the edges between
them (local similarity sort with relaxation). Its best pairs propose motions; the one under which
most minutiae coincide is settled, and the second opinion counts what then lies together, what is
missing where both fingers were seen, and whether ridges end or fork alike. Does not know what a
match is: `models.finger.fusion` weighs the evidence, `models.calibration` knows what scores mean.

A comparison costs the same whatever is in it: at most 100 minutiae a side, matrices of them, no
loop over minutiae.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from models.finger import align
from models.finger.cylinders import DIRECTIONS, likeness, support
from models.finger.edges import agreement, relaxed
from models.finger.prepared import MIN_COMPARED, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.finger.align import Laid

MIN_PAIRS, MAX_PAIRS = 4, 12
"""How many pairs the first opinion averages: fewer where there are fewer minutiae."""
PAIRS_MIDDLE: Final = 20.0
PAIRS_SLOPE: Final = 0.4
MOTIONS: Final = 8
SAME_MOTION: Final = 0.3
"""Pairs that agree so well with a proposal propose nothing of their own."""
HULL_MARGIN_PX: Final = 8.0
LATTICE: Final = 10
ENDINGS: Final = 0.65
"""The share of minutiae that are endings."""
BELIEVED: Final = 0.9
"""Of what the extractor says about ending or fork: it is too sure of itself."""
_EVERY_OTHER: Final = DIRECTIONS[::2]
_PLANE: Final = np.stack([_EVERY_OTHER.real, _EVERY_OTHER.imag])


class Evidence(NamedTuple):
    """What a comparison found.

    Attributes:
        local: the first opinion, 0..1: mean relaxed likeness of the best pairs.
        together: how many minutiae coincide, each by quality and closeness.
        missing: how much quality lies, on the mean of both sides, where both fingers were seen but
            on no minutia of the other.
        edges: how many edges agree among those that coincide, by their cylinders' likeness.
        area_px2: of the region where both fingers were seen.
        kinds: natural log-likelihood ratio of ending and fork in those that coincide.
    """

    local: float
    together: float
    missing: float
    edges: float
    area_px2: float
    kinds: float


NOTHING: Final = Evidence(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Of a comparison where there is nothing to compare."""


class _Pairs(NamedTuple):
    mine: NDArray[np.intp]
    theirs: NDArray[np.intp]
    agreeing: NDArray[np.float64]
    relaxed: NDArray[np.float64]


def compare(a: Prepared, b: Prepared) -> Evidence:
    """Compare two fingers; which is named first makes no difference."""
    if a.rank > b.rank:
        a, b = b, a
    return overlay(a, b)[1]


def overlay(a: Prepared, b: Prepared) -> tuple[Laid | None, Evidence]:
    """Lay one finger over another, and return what that shows; None where nothing can be laid.

    Args:
        a: is turned, moved and bent.
        b: stays.
    """
    if a.cylinders is None or b.cylinders is None:
        return None, NOTHING
    alike = likeness(a.cylinders, b.cylinders)
    pairs, local = _first_opinion(a, b, alike)
    if pairs is None:
        return None, NOTHING
    laid = _laid(a, b, pairs)
    return laid, _second_opinion(a, b, laid, alike, local=local)


def _first_opinion(
    a: Prepared, b: Prepared, alike: NDArray[np.float32]
) -> tuple[_Pairs | None, float]:
    """Return the most alike pairs, relaxed, and the mean of the best of them."""
    fewer = min(len(a), len(b))
    flat = np.argpartition(-alike.ravel(), fewer - 1)[:fewer]
    flat = np.sort(flat[alike.ravel()[flat] > 0])
    if len(flat) < MIN_COMPARED:
        return None, 0.0
    mine, theirs = np.divmod(flat, len(b))
    alone = alike[mine, theirs].astype(np.float64)
    agreeing = agreement(a.place[mine], a.angle[mine], b.place[theirs], b.angle[theirs])
    together = relaxed(alone, agreeing)
    share = 1 / (1 + np.exp(-PAIRS_SLOPE * (fewer - PAIRS_MIDDLE)))
    count = MIN_PAIRS + round(share * (MAX_PAIRS - MIN_PAIRS))
    best = np.argsort(-together / alone, kind="stable")[:count]
    return _Pairs(mine, theirs, agreeing, together), float(together[best].sum() / count)


def _laid(a: Prepared, b: Prepared, pairs: _Pairs) -> Laid:
    """Lay a over b by the best of the motions that pairs propose."""
    left, seeds = pairs.relaxed.copy(), []
    for _ in range(MOTIONS):
        seed = int(left.argmax())
        if left[seed] <= 0:
            break
        seeds.append(seed)
        left[pairs.agreeing[seed] > SAME_MOTION] = 0
        left[seed] = 0
    weights = pairs.agreeing[seeds] * pairs.relaxed
    weights[np.arange(len(seeds)), seeds] = pairs.relaxed[seeds]
    turn, move = align.motions(
        a.place[pairs.mine], a.angle[pairs.mine], b.place[pairs.theirs], b.angle[pairs.theirs],
        weights,
    )  # fmt: skip
    places, angles = turn * a.place + move, a.angle + np.angle(turn)
    far = align.apart(places, angles, b.place, b.angle)
    near_a = np.maximum(align.FAR_AT_FIRST - far.min(axis=2), 0) @ a.quality
    near_b = np.maximum(align.FAR_AT_FIRST - far.min(axis=1), 0) @ b.quality
    best = int((near_a + near_b).argmax())
    return align.settle(places[best], angles[best], a.quality, b.place, b.angle, b.quality)


def _second_opinion(
    a: Prepared, b: Prepared, laid: Laid, alike: NDArray[np.float32], *, local: float
) -> Evidence:
    mine, theirs = laid.mine, laid.theirs
    reach_a, reach_b = support(laid.place, _EVERY_OTHER), support(b.place, _EVERY_OTHER)
    missing_a = _inside(laid.place, reach_b + HULL_MARGIN_PX)
    missing_b = _inside(b.place, reach_a + HULL_MARGIN_PX)
    missing_a[mine] = missing_b[theirs] = False
    quality = np.sqrt(a.quality[mine] * b.quality[theirs])
    agreeing = agreement(a.place[mine], a.angle[mine], b.place[theirs], b.angle[theirs])
    by_likeness = alike[mine, theirs].astype(np.float64)
    return Evidence(
        local=local,
        together=float(quality @ np.exp(-laid.apart / 2)),
        missing=float(a.quality @ missing_a + b.quality @ missing_b) / 2,
        edges=float(by_likeness @ agreeing @ by_likeness),
        area_px2=_shared_area(laid.place, b.place, np.minimum(reach_a, reach_b)),
        kinds=float(quality @ _kinds(a.ending[mine], b.ending[theirs])),
    )


def _kinds(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-likelihood ratios: both end or both fork, against chance."""
    a, b = 0.5 + BELIEVED * (a - 0.5), 0.5 + BELIEVED * (b - 0.5)
    found: NDArray[np.float64] = np.log(a * b / ENDINGS + (1 - a) * (1 - b) / (1 - ENDINGS))
    return found


def _inside(place: NDArray[np.complex128], reach: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (N,): which places a hull holds."""
    found: NDArray[np.bool_] = (np.stack([place.real, place.imag], axis=1) @ _PLANE <= reach).all(
        axis=1
    )
    return found


def _shared_area(
    a: NDArray[np.complex128], b: NDArray[np.complex128], reach: NDArray[np.float64]
) -> float:
    """Return the area, in square pixels, that lies in the hulls of both, by a lattice."""
    left, low = max(a.real.min(), b.real.min()), max(a.imag.min(), b.imag.min())
    right, high = min(a.real.max(), b.real.max()), min(a.imag.max(), b.imag.max())
    if not (right > left and high > low):
        return 0.0
    steps = (np.arange(LATTICE) + 0.5) / LATTICE
    lattice = (left + steps * (right - left))[:, None] + 1j * (low + steps * (high - low))
    return float(_inside(lattice.ravel(), reach).mean() * (right - left) * (high - low))
