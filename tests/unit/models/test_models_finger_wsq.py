"""WSQ comes from a card or a device that may be anybody's: a picture or a typed refusal.

What is a picture is the reference's picture, to the last bit.
"""

from __future__ import annotations

import itertools
import os
import platform
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import wsq_material as material
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from models.finger.wsq import MAX_BYTES, MAX_SIDE_PX, MIN_SIDE_PX, WSQError, decode
from models.finger.wsq.segments import MAX_SEGMENTS, split

SMALL = material.small()
RNG = np.random.default_rng(11)


def why(raw):
    with pytest.raises(WSQError) as refused:
        decode(raw)
    assert refused.value.why in str(refused.value)
    return refused.value.why


def a_picture(*blocks, size=(96, 112), tables=material.FLAT_TABLE, bins=None, filters=None):
    """Return a file with the usual tables around these blocks."""
    return material.whole(
        filters or material.USUAL_FILTERS, bins or material.bins(), material.frame(*size), tables,
        *blocks,
    )  # fmt: skip


COUNT = material.count(96, 112)


# --- against NIST's own decoder and encoder, which the package `wsq` wraps -----------------------

reference = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the reference has no wheel for this machine"
)


def reference_encoded(grey):
    import _wsq

    return _wsq.compress(np.ascontiguousarray(grey).tobytes(), *grey.shape, 12)


def reference_decoded(raw):
    import _wsq

    pixels, width, height, dpi = _wsq.decompress(raw)
    return np.frombuffer(pixels, dtype=np.uint8).reshape(height, width), dpi


def assert_same(raw):
    """Accept a file of which every pixel is the reference's, and the resolution as well."""
    expected, dpi = reference_decoded(raw)
    got = decode(raw)
    np.testing.assert_array_equal(got.grey, expected)
    assert (got.dpi or -1) == dpi
    return expected


@reference
@pytest.mark.parametrize(
    "size", [(300, 300), (301, 257), (388, 374), (111, 640), (97, 95), (81, 82), (500, 501)]
)
def test_ridges_come_out_as_the_reference_has_them(size):
    grey = material.ridges(*size, seed=size[0])
    seen = assert_same(reference_encoded(grey))
    assert np.corrcoef(seen.ravel(), grey.ravel())[0, 1] > 0.9


@reference
@pytest.mark.parametrize("seed", range(3))
def test_noise_and_contrast_come_out_as_the_reference_has_them(seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (203, 190 + seed), dtype=np.uint8)
    edges = np.where(rng.random(noise.shape) < 0.1, 255, 0).astype(np.uint8)
    for grey in (noise, edges, np.tile(np.arange(190 + seed, dtype=np.uint8), (203, 1))):
        assert_same(reference_encoded(grey))


