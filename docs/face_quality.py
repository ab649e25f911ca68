"""Measure what each figure of quality says about being matched; keep what was counted, and a plot.

`python docs/face_quality.py --images DIR`: DIR holds pictures named PERSON_NUMBER.EXT, at least two
of each of at least four people. Limits are chosen by looking at the first half of the people, in
order of name, and reported on the second. It takes a quarter of an hour. The same pictures, models
and program give the same counts. `docs/generate.py` makes the page of them.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from face_quality_plot import Curve, Panel, draw

from models.calibration import find
from models.evaluate.degrade import SERIES
from models.evaluate.faces import open_eyes
from models.evaluate.quality import Tried, kept, misses, try_all
from models.face.quality import LIVE, PORTRAIT
from tram.parts.measured import Counted, commit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.face.quality import Quality

DOCS: Final = Path(__file__).parent
KEPT: Final = DOCS / "reference" / "measured" / "face" / "quality.json"
PLOT: Final = DOCS / "images" / "face-quality.svg"
NET: Final = "mobilefacenet"
NOMINAL_FMR: Final = 1e-4
BINS: Final = 8
MIN_PICTURES: Final = 10
"""In a bin; with fewer a rate says nothing."""
NAMED: Final = re.compile(r"(?P<person>.+)_(?P<number>\d+)\.[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A series, and what is plotted of it."""

    title: str
    series: str
    value: Callable[[Quality], float]
    limit: float
    at_most: bool = False

    def passes(self, quality: Quality) -> bool:
        """Whether a picture lies on the good side of the limit."""
        value = self.value(quality)
        return value <= self.limit if self.at_most else value >= self.limit


def shown() -> list[Shown]:
    """Return the panels of the plot."""
    return [
        Shown("blur", "blur", lambda each: each.light.blur, LIVE.max_blur, at_most=True),
        Shown("mean luma, darkened", "dark", lambda each: each.light.brightness,
              LIVE.brightness[0]),
        Shown("share of white, in glare", "glare", lambda each: each.light.clipped,
              LIVE.max_clipped, at_most=True),
        Shown("evenness, lamp at one side", "side", lambda each: each.light.evenness,
              LIVE.min_evenness),
        Shown("px between the eyes", "far", lambda each: each.eye_distance_px, LIVE.min_eye_px),
        Shown("contrast of the eyes", "eyes", lambda each: each.light.eye_contrast,
              LIVE.min_eye_contrast),
        Shown("contrast of the mouth", "mouth", lambda each: each.light.mouth_contrast,
              LIVE.min_mouth_contrast),
    ]  # fmt: skip


def people_of(folder: Path) -> list[list[Path]]:
    """Return the pictures of each person, both in order of name; numbers count as numbers."""
    named = [(NAMED.fullmatch(path.name), path) for path in folder.iterdir()]
    found = sorted(
        (_natural(match["person"]), int(match["number"]), path) for match, path in named if match
    )
    return [[each[2] for each in group] for _, group in groupby(found, key=lambda each: each[0])]


def counted(chosen: Sequence[Tried], reported: Sequence[Tried], threshold: float) -> dict[str, Any]:
    """Return what the page tells, as counts: of all, at each limit and by series."""
    untouched = _of(reported, "blur", 0.0)
    refused = [
        each.quality.failure_within(PORTRAIT) for each in untouched if each.quality is not None
    ]
    return {
        "limits": asdict(PORTRAIT),
        "untouched": _seen_and_kept(untouched, threshold),
        "all": _seen_and_kept(reported, threshold),
        "refused": {
            code: refused.count(code) for code in sorted({each for each in refused if each})
        },
        "at_limits": [_at_limit(each, reported, threshold) for each in shown()],
        "by_series": {
            name: [_row(name, amount, chosen, reported, threshold) for amount in series.amounts]
            for name, series in SERIES.items()
        },
    }


def plot(chosen: Sequence[Tried], reported: Sequence[Tried], threshold: float) -> str:
    """Return the plot, an SVG."""
    panels = []
    for each in shown():
        curves = [
            Curve(_binned(_of(tried, each.series), each.value, threshold), thick=thick)
            for tried, thick in ((chosen, False), (reported, True))
        ]
        panels.append(Panel(each.title, tuple(curves), (each.limit,)))
    return draw(panels)


