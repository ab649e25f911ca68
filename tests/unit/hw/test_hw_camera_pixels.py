"""A webcam's bytes: Pillow's own colours as oracle, and whatever is short or damaged is refused."""

from __future__ import annotations

import numpy as np
import pytest
from camera_material import coloured_by_place
from hypothesis import given, settings
from hypothesis import strategies as st
from v4l2_kernel import jpeg_of, yuyv_of

from hw.camera.pixels import TornFrame, from_mjpeg, from_yuyv

HEIGHT, WIDTH = 48, 64
# Two pixels share their colour in YUYV: pairs that are equal come back as they were.
PICTURE = coloured_by_place()[: 2 * HEIGHT : 2, : 4 * WIDTH : 8].repeat(2, axis=1)
YUYV, JPEG = yuyv_of(PICTURE), jpeg_of(PICTURE)


def test_yuyv_comes_back_in_its_colours() -> None:
    rgb = from_yuyv(YUYV, width=WIDTH, height=HEIGHT, stride=2 * WIDTH)
    assert rgb.shape == PICTURE.shape
    assert rgb.dtype == np.uint8
    assert np.abs(rgb.astype(int) - PICTURE).max() <= 4


def test_rows_may_be_padded() -> None:
    rows = np.frombuffer(YUYV, dtype=np.uint8).reshape(HEIGHT, -1)
    padded = np.pad(rows, ((0, 0), (0, 30))).tobytes()
    whole = from_yuyv(YUYV, width=WIDTH, height=HEIGHT, stride=2 * WIDTH)
    for raw in (padded, padded[:-30]):
        found = from_yuyv(raw, width=WIDTH, height=HEIGHT, stride=2 * WIDTH + 30)
        assert np.array_equal(found, whole)


@pytest.mark.parametrize(
    ("size", "width", "stride"), [(-1, WIDTH, 2 * WIDTH), (None, 63, 126), (None, WIDTH, 127)]
)
def test_half_a_frame_of_yuyv_is_none(size, width, stride) -> None:
    with pytest.raises(TornFrame):
        from_yuyv(YUYV[:size], width=width, height=HEIGHT, stride=stride)


def without_huffman_tables(raw: bytes) -> bytes:
    out, at = raw[:2], 2
    while raw[at + 1] != 0xDA:
        length = 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        out += b"" if raw[at + 1] == 0xC4 else raw[at : at + length]
        at += length
    return out + raw[at:]


def test_motion_jpeg_may_lack_the_usual_tables_and_be_padded() -> None:
    bare = without_huffman_tables(JPEG)
    assert len(bare) < len(JPEG) - 400
    whole = from_mjpeg(JPEG, width=WIDTH, height=HEIGHT)
    assert np.abs(whole.astype(int) - PICTURE).mean() < 4
    for raw in (bare, JPEG + bytes(99)):
        assert np.array_equal(from_mjpeg(raw, width=WIDTH, height=HEIGHT), whole)


def test_another_size_than_agreed_is_refused() -> None:
    with pytest.raises(TornFrame):
        from_mjpeg(JPEG, width=WIDTH, height=HEIGHT + 2)


def test_half_a_jpeg_is_none() -> None:
    for end in range(len(JPEG) - 1):
        with pytest.raises(TornFrame):
            from_mjpeg(JPEG[:end], width=WIDTH, height=HEIGHT)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(JPEG)))
def test_any_bytes_are_a_frame_or_torn(noise: bytes, at: int) -> None:
    for parse in (
        lambda raw: from_mjpeg(raw, width=WIDTH, height=HEIGHT),
        lambda raw: from_yuyv(raw, width=WIDTH, height=HEIGHT, stride=2 * WIDTH),
    ):
        try:
            rgb = parse(JPEG[:at] + noise + JPEG[at + len(noise) :])
        except TornFrame:
            continue
        assert rgb.shape == (HEIGHT, WIDTH, 3)
