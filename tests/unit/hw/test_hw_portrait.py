"""A portrait's file: round trip, hostile archives, points that are no face."""

from __future__ import annotations

import io
import os
import pickle
import time
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from camera_material import coloured_by_place, mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.camera import portrait
from hw.errors import DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

RGB, MESH = coloured_by_place(), mesh()
RAW = portrait.to_bytes(RGB, MESH)


def npy(array: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, **options)
    return out.getvalue()


def archive(**other: bytes | None) -> bytes:
    """Return a portrait's file with other members; None leaves one out."""
    members = {"rgb": npy(RGB), "mesh": npy(MESH.astype(np.float32)), "version": npy(np.int64(1))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {**members, **other}.items():
            if content is not None:
                file.writestr(f"{name}.npy", content)
    return out.getvalue()


def test_what_is_written_is_read() -> None:
    for raw in (RAW, archive()):
        found = portrait.parse(raw)
        assert np.array_equal(found.rgb, RGB)
        assert np.allclose(found.mesh, MESH, atol=1e-4)
        assert not found.rgb.flags.writeable
        assert not found.mesh.flags.writeable
        assert repr(found) == "Portrait()"


def test_numpy_reads_it_too() -> None:
    with np.load(io.BytesIO(RAW), allow_pickle=False) as file:
        assert np.array_equal(file["rgb"], RGB)
        assert file["mesh"].shape == (468, 3)
        assert file["mesh"].dtype == np.float32
        assert int(file["version"]) == 1


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pickle-ran",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = npy(np.array([[Bomb()] * 3] * 468, dtype=object), allow_pickle=True)
    for raw in (archive(mesh=objects), archive(version=pickle.dumps(Bomb())), pickle.dumps(Bomb())):
        with pytest.raises(DeviceFailed):
            portrait.parse(raw)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "other",
    [
        {"rgb": None},
        {"more": b"x"},
        {"version": npy(np.int64(2))},
        {"version": npy(np.int32(1))},
        {"rgb": npy(RGB[..., :1])},
        {"rgb": npy(RGB[..., 0])},
        {"rgb": npy(np.asfortranarray(RGB))},
        {"rgb": npy(RGB.astype(np.float32))},
        {"rgb": npy(RGB[:100])},
        {"rgb": npy(np.zeros((240, 2049, 3), np.uint8))},
        {"rgb": npy(RGB)[:-1]},
        {"rgb": npy(RGB) + b"x"},
        {"rgb": npy(RGB[:0])},
        {"mesh": npy(MESH)},
        {"mesh": npy(MESH[:467].astype(np.float32))},
        {"mesh": npy(MESH[:, :2].astype(np.float32))},
        {"mesh": npy(MESH.astype(">f4"))},
        {"mesh": npy(MESH.astype(np.float32), version=(2, 0))},
        {"mesh": b""},
    ],
)
def test_other_members_are_refused(other: dict[str, bytes | None]) -> None:
    with pytest.raises(DeviceFailed):
        portrait.parse(archive(**other))


def moved(place: int, x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    changed = MESH.copy()
    changed[place] += x, y, z
    return changed


@pytest.mark.parametrize(
    "points",
    [
        moved(5, x=float("nan")),
        moved(5, y=float("inf")),
        moved(5, x=1e30),
        moved(5, x=-200),
        moved(5, y=200),
        moved(5, z=-400),
        moved(5, z=400),
        np.zeros_like(MESH) + 50,
        MESH * [-1, 1, 1] + [320, 0, 0],
    ],
    ids=["nan", "inf", "far", "left", "below", "before", "behind", "one place", "mirrored"],
)
def test_points_that_are_no_face_are_refused(points: np.ndarray) -> None:
    with pytest.raises(DeviceFailed):
        portrait.to_bytes(RGB, points)
    with pytest.raises(DeviceFailed):
        portrait.parse(archive(mesh=npy(points.astype(np.float32))))


def header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        bytes(80_000_000),
        header("(1048576, 1048576, 3)"),
        header("(-1, -1, 3)"),
        header("(True, 240, 3)"),
        header("(" * 200),
        header("(240, 320, 3)" + " " * 60_000),
        header("(99**9, 1, 1)"),
    ],
    ids=["bomb", "huge", "negative", "bool", "nested", "padded", "power"],
)
def test_what_a_file_claims_costs_nothing(content: bytes) -> None:
    raw = archive(rgb=content)
    assert len(raw) < portrait.MAX_FILE_BYTES
    tracemalloc.start()
    begun = time.process_time()
    try:
        with pytest.raises(DeviceFailed):
            portrait.parse(raw)
        assert tracemalloc.get_traced_memory()[1] < 4 * portrait.MAX_FILE_BYTES
    finally:
        tracemalloc.stop()
    assert time.process_time() - begun < 2


def test_a_file_that_is_missing_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        portrait.load(tmp_path / "none.npz")
    large = tmp_path / "large.npz"
    with large.open("wb") as file:
        file.truncate(10 * portrait.MAX_FILE_BYTES)
    with pytest.raises(DeviceFailed):
        portrait.load(large)
    good = tmp_path / "good.npz"
    good.write_bytes(RAW)
    assert portrait.load(good).rgb.shape == (240, 320, 3)


def test_half_a_file_is_none() -> None:
    for size in range(0, len(RAW), 61):
        with pytest.raises(DeviceFailed):
            portrait.parse(RAW[:size])


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(RAW)))
def test_any_bytes_are_a_portrait_or_refused(noise: bytes, at: int) -> None:
    try:
        found = portrait.parse(RAW[:at] + noise + RAW[at + len(noise) :])
    except DeviceFailed:
        return
    assert found.mesh.shape == (468, 3)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_member_are_refused(noise: bytes) -> None:
    for name in ("rgb", "mesh", "version"):
        with pytest.raises(DeviceFailed):
            portrait.parse(archive(**{name: noise}))
        with pytest.raises(DeviceFailed):
            portrait.parse(archive(**{name: b"\x93NUMPY\x01\x00" + noise}))