@reference
@pytest.mark.parametrize("first", [*range(3, 17), 32])
def test_filters_of_any_length_come_out_as_the_reference_has_them(first):
    # The longest filters reach further than the smallest bands of a small picture.
    sizes = [(145 + first, 160), (161, 150 + first)] if first < 32 else [(700, 651)]
    contrasts = []
    for second, size in itertools.product(range(3, 17), sizes):
        rng = np.random.default_rng([first, second, *size])
        odd = first % 2
        if odd != second % 2 or (second - odd) // 2 % 2 != (first + odd) // 2 % 2:
            continue
        halves = [rng.normal(scale=0.2, size=(each + odd) // 2) for each in (first, second)]
        halves[0][0] += 0.6
        halves[1][0] += 0.6
        numbers = material.random_numbers(rng, material.count(*size))
        raw = a_picture(
            material.coded(numbers),
            size=size,
            filters=material.filters(*halves, sizes=(first, second)),
            bins=material.bins(widths=(0.4,) * 60, zeros=(0.5,) * 60),
        )
        contrasts.append(assert_same(raw).std())
        if first == 32:
            break
    assert 1 < np.median(contrasts) < 126


@reference
@pytest.mark.parametrize("seed", range(6))
def test_bins_shifts_and_scales_come_out_as_the_reference_has_them(seed):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(100, 260, 2).tolist())
    unsent = set(rng.choice(60, size=seed * 9, replace=False).tolist())
    widths = [0.0 if at in unsent else rng.uniform(0.5, 9) for at in range(60)]
    numbers = material.random_numbers(rng, material.count(*size, unsent=unsent))
    raw = material.whole(
        material.nist_comment(1000),
        material.bins(widths, rng.uniform(0.5, 11, 60), center=rng.uniform(0, 0.6)),
        material.USUAL_FILTERS,
        material.frame(*size, shift=rng.uniform(90, 160), scale=rng.uniform(0.2, 2)),
        material.comment("in between"),
        material.FLAT_TABLE,
        *(material.coded(each) for each in np.array_split(numbers, seed + 1)),
    )
    assert assert_same(raw).std() > 1
    assert decode(raw).dpi == 1000


@reference
@pytest.mark.testdata
def test_real_fingers_come_out_as_the_reference_has_them():
    sets = Path(os.environ.get("TRAM_TESTDATA", "/nowhere")) / "data" / "fingers" / "fvc2002"
    files = sorted(sets.glob("DB*_B/*.png"))
    if not files:
        pytest.skip("TRAM_TESTDATA names no fvc2002")
    for path in files[::8]:
        assert_same(reference_encoded(np.asarray(Image.open(path).convert("L"))))


# --- by itself -----------------------------------------------------------------------------------


def test_a_picture_says_its_size_and_resolution():
    got = decode(SMALL)
    assert got.grey.shape == (96, 112)
    assert got.grey.dtype == np.uint8
    assert not got.grey.flags.writeable
    assert got.dpi == 500
    assert "array" not in repr(got)


def test_every_number_is_read_as_it_was_written():
    numbers = np.zeros(COUNT, dtype=int)
    wanted = [74, -73, 75, -74, 255, -255, 256, -256, 65535, -65535, 1, -1]
    numbers[3 : 3 + len(wanted)] = wanted
    numbers[200:300:7], numbers[900], numbers[-1] = 5, -80, 300
    from models.finger.wsq import huffman

    parts = split(a_picture(material.coded(numbers[:901]), material.coded(numbers[901:])))
    np.testing.assert_array_equal(huffman.numbers(parts.blocks, count=COUNT), numbers)


def test_a_picture_of_zeros_is_grey():
    assert set(np.unique(decode(a_picture(material.coded([0] * COUNT))).grey)) == {128}


@reference
def test_a_run_of_no_zeros_is_one():
    empty = f"{105 - 1:08b}" + "0" * 8
    block = material.block(empty * 9 + f"{180 - 1:08b}" * COUNT + empty)
    assert_same(a_picture(block))


def test_what_follows_the_end_is_left_alone():
    np.testing.assert_array_equal(decode(SMALL + b"more").grey, decode(SMALL).grey)


@pytest.mark.parametrize(
    ("comment", "dpi"),
    [
        ("NIST_COM 2\nPPI 1000\nLOSSY 1", 1000),
        ("NIST_COM 2\nPPI -1\n", None),
        ("NIST_COM 2\nPPI 0\n", None),
        ("NIST_COM 2\nPPI many\n", None),
        ("PPI 600", None),
        ("NIST_COM 1\nXPPI 600", None),
    ],
)
def test_the_resolution_is_read_from_comments_of_its_form_only(comment, dpi):
    raw = material.whole(
        material.comment(comment), material.USUAL_FILTERS, material.bins(), material.frame(96, 112),
        material.FLAT_TABLE, material.coded([0] * COUNT),
    )  # fmt: skip
    assert decode(raw).dpi == dpi


@pytest.mark.parametrize("more", [-1, 1])
def test_too_few_numbers_and_too_many_are_refused(more):
    assert why(a_picture(material.coded([3] * (COUNT + more)))) == "damaged"
    assert why(a_picture(material.coded([0] * (COUNT + more)))) == "damaged"


BAD_BLOCKS = {
    "a symbol that means nothing": (
        material.huffman({0: ([1], [0])}), material.block("0" * COUNT)),
    "symbol 255": (material.huffman({0: ([1], [255])}), material.block("0" * COUNT)),
    "a code that is not in the table": (
        material.huffman({0: ([0, 1], [180])}), material.block("10" * 40)),
    "an escape cut short": (material.huffman({0: ([1], [103])}), material.block("0" + "0" * 8)),
    "an escape at the very end": (material.huffman({0: ([1], [103])}), material.block("0" * 8)),
    "a run beyond the picture": (
        material.huffman({0: ([1], [106])}), material.block("0" + "1" * 16)),
    "no table of that number": (material.FLAT_TABLE, material.coded([0] * COUNT, table=1)),
    "a code of ones alone": (
        material.huffman({0: ([2], [180, 181])}), material.block("0" * COUNT)),
    "more codes than fit": (
        material.huffman({0: ([3], [180, 181, 182])}), material.block("0" * COUNT)),
    "a table of nothing": (material.huffman({0: ([], [])}), material.coded([0] * COUNT)),
    "a byte that is filled up with zeros": (
        material.huffman({0: ([0, 1], [180])}), material.block("00" * COUNT + "10000000")),
    "a byte more than is filled up": (
        material.FLAT_TABLE, material.coded([0] * COUNT) + b"\xff\x00"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_BLOCKS)
def test_blocks_that_are_not_sound_are_refused(what):
    tables, block = BAD_BLOCKS[what]
    assert why(a_picture(block, tables=tables)) == "damaged"


BAD_FILES = {
    "nothing": (b"", "damaged"),
    "another format": (b"\xff\xd8\xff\xe0" + bytes(40), "format"),
    "no end": (SMALL[:-2], "damaged"),
    "half of it": (SMALL[: len(SMALL) // 2], "damaged"),
    "no header": (material.whole(material.USUAL_FILTERS, material.bins()), "damaged"),
    "no filters": (
        material.whole(material.bins(), material.frame(96, 112), material.FLAT_TABLE), "damaged"),
    "no bins": (
        material.whole(material.USUAL_FILTERS, material.frame(96, 112)), "damaged"),
    "two headers": (material.whole(material.frame(96, 112), material.frame(96, 112)), "format"),
    "a restart interval": (
        material.whole(material.segment(0xFFA7, b"\x00\x10"), SMALL[2:-2]), "format"),
    "an unknown marker": (material.whole(material.segment(0xFFB0, b"")), "format"),
    "no marker": (material.whole(b"\x00\x04" * 6), "format"),
    "a segment longer than the file": (b"\xff\xa0\xff\xa8\xff\xff", "damaged"),
    "a segment shorter than its length": (b"\xff\xa0\xff\xa8\x00\x01\xff\xa1", "damaged"),
    "an end at once": (b"\xff\xa0\xff\xa1", "damaged"),
    "a short header": (material.whole(material.segment(material.SOF, bytes(14))), "damaged"),
    "a long header": (material.whole(material.segment(material.SOF, bytes(16))), "damaged"),
    "short bins": (material.whole(material.bins()[:-3]), "damaged"),
    "bins cut short": (material.whole(material.segment(material.DQT, bytes(386))), "damaged"),
    "an empty table": (material.whole(material.segment(material.DTT, b"")), "damaged"),
    "filters cut short": (
        material.whole(material.segment(material.DTT, bytes([9, 7]) + bytes(53))), "damaged"),
    "Huffman counts cut short": (
        material.whole(material.segment(material.DHT, bytes(12))), "damaged"),
    "Huffman symbols cut short": (
        material.whole(material.segment(material.DHT, bytes([0, 9]) + bytes(15))), "damaged"),
    "a ninth Huffman table": (material.whole(material.huffman({8: ([1], [180])})), "format"),
    "a Huffman table twice": (
        material.whole(material.segment(material.DHT, 2 * (bytes([0, 1]) + bytes(16)))), "format"),
    "too many segments": (
        material.whole(*[material.comment("")] * MAX_SEGMENTS, SMALL[2:-2]), "size"),
    "too many bytes": (SMALL + bytes(MAX_BYTES), "size"),
    "a tap beyond any filter": (
        material.whole(material.filters((4.2, 0), (1, 0, 0), sizes=(3, 5))), "format"),
    "filters of two kinds": (
        material.whole(material.filters([1] * 5, [1] * 4, sizes=(9, 8))), "format"),
    "filters that do not start together": (
        material.whole(material.filters([1] * 5, [1] * 5, sizes=(9, 9))), "format"),
    "a filter too short": (material.whole(material.filters([1], [1], sizes=(2, 2))), "format"),
    "a filter too long": (
        material.whole(material.filters([1] * 18, [1] * 18, sizes=(36, 36))), "format"),
    "a number divided too often": (
        material.whole(material.segment(material.DTT, bytes([3, 5, 0, 13]) + bytes(28))), "format"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_are_not_sound_are_refused(what):
    raw, expected = BAD_FILES[what]
    assert why(raw) == expected


def test_a_code_is_not_completed_by_what_is_behind_the_end():
    tables = material.huffman({0: ([0, 1, 2], [180, 180, 180])})
    longer = -2 * COUNT % 8
    bits = "00" * (COUNT - 1 - longer) + "010" * longer + "01"
    assert len(bits) % 8 == 0
    assert decode(a_picture(material.block(bits + "1"), tables=tables)).grey.shape == (96, 112)
    assert why(a_picture(material.block(bits), tables=tables)) == "damaged"


@pytest.mark.parametrize(
    "size",
    [(MIN_SIDE_PX - 1, 200), (200, MIN_SIDE_PX - 1), (MAX_SIDE_PX + 1, 200), (200, 65535), (0, 0)],
)
def test_a_size_out_of_bounds_is_refused_before_anything_is_decoded(size):
    assert why(a_picture(material.coded([0]), size=size)) == "size"


def test_filters_that_reach_further_than_a_band_are_refused():
    filters = material.filters([0.1] * 16, [0.1] * 16, sizes=(32, 32))
    assert why(a_picture(material.coded([0] * COUNT), filters=filters)) == "size"


def test_the_loudest_numbers_do_not_overflow():
    loud = material.filters([4.0] * 4, [-4.0] * 4, sizes=(8, 8))
    bins = material.segment(
        material.DQT, struct.pack(">BH", 0, 65535) + 64 * struct.pack(">BHBH", 0, 65535, 0, 65535)
    )
    raw = a_picture(
        material.coded([65535, -65535] * (COUNT // 2) + [0] * (COUNT % 2)),
        filters=loud,
        bins=bins,
    ).replace(
        material.frame(96, 112),
        material.segment(
            material.SOF, struct.pack(">BBHHBHBHBH", 0, 255, 96, 112, 0, 65535, 0, 65535, 2, 0)
        ),
    )
    assert decode(raw).grey.shape == (96, 112)


@pytest.mark.parametrize("symbol", [180, 1, 101])
def test_the_dearest_pictures_cost_little(symbol):
    """As many codes as the largest picture can have: a number each, of a bit or of nine."""
    side, extra = MAX_SIDE_PX, "00000001" if symbol == 101 else ""
    count = min(material.count(side, side), (MAX_BYTES - 600) * 8 // (1 + len(extra)))
    raw = a_picture(
        material.block(("0" + extra) * count),
        tables=material.huffman({0: ([1], [symbol])}),
        size=(side, side),
    )
    began = time.process_time()
    if symbol == 101:
        assert why(raw) == "damaged"
    else:
        decode(raw)
    assert time.process_time() - began < 4


def test_tables_without_end_cost_little():
    most = [0] * 16
    most[15] = 255
    table = material.huffman({at: (most, [180] * 255) for at in range(8)})
    segments = [material.bins(), table] * (MAX_SEGMENTS // 2)
    began = time.process_time()
    assert why(material.whole(*segments)) == "size"
    assert time.process_time() - began < 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
@example(b"\xff\xa0\xff")
def test_any_bytes_are_a_picture_or_refused(raw):
    for each in (raw, b"\xff\xa0" + raw):
        with pytest.raises(WSQError):
            decode(each)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SMALL) - 1))
def test_a_picture_cut_short_is_refused(length):
    with pytest.raises(WSQError):
        decode(SMALL[:length])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_picture_changed_anywhere_is_a_picture_or_refused(changes):
    raw = bytearray(SMALL)
    for at, value in changes:
        raw[at] = value
    try:
        picture = decode(bytes(raw))
    except WSQError:
        return
    assert picture.grey.dtype == np.uint8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(81, 140), st.integers(81, 140))
def test_numbers_survive_being_coded(seed, height, width):
    from models.finger.wsq import huffman

    rng = np.random.default_rng(seed)
    numbers = material.random_numbers(rng, material.count(height, width))
    blocks = [material.coded(each) for each in np.array_split(numbers, 3)]
    parts = split(a_picture(*blocks, size=(height, width)))
    np.testing.assert_array_equal(huffman.numbers(parts.blocks, count=len(numbers)), numbers)
