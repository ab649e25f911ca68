"""The free photographs that demo and tests use, taken from pinned packages at the time of use.

Knows which picture lies where. They are photographs of real people: never committed, never shown in
a document, and whoever is on them endorses nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from provisioning.packages import (
    PackageError,
    archive_of,
    pip_download,
    read_member,
    write_atomically,
)

MAX_PICTURE_BYTES: Final = 4 * 1024 * 1024
AS_SOURCE: Final = ("face-recognition",)
"""Its wheel leaves the pictures out."""


class PortraitsError(Exception):
    """The photographs could not be fetched."""


class _Picture(NamedTuple):
    package: str
    version: str
    path: str
    sha256: str


def _recognition(name: str, sha256: str) -> _Picture:
    path = f"face_recognition-1.3.0/tests/test_images/{name}"
    return _Picture("face_recognition", "1.3.0", path, sha256)


PICTURES: Final = {
    "obama.jpg": _recognition(
        "obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"
    ),
    "obama2.jpg": _recognition(
        "obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"
    ),
    "obama3.jpg": _recognition(
        "obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"
    ),
    "biden.jpg": _recognition(
        "biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"
    ),
    "astronaut.png": _Picture(
        "scikit_image",
        "0.26.0",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
}
"""By file name: the package, the file inside it and its hash."""


def fetch(out: Path, requirements: Path) -> dict[str, Path]:
    """Put the photographs into a folder; those that are there are left.

    Args:
        out: the folder; made if there is none.
        requirements: the packages, pinned by hash.

    Returns:
        The files by name without suffix: "obama", "obama2", "obama3", "biden", "astronaut".

    Raises:
        PortraitsError: a package could not be fetched, or holds other pictures than expected.
    """
    missing = [name for name in PICTURES if not _is_there(out / name)]
    try:
        if missing:
            _take(missing, out=out, requirements=requirements)
    except (PackageError, OSError) as error:
        raise PortraitsError(str(error)) from error
    return {Path(name).stem: out / name for name in PICTURES}


def _take(names: list[str], *, out: Path, requirements: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pip_download(requirements, folder, as_source=AS_SOURCE)
        for name in names:
            picture = PICTURES[name]
            archive = archive_of(folder, picture.package, version=picture.version)
            content = read_member(archive, picture.path, limit=MAX_PICTURE_BYTES)
            if hashlib.sha256(content).hexdigest() != PICTURES[name].sha256:
                raise PackageError(f"{name} is another picture than expected")
            write_atomically(out / name, content)


def _is_there(path: Path) -> bool:
    """Return whether the file has the expected bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PICTURE_BYTES + 1)
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == PICTURES[path.name].sha256
