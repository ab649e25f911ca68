"""Whatever comes as a portrait or a frame: a value or a typed error, within time and memory.

Each runs in one child whose address space and processor time the kernel bounds, as the worker's
are; what it took in all is measured there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from face_material import MODELS, PORTRAITS, READY, ROOT, WHY_NOT

MAX_MIB = 1536
MAX_RESIDENT_MIB = 400
MAX_CPU_S = 60
SLOWEST_S = 4.0

REFUSED = (
    "nothing", "zeros", "noise", "one pixel", "one pixel, JPEG 2000", "a hundred megapixels",
    "a bomb", "CMYK", "16 bit", "16 bit PNG", "palette", "alpha", "animated", "animated WebP",
    "PNG bomb", "cut short", "layers", "layers and precincts",
)  # fmt: skip


@pytest.fixture(scope="module")
def report():
    child = Path(__file__).with_name("bad_pictures.py")
    done = subprocess.run(
        [sys.executable, child, str(MAX_MIB), str(MAX_CPU_S), MODELS, PORTRAITS / "astronaut.png"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


def test_bad_portraits_are_refused_by_type(report):
    for name in REFUSED:
        assert str(report["said"][f"portrait: {name}"]).startswith("PortraitError"), name


def test_what_is_a_picture_has_no_face_or_some(report):
    said = report["said"]
    for name in (
        "a line", "four megapixels", "as many layers as may be", "several in one", "EXIF 0",
        "EXIF 9",
    ):  # fmt: skip
        assert said[f"portrait: {name}"][1] == 0, name
    assert said["portrait: EXIF 6"][0] == said["portrait: EXIF 8"][0] == [300, 400, 3]
    assert said["portrait: EXIF 0"][0] == [400, 300, 3]


def test_bad_frames_are_refused_by_type(report):
    said = report["said"]
    for name in ("nothing", "one pixel", "grey", "four channels", "16 bit", "a hundred megapixels"):
        assert str(said[f"frame: {name}"]).startswith("PictureError"), name
    for name in ("black", "white", "noise", "thirty megapixels", "a line"):
        assert said[f"frame: {name}"] == 0, name
    # Each of forty is too small to be seen; what matters is that nobody among them is taken.
    assert said["frame: forty faces"] != 1
    assert said["frame: twelve faces"] > 1


def test_time_and_memory_are_bounded(report):
    assert max(report["took"].values()) < SLOWEST_S, report["took"]
    assert report["resident_mib"] < MAX_RESIDENT_MIB + 12_200 * 8200 * 3 / 2**20
