"""The libfprint driver, as far as it runs without libfprint: its port, typed errors, deadlines.

libfprint's introspection is not to be had here. A stand-in of `gi` answers the few calls that the
driver makes; what the real one does is not proven by that.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from contract_finger import FingerContract

from hw.errors import DeviceFailed, DeviceMissing
from hw.finger import FingerImage, Touch
from hw.finger.fprint import FprintReader

if TYPE_CHECKING:
    from hw.finger import FingerPort

GI = """
def require_version(name, version):
    if (name, version) != ("FPrint", "2.0"):
        raise ValueError(f"Namespace {name} not available for version {version}")
"""
REPOSITORY = """
import threading

class GLib:
    class Error(RuntimeError):
        pass

class Gio:
    class Cancellable:
        def __init__(self):
            self.event = threading.Event()
        def cancel(self):
            self.event.set()
            changed.set()
        def is_cancelled(self):
            return self.event.is_set()

changed = threading.Event()
state = {"finger": True, "there": True, "claimed": 0, "busy": False}
PIXELS = bytes(range(256)) * 2

class Image:
    width, height, ppmm, data = 32, 16, 19.685, PIXELS
    def get_width(self):
        return self.width
    def get_height(self):
        return self.height
    def get_ppmm(self):
        return self.ppmm
    def get_data(self):
        return self.data

class Device:
    def __init__(self, captures):
        self.captures = captures
    def has_feature(self, feature):
        return self.captures and feature == FPrint.DeviceFeature.CAPTURE
    def open_sync(self, cancellable):
        if state["busy"]:
            raise GLib.Error("The device is already claimed")
        state["claimed"] += 1
    def close_sync(self, cancellable):
        state["claimed"] -= 1
        if not state["there"]:
            raise GLib.Error("The device has been removed")
    def capture_sync(self, wait_for_finger, cancellable):
        assert wait_for_finger is True
        while True:
            if not state["there"]:
                raise GLib.Error("The device has been removed")
            if cancellable.is_cancelled():
                raise GLib.Error("Operation was cancelled")
            if state["finger"]:
                return Image()
            changed.wait(5)
            changed.clear()

class FPrint:
    class DeviceFeature:
        CAPTURE = 1
    class Context:
        def get_devices(self):
            return [Device(False), Device(True)] if state["there"] else [Device(False)]
"""


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a stand-in of `gi`, and return what it holds."""

    def install(gi: str = GI, repository: str = REPOSITORY) -> Any:
        (tmp_path / "gi").mkdir()
        (tmp_path / "gi" / "__init__.py").write_text(gi)
        (tmp_path / "gi" / "repository.py").write_text(repository)
        return importlib.import_module("gi.repository")

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    for name in [each for each in sys.modules if each.partition(".")[0] == "gi"]:
        del sys.modules[name]


class StandInRig:
    def __init__(self, held: Any) -> None:
        self.held = held
        self.made: list[FprintReader] = []

    def port(self) -> FingerPort:
        self.held.state["finger"] = True
        self.made.append(FprintReader())
        return self.made[-1]

    def untouched(self) -> FingerPort:
        port = self.port()
        self.held.state["finger"] = False
        return port

    def missing(self) -> FingerPort:
        self.held.state["there"] = False
        return FprintReader()

    def unplug(self) -> None:
        self.held.state["there"] = False
        self.held.changed.set()

    def is_the_finger(self, touch: Touch) -> bool:
        assert isinstance(touch, FingerImage)
        assert (touch.source, touch.dpi, touch.bits) == ("fprint", 500, 8)
        wanted = np.tile(np.arange(256, dtype=np.uint8), 2).reshape(16, 32)
        return np.array_equal(touch.pixels, wanted)


class TestContract(FingerContract):
    SIMULATED = False

    @pytest.fixture
    def rig(self, vendor):
        rig = StandInRig(vendor())
        yield rig
        for each in rig.made:
            each.close()
        assert rig.held.state["claimed"] == 0


@pytest.mark.parametrize(
    "gi", [None, "import no_such_library\n", "def require_version(*_):\n    raise ValueError\n"]
)
def test_without_libfprint_the_reader_is_missing(vendor, gi: str | None, monkeypatch) -> None:
    if gi is None:
        monkeypatch.setitem(sys.modules, "gi", None)
    else:
        Path(sys.path[0], "gi").mkdir()
        Path(sys.path[0], "gi", "__init__.py").write_text(gi)
    reader = FprintReader()
    for _ in range(2):
        with pytest.raises(DeviceMissing) as caught:
            reader.open()
    assert caught.value.reason == "device_missing"
    reader.close()


def test_one_that_is_claimed_already_has_failed(vendor) -> None:
    vendor().state["busy"] = True
    with pytest.raises(DeviceFailed):
        FprintReader().open()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 0), ("width", 33), ("height", 100_000), ("ppmm", 0.0), ("ppmm", 1e6),
        ("data", b""), ("data", bytes(513)),
    ],
)  # fmt: skip
def test_an_image_of_strange_claims_is_refused(vendor, name: str, value: object) -> None:
    held = vendor()
    setattr(held.Image, name, value)
    reader = FprintReader()
    reader.open()
    with pytest.raises(DeviceFailed):
        reader.capture(timeout_s=1)
    reader.close()
