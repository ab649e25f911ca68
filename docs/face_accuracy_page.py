"""The page of the face lane's accuracy: made of the reports that `docs/measure_face.py` kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from models.calibration import FOLDER, Calibration, load
from models.evaluate.intervals import clopper_pearson
from models.face.embed import CLEAN, NAME, STRICT
from models.face.mesh import MIN_CONFIDENCE

TAIL_REPORT: Final = "tail"
QUALITY: Final = "quality"
"""Kept beside the reports, and another page's."""
BY_HAND: Final = "counted once, by hand, on 2026-11-25; no command makes these figures anew"
REPORTS: Final = Path(__file__).parent / "reference" / "measured" / "face"
HEAD: Final = """\
# How often the face lane is wrong

`docs/measure_face.py` measures and keeps the reports in `docs/reference/measured/face`;
`docs/generate.py` makes this page of them. Terms are those of ISO/IEC 19795-1: FMR is the share of
comparisons of two people that match, FNMR that of one person that do not; failures to acquire are
told beside. In brackets stands the 95 % interval: the exact one joined with a bootstrap by subject.

ORL has 40 people, 10 pictures each, grey, 92 by 112 pixels. The shipped thresholds rest on the
LFW's pictures of other people, one each; they have never seen ORL, and only the shipped
log-likelihood ratio was fitted on it. Four choices of the program were made in sight of ORL, so
that its figures flatter them: how high the face lies on the net's template (by s1-s20, where nearly
all errors are; s21-s40 hardly has any with or without), the safety factor of 3, from when on a
frame counts as somebody else's, and how two nets agree. A set that was never looked at is the
better witness.
"""
FRAMES: Final = """\
"3 to 1": pictures of one person stand for frames. For each picture and each person, the others'
pairs with it are taken in order of name, three at a time, and judged as the kiosk judges frames:
the mean decides, and all must agree. The pictures of ORL differ more than frames of one camera do.
"""
ACQUIRED: Final = """\
## Failure to acquire

A face is acquired where the detector sees one and the mesh, looked at twice, has a logit above
{limit:g}, straight or mirrored; if there is none, the picture gets a grey margin and is looked at
again. Nothing else is asked of a still, so that bad pictures count as what they are.

| set | pictures | no face | several |
|---|---|---|---|
{rows}
Those of lfw80 are cut-outs of press photographs with 10 to 15 px between the eyes; the three that
fail are one in profile, one in coloured light and one in the dark under a cap.

The rest of this section was {by_hand}.
A limit of 10 with one look failed 103 times, 2.5 %. Why {limit:g}: every face of ORL has 21 or
more, half a per cent of lfw80's less than 6.5; of 42,000 pictures of textures, noise, waves,
ellipses, icons, fingerprints and corners of portraits the detector took 3,554 for a face and the
mesh, straight, one above {limit:g}, which may be a bystander; with mirror and margins, 11 of 13,296
such pictures passed, of which a chip holds none. Drawn faces, faces turned aside or upside down,
negatives and halves of faces do pass: it says face, not whose, nor alive. The 69 faces of lfw80
with a logit of 10 or less are false matches no more often than others (at 1e-4, .17 a picture
against .14), so that they did not move the thresholds by more than .0007.

"""
STRONGEST: Final = """\
## The strongest impostors

1e-5 rests on the {pairs} pairs of lfw80 above it, of {agreed} of which the other net too says, at
1e-4, that it is one person (dlib-resnet's {clean_pairs}: {clean_agreed}). Looked at one by one
({by_hand}),
mobilefacenet's first six stand apart from the rest, at .71 to 1.0 where the seventh has .70: two
are one picture under two names, two look like one person under two names, two like twins. The
others look like strangers. Nothing was taken out: the threshold for 1e-5 is the higher for it.

"""
STRICT_NETS: Final = """\
## Two nets, neither outvoted

`strict` takes the mean of both nets' closeness, and never more than .1 above the lesser. At 1e-4 it
misses {one} of ORL's {one_of:,}, and three frames {three} of {three_of:,}.

Why not the lesser ({by_hand}):
alone, with thresholds of the same making, it missed 35 of the 1,800 (28 of s1-s20's 900, 7 of
s21-s40's), and the mean 15 (14, 1); three frames 8 of 1,200 against 6, all of s1-s20. Weights other
than half and leads of .05 to .2 were level with it.

"""
TAIL: Final = """\
## What this does not show

- No picture is from a kiosk's camera or from a card. ORL's people are few, from one place and of
  1992 to 1994: with no error among 40 people, the share of people with trouble may be up to 7 %.
- Results by group: none. No set here has labels of age, sex or skin tone, and no set has
  Vietnamese faces, nor portraits that are decades old. Thresholds are the same for
  everybody: a person of 60 with an old card who is not recognised goes to an officer.
- 1e-5 is an extrapolation: so rare an error cannot be measured on some thousand people.
- Cross pairs share people and are not independent: an FMR of 1e-4 without a single error takes
  30,000 independent comparisons, twice as many people.
- The nets' training faces may include people of LFW (not of ORL). If so, its impostors are better
  separated than strangers are, and the thresholds would be too low; the safety factor is for that.
"""


