"""The report of a verification test: every figure with its counts and its interval.

Knows scores, subjects and a calibration. Intervals join two: the exact one, which takes comparisons
for independent, and the bootstrap by subject, which does not but is blind where no error was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from models.evaluate import fit, intervals, rates
from models.evaluate.intervals import Interval, clopper_pearson
from models.face.decide import judged_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.calibration import Calibration
    from models.evaluate.faces import Scored
    from models.evaluate.rates import Curve, Places

FMR_TARGETS: Final = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
NOMINAL: Final = {"1e-3": 1e-3, "1e-4": 1e-4, "1e-5": 1e-5}
DRAWS: Final = 400
SEED: Final = 19795


class Lost(NamedTuple):
    """Comparisons that could not be made, because a picture showed no face.

    Attributes:
        genuine: of one person: a kiosk that cannot see somebody turns him away as well.
        impostor: of two.
    """

    genuine: int
    impostor: int


NONE_LOST: Final = Lost(0, 0)


def report(
    scored: Scored, calibration: Calibration | None, *, lost: Lost = NONE_LOST
) -> dict[str, Any]:
    """Return counts, rates and intervals.

    Args:
        scored: the comparisons; of several frames, the mean is swept for the curve, and at a
            calibration's thresholds they are judged as the kiosk judges them.
        calibration: whose thresholds are put to the test; None: none is.
        lost: what is missing among the comparisons: it is in no rate but the generalised ones, for
            which it does not match.

    Raises:
        RatesError: there are no genuine or no impostor comparisons.
    """
    mean, same = scored.scores.mean(axis=1), scored.same
    found = rates.places(mean[same], mean[~same])
    curve = rates.curve(found)
    fixed = {} if calibration is None else _at_thresholds(scored, calibration)
    draws = _draws(scored, found, fixed)
    genuine, impostor = int(same.sum()), int((~same).sum())
    return {
        "genuine": genuine,
        "impostor": impostor,
        "subjects": len(np.union1d(scored.a, scored.b)),
        "lost": {"genuine": lost.genuine, "impostor": lost.impostor},
        "auc": curve.auc,
        "eer": curve.eer,
        "fnmr_at_fmr": {name: curve.fnmr_at_fmr(fmr) for name, fmr in FMR_TARGETS.items()},
        "unresolved": [name for name, fmr in FMR_TARGETS.items() if fmr * impostor < 1],
        "fmr_at_threshold": {
            name: {
                "threshold": None if calibration is None else calibration.score_at(NOMINAL[name]),
                "fmr": float(matched[~same].mean()),
                "fnmr": float((~matched[same]).mean()),
                "false_matches": int(matched[~same].sum()),
                "false_non_matches": int((~matched[same]).sum()),
                "generalised_fmr": float(matched[~same].sum() / (impostor + lost.impostor)),
                "generalised_fnmr": float(
                    ((~matched[same]).sum() + lost.genuine) / (genuine + lost.genuine)
                ),
            }
            for name, matched in fixed.items()
        },
        "ci95": _intervals(curve, draws, fixed, same),
    }


def cost_of(scored: Scored, calibration: Calibration) -> float:
    """Return C_llr of the comparisons, in bits, by the mean score of each."""
    llr = np.array([calibration.llr(float(each)) for each in scored.scores.mean(axis=1)])
    return fit.cost(llr[scored.same], llr[~scored.same])


def curve_of(scored: Scored) -> Curve:
    """Return the rates by the mean score. Raises RatesError."""
    mean = scored.scores.mean(axis=1)
    return rates.curve_of(mean[scored.same], mean[~scored.same])


def _at_thresholds(scored: Scored, calibration: Calibration) -> dict[str, NDArray[np.bool_]]:
    """Return which comparisons match at each nominal rate that the calibration has."""
    known = {each.fmr for each in calibration.thresholds}
    judged = judged_together(scored.scores, calibration=calibration)
    return {
        name: judged >= calibration.score_at(fmr) for name, fmr in NOMINAL.items() if fmr in known
    }


class _Draws:
    """What the bootstrap found: one value of each figure a draw."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def interval(self, name: str, at_least: Interval) -> list[float]:
        """Return the bootstrap's interval joined with another."""
        drawn = self.values.get(name)
        joined = at_least
        if drawn:
            joined = at_least.joined(intervals.percentiles(np.array(drawn)))
        return [joined.low, joined.high]


def _draws(scored: Scored, found: Places, fixed: dict[str, NDArray[np.bool_]]) -> _Draws:
    """Draw the subjects anew, and weigh each comparison by how often its two were drawn."""
    draws, same = _Draws(), scored.same
    numbers = np.unique(np.concatenate([scored.a, scored.b]), return_inverse=True)[1]
    a, b = numbers[: len(scored.a)], numbers[len(scored.a) :]
    randomness = np.random.default_rng(SEED)
    for counts in intervals.subject_draws(
        int(numbers.max()) + 1, times=DRAWS, randomness=randomness
    ):
        genuine, impostor = counts[a[same]], (counts[a] * counts[b])[~same]
        if not (genuine.any() and impostor.any()):
            continue
        curve = rates.curve(found, genuine_weights=genuine, impostor_weights=impostor)
        draws.add("auc", curve.auc)
        draws.add("eer", curve.eer)
        for name, fmr in FMR_TARGETS.items():
            draws.add(f"fnmr_at_fmr {name}", curve.fnmr_at_fmr(fmr))
        for name, matched in fixed.items():
            draws.add(f"fmr {name}", float(np.average(matched[~same], weights=impostor)))
            draws.add(f"fnmr {name}", float(np.average(~matched[same], weights=genuine)))
    return draws


def _intervals(
    curve: Curve, draws: _Draws, fixed: dict[str, NDArray[np.bool_]], same: NDArray[np.bool_]
) -> dict[str, Any]:
    genuine, impostor = int(same.sum()), int((~same).sum())

    def of_genuine(rate: float) -> Interval:
        return clopper_pearson(round(rate * genuine), genuine)

    return {
        "auc": draws.interval("auc", Interval(curve.auc, curve.auc)),
        "eer": draws.interval("eer", of_genuine(curve.eer)),
        "fnmr_at_fmr": {
            name: draws.interval(f"fnmr_at_fmr {name}", of_genuine(curve.fnmr_at_fmr(fmr)))
            for name, fmr in FMR_TARGETS.items()
        },
        "fmr_at_threshold": {
            name: {
                "fmr": draws.interval(
                    f"fmr {name}", clopper_pearson(int(matched[~same].sum()), impostor)
                ),
                "fnmr": draws.interval(
                    f"fnmr {name}", clopper_pearson(int((~matched[same]).sum()), genuine)
                ),
            }
            for name, matched in fixed.items()
        },
    }
