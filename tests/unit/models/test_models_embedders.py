"""One port, several nets: which is opened, what it demands, and that strict means both."""

from __future__ import annotations

import json
import shutil
from itertools import combinations

import numpy as np
import pytest
from face_material import MODELS, NAMES, READY, WHY_NOT, mesh_of, photograph

from models.calibration import CalibrationError, require_use, shipped
from models.face.chip import chip, template
from models.face.embed import (
    CLEAN,
    NAME,
    STRICT,
    Embedder,
    choices,
    cosine,
    names_of,
    net_of,
    open_embedder,
)
from models.face.picture import PictureError
from models.manifest import FOLDER, MANIFEST, SUPPLIED, find, manifest_of, read_supplied, supplied
from models.runtime import ModelError

FILES = {name: MODELS / f"{name}.tflite" for name in (NAME, CLEAN, "iris-landmark")}
pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


@pytest.fixture(scope="module", params=[NAME, CLEAN, STRICT])
def embedder(request):
    return open_embedder(MODELS, request.param)


@pytest.fixture
def folder(tmp_path):
    """A models' folder with both embedders, linked."""
    for name in (NAME, CLEAN):
        (tmp_path / f"{name}.tflite").symlink_to(FILES[name])
    return tmp_path


def all_of(embedder):
    return {name: embedder.embed(photograph(name), mesh_of(name)) for name in NAMES}


def test_every_embedder_keeps_the_ports_promise(embedder):
    found = all_of(embedder)
    for one in found.values():
        assert one.shape == (embedder.size,)
        assert one.dtype == np.float32
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
        assert float(embedder.closeness(one, one)) == pytest.approx(1, abs=1e-3)
    rows = np.stack(list(found.values()))
    table = embedder.closeness(rows[:, None], rows[None])
    assert table.shape == (len(rows), len(rows))
    assert np.array_equal(table, table.T)
    for (a, one), (b, other) in combinations(enumerate(rows), 2):
        assert float(embedder.closeness(one, other)) == pytest.approx(table[a, b], abs=1e-12)


def test_one_person_is_closer_than_two_people(embedder):
    found = all_of(embedder)
    by_same = {True: [], False: []}
    for a, b in combinations(NAMES, 2):
        same = a.startswith("obama") and b.startswith("obama")
        by_same[same].append(float(embedder.closeness(found[a], found[b])))
    assert min(by_same[True]) > max(by_same[False]) + 0.1


@pytest.mark.parametrize("name", [NAME, CLEAN])
def test_a_mirrored_face_is_the_same_face(name):
    embedder = open_embedder(MODELS, name)
    side = embedder.manifests[0].embedding.side_px
    face = np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)
    straight, mirrored = embedder.embed_aligned(face), embedder.embed_aligned(face[:, ::-1])
    assert cosine(straight, mirrored) == pytest.approx(1, abs=1e-4)


def test_strict_is_the_mean_of_two_nets_and_neither_outvotes_the_other():
    strict = open_embedder(MODELS, STRICT)
    first, second = open_embedder(MODELS, NAME), open_embedder(MODELS, CLEAN)
    cut = first.size
    for a, b in combinations(NAMES, 2):
        rgb, other = (photograph(name) for name in (a, b))
        one, two = strict.embed(rgb, mesh_of(a)), strict.embed(other, mesh_of(b))
        found = float(strict.closeness(one, two))
        both = [
            float(each.closeness(each.embed(rgb, mesh_of(a)), each.embed(other, mesh_of(b))))
            for each in (first, second)
        ]
        spread = 1 - 2 * np.sqrt(1 - both[1])
        mean, least = (both[0] + spread) / 2, min(both[0], spread)
        assert found == pytest.approx(min(mean, least + 0.1), abs=1e-3)
    # Nets that disagree: each of them alone would say that it is one person.
    agree, differ = np.zeros(strict.size, np.float32), np.zeros(strict.size, np.float32)
    agree[[0, cut]] = differ[[0, cut + 1]] = np.sqrt(0.5)
    assert float(strict.closeness(agree, agree)) == pytest.approx(1, abs=1e-3)
    assert float(strict.closeness(agree, differ)) == pytest.approx(-0.9, abs=1e-3)
    differ[[0, cut + 1]], differ[[1, cut]] = 0, np.sqrt(0.5)
    assert float(strict.closeness(agree, differ)) == pytest.approx(0.1, abs=1e-3)


