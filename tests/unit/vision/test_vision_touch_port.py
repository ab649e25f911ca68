"""Frames between station and touch worker: they come back; their reader holds the bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.vision.port import VisionFrameError
from kiosk.vision.touch_port import (
    MAX_FRAME_BYTES,
    MAX_IMAGE_BYTES,
    PART_BYTES,
    Again,
    CodedTouch,
    Compare,
    Part,
    Reference,
    Touch,
    TouchJudged,
    TouchReady,
    decode_from_touch,
    decode_to_touch,
    encode,
    parts_of,
)

CODED: dict[str, Any] = {
    "position": 2, "format": "wsq", "width_px": 300, "height_px": 400, "ppi": 500.0,
    "depth_bits": 8,
}  # fmt: skip
TO = [
    Part(bytes(PART_BYTES)),
    Reference(**CODED),
    CodedTouch(**{**CODED, "ppi": None}),
    Compare("1e-3"),
    Touch(width_px=192, height_px=192, ppi=508.0),
]
FROM = [
    TouchReady(models={"minutiae": "net-1"}, position=7),
    Again(hint=None, position=0),
    TouchJudged(band="none", touches=0, reasons=("finger_replayed",), ms={"match": 0.5}),
]


def test_every_frame_comes_back() -> None:
    for frame in TO:
        assert decode_to_touch(encode(frame)) == frame
        assert len(encode(frame)) <= MAX_FRAME_BYTES
    for frame in FROM:
        assert decode_from_touch(encode(frame)) == frame


@pytest.mark.parametrize(
    "frame",
    [
        Part(b""),
        Part(bytes(PART_BYTES + 1)),
        Reference(**{**CODED, "position": 11}),
        Reference(**{**CODED, "format": "bmp"}),
        Reference(**{**CODED, "ppi": 9_000.0}),
        Reference(**{**CODED, "depth_bits": 17}),
        Compare("1e-1"),  # type: ignore[arg-type] # a rate that nobody agreed on
        Touch(width_px=63, height_px=192, ppi=500.0),
        Touch(width_px=192, height_px=1_025, ppi=500.0),
        *FROM,
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_station_may_not_send(frame: Any) -> None:
    with pytest.raises(VisionFrameError):
        decode_to_touch(encode(frame))


@pytest.mark.parametrize(
    "frame",
    [
        TouchReady(models={}, position=2),
        TouchReady(models={"minutiae": "no name"}, position=2),
        Again(hint="no_face", position=2),  # type: ignore[arg-type] # no hint of a finger
        TouchJudged(band="same", touches=7),
        TouchJudged(band="sure", touches=1),  # type: ignore[arg-type] # no band
        TouchJudged(band="none", touches=0, ms={"match": -1.0}),
        *TO,
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_worker_may_not_send(frame: Any) -> None:
    with pytest.raises(VisionFrameError):
        decode_from_touch(encode(frame))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_a_typed_error(raw: bytes) -> None:
    for decode in (decode_to_touch, decode_from_touch):
        try:
            decode(raw)
        except VisionFrameError:
            continue


@given(st.binary(min_size=1, max_size=3 * PART_BYTES))
def test_an_image_in_parts_is_the_image(image: bytes) -> None:
    assert b"".join(part.data for part in parts_of(image)) == image


@pytest.mark.parametrize("size", [0, MAX_IMAGE_BYTES + 1])
def test_an_image_of_no_or_too_many_bytes_has_no_parts(size: int) -> None:
    with pytest.raises(VisionFrameError):
        parts_of(bytes(size))
