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
from models.evaluate.finger_sets import Comparisons
from models.evaluate.fit import FitError
from models.evaluate.pictures import MAX_BYTES, hash_of
from models.evaluate.rates import RatesError
from models.finger import fusion, quality
from models.finger.quality import Quality
from tram.cli import main
from tram.models_train_finger import Compared, gated

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


@pytest.fixture(scope="module")
def few(prints, tmp_path_factory):
    """Two impressions of each finger."""
    folder = tmp_path_factory.mktemp("few")
    for each in prints.glob("*_[12].[tp]*"):
        (folder / each.name).symlink_to(each)
    return folder


def evaluated(prints, *more):
    done = tram("models", "evaluate", "finger", "--images", prints, "--json", *more)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@built
def test_a_report_says_what_was_compared_and_how_often_that_was_wrong(prints, few):
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
    done = tram("models", "evaluate", "finger", "--images", few)
    assert "4 genuine, 24 impostor" in done.stdout


@built
def test_pairs_are_compared_as_listed(prints, tmp_path):
    rows = ["a,b,same", "0_1_1.png,0_1_2.tif,1", "0_1_1.png,0_2_2.tif,0", "0_0_3.bmp,0_2_2.tif,0"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    found = evaluated(prints, "--protocol", "pairs", "--pairs", tmp_path / "pairs.csv")
    assert (found["genuine"], found["impostor"]) == (1, 2)
    assert found["eer_fvc"] is None
    assert found["pictures"] == 4


@built
def test_a_module_takes_the_sensors_place(few, tmp_path):
    for each in few.glob("0_[01]_*"):
        (tmp_path / each.name).symlink_to(each)
    window = ("--crop", "160x160", "--bits", "4", "--jitter-px", "12", "--touches", "2", "--seed")
    found = evaluated(tmp_path, *window, "1")
    assert found["simulated"] == {
        "crop": "160x160", "bits": 4, "jitter_px": 12, "touches": 2, "seed": 1,
        "whole_reference": False,
    }  # fmt: skip
    assert (found["genuine"], found["impostor"]) == (2, 4)
    again = evaluated(tmp_path, *window, "1", "--whole-reference")
    assert again["simulated"]["whole_reference"]


@built
def test_what_was_fitted_on_a_set_is_not_measured_on_it(few, tmp_path):
    out, weights = tmp_path / "own.json", tmp_path / "weights.json"
    done = tram("models", "train", "finger", "--images", few, "--out", weights)
    assert done.exit_code == 0, done.output
    found = fusion.load(weights)
    assert (found.genuine, found.impostor) == (5 * 4, 5 * 24)
    # The folder again and again is as many fingers more, and impostors enough.
    often = ("--weights", weights, *(["--images", few] * 4), "--dpi", 500, "--out", out)
    done = tram("models", "calibrate", "finger", *often)
    assert done.exit_code == 0, done.output
    own = calibration.load(out)
    assert own.modality == "finger"
    assert own.source.subjects == 4 * FINGERS
    assert own.source.pictures == tuple(
        sorted({hash_of(each.read_bytes()) for each in few.iterdir()})
    )
    own_files = ("--calibration", out, "--weights", weights)
    for files in (own_files, own_files[2:]):
        done = tram("models", "evaluate", "finger", "--images", few, *files)
        assert done.exit_code == 1
        assert "in_sample" in done.stderr
    done = tram("models", "evaluate", "finger", "--images", few, *own_files[:2])
    assert done.exit_code == 3, "what scores mean is said for other weights"
    assert "other_net" in done.stderr
    found = evaluated(few, *own_files, "--in-sample")
    assert found["in_sample"]
    assert set(found["fmr_at_threshold"]) == {"1e-3", "1e-4", "1e-5"}


def numbers(way, seed, *, failing=0.4):
    """Return comparisons of ten touches of each of eight fingers: of small ones, some fail."""
    chance = np.random.default_rng(seed)
    of = np.repeat(np.arange(8), 10)
    a, b = np.triu_indices(80, k=1)
    same = of[a] == of[b]
    small = chance.random(80) < failing
    told = [(40, 5, 0.3, 20.0, 30.0) if each else (40, 30, 0.9, 120.0, 160.0) for each in small]
    seen = tuple(Quality(*each, ridges=0.5, offset_mm=0.1) for each in told)
    lost = (small[a] | small[b]) & (chance.random(len(a)) < 0.8)
    found = np.where((same & ~lost)[:, None], (0.4, 20.0, 1.0, 90.0, 2e4, 3.0), (0.01, *[0.0] * 5))
    found[:, 0] += chance.random(len(a)) / 1e3
    return Compared(way, found, Comparisons(a, b, same, same), seen, (f"{seed:016x}",))


def test_a_gate_is_of_sensors_and_judged_by_its_weights():
    found = [numbers("plain", 1), numbers("192x192", 2), numbers("strained", 3)]
    gate = gated(fusion.shipped(), found)
    assert (gate.genuine, gate.set) == (2 * 8 * 45, fusion.shipped().set)
    assert gate.pictures == tuple(f"{seed:016x}" for seed in (1, 2, 3))
    assert gate.genuine * 0.3 < gate.passed < gate.genuine * 0.7
    good, small = (
        gate.chance(each) for each in sorted(set(found[0].seen), key=lambda q: -q.strong)
    )
    assert small < 0.4
    assert good > 0.7
    assert quality.parse(quality.encode(gate)) == gate
    with pytest.raises(FitError, match="fewer"):
        gated(fusion.shipped(), [numbers("plain", 1, failing=0.0)])
    alone = found[0]._replace(evidence=found[0].evidence[:9], pairs=_first(found[0].pairs, 9))
    with pytest.raises(RatesError):
        gated(fusion.shipped(), [alone])


def _first(pairs, count):
    """Return the comparisons of the first picture with some others of its finger."""
    return Comparisons(*(each[:count] for each in (pairs.a, pairs.b, pairs.same, pairs.fvc)))


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
        (["--weights", "huge"], 3),
        (["--calibration", "README"], 3),
        (["--calibration", "huge"], 3),
        (["--protocol", "pairs", "--pairs", "README"], 3),
        (["--protocol", "pairs", "--pairs", "pipe.csv"], 3),
        (["--dir", "."], 3),
    ],
)
def test_usage(prints, tmp_path, arguments, code):
    (tmp_path / "README").write_bytes(b"\xffno JSON")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe.csv").write_text("a,b,same\nlinked/pipe,linked/pipe,1\n")
    (tmp_path / "linked").symlink_to(tmp_path)
    here = {"README", "huge", "pipe.csv", "."}
    given = [tmp_path / each if each in here else each for each in arguments]
    images = tmp_path if "pipe.csv" in arguments else prints
    done = tram("models", "evaluate", "finger", "--images", images, *given)
    assert done.exit_code == code


