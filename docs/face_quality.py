"""Measure what each figure of quality says about being matched, and write page and plot.

`python docs/face_quality.py --images DIR`: DIR holds pictures named PERSON_NUMBER.EXT, at least two
of each of at least four people. Limits are chosen by looking at the first half of the people, in
order of name, and reported on the second. It takes some minutes. The same pictures, models and
program give the same page but for its date.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from face_quality_plot import Curve, Panel, draw

from kiosk.i18n import words
from kiosk.i18n.labels import Hint
from models.calibration import shipped
from models.evaluate.degrade import SERIES
from models.evaluate.faces import open_eyes
from models.evaluate.quality import Misses, Tried, kept, misses, try_all
from models.face.backdrop import MAX_MOVING
from models.face.quality import LIVE, PORTRAIT
from tram.parts.measured import Counted, commit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.face.quality import Quality

DOCS: Final = Path(__file__).parent
PAGE: Final = DOCS / "reference" / "face-quality.md"
PLOT: Final = DOCS / "images" / "face-quality.svg"
NET: Final = "mobilefacenet"
NOMINAL_FMR: Final = 1e-4
BINS: Final = 8
MIN_PICTURES: Final = 10
"""In a bin; with fewer a rate says nothing."""
NAMED: Final = re.compile(r"(?P<person>.+)_(?P<number>\d+)\.[A-Za-z]+")

HEAD: Final = """\
# How good a face must be

<!-- Made by docs/face_quality.py from pictures; measured, not written. -->

Before a frame is compared, it passes a gate. Each limit below was placed where worse pictures begin
to cost true matches, or where another step needs it; this page says which, and shows the figures.

Measured {date} at commit {commit},
on {pictures} pictures of {people} people of the set `{folder}`: grey, about {eye_px:.0f} px between
the eyes, looking ahead or a little aside. Every picture is made worse by a known amount and
compared with the {others} untouched other pictures of its person, at the threshold {threshold:.4f}
of the shipped calibration of {net} for a nominal FMR of 1e-4, whose impostors are of the set
`{impostors}`. Its comparisons with the untouched pictures of the others of its half give the FMR,
as false matches of comparisons: a picture that is bad must not be like everybody. **The limits
were chosen on the first {first} people; what is reported is the second {second}.** The people are
few and their pictures share them: the intervals (95 %, exact) take comparisons for independent and
are too narrow.

What this does not show: no picture here was taken by a kiosk's camera. Darkness is a factor without
the noise of a real sensor, blur is round, a mask or lens is one shade, a lamp at one side casts no
shadow. Nobody here wears a headscarf, a beard of length, make-up or a bandage. Pose, expression and
what moves behind were not made worse on purpose: their limits are not from this. Lenses and masks
that let light through cost matches before the gate sees them, as the last two tables show.

![False non-matches by what was measured](../images/face-quality.svg)

Each panel pools all amounts of one series and cuts them by what was measured into {bins} parts of
equal size; a dot is the FNMR of one part. Thin: the people the limits were chosen on. Thick: the
others. Dashed: the limit for a frame.

"""


BACKGROUND: Final = (
    "| `{code}` | share of the background that changed since the last frame | at most {most:g} |"
    " a judgement: it says nothing about one frame's match | {told} |"
)
PORTRAITS: Final = """
These pictures are smaller than a frame's limit for the size. So below, "the gate lets pass" is said
with the {least:g} px between the eyes that a chip's portrait may have, and the other limits as they
are.
"""
WHOLE: Final = (
    "| of the reported people | pictures with a face | FNMR | FMR | the gate lets pass | FNMR of"
    " these | FMR of these |"
)
AT_LIMITS: Final = """
## At each limit

Each series by itself, of the reported people: what lies on the good side of its limit, and what
lies beyond. The other limits are not asked.

