"""A chip's portrait comes from a card that may be anybody's: a picture or a typed refusal."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.portrait import MAX_BYTES, PortraitError, decode

SMOOTH = np.stack(
    np.broadcast_arrays(
        np.linspace(0, 255, 120)[:, None], np.linspace(255, 0, 90)[None, :], np.full((1, 1), 128.0)
    ),
    axis=2,
).astype(np.uint8)


def coded(rgb, kind, **options):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


JPEG = coded(SMOOTH, "JPEG", quality=90)
JP2 = coded(SMOOTH, "JPEG2000", quality_mode="rates", quality_layers=[8])
J2K = coded(SMOOTH, "JPEG2000", no_jp2=True)
ALL = {"jpeg": JPEG, "jp2": JP2, "j2k": J2K}


@pytest.mark.parametrize("kind", ALL)
def test_a_portrait_comes_back_as_it_was(kind):
    rgb = decode(ALL[kind])
    assert rgb.shape == SMOOTH.shape
    assert rgb.dtype == np.uint8
    assert not rgb.flags.writeable
    assert np.abs(rgb.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_grey_portrait_has_three_equal_channels(kind):
    rgb = decode(coded(SMOOTH[..., 0], kind))
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 0] == rgb[..., 2]).all()


def claiming(width, height):
    """Return the JPEG with another size in its frame header."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "format"),
        (b"\xff\xd8\xff", "format"),
        (coded(SMOOTH, "PNG"), "format"),
        (coded(SMOOTH, "TIFF"), "format"),
        (coded(np.zeros((50, 50, 4), np.uint8), "JPEG2000"), "format"),
        (JPEG + bytes(MAX_BYTES - len(JPEG) + 1), "size"),
        (claiming(2001, 2000), "size"),
        (claiming(9000, 400), "size"),
        (claiming(12_000, 12_000), "size"),
        (claiming(65_535, 65_535), "format"),
        (claiming(15, 100), "size"),
        (coded(np.zeros((15, 40, 3), np.uint8), "JPEG2000"), "size"),
        (JPEG[: len(JPEG) // 2], "damaged"),
    ],
)
def test_what_is_no_portrait_is_refused(raw, why):
    with pytest.raises(PortraitError) as refused:
        decode(raw)
    assert refused.value.why == why


def test_four_megapixels_are_still_a_portrait():
    assert decode(coded(np.zeros((2000, 2000, 3), np.uint8), "JPEG", quality=50)).shape[0] == 2000


@pytest.mark.parametrize("kind", ALL)
def test_a_portrait_cut_short_anywhere_is_a_picture_or_refused(kind):
    for end in range(0, len(ALL[kind]), 23):
        try:
            rgb = decode(ALL[kind][:end])
        except PortraitError:
            continue
        assert rgb.shape == SMOOTH.shape


@settings(max_examples=150, deadline=2000)
@given(kind=st.sampled_from(sorted(ALL)), data=st.data())
def test_a_damaged_portrait_is_a_picture_or_refused(kind, data):
    raw = bytearray(ALL[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    try:
        rgb = decode(bytes(raw))
    except PortraitError:
        return
    assert rgb.ndim == 3
    assert rgb.shape[0] * rgb.shape[1] <= 4_000_000
