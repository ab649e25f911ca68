"""The page of the finger lane's accuracy: made of the reports `docs/measure_finger.py` kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from models.calibration import shipped
from models.evaluate.finger_quality import BINS
from models.finger import fusion

REPORTS: Final = Path(__file__).parent / "reference" / "measured" / "finger"
OTHERWISE: Final = {"whole": "whole reference", "again": "another chance"}
SETS: Final = ("DB1_B", "DB2_B", "DB3_B", "DB4_B")
HEAD: Final = """\
# How often the finger lane is wrong

`docs/measure_finger.py` fits, measures and keeps the reports in `docs/reference/measured/finger`;
`docs/generate.py` makes this page of them. Terms are those of ISO/IEC 19795-1: FMR is the share of
comparisons of two fingers that match, FNMR that of one finger that do not. In brackets stands the
95 % interval: the exact one joined with a bootstrap by finger. A picture of which nothing can be
extracted matches nobody: it is in the rates.

The sets are FVC2002's B sets: 10 fingers each, 8 impressions, three sensors and one synthetic set
(DB4). By FVC's protocol a set has 280 genuine and 45 impostor comparisons; FNMR at a FMR is of all
280 and 2,880, so that one error is .36 %. "EER (FVC)" is by the competitions' own rule.

Weights and thresholds were fitted on DB1 and DB2 and reported on DB3 and DB4, then the reverse.
What is no number and was chosen by hand in sight of all four - the matcher's structure, its
tolerances, the lowest quality of a minutia, how several touches count - flatters all figures a
little. A set that was never looked at is the better witness.
"""
MODULE: Final = """\
## As a small module would see them

Simulated from the same pictures: a window about the middle of the finger (not of the picture: who
uses a module lays the finger on it), 4 bits a pixel. The window serves both sides; with several
touches the reference is enrolled with as many, and the mean of the two most alike and of what the
touches of either side make joined counts. 256 by 288 is laid on in the middle, 192 by 192 up
to 40 pixels (2 mm) off it across and down, each touch by chance of its own. "whole reference": only
the live side is the module's, as where the reference is a chip's picture. Touches of one impression
share its skin: real touches differ more.

The middle is that of each picture, and in these sets a finger lies now on its tip, now further
down: windows of two pictures can lie so far apart that what both show has a handful of minutiae, if
any. On DB1 and DB2 most errors of three touches are of this kind, and no comparison of minutiae can
mend them. The rule for several touches was chosen in sight of all four sets; "another chance" is
the same with other places of the windows: what lies between the two is chance.

Each threshold is the highest of those that the ways ask for in which a kiosk decides: whole
pictures, one touch in a window of 256 by 288, two or three in one of 192 by 192. By one touch of
the latter others match more often than the rate says; a kiosk accepts nobody by it.
"""
PAIRS: Final = """\
## Two fingers

As a kiosk decides at {fmr:g}: the log-likelihood ratios of two fingers are added, and one of them
alone must match at ten times the rate. Each two fingers of a set that follow each other stand for a
person of whom nobody knows whether they are; people are five a set.
"""
TEMPLATES: Final = """\
## Templates of another extractor

The sets come with a record of ISO/IEC 19794-2:2005 for each picture, by an extractor that names no
qualities. Their headers say 300 by 400 pixels at 500 dpi of every sensor: the pictures were
stretched to that before, which is undone here. *templates*: both sides are such records.
*crossed*: the reference is one, the live side the program's own minutiae. Weights are those fitted
on the other two sets, to the program's own.
"""
GATE: Final = """\
## The gate

The chance that a touch matches another one of its finger, fitted on the two sets that the weights
were fitted on, reported on the others: pictures as they are and through both windows, one touch
each. A comparison passes where its score is one that an impostor pair in a thousand reached on the
sets of the fit. Every touch counts once for each comparison it was in.
"""
GATE_LEFT: Final = """\
Asked again would be for touches whose chance is below {least:g}; the last column is of comparisons
neither of whose touches was.
"""
RANKS: Final = """\
How alike pictures rank, by Spearman's correlation, among those of a set that NFIQ 2 rates: by the
gate, by NFIQ 2 (nbis-py), and by the mean score with the finger's other pictures, which both would
foretell.
"""
WORSE: Final = """\
## Made worse on purpose

Both sides of each comparison, each by chance of its own. *strained*: turned by some degrees, skin
stretched by 2 to 7 pixels and twisted, dry or wet patches, blurred, pale, noisy, scratched. *part*:
as badly worn, turned by up to 60 degrees, a piece of 260 by 300 pixels up to 50 and 60 off the
middle. These ways, and one touch of either module, are among those that the weights were fitted in,
on the other two sets.
"""
SHIPPED: Final = """\
## What the program comes with

Fitted on all four sets: these rates are **in sample** and prove nothing about other fingers.
`tram models evaluate finger` refuses to measure on these pictures without `--in-sample`.

