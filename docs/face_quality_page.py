"""The page of how good a face must be: made of what `docs/face_quality.py` kept, and the limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kiosk.i18n import words
from kiosk.i18n.labels import Hint
from models.evaluate.degrade import SERIES
from models.evaluate.quality import Misses
from models.face.backdrop import MAX_MOVING
from models.face.quality import LIVE, PORTRAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT: Final = Path(__file__).parent / "reference" / "measured" / "face" / "quality.json"
HEAD: Final = """\
# How good a face must be

`docs/face_quality.py` measures and keeps what it counted in `docs/reference/measured/face`;
`docs/generate.py` makes this page of it.

Before a frame is compared, it passes a gate. Each limit below was placed where worse pictures begin
to cost true matches, or where another step needs it; this page says which, and shows the figures.

Measured {date}, program {commit},
on {pictures} pictures of {people} people of the set `{set}`: grey, about {eye_px:.0f} px between
the eyes, looking ahead or a little aside. Every picture is made worse by a known amount and
compared with the {others} untouched other pictures of its person, at the threshold {threshold:.4f}
of the shipped calibration `{calibration}` for a nominal FMR of {fmr:g}, whose impostors
are of the set `{impostors}`. Its comparisons with the untouched pictures of the others of its half
give the FMR, as false matches of comparisons: a picture that is bad must not be like everybody.
**The limits were chosen on the first {first} people; what is reported is the second {second}.** The
people are few and their pictures share them: the intervals (95 %, exact) take comparisons for
independent and are too narrow.

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


def render() -> str:
    """Return the page, Markdown."""
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    lines = [HEAD.format_map(found), "## The gate\n"]
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
        *_whole(found),
        AT_LIMITS,
        *map(_at_limit, found["at_limits"]),
        "\n## By series\n",
    ]
    for name, rows in found["by_series"].items():
        lines += _table(name, SERIES[name].unit, rows)
    return "\n".join(lines) + "\n"


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


def _whole(found: dict[str, Any]) -> list[str]:
    titles = {"untouched": "untouched pictures", "all": "all of them, made worse or not"}
    lines = [WHOLE, "|---|---|---|---|---|---|---|"]
    for name, title in titles.items():
        all_of, passed = (Misses(**found[name][which]) for which in ("seen", "kept"))
        share = passed.pictures / max(all_of.pictures, 1)
        lines.append(
            f"| {title} | {all_of.pictures:,} | {_rate(all_of)} | {_fmr(all_of)} |"
            f" {passed.pictures:,} ({share:.0%}) | {_rate(passed)} | {_fmr(passed)} |"
        )
    why = ", ".join(f"`{code}` {count}" for code, count in found["refused"].items()) or "none"
    return [*lines, "", f"Untouched pictures that the gate refuses, by reason: {why}."]


def _table(name: str, unit: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"### {name}: {unit}\n"
    yield SERIES_HEAD
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        first, second, passed = (Misses(**row[each]) for each in ("chosen", "reported", "kept"))
        yield (
            f"| {row['amount']:g} | {second.pictures} of {row['tried']} | {_rate(first)} |"
            f" {_rate(second)} | {_fmr(second)} | {passed.pictures} | {_rate(passed)} |"
            f" {_fmr(passed)} |"
        )
    yield ""


def _at_limit(row: dict[str, Any]) -> str:
    sides = (Misses(**row[side]) for side in ("within", "beyond"))
    told = " | ".join(f"{side.pictures:,} | {_rate(side)} | {_fmr(side)}" for side in sides)
    return f"| {row['title']} | {row['series']} | {row['limit']:g} | {told} |"


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


def _told(hint: Hint) -> str:
    return f"{words('vi').say(hint)}<br>{words('en').say(hint)}"
