"""A portrait that can be turned: one picture and the points of the face on it, in an NPZ file.

Knows the file's form and what its values may be. Does not know how the points were found (`tram`
asks a model for them) nor how a head is made of them (`hw.camera.head`). Whatever a file claims, no
more than `MAX_FILE_BYTES` are read and no array is made that is larger than it must be; nothing in
it is unpickled.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hw.errors import DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VERSION = 1
POINTS = 468
MIN_SIDE_PX = 120
MAX_SIDE_PX = 2048
MAX_FILE_BYTES = 3 * MAX_SIDE_PX**2 + 65_536
EDGE_PX = 2.0
"""How far within the picture each point lies at least."""
OUTER_EYE_CORNERS = (33, 263)
"""The person's right and left."""
MIN_EYE_SPAN = 0.02
_MEMBERS = frozenset({"rgb.npy", "mesh.npy", "version.npy"})
_MAX_HEADER_BYTES = 256


@dataclass(frozen=True, slots=True)
class Portrait:
    """One picture of one face.

    Attributes:
        rgb: (H, W, 3) uint8, RGB, origin top left, upright, not mirrored; read-only.
        mesh: (468, 3) float64: x and y in the picture's pixels, z in the same unit, smaller is
            nearer to the camera; read-only.
    """

    rgb: NDArray[np.uint8] = field(repr=False)
    mesh: NDArray[np.float64] = field(repr=False)


_Item = TypeVar("_Item", bound=np.generic)


def load(path: Path) -> Portrait:
    """Read a portrait's file.

    Raises:
        DeviceMissing: there is no such file.
        DeviceFailed: it is no portrait.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DeviceMissing("camera", f"the portrait: {error.strerror}") from error
    return parse(raw)


def parse(raw: bytes) -> Portrait:
    """Parse a portrait's file.

    Raises:
        DeviceFailed: it is none.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise DeviceFailed("camera", "the portrait's file is too large")
    # Hostile archives and headers raise nearly anything in zipfile and numpy.
    try:
        rgb, mesh = _arrays(raw)
    except Exception as error:
        raise DeviceFailed("camera", "the file is no portrait") from error
    if not _is_face(mesh, width=rgb.shape[1], height=rgb.shape[0]):
        raise DeviceFailed("camera", "the portrait's points are no face on its picture")
    rgb.setflags(write=False)
    mesh.setflags(write=False)
    return Portrait(rgb, mesh)


def to_bytes(rgb: NDArray[np.uint8], mesh: NDArray[np.floating]) -> bytes:
    """Return the file of a portrait.

    Args:
        rgb: as in `Portrait`, each side `MIN_SIDE_PX` to `MAX_SIDE_PX`.
        mesh: as in `Portrait`; stored as float32.

    Raises:
        DeviceFailed: `parse` would refuse it.
    """
    out = io.BytesIO()
    np.savez_compressed(out, rgb=rgb, mesh=mesh.astype(np.float32), version=np.int64(VERSION))
    parse(out.getvalue())
    return out.getvalue()


def _arrays(raw: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if len(archive.infolist()) != len(_MEMBERS) or set(archive.namelist()) != _MEMBERS:
            raise ValueError("other members")
        version = _array(archive, "version.npy", np.int64, 0, limit=1)
        if int(version) != VERSION:
            raise ValueError("another version")
        rgb = _array(archive, "rgb.npy", np.uint8, 3, limit=3 * MAX_SIDE_PX**2)
        mesh = _array(archive, "mesh.npy", np.float32, 2, limit=3 * POINTS)
    sides = rgb.shape[:2]
    if rgb.shape[2] != 3 or min(sides) < MIN_SIDE_PX or max(sides) > MAX_SIDE_PX:
        raise ValueError("another shape of picture")
    if mesh.shape != (POINTS, 3):
        raise ValueError("another shape of mesh")
    return rgb, mesh.astype(np.float64)


def _array(
    archive: zipfile.ZipFile, name: str, kind: type[_Item], dimensions: int, *, limit: int
) -> NDArray[_Item]:
    """Return one array of exactly that kind with at most limit items."""
    size = np.dtype(kind).itemsize
    with archive.open(name) as member:
        raw = member.read(limit * size + _MAX_HEADER_BYTES + 1)
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another format of array")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(
        stream, max_header_size=_MAX_HEADER_BYTES
    )
    items = math.prod(shape)
    if dtype != np.dtype(kind) or by_columns or len(shape) != dimensions:
        raise ValueError("another kind of array")
    if len(raw) - stream.tell() != items * size:
        raise ValueError("another length of array")
    return np.frombuffer(raw, kind, items, stream.tell()).reshape(shape).copy()


def _is_face(mesh: NDArray[np.float64], *, width: int, height: int) -> bool:
    """Tell whether points lie on a picture and span a face that looks ahead, the right way up."""
    if not bool(np.all(np.isfinite(mesh))):
        return False
    low = np.array([EDGE_PX, EDGE_PX, -width])
    high = np.array([width - EDGE_PX, height - EDGE_PX, width])
    right_eye, left_eye = mesh[list(OUTER_EYE_CORNERS), :2]
    inside = bool(np.all((mesh >= low) & (mesh <= high)))
    return inside and bool(left_eye[0] - right_eye[0] >= MIN_EYE_SPAN * width)