| measure | series | limit | within: pictures | FNMR | FMR | beyond: pictures | FNMR | FMR |
|---|---|---|---|---|---|---|---|---|"""
SERIES_HEAD: Final = (
    "| amount | faces found | FNMR, chosen on | FNMR, reported | FMR, reported | the gate lets pass"
    " | FNMR of these | FMR of these |"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit as the page shows it: where it came from, and how it is measured."""

    hint: Hint
    measure: str
    limit: str
    why: str


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


def gates() -> list[Gate]:
    """Return the gate's parts in the order in which they are asked."""
    low, high = LIVE.brightness
    return [
        Gate(Hint.QUALITY_SIZE, "pixels between the eyes", f"at least {LIVE.min_eye_px:g}",
             "mesh and turn need more than matching does, whose FNMR doubles only at 13"),
        Gate(Hint.QUALITY_EXPOSURE, "mean luma, its deviation, share of white pixels",
             f"{low:g} to {high:g}, at least {LIVE.min_contrast:g}, at most {LIVE.max_clipped:g}",
             "FNMR has not doubled there: a real sensor's noise is not in the figures"),
        Gate(Hint.QUALITY_LIGHT, "darker half of the face over the lighter",
             f"at least {LIVE.min_evenness:g}", "FNMR has doubled there"),
        Gate(Hint.QUALITY_SHARPNESS, "blur, 0 to 1", f"at most {LIVE.max_blur:g}",
             "FNMR has doubled there"),
        Gate(Hint.QUALITY_POSE, "yaw, pitch, roll in degrees",
             f"{LIVE.max_yaw_deg:g}, {LIVE.max_pitch_deg:g}, {LIVE.max_roll_deg:g}",
             "a turn is told from looking ahead by it; too few turn here to place it"),
        Gate(Hint.QUALITY_EYES, "contrast of the darker-looking eye",
             f"at least {LIVE.min_eye_contrast:g}",
             "no untouched picture of the first people reads less; dark lenses do"),
        Gate(Hint.QUALITY_MOUTH, "contrast of the mouth, light of the lower face",
             f"at least {LIVE.min_mouth_contrast:g}, {LIVE.min_mouth_light:g}",
             "one untouched picture of the first people reads less; masks do"),
        Gate(Hint.QUALITY_EXPRESSION, "gap of the lips over the width of the mouth",
             f"at most {LIVE.max_mouth_opening:g}", "above a broad smile; not from these figures"),
    ]  # fmt: skip


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


def page(
    chosen: Sequence[Tried],
    reported: Sequence[Tried],
    *,
    threshold: float,
    facts: dict[str, object],
) -> str:
    """Return the page."""
    lines = [HEAD.format(threshold=threshold, net=NET, bins=BINS, **facts), "## The gate\n"]
    lines += ["| asked in this order | measured | limit | why there | the person is told |",
              "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| `{each.hint.value}` | {each.measure} | {each.limit} | {each.why} | {_told(each.hint)} |"
        for each in gates()
    ]
    moving = Hint.QUALITY_BACKGROUND
    lines += [
        BACKGROUND.format(code=moving.value, most=MAX_MOVING, told=_told(moving)),
        PORTRAITS.format(least=PORTRAIT.min_eye_px),
        "## What the gate does\n",
        *_whole(reported, threshold),
        AT_LIMITS,
        *(_at_limit(each, reported, threshold) for each in shown()),
        "\n## By series\n",
    ]
    for name, series in SERIES.items():
        lines += _table(name, series.unit, chosen, reported, threshold)
    return "\n".join(lines) + "\n"


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
    counted = Counted("pictures", sum(map(len, people)))
    half = len(people) // 2
    chosen, reported = (
        try_all(each, eyes, tick=counted.tick) for each in (people[:half], people[half:])
    )
    write(chosen, reported, people, folder=given.images.resolve().name)


