"""Figures that pages quote are of what ships: nets, calibration, texture model, gate.

Whoever changes one of these measures anew; a page that quotes the old one is red until then.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from models.calibration import find
from models.face import detect, embed, iris, mesh
from models.face.quality import PORTRAIT
from models.face.texture import identify
from models.manifest import manifest_of

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
KEPT = REFERENCE / "measured"
SHIPPED = find(ROOT / "docs", embed.NAME)
"""Among documents lies no calibration of a site's own."""
THRESHOLD = SHIPPED.calibration.score_at(1e-4)


def kept(name: str):
    return json.loads((KEPT / name).read_text(encoding="utf-8"))


def quoted(page: str) -> str:
    return " ".join((REFERENCE / page).read_text(encoding="utf-8").split())


def test_attacks_were_played_to_what_ships() -> None:
    found = kept("liveness.json")
    assert found["models"] == {
        **{
            role: manifest_of(each.NAME).id
            for role, each in {"detect": detect, "mesh": mesh, "embed": embed, "iris": iris}.items()
        },
        "calibration": SHIPPED.id,
        "texture": identify(ROOT / "docs").id,
    }
    assert found["least_closeness"] == pytest.approx(THRESHOLD)


def test_quality_was_measured_by_what_ships() -> None:
    found = kept("face/quality.json")
    assert found["calibration"] == SHIPPED.id
    assert found["threshold"] == pytest.approx(THRESHOLD)
    assert found["limits"] == json.loads(json.dumps(asdict(PORTRAIT)))


@pytest.mark.parametrize("page", ["liveness.md", "face-quality.md"])
def test_the_page_names_calibration_and_threshold(page: str) -> None:
    text = quoted(page)
    assert f"calibration `{SHIPPED.id}`" in text
    assert f"{THRESHOLD:.4f}" in text


BY_HAND = "by hand, on 2026-11-25"
UNMADE = {
    "Failure to acquire": ("103 times", "3,554", "11 of 13,296", ".17 a picture"),
    "Two nets, neither outvoted": ("35 of the 1,800", "8 of 1,200"),
    "The strongest impostors": (".71 to 1.0",),
}
"""Of the page about accuracy: what no command makes anew."""


@pytest.mark.parametrize("section", UNMADE)
def test_what_was_counted_by_hand_says_so_before_it_is_told(section: str) -> None:
    text = quoted("face-accuracy.md").partition(f"## {section} ")[2].partition(" ## ")[0]
    for figure in UNMADE[section]:
        before, there, _ = text.partition(figure)
        assert there
        assert BY_HAND in before, figure


def test_errors_of_two_nets_are_those_of_their_reports() -> None:
    text = quoted("face-accuracy.md")
    for frames in (1, 3):
        report = kept(f"face/orl-strict-{frames}.json")
        missed = report["fmr_at_threshold"]["1e-4"]["false_non_matches"]
        named = "of ORL's 1,800" if frames == 1 else "of 1,200."
        assert f"{missed} {named}" in text
