"""Who stands before the simulated camera passes every gate; a dark hall is mended by exposure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
from vision_scene import MODELS, NAMES, READY, WHY_NOT, press

from hw.camera.controls import FaceExposure
from hw.camera.sim import HeadCamera
from kiosk.vision.lens import Lens
from kiosk.vision.sight import Eyes

if TYPE_CHECKING:
    from pathlib import Path

    from kiosk.vision.sight import Sight

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)
FRAMES = 14


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


def look(head: Path, *, dim_ev: float = 0.0, steered: bool = True) -> list[Sight]:
    """Return what the worker's eyes see, with the exposure that the worker would ask for."""
    eyes, exposure, lens = Eyes(MODELS), FaceExposure(), Lens()
    camera = HeadCamera(head, dim_ev=dim_ev, fps=4)
    camera.open()
    seen = []
    for frame in islice(camera.frames(), FRAMES):
        sight = eyes.look(frame)
        light = sight.light
        lens.see(frame.rgb, at_s=sight.taken_s, warmth=None if light is None else light.warmth)
        luma = None if light is None else light.brightness
        controls = exposure.see(luma, at_s=sight.taken_s)
        if controls is not None and steered:
            camera.set_controls(controls)
        seen.append(sight)
    camera.close()
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_who_stands_there_passes_every_gate(heads: Path, name: str) -> None:
    assert [sight.flaw for sight in look(press(name, heads))] == [None] * FRAMES


def test_a_dark_hall_is_mended(heads: Path) -> None:
    head = press("obama2", heads)
    left = look(head, dim_ev=4.0, steered=False)
    assert {sight.flaw for sight in left} <= {"quality_exposure", None}
    assert left[-1].flaw == "quality_exposure"
    assert [sight.flaw for sight in look(head, dim_ev=4.0)][-4:] == [None] * 4