def render() -> str:
    """Return the page, Markdown."""
    reports = {path.stem: json.loads(path.read_text()) for path in sorted(REPORTS.glob("*.json"))}
    tail = reports.pop(TAIL_REPORT)
    reports.pop(QUALITY, None)
    by_half = {name: each for name, each in reports.items() if "-by-" in name}
    whole = {name: each for name, each in reports.items() if name not in by_half}
    parts = [HEAD, "\n## All of ORL, shipped thresholds\n\n", FRAMES, "\n"]
    parts += [_curve_table(whole), "\n![DET curves](../images/face-det.svg)\n\n"]
    parts += [_threshold_table(whole), "\n## Calibrated on one half, reported on the other\n\n"]
    parts += [_curve_table(by_half), "\n", _threshold_table(by_half), "\n"]
    parts += [_acquired(whole, tail), _strict(whole)]
    parts += ["## The shipped thresholds\n\n", _shipped(), "\n", _strongest(tail), TAIL]
    return "".join(parts)


def _curve_table(reports: dict[str, Any]) -> str:
    rows = ["| set | net | genuine, impostor | no face | EER | FNMR at FMR 1e-3 | at 1e-4 |"]
    rows += ["|---|---|---|---|---|---|---|"]
    for name, each in reports.items():
        ci = each["ci95"]
        at = each["fnmr_at_fmr"]
        rows.append(
            f"| {_title(name)} | {each['model']['name']} | {each['genuine']:,}, "
            f"{each['impostor']:,} | {each['failures']} of {each['pictures']} | "
            f"{_rate(each['eer'], ci['eer'])} | {_rate(at['1e-3'], ci['fnmr_at_fmr']['1e-3'])} | "
            f"{_rate(at['1e-4'], ci['fnmr_at_fmr']['1e-4'])} |"
        )
    return "\n".join(rows) + "\n"


def _threshold_table(reports: dict[str, Any]) -> str:
    rows = ["| set | net | nominal FMR | FMR | FNMR |", "|---|---|---|---|---|"]
    for name, each in reports.items():
        for nominal, at in each["fmr_at_threshold"].items():
            ci = each["ci95"]["fmr_at_threshold"][nominal]
            rows.append(
                f"| {_title(name)} | {each['model']['name']} | {nominal} | "
                f"{at['fmr']:.1e} [{ci['fmr'][0]:.1e}, {ci['fmr'][1]:.1e}], "
                f"{at['false_matches']} | {_rate(at['fnmr'], ci['fnmr'])}, "
                f"{at['false_non_matches']} |"
            )
    return "\n".join(rows) + "\n"


def _shipped() -> str:
    rows = ["| net | impostors | safety | nominal FMR | score | above it there | llr there |"]
    rows += ["|---|---|---|---|---|---|---|"]
    for path in sorted(FOLDER.glob("*.json")):
        found = load(path)
        if found.modality != "face":
            continue
        for at in found.thresholds:
            how = " (extrapolated)" if at.extrapolated else ""
            rows.append(
                f"| {path.stem} | {_people(found)} | {found.safety:g} | {at.fmr:g}{how} | "
                f"{at.score:.4f} | {at.false_matches:,} | {found.llr(at.score):.1f} |"
            )
    return "\n".join(rows) + "\n"


def _acquired(whole: dict[str, Any], tail: dict[str, Any]) -> str:
    rows = "".join(
        f"| {each['set']} | {each['pictures']:,} | {_share(each['failures'], each['pictures'])} |"
        f" {each['several_faces']:,} |\n"
        for each in (whole[f"orl-{NAME}-1"], tail)
    )
    return ACQUIRED.format(limit=MIN_CONFIDENCE, rows=rows, by_hand=BY_HAND)


def _strict(whole: dict[str, Any]) -> str:
    one, three = (whole[f"orl-{STRICT}-{frames}"] for frames in (1, 3))
    missed_one, missed_three = (
        each["fmr_at_threshold"]["1e-4"]["false_non_matches"] for each in (one, three)
    )
    return STRICT_NETS.format(
        one=missed_one,
        one_of=one["genuine"],
        three=missed_three,
        three_of=three["genuine"],
        by_hand=BY_HAND,
    )


def _strongest(tail: dict[str, Any]) -> str:
    main, clean = (tail["strongest"][net] for net in (NAME, CLEAN))
    return STRONGEST.format(
        pairs=main["pairs"],
        agreed=main["other_net_agrees"],
        clean_pairs=clean["pairs"],
        clean_agreed=clean["other_net_agrees"],
        by_hand=BY_HAND,
    )


def _share(count: int, of: int) -> str:
    return f"{count} [{', '.join(f'{each:.2%}' for each in clopper_pearson(count, of))}]"


def _people(found: Calibration) -> str:
    source = found.source
    return f"{source.impostor:,} pairs of {source.subjects:,} people ({source.set})"


def _title(name: str) -> str:
    """Return what a report's file is called, as words."""
    parts = name.split("-")
    frames = f"{parts[-1]} to 1"
    if "by" in parts:
        return f"{parts[1].replace('_', '-s')} by {parts[3].replace('_', '-s')}, {frames}"
    return f"ORL, {frames}"


def _rate(rate: float, interval: list[float]) -> str:
    return f"{rate:.2%} [{interval[0]:.2%}, {interval[1]:.2%}]"
