"""`tram models attacks`: a person and a print before the worker, and the page of the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from models.evaluate.intervals import clopper_pearson
from models.manifest import manifests
from tram.cli import main
from tram.models_attacks import kept
from tram.parts import attacks, attacks_page

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[3]
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"
built = pytest.mark.skipif(
    not all((MODELS / f"{name}.tflite").exists() for name in manifests())
    or not (PORTRAITS / "obama3.jpg").exists(),
    reason="build/models and build/portraits: made by `make setup`",
)
SMALL = {
    "version": 1,
    "seed": 3,
    "frames_per_second": 8,
    "seconds": 20,
    "holders": [["obama2", "obama", "biden"]],
    "kinds": [
        {"kind": "person", "sessions": 1, "title": "the holder"},
        {"kind": "print_still", "sessions": 1, "title": "a print"},
    ],
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command prints of a person and a print; what it keeps is the same."""
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "suite.json").write_text(json.dumps(SMALL))
    done = CliRunner().invoke(
        main,
        [
            *("models", "attacks", "play", "--json", "--dir", str(MODELS)),
            *("--suite", str(folder / "suite.json"), "--out", str(folder / "kept.json")),
            *("--portraits", str(PORTRAITS)),
            *("--requirements", str(ROOT / "requirements" / "portraits.txt")),
        ],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.stderr
    assert (folder / "kept.json").read_text(encoding="utf-8") == done.stdout
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole


@built
def test_a_person_passes_and_a_print_does_not(played: dict[str, Any]) -> None:
    person, sheet = played["rows"]
    assert [person[each] for each in ("kind", "sessions", "passed", "alone", "accepted")] == [
        "person", 1, 1, 1, 1,
    ]  # fmt: skip
    assert person["ends"] == {"passed": 1}
    assert [sheet[each] for each in ("kind", "attack", "passed", "alone", "accepted")] == [
        "print_still", True, 0, 0, 0,
    ]  # fmt: skip
    assert sheet["ends"] == {"challenge": 1}
    assert sheet["ci95"] == list(clopper_pearson(0, 1))


@built
def test_the_run_says_what_was_played_to_whom(played: dict[str, Any]) -> None:
    assert (played["seed"], played["frames_per_second"]) == (3, 8)
    assert played["models"].keys() == {
        "detect", "mesh", "embed", "iris", "calibration", "texture",
    }  # fmt: skip
    assert -1 < played["least_closeness"] < 1


@built
def test_the_page_has_a_line_of_each_kind_and_names_what_judged(played: dict[str, Any]) -> None:
    page = attacks_page.page(played)
    assert "| `person` | the holder | 1 | 1 | 1 | 2.5% .. 100.0% |  |" in page
    assert "| `print_still` | a print | 1 | 0 | 0 | 0.0% .. 97.5% | challenge 1 |" in page
    assert f"calibration `{played['models']['calibration']}`" in page
    assert "0 passed of 0" in page, "no replay was played"
    assert "{" not in page


def test_the_suite_plays_every_kind_once() -> None:
    kinds = [each.kind for each in attacks.read_suite().kinds]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) == set(type(kinds[0]))


@pytest.mark.parametrize(
    ("rows", "good"),
    [
        ([("replay", 2, 100), ("person", 9, 10)], True),
        ([("replay", 3, 100), ("person", 10, 10)], False),
        ([("replay", 0, 100), ("replay_screen", 3, 40)], False),
        ([("replay", 1, 100), ("person", 8, 10)], False),
        ([("print_still", 1, 1)], True),
    ],
)
def test_what_is_promised(rows: list[tuple[str, int, int]], *, good: bool) -> None:
    told = [{"kind": kind, "passed": passed, "sessions": of} for kind, passed, of in rows]
    assert kept(told) is good
