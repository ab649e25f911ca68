"""`tram models evaluate` and `calibrate`: on the free photographs, and on all that is wrong."""

from __future__ import annotations

import json
import os
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models import calibration
from models.evaluate.pictures import hash_of
from models.face import detect, embed, mesh
from tram.cli import main

ROOT = Path(__file__).parents[3]
MODELS, PORTRAITS = ROOT / "build" / "models", ROOT / "build" / "portraits"
DATA = os.environ.get("TRAM_TESTDATA")
built = pytest.mark.skipif(
    not (
        all((MODELS / f"{each.NAME}.tflite").exists() for each in (detect, mesh, embed))
        and any(PORTRAITS.glob("obama3.*"))
    ),
    reason="build/models and build/portraits: made by `make setup`",
)
KEYS = {
    "set", "genuine", "impostor", "failures", "auc", "eer", "fnmr_at_fmr", "fmr_at_threshold",
    "ci95", "ms", "model",
}  # fmt: skip


def tram(*arguments):
    given = [str(each) for each in arguments]
    if "--dir" not in given:
        given += ["--dir", str(MODELS)]
    return CliRunner().invoke(main, given, catch_exceptions=False)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder of five photographs of three people, and the list of their pairs beside it."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "pictures").mkdir()
    for name, number in {
        "astronaut": "a_1", "biden": "b_1", "obama": "c_1", "obama2": "c_2", "obama3": "c_3",
    }.items():  # fmt: skip
        (path,) = PORTRAITS.glob(f"{name}.*")
        shutil.copy(path, folder / "pictures" / f"{number}{path.suffix}")
    names = sorted(each.name for each in (folder / "pictures").iterdir())
    rows = [f"{a},{b},{int(a[0] == b[0])}" for a, b in combinations(names, 2)]
    (folder / "pairs.csv").write_text("\n".join(["a,b,same", *rows]))
    return folder


