"""`tram finger check` on the played module: what it says, and that it says no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tram.cli import main
from tram.parts.finger_press import Pressed, touch

if TYPE_CHECKING:
    from click.testing import Result

MODELS = Path(__file__).parents[3] / "build" / "models"
built = pytest.mark.skipif(
    not (MODELS / "leader.int8.tflite").exists(), reason="build/models: made by `make setup`"
)


@pytest.fixture(scope="module")
def pressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pressed")
    Image.fromarray(touch(3, Pressed())).save(folder / "finger.png")
    return folder


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    Image.fromarray(np.full((288, 256), 250, np.uint8)).save(tmp_path / "blank.png")
    return tmp_path


def check(folder: Path, *options: str, query: str = "", models: Path = MODELS) -> Result:
    url = f"sim://finger?images={folder}&speed=200{query}"
    given = ["finger", "check", "--finger", url, "--models", str(models), *options]
    return CliRunner().invoke(main, given, catch_exceptions=False)


def numbers(value: Any) -> int:
    """Return how many numbers a value holds, however deep."""
    if isinstance(value, dict | list):
        return sum(map(numbers, value.values() if isinstance(value, dict) else value))
    return int(isinstance(value, float) or type(value) is int)


@built
@pytest.mark.parametrize(
    ("model", "sensor"),
    [
        ("r503", {"models": "R503", "width_px": 192, "height_px": 192, "dpi": 508, "bits": 4}),
        (
            "as608",
            {"models": "AS608, R307, ZFM-20", "width_px": 256, "height_px": 288, "dpi": 500,
             "bits": 4},
        ),
    ],
)  # fmt: skip
def test_a_good_touch_is_told_in_figures(
    pressed: Path, model: str, sensor: dict[str, object]
) -> None:
    done = check(pressed, "--json", query=f"&model={model}")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["sensor"] == sensor
    assert told["line"] == {"baud": 115_200, "packet_bytes": 256}
    assert (told["source"], told["simulated"]) == ("sim", True)
    assert told["touch"]["good"] is True
    assert told["touch"]["hint"] is None
    assert 10 < told["touch"]["strong"] <= told["touch"]["minutiae"] <= 100
    assert told["touch"].keys() == {
        "good", "hint", "minutiae", "strong", "area_mm2", "offset_mm",
    }  # fmt: skip
    assert numbers(told) == 10, "figures of a touch, never a minutia"
    assert [line.split()[-1] for line in done.stderr.splitlines()[:2]] == ["waiting", "taken"]


@built
def test_people_are_told_the_same(pressed: Path) -> None:
    done = check(pressed)
    first, line, told = done.stdout.splitlines()
    assert first.startswith("sim (simulated): models R503, width_px 192")
    assert line == "line: 115200 baud, 256 bytes a packet"
    assert told.startswith("touch: good; minutiae ")


@built
def test_a_touch_that_shows_nothing_is_asked_for_again(blank: Path) -> None:
    done = check(blank, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)["touch"]
    assert (told["good"], told["hint"]) == (False, "quality_finger_centre")
    assert "touch: good" not in check(blank).stdout


@built
def test_nobody_touching_is_no_failure_of_the_sensor(pressed: Path) -> None:
    done = check(pressed, "--seconds", "0.2", query="&fault=no_finger")
    assert done.exit_code == 1
    assert "no touch in time" in done.stderr


@built
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong_password", "another password"),
        ("odd_size", "images of 10000 bytes"),
        ("flipped_bit:always", "did not come whole"),
        ("no_upload", "UpImage was answered with 15"),
    ],
)
def test_a_sensor_that_fails_is_named_in_a_sentence(pressed: Path, fault: str, said: str) -> None:
    done = check(pressed, query=f"&fault={fault}")
    assert done.exit_code == 3
    assert said in done.stderr
    assert done.stdout == ""


def test_what_is_missing_is_said_before_anybody_touches(pressed: Path, tmp_path: Path) -> None:
    assert check(pressed, models=tmp_path / "none").exit_code == 3
    assert check(tmp_path / "none").exit_code == 3
    given = ["finger", "check", "--finger", "serial:///dev/no-such-line"]
    done = CliRunner().invoke(main, [*given, "--models", str(MODELS)])
    assert done.exit_code == 3
    done = CliRunner().invoke(main, ["finger", "check", "--finger", "pigeon://"])
    assert done.exit_code == 3
    assert "no driver" in done.stderr
