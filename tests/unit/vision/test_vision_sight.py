"""Who is meant, and what a band means at the rate asked for."""

from __future__ import annotations

import numpy as np
import pytest

from kiosk.vision.track import MIN_SHARE_OF_LARGEST, in_front
from kiosk.vision.worker import band_for
from models.calibration import shipped
from models.face import embed
from models.face.detect import Face

SIZE = 192


def face(width_px: float) -> Face:
    box = np.array([100, 100, 100 + width_px, 100 + width_px], dtype=np.float32)
    return Face(box=box, points=np.zeros((6, 2), dtype=np.float32), score=0.9)


def test_who_stands_far_behind_is_not_meant() -> None:
    near, far = face(200), face(200 * MIN_SHARE_OF_LARGEST - 1)
    assert in_front((far, near)) == (near,)


def test_who_stands_just_behind_is_meant() -> None:
    near, behind = face(200), face(200 * MIN_SHARE_OF_LARGEST + 1)
    assert in_front((near, behind)) == (near, behind)
    assert in_front(()) == ()


@pytest.mark.parametrize(
    ("fmr", "bands"),
    [
        ("1e-3", ["different", "same", "same", "same_strong"]),
        ("1e-4", ["different", "unsure", "same", "same_strong"]),
        ("1e-5", ["different", "unsure", "unsure", "same_strong"]),
    ],
)
def test_same_means_at_the_rate_asked_for(fmr: str, bands: list[str]) -> None:
    calibration = shipped(embed.NAME)
    reference = np.zeros(SIZE, dtype=np.float32)
    reference[0] = 1
    steps = [calibration.score_at(rate) for rate in (1e-3, 1e-4, 1e-5)]
    for close, band in zip([0.0, *(each + 0.002 for each in steps)], bands, strict=True):
        frame = np.zeros(SIZE, dtype=np.float32)
        frame[:2] = close, np.sqrt(1 - close**2)
        found = band_for(
            [frame] * 3,
            reference=reference,
            calibration=calibration,
            fmr=fmr,
            closeness=embed.cosine,
        )
        assert found == band