@built
@pytest.mark.parametrize("command", ["evaluate", "calibrate", "train"])
def test_files_that_are_no_pictures_or_have_other_names(tmp_path, command):
    out = tmp_path / "out.json"

    def refused():
        more = () if command == "evaluate" else ("--out", out)
        done = tram("models", command, "finger", "--images", tmp_path, *more)
        assert done.exit_code == 3, done.output
        assert not out.exists()
        return done.stderr

    assert "missing" in refused()
    (tmp_path / "1_1.png").write_bytes(b"no picture")
    assert "1_1" not in refused()
    with (tmp_path / "1_1.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "size" in refused()
    (tmp_path / "1_1.png").unlink()
    (tmp_path / "1_1.png").symlink_to("/dev/zero")
    assert "missing" in refused()
    (tmp_path / "1_1.png").unlink()
    (tmp_path / "name.png").write_bytes(b"")
    assert "name.png" not in refused()


@built
@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA")
def test_fvc2002_db3_first_impressions_as_they_were_measured(tmp_path):
    for path in Path(DATA, "data", "fingers", "fvc2002", "DB3_B").glob("10[1-4]_[1-3].png"):
        (tmp_path / path.name).symlink_to(path)
    found = evaluated(tmp_path, "--protocol", "fvc", "--in-sample")
    print({name: found[name] for name in ("eer", "eer_fvc", "fnmr_at_fmr", "ms")}, file=sys.stderr)
    assert found["failures"] == 0
    assert found["all_pairs"] == {"genuine": 12, "impostor": 54}
    assert found["eer_fvc"] <= 0.01
    assert found["fnmr_at_fmr"]["1e-2"] <= 0.01
