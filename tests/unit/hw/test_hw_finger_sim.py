"""The driver on a played module keeps the finger port's contract, for each model."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from contract_finger import FingerContract
from finger_material import READY, SPEED, as_captured, expect_a_fast_module, ridges
from PIL import Image

from hw.errors import BadDeviceURL, DeviceFailed, DeviceMissing
from hw.finger import BadPicture, FingerImage, PortClosed, Touch
from hw.finger.pictures import (
    MAX_FILE_BYTES,
    MAX_FILES,
    half_bytes,
    in_window,
    load_folder,
    parse_picture,
)
from hw.finger.played import FAULTS, MODELS, PlayedModule
from hw.finger.r503 import R503
from hw.finger.sim import SimulatedFinger
from hw.open import open_finger

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.finger import FingerPort

FINGER = ridges(1)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    expect_a_fast_module(monkeypatch)


class SimulatorRig:
    def __init__(self, model: str) -> None:
        self.model = model
        self.made: list[SimulatedFinger] = []

    def port(self) -> FingerPort:
        return self.make(None)

    def untouched(self) -> FingerPort:
        return self.make("no_finger")

    def make(self, fault: str | None) -> SimulatedFinger:
        module = PlayedModule([FINGER], model=self.model, fault=fault, **READY)
        self.made.append(SimulatedFinger(module))
        return self.made[-1]

    def missing(self) -> FingerPort:
        return R503("/dev/no-such-line")

    def unplug(self) -> None:
        self.made[-1].module.unplug()

    def is_the_finger(self, touch: Touch) -> bool:
        assert isinstance(touch, FingerImage)
        assert touch.source == "sim"
        return np.array_equal(touch.pixels, as_captured(FINGER, self.model))


@pytest.mark.parametrize("model", sorted(MODELS))
class TestContract(FingerContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self, model: str):
        rig = SimulatorRig(model)
        yield rig
        for each in rig.made:
            each.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2):
        Image.fromarray(ridges(number)).save(tmp_path / f"finger_{number}.png")
    return tmp_path


def test_a_folders_pictures_are_laid_on_in_turn(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    port = open_finger(f"sim://finger?images={folder}&model=as608&speed={SPEED}&noise=0")
    port.open()
    try:
        for number in (1, 2, 1):
            touch = port.capture(timeout_s=3)
            assert isinstance(touch, FingerImage)
            assert np.array_equal(touch.pixels, as_captured(ridges(number), "as608"))
    finally:
        port.close()


@pytest.mark.testdata
def test_real_fingers_come_through_bit_for_bit(fingers: Path) -> None:
    wanted = min((fingers / "DB1_B").glob("*.png"))
    picture = np.asarray(Image.open(wanted).convert("L"), dtype=np.uint8)
    port = open_finger(f"sim://finger?images={fingers / 'DB1_B'}&speed={SPEED}&noise=0")
    port.open()
    try:
        touch = port.capture(timeout_s=3)
    finally:
        port.close()
    assert isinstance(touch, FingerImage)
    assert np.array_equal(touch.pixels, as_captured(picture, "r503"))


@pytest.fixture
def fingers() -> Path:
    import os

    root = os.environ.get("TRAM_TESTDATA")
    found = Path(root) / "data" / "fingers" / "fvc2002" if root else None
    if found is None or not found.is_dir():
        pytest.skip("TRAM_TESTDATA: fingers/fvc2002")
    return found


def test_a_picture_smaller_than_the_sensor_lies_in_white() -> None:
    window = in_window(ridges(1, height=40, width=300), width_px=192, height_px=192)
    assert (window[:76] == 255).all()
    assert (window[116:] == 255).all()
    assert np.array_equal(window[76:116], ridges(1, height=40, width=300)[:, 54:246])
    assert half_bytes(np.array([[0x12, 0xFE, 0x80, 0x0F]], dtype=np.uint8)) == b"\x1f\x80"


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        SimulatedFinger.of_folder(tmp_path / "none")
    with pytest.raises(DeviceMissing):
        SimulatedFinger.of_folder(tmp_path)
    wide = tmp_path / "wide.png"
    Image.new("1", (4000, 4000)).save(wide)
    for content in (b"", b"\x89PNG", wide.read_bytes(), bytes(MAX_FILE_BYTES + 1)):
        with pytest.raises(BadPicture):
            parse_picture(content)
    with pytest.raises(BadPicture):
        SimulatedFinger.of_folder(tmp_path)
    for number in range(MAX_FILES):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(BadPicture):
        SimulatedFinger.of_folder(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "r999"},
        {"fault": "fire"},
        {"fault": "silence:sometimes"},
        {"speed": 0.0},
        {"speed": float("nan")},
        {"noise": -1.0},
        {"noise": float("nan")},
    ],
)
def test_what_the_simulator_has_not_is_refused(folder: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(BadDeviceURL):
        SimulatedFinger.of_folder(folder, **wrong)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_no_two_images_are_equal_unless_there_is_no_noise(folder: Path, noise: float) -> None:
    port = SimulatedFinger.of_folder(folder, speed=1_000, noise=noise)
    port.open()
    seen = []
    for _ in range(2 * len(list(folder.iterdir()))):
        seen.append(port.capture(timeout_s=5).pixels)
        port.wait_until(finger=False, timeout_s=5)
    port.close()
    first, again = seen[0].astype(int), seen[len(seen) // 2].astype(int)
    assert np.array_equal(first, again) is (noise == 0)
    assert np.abs(first - again).mean() < 8


def test_every_fault_is_told_in_words() -> None:
    assert all(name.isidentifier() and " " in words for name, words in FAULTS.items())


def test_a_module_pulled_out_before_it_is_opened_is_no_module() -> None:
    module = PlayedModule([FINGER], speed=SPEED)
    path = module.plug_in()
    module.unplug()
    module.unplug()
    with pytest.raises((DeviceMissing, DeviceFailed)):
        R503(path).open()
    with pytest.raises(PortClosed):
        SimulatedFinger(module).capture(timeout_s=0.1)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_only_regular_files_are_pictures(folder: Path, make: Callable[[Path], None]) -> None:
    """To open a pipe would be to wait for whoever writes."""
    strange = folder / "finger_0.png"
    make(strange)
    found: list[object] = []

    def load() -> None:
        try:
            found.append(load_folder(folder))
        except BadPicture as error:
            found.append(error)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(2)
    if thread.is_alive():
        os.close(os.open(strange, os.O_WRONLY | os.O_NONBLOCK))
        thread.join(2)
        pytest.fail("it waits for a writer")
    assert isinstance(found[0], BadPicture)
