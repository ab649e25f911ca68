"""The chip's portrait is looked at before it is compared with: a spoilt one makes strangers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from vision_scene import MODELS, READY, WHY_NOT, card_portrait, jpeg

from kiosk.vision.sight import Eyes
from models.portrait import PortraitError

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return Eyes(MODELS)


def picture() -> Image.Image:
    return Image.open(io.BytesIO(card_portrait())).convert("RGB")


def test_a_portrait_as_states_make_them_is_taken(eyes: Eyes) -> None:
    assert eyes.read_portrait(card_portrait()).shape


@pytest.mark.parametrize(
    "spoil",
    [
        lambda each: np.asarray(each.resize((36, 48)).resize(each.size)),
        lambda each: np.minimum(np.asarray(each, dtype=float) * 4, 255).astype(np.uint8),
        lambda each: (np.asarray(each, dtype=float) * 0.05).astype(np.uint8),
    ],
    ids=["enlarged", "glare", "dark"],
)
def test_a_spoilt_portrait_is_for_a_person_to_look_at(eyes: Eyes, spoil) -> None:
    with pytest.raises(PortraitError) as caught:
        eyes.read_portrait(jpeg(spoil(picture())))
    assert caught.value.why in {"quality", "faces"}
