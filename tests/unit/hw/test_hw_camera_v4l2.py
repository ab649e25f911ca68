"""The webcam driver: the kernel's own header as oracle of its numbers, a stand-in for the rest.

No video device is to be had here: what a real driver does beyond its documentation is not proven.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import time
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from contract_camera import FPS, CameraContract
from v4l2_kernel import RED, Kernel

from hw.camera import v4l2
from hw.camera import v4l2_abi as abi
from hw.camera.controls import Controls
from hw.camera.v4l2 import V4L2Camera
from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout

HEADER = Path("/usr/include/linux/videodev2.h")
NUMBERS = {
    **{
        f"VIDIOC_{name}": getattr(abi, name)
        for name in ("QUERYCAP", "S_FMT", "REQBUFS", "QUERYBUF", "QBUF", "DQBUF", "STREAMON",
                     "STREAMOFF", "G_CTRL", "S_CTRL", "QUERYCTRL")
    },
    "V4L2_BUF_TYPE_VIDEO_CAPTURE": abi.BUFFER_TYPE_CAPTURE,
    "V4L2_MEMORY_MMAP": abi.MEMORY_MMAP,
    "V4L2_FIELD_NONE": abi.FIELD_NONE,
    "V4L2_CAP_VIDEO_CAPTURE": abi.CAP_VIDEO_CAPTURE,
    "V4L2_CAP_STREAMING": abi.CAP_STREAMING,
    "V4L2_CAP_DEVICE_CAPS": abi.CAP_DEVICE_CAPS,
    "V4L2_BUF_FLAG_ERROR": abi.FLAG_ERROR,
    "V4L2_BUF_FLAG_TIMESTAMP_MASK": abi.TIMESTAMP_MASK,
    "V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC": abi.TIMESTAMP_MONOTONIC,
    "V4L2_CTRL_FLAG_DISABLED": abi.CONTROL_DISABLED,
    "V4L2_PIX_FMT_YUYV": abi.YUYV,
    "V4L2_PIX_FMT_MJPEG": abi.MJPEG,
    "V4L2_CID_AUTO_WHITE_BALANCE": abi.CID_AUTO_WHITE_BALANCE,
    "V4L2_CID_WHITE_BALANCE_TEMPERATURE": abi.CID_WHITE_BALANCE_TEMPERATURE,
    "V4L2_CID_EXPOSURE_AUTO": abi.CID_EXPOSURE_AUTO,
    "V4L2_CID_EXPOSURE_ABSOLUTE": abi.CID_EXPOSURE_ABSOLUTE,
    "V4L2_EXPOSURE_MANUAL": abi.EXPOSURE_MANUAL,
    "V4L2_EXPOSURE_APERTURE_PRIORITY": abi.EXPOSURE_APERTURE_PRIORITY,
}  # fmt: skip
STRUCTURES = {
    "v4l2_capability": abi.Capability,
    "v4l2_pix_format": abi.PixFormat,
    "v4l2_format": abi.Format,
    "v4l2_requestbuffers": abi.RequestBuffers,
    "v4l2_buffer": abi.Buffer,
    "v4l2_control": abi.Control,
    "v4l2_queryctrl": abi.QueryControl,
}
OTHERWISE_NAMED = {"seconds", "microseconds"}


def said_by_the_header(folder: Path) -> dict[str, int]:
    asked = {name: name for name in NUMBERS}
    for name, structure in STRUCTURES.items():
        asked[f"sizeof {name}"] = f"sizeof(struct {name})"
        for field, *_ in structure._fields_:
            asked[f"{name}.{field}"] = f"offsetof(struct {name}, {field})"
    prints = "\n".join(
        f'printf("{key}=%llu\\n", (unsigned long long)({value}));' for key, value in asked.items()
    )
    source = folder / "ask.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/videodev2.h>\n"
        f"int main(void) {{\n{prints}\nreturn 0; }}\n"
    )
    subprocess.run(["cc", "-o", folder / "ask", source], check=True, timeout=60)
    done = subprocess.run([folder / "ask"], check=True, capture_output=True, text=True, timeout=10)
    pairs = (line.rpartition("=") for line in done.stdout.splitlines())
    return {key: int(value) for key, _, value in pairs}


@pytest.mark.skipif(
    not HEADER.exists() or shutil.which("cc") is None, reason="a C compiler and linux-libc-dev"
)
def test_every_number_and_offset_is_the_headers(tmp_path: Path) -> None:
    ours = dict(NUMBERS)
    for name, structure in STRUCTURES.items():
        ours[f"sizeof {name}"] = ctypes.sizeof(structure)
        for field, *_ in structure._fields_:
            ours[f"{name}.{field}"] = getattr(structure, field).offset
    assert said_by_the_header(tmp_path) == ours


class V4L2Rig:
    def camera(self) -> V4L2Camera:
        return V4L2Camera("/dev/video0", opener=Kernel(fps=FPS).opened)

    def red(self) -> V4L2Camera:
        return self.camera()

    def broken(self) -> V4L2Camera:
        return V4L2Camera("/dev/none", opener=Kernel().opened)


class TestContract(CameraContract):
    SIMULATED = False

    @pytest.fixture
    def rig(self) -> V4L2Rig:
        return V4L2Rig()


def camera_on(kernel: Kernel) -> V4L2Camera:
    camera = V4L2Camera("/dev/video0", opener=kernel.opened)
    camera.open()
    return camera


@pytest.mark.parametrize("formats", [(abi.YUYV,), (abi.MJPEG,), (abi.MJPEG, abi.YUYV)])
@pytest.mark.parametrize("faults", [(), ("refuses_formats",)])
def test_a_red_card_is_red(formats, faults) -> None:
    camera = camera_on(Kernel(formats=formats, faults=faults))
    rgb = next(camera.frames()).rgb
    camera.close()
    assert rgb.shape == (48, 64, 3)
    assert np.abs(rgb.astype(int) - RED).max() <= 4


@pytest.mark.parametrize("fault", ["errors", "short"])
@pytest.mark.parametrize("formats", [(abi.YUYV,), (abi.MJPEG,)])
def test_a_torn_frame_is_dropped_and_leaves_a_gap(fault, formats) -> None:
    camera = camera_on(Kernel(formats=formats, faults=(fault,)))
    frames = list(islice(camera.frames(), 4))
    camera.close()
    assert all(later.seq - earlier.seq >= 2 for earlier, later in pairwise(frames))
    assert all(np.abs(frame.rgb.astype(int) - RED).max() <= 4 for frame in frames)


def test_a_frame_that_was_begun_before_it_was_asked_for_is_dropped() -> None:
    camera = camera_on(Kernel(faults=("stamped_at_exposure",)))
    frames = camera.frames()
    for _ in range(5):
        asked = time.monotonic_ns()
        assert next(frames).monotonic_ns >= asked
    camera.close()


def test_a_stream_that_stalls_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "STALL_S", 0.2)
    camera = camera_on(Kernel(faults=("stalls",)))
    begun = time.monotonic()
    with pytest.raises(DeviceTimeout):
        next(camera.frames())
    assert time.monotonic() - begun < 1
    camera.close()


def test_a_camera_that_is_pulled_out_has_failed() -> None:
    kernel = Kernel()
    camera = camera_on(kernel)
    frames = camera.frames()
    next(frames)
    kernel.unplugged = True
    with pytest.raises(DeviceFailed):
        list(islice(frames, 3))
    camera.close()
    assert not kernel.is_open


def test_frames_on_another_clock_are_timed_when_they_come() -> None:
    kernel = Kernel()
    kernel.monotonic = False
    camera = camera_on(kernel)
    frames = camera.frames()
    next(frames)
    time.sleep(0.2)
    asked = time.monotonic_ns()
    late = next(frames)
    camera.close()
    assert asked <= late.monotonic_ns <= time.monotonic_ns()
    assert late.seq >= 9


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("no_video", DeviceMissing),
        ("metadata_node", DeviceMissing),
        ("no_memory", DeviceFailed),
        ("one_buffer", DeviceFailed),
        ("huge_buffers", DeviceFailed),
        ("does_not_start", DeviceFailed),
        ("narrow_rows", DeviceFailed),
    ],
)
def test_what_does_not_start_is_let_go(fault, kind) -> None:
    kernel = Kernel(faults=(fault,))
    with pytest.raises(kind):
        camera_on(kernel)
    assert not kernel.is_open


def test_a_format_that_is_not_known_is_refused() -> None:
    kernel = Kernel(formats=(abi.fourcc("H264"),))
    with pytest.raises(DeviceFailed):
        camera_on(kernel)
    assert not kernel.is_open


def test_a_camera_of_someone_else_is_busy() -> None:
    kernel = Kernel()
    camera_on(kernel)
    with pytest.raises(DeviceFailed):
        camera_on(kernel)


def test_exposure_leaves_the_automatic_and_returns_to_it() -> None:
    kernel = Kernel()
    camera = camera_on(kernel)
    exposure = kernel.controls[abi.CID_EXPOSURE_ABSOLUTE]
    camera.set_controls(Controls(exposure_bias_ev=1.0))
    assert kernel.controls[abi.CID_EXPOSURE_AUTO][2] == abi.EXPOSURE_MANUAL
    assert exposure[2] == 400
    camera.set_controls(Controls(exposure_bias_ev=-1.0))
    assert exposure[2] == 100
    exposure[1] = 500
    camera.set_controls(Controls(exposure_bias_ev=3.0))
    assert exposure[2] == 500
    camera.set_controls(Controls())
    assert kernel.controls[abi.CID_EXPOSURE_AUTO][2] == abi.EXPOSURE_APERTURE_PRIORITY
    camera.close()


def test_white_balance_is_fixed_within_what_the_camera_has() -> None:
    kernel = Kernel()
    camera = camera_on(kernel)
    camera.set_controls(Controls(white_balance_k=8000))
    assert kernel.controls[abi.CID_AUTO_WHITE_BALANCE][2] == 0
    assert kernel.controls[abi.CID_WHITE_BALANCE_TEMPERATURE][2] == 6500
    camera.set_controls(Controls())
    assert kernel.controls[abi.CID_AUTO_WHITE_BALANCE][2] == 1
    camera.close()


def test_a_camera_without_controls_goes_on() -> None:
    kernel = Kernel()
    kernel.controls.clear()
    camera = camera_on(kernel)
    camera.set_controls(Controls(exposure_bias_ev=1.0, white_balance_k=5000))
    next(camera.frames())
    camera.close()
    camera.set_controls(Controls())


def test_the_kernels_own_device_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        V4L2Camera(str(tmp_path / "video9")).open()
    before = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "video0").write_bytes(b"")
    with pytest.raises(DeviceMissing):
        V4L2Camera(str(tmp_path / "video0")).open()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