def measured(people, *more):
    done = tram(
        "models", "evaluate", "face", "--images", people / "pictures",
        "--pairs", people / "pairs.csv", "--json", *more,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@built
def test_the_report_has_what_was_agreed(people, tmp_path):
    whole = measured(people, "--out", tmp_path / "out")
    assert whole.keys() >= KEYS
    counts = [whole[each] for each in ("genuine", "impostor", "failures", "pictures", "subjects")]
    assert counts == [3, 7, 0, 5, 3]
    assert (whole["auc"], whole["eer"], whole["frames"]) == (1, 0, 1)
    assert whole["fnmr_at_fmr"].keys() == {"1e-2", "1e-3", "1e-4"}
    assert whole["fmr_at_threshold"].keys() == {"1e-3", "1e-4", "1e-5"}
    assert all(each["fmr"] == each["fnmr"] == 0 for each in whole["fmr_at_threshold"].values())
    assert whole["ci95"]["eer"] == pytest.approx([0, 1 - 0.025 ** (1 / 3)])
    assert whole["model"]["name"] == "mobilefacenet"
    assert len(whole["model"]["sha256"]) == 64
    assert whole["ms"]["extract"] > 0 < whole["ms"]["match"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == whole
    first, *corners = (tmp_path / "out" / "det.csv").read_text().splitlines()
    assert first == "threshold,fmr,fnmr"
    assert all(len(row.split(",")) == 3 for row in corners)


@built
def test_frames_are_judged_together(people):
    whole = measured(people, "--frames", 2)
    # Each of the three can be the one that the other two are compared with, and so can both others.
    assert (whole["genuine"], whole["impostor"], whole["frames"]) == (3, 2, 2)
    assert whole["eer"] == 0


@built
def test_people_read_a_table(people):
    done = tram(
        "models", "evaluate", "face", "--images", people / "pictures",
        "--pairs", people / "pairs.csv",
    )  # fmt: skip
    assert done.exit_code == 0
    assert "3 genuine, 7 impostor" in done.stdout
    assert "too few impostors to resolve" in done.stdout


@built
@pytest.mark.parametrize(
    ("row", "where", "why"),
    [
        ("c_1,c_2", "line 2", "2 columns"),
        ("c_1,c_2,x", "line 2", "neither 1 nor 0"),
        ("../c_1,c_2,1", "line 2", "no path inside"),
        ("nobody.png,a_1.png,1", "line 2", "picture missing"),
        ("words.png,a_1.png,1", "line 2", "picture format"),
        ("huge.png,a_1.png,0", "line 2", "picture size"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(people, tmp_path, row, where, why):
    shutil.copytree(people / "pictures", tmp_path / "pictures")
    (tmp_path / "pictures" / "words.png").write_text("no picture")
    with (tmp_path / "pictures" / "huge.png").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    (tmp_path / "list.csv").write_text(f"a,b,same\n{row}\n")
    done = tram(
        "models", "evaluate", "face", "--images", tmp_path / "pictures",
        "--pairs", tmp_path / "list.csv",
    )  # fmt: skip
    assert done.exit_code == 3
    assert done.stdout == ""
    assert all(each in done.stderr for each in ("list.csv", where, why))
    assert "nobody" not in done.stderr


@built
def test_a_set_of_one_kind_of_pairs_has_no_rates(people, tmp_path):
    (tmp_path / "list.csv").write_text("a,b,same\na_1.png,b_1.jpg,0\n")
    done = tram(
        "models", "evaluate", "face", "--images", people / "pictures",
        "--pairs", tmp_path / "list.csv",
    )  # fmt: skip
    assert (done.exit_code, "no genuine" in done.stderr) == (3, True)


@built
@pytest.mark.parametrize("net", ["nobody", "face-landmark", "../mobilefacenet"])
def test_what_is_no_embedding_net_is_refused(people, net):
    done = tram(
        "models", "evaluate", "face", "--images", people / "pictures",
        "--pairs", people / "pairs.csv", "--net", net,
    )  # fmt: skip
    assert done.exit_code == 3


@built
def test_a_set_that_it_was_fitted_on_is_refused_unless_asked_for(people, tmp_path):
    """The thresholds' own pictures are; those of the ratio only lose the figure of the ratio."""
    (one,) = (people / "pictures").glob("a_1.*")
    found = calibration.shipped("mobilefacenet")
    own = (hash_of(one.read_bytes()),)
    raw = json.loads(calibration.encode(found))
    raw["source"]["pictures"] = own
    (tmp_path / "own.json").write_text(json.dumps(raw))
    where = ("--images", people / "pictures", "--pairs", people / "pairs.csv")
    with_own = ("models", "evaluate", "face", *where, "--calibration", tmp_path / "own.json")
    refused = tram(*with_own, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--in-sample" in refused.stderr
    assert measured(people, "--calibration", tmp_path / "own.json", "--in-sample")["in_sample"]
    assert measured(people)["cllr"] is not None
    raw = json.loads(calibration.encode(found))
    raw["ratio"]["source"]["pictures"] = own
    (tmp_path / "ratio.json").write_text(json.dumps(raw))
    assert measured(people, "--calibration", tmp_path / "ratio.json")["cllr"] is None


@built
def test_by_default_the_thresholds_are_those_that_a_kiosk_would_use(people, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for path in (ROOT / "build" / "models").glob("*.tflite"):
        (folder / path.name).symlink_to(path)
    whole = measured(people, "--dir", folder)
    assert whole["model"]["calibration"] == calibration.find(folder, "mobilefacenet").id
    raw = json.loads(calibration.encode(calibration.shipped("mobilefacenet")))
    for place, each in enumerate(raw["thresholds"]):
        each["score"] = 0.99 + place / 1000
    (folder / "calibration-mobilefacenet.json").write_text(json.dumps(raw))
    own = measured(people, "--dir", folder)
    assert own["model"]["calibration"] == calibration.find(folder, "mobilefacenet").id
    assert own["model"]["calibration"].startswith("site-mobilefacenet-")
    assert own["fmr_at_threshold"]["1e-3"]["fnmr"] == 1, "nobody reaches them"
    assert whole["fmr_at_threshold"]["1e-3"]["fnmr"] == 0


@built
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_calibration_that_lacks_a_rate_is_refused(people, tmp_path, place):
    raw = json.loads(calibration.encode(calibration.shipped("mobilefacenet")))
    del raw["thresholds"][place]
    (tmp_path / "short.json").write_text(json.dumps(raw))
    for frames in (1, 2):
        done = tram(
            "models", "evaluate", "face", "--images", people / "pictures", "--frames", frames,
            "--pairs", people / "pairs.csv", "--calibration", tmp_path / "short.json",
        )  # fmt: skip
        assert (done.exit_code, done.stdout, "no_rate" in done.stderr) == (3, "", True)


@built
def test_what_is_listed_or_kept_twice_is_told(people, tmp_path):
    shutil.copytree(people / "pictures", tmp_path / "pictures")
    (one,) = (tmp_path / "pictures").glob("a_1.*")
    shutil.copy(one, one.with_stem("a_2"))
    rows = (people / "pairs.csv").read_text().splitlines()
    first = rows[1].split(",")
    again = [f"./{first[1]}, {first[0]} ,{first[2]}", f"{one.name},{one.with_stem('a_2').name},1"]
    (tmp_path / "pairs.csv").write_text("\n".join([*rows, *again]))
    whole = measured(tmp_path)
    assert (whole["repeated"], whole["copies"], whole["genuine"]) == (1, 1, 4)


@built
def test_a_calibration_of_another_net_is_refused(people, tmp_path):
    raw = json.loads(calibration.encode(calibration.shipped("mobilefacenet")))
    raw["net"] = "mobilefacenet-000000000000"
    (tmp_path / "other.json").write_text(json.dumps(raw))
    done = tram(
        "models", "evaluate", "face", "--images", people / "pictures",
        "--pairs", people / "pairs.csv", "--calibration", tmp_path / "other.json",
    )  # fmt: skip
    assert (done.exit_code, "other_net" in done.stderr) == (3, True)


@built
def test_a_site_calibrates_by_its_scores_alone(tmp_path):
    scores = np.random.default_rng(3).normal(0.1, 0.1, 50_000).clip(-1, 1)
    (tmp_path / "scores.txt").write_text("\n".join(map(str, scores)))
    done = tram(
        "models", "calibrate", "face", "--impostor-scores", tmp_path / "scores.txt",
        "--safety", 2, "--out", tmp_path / "new" / "site.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    found = calibration.load(tmp_path / "new" / "site.json")
    assert (found.source.pictures, found.source.impostor, found.ratio) == ((), 50_000, None)
    assert found.net.startswith("mobilefacenet-")
    above = (scores >= found.score_at(1e-3)).sum()
    assert 15 <= above <= 25, "50,000 / 1,000 / 2"
    assert "calibration-mobilefacenet.json" in done.stderr
    warned = [
        each for each in (1e-2, 1e-3, 1e-4, 1e-5) if f"at {each:g} it is laxer" in done.stderr
    ]
    shipped = calibration.shipped("mobilefacenet")
    assert warned == [
        each.fmr for each in found.thresholds if each.score < shipped.score_at(each.fmr)
    ]
    assert warned, "scores of such impostors lie lower than the shipped ones"


@built
@pytest.mark.parametrize(
    ("text", "why"),
    [("0.1\nhigh\n", "line 2"), ("0.1\n" * 10, "10 impostor scores"), ("nan\n" * 400, "no number")],
)
def test_what_are_no_scores_is_refused(tmp_path, text, why):
    (tmp_path / "scores.txt").write_text(text)
    done = tram(
        "models", "calibrate", "face", "--impostor-scores", tmp_path / "scores.txt",
        "--out", tmp_path / "site.json",
    )  # fmt: skip
    assert (done.exit_code, why in done.stderr) == (3, True)
    assert not (tmp_path / "site.json").exists()


@built
@pytest.mark.parametrize("named", [True, False])
def test_a_folder_a_person_is_told_to_make_everybody_a_person(people, tmp_path, named):
    for place, path in enumerate(sorted((people / "pictures").glob("c_*"))):
        (tmp_path / "s1").mkdir(exist_ok=True)
        name = f"c_{place}" if named else f"{place}"
        shutil.copy(path, tmp_path / "s1" / f"{name}{path.suffix}")
    done = tram(
        "models", "calibrate", "face", "--images", tmp_path / "s1", "--out", tmp_path / "site.json"
    )
    assert done.exit_code == 3
    assert ("no two pictures are of one person" in done.stderr) == (not named)


@built
def test_too_few_pictures_make_no_calibration(people, tmp_path):
    for more in ((), ("--pairs", people / "pairs.csv")):
        done = tram(
            "models", "calibrate", "face", "--images", people / "pictures", *more,
            "--out", tmp_path / "site.json",
        )  # fmt: skip
        assert (done.exit_code, "7 impostor scores" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "arguments", [[], ["--images", ".", "--images", "models", "--pairs", "pyproject.toml"]]
)
def test_a_calibration_needs_one_source(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = tram("models", "calibrate", "face", *arguments, "--out", tmp_path / "site.json")
    assert done.exit_code == 2


@built
@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/faces/orl")
def test_one_half_calibrates_for_the_other(tmp_path, record_property):
    """Nine people calibrate, five others are reported."""
    faces = Path(DATA, "data", "faces")
    rows = (faces / "orl_s1_20_pairs.csv").read_text().splitlines()
    halves = {"fit": set(range(1, 10)), "report": set(range(10, 15))}
    for half, members in halves.items():
        kept = [
            row for row in rows[1:]
            if {int(each.split("_")[0][1:]) for each in row.split(",")[:2]} <= members
        ]  # fmt: skip
        (tmp_path / f"{half}.csv").write_text("\n".join([rows[0], *kept]))
    done = tram(
        "models", "calibrate", "face", "--images", faces / "orl", "--pairs", tmp_path / "fit.csv",
        "--out", tmp_path / "half.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    report = tram(
        "models", "evaluate", "face", "--images", faces / "orl",
        "--pairs", tmp_path / "report.csv", "--calibration", tmp_path / "half.json", "--json",
    )  # fmt: skip
    whole = json.loads(report.stdout)
    assert (whole["genuine"], whole["impostor"]) == (225, 1000)
    record_property("cllr", whole["cllr"])
    assert whole["cllr"] < 0.15
    assert whole["fmr_at_threshold"]["1e-4"]["fmr"] == 0
    again = tram(
        "models", "evaluate", "face", "--images", faces / "orl", "--pairs", tmp_path / "fit.csv",
        "--calibration", tmp_path / "half.json",
    )  # fmt: skip
    assert again.exit_code == 1
