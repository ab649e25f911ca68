"""The report of a fingerprint test: `models.evaluate.verification`'s, and what FVC reports.

Knows scores, protocols and the terms of the fingerprint verification competitions: FMR100 is the
lowest FNMR where at most 1 in 100 impostors match, FMR1000 where 1 in 1000 do, ZeroFMR where none
does. FVC's equal error rate is a rule for few comparisons: between the two thresholds around
the crossing, the one whose rates are lower counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.evaluate import verification
from models.evaluate.faces import Scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.calibration import Calibration
    from models.evaluate.rates import Curve

FVC: Final = {"fmr100": 1e-2, "fmr1000": 1e-3, "zero_fmr": 0.0}


def report(
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
    fingers: tuple[NDArray[np.intp], NDArray[np.intp]],
    *,
    fvc: NDArray[np.bool_] | None,
    calibration: Calibration | None,
    by_fvc: bool,
) -> dict[str, Any]:
    """Return counts, rates and intervals.

    Args:
        scores: (K,) of all comparisons.
        same: (K,).
        fingers: (K,) each: which finger either side shows.
        fvc: (K,): which comparisons are of the FVC protocol; None: nobody can say.
        calibration: whose thresholds are put to the test; None: none is.
        by_fvc: whether counts, AUC, EER, FMR100, FMR1000 and ZeroFMR are of the FVC protocol's
            comparisons; FNMR at a FMR, and what is at thresholds, are of all in any case.

    Raises:
        RatesError: there are no genuine or no impostor comparisons.
    """
    everything = _scored(scores, same, fingers, np.ones_like(same))
    whole = verification.report(everything, calibration)
    curve = verification.curve_of(everything)
    if fvc is None:
        return whole | {"eer_fvc": None} | _of_fvc(curve)
    few = _scored(scores, same, fingers, fvc)
    by_rule = verification.report(few, None)
    whole["all_pairs"] = {"genuine": whole["genuine"], "impostor": whole["impostor"]}
    whole["ci95"]["eer_fvc"] = by_rule["ci95"]["eer"]
    if by_fvc:
        curve = verification.curve_of(few)
        whole |= {name: by_rule[name] for name in ("genuine", "impostor", "auc", "eer")}
        whole["ci95"] |= {name: by_rule["ci95"][name] for name in ("auc", "eer")}
    return whole | {"eer_fvc": eer_by_rule(verification.curve_of(few))} | _of_fvc(curve)


def eer_by_rule(curve: Curve) -> float:
    """Return the equal error rate as the competitions define it, without interpolation."""
    above = int(np.argmax(curve.fnmr >= curve.fmr))
    below = int(np.flatnonzero(curve.fnmr <= curve.fmr)[-1])
    return min(float(curve.fmr[place] + curve.fnmr[place]) for place in (below, above)) / 2


def _of_fvc(curve: Curve) -> dict[str, float]:
    return {name: curve.fnmr_at_fmr(fmr) for name, fmr in FVC.items()}


def _scored(
    scores: NDArray[np.float64],
    same: NDArray[np.bool_],
    fingers: tuple[NDArray[np.intp], NDArray[np.intp]],
    chosen: NDArray[np.bool_],
) -> Scored:
    return Scored(scores[chosen, None], same[chosen], fingers[0][chosen], fingers[1][chosen])
