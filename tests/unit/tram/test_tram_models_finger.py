"""`tram models evaluate`, `calibrate` and `train finger`: on drawn ridges, and on what is wrong."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from models import calibration
from models.evaluate.pictures import hash_of
from models.finger import fusion
from tram.cli import main

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "build" / "models"
DATA = os.environ.get("TRAM_TESTDATA")
built = pytest.mark.skipif(
    not (MODELS / "leader.int8.tflite").exists(), reason="build/models: made by `make setup`"
)
KEYS = {
    "set", "genuine", "impostor", "failures", "auc", "eer", "eer_fvc", "fnmr_at_fmr",
    "fmr_at_threshold", "ci95", "ms", "model", "fmr100", "fmr1000", "zero_fmr",
}  # fmt: skip
FINGERS, IMPRESSIONS = 4, 3


def tram(*arguments):
    given = [str(each) for each in arguments]
    if "--dir" not in given:
        given += ["--dir", str(MODELS)]
    return CliRunner().invoke(main, given, catch_exceptions=False)


def drawn(seed, turn):
    """Return waves whose ridges end where their phase turns, in a frame without ridges."""
    chance = np.random.default_rng(seed)
    down, right = np.mgrid[0:260, 0:240].astype(float)
    phase = 2 * np.pi / 9 * (right * np.sin(seed) + down * np.cos(seed))
    for x, y in chance.uniform(30, 210, (14, 2)):
        phase += chance.choice([-1, 1]) * np.arctan2(down - y, right - x)
    grey = np.round(127.5 - 100 * np.cos(phase)).astype(np.uint8)
    turned = Image.fromarray(grey).rotate(turn, Image.Resampling.BICUBIC, fillcolor=127)
    return turned.crop((10, 10, 230, 250))


@pytest.fixture(scope="module")
def prints(tmp_path_factory):
    """A folder of some drawn fingers, a few impressions each, in several formats."""
    folder = tmp_path_factory.mktemp("prints")
    for finger in range(FINGERS):
        for impression in range(IMPRESSIONS):
            ending = ("png", "tif", "bmp")[impression]
            drawn(finger + 1, 9 * impression).save(folder / f"0_{finger}_{impression + 1}.{ending}")
    (folder / "0_1_1.iso").write_bytes(b"no picture")
    return folder


def evaluated(prints, *more):
    done = tram("models", "evaluate", "finger", "--images", prints, "--json", *more)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@built
def test_a_report_says_what_was_compared_and_how_often_that_was_wrong(prints):
    found = evaluated(prints, "--protocol", "fvc")
    assert set(found) >= KEYS
    assert found["failures"] == 0
    assert (found["genuine"], found["impostor"]) == (12, 6)
    assert found["all_pairs"] == {"genuine": 12, "impostor": 54}
    assert found["eer"] == found["zero_fmr"] == 0
    assert found["auc"] == 1
    assert set(found["ms"]) == {"extract", "match"}
    assert found["model"]["name"] == "leader.int8"
    assert set(found["ci95"]) >= {"eer", "eer_fvc", "fnmr_at_fmr", "fmr_at_threshold"}
    everything = evaluated(prints)
    assert (everything["genuine"], everything["impostor"]) == (12, 54)
    done = tram("models", "evaluate", "finger", "--images", prints)
    assert "12 genuine, 54 impostor" in done.stdout


@built
def test_pairs_are_compared_as_listed(prints, tmp_path):
    rows = ["a,b,same", "0_1_1.png,0_1_2.tif,1", "0_1_1.png,0_2_2.tif,0", "0_0_3.bmp,0_2_2.tif,0"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    found = evaluated(prints, "--protocol", "pairs", "--pairs", tmp_path / "pairs.csv")
    assert (found["genuine"], found["impostor"]) == (1, 2)
    assert found["eer_fvc"] is None
    assert found["pictures"] == 4


@built
def test_a_module_takes_the_sensors_place(prints):
    window = ("--crop", "160x160", "--bits", "4", "--jitter-px", "12", "--touches", "2", "--seed")
    found = evaluated(prints, *window, "1")
    assert found["simulated"] == {
        "crop": "160x160", "bits": 4, "jitter_px": 12, "touches": 2, "seed": 1,
        "whole_reference": False,
    }  # fmt: skip
    assert evaluated(prints, *window, "1")["auc"] == found["auc"]
    assert evaluated(prints, *window, "1", "--whole-reference")["simulated"]["whole_reference"]


@built
def test_what_was_fitted_on_a_set_is_not_measured_on_it(prints, tmp_path):
    out = tmp_path / "own.json"
    weights = tmp_path / "weights.json"
    done = tram("models", "train", "finger", "--images", prints, "--out", weights)
    assert done.exit_code == 0, done.output
    found = fusion.load(weights)
    assert (found.genuine, found.impostor) == (5 * 12, 5 * 54)
    done = tram("models", "evaluate", "finger", "--images", prints, "--weights", weights, "--json")
    assert done.exit_code == 1
    assert "in_sample" in done.stderr
    assert evaluated(prints, "--weights", weights, "--in-sample")["in_sample"]
    # The folder again and again is as many fingers more, and impostors enough.
    done = tram(
        "models", "calibrate", "finger", *(["--images", prints] * 3), "--dpi", 500, "--out", out
    )
    assert done.exit_code == 0, done.output
    own = calibration.load(out)
    assert own.modality == "finger"
    assert own.source.subjects == 3 * FINGERS
    assert own.source.pictures == tuple(
        sorted({hash_of(each.read_bytes()) for each in prints.iterdir() if each.suffix != ".iso"})
    )
    done = tram("models", "evaluate", "finger", "--images", prints, "--calibration", out, "--json")
    assert done.exit_code == 1
    at = evaluated(prints, "--calibration", out, "--in-sample")["fmr_at_threshold"]
    assert set(at) == {"1e-3", "1e-4", "1e-5"}


@built
def test_a_picture_without_a_finger_is_a_failure_and_counts(prints, tmp_path):
    for each in prints.glob("0_[01]_*.[pt]*"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    Image.new("L", (200, 200), 128).save(tmp_path / "0_1_9.png")
    Image.new("L", (1200, 1200), 128).save(tmp_path / "0_1_8.png")
    found = evaluated(tmp_path)
    assert found["failures"] == 2
    assert found["genuine"] == 1 + 6
    assert found["zero_fmr"] == pytest.approx(5 / 7)


@built
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--protocol", "pairs"], 2),
        (["--bits", "4"], 2),
        (["--crop", "5x5"], 2),
        (["--crop", "192"], 2),
        (["--dpi", "10"], 2),
        (["--touches", "99", "--crop", "192x192"], 2),
        (["--weights", "README"], 3),
        (["--calibration", "README"], 3),
    ],
)
def test_usage(prints, tmp_path, arguments, code):
    (tmp_path / "README").write_text("no JSON")
    given = [tmp_path / "README" if each == "README" else each for each in arguments]
    done = tram("models", "evaluate", "finger", "--images", prints, *given)
    assert done.exit_code == code


@built
def test_files_that_are_no_pictures_or_have_other_names(tmp_path):
    def code():
        return tram("models", "evaluate", "finger", "--images", tmp_path).exit_code

    assert code() == 3
    (tmp_path / "1_1.png").write_bytes(b"no picture")
    assert code() == 3
    (tmp_path / "1_1.png").unlink()
    (tmp_path / "name.png").write_bytes(b"")
    done = tram("models", "evaluate", "finger", "--images", tmp_path)
    assert done.exit_code == 3
    assert "name.png" not in done.stderr


@built
@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA")
def test_fvc2002_db3_first_fingers_as_it_was_measured(tmp_path):
    for path in Path(DATA, "data", "fingers", "fvc2002", "DB3_B").glob("10[1-4]_*.png"):
        (tmp_path / path.name).symlink_to(path)
    found = evaluated(tmp_path, "--protocol", "fvc", "--in-sample")
    print({name: found[name] for name in ("eer", "eer_fvc", "fnmr_at_fmr", "ms")}, file=sys.stderr)
    assert found["failures"] == 0
    assert found["all_pairs"] == {"genuine": 112, "impostor": 384}
    assert found["eer_fvc"] <= 0.01
    assert found["fnmr_at_fmr"]["1e-2"] <= 0.01
