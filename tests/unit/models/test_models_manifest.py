"""Manifests are strict, and a file that is not exactly theirs is never handed to the runtime."""

from __future__ import annotations

import hashlib
import json
import re

import msgspec
import pytest
from face_material import MODELS, READY, WHY_NOT
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import FOLDER, Manifest, load_verified, manifests, parse
from models.runtime import ModelError
from wire.record import Versions

RAW = (FOLDER / "mobilefacenet.json").read_bytes()


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(RAW) | fields).encode()


def test_the_three_models_of_a_verification_are_known():
    assert {each.role: each.name for each in manifests().values()} == {
        "detect": "face-detection-short-range",
        "mesh": "face-landmark",
        "embed": "mobilefacenet",
    }


def test_the_ids_go_into_a_record_as_it_demands():
    ids = {each.role: each.id for each in manifests().values()}
    versions = Versions(software="1", policy="p-1", models=ids)
    assert msgspec.convert(msgspec.to_builtins(versions), Versions) == versions
    assert all(re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{12}", each) for each in ids.values())


def test_no_manifest_holds_an_address():
    for path in FOLDER.glob("*.json"):
        assert not re.search(r"https?:|www\.|\.(com|org|io)\b", path.read_text())


def test_thresholds_are_found_by_their_rate_and_never_guessed():
    calibration = manifests()["mobilefacenet"].calibration
    assert [calibration.cosine_at(fmr) for fmr in (1e-3, 1e-4, 1e-5)] == [0.471, 0.61, 0.619]
    with pytest.raises(KeyError):
        calibration.cosine_at(2e-4)


@pytest.mark.parametrize(
    "raw",
    [
        changed(unheard_of=1),
        changed(name="../../etc/passwd"),
        changed(sha256="0" * 63),
        changed(size_bytes=10**9),
        changed(calibration=None),
        changed(role="detect"),
        changed(inputs=[[0, 112, 112, 3]]),
        RAW.replace(b"0.619", b"0.609"),
        RAW.replace(b"1e-05", b"1e-02"),
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


def test_a_file_that_is_not_there_and_a_model_nobody_knows(tmp_path):
    with pytest.raises(ModelError) as refused:
        load_verified(tmp_path, "face-landmark")
    assert refused.value.why == "missing"
    with pytest.raises(ModelError) as refused:
        load_verified(tmp_path, "../face-landmark")
    assert refused.value.why == "unknown"
