"""Manifests are strict, and a file that is not exactly theirs is never handed to the runtime."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
from face_material import MODELS, READY, ROOT, WHY_NOT
from hypothesis import given
from hypothesis import strategies as st
from pipe_material import refusal_of

from models import files
from models.manifest import (
    FOLDER,
    LICENCES,
    MANIFEST,
    SUPPLIED,
    Manifest,
    load_verified,
    manifests,
    parse,
    supplied,
)
from models.runtime import ModelError
from wire.record import Versions

RAW = (FOLDER / "mobilefacenet.json").read_bytes()


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(RAW) | fields).encode()


def fed(**fields: object) -> bytes:
    return changed(preprocessing=json.loads(RAW)["preprocessing"] | fields)


def test_the_models_of_a_verification_are_known():
    assert {each.name: each.role for each in manifests().values()} == {
        "dlib-resnet": "embed",
        "face-detection-short-range": "detect",
        "face-landmark": "mesh",
        "iris-landmark": "iris",
        "leader.fp16": "minutiae",
        "leader.int8": "minutiae",
        "mobilefacenet": "embed",
    }


def test_one_embedder_and_all_else_have_a_clean_licence():
    unclean = [each.name for each in manifests().values() if not each.licence.clean]
    assert unclean == ["mobilefacenet"]


def test_every_manifest_tells_what_is_asked_of_a_model():
    for each in manifests().values():
        assert each.training_data
        assert each.doubts
        assert each.evaluation
        assert each.licence.texts
        page, _, heading = each.card.partition("#")
        assert f"## {heading}\n" in (ROOT / page).read_text()
        assert (each.calibration is not None) == (each.role == "embed")


def test_texts_that_packages_do_not_carry_are_the_standard_ones():
    for each in manifests().values():
        for text in each.licence.texts:
            if not text.path:
                content = (LICENCES / f"{text.licence}.txt").read_bytes()
                assert hashlib.sha256(content).hexdigest() == text.sha256


def test_the_ids_go_into_a_record_as_it_demands():
    ids = {each.name: each.id for each in manifests().values()}
    versions = Versions(software="1", policy="p-1", models=ids)
    assert msgspec.convert(msgspec.to_builtins(versions), Versions) == versions
    assert all(re.fullmatch(r"[a-z0-9.-]+-[0-9a-f]{12}", each) for each in ids.values())


def test_no_manifest_holds_an_address():
    for path in FOLDER.glob("*.json"):
        assert not re.search(r"https?:|www\.|\.(com|org|io)\b", path.read_text())


@pytest.mark.parametrize(
    "raw",
    [
        changed(unheard_of=1),
        changed(name="../../etc/passwd"),
        changed(sha256="0" * 63),
        changed(size_bytes=10**9),
        changed(embedding=None),
        changed(embedding={"template": "dlib-150", "mirror": "slot"}),
        changed(embedding={"template": "arcface-112", "mirror": "again"}),
        changed(conversion="dlib"),
        changed(sha256="0" * 64),
        changed(outputs=[[1, 192]]),
        changed(outputs=[[2, 192], [1, 1]]),
        changed(source=json.loads(RAW)["source"] | {"size_bytes": 7}),
        changed(doubts=["x" * 70_000]),
        changed(role="detect"),
        changed(inputs=[[0, 112, 112, 3]]),
        fed(colours="grey"),
        fed(offset=-0.5),
        fed(offset=255.5),
        fed(offset=1e308),
        fed(scale=0.99),
        fed(scale=256.5),
        fed(scale=5e-324),
        RAW[:-3],
        b"",
        b"[" * 100_000,
    ],
)
def test_a_manifest_that_is_not_right_is_no_manifest(raw):
    with pytest.raises(ModelError) as refused:
        parse(raw)
    assert refused.value.why == "unknown"


@given(cut=st.integers(0, len(RAW) - 3), put=st.binary(max_size=3))
def test_a_damaged_manifest_is_read_or_refused(cut, put):
    try:
        found = parse(RAW[:cut] + put + RAW[cut + len(put) :])
    except ModelError:
        return
    assert isinstance(found, Manifest)


def test_how_a_net_is_fed_has_a_name_of_its_own():
    plain = parse(RAW)
    canonical = '{"colours":"RGB","offset":127.5,"scale":128.0,"template":"arcface-112",'
    canonical += '"mirror":"slot"}'
    assert plain.feed == hashlib.sha256(canonical.encode()).hexdigest()[:8]
    others = [parse(fed(offset=127)), parse(fed(scale=127.5))]
    others += [parse((FOLDER / "dlib-resnet.json").read_bytes())]
    for mirror in ("again", "none"):
        how = msgspec.structs.replace(others[2].embedding, mirror=mirror)
        others.append(msgspec.structs.replace(others[2], embedding=how))
    assert others[3] == others[2]
    assert len({each.feed for each in (plain, *others)}) == 5
    assert parse(fed(crop="in other words", scale=128)).feed == plain.feed


def test_a_manifest_comes_back_as_it_was_written():
    found = parse(RAW)
    assert parse(msgspec.json.encode(found)) == found


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_the_built_files_are_those_of_the_manifests():
    for name, manifest in manifests().items():
        assert hashlib.sha256(load_verified(MODELS, name)).hexdigest() == manifest.sha256


@pytest.mark.skipif(not READY, reason=WHY_NOT)
@pytest.mark.parametrize("change", ["bit", "short", "long", "empty"])
def test_an_altered_file_is_not_loaded(change, tmp_path):
    name = "face-detection-short-range"
    content = bytearray(load_verified(MODELS, name))
    if change == "bit":
        content[len(content) // 2] ^= 1
    altered = {"short": content[:-1], "long": content + b"\0", "empty": b""}.get(change, content)
    (tmp_path / f"{name}.tflite").write_bytes(altered)
    with pytest.raises(ModelError) as refused:
        load_verified(tmp_path, name)
    assert (refused.value.model, refused.value.why) == (name, "altered")


def test_a_folder_in_place_of_a_file_leaves_no_descriptor_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(OSError, match="directory"):
            files.read(tmp_path, limit=9)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(tmp_path):
    def model():
        load_verified(tmp_path, "face-landmark")

    assert refusal_of(model, tmp_path / "face-landmark.tflite").why == "missing"
    place = tmp_path / SUPPLIED / "own-net"
    place.mkdir(parents=True)
    assert refusal_of(lambda: supplied(tmp_path), place / MANIFEST).why == "missing"


def test_a_file_that_is_not_there_and_a_model_nobody_knows(tmp_path):
    with pytest.raises(ModelError) as refused:
        load_verified(tmp_path, "face-landmark")
    assert refused.value.why == "missing"
    with pytest.raises(ModelError) as refused:
        load_verified(tmp_path, "../face-landmark")
    assert refused.value.why == "unknown"