"""
TAIL: Final = """
## What this does not show

- 40 fingers. No error among 40 fingers leaves up to 7 % of fingers that have trouble. Who they
  belong to is not known: nothing is said by age, sex, work or skin; none is known to be Vietnamese.
- No picture is from a kiosk's module, from a chip or from an enrolment years old.
- 1e-4 and 1e-5 are extrapolated: the tail beyond the highest impostor scores is taken to fall off
  exponentially. Cross pairs share fingers and are not independent.
- LEADER's training pictures are not known. If FVC's are among them, everything here is too good.
- Nothing is claimed about fingers of gelatine or paper. A touch that nearly equals an earlier one
  is refused as played again: from .7 of the minutiae on that coincide to a pixel, and ten. Counted
  once by hand, on 2026-11-25: of 1,120 pairs of touches of one finger none had more than .50, in
  windows of 192 by 192 one had .75 of 8 minutiae and no other more than .57; of recordings that
  were cut anew and brought to 4 bits one in seven was noticed.
"""


def render() -> str:
    """Return the page, Markdown."""
    reports = {path.stem: json.loads(path.read_text()) for path in sorted(REPORTS.glob("*.json"))}
    if not reports:
        return HEAD

    def of(*ways: str) -> dict[str, Any]:
        return {name: each for name, each in reports.items() if name.partition("-")[2] in ways}

    plain, own, gate, two = of("plain"), of("shipped"), of("gate"), of("pairs")
    other, worse = of("templates", "crossed"), of("strained", "part")
    told = {*plain, *own, *gate, *two, *other, *worse}
    module = {name: each for name, each in reports.items() if name not in told}
    parts = [HEAD, "\n## On sets that were not fitted on\n\n", _curve_table(plain), "\n"]
    parts += [_threshold_table(plain), "\n", MODULE, "\n", _curve_table(module), "\n"]
    parts += [_threshold_table(module, ("1e-3",)), "\n"]
    parts += [_two(list(two.values()))]
    parts += [WORSE, "\n", _curve_table(worse), "\n", TEMPLATES, "\n", _curve_table(other), "\n"]
    parts += [_gate(list(gate.values())), SHIPPED]
    parts += [_curve_table(own), "\n", _threshold_table(own), "\n", _numbers(), TAIL]
    return "".join(parts)


def _two(reports: list[dict[str, Any]]) -> str:
    if not reports:
        return ""
    rows = [
        "| set | way | misses with one | misses with two | false matches with two |",
        "|---|---|---|---|---|",
    ]
    for each in reports:
        for way, of in each["ways"].items():
            one, two = (of[name] / of["genuine"] for name in ("missed_one", "missed_two"))
            rows.append(
                f"| {each['set']} | {way} | {of['missed_one']} of "
                f"{of['genuine']}, {one:.1%} | {of['missed_two']}, {two:.1%} | "
                f"{of['passed_two']} of {of['impostor']:,} |"
            )
    return "\n".join([PAIRS.format(fmr=reports[0]["fmr"]), *rows]) + "\n\n"


def _gate(reports: list[dict[str, Any]]) -> str:
    if not reports:
        return ""
    rows = ["| set | fitted on | " + " | ".join(map(_bounds, BINS, BINS[1:])) + " |"]
    rows += ["|---|---|" + "---|" * (len(BINS) - 1)]
    for each in reports:
        found = {of["low"]: of for of in each["bins"]}
        cells = (_said(found.get(low)) for low in BINS[:-1])
        rows.append(f"| {each['set']} | {each['gate']['set']} | " + " | ".join(cells) + " |")
    said = "Chance: said, was (touches in comparisons).\n"
    left = [
        "| set | way | asked again | failed | failed, of what is left |",
        "|---|---|---|---|---|",
    ]
    left += [
        _left_row(each["set"], way, of) for each in reports for way, of in each["ways"].items()
    ]
    sums = [
        {name: sum(each["ways"][way][name] for each in reports) for name in reports[0]["ways"][way]}
        for way in reports[0]["ways"]
    ]
    left += [_left_row("all", way, of) for way, of in zip(reports[0]["ways"], sums, strict=True)]
    parts = [GATE, said, *rows, "", GATE_LEFT.format(least=reports[0]["gate"]["least"]), *left]
    ranks = [each for each in reports if each["rank_correlation"] is not None]
    if ranks:
        parts += ["", RANKS, "| set | rated | gate, NFIQ 2 | gate, score | NFIQ 2, score |"]
        parts += ["|---|---|---|---|---|", *map(_ranks_row, ranks)]
    return "\n".join(parts) + "\n\n"


def _ranks_row(of: dict[str, Any]) -> str:
    found = of["rank_correlation"]
    cells = (f"{found[name]:.2f}" for name in ("gate_nfiq2", "gate_score", "nfiq2_score"))
    return f"| {of['set']} | {found['rated']} | " + " | ".join(cells) + " |"


def _bounds(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


def _said(found: dict[str, Any] | None) -> str:
    return (
        "" if found is None else f"{found['said']:.2f}, {found['was']:.2f} ({found['touches']:,})"
    )


def _left_row(of: str, way: str, found: dict[str, Any]) -> str:
    share = found["left_failed"] / found["left"] if found["left"] else 0.0
    return (
        f"| {of} | {way} | {found['refused']} of {found['touches']} | {found['failed']} of "
        f"{found['pairs']:,}, {found['failed'] / found['pairs']:.2%} | {found['left_failed']} of "
        f"{found['left']:,}, {share:.2%} |"
    )


def _curve_table(reports: dict[str, Any]) -> str:
    rows = [
        (
            "| set | genuine, impostor | failed | EER (FVC) | EER, all pairs' FNMR at FMR 1e-2 | "
            "1e-3 | 1e-4 | ms match |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for way in dict.fromkeys(name.partition("-")[2] for name in reports):
        group = {name: each for name, each in reports.items() if name.partition("-")[2] == way}
        rows += [_curve_row(_title(name), each) for name, each in group.items()]
        if len(group) > 1:
            rows.append(_mean_row(way, list(group.values())))
    return "\n".join(rows) + "\n"


def _curve_row(title: str, each: dict[str, Any]) -> str:
    ci, at, pairs = each["ci95"], each["fnmr_at_fmr"], each["all_pairs"]
    rates = " | ".join(_rate(at[fmr], ci["fnmr_at_fmr"][fmr]) for fmr in ("1e-2", "1e-3", "1e-4"))
    return (
        f"| {title} | {pairs['genuine']:,}, {pairs['impostor']:,} | {each['failures']} of "
        f"{each['pictures']} | {_rate(each['eer_fvc'], ci['eer_fvc'])} | {rates} | "
        f"{each['ms']['match']:.2f} |"
    )


def _mean_row(way: str, reports: list[dict[str, Any]]) -> str:
    def mean(values: list[float]) -> str:
        return f"**{sum(values) / len(values):.2%}**"

    rates = " | ".join(
        mean([each["fnmr_at_fmr"][fmr] for each in reports]) for fmr in ("1e-2", "1e-3", "1e-4")
    )
    return f"| mean, {way} | | | {mean([each['eer_fvc'] for each in reports])} | {rates} | |"


def _threshold_table(
    reports: dict[str, Any], rates: tuple[str, ...] = ("1e-3", "1e-4", "1e-5")
) -> str:
    rows = ["| set | nominal FMR | FMR, false matches | FNMR, false non-matches |"]
    rows += ["|---|---|---|---|"]
    for name, each in reports.items():
        for nominal in rates:
            at = each["fmr_at_threshold"][nominal]
            ci = each["ci95"]["fmr_at_threshold"][nominal]
            rows.append(
                f"| {_title(name)} | {nominal} | {at['fmr']:.1e} "
                f"[{ci['fmr'][0]:.1e}, {ci['fmr'][1]:.1e}], {at['false_matches']} of "
                f"{each['all_pairs']['impostor']:,} | {_rate(at['fnmr'], ci['fnmr'])}, "
                f"{at['false_non_matches']} of {each['all_pairs']['genuine']} |"
            )
    return "\n".join(rows) + "\n"


def _numbers() -> str:
    found, weights = shipped("finger"), fusion.shipped()
    source = found.source
    rows = [
        (
            f"Thresholds by {source.impostor:,} impostor pairs of {source.subjects} fingers, "
            f"within and across sets; a nominal rate is {found.safety:g} times the rate there.\n"
        ),
        "| nominal FMR | score | above it there | llr there |",
        "|---|---|---|---|",
    ]
    for at in found.thresholds:
        how, llr = " (extrapolated)" if at.extrapolated else "", found.llr(at.score)
        rows.append(f"| {at.fmr:g}{how} | {at.score:.4f} | {at.false_matches:,} | {llr:.1f} |")
    rows += ["\n| evidence | weight |", "|---|---|"]
    named = zip(fusion.TERMS, weights.of_terms, strict=True)
    rows += [f"| {name} | {weight:.3f} |" for name, weight in named]
    return "\n".join(rows) + "\n"


def _title(name: str) -> str:
    """Return what a report's file is called, as words."""
    of, _, way = name.partition("-")
    size, _, rest = way.partition("-")
    touches, _, other = rest.partition("-")
    if "x" not in size:
        return of if way in {"plain", "shipped"} else f"{of}, {way}"
    said = [of, size.replace("x", " by ")]
    said.append(f"{touches or 1} touch{'es' if touches else ''}")
    return ", ".join(said + ([OTHERWISE[other]] if other else []))


def _rate(rate: float, interval: list[float]) -> str:
    return f"{rate:.2%} [{interval[0]:.2%}, {interval[1]:.2%}]"
