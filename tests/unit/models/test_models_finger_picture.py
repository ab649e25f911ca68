"""A picture of a finger may come in any coding, and from anybody: grey at 500 dpi, or refused."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import wsq_material
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from models.evaluate import pictures
from models.finger.picture import (
    MAX_BYTES,
    MAX_DPI,
    MAX_SIDE_PX,
    MIN_DPI,
    MIN_SIDE_PX,
    FingerPictureError,
    from_coded,
    from_pixels,
    from_raw,
)

RIDGES = wsq_material.ridges(200, 160)


def coded(picture, kind, **options):
    out = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(out, kind, **options)
    return out.getvalue()


def why(call, *args, **options):
    with pytest.raises(FingerPictureError) as refused:
        call(*args, **options)
    assert refused.value.why in str(refused.value)
    return refused.value.why


LOSSLESS = {
    "png": coded(RIDGES, "PNG"),
    "jp2": coded(RIDGES, "JPEG2000"),
    "j2k": coded(RIDGES, "JPEG2000", no_jp2=True),
}
BEGINNINGS = [b"", b"\xff\xa0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"P5 "]
ANY = ("BMP", "GIF", "PPM", "TIFF", "PCX", "SGI", "TGA", "WEBP")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_picture_comes_back_as_it_was(kind):
    picture = from_coded(LOSSLESS[kind])
    np.testing.assert_array_equal(picture.grey, RIDGES)
    assert picture.grey.dtype == np.uint8
    assert not picture.grey.flags.writeable
    assert picture.source_dpi == (500.0, 500.0)
    assert picture.assumed
    assert "array" not in repr(picture)


@pytest.mark.parametrize("kind", ANY)
def test_other_formats_are_read_where_they_may_be(kind):
    raw = coded(RIDGES, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(from_coded(raw, formats=pictures.FORMATS).grey, RIDGES)
    assert why(from_coded, raw) == "format"


def test_a_jpeg_comes_back_about_as_it_was():
    grey = from_coded(coded(RIDGES, "JPEG", quality=90)).grey
    assert np.abs(grey.astype(int) - RIDGES).mean() < 6


def test_wsq_is_read_and_says_its_resolution():
    raw = wsq_material.small(200, 160)
    picture = from_coded(raw)
    assert picture.grey.shape == (200, 160)
    assert not picture.assumed
    finer = raw.replace(wsq_material.nist_comment(500), wsq_material.nist_comment(1000))
    picture = from_coded(finer)
    assert picture.grey.shape == (100, 80)
    assert picture.source_dpi == (1000.0, 1000.0)
    assert from_coded(finer, dpi=500).grey.shape == (200, 160)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_other_modes_become_grey(mode):
    steps = np.repeat(np.arange(0, 256, 255 if mode == "1" else 17, dtype=np.uint8), 60)
    grey = np.tile(steps, (60, 1))
    kind = "TIFF" if mode == "CMYK" else "PNG"
    raw = coded(Image.fromarray(grey).convert(mode), kind)
    read = from_coded(raw, formats=pictures.FORMATS).grey
    assert np.abs(read.astype(int) - grey).max() <= 1


def test_paper_shows_through():
    shown = Image.fromarray(RIDGES).convert("LA")
    shown.putalpha(Image.fromarray(np.where(RIDGES < 128, 255, 0).astype(np.uint8)))
    read = from_coded(coded(shown, "PNG")).grey
    np.testing.assert_array_equal(read, np.where(RIDGES < 128, RIDGES, 255))
    palette = Image.fromarray(RIDGES // 16).convert("P")
    assert (from_coded(coded(palette, "PNG", transparency=0)).grey[RIDGES < 16] == 255).all()


def test_sixteen_bits_become_eight_from_the_top():
    wide = RIDGES.astype(np.uint16) * 256 + 7
    np.testing.assert_array_equal(from_coded(coded(wide, "PNG")).grey, RIDGES)
    raw = coded(Image.fromarray(wide.astype(np.int32)), "TIFF")
    np.testing.assert_array_equal(from_coded(raw, formats=("TIFF",)).grey, RIDGES)


def test_pixels_of_other_numbers_are_refused():
    raw = coded(Image.fromarray(RIDGES.astype(np.float32)), "TIFF")
    assert why(from_coded, raw, formats=("TIFF",)) == "format"


def test_light_ridges_are_turned_dark_when_they_are_said_to_be():
    raw = coded(255 - RIDGES, "PNG")
    np.testing.assert_array_equal(from_coded(raw, light_ridges=True).grey, RIDGES)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_raw_pixels_are_read_at_any_depth(bits):
    most = (1 << min(bits, 8)) - 1
    levels = np.random.default_rng(bits).integers(0, most + 1, (60, 64))
    if bits == 16:
        data = (levels * 256 + 5).astype(">u2").tobytes()
    elif bits == 8:
        data = levels.astype(np.uint8).tobytes()
    else:
        text = "".join(f"{each:0{bits}b}" for each in levels.ravel())
        data = int(text, 2).to_bytes(len(text) // 8, "big")
    grey = from_raw(data, width_px=64, height_px=60, depth_bits=bits).grey
    np.testing.assert_array_equal(grey, levels * 255 // most)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"width_px": 49}, "size"),
        ({"height_px": 1001}, "size"),
        ({"height_px": -60}, "size"),
        ({"depth_bits": 12}, "format"),
        ({"depth_bits": 0}, "format"),
        ({"depth_bits": 1, "width_px": 60}, "format"),
        ({"height_px": 61}, "damaged"),
        ({"depth_bits": 4}, "damaged"),
        ({"dpi": 96}, "dpi"),
    ],
)
def test_raw_pixels_that_do_not_fit_are_refused(options, expected):
    numbers = {"width_px": 64, "height_px": 60, **options}
    assert why(from_raw, bytes(64 * 60), **numbers) == expected


def wave(length, period_px):
    line = 128 + 100 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / period_px)
    return np.tile(np.rint(line).astype(np.uint8), (120, 1))


@pytest.mark.parametrize("dpi", [569, 1000, 750, 363, 508])
def test_ridges_are_where_they_were_at_500_dpi(dpi):
    """Places are exact: the wave that was so far from the corner is as far from it afterwards."""
    fine = wave(400, 9.3 * dpi / 500)
    picture = from_pixels(fine, dpi=(dpi, 500))
    expected = wave(math.floor(400 * 500 / dpi), 9.3)
    assert picture.grey.shape == expected.shape
    inner = slice(8, -8)
    assert np.abs(picture.grey[:, inner].astype(int) - expected[:, inner]).max() <= 6
    turned = from_pixels(np.ascontiguousarray(fine.T), dpi=(500, dpi))
    np.testing.assert_array_equal(turned.grey, picture.grey.T)


def test_what_is_finer_than_ridges_does_not_alias():
    fine = np.tile(np.array([0, 255], dtype=np.uint8), (300, 150))
    assert from_pixels(fine, dpi=1000).grey[:, 5:-5].std() < 3


@pytest.mark.parametrize("dpi", [500, 500.38, 496, (504.0, 500.0)])
def test_nearly_500_dpi_is_left_as_it_is(dpi):
    np.testing.assert_array_equal(from_pixels(RIDGES, dpi=dpi).grey, RIDGES)


@pytest.mark.parametrize(
    ("said", "shape", "assumed"),
    [((1000, 1000), (100, 80), False), ((72, 72), (200, 160), True), ((0, 0), (200, 160), True)],
)
def test_a_file_is_believed_where_its_resolution_may_be_true(said, shape, assumed):
    picture = from_coded(coded(RIDGES, "PNG", dpi=said))
    assert picture.grey.shape == shape
    assert picture.assumed == assumed


def test_a_resolution_that_is_no_number_is_refused():
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (282, 283):
        directory.tagtype[tag] = 2
        directory[tag] = "many"
    directory[296] = 2
    raw = coded(RIDGES, "TIFF", tiffinfo=directory)
    assert why(from_coded, raw, formats=("TIFF",)) == "damaged"


@pytest.mark.parametrize(
    "dpi", [0, -500, MIN_DPI - 1, MAX_DPI + 1, math.nan, math.inf, (500.0, 0.0)]
)
def test_a_resolution_out_of_bounds_is_refused(dpi):
    assert why(from_pixels, RIDGES, dpi=dpi) == "dpi"


@pytest.mark.parametrize(
    ("shape", "dpi"),
    [
        ((MIN_SIDE_PX - 1, 99), 500),
        ((99, MAX_SIDE_PX + 1), 500),
        ((90, 99), 1000),
        ((MAX_SIDE_PX, 99), 300),
    ],
)
def test_a_size_out_of_bounds_is_refused_before_and_after_resampling(shape, dpi):
    grey = np.zeros(shape, dtype=np.uint8)
    assert why(from_pixels, grey, dpi=dpi) == "size"
    assert why(from_coded, coded(grey, "PNG"), dpi=dpi) == "size"


def test_other_arrays_are_refused():
    assert why(from_pixels, RIDGES.astype(np.uint16), dpi=500) == "format"
    assert why(from_pixels, np.stack([RIDGES] * 3, axis=2), dpi=500) == "format"


def test_what_asks_for_too_much_is_refused_before_it_is_decoded():
    huge = coded(np.zeros((64, 64), dtype=np.uint8), "PNG")
    huge = huge[:16] + (60_000).to_bytes(4, "big") * 2 + huge[24:]
    assert why(from_coded, huge) in {"size", "format"}
    assert why(from_coded, bytes(MAX_BYTES + 1)) == "size"
    jpeg = coded(RIDGES, "JPEG")
    assert why(from_coded, jpeg[:-2] + b"\xff\xda" * 40) == "size"
    precincts = coded(RIDGES, "JPEG2000", no_jp2=True, tile_size=(8, 8))
    assert why(from_coded, precincts) == "size"


@pytest.mark.parametrize("kind", [*LOSSLESS, "wsq"])
def test_half_a_picture_is_refused(kind):
    raw = LOSSLESS.get(kind, wsq_material.small())
    assert why(from_coded, raw[: len(raw) // 2]) == "damaged"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_refused(begin, raw):
    with pytest.raises(FingerPictureError):
        from_coded(begin + raw, formats=pictures.FORMATS)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(LOSSLESS)), st.integers(0, 2**31), st.integers(0, 255))
def test_a_picture_changed_anywhere_is_a_picture_or_refused(kind, at, value):
    raw = bytearray(LOSSLESS[kind])
    raw[at % len(raw)] = value
    try:
        grey = from_coded(bytes(raw)).grey
    except FingerPictureError:
        return
    assert grey.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(
    st.integers(-5, 120),
    st.integers(-5, 120),
    st.integers(-1, 17),
    st.binary(max_size=16),
    st.one_of(st.none(), st.floats()),
)
def test_any_numbers_around_pixels_are_a_picture_or_refused(width, height, depth, data, dpi):
    needed = max(width, 0) * max(height, 0) * max(depth, 0) // 8
    whole = (data * (needed // max(len(data), 1) + 1))[:needed]
    try:
        picture = from_raw(whole, width_px=width, height_px=height, depth_bits=depth, dpi=dpi)
    except FingerPictureError:
        return
    assert min(picture.grey.shape) >= MIN_SIDE_PX