def test_names_fit_where_they_are_written():
    strict = open_embedder(MODELS, STRICT)
    assert strict.id == f"{manifest_of(NAME).id}+{manifest_of(CLEAN).id}"
    assert len(strict.id) <= 64
    assert set(choices(MODELS)) == {NAME, CLEAN, STRICT}


def test_the_doubtful_net_is_the_default_only_where_it_lies(folder):
    assert net_of(folder) == NAME
    assert names_of(folder, STRICT) == (NAME, CLEAN)
    (folder / f"{NAME}.tflite").unlink()
    assert net_of(folder) == CLEAN
    assert open_embedder(folder).name == CLEAN
    assert names_of(folder) == (CLEAN,)
    for name in (NAME, STRICT):
        with pytest.raises(ModelError):
            open_embedder(folder, name)
    (folder / f"{CLEAN}.tflite").unlink()
    with pytest.raises(ModelError):
        open_embedder(folder)


@pytest.mark.parametrize("name", ["face-landmark", "iris-landmark", "", "../x", "nothing"])
def test_what_is_no_embedder_is_not_opened_as_one(name):
    with pytest.raises(ModelError):
        open_embedder(MODELS, name)


def test_the_chip_puts_the_mean_face_where_dlib_does():
    places = template()
    assert places.shape == (33, 2)
    # dlib, 150 pixels with a quarter of padding: the tip of its nose (part 30), the outer corner
    # of the right eye (36), the left corner of the mouth (54), each (padding + mean) / 1.5 * 150.
    assert places[3] == pytest.approx([74.0127, 76.5625])
    assert places[9] == pytest.approx([37.1737, 46.6423])
    assert places[27] == pytest.approx([97.6104, 103.0233])
    face = chip(photograph("astronaut"), mesh_of("astronaut"))
    assert face.shape == (150, 150, 3)
    with pytest.raises(PictureError):
        chip(np.zeros((9, 9, 3), np.uint8), mesh_of("astronaut"))


def supply(folder, name="own-net", *, of=CLEAN, **changes):
    """Put a copy of a net into the folder under another name, as an operator would."""
    told = json.loads((FOLDER / f"{of}.json").read_text())
    told["name"] = name
    told["conversion"] = "none"
    source = {"registry": "operator", "package": "", "version": "1", "path": ""}
    told["source"] = source | {key: told[key] for key in ("sha256", "size_bytes")}
    told |= changes
    place = folder / SUPPLIED / name
    place.mkdir(parents=True)
    (place / MANIFEST).write_text(json.dumps(told))
    shutil.copy(FILES.get(of, MODELS / f"{of}.tflite"), place / f"{name}.tflite")
    return place


def test_an_operators_net_drops_in(folder):
    supply(folder)
    assert "own-net" in choices(folder)
    own, shipped = open_embedder(folder, "own-net"), open_embedder(folder, CLEAN)
    assert own.name == "own-net"
    rgb, found = photograph("obama"), mesh_of("obama")
    assert np.array_equal(own.embed(rgb, found), shipped.embed(rgb, found))


def fed(**changes):
    """Return how dlib's net is fed, changed."""
    told = json.loads((FOLDER / f"{CLEAN}.json").read_text())
    return told["preprocessing"] | changes


def usable(embedder, name=CLEAN):
    """Return whether the shipped thresholds of a net hold for an embedder of the same weights."""
    found = shipped(name)
    try:
        require_use(found, modality="face", net=found.net, pipeline=embedder.pipeline)
    except CalibrationError:
        return False
    return True