def main() -> None:
    """Measure, and write both files."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--images", type=Path, required=True)
    options.add_argument("--models", type=Path, default=Path("build/models"))
    given = options.parse_args()
    people = people_of(given.images)
    eyes = open_eyes(given.models, NET)
    told = Counted("pictures", sum(map(len, people)))
    half = len(people) // 2
    chosen, reported = (
        try_all(each, eyes, tick=told.tick) for each in (people[:half], people[half:])
    )
    write(chosen, reported, people, folder=given.images.resolve().name)


def write(
    chosen: Sequence[Tried],
    reported: Sequence[Tried],
    people: Sequence[Sequence[Path]],
    *,
    folder: str,
) -> None:
    """Write counts and plot from what was tried on the first half of the people and the second."""
    first = len(people) // 2
    # Among no model files lies no calibration of a site's own.
    used = find(DOCS, NET)
    threshold = used.calibration.score_at(NOMINAL_FMR)
    untouched = [
        each.quality for each in _of([*chosen, *reported], "blur", 0.0) if each.quality is not None
    ]
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "set": folder,
        "pictures": sum(map(len, people)),
        "people": len(people),
        "others": len(people[0]) - 1,
        "first": first,
        "second": len(people) - first,
        "eye_px": float(np.median([each.eye_distance_px for each in untouched])),
        "calibration": used.id,
        "fmr": NOMINAL_FMR,
        "threshold": threshold,
        "impostors": used.calibration.source.set,
        "bins": BINS,
    }
    whole = {**facts, **counted(chosen, reported, threshold)}
    KEPT.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    PLOT.write_text(plot(chosen, reported, threshold), encoding="utf-8")


def _seen_and_kept(tried: Sequence[Tried], threshold: float) -> dict[str, dict[str, int]]:
    return {
        "seen": misses(tried, threshold)._asdict(),
        "kept": misses(kept(tried, PORTRAIT), threshold)._asdict(),
    }


def _row(
    name: str, amount: float, chosen: Sequence[Tried], reported: Sequence[Tried], threshold: float
) -> dict[str, Any]:
    one, two = _of(chosen, name, amount), _of(reported, name, amount)
    return {
        "amount": amount,
        "tried": len(two),
        "chosen": misses(one, threshold)._asdict(),
        "reported": misses(two, threshold)._asdict(),
        "kept": misses(kept(two, PORTRAIT), threshold)._asdict(),
    }


def _at_limit(each: Shown, reported: Sequence[Tried], threshold: float) -> dict[str, Any]:
    seen = [(tried, tried.quality) for tried in _of(reported, each.series)]
    within, beyond = (
        misses([tried for tried, found in seen if found and each.passes(found) is good], threshold)
        for good in (True, False)
    )
    return {
        "title": each.title,
        "series": each.series,
        "limit": each.limit,
        "within": within._asdict(),
        "beyond": beyond._asdict(),
    }


def _of(tried: Sequence[Tried], series: str, amount: float | None = None) -> list[Tried]:
    return [each for each in tried if each.series == series and amount in {None, each.amount}]


def _binned(
    tried: Sequence[Tried], value: Callable[[Quality], float], threshold: float
) -> tuple[tuple[float, float], ...]:
    """Return the median measure and the FNMR of parts of equal size, by what was measured."""
    seen = sorted(
        ((value(each.quality), each) for each in tried if each.quality is not None),
        key=lambda pair: pair[0],
    )
    points = []
    for part in np.array_split(np.arange(len(seen)), BINS):
        if len(part) >= MIN_PICTURES:
            inside = [seen[place] for place in part]
            middle = float(np.median([each[0] for each in inside]))
            points.append((middle, misses([each[1] for each in inside], threshold).fnmr))
    return tuple(points)


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(each), "") if each.isdigit() else (-1, each) for each in re.split(r"(\d+)", text)
    )


if __name__ == "__main__":
    main()