def write(
    chosen: Sequence[Tried],
    reported: Sequence[Tried],
    people: Sequence[Sequence[Path]],
    *,
    folder: str,
) -> None:
    """Write page and plot from what was tried on the first half of the people and the second."""
    first = len(people) // 2
    threshold = shipped(NET).score_at(NOMINAL_FMR)
    untouched = [
        each.quality for each in _of([*chosen, *reported], "blur", 0.0) if each.quality is not None
    ]
    facts: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "pictures": sum(map(len, people)),
        "people": len(people),
        "others": len(people[0]) - 1,
        "first": first,
        "second": len(people) - first,
        "folder": folder,
        "impostors": shipped(NET).source.set,
        "eye_px": float(np.median([each.eye_distance_px for each in untouched])),
    }
    PAGE.write_text(page(chosen, reported, threshold=threshold, facts=facts), encoding="utf-8")
    PLOT.write_text(plot(chosen, reported, threshold), encoding="utf-8")


def _whole(reported: Sequence[Tried], threshold: float) -> list[str]:
    untouched = _of(reported, "blur", 0.0)
    rows = [("untouched pictures", untouched), ("all of them, made worse or not", reported)]
    lines = [WHOLE, "|---|---|---|---|---|---|---|"]
    for title, tried in rows:
        all_of, passed = misses(tried, threshold), misses(kept(tried, PORTRAIT), threshold)
        share = passed.pictures / max(all_of.pictures, 1)
        lines.append(
            f"| {title} | {all_of.pictures:,} | {_rate(all_of)} | {_fmr(all_of)} |"
            f" {passed.pictures:,} ({share:.0%}) | {_rate(passed)} | {_fmr(passed)} |"
        )
    refused = [
        each.quality.failure_within(PORTRAIT) for each in untouched if each.quality is not None
    ]
    why = {code: refused.count(code) for code in sorted({each for each in refused if each})}
    named = ", ".join(f"`{code}` {count}" for code, count in why.items()) or "none"
    return [*lines, "", f"Untouched pictures that the gate refuses, by reason: {named}."]


def _table(
    name: str, unit: str, chosen: Sequence[Tried], reported: Sequence[Tried], threshold: float
) -> list[str]:
    lines = [f"### {name}: {unit}\n", SERIES_HEAD, "|---|---|---|---|---|---|---|---|"]
    for amount in SERIES[name].amounts:
        one, two = _of(chosen, name, amount), _of(reported, name, amount)
        first, second = misses(one, threshold), misses(two, threshold)
        passed = misses(kept(two, PORTRAIT), threshold)
        lines.append(
            f"| {amount:g} | {second.pictures} of {len(two)} | {_rate(first)} | {_rate(second)} |"
            f" {_fmr(second)} | {passed.pictures} | {_rate(passed)} | {_fmr(passed)} |"
        )
    return [*lines, ""]


def _at_limit(each: Shown, reported: Sequence[Tried], threshold: float) -> str:
    seen = [(tried, tried.quality) for tried in _of(reported, each.series)]
    sides = [
        misses([tried for tried, found in seen if found and each.passes(found) is good], threshold)
        for good in (True, False)
    ]
    told = " | ".join(f"{side.pictures:,} | {_rate(side)} | {_fmr(side)}" for side in sides)
    return f"| {each.title} | {each.series} | {each.limit:g} | {told} |"


def _fmr(found: Misses) -> str:
    if not found.strangers:
        return "none"
    rate = f" ({found.fmr:.1e})" if found.taken else ""
    return f"{found.taken:,} of {found.strangers:,}{rate}"


def _rate(found: Misses) -> str:
    if not found.comparisons:
        return "none"
    low, high = found.interval
    return f"{100 * found.fnmr:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


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


def _told(hint: Hint) -> str:
    return f"{words('vi').say(hint)}<br>{words('en').say(hint)}"


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(each), "") if each.isdigit() else (-1, each) for each in re.split(r"(\d+)", text)
    )


if __name__ == "__main__":
    main()