@pytest.mark.parametrize("name", [NAME, CLEAN, STRICT])
def test_shipped_thresholds_hold_for_the_net_as_it_is_fed(name):
    embedder = open_embedder(MODELS, name)
    assert usable(embedder, name)
    assert shipped(name).net == embedder.id


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"preprocessing": fed(crop="said otherwise")}, True),
        ({"preprocessing": fed(offset=1.0)}, False),
        ({"preprocessing": fed(scale=2.0)}, False),
        ({"embedding": {"template": "dlib-150", "mirror": "none"}}, False),
    ],
)
def test_thresholds_hold_for_no_net_that_is_fed_otherwise(folder, changes, holds):
    supply(folder, **changes)
    assert usable(open_embedder(folder, "own-net")) == holds


@pytest.mark.parametrize("how", [{"scale": 255.0}, {"offset": 127.5, "scale": 128.0}])
def test_a_net_to_which_all_pictures_are_one_is_not_loaded(folder, how):
    supply(folder, preprocessing=fed(**how))
    with pytest.raises(ModelError, match="fed wrongly") as refused:
        open_embedder(folder, "own-net")
    assert refused.value.why == "failed"


def test_an_operators_altered_net_is_not_loaded(folder):
    path = supply(folder) / "own-net.tflite"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as refused:
        open_embedder(folder, "own-net")
    assert refused.value.why == "altered"
    path.unlink()
    with pytest.raises(ModelError) as refused:
        open_embedder(folder, "own-net")
    assert refused.value.why == "missing"


def test_an_operators_net_of_other_shapes_than_it_says_is_not_loaded(folder):
    content = find(MODELS, "iris-landmark")[1]
    manifest = manifest_of("iris-landmark")
    told = {"sha256": manifest.sha256, "size_bytes": manifest.size_bytes}
    place = supply(
        folder,
        source={"registry": "operator", "package": "", "version": "1"} | {"path": ""} | told,
        **told,
    )
    (place / "own-net.tflite").write_bytes(content)
    with pytest.raises(ModelError) as refused:
        open_embedder(folder, "own-net")
    assert refused.value.why == "altered"


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": [[1, 112, 112, 3]]},
        {"inputs": [[2, 150, 150, 3]]},
        {"outputs": [[1, 128], [1, 1]]},
        {"outputs": [[2, 128]]},
        {"embedding": None},
        {"embedding": {"template": "arcface-224", "mirror": "again"}},
        {"embedding": {"template": "dlib-150", "mirror": "sometimes"}},
        {"role": "mesh"},
        {"conversion": "dlib-int8"},
        {"source": {"registry": "pypi", "package": "x", "version": "1", "path": "x"}},
        {"licence": {"expression": "mine"}},
        {"preprocessing": {"colours": "BGR", "offset": 0, "scale": 1, "crop": ""}},
        {"preprocessing": {"colours": "grey", "offset": 0, "scale": 1, "crop": ""}},
    ],
)
def test_a_bad_supplied_manifest_is_a_typed_error(folder, changes):
    supply(folder, **changes)
    for work in (choices, supplied, lambda folder: open_embedder(folder, "own-net")):
        with pytest.raises(ModelError):
            work(folder)


@pytest.mark.parametrize("name", [STRICT, NAME, "face-landmark"])
def test_a_supplied_net_takes_no_name_that_is_ours(folder, name):
    with pytest.raises(ModelError):
        read_supplied(supply(folder, name))


def test_a_supplied_net_lies_under_its_own_name(folder):
    place = supply(folder)
    with pytest.raises(ModelError):
        read_supplied(place.rename(place.with_name("another")))


def test_supplied_folders_are_bounded_and_need_a_manifest(folder):
    assert supplied(folder) == {}
    place = supply(folder)
    (place / MANIFEST).write_bytes(b" " * 70_000)
    with pytest.raises(ModelError, match="too long"):
        supplied(folder)
    (place / MANIFEST).unlink()
    with pytest.raises(ModelError):
        supplied(folder)
    for number in range(33):
        (folder / SUPPLIED / f"n{number}").mkdir()
    with pytest.raises(ModelError, match="too many"):
        supplied(folder)


def test_an_embedder_is_loaded_with_its_own_manifest():
    with pytest.raises(ModelError):
        Embedder(find(MODELS, CLEAN)[1])
    with pytest.raises(ModelError):
        Embedder(find(MODELS, "face-landmark")[1], manifest=manifest_of("face-landmark"))
