"""Device URLs: taken apart, refused, and which driver each opens."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from camera_material import marked, mesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hw.camera import portrait
from hw.camera.file import FileCamera
from hw.camera.picamera import PiCamera
from hw.camera.sim import HeadCamera
from hw.camera.v4l2 import V4L2Camera
from hw.card.pcsc import PCSCReader
from hw.errors import BadDeviceURL, DeviceError, DeviceMissing
from hw.finger.fprint import FprintReader
from hw.finger.r503 import R503
from hw.finger.sim import SimulatedFinger
from hw.keys.file import FileKey
from hw.open import MAX_URL_CHARS, open_camera, open_card, open_finger, open_key, parse_url

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
SECRET = "hidden-name"


def test_a_url_is_taken_apart() -> None:
    parsed = parse_url("SIM://card?file=/a%20b/%C3%A2%3F.json&fault=torn:3", device="card")
    assert (parsed.scheme, parsed.target) == ("sim", "card")
    assert parsed.query == {"file": "/a b/â?.json", "fault": "torn:3"}
    assert SECRET not in repr(parse_url(f"file:///{SECRET}?x={SECRET}", device="keys"))
    assert parse_url("file:///a=b&c", device="camera").target == "/a=b&c"
    assert parse_url("pcsc://0", device="card").query == {}
    assert parse_url("sim://card?a=b=c", device="card").query == {"a": "b=c"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pcsc",
        "pcsc:0",
        "://0",
        "pc sc://0",
        "pçsc://0",
        "file://%FF",
        "file://a%00b",
        "file://a\nb",
        "file://a%0Ab",
        "sim://card?",
        "sim://card?file",
        "sim://card?=x",
        "sim://card?a=1&a=2",
        "sim://card?a=1&",
        "sim://card?a=1&&b=2",
        "file://" + "a" * MAX_URL_CHARS,
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(BadDeviceURL) as caught:
        parse_url(text, device="card")
    assert (caught.value.device, caught.value.reason) == ("card", "device_url")


@settings(deadline=None)
@given(st.from_regex(r"\A[A-Za-z0-9]{1,8}\Z"), PLAIN, st.dictionaries(PLAIN.filter(bool), PLAIN))
def test_what_is_escaped_comes_back(scheme: str, target: str, query: dict[str, str]) -> None:
    query = {quote(key, safe=""): value for key, value in query.items()}
    asked = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    text = f"{scheme}://{quote(target, safe='')}" + (f"?{asked}" if asked else "")
    if len(text) <= MAX_URL_CHARS:
        parsed = parse_url(text, device="card")
        assert (parsed.scheme, parsed.target) == (scheme.lower(), target)
        assert parsed.query == query


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.tuples(
            st.sampled_from(["sim://camera?", "serial:///dev/x?", "sbi://127.0.0.1:4501?"]),
            st.text(max_size=40),
        ).map("".join),
    )
)
def test_any_text_opens_or_is_refused(text: str) -> None:
    for opener in (open_card, open_camera, open_finger, open_key):
        with contextlib.suppress(DeviceError):
            opener(text)


def test_each_scheme_has_its_driver(tmp_path: Path) -> None:
    key = tmp_path / "a key.pem"
    FileKey.create(key)
    head = tmp_path / "head.npz"
    head.write_bytes(portrait.to_bytes(marked(), mesh()))
    assert isinstance(open_card("pcsc://0"), PCSCReader)
    assert isinstance(open_card("pcsc://Virtual PCD"), PCSCReader)
    assert isinstance(open_camera("v4l2:///dev/video0", allow_simulators=False), V4L2Camera)
    assert isinstance(open_camera("picamera://"), PiCamera)
    assert isinstance(open_camera("picamera://1"), PiCamera)
    assert isinstance(open_camera(f"file://{tmp_path}?fps=5"), FileCamera)
    assert isinstance(open_camera(f"sim://camera?file={head}&flat=1"), HeadCamera)
    assert isinstance(open_key(f"file://{quote(str(key))}"), FileKey)
    Image.new("L", (9, 9)).save(tmp_path / "finger.png")
    assert isinstance(open_finger("serial:///dev/ttyUSB0", allow_simulators=False), R503)
    assert isinstance(open_finger("serial:///dev/x?baud=57600&password=0&address=ffffffff"), R503)
    assert isinstance(open_finger("fprint://", allow_simulators=False), FprintReader)
    assert isinstance(
        open_finger(f"sim://finger?images={tmp_path}&fault=reset:always&model=as608&speed=50"),
        SimulatedFinger,
    )


@pytest.mark.parametrize(
    ("opener", "url"),
    [
        (open_card, "file:///x"),
        (open_card, "pcsc://"),
        (open_card, "pcsc://0?shared=1"),
        (open_card, "sim://camera?file=x"),
        (open_card, "sim://card"),
        (open_card, "sim://card?file="),
        (open_card, "sim://card?file=x&colour=red"),
        (open_camera, "pcsc://0"),
        (open_camera, "picamera://10"),
        (open_camera, "v4l2://"),
        (open_camera, "v4l2://0"),
        (open_camera, "v4l2:///etc/passwd"),
        (open_camera, "v4l2:///dev/../etc/passwd"),
        (open_camera, "v4l2:///dev/video0?fps=3"),
        (open_camera, "picamera://²"),
        (open_camera, "picamera://0?fps=3"),
        (open_camera, "file://"),
        (open_camera, "file:///x?fps=0"),
        (open_camera, "file:///x?fps=1e9"),
        (open_camera, "file:///x?size=1x1"),
        (open_camera, "sim://head?file=x"),
        (open_camera, "sim://camera"),
        (open_camera, "sim://camera?file=x&mask=1"),
        (open_finger, "pcsc://0"),
        (open_finger, "serial://"),
        (open_finger, "serial:///etc/passwd"),
        (open_finger, "serial:///dev/../etc/passwd"),
        (open_finger, "serial:///dev/x?baud=115201"),
        (open_finger, "serial:///dev/x?password=123456789"),
        (open_finger, "serial:///dev/x?address=0x1"),
        (open_finger, "serial:///dev/x?images=/"),
        (open_finger, "fprint://0"),
        (open_finger, "fprint://?x=1"),
        (open_finger, "sbi://127.0.0.1:4501"),
        (open_finger, "sbi://127.0.0.1:4500?trust=x"),
        (open_finger, "sbi://127.0.0.1?trust=x"),
        (open_finger, "sbi://10.0.0.1:4501?trust=x"),
        (open_finger, "sbi://127.0.0.1:4501?trust=x&env=Home"),
        (open_finger, "sbi://127.0.0.1:4501?trust=x&score=0"),
        (open_finger, "sbi://127.0.0.1:4501?trust=x&score=nan"),
        (open_finger, "sim://hand?images=x"),
        (open_finger, "sim://finger"),
        (open_finger, "sim://finger?images=x&colour=red"),
        (open_finger, "sim://finger?images=x&speed=fast"),
        (open_key, "tpm://0"),
        (open_key, "file://"),
        (open_key, "file:///x?password=y"),
    ],
)
def test_what_no_driver_understands_is_refused(opener, url: str) -> None:
    with pytest.raises(BadDeviceURL):
        opener(url)


@pytest.mark.parametrize(
    ("opener", "url"),
    [
        (open_card, f"sim://card?file=/{SECRET}"),
        (open_camera, f"sim://camera?file=/{SECRET}"),
        (open_camera, f"file:///{SECRET}"),
        (open_finger, f"sim://finger?images=/{SECRET}"),
        (open_finger, f"sbi://127.0.0.1:4501?trust=/{SECRET}&env=Developer"),
    ],
)
def test_the_production_profile_allows_no_simulator(opener, url: str) -> None:
    with pytest.raises(BadDeviceURL) as caught:
        opener(url, allow_simulators=False)
    assert SECRET not in str(caught.value)


def test_no_message_names_a_file() -> None:
    for opener, url in (
        (open_card, f"sim://card?file=/{SECRET}.json"),
        (open_key, f"file:///{SECRET}.pem"),
        (open_finger, f"sim://finger?images=/{SECRET}"),
        (open_finger, f"sbi://127.0.0.1:4501?trust=/{SECRET}"),
        (open_finger, f"serial:///{SECRET}?password={SECRET}"),
        (open_card, f"sim://card?file=/{SECRET}&{SECRET}=1"),
    ):
        with pytest.raises(DeviceError) as caught:
            opener(url)
        assert SECRET not in str(caught.value)
    camera = open_camera(f"sim://camera?file=/{SECRET}.npz")
    with pytest.raises(DeviceMissing) as missing:
        camera.open()
    assert SECRET not in str(missing.value)


def test_a_reader_alone_imports_no_vendor_no_simulator_and_no_pictures() -> None:
    code = """
import sys
from hw.open import open_card, open_camera, parse_url
open_card("pcsc://0", allow_simulators=False)
loaded = {name.split(".")[0] for name in sys.modules} & {"smartcard", "PIL", "numpy", "picamera2"}
simulators = [name for name in sys.modules if name.startswith(("emrtd.sim", "hw.card.sim"))]
sys.exit(str(loaded | set(simulators)) if loaded or simulators else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
