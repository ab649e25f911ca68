"""Pictures from files: the camera's contract, their order, and what is no picture."""

from __future__ import annotations

import io
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from camera_material import coloured_by_place
from contract_camera import FPS, CameraContract
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw.camera import file
from hw.camera.file import FileCamera, decode
from hw.errors import DeviceFailed, DeviceMissing

PICTURE = coloured_by_place()


def encoded(rgb: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


PNG, JPEG = encoded(PICTURE), encoded(PICTURE, "JPEG")


class FileRig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "one.png").write_bytes(PNG)

    def camera(self) -> FileCamera:
        return FileCamera(self.folder / "one.png", fps=FPS)

    def red(self) -> FileCamera:
        rgb = np.full((48, 64, 3), (200, 30, 40), np.uint8)
        (self.folder / "red.png").write_bytes(encoded(rgb))
        return FileCamera(self.folder / "red.png", fps=FPS)

    def broken(self) -> FileCamera:
        return FileCamera(self.folder / "none.png", fps=FPS)


class TestContract(CameraContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self, tmp_path: Path) -> FileRig:
        return FileRig(tmp_path)


def test_a_folder_is_shown_in_the_order_of_its_names_again_and_again(tmp_path: Path) -> None:
    for name, grey in (("b.png", 20), ("a.JPG", 10), ("c.jpeg", 30)):
        kind = "PNG" if name.endswith("png") else "JPEG"
        (tmp_path / name).write_bytes(encoded(np.full((32, 32, 3), grey, np.uint8), kind))
    (tmp_path / "notes.txt").write_text("no picture")
    camera = FileCamera(tmp_path, fps=100)
    camera.open()
    for frame in islice(camera.frames(), 7):
        assert abs(int(frame.rgb[0, 0, 0]) - (10, 20, 30)[frame.seq % 3]) <= 2


def test_a_picture_is_shown_as_it_is_and_upright() -> None:
    assert np.array_equal(decode(PNG), PICTURE)
    assert not decode(PNG).flags.writeable
    turned = Image.Exif()
    turned[0x0112] = 6
    on_its_side = encoded(np.ascontiguousarray(np.rot90(PICTURE)), "JPEG", exif=turned, quality=95)
    assert np.abs(decode(on_its_side).astype(int) - PICTURE).mean() < 3


def test_what_is_missing_and_what_is_no_picture(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(DeviceMissing):
            FileCamera(path).open()
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DeviceFailed):
        FileCamera(tmp_path).open()


def test_a_picture_that_goes_bad_ends_the_stream_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(PNG[:-200])
    camera = FileCamera(tmp_path, fps=100)
    camera.open()
    with pytest.raises(DeviceFailed):
        list(islice(camera.frames(), 20))


@pytest.mark.parametrize("fps", [0, -1, 0.4, 241, float("nan"), float("inf")])
def test_a_pace_is_bounded(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        FileCamera(Path("x"), fps=fps)


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = encoded(np.zeros((5000, 5000, 3), np.uint8))
    assert len(huge) < 100_000
    begun = time.process_time()
    with pytest.raises(DeviceFailed):
        decode(huge)
    assert time.process_time() - begun < 0.5
    monkeypatch.setattr(file, "MAX_FILE_BYTES", len(PNG) - 1)
    with pytest.raises(DeviceFailed):
        decode(PNG)


@pytest.mark.parametrize("raw", [PNG, JPEG], ids=["PNG", "JPEG"])
def test_half_a_picture_is_none(raw: bytes) -> None:
    for size in range(0, len(raw) - 64, 97):
        with pytest.raises(DeviceFailed):
            decode(raw[:size])


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(PNG)), st.sampled_from([PNG, JPEG]))
def test_any_bytes_are_a_picture_or_refused(noise: bytes, at: int, whole: bytes) -> None:
    try:
        rgb = decode(whole[:at] + noise + whole[at + len(noise) :])
    except DeviceFailed:
        return
    assert rgb.dtype == np.uint8
    assert rgb.shape[2] == 3
